//! Issue lists and details: queries, windows, numbers, merges.

use chrono::{SecondsFormat, TimeDelta};
use sentry_simulator::{Shape, Simulator};
use serde_json::json;

use crate::client::{get, self_hosted, text, walk};

const ALL: &str = "organizations/acme/issues/?project=-1&query=";

fn window(sim: &Simulator, hours: i64) -> String {
    let end = sim.now();
    let start = end - TimeDelta::hours(hours);
    let iso = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("start={}&end={}", iso(start), iso(end))
}

#[test]
fn window_numbers_beside_lifetime_numbers() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 1, events_per_issue: 7, ..Shape::default() });
    let id = sim.read(|org| org.issues[0].id);
    let at = sim.now() - TimeDelta::minutes(5);
    sim.edit(|org| org.add_events(id, 2, at));
    let rows = get(&sim, &format!("{ALL}&{}", window(&sim, 1))).rows();
    assert_eq!(rows.len(), 1);
    let truth = sim.truth();
    let truth = &truth.issues[&id.to_string()];
    assert_eq!(rows[0]["lifetime"]["count"], json!("9"));
    assert_eq!(rows[0]["lifetime"]["firstSeen"], json!(truth.first_seen));
    assert_eq!(rows[0]["lifetime"]["lastSeen"], json!(truth.last_seen));
    assert_eq!(rows[0]["count"], json!("3"), "two added, and the newest generated one");
    assert_ne!(rows[0]["firstSeen"], rows[0]["lifetime"]["firstSeen"]);
}

#[test]
fn windows_are_half_open_over_event_times() {
    let sim =
        self_hosted(&Shape { projects: 1, issues_per_project: 0, feedback_issues_per_project: 0, ..Shape::default() });
    let at = sim.now() - TimeDelta::hours(1);
    sim.edit(|org| org.add_issue("api-backend", 1, at));
    let from = |seconds: i64| (at + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let rows = |start, end| get(&sim, &format!("{ALL}&start={}&end={}", from(start), from(end))).rows().len();
    assert_eq!((rows(0, 1), rows(-1, 0), rows(1, 2)), (1, 0, 0));
    assert_eq!(get(&sim, &format!("{ALL}&start=2020-01-01&end=2020-02-01")).rows().len(), 0);
}

#[test]
fn queries() {
    let sim = self_hosted(&Shape { projects: 2, issues_per_project: 12, ..Shape::default() });
    let all = walk(&sim, ALL);
    assert_eq!(all.len(), 24);
    let absent = walk(&sim, "organizations/acme/issues/?project=-1");
    assert!(!absent.is_empty() && absent.len() < 24);
    assert!(absent.iter().all(|row| row["status"] == "unresolved"));
    let feedback = walk(&sim, "organizations/acme/issues/?project=-1&query=issue.category:feedback");
    assert_eq!(feedback.len(), 2);
    assert!(feedback.iter().all(|row| row["issueCategory"] == "feedback"));
    let own = walk(&sim, "organizations/acme/issues/?query=");
    assert_eq!(own.len(), 12, "without project= only the caller's own projects count");
    let project = text(&all[0]["project"], "id");
    assert_eq!(walk(&sim, &format!("organizations/acme/issues/?query=&project={project}")).len(), 12);
    assert_eq!(get(&sim, "organizations/acme/issues/?query=&project=1").status, 403);
    assert_eq!(get(&sim, "organizations/acme/issues/?query=is:odd").status, 400);
    assert_eq!(get(&sim, &format!("{ALL}&per_page=1")).rows().len(), 24);
    assert_eq!(get(&sim, &format!("{ALL}&limit=1000")).header("X-Hits"), Some("24"));
}

#[test]
fn collapse_and_series() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 1, ..Shape::default() });
    let row = &get(&sim, &format!("{ALL}&collapse=stats&collapse=unhandled")).rows()[0];
    for gone in ["count", "userCount", "firstSeen", "lastSeen", "stats", "lifetime", "filtered", "isUnhandled"] {
        assert!(row.get(gone).is_none(), "{gone}");
    }
    let row = &get(&sim, &format!("{ALL}&groupStatsPeriod=&collapse=filtered")).rows()[0];
    assert!(row.get("stats").is_none() && row.get("filtered").is_none() && row.get("lifetime").is_some());
    assert_eq!(get(&sim, &format!("{ALL}&groupStatsPeriod=3d")).status, 400);
    assert_eq!(row["count"], row["lifetime"]["count"]);
    assert!(row["count"].is_string() && row["userCount"].is_number());
}

