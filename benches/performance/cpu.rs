//! CPU time, beside that of curl for downloading the same answers. The difference is what parsing, selecting and
//! writing cost.

use anyhow::Result;
use sentry_simulator::{Settings, Shape, Simulator};
use serde_json::json;

use crate::catalog;
use crate::curl;
use crate::measure::Weight;
use crate::scenario::{Context, Group, Scenario, Size, serve};
use crate::table::{Rows, Samples, Table, megabytes, number, ratio};
use crate::tap::{EVENTS, Run, Tap};

/// What is done with the rows.
#[derive(Clone, Copy)]
enum Work {
    /// Rows have a field that the schema does not know, and fields inside objects are left out.
    Choose,
    /// Everything is passed on.
    Pass,
    /// Whole events, with the default selection.
    Whole,
}

impl Work {
    const fn text(self) -> [&'static str; 2] {
        match self {
            Self::Choose => ["choose", "short events, fields left out"],
            Self::Pass => ["pass", "short events, everything kept"],
            Self::Whole => ["whole", "whole events"],
        }
    }
}

/// The group.
pub fn group(_: &Context) -> Group {
    let head =
        &["Scenario", "Records", "MB received", "CPU s", "per 100 000 records", "CPU s of curl", "Ratio to curl"];
    let mut scenarios = Vec::new();
    for work in [Work::Choose, Work::Pass, Work::Whole] {
        for gzip in [true, false] {
            let name = format!("cpu/{}-{}", work.text()[0], if gzip { "gzip" } else { "plain" });
            scenarios.push(Scenario::new(name, move |context| measure(context, work, gzip)));
        }
    }
    Group { table: Table::new("CPU", head), scenarios }
}

fn simulator(context: &Context, work: Work, gzip: bool) -> Simulator {
    let short = context.size(Size(20, 50, 50), Size(5, 20, 50));
    let shape = match work {
        Work::Whole => Shape { event_bytes: 4000, ..context.size(Size(5, 10, 100), Size(2, 5, 50)).shape() },
        _ => short.shape(),
    };
    let extra_field = matches!(work, Work::Choose);
    serve(&shape, Settings { gzip, extra_field, ..Settings::self_hosted() })
}

fn tap(simulator: &Simulator, work: Work) -> Result<Tap<'_>> {
    let tap = Tap::new(simulator, EVENTS)?.set("rate_limit", json!(1000));
    Ok(match work {
        Work::Choose => tap.select(catalog::without_nested_fields),
        Work::Pass => tap.select(catalog::every_field).set("unknown_fields", json!("keep")),
        Work::Whole => tap.set("fetch_event_details", json!(true)),
    })
}

/// Runs the tap and curl in turns, so that changes of the machine's speed affect both.
fn measure(context: &Context, work: Work, gzip: bool) -> Result<Rows> {
    let simulator = simulator(context, work, gzip);
    let tap = tap(&simulator, work)?;
    let checked = tap.run_complete()?;
    let mut by_curl: Vec<Weight> = Vec::new();
    let runs = context.repeat(|| {
        let run = tap.run_unread(&checked)?;
        if curl::is_there() {
            by_curl.push(curl::fetch(&simulator, &run.requests, gzip, tap.folder())?);
        }
        Ok(run)
    })?;
    let cpu = Samples::of(&runs, |run| run.weight.cpu);
    let records = number(checked.total_records());
    let mut row = vec![
        format!("{}, {}", work.text()[1], if gzip { "gzip" } else { "not compressed" }),
        format!("{records}"),
        format!("{:.1}", megabytes(received(&checked))),
        cpu.show(2),
        format!("{:.2}", cpu.median() * 100_000.0 / records),
    ];
    row.extend(if by_curl.is_empty() {
        ["curl is not installed".to_owned(), String::new()]
    } else {
        let by_curl = Samples::of(&by_curl, |weight| weight.cpu);
        [by_curl.show(2), ratio(cpu.median(), by_curl.median())]
    });
    Ok(vec![row])
}

fn received(run: &Run) -> u64 {
    run.requests.iter().map(|request| request.bytes as u64).sum()
}
