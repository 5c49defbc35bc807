//! One request: an endpoint, the values it is asked with, and its path and query as text.

use std::borrow::Cow;

use crate::sentry::endpoint::{self, Endpoint, PageSize, PathValues};

/// Rows asked for per page: the most that any list gives (API §1.4).
pub const PAGE_ROWS: usize = 100;

/// The query parameter that widens a list from the caller's projects to all that it may see (API §1.6).
pub const ALL_PROJECTS: (&str, &str) = ("project", "-1");

/// One request for one page.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked for.
    pub endpoint: &'static Endpoint,
    /// Values of the path's placeholders.
    pub values: PathValues,
    /// Query parameters beside the endpoint's own.
    pub query: Vec<(Cow<'static, str>, String)>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Whether a refusal by a limit is an answer too, and not waited out.
    pub takes_no: bool,
    /// Retries of server errors; lowered for questions that a server may well answer with an error.
    pub max_retries: Option<u32>,
    /// Whether the query names the projects, so that the endpoint's own `project=-1` is not sent.
    pub narrowed: bool,
}

impl Request {
    /// A request for the first page.
    pub fn new(endpoint: &'static Endpoint, values: PathValues) -> Self {
        Self { endpoint, values, query: Vec::new(), cursor: None, takes_no: false, max_retries: None, narrowed: false }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// Asks for these projects only, where the endpoint asks for all.
    #[must_use]
    pub fn of_projects<'a>(mut self, ids: impl IntoIterator<Item = &'a String>) -> Self {
        if self.endpoint.query.contains(&ALL_PROJECTS) {
            self.query.extend(ids.into_iter().map(|id| (Cow::Borrowed(ALL_PROJECTS.0), id.clone())));
            self.narrowed = true;
        }
        self
    }

    /// Takes a query parameter out.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut request = self.clone();
        request.query.retain(|(known, _)| known != name);
        request
    }

    /// Path and query for one of the endpoint's paths. `all_projects` keeps the endpoint's own `project=-1`, `by_limit`
    /// asks for the page size as a limit everywhere.
    pub fn path(&self, index: usize, all_projects: bool, by_limit: bool) -> String {
        let size = match self.endpoint.page_size {
            PageSize::None => None,
            PageSize::PerPage if !by_limit => Some(("per_page", "100")),
            PageSize::PerPage | PageSize::Limit => Some(("limit", "100")),
        };
        let all_projects = all_projects && !self.narrowed;
        let fixed = self.endpoint.query.iter().copied().filter(|pair| all_projects || *pair != ALL_PROJECTS);
        let own = self.query.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        let cursor = self.cursor.as_deref().map(|cursor| ("cursor", cursor));
        let path = endpoint::fill_path(self.endpoint.paths[index], &self.values);
        path + &endpoint::query_string(fixed.chain(own).chain(size).chain(cursor))
    }
}