#[test]
fn merged_and_deleted_issues() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 3, events_per_issue: 4, ..Shape::default() });
    let ids: Vec<_> = sim.read(|org| org.issues.iter().map(|issue| issue.id).collect());
    sim.edit(|org| {
        org.merge_issue(ids[0], ids[1]);
        org.delete_issue(ids[2]);
    });
    let detail = get(&sim, &format!("organizations/acme/issues/{}/", ids[0]));
    assert_eq!((detail.status, text(&detail.json(), "id")), (200, ids[1].to_string()));
    assert_eq!(walk(&sim, &format!("organizations/acme/issues/{}/events/", ids[0])).len(), 8);
    let gone = get(&sim, &format!("organizations/acme/issues/{}/", ids[2]));
    assert_eq!(gone.json(), json!({ "detail": "The requested resource does not exist" }));
    assert_eq!(gone.status, 404);
    assert_eq!(walk(&sim, ALL).len(), 1);
}

#[test]
fn resolving_does_not_move_last_seen() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 1, ..Shape::default() });
    let before = get(&sim, ALL).rows()[0].clone();
    sim.edit(|org| org.resolve_issue(org.issues[0].id));
    let after = get(&sim, ALL).rows()[0].clone();
    assert_eq!((&after["status"], &after["lastSeen"]), (&json!("resolved"), &before["lastSeen"]));
    assert_eq!(get(&sim, "organizations/acme/issues/?project=-1").rows().len(), 0);
}

#[test]
fn batches_by_id() {
    let sim = self_hosted(&Shape { projects: 2, issues_per_project: 2, ..Shape::default() });
    let ids: Vec<_> = sim.read(|org| org.issues.iter().map(|issue| issue.id).collect());
    let path = format!("organizations/acme/issues/?project=-1&group={}&group={}&group=1", ids[0], ids[1]);
    let answer = get(&sim, &path);
    assert_eq!(answer.rows().len(), 2);
    assert_eq!(answer.header("Link"), None);
    assert_eq!(get(&sim, "organizations/acme/issues/?group=x").status, 400);
}

#[test]
fn old_project_list_ignores_windows() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 12, ..Shape::default() });
    let path = "projects/acme/api-backend/issues/?query=&start=2000-01-01&end=2000-01-02";
    let answer = get(&sim, path);
    assert_eq!(answer.rows().len(), 13, "feedback is on the first page");
    assert_eq!(answer.header("X-Hits"), Some("13"));
    assert!(answer.rows()[0].get("lifetime").is_none());
    assert!(get(&sim, "projects/acme/api-backend/issues/").rows().len() < 12);
    assert_eq!(get(&sim, "projects/acme/api-backend/issues/?statsPeriod=90d").status, 400);
}

#[test]
fn filtering_after_the_cut_empties_pages() {
    let sim = self_hosted(&Shape { projects: 1, issues_per_project: 30, ..Shape::default() });
    let path = "organizations/acme/issues/?query=is:resolved&limit=1";
    let whole = walk(&sim, path).len();
    sim.settings(|settings| settings.post_filter = true);
    assert_eq!(walk(&sim, path).len(), whole);
    let empty = sim.requests().iter().filter(|request| request.rows == 0).count();
    assert!(empty > 5);
}
