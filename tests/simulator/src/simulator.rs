//! The handle that tests have: they start the server, look at it, change it, and put faults in force.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::faults::Fault;
use crate::log::Request;
use crate::moment::{Moment, Plan};
use crate::organization::{Organization, Truth};
use crate::server::{Server, Shared, lock};
use crate::settings::Settings;
use crate::state::State;

/// A running local Sentry on a port of 127.0.0.1. It stops when dropped.
pub struct Simulator {
    server: Arc<Server>,
    shared: Shared,
    token: String,
}

impl Simulator {
    /// Starts on a free port.
    ///
    /// # Panics
    /// If the machine gives no port or no thread.
    pub fn start(organization: Organization, settings: Settings) -> Self {
        Self::start_on(0, organization, settings)
    }

    /// Starts on a given port.
    ///
    /// # Panics
    /// If the port is taken, or the machine gives no thread.
    pub fn start_on(port: u16, organization: Organization, settings: Settings) -> Self {
        Self::start_all(port, vec![organization], &settings).remove(0)
    }

    /// Starts one server for several organizations, with a handle for each. They share the token, and each has its own
    /// limits. The server stops when all handles are dropped.
    ///
    /// # Panics
    /// If the port is taken, or the machine gives no thread.
    pub fn start_all(port: u16, organizations: Vec<Organization>, settings: &Settings) -> Vec<Self> {
        let states: Vec<State> =
            organizations.into_iter().map(|organization| State::new(organization, settings.clone())).collect();
        let shared: Vec<(String, String, Shared)> = states
            .into_iter()
            .map(|state| (state.org.slug.clone(), state.tokens.main(), Arc::new(Mutex::new(state))))
            .collect();
        let by_slug = shared.iter().map(|(slug, _, shared)| (slug.clone(), Arc::clone(shared))).collect();
        let server = Arc::new(Server::start(by_slug, port).expect("a local port and a thread"));
        shared.into_iter().map(|(_, token, shared)| Self { server: Arc::clone(&server), shared, token }).collect()
    }

    /// `http://127.0.0.1:PORT/api/0/`
    pub fn base_url(&self) -> String {
        format!("{}/api/0/", self.origin())
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address
    }

    /// The slug of the organization.
    pub fn slug(&self) -> String {
        lock(&self.shared).org.slug.clone()
    }

    /// A token with all scopes.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Makes one more token, with these scopes.
    pub fn token_with(&self, scopes: &[&str]) -> String {
        lock(&self.shared).tokens.register(scopes)
    }

    /// Refuses a project to every token. Its own endpoints answer 403, and the organization's endpoints leave it out.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn deny_project(&self, slug: &str) {
        let mut state = lock(&self.shared);
        let id = state.org.project_by_slug(slug).expect("the project exists").id;
        state.denied.insert(id);
    }

    /// Allows a project again.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn allow_project(&self, slug: &str) {
        let mut state = lock(&self.shared);
        let id = state.org.project_by_slug(slug).expect("the project exists").id;
        state.denied.remove(&id);
    }

    /// Allows all projects again.
    pub fn allow_projects(&self) {
        lock(&self.shared).denied.clear();
    }

    /// The requests so far, in the order they came.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).log.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.shared).log.clear();
    }

    /// Changes the data while the server runs.
    pub fn edit<R>(&self, change: impl FnOnce(&mut Organization) -> R) -> R {
        lock(&self.shared).edit(change)
    }

    /// Reads the data.
    pub fn read<R>(&self, look: impl FnOnce(&Organization) -> R) -> R {
        look(&lock(&self.shared).org)
    }

    /// Changes the settings while the server runs. The clock does not start again.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.shared).settings);
    }

    /// Does something to the server at once.
    pub fn now_do<R>(&self, change: impl FnOnce(&mut Moment<'_>) -> R) -> R {
        change(&mut Moment::new(&mut lock(&self.shared)))
    }

    /// Plans something for when the `nth` request from now on arrives whose path and query contain a text, counting from
    /// 1. That request is the first to see the change.
    pub fn plan(&self, path_contains: &str, nth: u64, change: impl FnOnce(&mut Moment<'_>) + Send + 'static) {
        lock(&self.shared).plans.push(Plan::new(path_contains, nth, change));
    }

    /// Makes all planned changes that no request has come for, in the order in which they were planned.
    pub fn finish_plans(&self) {
        lock(&self.shared).make_plans(None);
    }

    /// Moves the simulated clock forward.
    pub fn advance(&self, by: Duration) {
        lock(&self.shared).clock.advance(by);
    }

    /// The simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        lock(&self.shared).clock.now()
    }

    /// Real time since the start, as the log counts it.
    pub fn elapsed(&self) -> Duration {
        lock(&self.shared).clock.elapsed()
    }

    /// Puts a fault in force.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.shared).faults.add(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        lock(&self.shared).faults.clear();
    }

    /// What a complete sync should hold now: the data within retention, without refused projects.
    pub fn truth(&self) -> Truth {
        lock(&self.shared).truth()
    }
}
