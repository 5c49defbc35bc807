//! One of the server's rate limits, as far as we know it (API §1.7). Counts our requests in its window, and learns from
//! the server's headers. Does not wait.

use crate::sentry::limits::group::LimitGroup;

/// Most requests in flight if the server names no limit.
pub(crate) const UNLIMITED_CONCURRENCY: u32 = 12;

/// The headers of an answer about its bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LimitHeaders {
    /// `X-Sentry-Rate-Limit-Limit`: requests per window.
    pub(crate) limit: Option<u32>,
    /// `X-Sentry-Rate-Limit-Remaining`: requests left in the window.
    pub(crate) remaining: Option<u32>,
    /// `X-Sentry-Rate-Limit-Reset`: end of the window, in epoch seconds.
    pub(crate) reset: Option<u64>,
    /// `X-Sentry-Rate-Limit-ConcurrentLimit`: most requests in flight.
    pub(crate) concurrent: Option<u32>,
}

/// One bucket of the server: a fixed window that is aligned to the epoch, and a limit on requests in flight.
/// Times are epoch seconds by the server's clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket {
    /// Requests per window; `None` if the server does not limit.
    pub(crate) limit: Option<u32>,
    /// Length of a window, in seconds.
    pub(crate) window: f64,
    /// Most requests in flight.
    pub(crate) concurrency: u32,
    /// Requests in flight.
    pub(crate) in_flight: u32,
    /// Requests left in the window.
    left: u32,
    window_end: f64,
    /// Requests taken so far. It is the number of the last one.
    sent: u64,
    /// Whether an answer's headers have confirmed the numbers.
    seen: bool,
}

/// What a bucket still allows. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quota {
    /// Requests per window.
    pub(crate) limit: u32,
    /// Length of a window.
    pub(crate) window: f64,
    /// Requests left in this window.
    pub(crate) left: u32,
    /// Time until this window ends.
    pub(crate) rest: f64,
    /// Most requests in flight.
    pub(crate) concurrency: u32,
    /// Whether the numbers are the server's, not only our table's.
    pub(crate) seen: bool,
}

/// A request's place in its bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ticket {
    /// Number of requests up to this one.
    number: u64,
    /// Server time when it was sent.
    sent: f64,
    /// End of its window, as known then.
    window_end: f64,
}

impl Bucket {
    /// A bucket with the numbers of sentry.io. The server's headers correct them.
    pub(crate) fn known(group: LimitGroup) -> Self {
        let (limit, window, concurrency) = match group {
            LimitGroup::EventTable => (30, 1.0, 15),
            LimitGroup::Default | LimitGroup::Releases | LimitGroup::Members => (40, 1.0, 25),
            LimitGroup::ProjectEvents => (60, 60.0, 1),
            LimitGroup::EventDetail | LimitGroup::IssueDetail | LimitGroup::ProjectIssues => (5, 1.0, 25),
            LimitGroup::IssueEventDetail => (15, 1.0, 25),
        };
        Self {
            limit: Some(limit),
            window,
            concurrency,
            in_flight: 0,
            left: limit,
            window_end: 0.0,
            sent: 0,
            seen: false,
        }
    }

    /// If the quota is used up: the server time when it is renewed.
    pub(crate) fn full_until(&mut self, server: f64) -> Option<f64> {
        let limit = self.limit?;
        // If the window ends further away than it is long, its end was computed by a clock that proved wrong.
        if server >= self.window_end || self.window_end > server + self.window + 1.0 {
            self.window_end = ((server / self.window).floor() + 1.0) * self.window;
            self.left = limit;
        }
        (self.left == 0).then_some(self.window_end)
    }

    /// Takes one request out of the current window. The error is the server time to ask again.
    pub(crate) fn take(&mut self, server: f64) -> Result<Ticket, f64> {
        if let Some(at) = self.full_until(server) {
            return Err(at);
        }
        self.left = self.left.saturating_sub(1);
        self.sent += 1;
        Ok(Ticket { number: self.sent, sent: server, window_end: self.window_end })
    }

    /// Learns from the headers of an answer. `server` is the server's time now. `by_clock` says whether the server's
    /// time was known when the request was sent. If not, the times of `ticket` prove nothing.
    pub(crate) fn learn(&mut self, headers: LimitHeaders, ticket: Ticket, by_clock: bool, server: f64) {
        if let Some(concurrent) = headers.concurrent {
            self.concurrency = concurrent.max(1);
        }
        let (Some(limit), Some(remaining), Some(reset)) = (headers.limit, headers.remaining, headers.reset) else {
            return;
        };
        self.limit = Some(limit.max(1));
        self.seen = true;
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds fit")]
        let reset = reset as f64;
        // The server counted when this request arrived, so it did not count those that we sent later.
        let later = u32::try_from(self.sent.saturating_sub(ticket.number)).unwrap_or(u32::MAX);
        let remaining = remaining.saturating_sub(later);
        if reset > self.window_end + 0.5 || self.window_end > server + self.window + 1.0 {
            self.window_end = reset;
            self.left = remaining;
            self.window = self.window.max((reset - server).ceil());
        } else if by_clock && reset < ticket.window_end - 0.5 && reset > ticket.sent - 1.0 {
            // Windows are shorter than we knew. This holds even if the window ended before the answer arrived.
            self.window_end = reset;
            self.left = remaining;
            self.window = (reset - ticket.sent).ceil().max(1.0);
        } else if (reset - self.window_end).abs() < 0.5 {
            self.left = self.left.min(remaining);
        }
    }

