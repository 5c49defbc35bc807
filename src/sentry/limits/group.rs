//! Names the groups of requests that share one rate limit of the server (API §1.7). Knows no numbers.

/// Which of the server's rate-limit buckets a request draws on (API §1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitGroup {
    /// All endpoints without a limit of their own. They share one bucket.
    Default,
    /// `projects/…/events/`.
    ProjectEvents,
    /// `projects/…/events/{id}/`.
    EventDetail,
    /// `organizations/…/issues/{id}/`.
    IssueDetail,
    /// `organizations/…/issues/{id}/events/{event}/`.
    IssueEventDetail,
    /// `projects/…/issues/`, deprecated.
    ProjectIssues,
    /// `organizations/…/releases/`.
    Releases,
    /// `organizations/…/members/`.
    Members,
    /// `organizations/…/events/`.
    EventTable,
}

impl LimitGroup {
    /// What requests of this limit group read, in plain words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Default => "most lists",
            Self::ProjectEvents => "event lists of projects",
            Self::EventDetail | Self::IssueEventDetail => "single events",
            Self::IssueDetail => "single issues",
            Self::ProjectIssues => "issue lists of projects",
            Self::Releases => "releases",
            Self::Members => "members",
            Self::EventTable => "the events table",
        }
    }
}
