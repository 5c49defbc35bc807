//! A local Sentry as a program, for trying the tap by hand. It prints a configuration for the tap, and serves until its
//! input ends (Ctrl-D). With each line of input fifteen minutes pass, and an issue of each project gets new events.
//!
//! `cargo run --example simulator -- [saas|self-hosted|sentry23|sentry9|glitchtip] [projects] [issues per project] [events per issue]`

#![expect(clippy::print_stdout, reason = "its output is the configuration")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The clock shows the real time, since old servers send no Date header and the tap then uses its own clock.
    let now = chrono::Utc::now();
    let settings = match args.first().map_or("saas", String::as_str) {
        "saas" => Settings::saas(),
        "self-hosted" => Settings::self_hosted(),
        "sentry23" => Settings::sentry23(),
        "sentry9" => Settings::sentry9(),
        "glitchtip" => Settings::glitchtip(),
        other => bail!("unknown kind of server {other:?}: saas, self-hosted, sentry23, sentry9 or glitchtip"),
    };
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |text| text.parse().context("a number"));
    let shape = Shape {
        now,
        projects: number(1, 4)?,
        issues_per_project: number(2, 40)?,
        events_per_issue: number(3, 15)?,
        ..Shape::default()
    };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { now, ..settings });
    let config = json!({
        "api_token": simulator.token(), "organization": simulator.slug(), "base_url": simulator.base_url(),
        "start_date": "2020-01-01", "rate_limit": 40, "lookback_window": 0,
    });
    println!("{config:#}\n");
    for line in std::io::stdin().lock().lines() {
        line?;
        println!("{}", later(&simulator));
    }
    Ok(())
}

/// Lets fifteen minutes pass. Returns what happened in them.
fn later(simulator: &Simulator) -> String {
    simulator.advance(Duration::from_mins(15));
    let at = simulator.now() - TimeDelta::minutes(1);
    simulator.edit(|organization| {
        let mut first: BTreeMap<u64, u64> = BTreeMap::new();
        for issue in &organization.issues {
            first.entry(issue.project).or_insert(issue.id);
        }
        for issue in first.values() {
            organization.add_events(*issue, 5, at);
        }
        format!("Fifteen minutes later an issue of each of {} projects has five new events.", first.len())
    })
}
