//! Releases, their commits and deploys (API §2.12–2.15).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::page::{self, Keys};
use super::view::{Answer, View, Wording};
use super::{finish, numbered};
use crate::hash::mix2;
use crate::http::reply::Reply;
use crate::organization::Release;
use crate::render::{commit, release as render};

/// `organizations/{org}/releases/`: newest first. Archived releases, and those of projects that are
/// not the caller's, come only if asked for.
pub(super) fn list(view: &View<'_>) -> Answer {
    let selected = if view.is_sentry9() { old_selection(view)? } else { view.projects()? };
    if selected.is_empty() {
        return Ok(Reply::list(&[]));
    }
    let archived = wanted_status(view)?;
    let window = if view.is_sentry9() { None } else { view.window(Wording::Prefixed)? };
    let query = view.call.get("query").unwrap_or_default().to_lowercase();
    let mut releases: Vec<&Release> = view
        .org
        .releases
        .iter()
        .filter(|release| release.projects.iter().any(|project| selected.contains(project)))
        .filter(|release| archived.is_none_or(|archived| release.archived == archived))
        .filter(|release| within(view, release, window))
        .filter(|release| release.version.to_lowercase().contains(&query))
        .collect();
    releases.sort_by_key(|release| {
        let tie = if view.settings.unstable_list_ties { mix2(view.nonce, release.id) } else { release.id };
        Reverse((dated(view, release), tie))
    });
    numbered(view, &releases, |release| render::row(view.org, release, view.is_sentry9()))
}

/// The projects. The old server shows all of them unless some are named.
fn old_selection(view: &View<'_>) -> Answer<BTreeSet<u64>> {
    view.refuse_all_projects()?;
    let mut selected = BTreeSet::new();
    for text in view.call.all("project") {
        selected.insert(text.parse().map_err(|_| Box::new(Reply::detail(400, "Invalid project ids")))?);
    }
    if selected.is_empty() {
        selected.extend(view.org.projects.iter().map(|project| project.id));
    }
    Ok(selected.difference(view.denied).copied().collect())
}

/// Whether archived releases are wanted: yes, no, or both. The old server does not have them.
fn wanted_status(view: &View<'_>) -> Answer<Option<bool>> {
    match view.call.get("status").unwrap_or("open") {
        _ if view.is_sentry9() => Ok(None),
        "open" => Ok(Some(false)),
        "archived" => Ok(Some(true)),
        "" => Ok(None),
        _ => Err(view.bad("invalid value for status")),
    }
}

/// The time that a release is sorted and filtered by.
fn dated(view: &View<'_>, release: &Release) -> DateTime<Utc> {
    let by_release = view.is_sentry9() || view.settings.by_release_date;
    release.released.filter(|_| by_release).unwrap_or(release.created)
}

/// Whether a release is in the window, both ends included.
fn within(view: &View<'_>, release: &Release, window: Option<(i64, i64)>) -> bool {
    window.is_none_or(|(start, end)| (start..=end).contains(&dated(view, release).timestamp()))
}

/// The release a path names, if any of its projects may be seen.
fn find<'a>(view: &View<'a>, version: &str) -> Answer<&'a Release> {
    let seen = |release: &&Release| release.projects.iter().any(|project| !view.denied.contains(project));
    view.org.release(version).filter(seen).ok_or_else(|| Reply::missing().into())
}

/// `organizations/{org}/releases/{version}/`
pub(super) fn detail(view: &View<'_>, version: &str) -> Answer {
    let release = find(view, version)?;
    let mut row = render::row(view.org, release, view.is_sentry9());
    let wanted = view.settings.all_keys || view.call.get("adoptionStages") == Some("1");
    if wanted && !view.is_sentry9() {
        row["adoptionStages"] = render::adoption(view.org, release);
    }
    Ok(Reply::text(finish(view, row)))
}

/// `…/commits/`: in order. Pages are by key, which is the place in the order.
pub(super) fn commits(view: &View<'_>, version: &str) -> Answer {
    let release = find(view, version)?;
    let keys = Keys { key: crate::count, total: release.commits.len(), falling: false };
    let (range, link) = page::by_key(view.cursor()?, view.per_page()?, &keys);
    let row = |commit| finish(view, commit::row(view.org, release, commit, view.is_sentry9()));
    Ok(Reply::page(&release.commits[range].iter().map(row).collect::<Vec<_>>(), link))
}

/// `…/deploys/`: the last finished first.
pub(super) fn deploys(view: &View<'_>, version: &str) -> Answer {
    let mut deploys: Vec<_> = find(view, version)?.deploys.iter().collect();
    deploys.sort_by_key(|deploy| Reverse((deploy.finished, deploy.id)));
    numbered(view, &deploys, |deploy| render::deploy(deploy))
}
