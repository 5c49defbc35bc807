//! curl fetches what the tap fetched. Its CPU time is the least that downloading takes.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sentry_simulator::{Request, Simulator};

use crate::measure::{Weight, weigh};
use crate::tap;

/// Whether curl is installed.
pub fn is_there() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Fetches the same addresses in one process over one connection, and makes sure that the answers are the same.
pub fn fetch(simulator: &Simulator, requests: &[Request], gzip: bool, folder: &Path) -> Result<Weight> {
    let config = folder.join("curl.conf");
    std::fs::write(&config, script(simulator, requests, gzip))?;
    simulator.clear_requests();
    let mut command = Command::new("curl");
    command.arg("--disable").arg("--config").arg(&config);
    let weight = weigh(&command, Path::new("/dev/null"), &folder.join("curl.log"))?;
    let rows = |requests: &[Request]| -> usize { requests.iter().map(|request| request.rows).sum() };
    let again = tap::requests(simulator);
    ensure!(
        again.len() == requests.len() && rows(&again) == rows(requests),
        "curl had {} answers with {} rows, the tap {} with {}",
        again.len(),
        rows(&again),
        requests.len(),
        rows(requests)
    );
    Ok(weight)
}

fn script(simulator: &Simulator, requests: &[Request], gzip: bool) -> String {
    let mut script = format!("silent\nfail\nheader = \"Authorization: Bearer {}\"\n", simulator.token());
    if gzip {
        script.push_str("compressed\n");
    }
    for request in requests {
        // Writing to a String cannot fail.
        let _ = writeln!(script, "url = \"{}\"\noutput = \"/dev/null\"", address(simulator, request));
    }
    script
}

fn address(simulator: &Simulator, request: &Request) -> String {
    let quote = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> = request.query.iter().map(|(key, value)| format!("{}={}", quote(key), quote(value))).collect();
    format!("{}{}?{}", simulator.origin(), request.path, pairs.join("&"))
}
