//! What one request sees: the data, the settings of the server, the parameters. This file reads the parameters that
//! many endpoints share, and refuses bad ones in the server's own words (API §1.3–1.6).

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::index::EventIndex;
use super::page::{BadCursor, Cursor};
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::organization::{Category, Found, Issue, Organization, Project};
use crate::settings::{Dialect, Settings};
use crate::time;

/// An answer, or a refusal.
pub(crate) type Answer<T = Reply> = Result<T, Box<Reply>>;

/// What one request sees.
pub(crate) struct View<'a> {
    /// The data.
    pub(crate) org: &'a Organization,
    /// The settings of the server.
    pub(crate) settings: &'a Settings,
    /// The request.
    pub(crate) call: &'a Call,
    /// The time, in epoch seconds.
    pub(crate) now: i64,
    /// A number that differs from request to request.
    pub(crate) nonce: u64,
    /// Projects that the caller may not read.
    pub(crate) denied: &'a BTreeSet<u64>,
    /// Events by project, kept between requests.
    pub(crate) index: &'a RefCell<EventIndex>,
}

/// How an endpoint words a bad window. Most give the plain text, some wrap it.
#[derive(Clone, Copy)]
pub(crate) enum Wording {
    /// As it is.
    Plain,
    /// Project events.
    Hidden,
    /// Releases.
    Prefixed,
}

