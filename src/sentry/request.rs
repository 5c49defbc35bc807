//! One request: an endpoint and its values, made into a path and query. Does not send it.

use std::borrow::Cow;

use crate::sentry::endpoint::{self, Endpoint, PageSize, PathValues};
use crate::sentry::window::Window;

/// Rows per page that are asked for. No list gives more (API §1.4).
pub(crate) const PAGE_ROWS: usize = 100;

/// The query parameter that asks a list for all projects that the token may see, not only its own (API §1.6).
pub(crate) const ALL_PROJECTS: (&str, &str) = ("project", "-1");

/// The form in which a server takes paths and queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PathForm {
    /// The endpoint's `project=-1` is sent.
    pub(crate) all_projects: bool,
    /// Every page size is set by `limit`, never by `per_page`.
    pub(crate) by_limit: bool,
    /// A slug of digits alone is a slug in a path, not an id.
    pub(crate) by_slug: bool,
}

/// One request for one page.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The endpoint that it goes to.
    pub(crate) endpoint: &'static Endpoint,
    /// Values of the path's placeholders.
    pub(crate) values: PathValues,
    /// Query parameters, beside those of the endpoint.
    pub(crate) query: Vec<(Cow<'static, str>, String)>,
    /// The cursor of the page; absent for the first page.
    pub(crate) cursor: Option<String>,
    /// Rows of the page, if the endpoint is paged: at most [`PAGE_ROWS`].
    pub(crate) page_rows: usize,
    /// Whether a 429 is a final error at once, without a retry.
    pub(crate) fail_on_429: bool,
    /// Most retries of server errors, instead of the configured number. It is low for requests to which a server may
    /// always answer with an error.
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
            page_rows: PAGE_ROWS,
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

    /// Narrows the request to these projects, if the endpoint asks for all.
    #[must_use]
    pub(crate) fn of_projects<'a>(mut self, ids: impl IntoIterator<Item = &'a String>) -> Self {
        if self.endpoint.query.contains(&ALL_PROJECTS) {
            self.query.extend(ids.into_iter().map(|id| (Cow::Borrowed(ALL_PROJECTS.0), id.clone())));
            self.project_scoped = true;
        }
        self
    }

    /// Whether it sends `project=-1`, for all projects that the token may see.
    pub(crate) fn asks_for_all_projects(&self) -> bool {
        self.endpoint.query.contains(&ALL_PROJECTS) && !self.project_scoped
    }

    /// Whether it names `project=-1` itself, apart from what the endpoint always sends.
    pub(crate) fn names_all_projects(&self) -> bool {
        self.query.iter().any(|(name, value)| (name.as_ref(), value.as_str()) == ALL_PROJECTS)
    }

    /// All query parameters that it may send, with their values.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.query.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        let cursor = self.cursor.as_deref().map(|cursor| ("cursor", cursor));
        let size = [("per_page", ""), ("limit", "")].into_iter().filter(|_| self.endpoint.page_size != PageSize::None);
        self.endpoint.query.iter().copied().chain(own).chain(cursor).chain(size)
    }

    /// Whether it asks for whole bodies of events. Their pages are shorter than others.
    pub(crate) fn asks_for_whole_events(&self) -> bool {
        self.query.iter().any(|(name, value)| name == "full" && value == "true")
    }

    /// Path and query for messages, as today's sentry.io accepts them.
    pub(crate) fn describe(&self) -> String {
        self.path(0, PathForm { all_projects: true, ..PathForm::default() })
    }

    /// A copy without this query parameter.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut request = self.clone();
        request.query.retain(|(known, _)| known != name);
        request
    }

    /// Path and query, by the endpoint's path number `index`.
    pub(crate) fn path(&self, index: usize, form: PathForm) -> String {
        let PathForm { all_projects, by_limit, by_slug } = form;
        let size = match self.endpoint.page_size {
            PageSize::None => None,
            PageSize::PerPage if !by_limit => Some("per_page"),
            PageSize::PerPage | PageSize::Limit => Some("limit"),
        };
        let rows = self.page_rows.to_string();
        let size = size.map(|name| (name, rows.as_str()));
        let all_projects = all_projects && !self.project_scoped;
        let fixed = self.endpoint.query.iter().copied().filter(|pair| all_projects || *pair != ALL_PROJECTS);
        let own = self.query.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        let cursor = self.cursor.as_deref().map(|cursor| ("cursor", cursor));
        let path = endpoint::fill_path(self.endpoint.paths[index], &self.values, by_slug);
        path + &endpoint::query_string(fixed.chain(own).chain(size).chain(cursor))
    }
}
