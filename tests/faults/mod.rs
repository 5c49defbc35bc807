//! How a run ends if something goes wrong: every kind of fault at every kind of request.
//!
//! A run has four honest outcomes. Recovered: everything is there. Skipped: one thing is missing, and the log names it.
//! Gap: a part is missing, the last line says so, and its bookmark stays. Fatal: the run ends and says why.
//! A run never loses something silently.

mod accepted;
mod errors;
mod links;
mod malformed_rows;
mod matrix;
mod persistent;
mod places;
mod races;
mod random;
mod transient;
