//! What lasts for one run over one organization: what was asked for, and the ways to the server and to the target.
//!
//! Knows nothing of how streams are read.

pub(crate) mod checkpoint;
pub(crate) mod drive;
pub(crate) mod error;
pub(crate) mod hidden;
pub(crate) mod inherited;
pub(crate) mod lookup;
pub(crate) mod project;
pub(crate) mod project_scope;
pub(crate) mod starts;
pub(crate) mod tolerance;

use crate::catalog::query_schema::QueryStream;
use crate::config::Config;
use crate::config::queries::Query;
use crate::output::Output;
use crate::output::stream::StreamOutput;
use crate::sentry::client::Client;
use crate::sentry::endpoint::PathValues;
use crate::sentry::endpoints::ORGANIZATION;
use crate::sentry::error::ApiError;
use crate::sentry::request::Request;
use crate::singer::state::Bookmark;
use crate::singer::writer::OutputClosed;
use crate::streams::{self, Source, Stream};
use crate::sync::session::project::Project;
use crate::sync::session::project_scope::ProjectScope;
use crate::time::Time;

/// A run over one organization.
#[derive(Debug)]
pub(crate) struct Session {
    /// The checked configuration.
    pub(crate) config: Config,
    /// The server.
    pub(crate) client: Client,
    /// The target.
    pub(crate) output: Output,
    /// Streams of the user's own queries.
    pub(crate) queries: Vec<QueryStream>,
    /// Which projects are read.
    pub(crate) scope: ProjectScope,
}

impl Session {
    /// The placeholder values that every path may use.
    pub(crate) fn values(&self) -> PathValues {
        vec![("organization", self.config.organization.clone())]
    }

    /// The placeholder values of a path below a project.
    pub(crate) fn values_of(&self, project: &Project) -> PathValues {
        let mut values = self.values();
        values.extend([("project", project.slug.clone()), ("project_id", project.id.clone())]);
        values
    }

    /// Whether the stream or one of those below it is selected.
    pub(crate) fn wants(&self, tap_stream_id: &str) -> bool {
        let selected = |name: &str| self.output.stream(name).is_some();
        selected(tap_stream_id) || streams::children(tap_stream_id).any(|child| self.wants(child.tap_stream_id))
    }

    /// The selected streams that are read by the rows of this one: it, and all below it. Issues and events are read by the
    /// rows of `projects`.
    pub(crate) fn read_by_rows_of(&self, tap_stream_id: &'static str) -> impl Iterator<Item = &StreamOutput> {
        let by_issue_scan = tap_stream_id == "projects";
        self.output.streams().filter(move |output| {
            reads_with(output.stream, tap_stream_id) || (by_issue_scan && reads_with(output.stream, "issues"))
        })
    }

    /// The selected streams that the issue scan serves: issues, events, and those below them.
    pub(crate) fn by_issue_scan(&self) -> impl Iterator<Item = &StreamOutput> {
        self.output.streams().filter(|output| reads_with(output.stream, "issues"))
    }

    /// Moves the bookmark of a stream to `end`, after all of it was read; see [`Output::finish`].
    pub(crate) async fn finish(&self, output: &StreamOutput, end: Time) -> Result<(), OutputClosed> {
        self.output.finish(output, end, |bookmark| self.describe(output, bookmark)).await
    }

    /// Notes what the bookmark of a stream covers: the query, and the projects if it goes by projects. Must be noted
    /// together with its start, and never before: tools that merge states would join it with the start of another run.
    pub(crate) fn describe(&self, output: &StreamOutput, bookmark: &mut Bookmark) {
        bookmark.query = self.query_of(output.stream).map(Query::fingerprint);
        if let Some(ids) = self.scope.covered_by(output.stream) {
            bookmark.project_ids = Some(ids);
        }
    }

    /// The user's query that a stream is made of.
    pub(crate) fn query_of(&self, stream: &Stream) -> Option<&Query> {
        self.config.queries.iter().find(|query| query.name == stream.tap_stream_id)
    }

    /// Asks for the organization itself.
    pub(crate) async fn ask_organization(&self) -> Result<(), ApiError> {
        self.client.get(&Request::new(&ORGANIZATION, self.values())).await.map(drop)
    }

    /// Makes sure that the server's clock is known before a window is reckoned by it.
    pub(crate) async fn ask_the_time(&self) -> Result<(), ApiError> {
        if self.client.knows_the_time() { Ok(()) } else { self.ask_organization().await }
    }
}

/// Whether `stream` is read together with the stream of this name: as it, below it, or by the same scan.
pub(crate) fn reads_with(stream: &Stream, tap_stream_id: &str) -> bool {
    let by_issue_scan = |stream: &Stream| matches!(stream.source, Source::Issues | Source::Events);
    let scans = streams::find(tap_stream_id).is_some_and(by_issue_scan);
    streams::line(stream).any(|stream| stream.tap_stream_id == tap_stream_id || (scans && by_issue_scan(stream)))
}
