//! Reads and checks what the command line names (config, catalog and state), and makes sessions of it. Does not know
//! what the sessions are used for.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;
use tracing::{info, warn};

use crate::catalog::query_schema::query_streams;
use crate::catalog::select::Options;
use crate::cli::Cli;
use crate::config::Config;
use crate::output::Output;
use crate::sentry::client::Client;
use crate::singer::catalog::Catalog;
use crate::singer::states::{Owner, States};
use crate::singer::writer::Writer;
use crate::sync::session::Session;
use crate::sync::session::project_scope::ProjectScope;

/// The inputs of a run.
pub(crate) struct Inputs {
    /// The checked configuration.
    pub(crate) config: Config,
    /// The states of all organizations.
    pub(crate) states: States,
    catalog: Option<Catalog>,
}

impl Inputs {
    /// Reads the inputs. An error names the file and what is wrong with it.
    pub(crate) fn read(cli: &Cli) -> Result<Self> {
        let config = Config::load(&cli.config)?;
        let catalog = read_catalog(cli)?;
        let owner = if config.organizations.is_empty() {
            Owner::Only(&config.organization)
        } else {
            Owner::OneOf(config.owner.as_deref())
        };
        let parse = |text: &str| States::parse(text, owner);
        let states = match cli.state.as_deref() {
            Some(path) => read(path, "state", parse)?,
            None => parse("")?,
        };
        Ok(Self { config, states, catalog })
    }

    /// The session of a run over one organization.
    pub(crate) fn session(&self, runtime: &Runtime, config: Config, states: States, writer: Writer) -> Result<Session> {
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
            accepted_gaps: config.accepted_gaps.clone(),
        };
        let states = states.switch_organization(&config.organization);
        let output = Output::new(writer, states, self.catalog.as_ref(), &options)?;
        // With `projects_only`, another machine may read everything that is selected.
        if output.streams().next().is_none() && !options.projects_only {
            bail!("the catalog selects no stream");
        }
        let scope = ProjectScope::new(config.projects.clone());
        Ok(Session { config, client, output, queries, scope })
    }

    /// A session for each organization. They write nothing to stdout.
    pub(crate) fn silent_sessions(&self, runtime: &Runtime) -> Result<Vec<Session>> {
        let (writer, _thread) = Writer::spawn(std::io::sink());
        let one = |config| self.session(runtime, config, self.states.clone(), writer.clone());
        self.config.each_organization().into_iter().map(one).collect()
    }
}

/// The catalog in the file that the command line names, if it names one.
pub(crate) fn read_catalog(cli: &Cli) -> Result<Option<Catalog>> {
    let path = cli.catalog.as_deref().or(cli.properties.as_deref());
    path.map(|path| read(path, "catalog", Catalog::parse)).transpose()
}

fn read<T>(path: &Path, what: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the {what} file {}", path.display()))?;
    parse(&text).with_context(|| format!("the {what} file {} is not usable", path.display()))
}

/// A runtime with one thread: most of the time the tap waits for the server.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")
}

/// Logs what the user should know before the first stream is read.
pub(crate) fn announce(session: &Session) {
    let config = &session.config;
    for note in &config.notes {
        info!("{note}");
    }
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let names: Vec<_> = session.output.streams().map(|output| output.stream.tap_stream_id).collect();
    info!("Reading {} of {} at {}", names.join(", "), config.organization, config.client.base_url);
    let sampling = &config.sampling;
    match sampling.fraction {
        Some(fraction) => info!("Event sampling enabled with fraction: {fraction}"),
        None if sampling.shaped => {
            info!(
                "min_events_per_issue and max_events_per_issue have no effect without sample_fraction: every event is kept"
            );
        }
        None => {}
    }
    if let Some(most) = sampling.max_per_project {
        info!("Event limit enabled: at most {most} events per project in each run, the newest first");
    }
}
