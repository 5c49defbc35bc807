//! The pages of a list of issues: rows noted and written, and how far the list has come.
//!
//! A long list goes on as several, each of some of the projects, side by side: a page must be had before the next can be
//! asked for, so one list alone leaves most of the rate unused where answers take long. Knows nothing of how servers
//! differ in listing issues.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use tracing::debug;

use crate::json::row::Row;
use crate::sentry::endpoint::Class;
use crate::sentry::error::ErrorKind;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::{PAGE_ROWS, Request};
use crate::singer::progress::Mark;
use crate::singer::state::State;
use crate::sync::Sync;
use crate::sync::abreast::{Depth, Order, divide, reached};
use crate::sync::events::MAY_HIDE;
use crate::sync::failure::WalkError;
use crate::sync::issue_list::{List, Written};
use crate::sync::issue_rows::{IssueRow, write_issues};
use crate::sync::window::Window;
use crate::time::Time;

/// The server counts no further (API §1.3).
const MOST_HITS: usize = 1000;
/// Times that the newest part of a window is looked at again before the walk is taken for complete.
const MAX_RECHECKS: usize = 5;

/// One reading of a list, with what is read along with it.
pub struct IssuePages<'a, 'l, 'g> {
    sync: &'a Sync,
    list: RefCell<&'l mut List<'g>>,
    name: &'l str,
    /// What an interrupted run has written of it.
    written: Written,
    knows_windows: bool,
    depths: RefCell<Vec<Depth>>,
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
struct Walked {
    /// Issues older than this are not wanted.
    start: Time,
    /// Its place among the depths; none when it is read again.
    nth: Option<usize>,
    order: Order,
    tally: Tally,
    /// The time of the last row of the page before.
    last: Option<Time>,
}

impl Walked {
    fn new(start: Time, nth: Option<usize>) -> Self {
        Self { start, nth, order: Order::default(), tally: Tally::default(), last: None }
    }
}

