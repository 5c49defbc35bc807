//! Links between pages: repeated, to another host, or missing. Empty pages. Redirects on the same host.

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use super::matrix::Outcome::{Fatal, Gap, Recovered};
use super::matrix::{at_every_place, expected, keys, run_cases, simulator, strike, tap};
use super::places::{Place, places};
use crate::support::{Run, Tap};

/// One run in which the fault strikes every list. It must lose nothing.
fn harmless(nth: NthHit, kind: FaultKind) -> (Simulator, Run) {
    let simulator = simulator();
    for place in places(&simulator).iter().filter(|place| place.list) {
        strike(&simulator, place, nth.clone(), &kind);
    }
    let run = tap(&simulator).sync();
    assert_eq!(keys(&run), expected(&simulator.truth()), "{}", run.stderr);
    (simulator, run)
}

#[test]
fn a_page_that_comes_twice_is_written_once() {
    harmless(NthHit::first(1), FaultKind::RepeatCursor);
}

#[test]
fn links_to_another_host_are_followed_at_home() {
    let (simulator, _) = harmless(NthHit::every(), FaultKind::ForeignLink);
    let here = simulator.address().to_string();
    assert!(simulator.requests().iter().all(|request| request.host == here));
}

#[test]
fn a_thousand_empty_pages_do_not_end_a_list() {
    let simulator = simulator();
    for name in ["teams", "issues", "project events", "deploys"] {
        let place = places(&simulator).into_iter().find(|place| place.name == name).expect("a place");
        strike(&simulator, &place, NthHit::first(1000), &FaultKind::EmptyPage);
    }
    let run = tap(&simulator).sync();
    assert_eq!(keys(&run), expected(&simulator.truth()), "{}", run.stderr);
}

#[test]
fn a_cursor_that_always_repeats_is_a_gap() {
    let judge = |place: &Place| {
        let paged = place.list && place.name != "users";
        paged.then_some(if place.is_vital() { Fatal } else { Gap })
    };
    run_cases(&at_every_place("a cursor that repeats", NthHit::every(), &FaultKind::RepeatCursor, judge));
}

#[test]
fn redirects_on_the_same_host_are_followed() {
    let simulator = simulator();
    simulator.edit(|org| {
        let slug = org.projects[1].slug.clone();
        org.rename_project(&slug, "renamed");
        org.projects[1].name = slug;
    });
    // The list still has the old slug, as if the project was renamed after it was listed.
    let old = simulator.read(|org| org.projects[1].old_slugs[0].clone());
    let places = places(&simulator);
    strike(
        &simulator,
        &places[0],
        NthHit::every(),
        &FaultKind::replace("\"slug\":\"renamed\"", &format!("\"slug\":\"{old}\"")),
    );
    let run = tap(&simulator).sync();
    assert_eq!(keys(&run), expected(&simulator.truth()), "{}", run.stderr);
    let asked = |text: &str| simulator.requests().iter().any(|request| request.path.contains(text));
    assert!(asked(&format!("/{old}/")) && asked("/renamed/"));
}

#[test]
fn a_redirect_that_leads_back_to_itself_is_a_gap() {
    let location = "/api/0/organizations/acme/teams/?per_page=100".to_owned();
    let judge = |place: &Place| (place.name == "teams").then_some(Gap);
    run_cases(&at_every_place(
        "a redirect in a circle",
        NthHit::every(),
        &FaultKind::Redirect { location: location.clone() },
        judge,
    ));
    let judge = |place: &Place| (place.name == "teams").then_some(Recovered);
    run_cases(&at_every_place("a redirect", NthHit::first(2), &FaultKind::Redirect { location }, judge));
}

/// If `Link` is missing, only the length of the page tells that more may follow.
#[test]
fn a_full_page_without_a_link_is_a_warning() {
    let shape = Shape { teams: 150, releases: 120, issues_per_project: 60, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let warnings = |run: &Run, path: &str| {
        let said = |line: &&str| line.starts_with("WARNING ") && line.contains("without a Link") && line.contains(path);
        run.stderr.lines().filter(said).count()
    };
    let activated = |run: &Run, stream: &str| {
        run.messages.iter().any(|message| message["type"] == "ACTIVATE_VERSION" && message["stream"] == stream)
    };
    let run = || Run::of(Tap::new(&simulator).set("activate_version", true.into()).command());
    let whole = run();
    assert_eq!(warnings(&whole, ""), 0, "{}", whole.stderr);
    assert!(activated(&whole, "teams") && activated(&whole, "users"));
    let lists = ["/acme/teams/?", "/acme/releases/?", "/acme/issues/?"];
    for path in lists {
        let place = Place { name: "list", path: path.to_owned(), streams: &[], list: true };
        strike(&simulator, &place, NthHit::first(1), &FaultKind::DropLink);
    }
    let short = run();
    for path in lists {
        assert_eq!(warnings(&short, path), 1, "{path}: {}", short.stderr);
    }
    assert!(!activated(&short, "teams"), "teams that were not listed are not gone");
    assert!(activated(&short, "users"));
}

/// The list of events ends too early. Only the count of the issue tells that events are missing.
#[test]
fn fewer_events_than_the_issues_announce_are_a_warning() {
    for by_issue in [false, true] {
        let shape = Shape { projects: 1, issue_sizes: vec![vec![250, 250]], ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let place = |path: &str| Place { name: "events", path: path.to_owned(), streams: &["events"], list: true };
        let tap = || Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(by_issue));
        let whole = tap().sync();
        assert!(!whole.stderr.contains("fewer events"), "{}", whole.stderr);
        strike(&simulator, &place("/events/?"), NthHit::only(2), &FaultKind::DropLink);
        let short = tap().sync();
        assert!(short.records("events").len() < whole.records("events").len());
        let said = |line: &str| line.starts_with("WARNING ") && line.contains(" has fewer events");
        assert!(short.stderr.lines().any(said), "{}", short.stderr);
    }
}
