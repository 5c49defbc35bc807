//! The orders of issue lists, and what moves issues in them: late events, expiry, merges that take a while, unmerges.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sentry_simulator::{NewBy, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::client::{get, text, walk};

const NEW: &str = "organizations/acme/issues/?project=-1&query=&sort=new";

/// A server without issues, whose clock stands still.
fn empty(settings: Settings) -> Simulator {
    let shape = Shape { projects: 1, issues_per_project: 0, feedback_issues_per_project: 0, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..settings })
}

/// Three issues: old with a new event, middle, and new. The ids grow in this order.
fn three(settings: Settings) -> (Simulator, Vec<String>) {
    let sim = empty(settings);
    let hours = |hours| sim.now() - TimeDelta::hours(hours);
    let (old, middle, new) = (hours(50), hours(30), hours(2));
    let ids = sim.edit(|org| {
        let ids = [old, middle, new].map(|at| org.add_issue("api-backend", 1, at));
        org.add_events(ids[0], 1, new + TimeDelta::hours(1));
        ids.map(|id| id.to_string()).to_vec()
    });
    (sim, ids)
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(row, "id")).collect()
}

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn last_day(sim: &Simulator) -> String {
    format!("start={}&end={}", iso(sim.now() - TimeDelta::days(1)), iso(sim.now()))
}

#[test]
fn new_is_by_the_first_event_of_the_life_or_of_the_window() {
    let (sim, all) = three(Settings::saas());
    let (old, new) = (all[0].clone(), all[2].clone());
    let path = format!("{NEW}&{}", last_day(&sim));
    assert_eq!(ids(&get(&sim, &path).rows()), [new.clone(), old.clone()], "the old issue is first seen long before");
    sim.settings(|settings| settings.new_by = NewBy::Window);
    let page = get(&sim, &format!("{path}&limit=1"));
    assert_eq!(ids(&page.rows()), std::slice::from_ref(&old), "in the window it begins an hour later than the new one");
    let key = (sim.now() - TimeDelta::hours(2)).timestamp_millis();
    assert_eq!(page.next(), Some(format!("{key}:0:0")));
    assert_eq!(ids(&walk(&sim, &format!("{path}&limit=1"))), [old, new]);
}

#[test]
fn a_late_event_lowers_an_issue_only_by_window() {
    for new_by in [NewBy::Life, NewBy::Window] {
        let (sim, all) = three(Settings { new_by, ..Settings::saas() });
        let late = sim.now() - TimeDelta::hours(60);
        let newest = all[2].parse().expect("an id");
        sim.edit(|org| org.add_events(newest, 1, late));
        let rows = get(&sim, NEW).rows();
        let place = ids(&rows).iter().position(|id| *id == all[2]).expect("it is listed");
        assert_eq!(place, if new_by == NewBy::Life { 0 } else { 2 });
        let stored = json!(iso(sim.now() - TimeDelta::hours(2)));
        assert_eq!(rows[place]["lifetime"]["firstSeen"], stored, "the row keeps what arrived first");
        assert_eq!(rows[place]["firstSeen"], json!(iso(late)), "the window has the late one");
    }
}

#[test]
fn new_events_lift_no_issue_in_the_order_of_new() {
    for new_by in [NewBy::Life, NewBy::Window] {
        let (sim, all) = three(Settings { new_by, ..Settings::saas() });
        let path = format!("{NEW}&limit=1");
        let first = get(&sim, &path);
        let now = sim.now();
        let others: Vec<u64> = all.iter().map(|id| id.parse().expect("an id")).collect();
        sim.edit(|org| others.iter().for_each(|id| drop(org.add_events(*id, 1, now))));
        let mut seen = ids(&first.rows());
        let mut cursor = first.next();
        while let Some(next) = cursor {
            let page = get(&sim, &format!("{path}&cursor={next}"));
            seen.extend(ids(&page.rows()));
            cursor = page.next();
        }
        assert_eq!(seen, [all[2].clone(), all[1].clone(), all[0].clone()]);
    }
}

#[test]
fn events_expire_at_the_far_end_and_lift_their_issue_by_window() {
    let (sim, all) = three(Settings { new_by: NewBy::Window, retention_days: 3, ..Settings::saas() });
    assert_eq!(ids(&get(&sim, NEW).rows()), [all[2].clone(), all[1].clone(), all[0].clone()]);
    sim.advance(Duration::from_secs(23 * 3600));
    assert_eq!(ids(&get(&sim, NEW).rows())[0], all[0], "its first event is gone, the second is the newest of all");
    let events = |sim: &Simulator, id: &str| walk(sim, &format!("organizations/acme/issues/{id}/events/")).len();
    assert_eq!(events(&sim, &all[0]), 1);
    assert_eq!(walk(&sim, "projects/acme/api-backend/events/").len(), 3);
    assert_eq!(sim.truth().event_ids().len(), 3);
    sim.advance(Duration::from_secs(24 * 3600));
    assert_eq!(ids(&get(&sim, NEW).rows()), [all[0].clone(), all[2].clone()], "an issue without events is not listed");
    assert_eq!(events(&sim, &all[1]), 0);
}

