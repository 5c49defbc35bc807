//! The request log: what was asked, when, and how it was answered. Tests read copies of it.

use std::time::Duration;

/// One request, as the server saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it had been read, in real time since the server started.
    pub start: Duration,
    /// When its answer had been sent. `None` while it is in flight.
    pub end: Option<Duration>,
    /// The method.
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query's pairs, decoded.
    pub query: Vec<(String, String)>,
    /// The `Host` header.
    pub host: String,
    /// Whether it carried a token the server knows.
    pub authorized: bool,
    /// The status of the answer. 0 until it is known, and if there was no answer.
    pub status: u16,
    /// Rows in the answer.
    pub rows: usize,
    /// Bytes of body sent, after compression.
    pub bytes: usize,
    /// Requests in flight when it arrived, itself included.
    pub in_flight: usize,
    /// The number of its connection.
    pub connection: u64,
    /// Whether a limit refused it.
    pub limited: bool,
    /// Whether a fault spoiled it.
    pub faulted: bool,
}

impl Request {
    /// The last value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The log. Entries keep their number after older ones were cleared.
#[derive(Default)]
pub(crate) struct Log {
    entries: Vec<Request>,
    cleared: usize,
    in_flight: usize,
}

impl Log {
    /// Logs a new request, and returns its number.
    pub(crate) fn begin(&mut self, mut request: Request) -> usize {
        self.in_flight += 1;
        request.in_flight = self.in_flight;
        self.entries.push(request);
        self.cleared + self.entries.len() - 1
    }

    /// Changes an entry, if it has not been cleared.
    pub(crate) fn note(&mut self, number: usize, change: impl FnOnce(&mut Request)) {
        if let Some(entry) = number.checked_sub(self.cleared).and_then(|at| self.entries.get_mut(at)) {
            change(entry);
        }
    }

    /// Closes an entry.
    pub(crate) fn end(&mut self, number: usize, at: Duration) {
        self.in_flight -= 1;
        self.note(number, |entry| entry.end = Some(at));
    }

    /// A copy of all entries.
    pub(crate) fn entries(&self) -> Vec<Request> {
        self.entries.clone()
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.cleared += self.entries.len();
        self.entries.clear();
    }
}
