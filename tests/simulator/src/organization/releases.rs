//! Generates releases with their commits and deploys.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Project, Shape};
use crate::hash::mix2;

/// A commit of a release.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The SHA.
    pub sha: String,
    /// The message.
    pub message: String,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// A deploy of a release.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The id.
    pub id: u64,
    /// The environment it went to.
    pub environment: &'static str,
    /// When it was done.
    pub finished: DateTime<Utc>,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The id, an integer on the wire.
    pub id: u64,
    /// The version, unique in the organization.
    pub version: String,
    /// Whether it is archived, and so hidden by default.
    pub archived: bool,
    /// The ids of its projects.
    pub projects: Vec<u64>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was released, if that is known.
    pub released: Option<DateTime<Utc>>,
    /// Oldest first.
    pub commits: Vec<Commit>,
    /// Oldest first.
    pub deploys: Vec<Deploy>,
}

/// The releases of a shape, oldest first. Every third one has no commits, every second one no deploys, and every fifth
/// one is archived.
pub(super) fn generate(shape: &Shape, projects: &[Project]) -> Vec<Release> {
    let total = crate::count(shape.releases).max(1);
    (0..shape.releases)
        .map(|position| {
            let age = i64::from(shape.days) * 86_400 * (total - crate::count(position)) / total;
            let created = shape.now - TimeDelta::seconds(age) + TimeDelta::microseconds(146_000);
            let commits = if position % 3 == 2 { 0 } else { shape.commits_per_release };
            let deploys = if position % 2 == 0 { 1 + position % 3 } else { 0 };
            let project = projects.get(position % projects.len().max(1));
            Release {
                id: 1_122_684_000 + position as u64,
                version: version(shape.seed, position),
                archived: position % 5 == 4,
                projects: project.map(|project| project.id).into_iter().collect(),
                created,
                released: (position % 4 == 1).then(|| created + TimeDelta::minutes(30)),
                commits: (0..commits).map(|commit| new_commit(shape.seed, position, commit, created)).collect(),
                deploys: (0..deploys).map(|deploy| new_deploy(position, deploy, created)).collect(),
            }
        })
        .collect()
}

/// Versions that need care in a URL.
fn version(seed: u64, position: usize) -> String {
    match position % 5 {
        0 => format!("api@1.{position}.0"),
        1 => format!("web@2.{position}.1+build 7"),
        2 => sha(mix2(seed, position as u64)),
        3 => format!("mobile@3.{position}.0-größe 日本"),
        _ => format!("frontend@4.{position}.2-rc.1+100%25&x=1?#y"),
    }
}

/// Forty hex digits.
fn sha(seed: u64) -> String {
    format!("{:016x}{:016x}{:08x}", mix2(seed, 1), mix2(seed, 2), mix2(seed, 3) >> 32)
}

fn new_commit(seed: u64, release: usize, position: usize, created: DateTime<Utc>) -> Commit {
    let number = (release as u64) << 20 | position as u64;
    Commit {
        sha: sha(mix2(seed ^ 0xc0, number)),
        message: format!("fix: größe 🐛 ({position})\n\nbody"),
        created: created - TimeDelta::minutes(1 + crate::count(position)),
    }
}

/// A deploy by its place; ids are unique over all releases.
pub(super) fn new_deploy(release: usize, position: usize, created: DateTime<Utc>) -> Deploy {
    Deploy {
        id: 53_070_000 + (release as u64) * 1000 + position as u64,
        environment: ["staging", "production", "canary-日本"][position % 3],
        finished: created + TimeDelta::minutes(10 + crate::count(position)),
    }
}
