//! CPU time of runs that do almost nothing, beside that of a program that does nothing.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::measure::{TAP, Weight, weigh};
use crate::scenario::{Group, Scenario};
use crate::table::{Rows, Samples, Table, ratio};

/// How often each command is run. A single run is too short to say much.
const RUNS: usize = 20;

/// The group.
pub fn group() -> Group {
    Group {
        table: Table::new("Start", &["Command", "CPU ms", "CPU ms of `/bin/true`", "Ratio"]),
        scenarios: ["--version", "--discover"]
            .map(|flag| Scenario::new(format!("startup/{}", &flag[2..]), move |_| measure(flag)))
            .into(),
    }
}

/// Runs a program several times.
pub fn runs(program: &str, args: &[&str]) -> Result<Vec<Weight>> {
    let mut command = Command::new(program);
    command.args(args);
    let log = tempfile::NamedTempFile::new()?;
    (0..RUNS).map(|_| weigh(&command, Path::new("/dev/null"), log.path())).collect()
}

fn measure(flag: &'static str) -> Result<Rows> {
    let cpu = |runs: &[Weight]| Samples::of(runs, |weight| weight.cpu * 1000.0);
    let (tap, nothing) = (cpu(&runs(TAP, &[flag])?), cpu(&runs("/bin/true", &[])?));
    let ratio = ratio(tap.median(), nothing.median());
    Ok(vec![vec![format!("`{flag}`"), tap.show(1), nothing.show(1), ratio]])
}
