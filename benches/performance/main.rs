//! Benchmarks of the tap as users run it: the real binary against a simulated Sentry on this machine.
//!
//! `cargo bench --bench performance -- [names] [--quick] [--repeat N]`. Every figure stands beside its lower bound. The
//! bound is measured or computed in the same run, so that results of different machines can be compared. Time is never
//! asserted. The program fails only if a run fails or its data is incomplete. See docs/performance.md.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tables go to stdout, progress goes to stderr")]

mod bounds;
mod buckets;
mod catalog;
mod check;
mod cpu;
mod curl;
mod measure;
mod memory;
mod rate;
mod requests;
mod scenario;
mod startup;
mod table;
mod tap;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::scenario::{Context, Group};

/// What may follow `--` on the command line.
#[derive(Parser)]
struct Options {
    /// Run only scenarios whose name contains one of these.
    names: Vec<String>,
    /// Run shortened scenarios.
    #[arg(long)]
    quick: bool,
    /// How often each scenario is run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Show the names of all scenarios and stop.
    #[arg(long)]
    list: bool,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == measure::WEIGH).is_some() {
        return measure::weigher(args);
    }
    let options = Options::parse();
    if !options.bench {
        println!("start the benchmarks by `cargo bench --bench performance`");
        return Ok(()); // `cargo test --all-targets` starts this program too
    }
    let context = Context { quick: options.quick, repeat: options.repeat.into() };
    let mut failed = Vec::new();
    for group in groups(&context) {
        run(group, &options, &context, &mut failed);
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn groups(context: &Context) -> [Group; 6] {
    [
        requests::group(context),
        rate::group(context),
        buckets::group(context),
        cpu::group(context),
        memory::group(context),
        startup::group(),
    ]
}

/// Runs the wanted scenarios of a group and prints their table. Adds the names of those that failed to a list.
fn run(group: Group, options: &Options, context: &Context, failed: &mut Vec<String>) {
    let mut table = group.table;
    for scenario in group.scenarios {
        let name = scenario.name;
        if !options.names.is_empty() && !options.names.iter().any(|wanted| name.contains(wanted)) {
            continue;
        }
        if options.list {
            println!("{name}");
            continue;
        }
        eprintln!("{name} ...");
        match (scenario.run)(context) {
            Ok(rows) => table.rows.extend(rows),
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                failed.push(name);
            }
        }
    }
    if !table.rows.is_empty() {
        println!("{table}");
    }
}
