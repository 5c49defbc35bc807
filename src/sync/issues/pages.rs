//! The pages of a list of issues: rows noted and written, and how far the list has come.
//!
//! A long list is split into lists of some of the projects each, side by side: a page must be had before the next can be
//! asked for, so one list alone leaves most of the rate unused. How servers differ is known to the scan alone.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use chrono::TimeDelta;
use tracing::debug;

use crate::json::row::Row;
use crate::sentry::dialect::{Capability, MAY_HIDE};
use crate::sentry::error::Tolerance;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::overlap::OverlappingPages;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::progress::Position;
use crate::sync::issues::changed::{IssueList, ResumePoint};
use crate::sync::issues::fan_out::{PageKeys, SplitPosition, divide, lists_for, low_watermark};
use crate::sync::issues::issue::{IssueRow, write_issues};
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::drive::{drive_all, drive_both};
use crate::sync::session::error::SyncError;
use crate::time::Time;

const MAX_RECHECKS: usize = 5;

/// One reading of a list, with what is read along with it.
pub(crate) struct IssuePages<'a, 'l, 's> {
    session: &'a Session,
    /// How far the records are written; absent where none are.
    checkpoint: Option<&'l Checkpoint<'a>>,
    list: RefCell<&'l mut IssueList<'s>>,
    name: &'l str,
    of: &'l str,
    /// What an interrupted run has written of it.
    resume_point: ResumePoint,
    has_windows: bool,
    /// By first event: nothing that is not read yet can move above the cursor.
    by_creation: bool,
    /// How far the list is, and each list that it was split into.
    positions: RefCell<Vec<SplitPosition>>,
    any: Cell<bool>,
}

/// What a list came to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    pages: usize,
    /// Issues not seen before.
    new: usize,
}

/// One list on its way.
struct Reading {
    /// Issues older than this are not wanted.
    start: Time,
    /// Its place among the positions; none when it is read again.
    nth: Option<usize>,
    tally: Tally,
    /// The time of the last row of the page before.
    last: Option<Time>,
}

impl Reading {
    fn new(start: Time, nth: Option<usize>) -> Self {
        Self { start, nth, tally: Tally::default(), last: None }
    }
}

impl<'a, 'l, 's> IssuePages<'a, 'l, 's> {
    /// For one reading of `list`. The state remembers how far it is under its `name`, and with what the window is read for.
    pub(crate) fn new(
        session: &'a Session,
        checkpoint: Option<&'l Checkpoint<'a>>,
        list: &'l mut IssueList<'s>,
        (name, of): (&'l str, &'l str),
        resume_point: ResumePoint,
    ) -> Self {
        let (list, positions, any) = (RefCell::new(list), RefCell::default(), Cell::new(false));
        let supports = |capability| session.client.dialect.supports(capability);
        let (has_windows, by_creation) = (supports(Capability::ListWindows), supports(Capability::IssuesByCreation));
        Self { session, checkpoint, list, name, of, resume_point, has_windows, by_creation, positions, any }
    }

    /// Whether a page has come.
    pub(crate) fn any(&self) -> bool {
        self.any.get()
    }

    /// Reads a list whole, and once its first page has come, its companion too. `divisible` says that it is of all
    /// projects, and may be split.
    pub(crate) async fn read(
        &self,
        request: &Request,
        companion: Option<&Request>,
        divisible: bool,
    ) -> Result<(), SyncError> {
        let began = self.session.client.server_now();
        let start = self.list.borrow().window.start;
        let (nth, other) = (self.begin(), companion.map(|_| self.begin()));
        let request = &self.resumed(request);
        let mut pages = self.pages(request, start);
        let mut reading = Reading::new(start, Some(nth));
        let Some(page) = pages.next_page().await? else { return Ok(()) };
        let splits = if divisible && page.next.is_some() { self.splits(&page) } else { Vec::new() };
        let over = self.take(&page, &mut reading).await?;
        drop(page);
        let main = async {
            let tally = if over { reading.tally } else { self.go_on(request, &splits, pages, reading).await? };
            self.advance_to(Some(nth), SplitPosition::Whole);
            self.recheck(request, began, tally).await
        };
        drive_both(main, self.companion(companion, other, began)).await
    }

