//! What a process costs: time, CPU and memory.
//!
//! A small copy of this program starts the process, and not the benchmark itself. Linux counts the memory of the
//! starting process into the peak of the started one, and the benchmark holds a whole simulated Sentry.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use wait4::Wait4;

/// The binary under test.
pub const TAP: &str = env!("CARGO_BIN_EXE_tap-sentry");

/// The first argument of the copy.
pub const WEIGH: &str = "weigh";

/// What a process cost.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Weight {
    /// Seconds from start to end.
    pub wall: f64,
    /// User and system CPU seconds.
    pub cpu: f64,
    /// Peak resident memory, bytes.
    pub peak: u64,
    /// Whether it ended with exit code 0.
    pub success: bool,
}

/// Runs a command in an empty environment, with its output and its log in files, and measures it.
pub fn weigh(command: &Command, output: &Path, log: &Path) -> Result<Weight> {
    let mut copy = Command::new(std::env::current_exe()?);
    copy.arg(WEIGH).arg(output).arg(log).arg(command.get_program()).args(command.get_args());
    copy.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let answer = copy.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(answer.status.success(), "{} cannot be started", command.get_program().display());
    let weight: Weight = serde_json::from_slice(&answer.stdout).context("no weight")?;
    if !weight.success {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        anyhow::bail!("{} failed, its last words first: {}", command.get_program().display(), last.join(" | "));
    }
    Ok(weight)
}

/// The main function of the copy. Runs the given program and prints what it cost.
pub fn weigher(mut args: impl Iterator<Item = OsString>) -> Result<()> {
    let mut next = || args.next().context("an argument is missing");
    let (output, log, program) = (next()?, next()?, next()?);
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(File::create(output)?).stderr(File::create(log)?);
    let start = Instant::now();
    let used = command.spawn()?.wait4()?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    let weight = Weight { wall, cpu, peak: used.rusage.maxrss, success: used.status.success() };
    println!("{}", serde_json::to_string(&weight)?);
    Ok(())
}
