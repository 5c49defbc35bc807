//! What tests do to a running server, at once or when a request arrives. Requests are counted here, so that a change
//! falls between the same two requests in every run, whatever the machine is busy with.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::faults::Fault;
use crate::organization::Organization;
use crate::settings::Settings;
use crate::state::State;

/// A running server between two requests.
pub struct Moment<'a>(&'a mut State);

/// A change that waits for its request.
pub(crate) struct Plan {
    path_contains: String,
    left: u64,
    change: Box<dyn FnOnce(&mut Moment<'_>) + Send>,
}

impl Plan {
    /// A change for when this many requests that contain the text have arrived.
    pub(crate) fn new(path_contains: &str, nth: u64, change: impl FnOnce(&mut Moment<'_>) + Send + 'static) -> Self {
        Self { path_contains: path_contains.to_owned(), left: nth, change: Box::new(change) }
    }

    /// Counts a request. Whether the time has come.
    pub(crate) fn counts(&mut self, target: &str) -> bool {
        self.left = self.left.saturating_sub(u64::from(target.contains(&self.path_contains)));
        self.left == 0
    }

    /// Makes the change.
    pub(crate) fn make(self, moment: &mut Moment<'_>) {
        (self.change)(moment);
    }
}

impl<'a> Moment<'a> {
    /// A moment of this server.
    pub(crate) const fn new(state: &'a mut State) -> Self {
        Self(state)
    }

    /// Changes the data.
    pub fn edit<R>(&mut self, change: impl FnOnce(&mut Organization) -> R) -> R {
        self.0.edit(change)
    }

    /// The data.
    pub const fn organization(&self) -> &Organization {
        &self.0.org
    }

    /// Changes the settings. The clock does not start again.
    pub fn settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.settings);
    }

    /// Moves the simulated clock forward.
    pub fn advance(&mut self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// The simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// Refuses a project to every token. Its own endpoints answer 403, and the organization's endpoints leave it out.
    pub fn deny(&mut self, project: u64) {
        self.0.denied.insert(project);
    }

    /// Allows a project again.
    pub fn allow(&mut self, project: u64) {
        self.0.denied.remove(&project);
    }

    /// Whether a project is refused.
    pub fn is_denied(&self, project: u64) -> bool {
        self.0.denied.contains(&project)
    }

    /// Puts a fault in force.
    pub fn add_fault(&mut self, fault: Fault) {
        self.0.faults.add(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&mut self) {
        self.0.faults.clear();
    }
}
