//! Issue search: the `query` parameter of issue lists, as far as taps use it. This file knows issues, not windows.

use crate::organization::{Category, Issue, Status};
use crate::time;

/// A parsed query: all terms must hold.
#[derive(Debug, Default)]
pub(crate) struct Search {
    status: Option<Status>,
    category: Option<String>,
    bounds: Vec<Bound>,
    words: Vec<String>,
    impossible: bool,
}

/// A bound on the last event's second.
#[derive(Debug)]
struct Bound {
    operator: &'static str,
    second: i64,
}

/// Why a query was refused.
#[derive(Debug)]
pub(crate) struct BadQuery(pub(crate) String);

impl Search {
    /// The query of lists if none was sent.
    pub(crate) fn unresolved() -> Self {
        Self { status: Some(Status::Unresolved), ..Self::default() }
    }

    /// Reads a query.
    pub(crate) fn parse(query: &str, now: i64) -> Result<Self, BadQuery> {
        let mut search = Self::default();
        for term in query.split_whitespace() {
            match term.split_once(':') {
                Some(("is", value)) => search.status = Some(status(value)?),
                Some(("issue.category" | "issue.type", value)) => {
                    search.category = Some(value.to_owned());
                }
                Some(("lastSeen" | "timestamp", value)) => search.bounds.push(bound(value, now)?),
                Some(_) => search.impossible = true,
                None => search.words.push(term.to_lowercase()),
            }
        }
        Ok(search)
    }

    /// Whether the query accepts issues in this status.
    pub(crate) fn admits_status(&self, issue: &Issue) -> bool {
        self.status.is_none_or(|status| issue.status == status)
    }

    /// Whether an issue meets all terms but the status. `last` is the second of its last event, `title` its title.
    /// Feedback is found only if its category is named.
    pub(crate) fn admits(&self, issue: &Issue, last: i64, title: &str) -> bool {
        let category = match &self.category {
            Some(name) => name == issue.category.name(),
            None => issue.category != Category::Feedback,
        };
        category
            && !self.impossible
            && self.bounds.iter().all(|bound| bound.holds(last))
            && self.words.iter().all(|word| title.to_lowercase().contains(word))
    }

    /// Whether a category was named.
    pub(crate) fn names_category(&self) -> bool {
        self.category.is_some()
    }
}

fn status(value: &str) -> Result<Status, BadQuery> {
    match value {
        "unresolved" => Ok(Status::Unresolved),
        "resolved" => Ok(Status::Resolved),
        "ignored" | "archived" => Ok(Status::Ignored),
        _ => Err(BadQuery(format!("'is:' had unknown status code \"{value}\"."))),
    }
}

fn bound(value: &str, now: i64) -> Result<Bound, BadQuery> {
    if let Some(period) = value.strip_prefix('-').and_then(time::period) {
        return Ok(Bound { operator: ">=", second: now - period });
    }
    for operator in [">=", "<=", ">", "<"] {
        if let Some(text) = value.strip_prefix(operator) {
            let unread = || BadQuery(format!("{text} is not a valid datetime query"));
            let second = time::parse(text).ok_or_else(unread)?;
            return Ok(Bound { operator, second });
        }
    }
    Err(BadQuery(format!("{value} is not a valid datetime query")))
}

impl Bound {
    fn holds(&self, last: i64) -> bool {
        match self.operator {
            ">=" => last >= self.second,
            "<=" => last <= self.second,
            ">" => last > self.second,
            _ => last < self.second,
        }
    }
}
