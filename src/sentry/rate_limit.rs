//! When the next request may be sent: the configured ceiling over everything, and under it one bucket per
//! endpoint class that follows the server's own numbers (API §1.7).
//!
//! A server that sends no rate-limit headers (self-hosted) has no buckets: then the ceiling alone counts.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Notify;
use tracing::debug;

use crate::sentry::endpoint::Class;

/// Requests in flight at once where the server names no limit.
const UNLIMITED_CONCURRENCY: u32 = 12;

/// What an answer's headers say about its bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitHeaders {
    /// `X-Sentry-Rate-Limit-Limit`: requests per window.
    pub limit: Option<u32>,
    /// `X-Sentry-Rate-Limit-Remaining`: requests left in the window.
    pub remaining: Option<u32>,
    /// `X-Sentry-Rate-Limit-Reset`: end of the window, epoch seconds.
    pub reset: Option<u64>,
    /// `X-Sentry-Rate-Limit-ConcurrentLimit`.
    pub concurrent: Option<u32>,
}

/// One server-side bucket: a fixed window aligned to the epoch, and a number of requests in flight.
/// Times are seconds; `server` times are on the server's clock.
#[derive(Debug, Clone, PartialEq)]
struct Bucket {
    /// Requests per window; `None` where the server does not limit.
    limit: Option<u32>,
    window: f64,
    concurrency: u32,
    in_flight: u32,
    left: u32,
    window_end: f64,
}

impl Bucket {
    /// The numbers known for sentry.io, until its headers correct them.
    fn known(class: Class) -> Self {
        let (limit, window, concurrency) = match class {
            Class::Default | Class::Releases | Class::Members => (40, 1.0, 25),
            Class::ProjectEvents => (60, 60.0, 1),
            Class::EventDetail | Class::IssueDetail | Class::ProjectIssues => (5, 1.0, 25),
            Class::IssueEventDetail => (15, 1.0, 25),
        };
        Self { limit: Some(limit), window, concurrency, in_flight: 0, left: limit, window_end: 0.0 }
    }

    /// Takes one request out of the current window, or says at which server time to ask again.
    fn take(&mut self, server: f64) -> Result<(), f64> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        // A window that ends further away than it is long was reckoned by a clock that has proved wrong.
        if server >= self.window_end || self.window_end > server + self.window + 1.0 {
            self.window_end = ((server / self.window).floor() + 1.0) * self.window;
            self.left = limit;
        }
        if self.left == 0 {
            return Err(self.window_end);
        }
        self.left -= 1;
        Ok(())
    }

    fn learn(&mut self, headers: LimitHeaders, server: f64) {
        if let Some(concurrent) = headers.concurrent {
            self.concurrency = concurrent.max(1);
        }
        let (Some(limit), Some(remaining), Some(reset)) = (headers.limit, headers.remaining, headers.reset) else {
            return;
        };
        self.limit = Some(limit.max(1));
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
        let reset = reset as f64;
        // Requests of ours that the server had not counted yet when it answered.
        let remaining = remaining.saturating_sub(self.in_flight.saturating_sub(1));
        if reset > self.window_end + 0.5 || self.window_end > server + self.window + 1.0 {
            self.window_end = reset;
            self.left = remaining;
            self.window = self.window.max((reset - server).ceil());
        } else if (reset - self.window_end).abs() < 0.5 {
            self.left = self.left.min(remaining);
        }
    }

    fn forget_limit(&mut self) {
        self.limit = None;
        self.concurrency = UNLIMITED_CONCURRENCY;
    }
}

/// All limits of one run.
#[derive(Debug)]
pub struct RateLimits {
    ceiling: DefaultDirectRateLimiter,
    clock: DefaultClock,
    /// Lines requests up at the ceiling, first come first served.
    queue: tokio::sync::Mutex<()>,
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
}

