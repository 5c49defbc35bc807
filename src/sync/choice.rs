//! Which streams a run reads: those that the catalog selects, or the default ones.

use tracing::warn;

use crate::singer::catalog::Catalog;
use crate::singer::selection::stream_is_selected;
use crate::streams::{self, Stream};

/// What the configuration says of records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Fields that no schema declares are passed on.
    pub keep_unknown: bool,
    /// A catalog that selects every stream means every stream.
    pub all_streams: bool,
}

/// The streams to read, in the order of the table.
pub fn selected_streams(catalog: Option<&Catalog>, all_streams: bool) -> Vec<&'static Stream> {
    let Some(catalog) = catalog else {
        return streams::all().filter(|stream| stream.selected_by_default).collect();
    };
    for entry in &catalog.streams {
        if streams::find(entry.id()).is_none() && stream_is_selected(entry, false) {
            warn!("the catalog selects {:?}, which this tap does not have; run --discover again", entry.id());
        }
    }
    let optional = all_streams || !asks_for_everything(catalog);
    let selected = |stream: &&Stream| {
        let entry = catalog.entry(stream.tap_stream_id);
        entry.is_some_and(|entry| stream_is_selected(entry, stream.selected_by_default))
    };
    streams::all().filter(selected).filter(|stream| optional || stream.selected_by_default).collect()
}

/// Whether the catalog selects every stream there is, as Meltano's `*.*` makes it for those who select nothing: that asks
/// for none in particular, and some cost a request for each issue.
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
