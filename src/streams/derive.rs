//! Fields that the tap adds to a record, as the stream's row of the table says. Makes no request, keeps no state.

use crate::json::row::{Row, items};
use crate::json::text;
use crate::sentry::endpoint::PathValues;
use crate::streams::stream::{Added, Stream};

/// Names and raw JSON values of the fields to add to the record of a row.
pub(crate) fn added_fields(stream: &Stream, row: &Row<'_>, context: &PathValues) -> Vec<(&'static str, String)> {
    let field = |(name, source): &(&'static str, Added)| Some((*name, added_value(name, *source, row, context)?));
    stream.added.iter().filter_map(field).collect()
}

/// The primary key of the record of a row as one text, with the fields that the tap adds; "" if a part of it is missing.
pub(crate) fn record_key(stream: &Stream, row: &Row<'_>, context: &PathValues) -> String {
    let added = |key: &str| {
        let (name, source) = stream.added.iter().find(|(name, _)| *name == key)?;
        added_value(name, *source, row, context)
    };
    let part = |key: &&str| added(key).or_else(|| row.get(key).map(str::to_owned)).filter(|value| value != "null");
    let parts: Option<Vec<String>> = stream.key_properties.iter().map(part).collect();
    parts.unwrap_or_default().join("/")
}

/// The raw value of one added field; `None` if the row keeps its own value.
fn added_value(name: &str, source: Added, row: &Row<'_>, context: &PathValues) -> Option<String> {
    let has_its_own = || row.get(name).is_some_and(|value| value != "null");
    let value = match source {
        Added::Else(_) | Added::OrEmpty if has_its_own() => return None,
        Added::OrEmpty => Some(text::quote("")),
        Added::Else(other) | Added::Renamed(other) => row.get(other).map(str::to_owned),
        Added::Context(wanted) => {
            context.iter().find(|(known, _)| *known == wanted).map(|(_, value)| text::quote(value))
        }
        Added::FirstOf(list, field) => first_of(row, list, field),
        Added::Within(object, field) => {
            let inner = row.object(object);
            let value = inner.as_ref().and_then(|object| object.text(field));
            Some(text::quote(&value.unwrap_or_default()))
        }
    };
    Some(value.unwrap_or_else(|| "null".to_owned()))
}

/// The value of a field in the first object of a list that has it.
fn first_of(row: &Row<'_>, list: &str, field: &str) -> Option<String> {
    let mut first = None;
    items(row.get(list)?, |item| {
        if first.is_none() {
            first = Row::scan(item).and_then(|object| Some(text::quote(&object.text(field)?)));
        }
    });
    first
}
