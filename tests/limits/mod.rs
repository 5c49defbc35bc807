//! What a run may cost: requests stay below the rate limit, there are few of them, and memory does not grow with the
//! data. `--plan` says the cost beforehand.

mod memory;
mod plan;
mod rate;
mod requests;
