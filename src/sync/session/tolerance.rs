//! Decides what a failed request means for a stream: it is skipped, it is a gap, or the run ends.
//!
//! Nothing else decides that. [`Tolerance`] says what the error means; here it is noted in the outputs. Other files may only
//! ask whether a server takes the request in another form.

use anyhow::anyhow;
use tracing::{debug, warn};

use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::PathValues;
use crate::sentry::error::{ApiError, Tolerance};
use crate::streams::Stream;
use crate::sync::session::error::SyncError;
use crate::sync::session::lookup::{Standing, look_up, project_now};
use crate::sync::session::project::Project;
use crate::sync::session::{Session, reads_with};

/// Said of what an issue list named and its own request did not find.
pub(crate) const ISSUE_GONE: &str = "an issue that was merged or deleted since it was listed (404)";

/// Said of an endpoint, and so once a stream, however many things it was asked for.
const NOT_HERE: &str =
    "this server does not have it, or does not give it to this organization: leave it out of the selection";

/// What came of one thing that was asked for by its name.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// It was read.
    Read(T),
    /// It is gone, as far as one answer can tell.
    Gone(ApiError),
    /// It could not be read.
    Failed(ApiError),
}

/// For one thing that is kept by its name if it cannot be read. Notes nothing.
pub(crate) fn answer_of<T>(result: Result<T, SyncError>) -> Result<Answer<T>, SyncError> {
    match result {
        Ok(value) => Ok(Answer::Read(value)),
        Err(SyncError::Api(error)) => match error.tolerance() {
            Tolerance::Gone => Ok(Answer::Gone(error)),
            Tolerance::NotHere | Tolerance::NotOnThisServer | Tolerance::Hidden | Tolerance::Gap => {
                Ok(Answer::Failed(error))
            }
            Tolerance::EndOfRun => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// For one part of a stream, such as the children of one row. What is gone is skipped, and what could not be read is a gap.
/// Both are counted, and the result has no value.
pub(crate) fn tolerate_part<T>(
    outputs: &[&StreamOutput],
    result: Result<T, SyncError>,
) -> Result<Option<T>, SyncError> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(SyncError::Api(error)) => error,
        Err(error) => return Err(error),
    };
    match error.tolerance() {
        Tolerance::Gone => {
            debug!("{error}");
            for output in outputs {
                output.skip("gone (404)");
            }
        }
        Tolerance::NotHere => outputs.iter().for_each(|output| output.gap_once(NOT_HERE)),
        Tolerance::NotOnThisServer | Tolerance::Hidden | Tolerance::Gap => {
            for output in outputs {
                output.gap(error.to_string());
            }
        }
        Tolerance::EndOfRun => return Err(error.into()),
    }
    Ok(None)
}

/// For a path that answered 404: looks for the row of `root` that gave the values. Where that fails it is a gap, and the
/// result has no value.
pub(crate) async fn tolerate_lookup(
    session: &Session,
    outputs: &[&StreamOutput],
    root: &'static Stream,
    values: &PathValues,
    missing: &ApiError,
) -> Result<Option<Standing>, SyncError> {
    match look_up(session, root, values).await {
        Ok(standing) => Ok(Some(standing)),
        Err(error) if error.tolerance() == Tolerance::EndOfRun => Err(error.into()),
        Err(error) => {
            for output in outputs {
                output.gap(format!("{missing}; and whether it is gone cannot be told: {error}"));
            }
            Ok(None)
        }
    }
}

/// For an endpoint that answered 404 below every row of another stream. It is not there, as long as the server answers for
/// the organization.
pub(crate) async fn tolerate_absence(session: &Session, outputs: &[&StreamOutput]) -> Result<(), SyncError> {
    let what = match session.ask_organization().await {
        Ok(()) => NOT_HERE.to_owned(),
        Err(error) if error.tolerance() == Tolerance::EndOfRun => return Err(error.into()),
        Err(error) => error.to_string(),
    };
    for output in outputs {
        output.gap_once(&what);
    }
    Ok(())
}

/// For one thing that may be gone since it was listed. Then `skip` counts it, and the result has no value.
pub(crate) fn unless_gone<T>(result: Result<T, SyncError>, skip: impl FnOnce()) -> Result<Option<T>, SyncError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
            debug!("{error}");
            skip();
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// For one project of some streams. Returns the error if it is a gap: then the project has to be read again. A 404 alone
/// does not show that the project is gone: its slug may have been changed.
pub(crate) async fn tolerate_project<'a>(
    session: &Session,
    outputs: impl IntoIterator<Item = &'a StreamOutput>,
    project: &Project,
    result: Result<(), SyncError>,
) -> Result<Option<ApiError>, SyncError> {
    match result {
        Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
            match now(session, project).await? {
                None => skip_project(outputs, project, &error),
                Some(_) => return gap_of_project(outputs, project, Err(error.into())),
            }
            Ok(None)
        }
        Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Hidden && session.scope.is_gone(project) => {
            skip_project(outputs, project, &error);
            Ok(None)
        }
        result => gap_of_project(outputs, project, result),
    }
}

