//! Looks once more for a thing whose path answered 404: in the list that named it, or by its id.
//!
//! A 404 on a path with a slug does not show that the thing is gone, since the slug may have been changed after the list
//! was read. Decides nothing: `tolerance.rs` and the callers do.

use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::endpoints::{ISSUE_DETAIL, PROJECT, TEAM};
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::project::Project;

/// Where a thing is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is there, under the names that were asked for.
    There,
    /// It is there under other names: the values for its path.
    Renamed(PathValues),
    /// It is not there any more.
    Gone,
    /// No other request tells.
    Unknown,
}

/// Looks for the row of `root` that gave these values. `root` is a stream without a parent.
pub(crate) async fn look_up(
    session: &Session,
    root: &'static Stream,
    values: &PathValues,
) -> Result<Standing, ApiError> {
    match &root.source {
        Source::Endpoint(endpoint) if root.time_filter == TimeFilter::None => {
            in_list(session, root, endpoint, values).await
        }
        Source::Issues => by_id(session, values).await,
        _ => Ok(Standing::Unknown),
    }
}

async fn by_id(session: &Session, values: &PathValues) -> Result<Standing, ApiError> {
    match session.client.get(&Request::new(&ISSUE_DETAIL, values.clone())).await {
        Ok(_) => Ok(Standing::There),
        Err(error) if error.tolerance() == Tolerance::Gone => Ok(Standing::Gone),
        Err(error) => Err(error),
    }
}

async fn in_list(
    session: &Session,
    root: &'static Stream,
    endpoint: &'static Endpoint,
    values: &PathValues,
) -> Result<Standing, ApiError> {
    let Some((key, id)) = key_among(root, values) else { return Ok(Standing::Unknown) };
    let (above, mut all_readable) = (session.values(), true);
    let mut pages = Pages::new(&session.client, session.scope.request(endpoint, above.clone()));
    while let Some(page) = pages.next().await? {
        for row in page.rows() {
            let context = row.and_then(|row| ChildContext::read(root, &row, &above).ok());
            all_readable &= context.is_some();
            let names = context.map(|context| context.values).filter(|names| value_of(names, key) == Some(id));
            if let Some(names) = names {
                let learned = learn_how_paths_name(session, values).await;
                return Ok(if learned {
                    Standing::Renamed(names_of_today(values, &names))
                } else {
                    compare(values, &names)
                });
            }
        }
    }
    // The row that cannot be read may be this one.
    Ok(if all_readable { Standing::Gone } else { Standing::Unknown })
}

/// A thing with a slug of digits was asked for by its id. Servers of before 2024 know slugs alone: such a one answers to the
/// slug with the same id. Returns whether it did: then the path has another form now.
async fn learn_how_paths_name(session: &Session, values: &PathValues) -> bool {
    let mut learned = false;
    for (name, id_name, endpoint) in [("project", "project_id", &PROJECT), ("team", "team_id", &TEAM)] {
        let is_digits = |slug: &str| slug.bytes().all(|byte| byte.is_ascii_digit());
        let (Some(_), Some(id)) = (value_of(values, name).filter(|slug| is_digits(slug)), value_of(values, id_name))
        else {
            continue;
        };
        let by_slug = values.iter().filter(|(known, _)| *known != id_name).cloned().collect();
        let page = session.client.get(&Request::new(endpoint, by_slug)).await;
        if page.is_ok_and(|page| page.rows().next().flatten().is_some_and(|row| row.text("id").as_deref() == Some(id)))
        {
            session.client.dialect.learn_slugs_alone();
            learned = true;
        }
    }
    learned
}

/// Where a project of the run is now; `None` if it is gone.
pub(crate) async fn project_now(session: &Session, project: &Project) -> Result<Option<Project>, ApiError> {
    let Some(projects) = streams::find("projects") else { return Ok(Some(project.clone())) };
    Ok(match look_up(session, projects, &session.values_of(project)).await? {
        Standing::Gone => None,
        Standing::There | Standing::Unknown => Some(project.clone()),
        Standing::Renamed(values) => {
            let slug = value_of(&values, "project").unwrap_or(&project.slug).to_owned();
            Some(Project { slug, ..project.clone() })
        }
    })
}

/// The name and value of the row's key, which stays when its slug is changed.
fn key_among<'v>(root: &Stream, values: &'v PathValues) -> Option<(&'static str, &'v str)> {
    let is_key = |(_, field): &&(&str, &'static str)| root.key_properties == [*field];
    let (name, _) = root.child_context.iter().find(is_key)?;
    Some((name, value_of(values, name)?))
}

fn value_of<'v>(values: &'v PathValues, name: &str) -> Option<&'v str> {
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn compare(values: &PathValues, names: &PathValues) -> Standing {
    let today = names_of_today(values, names);
    if today == *values { Standing::There } else { Standing::Renamed(today) }
}

/// Puts the names of today in place of those that were asked for.
fn names_of_today(values: &PathValues, names: &PathValues) -> PathValues {
    let today =
        |(name, value): &(&'static str, String)| (*name, value_of(names, name).unwrap_or(value.as_str()).to_owned());
    values.iter().map(today).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&'static str, &str)]) -> PathValues {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn only_the_names_that_the_list_gives_are_replaced() {
        let asked = values(&[("organization", "acme"), ("team", "old"), ("team_id", "7"), ("tag_key", "level")]);
        let there = values(&[("organization", "acme"), ("team", "old"), ("team_id", "7")]);
        assert_eq!(compare(&asked, &there), Standing::There);
        let renamed = values(&[("organization", "acme"), ("team", "new"), ("team_id", "7")]);
        let expected = values(&[("organization", "acme"), ("team", "new"), ("team_id", "7"), ("tag_key", "level")]);
        assert_eq!(compare(&asked, &renamed), Standing::Renamed(expected));
    }

    #[test]
    fn every_list_with_children_gives_its_key_to_them() {
        let listed = |stream: &&Stream| stream.parent.is_none() && stream.time_filter == TimeFilter::None;
        let with_children = |stream: &&Stream| crate::streams::children(stream.tap_stream_id).next().is_some();
        for root in crate::streams::all().filter(listed).filter(with_children) {
            let of_events = matches!(root.source, Source::Events);
            let names = root.child_context.iter().map(|(name, _)| (*name, "1".to_owned())).collect();
            assert!(of_events || key_among(root, &names).is_some(), "{}", root.tap_stream_id);
        }
    }
}
