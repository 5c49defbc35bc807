//! What kind of server is simulated: its age, behaviour and limits. Settings hold no data and no state.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::limits::Budgets;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Which generation of Sentry answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// sentry.io in 2026.
    Saas,
    /// A current self-hosted server: the same endpoints, no limits, no cap on full pages.
    SelfHosted,
    /// Sentry 23.7 of 2023, as its source has it.
    Sentry23,
    /// Sentry 9.1.2 of 2019, as observed on a real one.
    Sentry9,
    /// GlitchTip of December 2025, another server with much of the same API.
    GlitchTip,
}

/// Which first event a list of issues goes by with `sort=new` (API §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewBy {
    /// The first of the whole life, as its row keeps it: servers of 2026.
    Life,
    /// The first inside the window of the list: older ones, Sentry 24.4 among them.
    Window,
}

/// What the `Date` header of answers says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateHeader {
    /// The simulated time.
    Right,
    /// Nothing: there is no such header.
    Absent,
    /// The simulated time and so many seconds more.
    Off(i64),
}

/// How the server behaves. Start from the constructor of a dialect, and change single fields. The field `dialect` alone
/// does not switch limits, caps and compression.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is independent of the others
pub struct Settings {
    /// Which generation answers. See the constructors for the settings that go with it.
    pub dialect: Dialect,
    /// Where the simulated clock starts.
    pub now: DateTime<Utc>,
    /// Stop the clock except for `Simulator::advance`.
    pub frozen: bool,
    /// Enforce the budgets and send their headers (API §1.7).
    pub limits: bool,
    /// The budgets, one for each class of endpoint.
    pub budgets: Budgets,
    /// Send the text of a 429 as a bare JSON string, as servers did until 2023.
    pub bare_429: bool,
    /// What the `Date` header says.
    pub date: DateHeader,
    /// How long every answer takes.
    pub latency: Duration,
    /// Compress answers for clients that accept gzip.
    pub gzip: bool,
    /// The organization may use the events table.
    pub has_table: bool,
    /// The most rows of the events table that one list gives.
    pub table_rows: usize,
    /// The most rows of any page, those of issue lists included.
    pub most_rows: usize,
    /// The most rows of a `full=true` page.
    pub full_cap: usize,
    /// The most days of series that a request may ask for.
    pub most_days: usize,
    /// How many groups series have in addition to those in `payloads`.
    pub more_series: usize,
    /// Event lists know `full`.
    pub honours_full: bool,
    /// Any non-empty value of `full` and `sample` switches them on, `false` included.
    pub any_value_is_true: bool,
    /// Event lists know `sample`.
    pub honours_sample: bool,
    /// Event lists know `start` and `end`.
    pub honours_dates: bool,
    /// Issue events within one second come in an order that changes from request to request.
    pub unstable_ties: bool,
    /// Releases are sorted and filtered by the time of their release where they have one, as old servers do.
    pub by_release_date: bool,
    /// Issues and releases with equal keys come in an order that changes from request to request.
    pub unstable_list_ties: bool,
    /// What `sort=new` goes by.
    pub new_by: NewBy,
    /// Cut pages of issues before the status filter, so that they may be short or empty.
    pub post_filter: bool,
    /// Events older than this are gone.
    pub retention_days: i64,
    /// Add an undocumented key to every row.
    pub extra_field: bool,
    /// Issue rows carry the keys of `expand` without being asked, as the documented example does.
    pub all_keys: bool,
    /// Answer with 404 and no body for an unknown organization, as the control host does.
    pub empty_org_404: bool,
    /// `organizations/{org}/users/` does not exist any more.
    pub users_gone: bool,
    /// The caller is a member of every project, as integration tokens are. Otherwise the caller is a member only of the
    /// first team's projects, as users often are.
    pub member_of_all: bool,
}

impl Settings {
    /// sentry.io: limits, pages of ten full events.
    pub fn saas() -> Self {
        Self {
            dialect: Dialect::Saas,
            now: default_now(),
            frozen: false,
            limits: true,
            budgets: Budgets::default(),
            bare_429: false,
            date: DateHeader::Right,
            latency: Duration::ZERO,
            gzip: true,
            has_table: true,
            table_rows: 10_000,
            most_rows: 100,
            full_cap: 10,
            most_days: 366,
            more_series: 0,
            honours_full: true,
            any_value_is_true: false,
            honours_sample: true,
            honours_dates: true,
            unstable_ties: true,
            by_release_date: false,
            unstable_list_ties: false,
            new_by: NewBy::Life,
            post_filter: false,
            retention_days: 90,
            extra_field: false,
            all_keys: true,
            empty_org_404: false,
            users_gone: false,
            member_of_all: false,
        }
    }

    /// A current self-hosted server: no limits, full pages of a hundred.
    pub fn self_hosted() -> Self {
        Self { dialect: Dialect::SelfHosted, limits: false, full_cap: 100, ..Self::saas() }
    }

    /// Sentry 23.7: no samples, bare texts in refusals, new issues by their first event in the window.
    pub fn sentry23() -> Self {
        Self {
            dialect: Dialect::Sentry23,
            bare_429: true,
            honours_sample: false,
            new_by: NewBy::Window,
            ..Self::self_hosted()
        }
    }

    /// GlitchTip.
    pub fn glitchtip() -> Self {
        Self { dialect: Dialect::GlitchTip, honours_full: false, honours_sample: false, ..Self::self_hosted() }
    }

    /// Sentry 9.1.2.
    pub fn sentry9() -> Self {
        Self {
            dialect: Dialect::Sentry9,
            gzip: false,
            honours_full: false,
            honours_sample: false,
            ..Self::self_hosted()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::saas()
    }
}

/// The default time at which clocks start: the noon that is nearest. A client that does not believe a clock which is days
/// off believes this one, and no run crosses midnight by chance.
pub(crate) fn default_now() -> DateTime<Utc> {
    static NOON: LazyLock<DateTime<Utc>> = LazyLock::new(|| {
        let today = Utc::now().timestamp().div_euclid(DAY) * DAY;
        DateTime::from_timestamp(today + DAY / 2, 0).expect("a valid time")
    });
    *NOON
}
