//! What tests do to the simulated server, and what they ask it afterwards.

use sentry_simulator::{Fault, FaultKind, NthHit, Simulator};

/// A fault of the requests whose path and query contain a text.
pub fn strike(simulator: &Simulator, path: &str, nth: NthHit, kind: FaultKind) {
    simulator.add_fault(Fault { path_contains: path.to_owned(), nth, kind });
}

/// The answer of Sentry for what is not there.
pub fn missing() -> FaultKind {
    FaultKind::status(404, r#"{"detail": "The requested resource does not exist"}"#)
}

/// Number of requests whose path contains a text.
pub fn asked(simulator: &Simulator, path: &str) -> usize {
    simulator.requests().iter().filter(|request| request.path.contains(path)).count()
}
