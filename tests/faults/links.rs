//! Links between pages: repeated, to another host, or missing. Empty pages. Redirects on the same host.

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use super::matrix::Outcome::{Fatal, Gap, Recovered};
use super::matrix::{at_every_place, briefly, expected, keys, run_cases, simulator, strike, tap};
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
fn ninety_empty_pages_do_not_end_a_list() {
    let simulator = simulator();
    for name in ["teams", "issues", "project events", "deploys"] {
        let place = places(&simulator).into_iter().find(|place| place.name == name).expect("a place");
        strike(&simulator, &place, NthHit::first(90), &FaultKind::EmptyPage);
    }
    let run = tap(&simulator).sync();
    assert_eq!(keys(&run), expected(&simulator.truth()), "{}", run.stderr);
    assert!(run.stderr.contains("/teams/?per_page=100&cursor="), "{}", run.stderr);
    assert!(run.stderr.contains("20 pages in a row have brought nothing new"), "{}", run.stderr);
}

#[test]
fn empty_pages_without_end_are_a_gap() {
    let judge = |place: &Place| {
        let paged = place.list && place.name != "users";
        paged.then_some(if place.is_vital() { Fatal } else { Gap })
    };
    run_cases(&briefly(at_every_place("empty pages", NthHit::every(), &FaultKind::EmptyPage, judge)));
}

/// The cursor is a new one each time, but what it leads to is always the first page.
#[test]
fn the_same_page_without_end_is_a_gap() {
    let simulator = simulator();
    let place = places(&simulator).into_iter().find(|place| place.name == "teams").expect("a place");
    strike(&simulator, &place, NthHit::every(), &FaultKind::SamePage);
    let run = Tap::new(&simulator).only(&["teams"]).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("teams: ") && last.contains("100 pages in a row have brought nothing new"), "{last}");
    assert!(simulator.requests().len() < 110, "{}", simulator.requests().len());
}

