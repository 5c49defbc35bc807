//! `--discover` and `--test=schema`: the catalog, and the SCHEMA messages. Reads no stream.

use anyhow::{Result, bail};

use crate::catalog::discover::print;
use crate::catalog::query_schema::query_streams;
use crate::catalog::select::Options;
use crate::cli::Cli;
use crate::commands::inputs::{read_catalog, runtime};
use crate::config::Config;
use crate::config::sources::{self, Gathered};
use crate::output::Output;
use crate::output::stream::StreamOutput;
use crate::sentry::client::Client;
use crate::singer::states::States;
use crate::singer::writer::Writer;

/// The catalog. If the config has queries, it has their streams too, with types from the server. A config without
/// queries is not checked.
pub(crate) fn run(cli: &Cli) -> Result<String> {
    let has_queries = |given: Gathered| given.object.get("queries").is_some_and(|queries| !queries.is_null());
    if cli.config.is_empty() || !sources::gather(&cli.config).is_ok_and(has_queries) {
        return print(&[]);
    }
    let config = Config::load(&cli.config)?;
    let client = Client::new(&config.client)?;
    let values = vec![("organization", config.organization.clone())];
    let found = runtime()?.block_on(query_streams(&config.queries, None, &client, &values));
    if let Some((query, error)) = found.iter().find_map(|query| Some((query.stream, query.failure.as_ref()?))) {
        bail!("the types of the query {:?} cannot be had: {error}", query.tap_stream_id);
    }
    print(&found.iter().map(|query| query.stream).collect::<Vec<_>>())
}

/// The SCHEMA messages of the selected streams.
pub(crate) fn schemas(cli: &Cli) -> Result<String> {
    let (writer, _thread) = Writer::spawn(std::io::sink());
    let catalog = read_catalog(cli)?;
    let output = Output::new(writer, States::default(), catalog.as_ref(), &Options::default())?;
    let lines = output.streams().filter_map(StreamOutput::schema);
    Ok(lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect())
}
