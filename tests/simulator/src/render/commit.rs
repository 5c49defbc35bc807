//! Commits (API §2.14).

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{person, release, sentry9};
use crate::organization::{Commit, Organization, Release};

/// A commit of a release.
pub(crate) fn row(org: &Organization, of: &Release, commit: &Commit, sentry9: bool) -> Value {
    let odd = commit.sha.as_bytes()[0] % 2 == 1;
    let author = match org.members.first() {
        Some(member) if odd => person::account(member),
        _ => json!({ "name": "Chloé Ñandú", "email": "dev0@example.com" }),
    };
    let mut row = json!({
        "id": commit.sha, "message": commit.message,
        "dateCreated": commit.created.to_rfc3339_opts(SecondsFormat::Secs, true),
        "pullRequest": if odd { pull_request(&author) } else { Value::Null },
        "suspectCommitType": "", "repository": repository(), "author": author,
        "releases": [release::mention(of)],
    });
    if sentry9 {
        sentry9::commit(&mut row);
    }
    row
}

fn repository() -> Value {
    json!({
        "id": "1", "name": "acme/käse", "url": "https://git.example.com/acme/kaese",
        "provider": { "id": "integrations:github", "name": "GitHub" }, "status": "active",
        "dateCreated": "2016-10-10T21:36:42.414678Z", "integrationId": "2933", "externalSlug": "acme/käse",
        "externalId": "873328",
    })
}

fn pull_request(author: &Value) -> Value {
    json!({
        "id": "70214", "title": "feat: größer", "message": "Made it larger",
        "dateCreated": "2024-05-03T07:32:28.205043Z", "repository": repository(), "author": author,
        "externalUrl": "https://git.example.com/acme/kaese/pull/70214",
    })
}
