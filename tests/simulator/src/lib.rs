//! A local Sentry for tests, demos and benchmarks: seeded data behind the web API as a tap sees it.
//!
//! [`Organization::generate`] makes the data, and [`Simulator::start`] serves it on a port of 127.0.0.1.
//! [`Simulator::truth`] says what a complete sync should hold, and [`Simulator::requests`] what was asked.
//! [`Settings`] chooses the kind of server. [`Fault`]s spoil single answers down to the byte.
//!
//! In comments, "API §n" cites the source of a fact about Sentry: section n of the notes this project was written from.
//!
//! Modules, from the data outwards: `organization` (what there is), `render` (how it looks), `api` (which
//! rows an answer has), `state` (what happens to a request), `http` and `server` (bytes and sockets).
//!
//! Not simulated: `environment` filters, search terms beyond `is`, `issue.category`, `issue.type`,
//! `lastSeen`, `timestamp` and words of the title, and writes of any kind.

mod api;
mod auth;
mod clock;
mod faults;
mod hash;
mod http;
mod json;
mod limits;
mod log;
mod moment;
mod organization;
mod render;
mod server;
mod settings;
mod simulator;
mod spoil;
mod state;
mod time;

pub use faults::{Fault, FaultKind, LinkForm, NthHit};
pub use limits::{Budget, Budgets, Class};
pub use log::Request;
pub use moment::Moment;
pub use organization::{
    Category, Commit, Deploy, Event, EventTruth, Existence, Issue, IssueTruth, Member, Organization, Project, Release,
    ReleaseTruth, Shape, Status, Team, Truth,
};
pub use settings::{DateHeader, Dialect, NewBy, Settings};
pub use simulator::Simulator;
pub use time::payload_at;

/// A length or position as a signed number.
pub(crate) fn count(length: usize) -> i64 {
    i64::try_from(length).expect("lengths fit")
}
