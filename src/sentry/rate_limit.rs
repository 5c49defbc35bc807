//! When the next request may be sent: the configured ceiling over everything, and under it one bucket per
//! endpoint class that follows the server's own numbers (API §1.7).
//!
//! A server that sends no rate-limit headers (self-hosted) has no buckets: then the ceiling alone counts.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Notify;
use tracing::debug;

use crate::sentry::bucket::{Bucket, LimitHeaders, Room, Ticket};
use crate::sentry::endpoint::Class;
use crate::sentry::waits::{Cause, Waits};

/// A wait may end this much too late and be made good by the next one being shorter.
const LATENESS: Duration = Duration::from_millis(5);
/// Least distance of two requests, as a part of their even distance.
const CLOSEST: f64 = 0.8;

/// All limits of one run.
#[derive(Debug)]
pub struct RateLimits {
    ceiling: DefaultDirectRateLimiter,
    clock: DefaultClock,
    /// Lines requests up at the ceiling, first come first served; holds when the last one went.
    queue: tokio::sync::Mutex<Option<Instant>>,
    /// Least distance of two requests.
    closest: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    buckets: BTreeMap<Class, Bucket>,
    /// Whether any answer has been seen, and so whether the server is known to limit or not.
    limited: Option<bool>,
    /// Server clock minus ours, seconds; grows towards the truth as answers come in.
    offset: Option<f64>,
    waits: Waits,
}

/// A request in flight; its place in the bucket is free again when this is dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    limits: &'a RateLimits,
    class: Class,
    /// Its place in the bucket; none while it waits for one.
    ticket: Option<Ticket>,
    /// Whether the server's clock was known when it was sent.
    by_clock: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limits.lock();
        let bucket = state.bucket(self.class);
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
        drop(state);
        self.limits.changed.notify_waiters();
    }
}

impl State {
    fn bucket(&mut self, class: Class) -> &mut Bucket {
        let limited = self.limited;
        self.buckets.entry(class).or_insert_with(|| {
            let mut bucket = Bucket::known(class);
            if limited == Some(false) {
                bucket.forget_limit();
            }
            bucket
        })
    }
}

