//! Projects that are hidden from the token: what bookmarks say of them, and what is taken for hidden.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::Tap;
use crate::support::server::strike;

fn simulator() -> Simulator {
    let shape = Shape { projects: 3, releases: 9, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

fn error() -> FaultKind {
    FaultKind::status(500, r#"{"detail": "Internal Error"}"#)
}

/// The list of releases leaves the project out without a word. Its detail is refused, and the list of projects, read once
/// more, tells why. Where that list fails, it may be any of them.
#[test]
fn what_is_hidden_while_a_run_goes_on_is_read_from_its_beginning_once_it_may_be() {
    for list_fails in [false, true] {
        let simulator = simulator();
        let ids: Vec<(u64, String)> =
            simulator.read(|org| org.projects.iter().map(|project| (project.id, project.slug.clone())).collect());
        let (hidden, first) = (ids[2].0, ids[0].1.clone());
        let earlier = simulator.now() - TimeDelta::days(2);
        simulator.edit(|org| org.add_release(&ids[2].1, "only@1", earlier));
        let truth: BTreeSet<String> = simulator.truth().releases.into_keys().collect();
        simulator.plan("/acme/releases/?", 1, move |moment| moment.deny(hidden));
        strike(
            &simulator,
            &format!("/projects/acme/{first}/"),
            NthHit::first(1),
            FaultKind::Delay(Duration::from_millis(400)),
        );
        if list_fails {
            strike(&simulator, "/acme/projects/?", NthHit::only(2), error());
        }
        let tap = || Tap::new(&simulator).only(&["project_detail", "releases"]).set("max_retries", json!(0));
        let one = tap().run();
        assert_eq!(one.code, 1, "{}", one.stderr);
        assert!(one.keys("releases", "version").len() < truth.len(), "nothing was hidden");
        simulator.allow_projects();
        let two = tap().state(one.last_state()).sync();
        assert_eq!(&one.keys("releases", "version") | &two.keys("releases", "version"), truth, "{list_fails}");
    }
}

/// Only a refusal says that a project is hidden. What could not be asked for is not read, and all else is.
#[test]
fn an_error_is_not_taken_for_a_hidden_project() {
    let simulator = simulator();
    let (id, slug) = simulator.read(|org| (org.projects[1].id, org.projects[1].slug.clone()));
    simulator.deny_project(&slug);
    strike(
        &simulator,
        &format!("/acme/issues/?groupStatsPeriod=&collapse=filtered&query=&project={id}"),
        NthHit::every(),
        error(),
    );
    let run = Tap::new(&simulator).only(&["issues", "releases", "teams"]).set("max_retries", json!(0)).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("answered 500") && !run.stderr.contains("hidden projects"), "{}", run.stderr);
    for stream in ["issues", "releases", "teams"] {
        assert!(!run.records(stream).is_empty(), "{stream} has to wait for that project");
    }
    let bookmark = &run.last_state()["bookmarks"]["releases"];
    let covered = bookmark["project_ids"].as_array().expect("ids");
    assert!(bookmark["start"].is_string() && !covered.contains(&json!(id.to_string())), "{bookmark}");
}

/// The list of projects says that one may not be seen. Where nothing else tells, that stands.
#[test]
fn a_flag_that_nothing_speaks_against_is_believed() {
    let simulator = simulator();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    let tap = || Tap::new(&simulator).only(&["releases"]).set("max_retries", json!(0));
    let whole = tap().sync();
    simulator.deny_project(&slug);
    let (body, content_type) = ("<html></html>".to_owned(), "text/html".to_owned());
    let page = FaultKind::Status { code: 404, body, content_type, headers: Vec::new() };
    strike(&simulator, "/acme/issues/?", NthHit::every(), page);
    let first = tap().run();
    assert_eq!(first.code, 1, "{}", first.stderr);
    simulator.clear_faults();
    simulator.allow_projects();
    let second = tap().state(first.last_state()).sync();
    assert_eq!(
        &first.keys("releases", "version") | &second.keys("releases", "version"),
        whole.keys("releases", "version")
    );
}

/// The slugs and ids of the projects.
fn projects(simulator: &Simulator) -> Vec<(String, u64)> {
    simulator.read(|org| org.projects.iter().map(|project| (project.slug.clone(), project.id)).collect())
}

/// A list that is asked for chosen projects is refused if one of them is hidden. So it is asked for the others.
#[test]
fn a_chosen_project_that_is_hidden_does_not_hold_up_the_others() {
    let simulator = simulator();
    let slugs: Vec<String> = projects(&simulator).into_iter().map(|(slug, _)| slug).collect();
    let choose = || Tap::new(&simulator).only(&["issues", "releases"]).set("projects", json!(slugs[..2]));
    let whole = choose().sync();
    simulator.deny_project(&slugs[1]);
    let alone = Tap::new(&simulator).only(&["issues", "releases"]).set("projects", json!(slugs[..1])).sync();
    let first = choose().run();
    assert_eq!(first.code, 1, "{}", first.stderr);
    for stream in ["issues", "releases"] {
        let what = format!("{stream}: hidden projects: 1 that this token may not see ({})", slugs[1]);
        assert!(first.stderr.contains(&what), "{}", first.stderr);
        assert_eq!(first.records(stream).len(), alone.records(stream).len());
    }
    simulator.advance(Duration::from_mins(11));
    let second = choose().state(first.last_state()).run();
    assert_eq!((second.code, second.records("releases").len()), (1, 0), "{}", second.stderr);
    simulator.allow_projects();
    let third = choose().state(second.last_state()).sync();
    for (stream, key) in [("issues", "id"), ("releases", "version")] {
        assert_eq!(&first.keys(stream, key) | &third.keys(stream, key), whole.keys(stream, key));
    }
}

/// Nothing shows since when a project is hidden: the run before may have taken it for one without anything new.
#[test]
fn a_project_that_is_hidden_when_a_run_begins_is_read_from_its_beginning_once_it_may_be() {
    let simulator = simulator();
    let [_, (slug, id), _] = &projects(&simulator)[..] else { panic!("three projects") };
    let tap = || Tap::new(&simulator).only(&["issues", "events", "releases"]);
    let first = tap().sync();
    // The second run cannot know: no request of it is refused.
    simulator.advance(Duration::from_mins(30));
    let lately = simulator.now() - TimeDelta::minutes(5);
    let issue = simulator.edit(|org| org.add_issue(slug, 2, lately));
    let hidden = *id;
    simulator.plan("/acme/issues/?", 1, move |moment| moment.deny(hidden));
    let second = tap().state(first.last_state()).sync();
    simulator.advance(Duration::from_mins(30));
    let third = tap().state(second.last_state()).run();
    assert_eq!(third.code, 1, "{}", third.stderr);
    simulator.allow_projects();
    let fourth = tap().state(third.last_state()).sync();
    assert!(fourth.keys("issues", "id").contains(&issue.to_string()), "{}", fourth.stderr);
    let of_project =
        fourth.records("events").iter().filter(|event| event["groupID"] == json!(issue.to_string())).count();
    assert_eq!(of_project, 2);
}

/// Lists that are asked for chosen projects are refused once one of them is gone.
#[test]
fn a_chosen_project_that_is_deleted_while_a_run_goes_on_is_no_gap() {
    for path in ["/acme/issues/?", "/acme/releases/?", "/acme/sessions/?"] {
        let simulator = simulator();
        let slugs: Vec<String> = projects(&simulator).into_iter().map(|(slug, _)| slug).collect();
        let streams = ["issues", "events", "releases", "release", "release_health"];
        let tap = || Tap::new(&simulator).only(&streams).set("projects", json!(slugs[..2]));
        let gone = slugs[1].clone();
        simulator.plan(path, 1, move |moment| moment.edit(|org| org.delete_project(&gone)));
        let run = tap().sync();
        let left = Tap::new(&simulator).only(&streams).set("projects", json!(slugs[..1])).sync();
        for (stream, key) in [("issues", "id"), ("events", "id"), ("releases", "version")] {
            // What was read before the refusal came is written again.
            let had: BTreeSet<String> =
                run.records(stream).iter().filter_map(|record| Some(record[key].as_str()?.to_owned())).collect();
            let left = left.keys(stream, key);
            assert!(!left.is_empty() && had.is_superset(&left), "{path} {stream}: {}", run.stderr);
        }
        tap().state(run.last_state()).sync();
    }
}

/// Rows that go between two pages are noticed, however small the pages are.
#[test]
fn a_release_that_slips_over_the_boundary_of_small_pages_is_read() {
    for most_rows in [3, 5, 7, 8] {
        let shape = Shape { projects: 2, releases: 9, ..Shape::default() };
        let simulator =
            Simulator::start(Organization::generate(&shape), Settings { most_rows, ..Settings::self_hosted() });
        let hidden = projects(&simulator)[1].1;
        simulator.plan("/acme/releases/?", 2, move |moment| moment.deny(hidden));
        let run = Tap::new(&simulator).only(&["releases"]).run();
        let expected: BTreeSet<String> = simulator.read(|org| {
            let seen = |release: &&sentry_simulator::Release| release.projects.iter().any(|id| *id != hidden);
            org.releases.iter().filter(seen).map(|release| release.version.clone()).collect()
        });
        assert!(run.keys("releases", "version").is_superset(&expected), "pages of {most_rows}: {}", run.stderr);
    }
}

/// Issues and events are listed one after the other, from other starts. A merge that begins in between takes the issue out
/// of the second list, and its events come to the other issue later.
#[test]
fn events_of_an_issue_that_only_the_list_of_a_refresh_has_shown_are_read() {
    let simulator = simulator();
    let [from, into] = simulator.read(|org| [org.issues[0].id, org.issues[1].id]);
    let tap = || Tap::new(&simulator).only(&["issues", "events"]).set("issue_refresh_hours", json!(1));
    let first = tap().sync();
    simulator.advance(Duration::from_hours(2));
    let lately = simulator.now() - TimeDelta::hours(1);
    let new = simulator.edit(|org| org.add_events(from, 3, lately));
    // The lists of the refresh are that of issues and that of feedback.
    simulator.plan("/acme/issues/?", 3, move |moment| moment.edit(|org| org.begin_merge(from, into)));
    let second = tap().state(first.last_state()).sync();
    simulator.edit(|org| org.merge_issue(from, into));
    simulator.advance(Duration::from_mins(30));
    let third = tap().state(second.last_state()).sync();
    let seen = &second.keys("events", "eventID") | &third.keys("events", "eventID");
    assert!(new.iter().all(|id| seen.contains(id)), "{}\n{}", second.stderr, third.stderr);
}
