//! Projects, people, releases; tokens, scopes, refusals.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sentry_simulator::{Shape, Simulator};
use serde_json::{Value, json};

use crate::client::{get, get_as, parse, raw, request, self_hosted, text, walk};

fn detail(sim: &Simulator, path: &str) -> (u16, Value) {
    let answer = get(sim, path);
    (answer.status, answer.json()["detail"].clone())
}

#[test]
fn renamed_projects_redirect() {
    let sim = self_hosted(&Shape::default());
    sim.edit(|org| org.rename_project("api-backend", "backend-api"));
    let moved = get(&sim, "projects/acme/api-backend/events/?full=1");
    let url = "/api/0/projects/acme/backend-api/events/?full=1";
    assert_eq!((moved.status, moved.header("Location")), (302, Some(url)));
    assert_eq!(
        moved.json(),
        json!({ "slug": "backend-api", "detail": { "extra": { "url": url, "slug": "backend-api" } } })
    );
    assert_eq!(get(&sim, "projects/acme/backend-api/").status, 200);
    let id = sim.truth().projects.first().expect("a project").clone();
    assert_eq!(text(&get(&sim, &format!("projects/acme/{id}/")).json(), "slug"), "backend-api");
}

#[test]
fn tokens_and_scopes() {
    let sim = self_hosted(&Shape::default());
    let events = sim.token_with(&["event:read"]);
    let projects = sim.token_with(&["project:read"]);
    let status = |path: &str, token: &str| get_as(&sim, path, token).status;
    assert_eq!(status("organizations/acme/issues/", &events), 200);
    assert_eq!(status("projects/acme/api-backend/events/", &events), 403);
    assert_eq!(status("projects/acme/api-backend/events/", &projects), 200);
    assert_eq!(status("organizations/acme/issues/", &projects), 403);
    assert_eq!(status("organizations/acme/releases/", &projects), 200);
    assert_eq!(status("organizations/acme/members/", &projects), 403);
    let refused = get_as(&sim, "organizations/acme/projects/", &events);
    assert_eq!(refused.text(), r#"{"detail":"You do not have permission to perform this action."}"#);
    let unknown = get_as(&sim, "organizations/acme/projects/", "nonsense");
    assert_eq!((unknown.status, unknown.text().as_str()), (401, r#"{"detail":"Invalid token"}"#));
    let bare =
        format!("GET /api/0/organizations/acme/ HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", sim.address());
    let none = parse(&raw(&sim, &bare).expect("an answer"));
    assert_eq!((none.status, none.json()), (401, json!({ "detail": "Authentication credentials were not provided." })));
    assert!(!sim.requests().last().expect("a request").authorized);
}

#[test]
fn unknown_things() {
    let sim = self_hosted(&Shape::default());
    assert_eq!(detail(&sim, "organizations/nope/projects/"), (404, json!("The requested resource does not exist")));
    assert_eq!(detail(&sim, "projects/acme/nope/"), (404, json!("Project does not exist")));
    assert_eq!(
        detail(&sim, "organizations/acme/releases/nope/"),
        (404, json!("The requested resource does not exist"))
    );
    sim.settings(|settings| settings.empty_org_404 = true);
    assert_eq!(get(&sim, "organizations/nope/projects/").text(), "");
    let route = get(&sim, "organizations/acme/nonsense/");
    assert_eq!((route.status, route.text().as_str()), (404, ""));
    let slash = get(&sim, "organizations/acme/projects");
    assert_eq!((slash.status, slash.header("Content-Type")), (404, Some("text/plain")));
    let json = request(&sim, "organizations/acme/projects", sim.token(), "Content-Type: application/json\r\n");
    let hint = "Route not found, did you forget a trailing slash? try: /api/0/organizations/acme/projects/";
    assert_eq!(parse(&raw(&sim, &json).expect("an answer")).json(), json!({ "info": hint }));
}

#[test]
fn denied_projects() {
    let sim = self_hosted(&Shape::default());
    sim.deny_project("web-frontend");
    for path in ["projects/acme/web-frontend/", "projects/acme/web-frontend/events/"] {
        assert_eq!(detail(&sim, path), (403, json!("You do not have permission to perform this action.")));
    }
    let truth = sim.truth();
    let issues = walk(&sim, "organizations/acme/issues/?project=-1&query=");
    assert!(issues.iter().all(|row| row["project"]["slug"] != "web-frontend"));
    assert!(issues.iter().all(|row| truth.issues.contains_key(&text(row, "id"))));
    assert_eq!(walk(&sim, "organizations/acme/projects/").len(), 3);
}

#[test]
fn users_need_all_projects_to_be_named() {
    let sim = self_hosted(&Shape { members: 12, ..Shape::default() });
    let all = get(&sim, "organizations/acme/users/?project=-1");
    assert_eq!(all.header("Link"), None);
    let own = get(&sim, "organizations/acme/users/").rows();
    assert!(!own.is_empty() && own.len() < all.rows().len());
    assert!(all.rows().iter().all(|row| row["projects"].is_array() && row["user"].is_object()));
    let members = walk(&sim, "organizations/acme/members/");
    assert!(members.iter().any(|row| row["user"].is_null() && row["pending"] == true));
    sim.settings(|settings| settings.users_gone = true);
    assert_eq!(get(&sim, "organizations/acme/users/").status, 404);
}

#[test]
fn releases() {
    let sim = self_hosted(&Shape::default());
    let versions = |path: &str| walk(&sim, path).iter().map(|row| text(row, "version")).collect::<BTreeSet<_>>();
    let truth = sim.truth().releases;
    assert_eq!(versions("organizations/acme/releases/?project=-1&status=&per_page=3"), truth.keys().cloned().collect());
    assert!(versions("organizations/acme/releases/?project=-1").len() < truth.len());
    assert!(versions("organizations/acme/releases/?status=").len() < truth.len());
    for (version, expected) in &truth {
        let encoded = utf8_percent_encode(version, NON_ALPHANUMERIC);
        let path = format!("organizations/acme/releases/{encoded}/");
        let row = get(&sim, &path).json();
        assert_eq!(row["commitCount"], json!(expected.commits.len()), "{version}");
        assert!(row["id"].is_number());
        let commits = walk(&sim, &format!("{path}commits/?per_page=2"));
        assert_eq!(commits.iter().map(|row| text(row, "id")).collect::<Vec<_>>(), expected.commits);
        let deploys: BTreeSet<_> = walk(&sim, &format!("{path}deploys/")).iter().map(|row| text(row, "id")).collect();
        assert_eq!(deploys, expected.deploys.iter().cloned().collect());
    }
    assert_eq!(detail(&sim, "organizations/acme/releases/?status=odd"), (400, json!("invalid value for status")));
}

#[test]
fn new_things_appear() {
    let sim = self_hosted(&Shape::default());
    let before = sim.truth();
    let at = sim.now() - TimeDelta::minutes(1);
    let (project, issue) = sim.edit(|org| (org.add_project("fresh", at), org.add_issue("fresh", 3, at)));
    sim.edit(|org| org.add_release("fresh", "fresh@1", at));
    let after = sim.truth();
    assert_eq!(after.projects.len(), before.projects.len() + 1);
    assert_eq!(get(&sim, &format!("projects/acme/{project}/events/")).rows().len(), 3);
    assert_eq!(after.events[&issue.to_string()].len(), 3);
    let newest = get(&sim, "organizations/acme/issues/?query=&project=-1&limit=1").rows();
    let id = text(&newest[0], "id");
    assert!(after.issues[&id].last_seen >= after.issues[&issue.to_string()].last_seen);
    assert_eq!(get(&sim, "organizations/acme/releases/fresh%401/").status, 200);
}