#[test]
fn a_merge_that_is_under_way_hides_the_issue_but_not_its_events() {
    let (sim, all) = three(Settings::saas());
    let id = |place: usize| all[place].parse::<u64>().expect("an id");
    sim.edit(|org| org.begin_merge(id(0), id(2)));
    for path in ["", "events/", "hashes/"] {
        let answer = get(&sim, &format!("organizations/acme/issues/{}/{path}", all[0]));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json(), json!({ "detail": "The requested resource does not exist" }));
    }
    assert_eq!(ids(&get(&sim, NEW).rows()), [all[2].clone(), all[1].clone()]);
    let rows = walk(&sim, "projects/acme/api-backend/events/");
    assert_eq!(rows.iter().filter(|row| row["groupID"] == json!(all[0])).count(), 2);
    assert_eq!(walk(&sim, &format!("organizations/acme/issues/{}/events/", all[2])).len(), 1);
    sim.edit(|org| org.merge_issue(id(0), id(2)));
    for issue in [&all[0], &all[2]] {
        assert_eq!(walk(&sim, &format!("organizations/acme/issues/{issue}/events/")).len(), 3);
    }
    let survivor = get(&sim, &format!("organizations/acme/issues/{}/", all[0])).json();
    assert_eq!(text(&survivor, "id"), all[2]);
    assert_eq!(survivor["firstSeen"], json!(iso(sim.now() - TimeDelta::hours(50))), "the older one of both");
}

#[test]
fn an_unmerge_makes_a_new_issue_and_lifts_the_other() {
    let (sim, all) = three(Settings::saas());
    let id = |place: usize| all[place].parse::<u64>().expect("an id");
    sim.edit(|org| org.merge_issue(id(0), id(2)));
    assert_eq!(ids(&get(&sim, NEW).rows()), [all[1].clone(), all[2].clone()]);
    let new = sim.edit(|org| org.unmerge_issue(id(0))).to_string();
    assert_eq!(ids(&get(&sim, NEW).rows()), [all[2].clone(), all[1].clone(), new.clone()]);
    assert_eq!(walk(&sim, &format!("organizations/acme/issues/{new}/events/")).len(), 2);
    for issue in [&all[0], &all[2]] {
        assert_eq!(walk(&sim, &format!("organizations/acme/issues/{issue}/events/")).len(), 1, "what is left");
    }
}

#[test]
fn equal_keys_have_a_fixed_order_unless_told_otherwise() {
    let sim = empty(Settings::saas());
    let at = sim.now() - TimeDelta::hours(1);
    let mut made = sim.edit(|org| (0..6).map(|_| org.add_issue("api-backend", 1, at).to_string()).collect::<Vec<_>>());
    made.reverse();
    assert_eq!(ids(&get(&sim, NEW).rows()), made, "the larger id first");
    sim.settings(|settings| settings.unstable_list_ties = true);
    let orders: BTreeSet<_> = (0..8).map(|_| ids(&get(&sim, NEW).rows())).collect();
    assert!(orders.len() > 2);
    assert!(orders.iter().all(|order| order.iter().collect::<BTreeSet<_>>() == made.iter().collect()));
}

#[test]
fn pages_of_issues_can_be_small() {
    let (sim, all) = three(Settings { most_rows: 2, ..Settings::saas() });
    assert_eq!(get(&sim, &format!("{NEW}&limit=100")).rows().len(), 2);
    assert_eq!(walk(&sim, NEW).len(), all.len());
}

#[test]
fn the_old_server_sorts_by_when_issues_were_first_seen() {
    let (sim, all) = three(Settings::sentry9());
    let rows = |sort: &str| ids(&get(&sim, &format!("projects/acme/api-backend/issues/?query=&sort={sort}")).rows());
    assert_eq!(rows("new"), [all[2].clone(), all[1].clone(), all[0].clone()]);
    assert_eq!(rows("date"), [all[0].clone(), all[2].clone(), all[1].clone()]);
    assert_eq!(get(&sim, "projects/acme/api-backend/issues/?query=&sort=odd").status, 500);
}

#[test]
fn a_hidden_project_says_so_and_is_left_out_in_silence() {
    let (sim, all) = three(Settings::saas());
    sim.deny_project("api-backend");
    let row = get(&sim, "organizations/acme/projects/").rows().remove(0);
    assert_eq!(row["hasAccess"], json!(false));
    assert!(get(&sim, NEW).rows().is_empty());
    let named = format!("organizations/acme/issues/?query=&project={}", text(&row, "id"));
    assert_eq!(get(&sim, &named).status, 403);
    sim.allow_project("api-backend");
    assert_eq!(get(&sim, NEW).rows().len(), all.len());
    assert_eq!(get(&sim, "organizations/acme/projects/").rows()[0]["hasAccess"], json!(true));
}

#[test]
fn a_slug_of_digits_is_taken_for_an_id_by_all_but_old_servers() {
    for (settings, expected) in [(Settings::saas(), 404), (Settings::sentry23(), 200), (Settings::sentry9(), 200)] {
        let sim = empty(settings);
        let now = sim.now();
        let id = sim.edit(|org| org.add_project("20261", now));
        assert_eq!(get(&sim, "projects/acme/20261/").status, expected);
        let by_id = if expected == 404 { 200 } else { 404 };
        assert_eq!(get(&sim, &format!("projects/acme/{id}/")).status, by_id);
    }
}
