//! Series: values by group and day. One answer holds only so many of them (API §3).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::view::{Answer, View, Wording};
use crate::http::reply::Reply;
use crate::time;

const DAY: i64 = 86_400;
/// The most values in one answer, totals included.
const MOST_POINTS: usize = 10_000;
/// The refusal of a range that is too long.
const TOO_MANY: &str =
    "Your interval and date range would create too many results. Use a larger interval, or a smaller date range.";

/// The rows of the days and groups that are asked for. Groups that do not fit are silently left out.
pub(super) fn answer(view: &View<'_>, rows: &[Value]) -> Answer {
    let refuse = |text: &str| Box::new(Reply::detail(400, text));
    let Some((start, end)) = view.window(Wording::Plain)? else {
        return Err(refuse("start and end are both required"));
    };
    let (by, fields): (Vec<&str>, Vec<&str>) = (view.call.all("groupBy").collect(), view.call.all("field").collect());
    if by.is_empty() || fields.is_empty() || view.call.get("interval") != Some("1d") {
        return Err(refuse("This simulator counts by day, and needs a field and something to group by"));
    }
    // The end is part of the range.
    let (first, last) = (start.div_euclid(DAY), end.div_euclid(DAY));
    let days: Vec<String> = (first..=last).map(|day| time::seconds(day * DAY * 1000)).collect();
    if days.len() > view.settings.most_days {
        return Err(refuse(TOO_MANY));
    }
    let rows = more(view, rows, by[by.len() - 1]);
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in rows.iter().filter(|row| days.iter().any(|day| row["interval_start"] == day.as_str())) {
        groups.entry(object(&by, |name| row[name].clone()).to_string()).or_default().push(row);
    }
    let room = MOST_POINTS / (days.len() + 1);
    let groups: Vec<Value> = groups.values().take(room).map(|rows| group(view, rows, &days, &by, &fields)).collect();
    let body = json!({
        "start": time::seconds(start * 1000), "end": time::seconds(end * 1000), "query": "", "intervals": days, "groups": groups,
    });
    Ok(Reply::text(body.to_string()))
}

/// The rows, with additional groups for each day if the settings say so. Those are copies of the day's first row under
/// another name.
fn more(view: &View<'_>, rows: &[Value], name: &str) -> Vec<Value> {
    let mut all = rows.to_vec();
    for (at, row) in rows.iter().enumerate() {
        if rows[..at].iter().any(|other| other["interval_start"] == row["interval_start"]) {
            continue;
        }
        for number in 0..view.settings.more_series {
            let mut another = row.clone();
            another[name] = json!(format!("more-{number}"));
            all.push(another);
        }
    }
    all
}

fn object(names: &[&str], value: impl Fn(&str) -> Value) -> Value {
    Value::Object(names.iter().map(|name| ((*name).to_owned(), value(name))).collect::<Map<_, _>>())
}

/// One group. Counts are 0 on days without a row, and rates are null.
fn group(view: &View<'_>, rows: &[&Value], days: &[String], by: &[&str], fields: &[&str]) -> Value {
    let empty = |field: &str| if field.contains("rate") { Value::Null } else { json!(0) };
    let value = |field: &str, day: &String| {
        let row = rows.iter().find(|row| row["interval_start"] == day.as_str());
        row.map_or_else(|| empty(field), |row| grown(view, &row[field], day))
    };
    json!({
        "by": object(by, |name| rows[0][name].clone()),
        "totals": object(fields, |field| rows[0][field].clone()),
        "series": object(fields, |field| days.iter().map(|day| value(field, day)).collect()),
    })
}

/// The counts of the current day grow by one an hour.
fn grown(view: &View<'_>, value: &Value, day: &str) -> Value {
    let start = time::parse(day).unwrap_or_default();
    match value.as_i64() {
        Some(count) if (start..start + DAY).contains(&view.now) => json!(count + (view.now - start) / 3600),
        _ => value.clone(),
    }
}