    async fn companion(&self, request: Option<&Request>, nth: Option<usize>, began: Time) -> Result<(), SyncError> {
        let Some(request) = request else { return Ok(()) };
        let start = self.list.borrow().window.start;
        match self.rest(self.pages(&self.resumed(request), start), Reading::new(start, nth)).await {
            Err(SyncError::Api(error)) if error.tolerance() == Tolerance::NotOnThisServer => {
                debug!("{error}; this server has no feedback issues");
                self.session.client.dialect.refused(Capability::FeedbackIssues);
                self.advance_to(nth, SplitPosition::Whole);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(tally) => self.recheck(request, began, tally).await,
        }
    }

    /// What follows the first page: several lists if there are `splits`, or the same list.
    async fn go_on(
        &self,
        request: &Request,
        splits: &[Vec<String>],
        pages: OverlappingPages<'_>,
        reading: Reading,
    ) -> Result<Tally, SyncError> {
        if splits.len() < 2 {
            return self.rest(pages, reading).await;
        }
        match self.fan_out(request, splits, &reading).await {
            Err(SyncError::Api(error))
                if matches!(error.tolerance(), Tolerance::NotOnThisServer | Tolerance::Hidden) =>
            {
                debug!("{error}; this server lists issues of all projects or of one");
                self.rest(pages, reading).await
            }
            tally => tally,
        }
    }

    async fn fan_out(&self, request: &Request, splits: &[Vec<String>], reading: &Reading) -> Result<Tally, SyncError> {
        debug!("issues go on in {} lists side by side", splits.len());
        let places: Vec<usize> = splits.iter().map(|_| self.begin()).collect();
        let sum = Cell::new(reading.tally);
        let one = async |projects: &Vec<String>, nth: usize| {
            let request =
                projects.iter().fold(request.without("project"), |request, id| request.with("project", id.clone()));
            let reading = Reading::new(reading.start, Some(nth));
            let tally = self.rest(self.pages(&request, reading.start), reading).await?;
            let before = sum.get();
            sum.set(Tally { pages: before.pages + tally.pages, new: before.new + tally.new });
            Ok(())
        };
        // From here on these lists alone say how far all of it is.
        self.advance_to(reading.nth, SplitPosition::Whole);
        let lists = drive_all(usize::MAX, splits.iter().zip(places).map(|(projects, nth)| one(projects, nth)));
        lists.await.inspect_err(|_: &SyncError| self.advance_to(reading.nth, SplitPosition::Unknown))?;
        Ok(sum.get())
    }

    async fn rest(&self, mut pages: OverlappingPages<'_>, mut reading: Reading) -> Result<Tally, SyncError> {
        while let Some(page) = pages.next_page().await? {
            if self.take(&page, &mut reading).await? {
                break;
            }
        }
        self.advance_to(reading.nth, SplitPosition::Whole);
        Ok(reading.tally)
    }

    /// Reads the newest part of a list by last event again, as long as that brings something new.
    ///
    /// An issue that gets a late event while the list is being read moves above the cursor and would be missed, and with
    /// it its older events for good. Where it went is the newest part, as far back as events are expected to be late.
    /// Servers that list by first event need none of this.
    async fn recheck(&self, request: &Request, began: Time, mut tally: Tally) -> Result<(), SyncError> {
        let window = self.list.borrow().window;
        let lookback = TimeDelta::from_std(self.session.config.lookback).unwrap_or_default();
        let start = window.start.max(began - lookback.max(TimeDelta::minutes(1)));
        for _ in 0..MAX_RECHECKS {
            if self.by_creation || tally.pages < 2 || start >= window.end {
                break;
            }
            tally = self.rest(self.pages(request, start), Reading::new(start, None)).await?;
            if tally.new == 0 {
                break;
            }
            debug!("{} issues moved while they were listed", tally.new);
        }
        Ok(())
    }

    /// The request from where an interrupted run stopped, if only records are wanted. To know which issues have events, the
    /// whole list has to be read.
    fn resumed(&self, request: &Request) -> Request {
        let mut request = request.clone();
        if let (ResumePoint::DownTo(key), true) = (self.resume_point, self.list.borrow().scope.detect.is_empty()) {
            // A second more than the position says: servers differ in how they round it.
            request.cursor = Some(format!("{}:0:0", key.timestamp_millis() + 1000));
        }
        request
    }

    fn pages(&self, request: &Request, start: Time) -> OverlappingPages<'a> {
        let request = request.clone();
        let window = Window { start, ..self.list.borrow().window };
        let request = if self.has_windows { request.within(window) } else { request };
        OverlappingPages::new(&self.session.client, request, |row| row.text("id"))
    }

    /// A place among the positions.
    fn begin(&self) -> usize {
        self.positions.borrow_mut().push(SplitPosition::Unknown);
        self.positions.borrow().len() - 1
    }

    fn advance_to(&self, nth: Option<usize>, position: SplitPosition) {
        if let Some(nth) = nth {
            self.positions.borrow_mut()[nth] = position;
        }
    }

