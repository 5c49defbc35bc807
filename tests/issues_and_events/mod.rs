//! A full sync writes every issue and every event once, whatever the server limits.
//! The tap lists events by project or by issue, whichever is cheaper, and splits long lists. A sample keeps the share
//! of events that the user asked for.

mod access_path;
mod fan_out;
mod full_sync;
mod sampling;
