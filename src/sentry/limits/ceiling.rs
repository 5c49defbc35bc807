//! The configured ceiling over all requests: turns that stand evenly apart, first come first served.
//!
//! A turn is given out at once, with the time that it comes at. Nobody holds anything while waiting for it.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A request may be sent this much too late, and the next ones make it good by standing closer.
const LATENESS: Duration = Duration::from_millis(5);
/// Least distance of two turns, as a part of their even distance.
const CLOSEST: f64 = 0.8;

/// When requests may be sent, as far as the configuration goes.
#[derive(Debug)]
pub(crate) struct Ceiling {
    began: Instant,
    /// Least distance of two turns.
    closest: Duration,
    line: Mutex<Line>,
}

/// The turns that are given out. The limiter's clock stands at the last of them, which may lie ahead of now.
#[derive(Debug)]
struct Line {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    /// Where the clock stands; since the beginning.
    time: Duration,
    /// Whether a turn was given out.
    used: bool,
}

/// When a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How long to wait for it.
    pub(crate) wait: Duration,
    /// The part of it that lies behind the turn before: waits that lie side by side do not add up.
    pub(crate) behind_last: Duration,
}

impl Ceiling {
    /// A ceiling of `per_second` requests, spaced evenly: no volleys.
    pub(crate) fn new(per_second: f64) -> Self {
        let period = Duration::from_secs_f64((1.0 / per_second).min(86_400.0)).max(Duration::from_nanos(1));
        // Timers are late now and then. A bucket of one would add up the delays; a little room makes them good.
        let room = 1 + u32::try_from(LATENESS.as_nanos().div_ceil(period.as_nanos())).unwrap_or(1);
        let burst = NonZeroU32::new(room).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone());
        for _ in 1..room {
            let _ = limiter.check(); // the room is for delays, and not for a volley at the beginning
        }
        let line = Mutex::new(Line { limiter, clock, time: Duration::ZERO, used: false });
        Self { began: Instant::now(), closest: period.mul_f64(CLOSEST), line }
    }

    /// Takes the next turn.
    pub(crate) fn next_turn(&self) -> Turn {
        self.turn_at(self.began.elapsed())
    }

    /// Takes the next turn from `now` on, which is a time since the beginning.
    fn turn_at(&self, now: Duration) -> Turn {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let last = line.time;
        let earliest = if line.used { now.max(last + self.closest) } else { now };
        line.wait(earliest.saturating_sub(last));
        while let Err(early) = line.limiter.check() {
            let wait = early.wait_time_from(line.clock.now());
            line.wait(wait);
        }
        line.used = true;
        Turn { wait: line.time.saturating_sub(now), behind_last: line.time.saturating_sub(now.max(last)) }
    }
}

impl Line {
    /// Moves the clock on.
    fn wait(&mut self, by: Duration) {
        self.clock.advance(by);
        self.time += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(ceiling: &Ceiling, asked: &[u64]) -> Vec<u128> {
        let at = |now: &u64| {
            let now = Duration::from_millis(*now);
            (now + ceiling.turn_at(now).wait).as_millis()
        };
        asked.iter().map(at).collect()
    }

    #[test]
    fn turns_stand_evenly_apart_however_many_ask_at_once() {
        assert_eq!(turns(&Ceiling::new(50.0), &[0; 6]), [0, 20, 40, 60, 80, 100]);
    }

    #[test]
    fn a_late_request_is_made_good_by_those_behind_it_and_no_volley_follows() {
        // The second comes 17 ms late. The room of 5 ms is made good at no less than 16 ms apart.
        assert_eq!(turns(&Ceiling::new(50.0), &[0, 37, 37, 37, 37]), [0, 37, 53, 69, 85]);
        assert_eq!(turns(&Ceiling::new(50.0), &[0, 1000, 1000, 1000]), [0, 1000, 1016, 1032]);
    }

    #[test]
    fn waits_that_lie_side_by_side_do_not_add_up() {
        let ceiling = Ceiling::new(10.0);
        let waits: Vec<_> = (0..4).map(|_| ceiling.turn_at(Duration::ZERO).behind_last.as_millis()).collect();
        assert_eq!(waits, [0, 100, 100, 100]);
    }
}
