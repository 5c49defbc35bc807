//! Bookmarks of issues and of what depends on them: they name the projects that they speak for.

use std::collections::{BTreeMap, BTreeSet};

use crate::singer::state::Bookmark;
use crate::sync::session::starts::bookmark_of;
use crate::sync::session::{Project, Session};
use crate::time::Time;

/// The bookmark of a selected stream; an empty one where the catalog asks for the full table.
pub(crate) fn current(session: &Session, tap_stream_id: &str) -> Option<Bookmark> {
    let output = session.output.stream(tap_stream_id)?;
    Some(if output.full_table { Bookmark::default() } else { session.output.state.bookmark(tap_stream_id) })
}

/// The projects of the bookmark up to `signpost`. Those that were read have the bookmark's start. Incomplete ones keep
/// their old start. A project that failed before it was ever read is left out, and so begins at `start_date` again.
pub(crate) fn projects_after(
    projects: &[Project],
    signpost: Time,
    old: &Bookmark,
    incomplete: &BTreeSet<String>,
) -> BTreeMap<String, Option<Time>> {
    let after = |project: &Project| {
        let own = old.projects.as_ref().and_then(|projects| projects.get(&project.id).copied().flatten());
        if incomplete.contains(&project.id) {
            return bookmark_of(old, &project.id).map(|start| (project.id.clone(), Some(start)));
        }
        // A project that had a start of its own keeps one, so that no state ever loses a key.
        Some((project.id.clone(), own.map(|_| signpost)))
    };
    projects.iter().filter_map(after).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn projects_that_failed_keep_their_start_and_new_ones_begin_anew() {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).expect("a time");
        let projects = ["1", "2", "3", "4"].map(|id| Project { id: id.to_owned(), slug: String::new() });
        let known = [("1".to_owned(), None), ("2".to_owned(), Some(time(5))), ("3".to_owned(), None)];
        let old = Bookmark { start: Some(time(9)), projects: Some(known.into()), ..Bookmark::default() };
        let incomplete = ["3", "4"].map(str::to_owned).into();
        let after = projects_after(&projects, time(20), &old, &incomplete);
        let expected = [("1", None), ("2", Some(time(20))), ("3", Some(time(9)))];
        assert_eq!(after, expected.map(|(id, start)| (id.to_owned(), start)).into());
    }
}
