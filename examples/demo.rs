//! Shows the tap at work on generated data. The demo starts a local Sentry, then runs discovery, a full sync and, after
//! some new events, an incremental sync. Each of them runs the real binary and writes JSON Lines into `demo-output/`.

#![expect(clippy::print_stdout, reason = "a demo talks to the person who started it")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let tap = build_tap()?;
    let output = PathBuf::from("demo-output");
    std::fs::create_dir_all(&output)?;
    let shape = Shape { projects: 4, issues_per_project: 40, events_per_issue: 15, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::saas());
    println!("A simulated sentry.io listens on {}", simulator.base_url());
    let config = output.join("config.json");
    let settings = json!({
        "api_token": simulator.token(), "organization": simulator.slug(), "base_url": simulator.base_url(),
        "start_date": "2020-01-01", "rate_limit": 40,
    });
    std::fs::write(&config, format!("{settings:#}\n"))?;
    let catalog = output.join("catalog.json");
    run(Command::new(&tap).arg("--discover"), &catalog)?;
    println!("\ntap-sentry --discover > {}", catalog.display());

    let first = output.join("full.jsonl");
    sync(&tap, &simulator, &[("--config", &config), ("--catalog", &catalog)], &first)?;

    simulator.advance(Duration::from_mins(15));
    let issue = simulator.read(|organization| organization.issues[0].id);
    let at = simulator.now() - TimeDelta::minutes(1);
    simulator.edit(|organization| organization.add_events(issue, 5, at));
    println!("\nFifteen minutes later an issue has five new events.");
    let state = output.join("state.json");
    std::fs::write(&state, format!("{:#}\n", last_state(&first)?))?;
    let second = output.join("incremental.jsonl");
    sync(&tap, &simulator, &[("--config", &config), ("--catalog", &catalog), ("--state", &state)], &second)?;
    println!("\nEverything is below {}/; each line is one Singer message.", output.display());
    Ok(())
}

/// The binary of this project, built with the same profile as this example.
fn build_tap() -> Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).context("an example lies in a target folder")?;
    let release = folder.ends_with("release");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--bin", "tap-sentry"]).args(release.then_some("--release"));
    ensure!(build.status()?.success(), "cargo could not build the tap");
    Ok(folder.join("tap-sentry"))
}

/// Runs a command with its output in a file.
fn run(command: &mut Command, output: &Path) -> Result<String> {
    let result = command.stdout(File::create(output)?).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let log = String::from_utf8_lossy(&result.stderr).into_owned();
    ensure!(result.status.success(), "the tap failed:\n{log}");
    Ok(log)
}

fn sync(tap: &Path, simulator: &Simulator, files: &[(&str, &PathBuf)], output: &Path) -> Result<()> {
    simulator.clear_requests();
    let mut command = Command::new(tap);
    let mut shown = String::from("tap-sentry");
    for (flag, file) in files {
        command.arg(flag).arg(file);
        shown = format!("{shown} {flag} {}", file.display());
    }
    println!("\n{shown} > {}", output.display());
    let started = Instant::now();
    run(&mut command, output)?;
    let mut records: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages(output)? {
        if message["type"] == "RECORD" {
            *records.entry(message["stream"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    for (stream, count) in &records {
        println!("  {stream:<16}{count:>6} records");
    }
    let requests = simulator.requests();
    let limited = requests.iter().filter(|request| request.limited).count();
    println!("  {} requests, {limited} of them rate limited, {:.1} s", requests.len(), started.elapsed().as_secs_f64());
    println!("  state: {}", last_state(output)?["bookmarks"]["events"]["start"]);
    Ok(())
}

fn messages(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).context("a line is not JSON")).collect()
}

fn last_state(path: &Path) -> Result<Value> {
    let last = messages(path)?.pop().context("no messages")?;
    ensure!(last["type"] == "STATE", "the last line is no STATE");
    Ok(last["value"].clone())
}