impl<'a, 'l, 'g> IssuePages<'a, 'l, 'g> {
    /// For one reading of `list`: under its name the state remembers how much of it is written.
    pub fn new(
        sync: &'a Sync,
        list: &'l mut List<'g>,
        (name, written): (&'l str, Written),
        knows_windows: bool,
    ) -> Self {
        let (list, depths, any) = (RefCell::new(list), RefCell::default(), Cell::new(false));
        Self { sync, list, name, written, knows_windows, depths, any }
    }

    /// Whether any page has come.
    pub fn any(&self) -> bool {
        self.any.get()
    }

    /// Reads a list whole, and once its first page has come, its companion too. `divisible` says that it is of all
    /// projects, and may go on as several lists.
    pub async fn read(&self, request: &Request, companion: Option<&Request>, divisible: bool) -> Result<(), WalkError> {
        let began = self.sync.client.server_now();
        let start = self.list.borrow().window.start;
        let (nth, other) = (self.begin(), companion.map(|_| self.begin()));
        let mut pages = self.pages(request, start);
        let mut walked = Walked::new(start, Some(nth));
        let Some(page) = pages.next().await? else { return Ok(()) };
        let parts = if divisible && page.next.is_some() { self.parts(&page) } else { Vec::new() };
        let over = self.take(&page, &mut walked).await?;
        drop(page);
        let main = async {
            let tally = if over { walked.tally } else { self.go_on(request, &parts, pages, walked).await? };
            self.reach(Some(nth), Depth::Whole);
            self.recheck(request, began, tally).await
        };
        try_join(main, self.companion(companion, other, began)).await.map(drop)
    }

    async fn companion(&self, request: Option<&Request>, nth: Option<usize>, began: Time) -> Result<(), WalkError> {
        let Some(request) = request else { return Ok(()) };
        let start = self.list.borrow().window.start;
        match self.rest(self.pages(request, start), Walked::new(start, nth)).await {
            Err(WalkError::Api(error)) if error.kind == ErrorKind::BadRequest => {
                debug!("{error}; this server has no feedback issues");
                self.reach(nth, Depth::Whole);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(tally) => self.recheck(request, began, tally).await,
        }
    }

    /// What follows the first page: several lists if there are `parts`, or the same list.
    async fn go_on(
        &self,
        request: &Request,
        parts: &[Vec<String>],
        pages: Pages<'_>,
        walked: Walked,
    ) -> Result<Tally, WalkError> {
        if parts.len() < 2 {
            return self.rest(pages, walked).await;
        }
        match self.side_by_side(request, parts, &walked).await {
            Err(WalkError::Api(error)) if matches!(error.kind, ErrorKind::BadRequest | ErrorKind::Forbidden) => {
                debug!("{error}; this server lists issues of all projects or of one");
                self.rest(pages, walked).await
            }
            tally => tally,
        }
    }

    async fn side_by_side(
        &self,
        request: &Request,
        parts: &[Vec<String>],
        walked: &Walked,
    ) -> Result<Tally, WalkError> {
        debug!("issues go on in {} lists side by side", parts.len());
        let places: Vec<usize> = parts.iter().map(|_| self.begin()).collect();
        let lists = parts.iter().zip(places).map(|(projects, nth)| {
            let request =
                projects.iter().fold(request.without("project"), |request, id| request.with("project", id.clone()));
            self.rest(self.pages(&request, walked.start), Walked::new(walked.start, Some(nth)))
        });
        // From here on these lists alone say how far all of it is.
        self.reach(walked.nth, Depth::Whole);
        let tallies = try_join_all(lists).await.inspect_err(|_| self.reach(walked.nth, Depth::Unknown))?;
        let sum = |tally: Tally, other: &Tally| Tally { pages: tally.pages + other.pages, new: tally.new + other.new };
        Ok(tallies.iter().fold(walked.tally, sum))
    }

    async fn rest(&self, mut pages: Pages<'_>, mut walked: Walked) -> Result<Tally, WalkError> {
        while let Some(page) = pages.next().await? {
            if self.take(&page, &mut walked).await? {
                break;
            }
        }
        self.reach(walked.nth, Depth::Whole);
        Ok(walked.tally)
    }

    /// Reads a list's newest part again as long as that brings something new.
    ///
    /// An issue that gets a late event while the list is being read moves above the cursor and would be missed, and with
    /// it its older events for good. Where it went is the newest part, as far back as events are expected to be late.
    async fn recheck(&self, request: &Request, began: Time, mut tally: Tally) -> Result<(), WalkError> {
        let window = self.list.borrow().window;
        let lookback = chrono::TimeDelta::from_std(self.sync.config.lookback).unwrap_or_default();
        let start = window.start.max(began - lookback.max(chrono::TimeDelta::minutes(1)));
        for _ in 0..MAX_RECHECKS {
            if tally.pages < 2 || start >= window.end {
                break;
            }
            tally = self.rest(self.pages(request, start), Walked::new(start, None)).await?;
            if tally.new == 0 {
                break;
            }
            debug!("{} issues moved while they were listed", tally.new);
        }
        Ok(())
    }

    fn pages(&self, request: &Request, start: Time) -> Pages<'a> {
        let mut request = request.clone();
        if self.knows_windows {
            for (name, value) in (Window { start, ..self.list.borrow().window }).query() {
                request = request.with(name, value);
            }
        }
        Pages::new(&self.sync.client, request)
    }

    /// A place among the depths.
    fn begin(&self) -> usize {
        self.depths.borrow_mut().push(Depth::Unknown);
        self.depths.borrow().len() - 1
    }

    fn reach(&self, nth: Option<usize>, depth: Depth) {
        if let Some(nth) = nth {
            self.depths.borrow_mut()[nth] = depth;
        }
    }

    /// Notes and writes one page; `true` when nothing of what follows is wanted.
    async fn take(&self, page: &Page, walked: &mut Walked) -> Result<bool, WalkError> {
        self.any.set(true);
        let again = walked.nth.is_none();
        let written = if again { Written::Nothing } else { self.written };
        let rows: Vec<Row<'_>> = page.rows().flatten().collect();
        let counted = !again && self.knows_windows;
        let issues: Vec<IssueRow<'_>> = rows.iter().filter_map(|row| IssueRow::read(row, counted)).collect();
        let odd = self.count_odd_rows(page.len() - issues.len());
        self.say_what_may_be_hidden(&issues, walked);
        walked.order.add(issues.iter().filter_map(|issue| issue.last_seen));
        let older = |issue: &IssueRow<'_>| issue.last_seen.is_some_and(|last_seen| last_seen < walked.start);
        let past = !issues.is_empty() && issues.iter().all(older);
        let emit: Vec<&IssueRow<'_>> = {
            let mut list = self.list.borrow_mut();
            list.found.odd |= odd;
            let fresh: Vec<_> = issues.iter().filter(|issue| !older(issue) && list.note(issue)).collect();
            (walked.tally.pages, walked.tally.new) = (walked.tally.pages + 1, walked.tally.new + fresh.len());
            fresh.into_iter().filter(|issue| list.emits(issue) && !written.covers(issue.last_seen)).collect()
        };
        write_issues(self.sync, &emit).await?;
        if !again {
            self.reach(walked.nth, walked.order.down_to().map_or(Depth::Unknown, Depth::Down));
            self.mark().await?;
        }
        Ok(past && !self.knows_windows) // newest first: what follows is older still
    }

