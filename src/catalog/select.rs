//! Which streams a run reads: those that the catalog selects, or the default ones. Leaves out streams that another
//! machine reads. Does not know how streams are read.

use tracing::warn;

use crate::singer::catalog::Catalog;
use crate::singer::selection::stream_is_selected;
use crate::streams::{self, Source, Stream};

/// The options that decide which streams and records are written, and what of them may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Slug to write into records and keys, if there are several organizations.
    pub(crate) organization: Option<String>,
    /// Streams of the user's own queries.
    pub(crate) queries: Vec<&'static Stream>,
    /// Read streams of projects only: another machine reads the rest.
    pub(crate) projects_only: bool,
    /// Write fields that no schema declares.
    pub(crate) keep_unknown: bool,
    /// If a catalog selects every stream, read every stream, and not the default ones alone.
    pub(crate) all_streams: bool,
    /// Beginnings of gaps that fail no run.
    pub(crate) accepted_gaps: Vec<String>,
}

/// The streams to read, in the order of the table.
pub(crate) fn selected_streams(catalog: Option<&Catalog>, options: &Options) -> Vec<&'static Stream> {
    let mut selected = match catalog {
        Some(catalog) => selected_by(catalog, options),
        None => streams::all().filter(|stream| stream.selected_by_default).collect(),
    };
    // A query is selected by default: the user wrote it to have it read.
    let entry = |name| catalog.and_then(|catalog| catalog.entry(name));
    let wanted = |stream: &&&Stream| entry(stream.tap_stream_id).is_none_or(|entry| stream_is_selected(entry, true));
    selected.extend(options.queries.iter().filter(wanted));
    selected.retain(|stream| !options.projects_only || is_of_projects(stream));
    selected
}

/// Whether the stream is read project by project. Then each machine reads it for its share of the projects.
fn is_of_projects(stream: &Stream) -> bool {
    let root = streams::line(stream).last().unwrap_or(stream);
    root.tap_stream_id == "projects" || matches!(root.source, Source::Issues | Source::Events)
}

fn selected_by(catalog: &Catalog, options: &Options) -> Vec<&'static Stream> {
    let is_query = |name: &str| options.queries.iter().any(|query| query.tap_stream_id == name);
    for entry in &catalog.streams {
        if streams::find(entry.id()).is_none() && !is_query(entry.id()) && stream_is_selected(entry, false) {
            warn!("the catalog selects {:?}, which this tap does not have; run --discover again", entry.id());
        }
    }
    let optional = options.all_streams || !asks_for_everything(catalog);
    let selected = |stream: &&Stream| {
        let entry = catalog.entry(stream.tap_stream_id);
        entry.is_some_and(|entry| stream_is_selected(entry, stream.selected_by_default))
    };
    streams::all().filter(selected).filter(|stream| optional || stream.selected_by_default).collect()
}

/// Whether the catalog selects every stream. Meltano's `*.*` does so for users who select nothing: they ask for no
/// stream in particular, and some streams cost a request for each issue.
fn asks_for_everything(catalog: &Catalog) -> bool {
    let selected =
        |stream: &Stream| catalog.entry(stream.tap_stream_id).is_some_and(|entry| stream_is_selected(entry, false));
    let everything = streams::all().all(selected);
    if everything {
        let optional: Vec<_> =
            streams::all().filter(|stream| !stream.selected_by_default).map(|stream| stream.tap_stream_id).collect();
        warn!(
            "the catalog selects every stream; those that cost more are left out ({}): select them by name, or set all_streams",
            optional.join(", ")
        );
    }
    everything
}
