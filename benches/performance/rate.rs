//! Wall time if the rate limit decides it, beside the time that the requests take at that rate.

use std::time::Duration;

use anyhow::Result;
use sentry_simulator::{Budget, Budgets, Class, Settings, Shape};
use serde_json::json;

use crate::bounds::Least;
use crate::scenario::{Context, Group, Scenario, Size, serve};
use crate::table::{Rows, Samples, Table, number, ratio};
use crate::tap::{EVENTS, Run, Tap};

const ALL: &[&str] = &["projects", "project_detail", "teams", "users", "issues", "events", "releases", "release"];

const CLASSES: [Class; 8] = [
    Class::Default,
    Class::ProjectEvents,
    Class::ProjectEvent,
    Class::ProjectIssues,
    Class::Issue,
    Class::IssueEvent,
    Class::Releases,
    Class::Members,
];

const USUAL: Size = Size(20, 50, 50);

/// What a scenario varies.
#[derive(Clone, Copy)]
struct Load {
    server: &'static str,
    streams: &'static [&'static str],
    latency: u64,
    size: Size,
    /// Requests a second. If it is the tap's default, the option is not passed.
    rate: u32,
}

/// The group.
pub fn group(_: &Context) -> Group {
    let load = |server, streams, latency, rate| Load { server, streams, latency, size: USUAL, rate };
    let large = |latency| Load { size: Size(20, 100, 100), ..load("limited", EVENTS, latency, 40) };
    let many_issues = |latency| Load { size: Size(10, 1000, 5), ..load("limited", EVENTS, latency, 40) };
    let scenario = |load: Load| {
        let streams = if load.streams.len() == ALL.len() { "all-streams" } else { "events" };
        let Size(projects, issues, events) = load.size;
        let name = format!("rate/{}-{streams}-{}ms-{projects}x{issues}x{events}", load.server, load.latency);
        Scenario::new(name, move |context| measure(context, load))
    };
    Group {
        table: Table::new(
            "Time under one rate",
            &["Scenario", "Requests", "Fewest possible", "Refused (429)", "Seconds", "Requests / rate", "Ratio"],
        ),
        scenarios: vec![
            scenario(load("limited", ALL, 50, 40)),
            scenario(load("limited", EVENTS, 50, 40)),
            scenario(load("limited", ALL, 200, 40)),
            scenario(load("limited", EVENTS, 200, 40)),
            scenario(large(200)),
            scenario(many_issues(200)),
            scenario(load("unlimited", EVENTS, 50, 10)),
        ],
    }
}

/// A server that allows 40 requests a second of every kind, or one that allows everything.
fn settings(load: Load) -> Settings {
    let latency = Duration::from_millis(load.latency);
    if load.server == "unlimited" {
        return Settings { latency, ..Settings::self_hosted() };
    }
    let mut budgets = Budgets::default();
    for class in CLASSES {
        budgets.set(class, Budget { limit: 40, seconds: 1, concurrent: 25 });
    }
    Settings { latency, budgets, ..Settings::saas() }
}

fn measure(context: &Context, load: Load) -> Result<Rows> {
    let size = context.size(load.size, Size(5, 20, 20));
    let releases = context.size(800, 60);
    let simulator = serve(&Shape { releases, ..size.shape() }, settings(load));
    let mut tap = Tap::new(&simulator, load.streams)?;
    if load.rate != 10 {
        tap = tap.set("rate_limit", json!(load.rate));
    }
    let runs = context.repeat(|| tap.run_complete())?;
    let rate = f64::from(load.rate);
    let seconds = Samples::of(&runs, |run| run.weight.wall);
    let [requests, refused] = traffic(&runs);
    let least = Samples::of(&runs, |run| number(run.requests.len()) / rate);
    let fewest = Least::new(&simulator.truth()).requests(load.streams).to_string();
    let limits = if load.server == "unlimited" { "no limits, default `rate_limit`" } else { "one limit" };
    let Size(projects, issues, events) = load.size;
    let name = format!(
        "{limits}, {}/s, {} streams, {} ms, {projects} × {issues} × {events}",
        load.rate,
        load.streams.len(),
        load.latency
    );
    let ratio = ratio(seconds.median(), least.median());
    let least = format!("{:.1}", least.median());
    Ok(vec![vec![name, requests, fewest, refused, seconds.show(1), least, ratio]])
}

/// The number of requests, and the share of them that was refused.
pub fn traffic(runs: &[Run]) -> [String; 2] {
    let requests = Samples::of(runs, |run| number(run.requests.len()));
    let refused = Samples::of(runs, |run| 100.0 * number(run.refused()) / number(run.requests.len()));
    [requests.show(0), format!("{} %", refused.show(1))]
}
