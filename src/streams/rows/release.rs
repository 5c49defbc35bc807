//! Children of releases. A run reads them for the releases of the window. It does not see what is added to older
//! releases.

use crate::sentry::endpoint::Endpoint;
use crate::streams::stream::{Added, LATE_RELEASES, Replication, Source, Stream};

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "commits",
        key_properties: &["release_version", "repository_id", "id"],
        replication: Replication::Incremental { key: "release_date" },
        parent: Some("releases"),
        late_by: LATE_RELEASES,
        told_by: &["commitCount", "lastCommit.id"],
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/releases/{version}/commits/"],
            scope: "project:releases",
            ..Endpoint::LIST
        }),
        added: &[
            ("release_version", Added::Context("version")),
            ("release_date", Added::Context("release_date")),
            ("repository_id", Added::Within("repository", "id")),
        ],
        cost: "1 per new release, and 1 per 100 commits",
        schema: include_str!("../../../schemas/commits.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "deploys",
        replication: Replication::Incremental { key: "release_date" },
        parent: Some("releases"),
        late_by: LATE_RELEASES,
        told_by: &["deployCount", "lastDeploy.id"],
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/releases/{version}/deploys/"],
            scope: "project:releases",
            ..Endpoint::LIST
        }),
        added: &[("release_version", Added::Context("version")), ("release_date", Added::Context("release_date"))],
        cost: "1 per new release",
        schema: include_str!("../../../schemas/deploys.json"),
        ..Stream::OPTIONAL
    },
    Stream {
        tap_stream_id: "release_files",
        key_properties: &["release_version", "id"],
        replication: Replication::Incremental { key: "release_date" },
        parent: Some("releases"),
        late_by: LATE_RELEASES,
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/releases/{version}/files/"],
            scope: "project:releases",
            ..Endpoint::LIST
        }),
        added: &[("release_version", Added::Context("version")), ("release_date", Added::Context("release_date"))],
        cost: "1 per new release, and 1 per 100 files",
        schema: include_str!("../../../schemas/release_files.json"),
        ..Stream::OPTIONAL
    },
];
