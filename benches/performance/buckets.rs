//! Wall time under sentry.io's budgets. They let events be listed quickly by issue and slowly by project.

use std::time::Duration;

use anyhow::Result;
use sentry_simulator::Settings;
use serde_json::json;

use crate::bounds::Least;
use crate::rate::traffic;
use crate::scenario::{Context, Group, Scenario, Size, serve};
use crate::table::{Rows, Samples, Table, number, ratio};
use crate::tap::{EVENTS, Tap};

const RATE: u32 = 40;

/// In milliseconds.
const LATENCY: u16 = 50;

/// The group.
pub fn group(context: &Context) -> Group {
    let goal = |goal: &str| if context.quick { String::new() } else { goal.to_owned() };
    let scenario = |name: &str, size: Size, details: bool, goal: String| {
        Scenario::new(format!("buckets/{name}"), move |context| measure(context, size, details, &goal))
    };
    let head = &[
        "Scenario",
        "Requests",
        "Refused (429)",
        "Seconds",
        "Every issue by its own list",
        "Ratio",
        "Least under the budgets",
        "Ratio",
        "Goal",
    ];
    Group {
        table: Table::new("Time under sentry.io's budgets", head),
        scenarios: vec![
            scenario("small", context.size(Size(5, 40, 20), Size(2, 20, 20)), false, goal("6 s")),
            scenario("whole-events", context.size(Size(5, 10, 20), Size(2, 5, 20)), true, goal("4 s")),
            scenario("many-events", context.size(Size(20, 50, 50), Size(4, 20, 50)), false, String::new()),
            scenario("many-issues", context.size(Size(10, 1000, 5), Size(2, 100, 5)), false, String::new()),
        ],
    }
}

fn measure(context: &Context, size: Size, details: bool, goal: &str) -> Result<Rows> {
    let latency = Duration::from_millis(LATENCY.into());
    let settings = Settings { latency, ..Settings::saas() };
    let page = if details { settings.full_cap } else { 100 };
    // Every run has a new server. Budgets are windows of its clock, which starts at a full minute.
    let truth = serve(&size.shape(), settings.clone()).truth();
    let runs = context.repeat(|| {
        let simulator = serve(&size.shape(), settings.clone());
        let tap = Tap::new(&simulator, EVENTS)?.set("rate_limit", json!(RATE));
        tap.set("fetch_event_details", json!(details)).run_complete()
    })?;
    let least = Least::with_event_page(&truth, page);
    let by_issue = number(least.requests(EVENTS) - least.by_project() + least.by_issue()) / f64::from(RATE);
    let fastest = least.seconds_on_sentry_io(EVENTS, f64::from(RATE), f64::from(LATENCY) / 1000.0);
    let seconds = Samples::of(&runs, |run| run.weight.wall);
    let [requests, refused] = traffic(&runs);
    let kind = if details { "whole events" } else { "events" };
    Ok(vec![vec![
        format!("{size} {kind}"),
        requests,
        refused,
        seconds.show(1),
        format!("{by_issue:.1}"),
        ratio(seconds.median(), by_issue),
        format!("{fastest:.1}"),
        ratio(seconds.median(), fastest),
        goal.to_owned(),
    ]])
}
