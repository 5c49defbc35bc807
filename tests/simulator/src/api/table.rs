//! `organizations/{org}/events/`: error events as a table of the columns that are asked for (API §3).

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::finish;
use super::page;
use super::view::{Answer, View, Wording};
use crate::hash::mix2;
use crate::http::reply::Reply;
use crate::organization::{Event, Issue};
use crate::render::kind;
use crate::time;

/// The most columns.
const MOST_FIELDS: usize = 20;

/// The table.
pub(super) fn table(view: &View<'_>) -> Answer {
    if !view.settings.has_table {
        return Err(Reply::nothing().into());
    }
    let fields: Vec<&str> = view.call.all("field").collect();
    if fields.is_empty() {
        return Err(view.bad("No columns selected"));
    }
    if fields.len() > MOST_FIELDS {
        return Err(view.bad("You can view up to 20 fields at a time. Please delete some and try again."));
    }
    let dataset = view.call.get("dataset").unwrap_or("discover");
    if !["discover", "errors", "transactions", "spans", "logs"].contains(&dataset) {
        return Err(view.bad("dataset must be one of: discover, errors, spans, logs"));
    }
    let rows = rows(view, dataset)?;
    let (cursor, limit) = (view.cursor()?, view.per_page()?);
    let (range, link) = page::by_row(cursor, limit, rows.len());
    if range.start + limit > view.settings.table_rows {
        return Err(view.bad("Offset too large, narrow your search"));
    }
    let data: Vec<Value> = rows[range]
        .iter()
        .map(|(issue, event)| {
            let cells = fields.iter().map(|field| ((*field).to_owned(), cell(field, issue, event)));
            Value::Object(cells.collect())
        })
        .collect();
    let types: Map<String, Value> = fields.iter().map(|field| ((*field).to_owned(), json!(kind_of(field)))).collect();
    let count = data.len();
    let body = json!({ "data": data, "meta": { "fields": types, "units": {}, "isMetricsData": false } });
    let reply = Reply { link: Some(link), ..Reply::text(finish(view, body)) };
    Ok(Reply { rows: count, ..reply })
}

/// Events of the window, the newest first.
fn rows<'a>(view: &View<'a>, dataset: &str) -> Answer<Vec<(&'a Issue, &'a Event)>> {
    if dataset != "errors" && dataset != "discover" {
        return Ok(Vec::new());
    }
    let selected = view.projects()?;
    let (start, end) = view.window(Wording::Plain)?.unwrap_or((view.horizon(), view.now + 1));
    let query = view.call.get("query").unwrap_or_default();
    let wanted = query.strip_prefix("issue.id:");
    let mut rows: Vec<_> = view
        .org
        .issues
        .iter()
        .filter(|issue| view.knows(issue) && issue.keeps_events() && selected.contains(&issue.project))
        .filter(|issue| wanted.is_none_or(|id| id == issue.id.to_string()))
        .flat_map(|issue| issue.window(start.max(view.horizon()), end).iter().map(move |event| (issue, event)))
        .collect();
    // Within a second, rows have another order in each request unless the request asks for an order.
    let by_id = !view.settings.unstable_ties || view.call.all("sort").any(|sort| sort == "id");
    let within = |event: &Event| if by_id { event.id() } else { u128::from(mix2(view.nonce, event.seed())) };
    rows.sort_by_key(|(_, event)| (Reverse(event.second()), within(event)));
    Ok(rows)
}

fn cell(field: &str, issue: &Issue, event: &Event) -> Value {
    match field {
        "id" => json!(event.hex()),
        "project.id" => json!(issue.project),
        "issue.id" => json!(issue.id),
        "timestamp" => json!(time::seconds(event.ms).replace('Z', "+00:00")),
        "title" => json!(kind::of(issue).title),
        "environment" => json!(kind::environment(event)),
        "error.handled" => json!(event.second() % 2 == 0),
        "span.duration" => json!(f64::from(u32::try_from(event.second() % 1000).unwrap_or(0)) / 4.0),
        _ => Value::Null,
    }
}

fn kind_of(field: &str) -> &'static str {
    match field {
        "project.id" | "issue.id" => "integer",
        "timestamp" => "date",
        "error.handled" => "boolean",
        "span.duration" => "duration",
        _ => "string",
    }
}
