//! A run that starts from a STATE reads what is new since then, and misses nothing.
//! That holds for every STATE a target has seen, also when the run was killed right after it.

mod asked;
mod clocks;
mod covers_records;
mod hidden;
mod incremental;
mod joined;
pub mod kill;
mod kill_late;
mod pending;
mod time_limit;
mod whose;