/// Counts a project that the list of projects, read once more, does not have any longer.
pub(crate) fn skip_project<'a>(
    outputs: impl IntoIterator<Item = &'a StreamOutput>,
    project: &Project,
    error: &ApiError,
) {
    for output in outputs {
        warn!("{}: project {} is gone: {error}", output.stream.tap_stream_id, project.slug);
        output.skip("a project that was deleted during the run (404)");
    }
}

/// For one project that is known to be there. Returns the error if it is a gap.
pub(crate) fn gap_of_project<'a>(
    outputs: impl IntoIterator<Item = &'a StreamOutput>,
    project: &Project,
    result: Result<(), SyncError>,
) -> Result<Option<ApiError>, SyncError> {
    match answer_of(result)? {
        Answer::Read(()) => Ok(None),
        Answer::Gone(error) | Answer::Failed(error) => {
            for output in outputs {
                output.gap(format!("project {}: {error}", project.slug));
            }
            Ok(Some(error))
        }
    }
}

/// Where a project is now; `None` if it is gone. Where that cannot be told, it is where it was.
pub(crate) async fn now(session: &Session, project: &Project) -> Result<Option<Project>, SyncError> {
    match answer_of(project_now(session, project).await.map_err(SyncError::from))? {
        Answer::Read(now) => Ok(now),
        Answer::Gone(error) | Answer::Failed(error) => {
            debug!("{error}");
            Ok(Some(project.clone()))
        }
    }
}

/// For a whole stream and what is read with it. A failure is a gap in them, unless it concerns the whole run.
pub(crate) async fn tolerate_stream(
    session: &Session,
    tap_stream_id: &str,
    result: Result<(), SyncError>,
) -> Result<(), SyncError> {
    let error = match result {
        Err(SyncError::Api(error)) if error.tolerance() != Tolerance::EndOfRun => error,
        other => return other,
    };
    let is_missing = match error.tolerance() {
        Tolerance::NotHere => true,
        tolerance => tolerance == Tolerance::Gone && session.ask_organization().await.is_ok(),
    };
    let advice = if is_missing {
        format!(
            "this server does not have it, or does not give it to this organization: leave {tap_stream_id} out of the selection"
        )
    } else {
        advice(session, &error)
    };
    for output in session.output.streams().filter(|output| reads_with(output.stream, tap_stream_id)) {
        output.gap(format!("{error}; {advice}"));
    }
    Ok(())
}

/// What to do about an error that concerns a whole stream or the whole run.
pub(crate) fn advice(session: &Session, error: &ApiError) -> String {
    let client = &session.config.client;
    error.advice(client.token.kind(), &session.config.organization, client.base_url.as_str())
}

/// What is wrong with a stream, and what to do about it; for a report.
pub(crate) fn describe(session: &Session, error: &ApiError) -> String {
    match error.tolerance() {
        Tolerance::NotHere => error.to_string(),
        Tolerance::Gone => format!("{error}: this server does not have it"),
        _ => format!("{error}; {}", advice(session, error)),
    }
}

/// The error that ends a run, with what to do about it.
pub(crate) fn with_advice(session: &Session, error: SyncError) -> SyncError {
    match error {
        SyncError::Api(error) => SyncError::Failed(anyhow!("{error}; {}", advice(session, &error))),
        other => other,
    }
}