#[test]
fn a_cursor_that_always_repeats_is_a_gap() {
    let judge = |place: &Place| {
        let paged = place.list && place.name != "users";
        paged.then_some(Gap)
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

/// A tap that reads teams of three pages and users of one, while the links of the teams are others.
fn teams_with(kind: &FaultKind) -> (Run, usize, bool) {
    let shape = Shape { teams: 250, members: 150, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let place = Place { name: "teams", path: "/acme/teams/?".to_owned(), streams: &["teams"], list: true };
    strike(&simulator, &place, NthHit::every(), kind);
    let run = Tap::new(&simulator).only(&["teams", "users"]).set("activate_version", json!(true)).run();
    assert_eq!(run.keys("users", "id"), simulator.truth().users, "one piece, however many rows it has");
    let activated = |stream: &str| {
        run.messages.iter().any(|message| message["type"] == "ACTIVATE_VERSION" && message["stream"] == stream)
    };
    assert!(activated("users"), "{}", run.stderr);
    let (teams, teams_activated) = (run.keys("teams", "id").len(), activated("teams"));
    (run, teams, teams_activated)
}

#[test]
fn headers_that_a_proxy_has_split_or_changed_are_read_as_they_were() {
    let split = |link: &str| link.split(", <").map(|part| format!("<{}", part.trim_start_matches('<'))).collect();
    let foreign = |link: &str| vec!["<https://cdn.example>; rel=preconnect; as=script".to_owned(), link.to_owned()];
    let cased =
        |link: &str| vec![link.replace("rel=\"next\"", "Rel=\"Next\"").replace("results=\"true", "RESULTS=\"True")];
    let bare = |link: &str| vec![link.replace('"', "")];
    for links in [split, foreign, cased, bare] as [fn(&str) -> Vec<String>; 4] {
        let (run, teams, activated) = teams_with(&FaultKind::OtherLinks(links));
        assert_eq!((run.code, teams, activated), (0, 250, true), "{}", run.stderr);
    }
}

/// What came is written, but nobody is told that the rest is gone, and the bookmark stays.
#[test]
fn a_list_whose_end_is_not_proved_is_a_gap() {
    let without_cursor = |link: &str| vec![link[..link.rfind("; cursor").unwrap_or(link.len())].to_owned()];
    let unreadable = |link: &str| vec![link.replace("results=\"true\"", "results=\"perhaps\"")];
    let previous_only = |link: &str| vec![link[..link.find(", <").unwrap_or(link.len())].to_owned()];
    let kinds = [
        (FaultKind::DropLink, "a full page of 100 rows and no Link header"),
        (FaultKind::OtherLinks(|_| vec!["<https://cdn.example>; rel=preconnect".to_owned()]), "no Link header"),
        (FaultKind::OtherLinks(without_cursor), "without its cursor"),
        (FaultKind::OtherLinks(unreadable), "does not say whether a page follows"),
        (FaultKind::OtherLinks(previous_only), "does not say whether a page follows"),
    ];
    for (kind, word) in kinds {
        let (run, teams, activated) = teams_with(&kind);
        assert_eq!((run.code, teams, activated), (1, 100, false), "{kind:?}: {}", run.stderr);
        let said = |line: &str| line.contains("teams: ") && line.contains("the list may go on") && line.contains(word);
        assert!(run.stderr.lines().any(said), "{kind:?}: {}", run.stderr);
        assert!(run.last_state()["bookmarks"]["teams"]["start"].is_null());
    }
}

#[test]
fn a_short_page_without_a_link_is_the_end() {
    let (simulator, _) = harmless(NthHit::every(), FaultKind::DropLink);
    assert!(simulator.requests().iter().any(|request| request.path.ends_with("/events/") && request.rows > 0));
}

/// On sentry.io a page of whole events has ten rows, however many were asked for.
#[test]
fn ten_whole_events_without_a_link_may_be_a_full_page() {
    for (events, code) in [(10, 1), (9, 0), (30, 1)] {
        let shape = Shape { projects: 1, issue_sizes: vec![vec![events]], ..Shape::default() };
        let settings = Settings { limits: false, ..Settings::saas() };
        let simulator = Simulator::start(Organization::generate(&shape), settings);
        let place = Place { name: "events", path: "full=true".to_owned(), streams: &["events"], list: true };
        strike(&simulator, &place, NthHit::every(), &FaultKind::DropLink);
        let run = Tap::new(&simulator).only(&["events"]).set("fetch_event_details", json!(true)).run();
        assert_eq!(run.code, code, "{events}: {}", run.stderr);
    }
}

/// A link that says that the list has ended.
fn ended(link: &str) -> Vec<String> {
    vec![link.replace(r#"results="true""#, r#"results="false""#)]
}

/// The list of events ends too early. Only the count of the issue tells that events are missing: it is read again by itself.
#[test]
fn events_that_the_issue_list_announced_are_read_again() {
    for by_issue in [false, true] {
        let shape = Shape { projects: 1, issue_sizes: vec![vec![250, 250]], ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let place = |path: &str| Place { name: "events", path: path.to_owned(), streams: &["events"], list: true };
        let tap = || Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(by_issue));
        strike(&simulator, &place("/events/?"), NthHit::only(2), &FaultKind::OtherLinks(ended));
        let run = tap().sync();
        assert_eq!(run.keys("events", "eventID"), simulator.truth().event_ids());
        assert!(!run.stderr.contains("fewer events"), "{}", run.stderr);
    }
}

/// The list never has what was announced. A second reading that brings nothing new proves that the number is off.
#[test]
fn an_announced_number_that_is_off_is_a_warning() {
    for by_issue in [false, true] {
        let shape = Shape { projects: 1, issue_sizes: vec![vec![250, 250]], ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let place = |path: &str| Place { name: "events", path: path.to_owned(), streams: &["events"], list: true };
        let tap = || Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(by_issue));
        strike(&simulator, &place("/events/?"), NthHit::every(), &FaultKind::OtherLinks(ended));
        let run = tap().sync();
        let said = |line: &&str| line.starts_with("WARNING ") && line.contains(" has fewer events");
        assert_eq!(run.stderr.lines().filter(said).count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(": an issue whose list gives fewer events"), "{}", run.stderr);
    }
}

/// The server cuts the list where its table ends, and says that it has ended.
#[test]
fn a_bounded_list_of_as_many_rows_as_the_server_gives_goes_on_by_time() {
    let shape = Shape { issue_sizes: vec![vec![5200, 5200]], projects: 1, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let path = "cursor=0%3A9900%3A0".to_owned();
    let place = Place { name: "table", path, streams: &[], list: true };
    let ended = |link: &str| vec![link.replace("results=\"true\"", "results=\"false\"")];
    strike(&simulator, &place, NthHit::every(), &FaultKind::OtherLinks(ended));
    let query = json!([{"name": "my_errors", "fields": ["title"]}]);
    let run = Tap::new(&simulator).only(&[]).set("queries", query).sync();
    assert_eq!(run.records("my_errors").len(), simulator.truth().event_ids().len());
}
