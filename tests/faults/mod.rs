//! The fault matrix: every kind of trouble at every kind of request, and what a run makes of it.
//!
//! Four outcomes are honest: everything is there (recovered), one thing is skipped and named, a part is missing and
//! said so with a bookmark that stays (a gap), or the run ends and says why (fatal). Silence is none of them.

mod lab;
mod lasting;
mod links;
mod odd_rows;
mod passing;
mod places;
mod races;
mod random;
