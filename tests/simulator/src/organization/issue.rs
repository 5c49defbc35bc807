//! An issue and its events: times and ids. `render` says what they look like on the wire.

/// One event: its id and its time. Everything else about it is derived from the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    high: u64,
    low: u64,
    /// Milliseconds since the epoch.
    pub ms: i64,
}

impl Event {
    /// An event from the two halves of its id.
    pub(crate) const fn new(high: u64, low: u64, ms: i64) -> Self {
        Self { high, low, ms }
    }

    /// The id as a number.
    pub fn id(&self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// The id as Sentry writes it: 32 hex digits.
    pub fn hex(&self) -> String {
        format!("{:016x}{:016x}", self.high, self.low)
    }

    /// The time as the event index knows it.
    pub fn second(&self) -> i64 {
        self.ms.div_euclid(1000)
    }

    /// A number that stands for the event's content.
    pub(crate) const fn seed(&self) -> u64 {
        self.low
    }

    /// The order of lists: newest second first, then the larger id.
    pub(crate) fn order(&self) -> (std::cmp::Reverse<i64>, std::cmp::Reverse<u128>) {
        (std::cmp::Reverse(self.second()), std::cmp::Reverse(self.id()))
    }
}

/// What an issue is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// An error. Its events are also in the project's event list.
    Error,
    /// A performance problem. Its events are listed only by issue.
    Performance,
    /// User feedback. It is listed only if asked for, and its events only by issue.
    Feedback,
}

impl Category {
    /// Sentry's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Performance => "performance",
            Self::Feedback => "feedback",
        }
    }
}

/// Where an issue stands in triage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Open.
    Unresolved,
    /// Done.
    Resolved,
    /// Archived, called ignored in the API.
    Ignored,
}

impl Status {
    /// Sentry's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }
}

/// Whether an issue still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It does.
    Live,
    /// It is being merged into another issue. Until that is done, its id answers 404, no list of issues has it, and only
    /// the lists of projects have its events (API §8).
    MergingInto(u64),
    /// It was merged. Its events belong to another issue now, and its id answers with that issue.
    MergedInto(u64),
    /// It is gone.
    Deleted,
}

/// A group of events.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The id.
    pub id: u64,
    /// The id of its project.
    pub project: u64,
    /// The number in its short id.
    pub number: u32,
    /// What it is about.
    pub category: Category,
    /// Where it stands.
    pub status: Status,
    /// Whether it still exists.
    pub existence: Existence,
    /// The milliseconds of the first event that arrived, as the issue's row keeps them. A late event with an older time
    /// does not lower them (seen on Sentry 24.4).
    pub first_seen: Option<i64>,
    /// Newest first: by second, then by id.
    pub events: Vec<Event>,
}

impl Issue {
    /// Whether it still exists under its own id.
    pub fn is_live(&self) -> bool {
        self.existence == Existence::Live
    }

    /// The events of the half-open window of epoch seconds, newest first.
    pub fn window(&self, start: i64, end: i64) -> &[Event] {
        let from = self.events.partition_point(|event| event.second() >= end);
        let to = self.events.partition_point(|event| event.second() >= start);
        &self.events[from..to.max(from)]
    }

    /// Whether its events are still its own: it is live, or its merge is under way.
    pub fn keeps_events(&self) -> bool {
        matches!(self.existence, Existence::Live | Existence::MergingInto(_))
    }

    /// Restores the order after events were added. The first ones are when it was first seen.
    pub(crate) fn sort(&mut self) {
        self.events.sort_unstable_by_key(Event::order);
        self.first_seen = self.first_seen.or_else(|| self.events.iter().map(|event| event.ms).min());
    }
}
