//! A project's detail (API §2.2).

use serde_json::{Value, json};

use super::{project, release, sentry9};
use crate::hash::mix2;
use crate::organization::{Organization, Project};

/// The detail.
pub(crate) fn row(org: &Organization, subject: &Project, origin: &str, sentry9: bool) -> Value {
    let mut row = project::base(org, subject);
    let parts = [
        project::looks(),
        options(subject),
        settings(subject),
        newer(),
        json!({ "organization": project::organization(org, origin) }),
    ];
    if let Some(object) = row.as_object_mut() {
        object.remove("hasUserReports");
        for part in parts {
            object.extend(part.as_object().cloned().unwrap_or_default());
        }
    }
    if sentry9 {
        let latest = project::latest_release(org, subject);
        let latest = latest.map(|latest| release::row(org, latest, true));
        sentry9::project_detail(&mut row, latest);
    }
    row
}

/// A made-up secret.
fn token(project: &Project) -> String {
    format!("{:016x}{:016x}", mix2(project.id, 1), mix2(project.id, 2))
}

fn options(project: &Project) -> Value {
    json!({ "options": {
        "sentry:transaction_name_cluster_rules": [], "digests:mail:maximum_delay": 600,
        "sentry:scrub_defaults": false, "sentry:scrape_javascript": true, "mail:subject_prefix": "",
        "sentry:relay_pii_config": null, "sentry:token": token(project), "sentry:resolve_age": 168,
        "sentry:store_crash_reports": 5, "sentry:origins": ["example.com"], "sentry:sensitive_fields": ["sudo"],
        "sentry:verify_ssl": true, "filters:blacklisted_ips": "", "filters:react-hydration-errors": true,
        "feedback:branding": true,
    } })
}

fn settings(project: &Project) -> Value {
    json!({
        "digestsMinDelay": 180, "digestsMaxDelay": 600, "subjectPrefix": "[Größe] ",
        "subjectTemplate": "$shortID - $title", "allowedDomains": ["example.com", "*"], "resolveAge": 168,
        "dataScrubber": false, "dataScrubberDefaults": false, "safeFields": [], "sensitiveFields": ["sudo"],
        "storeCrashReports": if project.id.is_multiple_of(2) { Some(5) } else { None },
        "securityToken": token(project), "securityTokenHeader": null, "verifySSL": true,
        "scrubIPAddresses": false, "scrapeJavaScript": true, "groupingConfig": "newstyle:2026-01-20",
        "processingIssues": 0, "defaultEnvironment": if project.id.is_multiple_of(3) { Some("prod") } else { None },
        "relayPiiConfig": if project.id.is_multiple_of(2) { None } else { Some("{\"rules\":{}}") },
    })
}

fn newer() -> Value {
    json!({
        "groupingEnhancements": "", "derivedGroupingEnhancements": "", "secondaryGroupingExpiry": 1_687_010_243,
        "secondaryGroupingConfig": "newstyle:2023-01-11", "fingerprintingRules": "",
        "builtinSymbolSources": ["ios"], "dynamicSamplingBiases": [{ "id": "boostEnvironments", "active": true }],
        "symbolSources": "[]", "tempestFetchScreenshots": false, "debugFilesRole": null,
        "isDynamicallySampled": true, "enableAutoReleaseCreation": true, "autofixAutomationTuning": "off",
        "seerScannerAutomation": true, "seerNightshiftTweaks": null, "highlightTags": ["handled"],
        "highlightContext": { "browser": ["name"] }, "highlightPreset": { "tags": [], "context": {} },
        "scmSourceContextEnabled": false,
    })
}
