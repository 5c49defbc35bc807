//! Event lists and details: forms, caps, samples, windows.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use sentry_simulator::{Category, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::client::{get, self_hosted, text, walk};

fn one_issue(size: usize) -> Shape {
    Shape { projects: 1, issue_sizes: vec![vec![size]], ..Shape::default() }
}

fn issue(sim: &Simulator) -> String {
    format!("organizations/acme/issues/{}/events/", sim.read(|org| org.issues[0].id))
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(row, "id")).collect()
}

#[test]
fn full_pages_are_capped() {
    let settings = Settings { limits: false, ..Settings::saas() };
    let sim = Simulator::start(Organization::generate(&one_issue(25)), settings);
    for path in [issue(&sim), "projects/acme/api-backend/events/".to_owned()] {
        let page = get(&sim, &format!("{path}?full=true&per_page=100"));
        assert_eq!((page.rows().len(), page.next().as_deref()), (10, Some("0:10:0")));
        assert!(page.rows()[0].get("entries").is_some());
        assert_eq!(get(&sim, &format!("{path}?full=false")).rows().len(), 25);
    }
    sim.settings(|settings| settings.any_value_is_true = true);
    assert_eq!(get(&sim, &format!("{}?full=false", issue(&sim))).rows().len(), 10);
    let hosted = self_hosted(&one_issue(25));
    assert_eq!(get(&hosted, &format!("{}?full=1", issue(&hosted))).rows().len(), 25);
}

#[test]
fn samples_have_a_fixed_order_of_their_own() {
    let sim = self_hosted(&one_issue(50));
    for path in [issue(&sim), "projects/acme/api-backend/events/".to_owned()] {
        let sample = walk(&sim, &format!("{path}?sample=true&per_page=7"));
        assert_eq!(ids(&sample), ids(&walk(&sim, &format!("{path}?sample=1&per_page=20"))));
        let newest = walk(&sim, &path);
        assert_ne!(ids(&sample), ids(&newest));
        let set = |rows: &[Value]| ids(rows).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(set(&sample), set(&newest));
    }
    let sample = ids(&walk(&sim, "projects/acme/api-backend/events/?sample=1"));
    assert!(sample.is_sorted(), "projects sample by id");
    sim.settings(|settings| settings.honours_sample = false);
    let plain = walk(&sim, "projects/acme/api-backend/events/?sample=1");
    assert!(plain.iter().map(|row| text(row, "dateCreated")).is_sorted_by(|a, b| a[..19] >= b[..19]));
}

#[test]
fn windows() {
    let sim = self_hosted(&one_issue(0));
    let (id, at) = (sim.read(|org| org.issues[0].id), sim.now() - TimeDelta::hours(2));
    sim.edit(|org| org.add_events(id, 3, at));
    let iso = |seconds: i64| (at + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true);
    for path in [issue(&sim), "projects/acme/api-backend/events/".to_owned()] {
        let rows = |from, to| get(&sim, &format!("{path}?start={}&end={}", iso(from), iso(to))).rows().len();
        assert_eq!((rows(-2, 1), rows(-2, 0), rows(-1, 0)), (3, 2, 1), "{path}");
        let old = get(&sim, &format!("{path}?start=2020-01-01&end=2020-02-01"));
        assert_eq!((old.status, &old.json()["detail"]), (500, &json!("Internal Error")));
        assert_eq!(get(&sim, &format!("{path}?statsPeriod=1h")).rows().len(), 0);
        sim.settings(|settings| settings.honours_dates = false);
        assert_eq!(rows(-2, 0), 3);
        sim.settings(|settings| settings.honours_dates = true);
    }
}

#[test]
fn retention_hides_old_events() {
    let sim = self_hosted(&one_issue(0));
    let (id, now) = (sim.read(|org| org.issues[0].id), sim.now());
    sim.edit(|org| {
        org.add_events(id, 1, now - TimeDelta::days(100));
        org.add_events(id, 1, now - TimeDelta::days(1));
    });
    assert_eq!(walk(&sim, &issue(&sim)).len(), 1);
    assert_eq!(sim.truth().events[&id.to_string()].len(), 1);
    assert_eq!(sim.truth().issues[&id.to_string()].count, 2);
}

#[test]
fn only_errors_are_in_project_lists() {
    let shape = Shape { performance_issues_per_project: 2, ..one_issue(5) };
    let sim = self_hosted(&shape);
    assert_eq!(walk(&sim, "projects/acme/api-backend/events/").len(), 5);
    let slow = sim.read(|org| org.issues.iter().find(|issue| issue.category == Category::Performance).map(|i| i.id));
    let path = format!("organizations/acme/issues/{}/events/?full=1", slow.expect("one"));
    let rows = walk(&sim, &path);
    assert_eq!(rows.len(), 3);
    assert!(rows[0]["occurrence"].is_object());
}

#[test]
fn details() {
    let sim = self_hosted(&one_issue(4));
    let rows = walk(&sim, &issue(&sim));
    let (id, older) = (text(&rows[1], "id"), text(&rows[2], "id"));
    for path in [format!("{}{id}/", issue(&sim)), format!("projects/acme/api-backend/events/{id}/")] {
        let detail = get(&sim, &path).json();
        assert_eq!(text(&detail, "eventID"), id);
        assert_eq!(detail["nextEventID"], rows[0]["id"]);
        assert_eq!(text(&detail, "previousEventID"), older);
        for key in ["release", "userReport", "sdkUpdates", "resolvedWith", "entries", "_meta"] {
            assert!(detail.get(key).is_some(), "{key}");
        }
    }
    let oldest = get(&sim, &format!("{}oldest/", issue(&sim))).json();
    assert_eq!(oldest["id"], rows[3]["id"]);
    let missing = get(&sim, "projects/acme/api-backend/events/00000000000000000000000000000000/");
    assert_eq!((missing.status, missing.json()), (404, json!({ "detail": "Event not found" })));
}

#[test]
fn times_and_people_vary() {
    let sim = self_hosted(&one_issue(100));
    let rows = get(&sim, "projects/acme/api-backend/events/").rows();
    let lengths: BTreeSet<_> = rows.iter().map(|row| text(row, "dateCreated").len()).collect();
    assert_eq!(lengths, BTreeSet::from([20, 24]));
    assert!(rows.iter().any(|row| row["user"].is_null()) && rows.iter().any(|row| row["user"].is_object()));
    let by_issue = get(&sim, &issue(&sim)).rows();
    assert!(by_issue.iter().all(|row| text(row, "dateCreated").len() == 20));
    let detail = get(&sim, &format!("{}latest/", issue(&sim))).json();
    assert_eq!(text(&detail, "dateCreated").len(), 27);
}
