//! Peak memory with little and with much data, beside that of a tap that has only been started.

use anyhow::Result;
use sentry_simulator::{Settings, Shape};
use serde_json::json;

use crate::scenario::{Context, Group, Scenario, Size, serve};
use crate::startup;
use crate::table::{Rows, Samples, Table, megabytes, ratio};
use crate::tap::{EVENTS, Tap};

/// The group.
pub fn group(_: &Context) -> Group {
    let head = &["Scenario", "Peak MB", "Peak MB, 16 times the data", "Ratio", "Peak MB of `--version`"];
    Group {
        table: Table::new("Memory", head),
        scenarios: vec![
            Scenario::new("memory/short", |context| measure(context, false)),
            Scenario::new("memory/whole", |context| measure(context, true)),
        ],
    }
}

fn measure(context: &Context, whole: bool) -> Result<Rows> {
    let peak = |times: usize| {
        let shape = if whole {
            Shape { event_bytes: 4000, ..Size(2, context.size(4, 1), 100 * times).shape() }
        } else {
            Size(4, 25, context.size(25, 5) * times).shape()
        };
        let simulator = serve(&shape, Settings::self_hosted());
        let tap = Tap::new(&simulator, EVENTS)?.set("rate_limit", json!(1000));
        let tap = tap.set("fetch_event_details", json!(whole));
        let checked = tap.run_complete()?;
        let runs = context.repeat(|| tap.run_unread(&checked))?;
        Ok::<_, anyhow::Error>(Samples::of(&runs, |run| megabytes(run.weight.peak)))
    };
    let (small, large) = (peak(1)?, peak(16)?);
    let started = Samples::of(&startup::runs(crate::measure::TAP, &["--version"])?, |weight| megabytes(weight.peak));
    Ok(vec![vec![
        format!("{} events", if whole { "whole" } else { "short" }),
        small.show(1),
        large.show(1),
        ratio(large.median(), small.median()),
        format!("{:.1}", started.median()),
    ]])
}
