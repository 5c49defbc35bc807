//! What a row gives to the streams below it: values for their paths and records (the Singer SDK's child context).

use crate::json::row::Row;
use crate::sentry::endpoint::PathValues;
use crate::streams::stream::Stream;

/// The context in which the children of one row are read.
#[derive(Debug, Clone)]
pub(crate) struct ChildContext {
    /// Key of the parent's row, by which an interrupted run finds its place again.
    pub(crate) parent_key: String,
    /// Values for the paths and records of the children, from the row and from the rows above it.
    pub(crate) values: PathValues,
}

impl ChildContext {
    /// Reads a row of `stream` in the context `above`. An error names the field that the row lacks.
    pub(crate) fn read(stream: &Stream, row: &Row<'_>, above: &PathValues) -> Result<Self, &'static str> {
        let mut values = above.clone();
        for (name, field) in stream.child_context {
            values.push((name, row.text(field).ok_or(*field)?.into_owned()));
        }
        Ok(Self { parent_key: key_of(stream, row), values })
    }
}

/// The key of a row as one text.
pub(crate) fn key_of(stream: &Stream, row: &Row<'_>) -> String {
    stream.key_properties.iter().filter_map(|key| row.text(key)).collect::<Vec<_>>().join("/")
}
