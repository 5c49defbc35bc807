//! Joins the two worlds: reads Sentry and writes Singer. The only place that knows both.
//!
//! Order: projects with their details, teams, users, issues, events, releases with their insides.

pub mod abreast;
pub mod children;
pub mod choice;
pub mod doctor;
pub mod estimate;
pub mod event_list;
pub mod event_names;
pub mod event_rows;
pub mod events;
pub mod failure;
pub mod followers;
pub mod hint;
pub mod insides;
pub mod issue_list;
pub mod issue_pages;
pub mod issue_rows;
pub mod issues;
pub mod output;
pub mod part;
pub mod passes;
pub mod plan;
pub mod projects;
pub mod queries;
pub mod report;
pub mod sample;
pub mod series;
pub mod starts;
pub mod summary;
pub mod unpack;
pub mod walk;
pub mod ways;
pub mod window;

use std::pin::Pin;
use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use chrono::{TimeDelta, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tracing::{info, warn};

use crate::config::Config;
use crate::sentry::advice::advice;
use crate::sentry::client::Client;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::request::Request;
use crate::singer::progress::Unfinished;
use crate::singer::state::State;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::children::{Child, Parent, walk_children, walk_root};
use crate::sync::failure::WalkError;
use crate::sync::output::{Output, StreamOutput};
use crate::sync::projects::Told;
use crate::sync::queries::QueryStream;
use crate::sync::series::walk_days;
use crate::time::whole_second;

/// A run: what was asked for, and the ways to the server and to the target.
#[derive(Debug)]
pub struct Sync {
    /// The checked configuration.
    pub config: Config,
    /// The server.
    pub client: Client,
    /// The target.
    pub output: Output,
    /// Streams of the user's own queries.
    pub queries: Vec<QueryStream>,
    /// What the project list has told.
    pub told: OnceLock<Told>,
}

/// A project of the organization, as far as paths and records need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Numeric id, as text.
    pub id: String,
    /// Slug.
    pub slug: String,
}

/// How long after its beginning an interrupted run can be continued; later, full tables are read anew.
const CONTINUED: TimeDelta = TimeDelta::hours(24);

const ORGANIZATION: Endpoint = Endpoint { paths: &["organizations/{organization}/"], ..Endpoint::DETAIL };

impl Sync {
    /// The placeholder values that every path may use.
    pub fn values(&self) -> PathValues {
        vec![("organization", self.config.organization.clone())]
    }

    /// Whether other parts can still be read after this failure of one part.
    pub fn goes_on_after(&self, error: &ApiError) -> bool {
        // Without an answer at all, the next request would only wait as long again.
        error.kind != ErrorKind::Unauthorized && (error.kind != ErrorKind::Unavailable || error.status.is_some())
    }

    /// Reads every selected stream, side by side what does not wait for each other. An error means that the run could
    /// not go on; gaps are in the summary.
    pub async fn run(&self) -> Result<()> {
        self.begin_or_go_on().await;
        if self.config.activate_version {
            self.output.set_versions().await;
        }
        let (projects, parents) = self.projects().await?;
        let mut running: FuturesUnordered<Pin<Box<dyn Future<Output = Result<()>> + '_>>> = FuturesUnordered::new();
        for query in self.queries.iter().filter(|query| self.wants(query.stream.tap_stream_id)) {
            running.push(Box::pin(self.query(query)));
        }
        for stream in streams::all().filter(|stream| stream.parent.is_none() && self.wants(stream.tap_stream_id)) {
            match &stream.source {
                Source::Endpoint(_) if stream.tap_stream_id == "projects" => {
                    running.push(Box::pin(self.children(stream, &parents)));
                }
                Source::Endpoint(_) => running.push(Box::pin(self.root(stream))),
                // Events are found by the issue walk: both are read in one go.
                Source::Issues => running.push(Box::pin(self.issues_and_events(&projects))),
                Source::Events if !self.wants("issues") => running.push(Box::pin(self.issues_and_events(&projects))),
                Source::Events | Source::ParentRow(_) | Source::EventPart(_) => {}
            }
        }
        // Nothing else is waited for here: all of them share locks, the limits and the way to stdout.
        while let Some(result) = running.next().await {
            result?;
        }
        drop(running);
        let ended = |state: &mut State| (state.currently_syncing, state.run) = (None, None);
        Ok(self.output.advance(ended).await?)
    }

    /// A root stream, and then its children.
    async fn root(&self, stream: &'static Stream) -> Result<()> {
        if stream.time_filter == TimeFilter::Days {
            return self.settle(stream.tap_stream_id, walk_days(self, stream).await).await;
        }
        match walk_root(self, stream).await {
            Ok(parents) => self.children(stream, &parents).await,
            Err(error) => self.settle(stream.tap_stream_id, Err(error)).await,
        }
    }

    /// The rows of a query, if its types are known.
    async fn query(&self, query: &QueryStream) -> Result<()> {
        match &query.failure {
            None => self.root(query.stream).await,
            Some(error) => self.settle(query.stream.tap_stream_id, Err(error.clone().into())).await,
        }
    }