    /// GlitchTip repeats and loses rows of one moment at a page boundary.
    fn say_what_may_be_hidden(&self, issues: &[IssueRow<'_>], walked: &mut Walked) {
        let newest = issues.first().and_then(|issue| issue.last_seen);
        if self.sync.client.is_glitchtip() && newest.is_some() && newest == walked.last {
            self.sync.output.stream("issues").into_iter().for_each(|output| output.skip(MAY_HIDE));
        }
        walked.last = issues.last().and_then(|issue| issue.last_seen).or(walked.last);
    }

    /// Remembers how far all of the list has been written.
    async fn mark(&self) -> Result<(), WalkError> {
        let asked = {
            let list = self.list.borrow();
            if !list.writes() || list.found.odd {
                return Ok(());
            }
            list.asked
        };
        let Some(until) = reached(&self.depths.borrow()).filter(|until| !self.written.covers(Some(*until))) else {
            return Ok(()); // nothing is sure, or the old mark is further on
        };
        let mark = Mark { start: Some(asked.start), list: Some(self.name.to_owned()), until: Some(until), item: None };
        let change = |state: &mut State| state.progress_mut("issues", asked.end).mark = mark;
        Ok(self.sync.output.advance_page(change).await?)
    }

    /// Says that there are rows from which neither issues nor their events can be had.
    fn count_odd_rows(&self, odd: usize) -> bool {
        for output in self.sync.by_issue_walk() {
            if odd > 0 {
                output.gap(format!("{odd} issue rows without id or project"));
            }
        }
        odd > 0
    }

    /// The projects of each list that goes on from the first page, if it is worth it: each costs about half a page.
    fn parts(&self, page: &Page) -> Vec<Vec<String>> {
        let list = self.list.borrow();
        let mut seen: BTreeMap<&str, usize> =
            list.group.emit.union(&list.group.detect).map(|id| (id.as_str(), 0)).collect();
        for row in page.rows().flatten() {
            let project = row.object("project");
            if let Some(id) = project.as_ref().and_then(|project| project.text("id"))
                && let Some(rows) = seen.get_mut(id.as_ref())
            {
                *rows += 1;
            }
        }
        let hits = usize::try_from(page.hits.unwrap_or(0)).unwrap_or(0);
        let at_once = self.sync.client.useful_at_once(Class::Default);
        let most = match hits {
            MOST_HITS.. if at_once > 1 => at_once * 2, // so that lists of unlike lengths level out
            _ => at_once.min(hits.div_ceil(PAGE_ROWS).saturating_sub(1) / 2),
        };
        divide(seen, most)
    }
}
