//! The simulated clock. It starts at a given time, runs with real time, and can be moved forward.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A simulated clock. It is cheap to read.
pub(crate) struct Clock {
    base: DateTime<Utc>,
    started: Instant,
    ahead: Duration,
    frozen: bool,
}

impl Clock {
    /// Starts at `base`. A frozen clock moves only by [`Clock::advance`].
    pub(crate) fn new(base: DateTime<Utc>, frozen: bool) -> Self {
        Self { base, started: Instant::now(), ahead: Duration::ZERO, frozen }
    }

    /// The simulated time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let real = if self.frozen { Duration::ZERO } else { self.started.elapsed() };
        self.base + TimeDelta::from_std(real + self.ahead).expect("within the range of dates")
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// Real time since the start, for the log.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