impl RateLimits {
    /// A ceiling of `per_second` requests, spaced evenly: no volleys.
    pub fn new(per_second: f64) -> Self {
        let period = Duration::from_secs_f64((1.0 / per_second).min(86_400.0)).max(Duration::from_nanos(1));
        // Timers are late now and then. A bucket of one would add up the delays; a little room makes them good.
        let room = 1 + u32::try_from(LATENESS.as_nanos().div_ceil(period.as_nanos())).unwrap_or(1);
        let burst = NonZeroU32::new(room).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        let clock = DefaultClock::default();
        let ceiling = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone());
        for _ in 1..room {
            let _ = ceiling.check(); // the room is for delays, and not for a volley at the beginning
        }
        Self {
            ceiling,
            clock,
            queue: tokio::sync::Mutex::new(None),
            closest: period.mul_f64(CLOSEST),
            state: Mutex::new(State { buckets: BTreeMap::new(), limited: None, offset: None, waits: Waits::default() }),
            changed: Notify::new(),
        }
    }

    /// Waits until a request of this class may be sent. Keep the permit until the answer has been read.
    pub async fn permit(&self, class: Class) -> Permit<'_> {
        let mut permit = self.enter(class).await;
        loop {
            // Looked at first, so that a full bucket takes no turn at the ceiling from the others.
            if let Some(wait) = self.full_for(class) {
                self.pause(wait, Cause::Bucket(class)).await;
                continue;
            }
            self.pace().await;
            let now = self.server_seconds();
            let mut state = self.lock();
            if let Ok(ticket) = state.bucket(class).take(now) {
                permit.by_clock = state.offset.is_some();
                permit.ticket = Some(ticket);
                drop(state);
                return permit;
            }
        }
    }

    /// How long the bucket of a class has no room, if it has none.
    fn full_for(&self, class: Class) -> Option<Duration> {
        let now = self.server_seconds();
        let at = self.lock().bucket(class).full_until(now)?;
        Some(Duration::from_secs_f64((at - now).clamp(0.0, 3600.0) + 0.02))
    }

    /// Takes a place in flight.
    async fn enter(&self, class: Class) -> Permit<'_> {
        loop {
            let freed = self.changed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable(); // before looking, so that no release in between is missed
            if self.lock_enter(class) {
                return Permit { limits: self, class, ticket: None, by_clock: false };
            }
            let since = Instant::now();
            freed.await;
            self.lock().waits.add(Cause::Concurrency(class), since.elapsed());
        }
    }

    fn lock_enter(&self, class: Class) -> bool {
        let mut state = self.lock();
        let bucket = state.bucket(class);
        let free = bucket.in_flight < bucket.concurrency;
        if free {
            bucket.in_flight += 1;
        }
        free
    }

    /// Waits for the ceiling.
    async fn pace(&self) {
        let mut last = self.queue.lock().await;
        let early = last.map_or(Duration::ZERO, |last| self.closest.saturating_sub(last.elapsed()));
        if !early.is_zero() {
            self.pause(early, Cause::Ceiling).await;
        }
        while let Err(early) = self.ceiling.check() {
            self.pause(early.wait_time_from(self.clock.now()), Cause::Ceiling).await;
        }
        *last = Some(Instant::now());
    }

    async fn pause(&self, wait: Duration, cause: Cause) {
        self.lock().waits.add(cause, wait);
        debug!("Rate limiting: sleeping for {:.3} seconds", wait.as_secs_f64());
        tokio::time::sleep(wait).await;
    }

    /// Learns from the headers of the answer to a request. `served_at` is the answer's `Date`.
    pub fn observe(
        &self,
        permit: &Permit<'_>,
        headers: LimitHeaders,
        served_at: Option<DateTime<Utc>>,
        accepted: bool,
    ) {
        let class = permit.class;
        let local = Self::local_seconds();
        let mut state = self.lock();
        if let Some(date) = served_at {
            #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
            let least = date.timestamp() as f64 - local;
            // The header is cut to whole seconds, so every answer gives a lower bound.
            let known = state.offset.filter(|known| (known - least).abs() < 2.0);
            state.offset = Some(known.map_or(least, |known| known.max(least)));
        }
        let server = local + state.offset.unwrap_or(0.0);
        if headers.limit.is_some() {
            state.limited = Some(true);
            if let Some(ticket) = permit.ticket {
                state.bucket(class).learn(headers, ticket, permit.by_clock, server);
            }
        } else if accepted {
            state.limited.get_or_insert(false);
            state.bucket(class).forget_limit();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// How long until the bucket's window ends, by the headers of a 429.
    pub fn until_reset(&self, headers: LimitHeaders) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
        let reset = headers.reset? as f64;
        let wait = reset - self.server_seconds();
        Some(Duration::from_secs_f64(wait.clamp(0.0, 3600.0)))
    }

    /// The server's clock; ours until an answer has told.
    pub fn server_now(&self) -> DateTime<Utc> {
        let offset = self.lock().offset.unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a clock difference fit")]
        let offset = chrono::TimeDelta::milliseconds((offset * 1000.0) as i64);
        Utc::now() + offset
    }

    /// Whether the server has shown that it limits requests.
    pub fn is_limited(&self) -> bool {
        self.lock().limited == Some(true)
    }

    /// What requests have waited for so far.
    pub fn waits(&self) -> Waits {
        self.lock().waits.clone()
    }

    /// What the bucket of a class has to give; `None` where the server does not limit it.
    pub fn room(&self, class: Class) -> Option<Room> {
        let now = self.server_seconds();
        self.lock().bucket(class).room(now)
    }

    fn server_seconds(&self) -> f64 {
        let offset = self.lock().offset.unwrap_or(0.0);
        Self::local_seconds() + offset
    }

    fn local_seconds() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::sentry::bucket::UNLIMITED_CONCURRENCY;

    #[tokio::test]
    async fn a_server_without_headers_has_no_buckets() {
        let limits = RateLimits::new(10.0);
        let permit = limits.permit(Class::Default).await;
        limits.observe(&permit, LimitHeaders::default(), None, true);
        drop(permit);
        let mut state = limits.lock();
        assert_eq!(state.bucket(Class::ProjectEvents).limit, None);
        assert_eq!(state.bucket(Class::ProjectEvents).concurrency, UNLIMITED_CONCURRENCY);
    }

    #[tokio::test]
    async fn requests_are_spaced_and_not_sent_in_volleys() {
        let limits = RateLimits::new(50.0);
        let start = Instant::now();
        for _ in 0..6 {
            drop(limits.permit(Class::Default).await);
        }
        // Five gaps of 20 ms, of which one may be made up for a late timer.
        assert!(start.elapsed() >= Duration::from_millis(4 * 20 + 16), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_late_request_does_not_delay_all_that_follow() {
        let limits = RateLimits::new(50.0);
        drop(limits.permit(Class::Default).await);
        tokio::time::sleep(Duration::from_millis(37)).await; // the second one comes 17 ms too late
        let second = Instant::now();
        for _ in 0..2 {
            drop(limits.permit(Class::Default).await);
        }
        // The third is 16 ms behind it; only a machine that is late itself makes it more.
        assert!(second.elapsed() >= Duration::from_millis(15), "a volley");
    }
}
