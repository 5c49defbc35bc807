//! The child context, as in the Singer SDK: values of a row for the paths and records of its child streams. Makes no
//! request.

use chrono::TimeDelta;

use crate::json::row::Row;
use crate::sentry::endpoint::PathValues;
use crate::streams::stream::Stream;

/// No row is later than this.
const MOST: TimeDelta = TimeDelta::days(90);

/// The context for the children of one row.
#[derive(Debug, Clone)]
pub(crate) struct ChildContext {
    /// Key of the parent's row. With it the next run finds the place where an interrupted one stopped.
    pub(crate) parent_key: String,
    /// Values for the paths and records of the children, from the row and from its own context.
    pub(crate) values: PathValues,
    /// Id of the project that the parent's row names, if it names one.
    pub(crate) project: Option<String>,
    /// How late the children may come because of what the row says, beside what the table says.
    pub(crate) late_by: TimeDelta,
}

impl ChildContext {
    /// Makes the child context of a row of `stream`; `context` is that of the row itself. An error names the field that
    /// the row lacks.
    pub(crate) fn read(stream: &Stream, row: &Row<'_>, context: &PathValues) -> Result<Self, &'static str> {
        let mut values = context.clone();
        for (name, field) in stream.child_context {
            values.push((name, row.text(field).ok_or(*field)?.into_owned()));
        }
        let project = row.object("project").and_then(|project| Some(project.text("id")?.into_owned()));
        Ok(Self { parent_key: key_of(stream, row), values, project, late_by: late_by(stream, row) })
    }
}

fn late_by(stream: &Stream, row: &Row<'_>) -> TimeDelta {
    let minutes = stream.late_minutes.iter().map(|(object, field, default)| {
        let minutes = row.object(object).and_then(|object| object.integer(field));
        minutes.and_then(|minutes| i64::try_from(minutes).ok()).unwrap_or(i64::from(*default))
    });
    // The server keeps no more than these days.
    minutes.filter_map(TimeDelta::try_minutes).fold(TimeDelta::zero(), |sum, one| (sum + one.min(MOST)).min(MOST))
}

/// The primary key of a row as one text.
pub(crate) fn key_of(stream: &Stream, row: &Row<'_>) -> String {
    stream.key_properties.iter().filter_map(|key| row.text(key)).collect::<Vec<_>>().join("/")
}
