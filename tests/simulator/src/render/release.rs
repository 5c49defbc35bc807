//! Releases and deploys (API §2.12, §2.13, §2.15).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{commit, person, sentry9};
use crate::organization::{Deploy, Organization, Release};

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A release, in the list and in detail.
pub(crate) fn row(org: &Organization, release: &Release, sentry9: bool) -> Value {
    let projects: Vec<_> = release.projects.iter().filter_map(|id| org.project(*id)).collect();
    let mut row = json!({
        "id": release.id, "version": release.version, "shortVersion": short(&release.version),
        "status": if release.archived { "archived" } else { "open" },
        "versionInfo": version_info(&release.version), "ref": null,
        "url": if release.id.is_multiple_of(2) { Some("https://ci.example.com/8") } else { None },
        "dateReleased": release.released.map(stamp), "dateCreated": stamp(release.created), "dateStarted": null,
        "data": {}, "newGroups": release.id % 4, "owner": null, "commitCount": release.commits.len(),
        "lastCommit": release.commits.last().map(|last| commit::row(org, release, last, sentry9)),
        "deployCount": release.deploys.len(), "lastDeploy": release.deploys.last().map(deploy),
        "authors": authors(org, release),
        "projects": projects.iter().map(|project| json!({
            "id": project.id, "slug": project.slug, "name": project.name, "newGroups": 0,
            "platform": project.platform, "platforms": project.platform.map(|text| vec![text]),
            "hasHealthData": false,
        })).collect::<Value>(),
        "firstEvent": if release.id.is_multiple_of(3) { None } else { Some(stamp(release.created)) },
        "lastEvent": if release.id.is_multiple_of(3) { None } else {
            Some(stamp(release.created + TimeDelta::seconds(99)))
        },
        "currentProjectMeta": {},
        "userAgent": if release.id.is_multiple_of(2) { None } else { Some("Python-urllib/3.11") },
    });
    if sentry9 {
        sentry9::release(&mut row);
    }
    row
}

/// A release as commits and issues mention it.
pub(super) fn mention(release: &Release) -> Value {
    json!({
        "version": release.version, "shortVersion": short(&release.version), "ref": null, "url": null,
        "dateReleased": release.released.map(stamp), "dateCreated": stamp(release.created),
    })
}

fn short(version: &str) -> &str {
    version.split_once('@').map_or(version, |(_, rest)| rest)
}

/// Null for versions that are plain hashes, and half-filled for malformed ones.
fn version_info(version: &str) -> Value {
    let Some((package, raw)) = version.split_once('@') else {
        return Value::Null;
    };
    let mut numbers = raw.split(['.', '-', '+']).map_while(|part| part.parse::<u64>().ok());
    json!({
        "package": package, "description": raw, "buildHash": null,
        "version": {
            "raw": raw, "major": numbers.next(), "minor": numbers.next(), "patch": numbers.next(),
            "pre": raw.split_once('-').map(|(_, pre)| pre), "buildCode": raw.split_once('+').map(|(_, code)| code),
            "components": 3,
        },
    })
}

/// People with an account and people without one.
fn authors(org: &Organization, release: &Release) -> Value {
    if release.commits.is_empty() {
        return json!([]);
    }
    let known = org.members.first().map(person::account);
    let stranger = json!({ "name": null, "email": "dev0@example.com" });
    known.into_iter().chain([stranger]).collect()
}

/// The adoption of a release, by project slug.
pub(crate) fn adoption(org: &Organization, release: &Release) -> Value {
    let stage = json!({ "stage": "low_adoption", "adopted": null, "unadopted": null });
    let projects = release.projects.iter().filter_map(|id| org.project(*id));
    Value::Object(projects.map(|project| (project.slug.clone(), stage.clone())).collect())
}

/// A deploy.
pub(crate) fn deploy(deploy: &Deploy) -> Value {
    json!({
        "id": deploy.id.to_string(), "environment": deploy.environment, "name": format!("deploy {} ☁️", deploy.id % 10),
        "dateStarted": if deploy.id.is_multiple_of(2) { None } else { Some(stamp(deploy.finished - TimeDelta::minutes(7))) },
        "dateFinished": stamp(deploy.finished), "url": null,
    })
}
