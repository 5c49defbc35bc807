//! The server of 2019 answers like a real one that was observed.

use std::collections::BTreeSet;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::client::{get, text, walk};

fn start(shape: &Shape) -> Simulator {
    Simulator::start(Organization::generate(shape), Settings::sentry9())
}

fn keys(row: &Value) -> BTreeSet<&str> {
    row.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn organization_issues_are_refused() {
    let sim = start(&Shape::default());
    for list in ["issues", "users", "releases"] {
        assert_eq!(get(&sim, &format!("organizations/acme/{list}/?project=-1")).status, 403, "{list}");
    }
    let all = get(&sim, "organizations/acme/issues/?query=&project=4501000000&project=4501000001");
    assert_eq!(all.status, 400);
    assert_eq!(all.text(), r#"{"detail":"You do not have the multi project stream feature enabled"}"#);
    let one = get(&sim, "organizations/acme/issues/?query=&project=4501000000");
    assert_eq!((one.status, &one.json()["detail"]), (500, &json!("Internal Error")));
    let id = sim.read(|org| org.issues[0].id);
    for path in [format!("organizations/acme/issues/{id}/"), format!("organizations/acme/issues/{id}/events/")] {
        let answer = get(&sim, &path);
        assert_eq!((answer.status, answer.text().as_str()), (404, ""));
        assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(get(&sim, &format!("issues/{id}/")).status, 200);
}

#[test]
fn events_page_by_time_and_are_always_full() {
    let sim = start(&Shape { issue_sizes: vec![vec![30]], projects: 1, ..Shape::default() });
    let id = sim.read(|org| org.issues[0].id);
    for path in [format!("issues/{id}/events/?per_page=7"), "projects/acme/api-backend/events/?per_page=7".to_owned()] {
        let page = get(&sim, &path);
        let rows = page.rows();
        assert!(rows[0].get("entries").is_some() && rows[0].get("event.type").is_none());
        assert_ne!(rows[0]["id"], rows[0]["eventID"]);
        let second = chrono::DateTime::parse_from_rfc3339(&text(&walk(&sim, &path)[7], "dateCreated")).expect("a time");
        assert_eq!(page.next(), Some(format!("{}:0:0", second.timestamp() * 1000)));
        let walked: BTreeSet<_> = walk(&sim, &path).iter().map(|row| text(row, "eventID")).collect();
        assert_eq!(walked, sim.truth().event_ids());
    }
    let ignored = "projects/acme/api-backend/events/?start=2020-01-01&end=2020-01-02";
    assert_eq!(get(&sim, ignored).rows().len(), 30);
}

#[test]
fn issue_events_take_both_ends() {
    let sim = start(&Shape { issue_sizes: vec![vec![0]], projects: 1, ..Shape::default() });
    let (id, at) = (sim.read(|org| org.issues[0].id), sim.now() - chrono::TimeDelta::hours(1));
    sim.edit(|org| org.add_events(id, 3, at));
    let iso = |back: i64| (at - chrono::TimeDelta::seconds(back)).format("%Y-%m-%dT%H:%M:%S").to_string();
    let path = format!("issues/{id}/events/?start={}&end={}", iso(1), iso(0));
    assert_eq!(get(&sim, &path).rows().len(), 2);
    assert_eq!(get(&sim, &format!("issues/{id}/events/?start={}", iso(1))).status, 500);
}

#[test]
fn bad_parameters_crash() {
    let sim = start(&Shape::default());
    for path in [
        "organizations/acme/projects/?per_page=101",
        "organizations/acme/projects/?per_page=x",
        "organizations/acme/projects/?cursor=x",
        "projects/acme/api-backend/issues/?sort=date&cursor=x",
    ] {
        assert_eq!(get(&sim, path).status, 500, "{path}");
    }
    let zero = get(&sim, "organizations/acme/projects/?per_page=0");
    assert_eq!((zero.rows().len(), zero.next().as_deref()), (0, Some("0:1:0")));
    assert_eq!(get(&sim, "projects/acme/4501000000/").status, 404);
    assert_eq!(get(&sim, "projects/acme/api-backend/issues/?limit=x").status, 400);
}

#[test]
fn rows_have_the_old_keys() {
    let sim = start(&Shape::default());
    let issue = get(&sim, "projects/acme/api-backend/issues/?query=").rows()[0].clone();
    let expected = "annotations assignedTo count culprit firstSeen hasSeen id isBookmarked isPublic isSubscribed \
        lastSeen level logger metadata numComments permalink project shareId shortId stats status statusDetails \
        subscriptionDetails title type userCount";
    assert_eq!(keys(&issue), expected.split_whitespace().collect());
    let release = get(&sim, "organizations/acme/releases/").rows()[0].clone();
    let expected = "authors commitCount data dateCreated dateReleased deployCount firstEvent lastCommit lastDeploy \
        lastEvent newGroups owner projects ref shortVersion url version";
    assert_eq!(keys(&release), expected.split_whitespace().collect());
    let member = get(&sim, "organizations/acme/members/").rows()[0].clone();
    let expected = "dateCreated email expired flags id name pending role roleName user";
    assert_eq!(keys(&member), expected.split_whitespace().collect());
    let event = get(&sim, "projects/acme/api-backend/events/").rows()[0].clone();
    let expected = "_meta context contexts crashFile culprit dateCreated dateReceived dist entries errors eventID \
        fingerprints groupID groupingConfig id location message metadata packages platform projectID sdk size tags \
        title type user";
    assert_eq!(keys(&event), expected.split_whitespace().collect());
    assert_eq!(walk(&sim, "organizations/acme/releases/?per_page=3").len(), 8);
    assert!(get(&sim, "organizations/acme/users/").rows().len() < sim.truth().users.len());
}

#[test]
fn connections_close_without_a_word() {
    let sim = start(&Shape::default());
    let answer = get(&sim, "organizations/acme/teams/");
    assert_eq!((answer.header("Connection"), answer.header("Date")), (None, None));
    let twice =
        crate::client::request(&sim, "organizations/acme/teams/", sim.token(), "").replace("Connection: close\r\n", "");
    crate::client::raw(&sim, &twice).expect("the server closes");
    assert_eq!(sim.requests().len(), 2);
}