/// A request in flight; its place in the bucket is free again when this is dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    limits: &'a RateLimits,
    class: Class,
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
        let period = Duration::from_secs_f64((1.0 / per_second).min(86_400.0));
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(NonZeroU32::MIN);
        let clock = DefaultClock::default();
        Self {
            ceiling: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            queue: tokio::sync::Mutex::new(()),
            state: Mutex::new(State { buckets: BTreeMap::new(), limited: None, offset: None }),
            changed: Notify::new(),
        }
    }

    /// Waits until a request of this class may be sent. Keep the permit until the answer has been read.
    pub async fn permit(&self, class: Class) -> Permit<'_> {
        let permit = self.enter(class).await;
        loop {
            self.pace().await;
            let (taken, now) = {
                let now = self.server_seconds();
                (self.lock().bucket(class).take(now), now)
            };
            match taken {
                Ok(()) => return permit,
                Err(at) => self.pause(Duration::from_secs_f64((at - now).clamp(0.0, 3600.0) + 0.02)).await,
            }
        }
    }

    /// Takes a place in flight.
    async fn enter(&self, class: Class) -> Permit<'_> {
        loop {
            let freed = self.changed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable(); // before looking, so that no release in between is missed
            if self.lock_enter(class) {
                return Permit { limits: self, class };
            }
            freed.await;
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
        let _first = self.queue.lock().await;
        while let Err(early) = self.ceiling.check() {
            self.pause(early.wait_time_from(self.clock.now())).await;
        }
    }

    async fn pause(&self, wait: Duration) {
        debug!("Rate limiting: sleeping for {:.3} seconds", wait.as_secs_f64());
        tokio::time::sleep(wait).await;
    }

    /// Learns from the headers of an answer. `served_at` is the answer's `Date`.
    pub fn observe(&self, class: Class, headers: LimitHeaders, served_at: Option<DateTime<Utc>>, accepted: bool) {
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
            state.bucket(class).learn(headers, server);
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

    fn headers(limit: u32, remaining: u32, reset: u64) -> LimitHeaders {
        LimitHeaders { limit: Some(limit), remaining: Some(remaining), reset: Some(reset), concurrent: None }
    }

    #[test]
    fn a_window_gives_out_its_limit_and_then_names_its_end() {
        let mut bucket = Bucket::known(Class::ProjectEvents);
        for _ in 0..60 {
            assert_eq!(bucket.take(119.0), Ok(()));
        }
        assert_eq!(bucket.take(119.5), Err(120.0));
        assert_eq!(bucket.take(120.0), Ok(()));
    }

    #[test]
    fn headers_correct_the_known_numbers() {
        let mut bucket = Bucket::known(Class::Default);
        assert_eq!(bucket.take(100.2), Ok(()));
        bucket.in_flight = 1;
        bucket.learn(headers(3, 2, 101), 100.3);
        assert_eq!((bucket.limit, bucket.left), (Some(3), 2));
        // Somebody else uses the same token.
        bucket.learn(headers(3, 0, 101), 100.4);
        assert_eq!(bucket.take(100.5), Err(101.0));
        assert_eq!(bucket.take(101.0), Ok(()));
        assert_eq!(bucket.left, 2);
    }

    #[test]
    fn a_window_reckoned_by_a_wrong_clock_is_forgotten() {
        let mut bucket = Bucket::known(Class::ProjectEvents);
        let local = 1_800_000.0; // three weeks ahead of the server, which has not answered yet
        assert_eq!(bucket.take(local), Ok(()));
        bucket.learn(headers(60, 59, 60), 10.0);
        for _ in 0..59 {
            assert_eq!(bucket.take(10.0), Ok(()));
        }
        assert_eq!(bucket.take(10.0), Err(60.0));
    }

    #[test]
    fn a_server_without_headers_has_no_buckets() {
        let limits = RateLimits::new(10.0);
        limits.observe(Class::Default, LimitHeaders::default(), None, true);
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
        // Five gaps of 20 ms; a slow machine makes them longer, never shorter.
        assert!(start.elapsed() >= Duration::from_millis(98), "{:?}", start.elapsed());
    }
}