    /// Notes and writes one page; `true` when nothing of what follows is wanted.
    async fn take(&self, page: &Page, reading: &mut Reading) -> Result<bool, SyncError> {
        self.any.set(true);
        let again = reading.nth.is_none();
        let rows: Vec<Row<'_>> = page.rows().flatten().collect();
        let counted = !again && self.has_windows;
        let issues: Vec<IssueRow<'_>> = rows.iter().filter_map(|row| IssueRow::read(row, counted)).collect();
        self.count_malformed_rows(page.len() - issues.len());
        self.say_what_may_be_hidden(&issues, reading);
        let older = |issue: &IssueRow<'_>| issue.last_seen.is_some_and(|last_seen| last_seen < reading.start);
        let past = !issues.is_empty() && issues.iter().all(older);
        let fresh = self.note_new(issues.iter().filter(|issue| !older(issue)));
        (reading.tally.pages, reading.tally.new) = (reading.tally.pages + 1, reading.tally.new + fresh.len());
        let keys = page.next.as_deref().and_then(PageKeys::of_cursor);
        if again || !self.resume_point.covers(keys) {
            write_issues(self.session, self.checkpoint, &self.wanted(fresh)).await?;
        }
        if !again {
            self.advance_to(reading.nth, keys.map_or(SplitPosition::Unknown, |keys| SplitPosition::Down(keys.down_to)));
            self.save_position().await?;
        }
        Ok(past && !self.has_windows) // newest first: what follows is older still
    }

    /// Notes issues that were not seen before, and returns them.
    fn note_new<'i, 'r>(&self, issues: impl Iterator<Item = &'i IssueRow<'r>>) -> Vec<&'i IssueRow<'r>>
    where
        'r: 'i,
    {
        let mut list = self.list.borrow_mut();
        let mut fresh = Vec::new();
        for issue in issues {
            if list.is_new(&issue.id) {
                list.note(&issue.project, issue.last_seen, || issue.to_changed());
                fresh.push(issue);
            }
        }
        fresh
    }

    /// Of these issues, those whose records are wanted.
    fn wanted<'i, 'r>(&self, issues: Vec<&'i IssueRow<'r>>) -> Vec<&'i IssueRow<'r>> {
        let list = self.list.borrow();
        issues.into_iter().filter(|issue| list.emits(&issue.project)).collect()
    }

    /// Some servers repeat and lose rows of one moment at a page boundary.
    fn say_what_may_be_hidden(&self, issues: &[IssueRow<'_>], reading: &mut Reading) {
        let newest = issues.first().and_then(|issue| issue.last_seen);
        let same_moment = newest.is_some() && newest == reading.last;
        if same_moment && !self.session.client.dialect.supports(Capability::PageBoundaries) {
            self.session.output.stream("issues").into_iter().for_each(|output| output.skip(MAY_HIDE));
        }
        reading.last = issues.last().and_then(|issue| issue.last_seen).or(reading.last);
    }

    /// Remembers in the state how far all of the list has been written. Not beyond what is missing: a run that goes on from
    /// here has to come by it again.
    async fn save_position(&self) -> Result<(), SyncError> {
        let Some(checkpoint) = self.checkpoint else { return Ok(()) };
        let position = {
            let list = self.list.borrow();
            let until = low_watermark(&self.positions.borrow());
            // An interrupted run may have been further on.
            let until = until.filter(|until| !self.resume_point.is_beyond(*until));
            let sound = list.writes() && !list.found.misses_something();
            until.filter(|_| sound).map(|until| Position {
                start: Some(list.asked.start),
                list: Some(self.name.to_owned()),
                of: Some(self.of.to_owned()),
                until: Some(until),
                item: None,
            })
        };
        let saved = match position {
            Some(position) => checkpoint.advance_page(|progress| progress.position = position).await,
            None => checkpoint.stay().await,
        };
        Ok(saved?)
    }

    /// Says that there are rows without issues or events.
    fn count_malformed_rows(&self, malformed: usize) {
        if malformed > 0 {
            let outputs = self.session.by_issue_scan();
            outputs.for_each(|output| output.gap(format!("{malformed} issue rows without id or project")));
            self.list.borrow_mut().found.malformed = true;
        }
    }

    /// The projects of each list that the list is split into after its first page, if it is worth it: each costs about
    /// half a page.
    fn splits(&self, page: &Page) -> Vec<Vec<String>> {
        let list = self.list.borrow();
        let mut seen: BTreeMap<&str, usize> =
            list.scope.emit.union(&list.scope.detect).map(|id| (id.as_str(), 0)).collect();
        for row in page.rows().flatten() {
            let project = row.object("project");
            if let Some(id) = project.as_ref().and_then(|project| project.text("id"))
                && let Some(rows) = seen.get_mut(id.as_ref())
            {
                *rows += 1;
            }
        }
        let at_once = self.session.client.useful_at_once(LimitGroup::Default);
        let most = lists_for(page.hits, at_once);
        divide(seen, most)
    }
}
