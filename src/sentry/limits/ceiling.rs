//! The configured ceiling over all requests: gives out turns that are evenly spaced, in the order of asking.
//!
//! A turn is given out at once, with the time to wait for it. So nobody holds a lock while waiting. Knows no server.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// How late a request may be sent so that the next turns, spaced closer, still make up for it.
const LATENESS: Duration = Duration::from_millis(5);
/// Least distance of two turns, as a fraction of their even distance.
const CLOSEST: f64 = 0.8;

/// Says when requests may be sent by the configured rate.
#[derive(Debug)]
pub(crate) struct Ceiling {
    began: Instant,
    /// Least distance of two turns.
    closest: Duration,
    turns: Mutex<Turns>,
}

/// The turns that were given out. The limiter's clock is at the last turn, which may be in the future.
#[derive(Debug)]
struct Turns {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    /// Time on the clock, since the beginning.
    time: Duration,
    /// Whether a turn was given out.
    used: bool,
}

/// When a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How long to wait for it.
    pub(crate) wait: Duration,
    /// The part of the wait after the previous turn. Sums of it count parallel waits once.
    pub(crate) behind_last: Duration,
}

impl Ceiling {
    /// A ceiling of `per_second` requests. They are evenly spaced, without bursts.
    pub(crate) fn new(per_second: f64) -> Self {
        let period = Duration::from_secs_f64((1.0 / per_second).min(86_400.0)).max(Duration::from_nanos(1));
        // Timers are late now and then. A limiter for one turn would add up the delays. A few more make up for them.
        let burst = 1 + u32::try_from(LATENESS.as_nanos().div_ceil(period.as_nanos())).unwrap_or(1);
        let allowed = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(allowed), clock.clone());
        for _ in 1..burst {
            let _ = limiter.check(); // they are for delays, not for a burst at the beginning
        }
        let turns = Mutex::new(Turns { limiter, clock, time: Duration::ZERO, used: false });
        Self { began: Instant::now(), closest: period.mul_f64(CLOSEST), turns }
    }

    /// Takes the next turn.
    pub(crate) fn next_turn(&self) -> Turn {
        self.turn_at(self.began.elapsed())
    }

    /// Takes the next turn at `now` or later. `now` counts since the beginning.
    fn turn_at(&self, now: Duration) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let last = turns.time;
        let earliest = if turns.used { now.max(last + self.closest) } else { now };
        turns.advance(earliest.saturating_sub(last));
        while let Err(early) = turns.limiter.check() {
            let wait = early.wait_time_from(turns.clock.now());
            turns.advance(wait);
        }
        turns.used = true;
        Turn { wait: turns.time.saturating_sub(now), behind_last: turns.time.saturating_sub(now.max(last)) }
    }
}

impl Turns {
    /// Moves the clock on.
    fn advance(&mut self, by: Duration) {
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
    fn turns_are_evenly_spaced_however_many_ask_at_once() {
        assert_eq!(turns(&Ceiling::new(50.0), &[0; 6]), [0, 20, 40, 60, 80, 100]);
    }

    #[test]
    fn the_next_turns_make_up_for_a_late_request_without_a_burst() {
        // The second comes 17 ms late. The next turns make up for it, at least 16 ms apart.
        assert_eq!(turns(&Ceiling::new(50.0), &[0, 37, 37, 37, 37]), [0, 37, 53, 69, 85]);
        assert_eq!(turns(&Ceiling::new(50.0), &[0, 1000, 1000, 1000]), [0, 1000, 1016, 1032]);
    }

    #[test]
    fn parallel_waits_do_not_add_up() {
        let ceiling = Ceiling::new(10.0);
        let waits: Vec<_> = (0..4).map(|_| ceiling.turn_at(Duration::ZERO).behind_last.as_millis()).collect();
        assert_eq!(waits, [0, 100, 100, 100]);
    }
}
