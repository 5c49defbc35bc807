//! One request: an endpoint, the values it is asked with, and its path and query as text.

use std::borrow::Cow;

use crate::sentry::endpoint::{self, Endpoint, PageSize, PathValues};
use crate::sentry::window::Window;

/// Rows asked for per page: the most that any list gives (API §1.4).
pub(crate) const PAGE_ROWS: usize = 100;

/// The query parameter that widens a list from the caller's projects to all that it may see (API §1.6).
pub(crate) const ALL_PROJECTS: (&str, &str) = ("project", "-1");

/// One request for one page.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What is asked for.
    pub(crate) endpoint: &'static Endpoint,
    /// Values of the path's placeholders.
    pub(crate) values: PathValues,
    /// Query parameters beside the endpoint's own.
    pub(crate) query: Vec<(Cow<'static, str>, String)>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// Whether a refusal by a limit is an answer too, and not waited out.
    pub(crate) fail_on_429: bool,
    /// Retries of server errors; lowered for questions that a server may well answer with an error.
    pub(crate) max_retries: Option<u32>,
    /// Whether the query names the projects, so that the endpoint's own `project=-1` is not sent.
    pub(crate) project_scoped: bool,
}

impl Request {
    /// A request for the first page.
    pub(crate) fn new(endpoint: &'static Endpoint, values: PathValues) -> Self {
        Self {
            endpoint,
            values,
            query: Vec::new(),
            cursor: None,
            fail_on_429: false,
            max_retries: None,
            project_scoped: false,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// Asks for a window of time.
    #[must_use]
    pub(crate) fn within(self, window: Window) -> Self {
        window.query().into_iter().fold(self, |request, (name, value)| request.with(name, value))
    }

    /// Asks for these projects only, where the endpoint asks for all.
    #[must_use]
    pub(crate) fn of_projects<'a>(mut self, ids: impl IntoIterator<Item = &'a String>) -> Self {
        if self.endpoint.query.contains(&ALL_PROJECTS) {
            self.query.extend(ids.into_iter().map(|id| (Cow::Borrowed(ALL_PROJECTS.0), id.clone())));
            self.project_scoped = true;
        }
        self
    }

    /// Whether it asks for all projects that the token may see.
    pub(crate) fn asks_for_all_projects(&self) -> bool {
        self.endpoint.query.contains(&ALL_PROJECTS) && !self.project_scoped
    }

    /// Path and query as today's sentry.io takes them, for messages.
    pub(crate) fn describe(&self) -> String {
        self.path(0, true, false)
    }

    /// Takes a query parameter out.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut request = self.clone();
        request.query.retain(|(known, _)| known != name);
        request
    }

    /// Path and query for one of the endpoint's paths. `all_projects` keeps the endpoint's own `project=-1`, `by_limit`
    /// asks for the page size as a limit everywhere.
    pub(crate) fn path(&self, index: usize, all_projects: bool, by_limit: bool) -> String {
        let size = match self.endpoint.page_size {
            PageSize::None => None,
            PageSize::PerPage if !by_limit => Some(("per_page", "100")),
            PageSize::PerPage | PageSize::Limit => Some(("limit", "100")),
        };
        let all_projects = all_projects && !self.project_scoped;
        let fixed = self.endpoint.query.iter().copied().filter(|pair| all_projects || *pair != ALL_PROJECTS);
        let own = self.query.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        let cursor = self.cursor.as_deref().map(|cursor| ("cursor", cursor));
        let path = endpoint::fill_path(self.endpoint.paths[index], &self.values);
        path + &endpoint::query_string(fixed.chain(own).chain(size).chain(cursor))
    }
}
