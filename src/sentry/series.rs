//! Makes rows of series of values over time: one row for each group and interval with a value.
//!
//! Works on raw text. Does not know what is counted.

use crate::json::index::Index;
use crate::json::row::{entries, field, items};
use crate::json::scan::Malformed;

/// What is known of an answer of series, beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    /// The start of each interval, as raw JSON.
    pub(crate) intervals: Vec<String>,
    /// Number of values that it would hold with one more group, totals included.
    points: usize,
    /// Most values that an answer may hold.
    most: usize,
}

impl Series {
    /// Whether there was no space for another group. Then groups may be missing.
    pub(crate) fn is_full(&self) -> bool {
        self.points > self.most
    }

    /// Whether an answer over twice the time would most likely have space too.
    pub(crate) fn has_room(&self) -> bool {
        self.points.saturating_mul(3) < self.most
    }
}

/// The rows of a body as a JSON array. A row has the fields of `by`, the interval as `interval_start`, and the values.
///
/// A row with only zeros and nulls is left out. The server sends it only because the group has a value on another day
/// of the same answer, so it would depend on how time is cut into answers. A group has a total beside its series. The
/// total counts among the `most` values of an answer (API §3).
pub(crate) fn unroll(body: &str, most: usize) -> Result<(String, Series), Malformed> {
    Index::of_object(body)?;
    let part = |name| field(body, name).ok_or(Malformed::OtherShape);
    let mut intervals = Vec::new();
    items(part("intervals")?, |interval| intervals.push(interval)).ok_or(Malformed::OtherShape)?;
    let (mut rows, mut groups, mut whole) = (String::from("["), 0_usize, true);
    items(part("groups")?, |group| {
        groups += 1;
        whole &= push_group(&mut rows, group, &intervals).is_some();
    })
    .ok_or(Malformed::OtherShape)?;
    if !whole {
        return Err(Malformed::OtherShape);
    }
    rows.push(']');
    let points = (groups + 1) * (intervals.len() + 1);
    Ok((rows, Series { intervals: intervals.into_iter().map(str::to_owned).collect(), points, most }))
}

/// Adds the rows of one group; `None` if its series do not match the intervals.
fn push_group(rows: &mut String, group: &str, intervals: &[&str]) -> Option<()> {
    let mut names = String::new();
    entries(field(group, "by")?, |name, value| push_field(&mut names, name, value))?;
    let mut columns: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut whole = Some(());
    entries(field(group, "series")?, |name, series| {
        let mut values = Vec::with_capacity(intervals.len());
        whole = whole.and(items(series, |value| values.push(value)));
        columns.push((name, values));
    })?;
    whole.filter(|()| columns.iter().all(|(_, values)| values.len() == intervals.len()))?;
    for (nth, interval) in intervals.iter().enumerate() {
        if columns.iter().all(|(_, values)| matches!(values[nth], "0" | "0.0" | "null")) {
            continue;
        }
        rows.push_str(if rows.len() > 1 { ",{" } else { "{" });
        rows.push_str(&names);
        push_field(rows, "interval_start", interval);
        for (name, values) in &columns {
            push_field(rows, name, values[nth]);
        }
        rows.pop(); // the comma after the last
        rows.push('}');
    }
    Some(())
}

fn push_field(out: &mut String, name: &str, value: &str) {
    for part in ["\"", name, "\":", value, ","] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"start": "x", "intervals": ["a", "b"], "groups": [
        {"by": {"release": "1\"0", "project": 7}, "totals": {"n": 3}, "series": {"n": [0, 3], "rate": [null, 0.5]}},
        {"by": {"release": null, "project": 8}, "totals": {}, "series": {"rate": [1, 0], "n": [2, 0.0]}}]}"#;

    #[test]
    fn every_group_and_interval_with_a_value_is_a_row() {
        let (rows, series) = unroll(BODY, 10_000).expect("series");
        let expected = r#"[{"release":"1\"0","project":7,"interval_start":"b","n":3,"rate":0.5},{"release":null,"project":8,"interval_start":"a","rate":1,"n":2}]"#;
        assert_eq!(rows, expected);
        assert_eq!(series, Series { intervals: vec!["\"a\"".into(), "\"b\"".into()], points: 9, most: 10_000 });
        assert_eq!(unroll(r#"{"intervals":["a"],"groups":[]}"#, 10).map(|(rows, _)| rows), Ok("[]".into()));
    }

    #[test]
    fn an_answer_without_room_for_another_group_may_have_lost_some() {
        let is_full = |most| unroll(BODY, most).expect("series").1.is_full();
        assert!(is_full(8) && !is_full(9), "two groups of two values and a total, and a third would make it 9");
    }

    #[test]
    fn series_that_do_not_go_with_the_intervals_are_no_answer() {
        for body in [
            r#"{"groups": []}"#,
            r#"{"intervals": []}"#,
            r#"{"intervals": ["a"], "groups": [{"by": {}, "totals": {"n": 1}}]}"#,
            r#"{"intervals": ["a"], "groups": [{"by": {}, "series": {"n": [1, 2]}}]}"#,
            r#"{"intervals": ["a"], "groups": [{"by": {}, "series": {"n": 1}}]}"#,
            "[]",
        ] {
            assert_eq!(unroll(body, 10).err(), Some(Malformed::OtherShape), "{body}");
        }
        assert_eq!(unroll(r#"{"intervals": ["a"], "groups": ["#, 10).err(), Some(Malformed::NotJson));
    }
}
