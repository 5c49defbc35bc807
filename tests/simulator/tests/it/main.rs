//! The simulator against the facts it is built on: cursors, limits, numbers, faults, shapes.

mod client;
mod events;
mod faults;
mod issues;
mod limits;
mod organization;
mod paging;
mod sentry9;
mod shapes;
