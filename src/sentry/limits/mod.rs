//! Decides when the next request may be sent. The configured ceiling holds for all requests. Under it, each limit group
//! has one bucket, which follows the server's own numbers (API §1.7). Sends nothing.
//!
//! A server that sends no rate-limit headers (self-hosted) has no buckets. There the ceiling alone counts.

pub(crate) mod bucket;
pub(crate) mod ceiling;
pub(crate) mod clock;
pub(crate) mod group;
pub(crate) mod waits;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tracing::{debug, info};

use crate::sentry::limits::bucket::{Bucket, LimitHeaders, Quota, Ticket};
use crate::sentry::limits::ceiling::Ceiling;
use crate::sentry::limits::clock::ServerClock;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::limits::waits::{Cause, Waits};

/// Farthest end of a window that is believed, in seconds.
const FARTHEST: f64 = 3600.0;
/// Longer waits are said.
const LONG: Duration = Duration::from_mins(1);

/// All limits of one run.
#[derive(Debug)]
pub(crate) struct RateLimits {
    ceiling: Ceiling,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    buckets: BTreeMap<LimitGroup, Bucket>,
    /// Whether the server limits requests; `None` until an answer shows it.
    limited: Option<bool>,
    clock: ServerClock,
    waits: Waits,
}

/// A request in flight. Dropping it frees its place.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    limits: &'a RateLimits,
    group: LimitGroup,
    /// Its part of the bucket's quota; absent while it waits for one.
    ticket: Option<Ticket>,
    /// Whether the server's clock was known when it was sent.
    by_clock: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limits.lock();
        let bucket = state.bucket(self.group);
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
        drop(state);
        self.limits.changed.notify_waiters();
    }
}

impl State {
    fn bucket(&mut self, group: LimitGroup) -> &mut Bucket {
        let limited = self.limited;
        self.buckets.entry(group).or_insert_with(|| {
            let mut bucket = Bucket::known(group);
            if limited == Some(false) {
                bucket.forget_limit();
            }
            bucket
        })
    }
}

impl RateLimits {
    /// Begins with a ceiling of `per_second` requests. Nothing is known of the server.
    pub(crate) fn new(per_second: f64) -> Self {
        let state =
            State { buckets: BTreeMap::new(), limited: None, clock: ServerClock::default(), waits: Waits::default() };
        Self { ceiling: Ceiling::new(per_second), state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits until a request of this group may be sent. The caller keeps the permit until the answer is read.
    pub(crate) async fn permit(&self, group: LimitGroup) -> Permit<'_> {
        let mut permit = self.enter(group).await;
        loop {
            // Check the bucket first. A request that it holds back must not take a turn at the ceiling from the others.
            if let Some(wait) = self.wait_for_quota(group) {
                self.lock().waits.add(Cause::Bucket(group), wait);
                if wait > LONG {
                    let seconds = wait.as_secs_f64();
                    info!("the server's limit on {} is used up: waiting {seconds:.0} s", group.what());
                }
                sleep(wait).await;
                continue;
            }
            self.pace().await;
            let now = self.server_seconds();
            let mut state = self.lock();
            if let Ok(ticket) = state.bucket(group).take(now) {
                permit.by_clock = state.clock.is_told();
                permit.ticket = Some(ticket);
                drop(state);
                return permit;
            }
        }
    }

    /// If the quota of the group is used up: how long to wait until it is renewed.
    fn wait_for_quota(&self, group: LimitGroup) -> Option<Duration> {
        let now = self.server_seconds();
        let at = self.lock().bucket(group).full_until(now)?;
        Some(Duration::from_secs_f64((at - now).clamp(0.0, FARTHEST) + 0.02))
    }

    /// Waits for a place in flight, and takes it.
    async fn enter(&self, group: LimitGroup) -> Permit<'_> {
        loop {
            let freed = self.changed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable(); // before the check, so that it misses no release
            if self.try_enter(group) {
                return Permit { limits: self, group, ticket: None, by_clock: false };
            }
            let since = Instant::now();
            freed.await;
            self.lock().waits.add(Cause::Concurrency(group), since.elapsed());
        }
    }

    /// Takes a place in flight if there is a free one. Returns whether it did.
    fn try_enter(&self, group: LimitGroup) -> bool {
        let mut state = self.lock();
        let bucket = state.bucket(group);
        let free = bucket.in_flight < bucket.concurrency;
        if free {
            bucket.in_flight += 1;
        }
        free
    }

    /// Waits for the next turn at the ceiling.
    async fn pace(&self) {
        let turn = self.ceiling.next_turn();
        if !turn.wait.is_zero() {
            self.lock().waits.add(Cause::Ceiling, turn.behind_last);
            sleep(turn.wait).await;
        }
    }

