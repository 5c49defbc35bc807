//! Bookmarks of issues and of what depends on them: they name the projects that they speak for.

use std::collections::BTreeSet;

use crate::singer::state::Bookmark;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::project::Project;
use crate::sync::session::starts::bookmark_of;
use crate::time::Time;

/// The bookmark of a selected stream; an empty one where the catalog asks for the full table.
pub(crate) fn current(session: &Session, tap_stream_id: &str) -> Option<Bookmark> {
    Some(Checkpoint::bookmark_of(session, session.output.stream(tap_stream_id)?))
}

/// The projects of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProjectSet<'a> {
    /// Those that are read.
    pub(crate) read: &'a [Project],
    /// Those that the token may not see. Their bookmarks stay.
    pub(crate) hidden: &'a [Project],
}

impl ProjectSet<'_> {
    /// Moves a bookmark up to `signpost`, for all projects but the incomplete and the hidden ones. Those keep their old
    /// start. A project that failed before it was ever read is left out, and so begins at `start_date` again. No start ever
    /// moves back.
    pub(crate) fn advance(
        self,
        bookmark: &mut Bookmark,
        old: &Bookmark,
        signpost: Time,
        incomplete: &BTreeSet<String>,
    ) {
        let after = |project: &Project| {
            let before = bookmark_of(old, &project.id);
            let moved = || before.map_or(signpost, |start| start.max(signpost));
            let start = if incomplete.contains(&project.id) { before? } else { moved() };
            Some((project.id.clone(), Some(start)))
        };
        // Of a hidden project, only what the bookmark says of it by name: the stream's start went on without it.
        let own = |project: &Project| Some((project.id.clone(), *old.projects.as_ref()?.get(&project.id)?));
        let hidden = self.hidden.iter().filter_map(own).filter(|(_, start)| start.is_some());
        bookmark.projects = Some(self.read.iter().filter_map(after).chain(hidden).collect());
        bookmark.start = Some(old.start.map_or(signpost, |start| start.max(signpost)));
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn projects_that_failed_keep_their_start_and_new_ones_begin_anew() {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).expect("a time");
        let projects = ["1", "2", "3", "4", "5", "6", "7"].map(|id| Project {
            id: id.to_owned(),
            slug: String::new(),
            has_access: true,
        });
        let known =
            [("1", None), ("2", Some(time(5))), ("3", None), ("5", Some(time(30))), ("6", None), ("7", Some(time(2)))];
        let known = known.map(|(id, start)| (id.to_owned(), start)).into();
        let old = Bookmark { start: Some(time(9)), projects: Some(known), ..Bookmark::default() };
        let mut bookmark = old.clone();
        let set = ProjectSet { read: &projects[..5], hidden: &projects[5..] };
        set.advance(&mut bookmark, &old, time(20), &["3", "4"].map(str::to_owned).into());
        let expected = [("1", time(20)), ("2", time(20)), ("3", time(9)), ("5", time(30)), ("7", time(2))];
        let expected = expected.map(|(id, start)| (id.to_owned(), Some(start))).into();
        assert_eq!((bookmark.start, bookmark.projects), (Some(time(20)), Some(expected)));
    }
}
