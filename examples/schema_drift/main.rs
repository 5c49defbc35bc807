//! Says what Sentry's API document has that the schemas of the streams lack.
//!
//! `cargo run --example schema_drift -- [--format json] DOCUMENT...`
//!
//! A document is a file of OpenAPI in JSON, or a folder of such files. The exit code is 1 if a schema lacks a
//! documented property, and 2 after wrong usage.

mod drift;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(drifted) => ExitCode::from(u8::from(drifted)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether a schema lacks a documented property.
fn run(arguments: impl Iterator<Item = String>) -> Result<bool> {
    let (mut json, mut paths, mut arguments) = (false, Vec::new(), arguments);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--format" => match arguments.next().as_deref() {
                Some("json") => json = true,
                Some("text") => json = false,
                _ => bail!("--format takes text or json"),
            },
            option if option.starts_with('-') => bail!("unknown option {option}"),
            path => paths.push(PathBuf::from(path)),
        }
    }
    ensure!(!paths.is_empty(), "name an OpenAPI document in JSON, or a folder of such");
    let mut documents = Vec::new();
    for path in paths {
        read(&path, &mut documents).with_context(|| format!("cannot read {}", path.display()))?;
    }
    ensure!(!documents.is_empty(), "there is no OpenAPI document");
    let report = drift::compare(&documents);
    let text = if json { format!("{:#}\n", report.json()) } else { report.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(report.has_drift())
}

fn read(path: &Path, documents: &mut Vec<Value>) -> Result<()> {
    if path.is_dir() {
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.sort();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        return files.iter().try_for_each(|file| read(file, documents));
    }
    let document: Value = serde_json::from_slice(&std::fs::read(path)?).context("it is not JSON")?;
    ensure!(document["paths"].is_object(), "it has no paths: not an OpenAPI document");
    documents.push(document);
    Ok(())
}