    /// Learns from the headers of the answer to a request. `served_at` is the answer's `Date`, as it would be
    /// now.
    pub(crate) fn observe(
        &self,
        permit: &Permit<'_>,
        headers: LimitHeaders,
        served_at: Option<DateTime<Utc>>,
        accepted: bool,
    ) {
        let group = permit.group;
        let local = Self::local_seconds();
        let mut state = self.lock();
        state.clock.observe(served_at, local, accepted);
        let server = local + state.clock.offset();
        if headers.limit.is_some() {
            state.limited = Some(true);
            if let Some(ticket) = permit.ticket {
                #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
                let reset = headers.reset.filter(|reset| *reset as f64 - server <= FARTHEST);
                state.bucket(group).learn(LimitHeaders { reset, ..headers }, ticket, permit.by_clock, server);
            }
        } else if accepted {
            state.limited.get_or_insert(false);
            state.bucket(group).forget_limit();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Time until the bucket's window ends, by an answer's headers; `None` if they do not tell it, or name a time that is
    /// too far away to be believed.
    pub(crate) fn until_reset(&self, headers: LimitHeaders) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
        let reset = headers.reset? as f64;
        let wait = (reset - self.server_seconds()).max(0.0);
        (wait <= FARTHEST).then(|| Duration::from_secs_f64(wait))
    }

    /// Time by the server's clock. It is our own clock until an answer has a `Date` that can be believed.
    pub(crate) fn server_now(&self) -> DateTime<Utc> {
        Utc::now() + self.lock().clock.believed_offset()
    }

    /// Whether an answer has told the server's clock, or the server was seen not to tell it.
    pub(crate) fn knows_the_time(&self) -> bool {
        self.lock().clock.is_settled()
    }

    /// Whether the server has shown that it limits requests.
    pub(crate) fn is_limited(&self) -> bool {
        self.lock().limited == Some(true)
    }

    /// What requests have waited for so far, and how long.
    pub(crate) fn waits(&self) -> Waits {
        self.lock().waits.clone()
    }

    /// The quota of a group's bucket; `None` if the server does not limit it.
    pub(crate) fn quota(&self, group: LimitGroup) -> Option<Quota> {
        let now = self.server_seconds();
        self.lock().bucket(group).quota(now)
    }

    fn server_seconds(&self) -> f64 {
        Self::local_seconds() + self.lock().clock.offset()
    }

    fn local_seconds() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep(wait: Duration) {
    debug!("Rate limiting: sleeping for {:.3} seconds", wait.as_secs_f64());
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::sentry::limits::bucket::UNLIMITED_CONCURRENCY;

    #[tokio::test]
    async fn a_server_without_headers_has_no_buckets() {
        let limits = RateLimits::new(10.0);
        let permit = limits.permit(LimitGroup::Default).await;
        limits.observe(&permit, LimitHeaders::default(), None, true);
        drop(permit);
        let mut state = limits.lock();
        assert_eq!(state.bucket(LimitGroup::ProjectEvents).limit, None);
        assert_eq!(state.bucket(LimitGroup::ProjectEvents).concurrency, UNLIMITED_CONCURRENCY);
    }

    #[tokio::test]
    async fn a_window_that_ends_too_far_away_is_not_believed() {
        let limits = RateLimits::new(10.0);
        let permit = limits.permit(LimitGroup::Default).await;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "epoch seconds")]
        let now = RateLimits::local_seconds() as u64;
        let far = LimitHeaders { limit: Some(40), remaining: Some(0), reset: Some(now + 7200), concurrent: None };
        limits.observe(&permit, far, None, true);
        assert_eq!(limits.until_reset(far), None);
        assert!(limits.wait_for_quota(LimitGroup::Default).is_none_or(|wait| wait < Duration::from_secs(2)));
        let near = LimitHeaders { reset: Some(now + 3000), ..far };
        assert!(limits.until_reset(near).is_some_and(|wait| wait > Duration::from_secs(2900)));
        let past = LimitHeaders { reset: Some(now - 5), ..far };
        assert_eq!(limits.until_reset(past), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn requests_are_spaced_and_not_sent_in_bursts() {
        let limits = RateLimits::new(50.0);
        let start = Instant::now();
        for _ in 0..6 {
            drop(limits.permit(LimitGroup::Default).await);
        }
        // Five gaps of 20 ms. One of them may be shorter, to make up for a late timer.
        assert!(start.elapsed() >= Duration::from_millis(4 * 20 + 16), "{:?}", start.elapsed());
    }
}
