//! How many requests a run takes, beside the fewest that could carry its rows.

use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use sentry_simulator::{Settings, Shape};
use serde_json::json;

use crate::bounds::Least;
use crate::check;
use crate::scenario::{Context, Group, Scenario, Size, serve};
use crate::table::{Rows, Samples, Table, number, ratio};
use crate::tap::{EVENTS, Run, Tap};

/// A rate limit that never holds the tap up. Here requests count, not time.
const RATE: u32 = 1000;

const SIX: &[&str] = &["projects", "issues", "events", "teams", "users", "releases"];

/// The group.
pub fn group(context: &Context) -> Group {
    let many_events = context.size(Size(20, 50, 50), Size(5, 20, 20));
    let many_issues = context.size(Size(10, 1000, 5), Size(2, 200, 5));
    let goal = |goal: usize| if context.quick { String::new() } else { format!("at most {goal}") };
    let (events_goal, issues_goal) = (goal(620), goal(650));
    Group {
        table: Table::new("Requests", &["Scenario", "Requests", "Fewest possible", "Ratio", "Goal"]),
        scenarios: vec![
            Scenario::new("requests/quiet", |context| quiet(context, EVENTS, "at most 4")),
            Scenario::new("requests/quiet-six-streams", |context| quiet(context, SIX, "at most 7")),
            Scenario::new("requests/many-events", move |context| first(context, many_events, &events_goal)),
            Scenario::new("requests/many-issues", move |context| first(context, many_issues, &issues_goal)),
            Scenario::new("requests/sample", sample),
        ],
    }
}

fn row(name: String, counts: &Samples, decimals: usize, least: f64, goal: &str) -> Vec<String> {
    let least_text = format!("{least:.decimals$}");
    vec![name, counts.show(decimals), least_text, ratio(counts.median(), least), goal.to_owned()]
}

fn count(runs: &[Run]) -> Samples {
    Samples::of(runs, |run| number(run.requests.len()))
}

/// A hundred projects. Nothing has happened since the run five minutes before.
fn quiet(context: &Context, streams: &[&str], goal: &str) -> Result<Rows> {
    let projects = context.size(100, 20);
    let runs = context.repeat(|| {
        // The data ends so long ago that the look-back does not reach it.
        let now = Shape::default().now - TimeDelta::hours(1);
        let simulator = serve(&Shape { now, ..Size(projects, 2, 3).shape() }, Settings::self_hosted());
        let tap = Tap::new(&simulator, streams)?.set("rate_limit", json!(RATE));
        tap.run_complete()?;
        simulator.advance(Duration::from_mins(5));
        let state = check::last_state(&tap.output())?;
        tap.state(state).run()
    })?;
    let least = projects.div_ceil(100) + 2 + if streams.len() > EVENTS.len() { 3 } else { 0 };
    let name = format!("{projects} projects, nothing new, {} streams", streams.len());
    Ok(vec![row(name, &count(&runs), 0, number(least), goal)])
}

/// Everything there is, from a server without limits.
fn first(context: &Context, size: Size, goal: &str) -> Result<Rows> {
    let simulator = serve(&size.shape(), Settings::self_hosted());
    let tap = Tap::new(&simulator, EVENTS)?.set("rate_limit", json!(RATE));
    let runs = context.repeat(|| tap.run_complete())?;
    let least = Least::new(&simulator.truth()).requests(EVENTS);
    Ok(vec![row(format!("{size} events, no limits"), &count(&runs), 0, number(least), goal)])
}

/// Event lists without and with `sample_fraction`.
fn sample(context: &Context) -> Result<Rows> {
    let size = context.size(Size(2, 6, 1000), Size(1, 3, 1000));
    let simulator = serve(&size.shape(), Settings::self_hosted());
    let tap = || Ok::<_, anyhow::Error>(Tap::new(&simulator, EVENTS)?.set("rate_limit", json!(RATE)));
    let all = tap()?;
    let all = context.repeat(|| all.run_complete())?;
    let part = tap()?.set("sample_fraction", json!(0.1));
    let part = context.repeat(|| {
        let run = part.run()?;
        check::sampled(&part.output(), &simulator.truth(), kept)?;
        Ok(run)
    })?;
    let lists = |runs: &[Run]| {
        Samples::of(runs, |run| number(run.requests.iter().filter(|r| r.path.ends_with("/events/")).count()))
    };
    let (all, part) = (lists(&all), lists(&part));
    let truth = simulator.truth();
    let least = Least::new(&truth);
    let others = least.of_other_issues();
    let (least_all, least_part) = (number(least.by_project() + others), number(least.by_issue_keeping(kept) + others));
    let times = all.median() / part.median();
    let goal = format!("5 times fewer: {times:.1}");
    Ok(vec![
        row(format!("{size}, lists of events"), &all, 0, least_all, ""),
        row(format!("{size}, lists of events, `sample_fraction` 0.1"), &part, 0, least_part, &goal),
    ])
}

/// How many events of an issue are kept: a tenth, but at least 5 and at most 100.
fn kept(events: usize) -> usize {
    (events / 10).max(5).min(events).min(100)
}