    /// The children of a stream that have endpoints of their own.
    async fn children(&self, stream: &'static Stream, parents: &[Parent]) -> Result<()> {
        if stream.time_filter != TimeFilter::None {
            return Ok(()); // they were read row by row
        }
        let children = Child::all(self, stream).await;
        let mut running: FuturesUnordered<_> =
            children.iter().map(|child| walk_children(self, child, parents)).collect();
        while let Some(result) = running.next().await {
            result.map_err(|error| self.fatal(error))?;
        }
        Ok(())
    }

    async fn issues_and_events(&self, projects: &[Project]) -> Result<()> {
        self.settle("issues", passes::run(self, projects).await).await
    }

    /// Notes when the run began. A run that an earlier state shows to have been interrupted lately is continued:
    /// the full tables that it has read whole are not read again.
    async fn begin_or_go_on(&self) {
        let now = whole_second(Utc::now());
        self.output
            .change(|state| {
                self.note_choice(state);
                if state.run.as_ref().is_some_and(|run| now.signed_duration_since(run.began).abs() < CONTINUED) {
                    info!("Going on with a run that was interrupted");
                    return;
                }
                state.run = Some(Unfinished { began: now, ..Unfinished::default() });
                for stream in streams::all().filter(|stream| stream.replication_key().is_none()) {
                    if let Some(bookmark) = state.bookmarks.get_mut(stream.tap_stream_id) {
                        bookmark.progress = None;
                    }
                }
            })
            .await;
    }

    /// Whether the stream or one of its children is selected.
    pub(crate) fn wants(&self, tap_stream_id: &str) -> bool {
        let selected = |name: &str| self.output.stream(name).is_some();
        selected(tap_stream_id) || streams::children(tap_stream_id).any(|child| self.wants(child.tap_stream_id))
    }

    /// A stream that failed is a gap, and the others go on, unless the failure concerns them all.
    async fn settle(&self, tap_stream_id: &str, result: Result<(), WalkError>) -> Result<()> {
        match result {
            Ok(()) => Ok(()),
            Err(WalkError::Api(error)) if self.goes_on_after(&error) => {
                let advice = if error.kind == ErrorKind::NotFound && self.organization_exists().await {
                    format!(
                        "this server does not have it, or does not give it to this organization: leave {tap_stream_id} out of the selection"
                    )
                } else {
                    self.advice(&error)
                };
                let what = format!("{error}; {advice}");
                for output in self.output.streams().filter(|output| reads_with(output.stream, tap_stream_id)) {
                    output.gap(what.clone());
                }
                Ok(())
            }
            Err(error) => Err(self.fatal(error)),
        }
    }

    /// What the issue walk is made for: issues, events, and what hangs on them.
    fn by_issue_walk(&self) -> impl Iterator<Item = &StreamOutput> {
        self.output.streams().filter(|output| reads_with(output.stream, "issues"))
    }

    async fn organization_exists(&self) -> bool {
        self.client.get(&Request::new(&ORGANIZATION, self.values())).await.is_ok()
    }

    /// Makes sure that the server's clock is known before a window is reckoned by it.
    pub(crate) async fn ask_the_time(&self) -> Result<(), ApiError> {
        if !self.client.knows_the_time() {
            self.client.get(&Request::new(&ORGANIZATION, self.values())).await?;
        }
        Ok(())
    }

    fn advice(&self, error: &ApiError) -> String {
        let client = &self.config.client;
        advice(error, client.token.kind(), &self.config.organization, client.base_url.as_str())
    }

    pub(crate) fn fatal(&self, error: WalkError) -> anyhow::Error {
        match error {
            WalkError::Api(error) => anyhow!("{error}; {}", self.advice(&error)),
            WalkError::Stop(error) => error,
        }
    }

    /// What the log says before anything is read.
    pub fn announce(&self) {
        for note in &self.config.notes {
            info!("{note}");
        }
        for warning in &self.config.warnings {
            warn!("{warning}");
        }
        let names: Vec<_> = self.output.streams().map(|output| output.stream.tap_stream_id).collect();
        info!("Reading {} of {} at {}", names.join(", "), self.config.organization, self.config.client.base_url);
        let sampling = &self.config.sampling;
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
}

/// Notes that one project's part of some streams could not be read: gone is a skip, anything else a gap.
fn part_failed<'a>(outputs: impl Iterator<Item = &'a StreamOutput>, project: &Project, error: &ApiError) {
    for output in outputs {
        if error.kind == ErrorKind::NotFound {
            warn!("{}: project {} is gone: {error}", output.stream.tap_stream_id, project.slug);
            output.skip("a project that was deleted during the run (404)");
        } else {
            output.gap(format!("project {}: {error}", project.slug));
        }
    }
}

/// Whether `stream` is read together with the stream of this name: as it, below it, or by the same walk.
fn reads_with(stream: &Stream, tap_stream_id: &str) -> bool {
    let by_issue_walk = |stream: &Stream| matches!(stream.source, Source::Issues | Source::Events);
    let walks = streams::find(tap_stream_id).is_some_and(by_issue_walk);
    streams::line(stream).any(|stream| stream.tap_stream_id == tap_stream_id || (walks && by_issue_walk(stream)))
}