    /// The quota at this server time; `None` if the server does not limit.
    pub(crate) fn quota(&mut self, server: f64) -> Option<Quota> {
        self.full_until(server);
        Some(Quota {
            limit: self.limit?,
            window: self.window,
            left: self.left,
            rest: (self.window_end - server).max(0.0),
            concurrency: self.concurrency,
            seen: self.seen,
        })
    }

    /// Notes that the server does not limit this group.
    pub(crate) fn forget_limit(&mut self) {
        self.limit = None;
        self.concurrency = UNLIMITED_CONCURRENCY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: u32, remaining: u32, reset: u64) -> LimitHeaders {
        LimitHeaders { limit: Some(limit), remaining: Some(remaining), reset: Some(reset), concurrent: None }
    }

    #[test]
    fn a_window_gives_out_its_limit_and_then_names_its_end() {
        let mut bucket = Bucket::known(LimitGroup::ProjectEvents);
        for _ in 0..60 {
            assert!(bucket.take(119.0).is_ok());
        }
        assert_eq!(bucket.take(119.5), Err(120.0));
        assert_eq!(bucket.take(120.0).map(|ticket| ticket.number), Ok(61));
    }

    #[test]
    fn headers_correct_the_known_numbers() {
        let mut bucket = Bucket::known(LimitGroup::Default);
        let ticket = bucket.take(100.2).expect("room");
        bucket.learn(headers(3, 2, 101), ticket, true, 100.3);
        assert_eq!((bucket.limit, bucket.left), (Some(3), 2));
        // Somebody else uses the same token.
        bucket.learn(headers(3, 0, 101), ticket, true, 100.4);
        assert_eq!(bucket.take(100.5), Err(101.0));
        assert_eq!(bucket.take(101.0).map(|ticket| ticket.number), Ok(2));
        assert_eq!(bucket.left, 2);
    }

    #[test]
    fn a_window_reckoned_by_a_wrong_clock_is_forgotten() {
        let mut bucket = Bucket::known(LimitGroup::ProjectEvents);
        let local = 1_800_000.0; // three weeks ahead of the server, whose clock is not known yet
        let ticket = bucket.take(local).expect("room");
        bucket.learn(headers(60, 59, 60), ticket, false, 10.0);
        for _ in 0..59 {
            assert!(bucket.take(10.0).is_ok());
        }
        assert_eq!(bucket.take(10.0), Err(60.0));
    }

    #[test]
    fn a_window_that_is_shorter_than_was_known_is_learned() {
        let mut bucket = Bucket::known(LimitGroup::ProjectEvents);
        let ticket = bucket.take(1000.2).expect("room");
        bucket.learn(headers(40, 39, 1001), ticket, true, 1000.4);
        assert_eq!((bucket.limit, bucket.left, bucket.window), (Some(40), 39, 1.0));
        for _ in 0..39 {
            assert!(bucket.take(1000.5).is_ok());
        }
        assert_eq!(bucket.take(1000.9), Err(1001.0));
        assert!(bucket.take(1001.0).is_ok());
    }

    #[test]
    fn a_short_window_is_learned_from_an_answer_that_comes_after_it() {
        let mut bucket = Bucket::known(LimitGroup::ProjectEvents);
        let ticket = bucket.take(1000.9).expect("room");
        bucket.learn(headers(40, 39, 1001), ticket, true, 1001.1);
        assert_eq!((bucket.limit, bucket.window), (Some(40), 1.0));
    }

    #[test]
    fn an_answer_that_comes_after_its_window_says_nothing_of_the_next_one() {
        let mut bucket = Bucket::known(LimitGroup::ProjectEvents);
        let ticket = bucket.take(1019.9).expect("room");
        assert!(bucket.take(1020.1).is_ok());
        bucket.learn(headers(60, 3, 1020), ticket, true, 1020.2);
        assert_eq!((bucket.window, bucket.left, bucket.window_end), (60.0, 59, 1080.0));
    }

    #[test]
    fn what_the_server_has_counted_already_is_not_counted_again() {
        let mut bucket = Bucket::known(LimitGroup::Default);
        let tickets: Vec<Ticket> = (0..10).map(|_| bucket.take(100.1).expect("room")).collect();
        // The answer to the third request. Seven were sent after it.
        bucket.learn(headers(40, 37, 101), tickets[2], true, 100.3);
        assert_eq!(bucket.left, 30);
    }
}
