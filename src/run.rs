//! One run of the program: discovery, plan or sync, from parsed flags to an exit code.
//!
//! Takes its output and its stop signal as arguments and asks the world for nothing else.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;
use tracing::info;

use crate::about::about;
use crate::cli::{Cli, Test};
use crate::config::Config;
use crate::config::sources::{self, Gathered};
use crate::discover;
use crate::manual;
use crate::progress::show;
use crate::sentry::client::Client;
use crate::singer::catalog::Catalog;
use crate::singer::states::States;
use crate::singer::writer::{OutputClosed, Writer};
use crate::sync::Sync;
use crate::sync::choice::Options;
use crate::sync::doctor::examine;
use crate::sync::estimate::estimate;
use crate::sync::output::{Output, StreamOutput};
use crate::sync::queries::query_streams;
use crate::sync::summary::summarize;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything selected was read whole.
    Complete,
    /// Failed, or finished with gaps.
    Failed,
    /// Wrong usage.
    Usage,
    /// Stopped by a signal of this number.
    Stopped(u8),
}

impl Ending {
    /// The exit code; a stop is 128 plus the signal, as shells have it.
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Stopped(signal) => 128 + signal,
        }
    }
}

/// How long a stopped run waits for the target to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs. `stop` resolves to the number of a signal that asks the run to end.
pub fn run(cli: &Cli, mut out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> Ending {
    if cli.discover && !cli.config.is_empty() {
        return conclude(discover_with_queries(cli).and_then(|text| print(&mut out, &text)));
    }
    if let Some(text) = text_without_config(cli) {
        return conclude(text.and_then(|text| print(&mut out, &text)));
    }
    if cli.config.is_empty() {
        crate::logging::critical("--config is required for a sync (a file, or ENV; --discover needs none)");
        return Ending::Usage;
    }
    conclude(match cli.test {
        Some(_) => test(cli, out),
        None if cli.plan => plan(cli, out),
        None => sync(cli, out, stop),
    })
}

/// What needs neither config nor network. These win over everything else: Meltano adds them to a sync's arguments.
fn text_without_config(cli: &Cli) -> Option<Result<String>> {
    if cli.discover {
        return Some(Ok(discover::print(&[])));
    }
    if cli.about {
        return Some(Ok(about(cli.format)));
    }
    if let Some(shell) = cli.completions {
        return Some(Ok(manual::completions(shell)));
    }
    if cli.man {
        return Some(manual::page());
    }
    (cli.test == Some(Test::Schema)).then(|| schemas(cli))
}

/// The catalog with the streams of the config's queries, whose types the server tells. A config without queries does not
/// matter, nor what may be wrong with it.
fn discover_with_queries(cli: &Cli) -> Result<String> {
    let queries = |given: Gathered| given.object.get("queries").is_some_and(|queries| !queries.is_null());
    if !sources::gather(&cli.config).is_ok_and(queries) {
        return Ok(discover::print(&[]));
    }
    let config = Config::load(&cli.config)?;
    let client = Client::new(&config.client)?;
    let values = vec![("organization", config.organization.clone())];
    let found = runtime()?.block_on(query_streams(&config.queries, None, &client, &values));
    if let Some((query, error)) = found.iter().find_map(|query| Some((query.stream, query.failure.as_ref()?))) {
        bail!("the types of the query {:?} cannot be had: {error}", query.tap_stream_id);
    }
    Ok(discover::print(&found.iter().map(|query| query.stream).collect::<Vec<_>>()))
}

/// The SCHEMA messages of the selected streams.
fn schemas(cli: &Cli) -> Result<String> {
    let (writer, _thread) = Writer::spawn(std::io::sink());
    let output = Output::new(writer, States::default(), catalog(cli)?.as_ref(), &Options::default())?;
    Ok(output
        .streams()
        .filter_map(StreamOutput::schema)
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect())
}

fn print(out: &mut impl Write, text: &str) -> Result<Ending> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")?;
    Ok(Ending::Complete)
}

/// Prints the one line that says why a run failed.
fn conclude(result: Result<Ending>) -> Ending {
    match result {
        Ok(ending) => ending,
        Err(error) => {
            crate::logging::critical(&format!("{error:#}"));
            Ending::Failed
        }
    }
}

/// What the command line names, read and checked.
struct Given {
    config: Config,
    catalog: Option<Catalog>,
    states: States,
}

impl Given {
    fn read(cli: &Cli) -> Result<Self> {
        let config = Config::load(&cli.config)?;
        let catalog = catalog(cli)?;
        let several = !config.organizations.is_empty();
        let parse = |text: &str| States::parse(text, config.owner.as_deref(), several);
        let states = cli.state.as_deref().map(|path| read(path, "state", parse)).transpose()?;
        let states = match states {
            Some(states) => states,
            None => States::parse("", None, several)?,
        };
        Ok(Self { config, catalog, states })
    }

