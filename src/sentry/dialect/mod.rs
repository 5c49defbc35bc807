//! Knows what this server can do. It learns it from answers, never from a version. Each client has its own.
//!
//! We assume that a server can do what today's sentry.io does, until an answer shows that it cannot. What was learned
//! holds for the run. The README's table of servers has one row for each of [`Capability::ALL`]. Sends nothing.

pub(crate) mod event_names;
pub(crate) mod paths;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{debug, info};

use crate::sentry::dialect::paths::{Known, KnownPaths};
use crate::sentry::endpoint::Endpoint;
use crate::sentry::request::PathForm;

/// Something that not every server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// `project=-1` asks a list for all projects that the token may see (API §1.6).
    AllProjects,
    /// The organization's issue list takes several projects at once.
    SeveralProjects,
    /// The organization has a list of issues that can be used (API §2.3).
    OrganizationIssues,
    /// `sort=new` lists an organization's issues by their first event (API §8).
    IssuesByCreation,
    /// Lists of issues and of a project's events honour `start` and `end`.
    ListWindows,
    /// The events of an issue honour `start` and `end`.
    EventWindows,
    /// There are feedback issues, and a search finds them by category.
    /// Each list asks all the same: a 400 may be about that one list.
    FeedbackIssues,
    /// `sample=true` lists an issue's events in a random but fixed order (API §2.6).
    SampleOrder,
    /// `per_page` sets the page size everywhere but in lists of issues (API §1.4).
    PerPage,
    /// The server answers a missing path with an error, not with a web page.
    MissingPaths,
    /// A list gives every row of a moment on both sides of a page boundary, or can be asked for that moment.
    PageBoundaries,
}

impl Capability {
    /// All capabilities, in the order of the README's table.
    pub const ALL: [Self; 11] = [
        Self::AllProjects,
        Self::SeveralProjects,
        Self::OrganizationIssues,
        Self::IssuesByCreation,
        Self::ListWindows,
        Self::EventWindows,
        Self::FeedbackIssues,
        Self::SampleOrder,
        Self::PerPage,
        Self::MissingPaths,
        Self::PageBoundaries,
    ];

    /// The first cell of its row in the README's table.
    pub fn title(self) -> &'static str {
        match self {
            Self::AllProjects => "`project=-1` in lists",
            Self::SeveralProjects => "issues of several projects in one list",
            Self::OrganizationIssues => "issue list of the organization",
            Self::IssuesByCreation => "issues by their first event",
            Self::ListWindows => "windows of time in lists of issues and of a project's events",
            Self::EventWindows => "windows of time in an issue's events",
            Self::FeedbackIssues => "feedback issues",
            Self::SampleOrder => "samples drawn by the server",
            Self::PerPage => "page size by `per_page`",
            Self::MissingPaths => "errors for paths that are not there",
            Self::PageBoundaries => "every row at a page boundary",
        }
    }

    /// What users should know if a server lacks it; `None` if nothing.
    fn consequence(self) -> Option<&'static str> {
        match self {
            Self::AllProjects => {
                Some("This server does not know project=-1: lists hold what the token's own projects have")
            }
            Self::SampleOrder => {
                Some("This server ignores sample=true: all events of sampled issues are read, and sampled here")
            }
            _ => None,
        }
    }
}

/// The message about a list in which a server without [`Capability::PageBoundaries`] may have hidden a row.
pub(crate) const MAY_HIDE: &str = "a moment on both sides of a page boundary, of which this server may hide rows";

/// What GlitchTip lacks. Its windows of time look at an issue's first event only. If asked for all projects at once, it
/// answers with no issue.
const GLITCHTIP_LACKS: [Capability; 10] = [
    Capability::SeveralProjects,
    Capability::OrganizationIssues,
    Capability::IssuesByCreation,
    Capability::ListWindows,
    Capability::EventWindows,
    Capability::FeedbackIssues,
    Capability::SampleOrder,
    Capability::PerPage,
    Capability::MissingPaths,
    Capability::PageBoundaries,
];

/// What is known of one server.
#[derive(Debug, Default)]
pub(crate) struct Dialect {
    refused: Mutex<BTreeSet<Capability>>,
    /// Paths name things by slug alone. Only a slug of digits tells (API §8).
    knows_slugs_alone: AtomicBool,
    paths: KnownPaths,
}

impl Dialect {
    /// Learns from an answer. `python_set_link` says whether its `Link` header is a set of text as Python prints it.
    /// Only GlitchTip sends this form.
    pub(crate) fn observe(&self, python_set_link: bool) {
        if python_set_link && self.supports(Capability::PerPage) {
            info!("This server is GlitchTip: it has no windows of time, and web pages where Sentry has endpoints");
            self.lacks_all(&GLITCHTIP_LACKS);
        }
    }

    /// Whether the server can do this, as far as is known.
    pub(crate) fn supports(&self, capability: Capability) -> bool {
        !self.lock().contains(&capability)
    }

    /// Learns that the server cannot do this. Logs it once.
    pub(crate) fn refused(&self, capability: Capability) {
        if self.lock().insert(capability) {
            debug!("this server lacks: {}", capability.title());
            if let Some(consequence) = capability.consequence() {
                info!("{consequence}");
            }
        }
    }

    /// Learns from one answer that the server can do none of these.
    pub(crate) fn lacks_all(&self, capabilities: &[Capability]) {
        debug!("an answer of this server shows that it lacks {}", titles(capabilities));
        self.lock().extend(capabilities);
    }

    /// Learns that paths name things by their slugs alone, even by those of digits.
    pub(crate) fn learn_slugs_alone(&self) {
        debug!("this server takes digits in a path for a slug, not for an id");
        self.knows_slugs_alone.store(true, Ordering::Relaxed);
    }

    /// How paths and queries are written for this server.
    pub(crate) fn path_form(&self, all_projects: bool) -> PathForm {
        let by_slug = self.knows_slugs_alone.load(Ordering::Relaxed);
        PathForm { all_projects, by_limit: !self.supports(Capability::PerPage), by_slug }
    }

    /// What is known of an endpoint's paths; `None` before the first answer.
    pub(crate) fn path_of(&self, endpoint: &Endpoint) -> Option<Known> {
        self.paths.of(endpoint.paths[0])
    }

    /// One thing was not found at any path of an endpoint. Returns whether this shows that the server lacks it.
    pub(crate) fn misses(&self, endpoint: &Endpoint) -> bool {
        !self.supports(Capability::MissingPaths) || self.paths.missed(endpoint.paths[0])
    }

    /// Learns which path of an endpoint the server has.
    pub(crate) fn learn_path(&self, endpoint: &Endpoint, known: Known) {
        self.paths.learn(endpoint.paths[0], known);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Capability>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Dialect {
    /// Lists what the server is known to lack.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks: Vec<Capability> = self.lock().iter().copied().collect();
        if lacks.is_empty() { f.write_str("nothing") } else { f.write_str(&titles(&lacks)) }
    }
}

fn titles(capabilities: &[Capability]) -> String {
    capabilities.iter().map(|capability| capability.title()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_can_do_everything_until_it_shows_otherwise() {
        let dialect = Dialect::default();
        dialect.observe(false);
        assert!(Capability::ALL.into_iter().all(|capability| dialect.supports(capability)));
        dialect.refused(Capability::SampleOrder);
        assert_eq!(dialect.to_string(), "samples drawn by the server");
        dialect.observe(true);
        assert!(GLITCHTIP_LACKS.into_iter().all(|capability| !dialect.supports(capability)));
        assert!(dialect.supports(Capability::AllProjects));
    }
}
