//! Tests of the simulator: cursors, limits, numbers, faults and shapes are those of real servers.

mod client;
mod events;
mod faults;
mod issues;
mod limits;
mod moments;
mod orders;
mod organization;
mod paging;
mod sentry9;
mod shapes;
