//! A benchmark is a name, and a measurement that gives rows of its group's table.

use anyhow::Result;
use sentry_simulator::{Organization, Settings, Shape, Simulator};

use crate::table::{Rows, Table};
use crate::tap::Run;

/// A run that takes more than this many seconds is not repeated. It is long enough to be its own average.
const LONG: f64 = 60.0;

/// How the benchmarks are run.
pub struct Context {
    /// Shortened scenarios.
    pub quick: bool,
    /// How often.
    pub repeat: usize,
}

/// What a benchmark does: it gives rows of a table.
type Measurement = Box<dyn Fn(&Context) -> Result<Rows>>;

/// One benchmark.
pub struct Scenario {
    /// The name by which it is chosen.
    pub name: String,
    /// The measurement.
    pub run: Measurement,
}

/// Benchmarks whose results share a table.
pub struct Group {
    /// The table, still without rows.
    pub table: Table,
    /// The benchmarks.
    pub scenarios: Vec<Scenario>,
}

impl Scenario {
    /// A scenario.
    pub fn new(name: impl Into<String>, run: impl Fn(&Context) -> Result<Rows> + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

impl Context {
    /// The size of a scenario, in full or shortened.
    pub fn size<T>(&self, full: T, short: T) -> T {
        if self.quick { short } else { full }
    }

    /// Runs as often as wanted, or once if that takes long.
    pub fn repeat(&self, mut run: impl FnMut() -> Result<Run>) -> Result<Vec<Run>> {
        let mut runs = vec![run()?];
        while runs.len() < self.repeat && runs[0].weight.wall < LONG {
            runs.push(run()?);
        }
        Ok(runs)
    }
}

/// Projects, issues in each, events in each issue.
#[derive(Clone, Copy)]
pub struct Size(pub usize, pub usize, pub usize);

impl Size {
    /// The shape of such an organization.
    pub fn shape(self) -> Shape {
        let Self(projects, issues_per_project, events_per_issue) = self;
        Shape { projects, issues_per_project, events_per_issue, ..Shape::default() }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {} × {}", self.0, self.1, self.2)
    }
}

/// Starts a simulated Sentry.
pub fn serve(shape: &Shape, settings: Settings) -> Simulator {
    Simulator::start(Organization::generate(shape), settings)
}