impl View<'_> {
    /// Whether this is the server of 2019.
    pub(crate) fn is_sentry9(&self) -> bool {
        self.settings.dialect == Dialect::Sentry9
    }

    /// The oldest second in retention.
    pub(crate) fn horizon(&self) -> i64 {
        self.now - self.settings.retention_days * 86_400
    }

    /// A refusal of a bad parameter. The old server fails on it instead.
    pub(crate) fn bad(&self, text: &str) -> Box<Reply> {
        if self.is_sentry9() { self.crash() } else { Reply::detail(400, text).into() }
    }

    /// An unhandled error.
    pub(crate) fn crash(&self) -> Box<Reply> {
        Reply::internal(self.nonce).into()
    }

    /// The refusal of Sentry 9.1.2, which takes `project=-1` for a project that the caller may not see.
    pub(crate) fn refuse_all_projects(&self) -> Answer<()> {
        let refused = self.is_sentry9() && self.call.all("project").any(|id| id == "-1");
        if refused { Err(Reply::forbidden().into()) } else { Ok(()) }
    }

    /// The cursor, if one was sent.
    pub(crate) fn cursor(&self) -> Answer<Option<Cursor>> {
        let Some(text) = self.call.get("cursor").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        Cursor::parse(text).map(Some).ok_or_else(|| self.bad_cursor(&BadCursor))
    }

    /// The refusal of a cursor.
    pub(crate) fn bad_cursor(&self, _: &BadCursor) -> Box<Reply> {
        self.bad("Invalid cursor parameter.")
    }

    /// The page size of everything but issue lists.
    pub(crate) fn per_page(&self) -> Answer<usize> {
        let Some(text) = self.call.get("per_page") else {
            return Ok(self.settings.most_rows);
        };
        let size: i64 = text.parse().map_err(|_| self.bad("Invalid per_page parameter."))?;
        let least = i64::from(!self.is_sentry9());
        let size = if self.is_sentry9() { size.max(0) } else { size };
        if !(least..=100).contains(&size) {
            let old = self.settings.dialect == Dialect::Sentry23;
            let rule = if old { "Cannot exceed 100." } else { "Must be between 1 and 100." };
            return Err(self.bad(&format!("Invalid per_page value. {rule}")));
        }
        Ok(usize::try_from(size).expect("checked above").min(self.settings.most_rows))
    }

    /// The page size of issue lists. One that is too large is silently reduced.
    pub(crate) fn limit(&self) -> Answer<usize> {
        let Some(text) = self.call.get("limit").filter(|text| !text.is_empty()) else {
            return Ok(self.settings.most_rows);
        };
        let size: i64 = text.parse().map_err(|_| Box::new(Reply::detail(400, "invalid limit")))?;
        Ok(usize::try_from(size.clamp(0, 100)).expect("clamped").min(self.settings.most_rows))
    }

    /// The window of epoch seconds asked for, if any.
    pub(crate) fn window(&self, wording: Wording) -> Answer<Option<(i64, i64)>> {
        self.read_window().map_err(|text| {
            self.bad(&match wording {
                Wording::Plain => text,
                Wording::Hidden => "Invalid date range parameters provided".to_owned(),
                Wording::Prefixed => format!("Invalid date range: {text}"),
            })
        })
    }

    fn read_window(&self) -> Result<Option<(i64, i64)>, String> {
        if let Some(text) = self.call.get("statsPeriod").filter(|text| !text.is_empty()) {
            let period = time::period(text).ok_or_else(|| format!("Invalid statsPeriod: '{text}'"))?;
            return Ok(Some((self.now - period, self.now + 1)));
        }
        let read = |name: &str| -> Result<Option<i64>, String> {
            let Some(text) = self.call.get(name).filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            time::parse(text).map(Some).ok_or_else(|| format!("{text} is not a valid ISO8601 date query"))
        };
        match (read("start")?, read("end")?) {
            (None, None) => Ok(None),
            (Some(start), Some(end)) if start < end => Ok(Some((start, end))),
            (Some(_), Some(_)) => Err("start must be before end".to_owned()),
            _ => Err("start and end are both required".to_owned()),
        }
    }

    /// A switch such as `full` or `sample`.
    pub(crate) fn switch(&self, name: &str) -> bool {
        let value = self.call.get(name).unwrap_or_default();
        if self.settings.any_value_is_true { !value.is_empty() } else { value == "1" || value == "true" }
    }

    /// The projects that an organization endpoint covers (API §1.6).
    pub(crate) fn projects(&self) -> Answer<BTreeSet<u64>> {
        let mut asked = BTreeSet::new();
        let mut all = self.settings.member_of_all;
        let mut named = false;
        for text in self.call.all("project") {
            let id: i64 = text
                .parse()
                .map_err(|_| Box::new(Reply::detail(400, "Invalid project parameter. Values must be numbers.")))?;
            named = true;
            all = id == -1;
            if let Ok(id) = u64::try_from(id) {
                let seen = self.org.project(id).is_some() && !self.denied.contains(&id);
                seen.then(|| asked.insert(id)).ok_or_else(Reply::forbidden)?;
            }
        }
        if named && !all {
            return Ok(asked);
        }
        let mine = self.org.projects.iter().filter(|project| all || self.org.is_own(project));
        Ok(mine.map(|project| project.id).filter(|id| !self.denied.contains(id)).collect())
    }

    /// The project a path names.
    pub(crate) fn project(&self, text: &str) -> Answer<&Project> {
        let by_slug = matches!(self.settings.dialect, Dialect::Sentry9 | Dialect::Sentry23);
        let found = if by_slug { self.org.find_slug(text) } else { self.org.find_project(text) };
        match found {
            Found::Here(project) if self.denied.contains(&project.id) => Err(Reply::forbidden().into()),
            Found::Here(project) => Ok(project),
            Found::Moved(project) => Err(self.moved(text, &project.slug).into()),
            Found::Nowhere if self.is_sentry9() => Err(Reply::missing().into()),
            Found::Nowhere => Err(Reply::detail(404, "Project does not exist").into()),
        }
    }

    /// The redirect of a renamed project.
    fn moved(&self, old: &str, new: &str) -> Reply {
        let path = self.call.path.replacen(&format!("/{old}/"), &format!("/{new}/"), 1);
        let query = if self.call.raw_query.is_empty() { "" } else { "?" };
        let url = format!("{path}{query}{}", self.call.raw_query);
        let body = serde_json::json!({ "slug": new, "detail": { "extra": { "url": url, "slug": new } } });
        Reply::new(302, "application/json", body.to_string()).with("Location", url)
    }

    /// The issue that a path names, by number or short id. For a merged one, it is the issue it was merged into.
    pub(crate) fn issue(&self, text: &str) -> Answer<&Issue> {
        let found = match text.parse() {
            Ok(id) => self.org.surviving_issue(id),
            Err(_) => self.org.issue_by_short_id(text),
        };
        let issue = found.filter(|issue| self.exists(issue)).ok_or_else(Reply::missing)?;
        if self.denied.contains(&issue.project) { Err(Reply::forbidden().into()) } else { Ok(issue) }
    }

    /// Whether there is such an issue for this server.
    pub(crate) fn exists(&self, issue: &Issue) -> bool {
        issue.is_live() && self.knows(issue)
    }

    /// Whether this server knows such issues at all. The old one knows only errors.
    pub(crate) fn knows(&self, issue: &Issue) -> bool {
        let errors_only = matches!(self.settings.dialect, Dialect::Sentry9 | Dialect::GlitchTip);
        issue.category == Category::Error || !errors_only
    }
}