    /// Everything that a run over one organization needs.
    fn sync(&self, runtime: &Runtime, config: Config, states: States, writer: Writer) -> Result<Sync> {
        let client = Client::new(&config.client)?;
        let values = vec![("organization", config.organization.clone())];
        let queries = runtime.block_on(query_streams(&config.queries, self.catalog.as_ref(), &client, &values));
        let several = !config.organizations.is_empty();
        let options = Options {
            organization: several.then(|| config.organization.clone()),
            queries: queries.iter().map(|query| query.stream).collect(),
            projects_only: !config.projects.is_first_shard(),
            keep_unknown: config.keep_unknown_fields,
            all_streams: config.all_streams,
        };
        let states = states.turn_to(&config.organization);
        let output = Output::new(writer, states, self.catalog.as_ref(), &options)?;
        // A share of the projects may well have nothing of what is selected.
        if output.streams().next().is_none() && !options.projects_only {
            bail!("the catalog selects no stream");
        }
        Ok(Sync { config, client, output, queries, told: OnceLock::new() })
    }

    /// As `sync`, for each organization, writing nothing.
    fn silent_syncs(&self, runtime: &Runtime) -> Result<Vec<Sync>> {
        let (writer, _thread) = Writer::spawn(std::io::sink());
        let one = |config| self.sync(runtime, config, self.states.clone(), writer.clone());
        self.config.each_organization().into_iter().map(one).collect()
    }
}

fn catalog(cli: &Cli) -> Result<Option<Catalog>> {
    let path = cli.catalog.as_deref().or(cli.properties.as_deref());
    path.map(|path| read(path, "catalog", Catalog::parse)).transpose()
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")
}

/// Prints what a sync would cost; writes no message.
fn plan(cli: &Cli, mut out: impl Write) -> Result<Ending> {
    let runtime = runtime()?;
    for sync in Given::read(cli)?.silent_syncs(&runtime)? {
        let estimate = runtime.block_on(estimate(&sync))?;
        print(&mut out, &estimate.print(cli.format))?;
    }
    Ok(Ending::Complete)
}

/// Prints whether a sync would work; writes no message.
fn test(cli: &Cli, mut out: impl Write) -> Result<Ending> {
    let (runtime, mut failures) = (runtime()?, Vec::new());
    for sync in Given::read(cli)?.silent_syncs(&runtime)? {
        sync.announce();
        let report = runtime.block_on(examine(&sync))?;
        print(&mut out, &report.print(cli.format))?;
        failures.extend(report.failures());
    }
    if failures.is_empty() {
        return Ok(Ending::Complete);
    }
    bail!("a sync would fail: {}", failures.join("; "))
}

fn sync(cli: &Cli, out: impl Write + Send + 'static, stop: impl Future<Output = u8>) -> Result<Ending> {
    let given = Given::read(cli)?;
    let runtime = runtime()?;
    let (writer, thread) = Writer::spawn(out);
    let (mut stop, mut states, mut failures) = (Box::pin(stop), given.states.clone(), Vec::new());
    for config in given.config.each_organization() {
        let sync = given.sync(&runtime, config, states, writer.clone())?;
        sync.announce();
        let outcome = runtime.block_on(async {
            tokio::select! {
                biased;
                signal = &mut stop => Err(signal),
                result = sync.run() => Ok(result),
                () = show(&sync) => unreachable!("a display has no end"),
            }
        });
        match outcome {
            Err(signal) => {
                stopped(&runtime, &sync, signal);
                drop((sync, writer));
                let _ = thread.finish_within(LAST_LINES); // a target that is gone already cannot be helped
                return Ok(Ending::Stopped(signal));
            }
            Ok(result) => failures.extend(finish(&sync, &runtime, result).err()),
        }
        states = sync.output.into_states();
        if failures.last().is_some_and(is_the_end) {
            break;
        }
    }
    drop(writer); // closes the channel, so that the thread writes what it has and ends
    let written = thread.finish().context("cannot write to stdout");
    let ending = verdict(failures)?;
    written.map(|()| ending)
}

/// Writes a last STATE, but does not wait for a target that has stopped reading.
fn stopped(runtime: &Runtime, sync: &Sync, signal: u8) {
    info!("stopped by signal {signal}; the state says how far the run came");
    let last = async { tokio::time::timeout(LAST_LINES, sync.output.advance(|_| ())).await };
    let _ = runtime.block_on(last);
    summarize(sync);
}

/// Whether no other organization needs to be tried after this.
fn is_the_end(error: &anyhow::Error) -> bool {
    error.downcast_ref::<OutputClosed>().is_some()
}

fn verdict(mut failures: Vec<anyhow::Error>) -> Result<Ending> {
    match failures.len() {
        0 => Ok(Ending::Complete),
        1 => Err(failures.remove(0)),
        _ => bail!("{}", failures.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>().join("; ")),
    }
}

/// The last STATE, the summary, and the verdict.
fn finish(sync: &Sync, runtime: &Runtime, result: Result<()>) -> Result<()> {
    if let Err(error) = &result
        && error.downcast_ref::<OutputClosed>().is_none()
    {
        // The last line of a failed run is a STATE too, so that what was read is not read again.
        let _ = runtime.block_on(sync.output.advance(|_| ()));
    }
    let missing = summarize(sync);
    result?;
    match missing {
        None => Ok(()),
        Some(missing) => bail!("finished with gaps, which the next run will try again: {missing}"),
    }
}

fn read<T>(path: &Path, what: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the {what} file {}", path.display()))?;
    parse(&text).with_context(|| format!("the {what} file {} is not usable", path.display()))
}
