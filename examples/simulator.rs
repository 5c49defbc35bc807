//! A local Sentry as a program, for trying the tap by hand: prints a configuration for it and serves until its input
//! ends (Ctrl-D).
//!
//! `cargo run --example simulator -- [saas|self-hosted|sentry9] [projects] [issues per project] [events per issue]`

#![expect(clippy::print_stdout, reason = "its output is the configuration")]

use std::io::Read;

use anyhow::{Context, Result, bail};
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The real time of day: old servers send no Date header, and a tap then goes by its own clock.
    let now = chrono::Utc::now();
    let settings = match args.first().map_or("saas", String::as_str) {
        "saas" => Settings::saas(),
        "self-hosted" => Settings::self_hosted(),
        "sentry9" => Settings::sentry9(),
        other => bail!("unknown kind of server {other:?}: saas, self-hosted or sentry9"),
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
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
