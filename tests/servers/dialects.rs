//! Servers that are not today's sentry.io. The tap reads each of them whole, and in the next run only what is new. It
//! tells them apart by their answers, not by their version.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sentry_simulator::{Dialect, Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;
use tap_sentry::internals::Capability;

use crate::support::{Run, Tap};

/// Every list with pages has more than one of them.
fn shape() -> Shape {
    Shape {
        projects: 3,
        issue_sizes: vec![vec![130, 3, 1], vec![2; 110], vec![1]],
        feedback_issues_per_project: 0,
        releases: 60,
        ..Shape::default()
    }
}

fn dialects() -> Vec<Settings> {
    vec![
        Settings { limits: false, ..Settings::saas() },
        Settings::self_hosted(),
        Settings::sentry23(),
        Settings::sentry9(),
        Settings::glitchtip(),
    ]
}

fn start(settings: Settings) -> Simulator {
    start_with(shape(), settings)
}

fn start_with(shape: Shape, mut settings: Settings) -> Simulator {
    settings.now = chrono::Utc::now(); // 9.1.2 sends no Date header
    let shape = Shape { now: settings.now, ..shape };
    Simulator::start(Organization::generate(&shape), settings)
}

fn check_whole(run: &Run, simulator: &Simulator, dialect: Dialect) {
    let truth = simulator.truth();
    let members = if dialect == Dialect::GlitchTip { &truth.members } else { &truth.users };
    assert_eq!(run.keys("projects", "id"), truth.projects, "{dialect:?}");
    assert_eq!(run.keys("project_detail", "id"), truth.projects, "{dialect:?}");
    assert_eq!(run.keys("teams", "id"), truth.teams, "{dialect:?}");
    let users = run.keys("users", "id");
    if dialect == Dialect::Sentry9 {
        // It shows only the users of the caller's own projects.
        assert!(!users.is_empty() && users.is_subset(members), "{dialect:?}");
    } else {
        assert_eq!(&users, members, "{dialect:?}");
    }
    assert_eq!(run.keys("issues", "id"), truth.issues.keys().cloned().collect(), "{dialect:?}");
    assert_eq!(run.keys("events", "eventID"), truth.event_ids(), "{dialect:?}");
    assert_eq!(run.keys("releases", "version"), truth.releases.keys().cloned().collect(), "{dialect:?}");
    assert_eq!(run.keys("release", "version"), truth.releases.keys().cloned().collect(), "{dialect:?}");
    let issues_of_events: BTreeSet<_> = run.events_by_issue().into_keys().collect();
    assert_eq!(issues_of_events, truth.issues.into_keys().collect(), "{dialect:?}: events say whose they are");
}

#[test]
fn every_kind_of_server_is_read_whole_and_then_for_what_is_new() {
    for settings in dialects() {
        let dialect = settings.dialect;
        let simulator = start(settings);
        let first = Tap::new(&simulator).sync();
        check_whole(&first, &simulator, dialect);
        let issue = simulator.read(|org| org.issues[1].id);
        std::thread::sleep(std::time::Duration::from_secs(3));
        let at = simulator.now() - TimeDelta::seconds(1);
        let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 2, at)).into_iter().collect();
        let second = Tap::new(&simulator).state(first.last_state()).sync();
        assert_eq!(second.keys("events", "eventID"), new, "{dialect:?}");
        assert_eq!(second.keys("issues", "id"), BTreeSet::from([issue.to_string()]), "{dialect:?}");
    }
}

#[test]
fn whole_events_are_read_from_every_kind_of_server() {
    for settings in dialects() {
        let dialect = settings.dialect;
        let simulator = start(settings);
        let run = Tap::new(&simulator).only(&["events"]).set("fetch_event_details", true.into()).sync();
        assert_eq!(run.keys("events", "eventID"), simulator.truth().event_ids(), "{dialect:?}");
        let whole = run.records("events").iter().filter(|event| event["entries"].is_array()).count();
        assert_eq!(whole, run.records("events").len(), "{dialect:?}");
    }
}

#[test]
fn a_wrong_organization_or_token_is_an_error_everywhere() {
    for settings in dialects() {
        let dialect = settings.dialect;
        let simulator = start(settings);
        let nobody = Tap::at(&simulator.base_url(), "nobody", simulator.token()).run();
        assert_eq!(nobody.code, 1, "{dialect:?}");
        assert!(nobody.stderr.contains("there is no organization"), "{dialect:?}: {}", nobody.stderr);
        let stranger = Tap::at(&simulator.base_url(), &simulator.slug(), "wrong").run();
        assert_eq!(stranger.code, 1, "{dialect:?}");
        assert!(stranger.stderr.contains("does not accept api_token"), "{dialect:?}: {}", stranger.stderr);
    }
}

#[test]
fn users_fall_back_to_members_where_they_are_gone() {
    let settings = Settings { users_gone: true, ..Settings::saas() };
    let simulator = Simulator::start(Organization::generate(&Shape::default()), settings);
    let run = Tap::new(&simulator).only(&["users"]).sync();
    assert_eq!(run.keys("users", "id"), simulator.truth().members);
}

/// One 404 may be of a router that restarts. So the older path is used only when today's is missing again, and the
/// organization answers.
#[test]
fn an_older_path_is_used_only_where_todays_is_missing_twice() {
    for (hits, users_asked) in [(1, 3), (u64::MAX, 2)] {
        let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
        let missing =
            FaultKind::Status { code: 404, body: String::new(), content_type: "text/html".into(), headers: vec![] };
        simulator.add_fault(Fault { path_contains: "/users/".to_owned(), nth: NthHit::first(hits), kind: missing });
        let run = Tap::new(&simulator).only(&["users"]).sync();
        let truth = simulator.truth();
        let expected = if hits == 1 { &truth.users } else { &truth.members };
        assert_eq!(&run.keys("users", "id"), expected, "{hits}");
        let asked = |name: &str| simulator.requests().iter().filter(|request| request.path.ends_with(name)).count();
        assert_eq!(
            (asked("/users/"), asked("/members/"), asked("/acme/")),
            (users_asked, 1, 1),
            "{hits}: {}",
            run.stderr
        );
    }
}

#[test]
fn glitchtip_is_asked_for_full_pages_and_not_for_what_it_lacks() {
    let simulator = start(Settings::glitchtip());
    let run = Tap::new(&simulator).only(&["releases", "release"]).sync();
    assert_eq!(run.records("release").len(), 60);
    for release in run.records("release") {
        let none = release["commitCount"] == 0;
        assert!(if none { release["commits"] == json!([]) } else { release["commits"].is_null() }, "nobody knows them");
    }
    assert!(run.stderr.contains("this server does not have them"), "{}", run.stderr);
    let of = |name: &str| simulator.requests().iter().filter(|request| request.path.ends_with(name)).count();
    assert_eq!((of("/projects/"), of("/releases/")), (1, 1), "the list of projects has shown what server it is");
    assert_eq!(
        (of("/commits/"), of("/deploys/")),
        (2, 2),
        "a web page is believed when it comes again, and then for all"
    );
}

#[test]
fn where_glitchtip_may_hide_rows_it_is_said() {
    let shape = Shape { issue_sizes: vec![vec![130]], projects: 1, ties: 130, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::glitchtip());
    let run = Tap::new(&simulator).only(&["events"]).sync();
    assert!(run.stderr.contains("of which this server may hide rows"), "{}", run.stderr);
    let shape = Shape { ties: 0, ..shape };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::glitchtip());
    let run = Tap::new(&simulator).only(&["events"]).sync();
    assert!(!run.stderr.contains("of which this server may hide rows"), "{}", run.stderr);
}

#[test]
fn a_stream_that_a_server_lacks_is_a_gap_with_advice() {
    for (settings, stream) in [
        (Settings::glitchtip(), "replays"),
        (Settings::glitchtip(), "dashboards"),
        (Settings::sentry23(), "detectors"),
        (Settings::sentry9(), "replays"),
    ] {
        let dialect = settings.dialect;
        let simulator = start(settings);
        let run = Tap::new(&simulator).only(&["teams", stream]).run();
        assert_eq!(run.code, 1, "{dialect:?} {stream}");
        assert!(run.stderr.contains(&format!("leave {stream} out of the selection")), "{dialect:?}: {}", run.stderr);
        assert_eq!(run.keys("teams", "id"), simulator.truth().teams, "{dialect:?}: the others are read");
    }
    let old = start(Settings::sentry23());
    let run = Tap::new(&old).only(&["alert_rules"]).sync();
    assert!(!run.records("alert_rules").is_empty());
}

#[test]
fn a_choice_of_projects_holds_on_every_kind_of_server() {
    for settings in dialects() {
        let dialect = settings.dialect;
        let simulator = start(settings);
        let projects =
            simulator.read(|org| org.projects.iter().map(|project| project.slug.clone()).collect::<Vec<_>>());
        let whole = simulator.truth().event_ids();
        let mut seen = BTreeSet::new();
        for slug in projects {
            let run = Tap::new(&simulator).only(&["issues", "events"]).set("projects", slug.into()).sync();
            let events = run.keys("events", "eventID");
            assert!(seen.is_disjoint(&events), "{dialect:?}");
            seen.extend(events);
        }
        assert_eq!(seen, whole, "{dialect:?}");
    }
}

/// The README's table of what servers can do: for each column, the rows that say no.
fn lacks_of_the_readme() -> Vec<BTreeSet<String>> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let rows = Capability::ALL.map(|capability| {
        let start = format!("| {} | ", capability.title());
        let row = readme.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row {start}"));
        let cells: Vec<&str> = row.split(" | ").skip(1).map(|cell| cell.trim_end_matches(" |")).collect();
        assert!(cells.iter().all(|cell| *cell == "yes" || *cell == "no" || cell.starts_with("no: ")), "{row}");
        (capability.title(), cells)
    });
    assert!(rows.iter().all(|(_, cells)| cells.len() == dialects().len()));
    let first = readme.lines().position(|line| line.starts_with(&format!("| {} |", rows[0].0))).expect("the table");
    let table: Vec<&str> = readme.lines().skip(first).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), rows.len(), "the table has rows that are no capabilities: {table:#?}");
    let lacks = |column: usize| {
        rows.iter().filter(|(_, cells)| cells[column] != "yes").map(|(title, _)| (*title).to_owned()).collect()
    };
    (0..dialects().len()).map(lacks).collect()
}

#[test]
fn the_tap_learns_what_the_readme_says_of_each_server() {
    for (settings, documented) in dialects().into_iter().zip(lacks_of_the_readme()) {
        let dialect = settings.dialect;
        // An issue of which a sample is cheaper than the project's list, so that samples are asked for.
        let shape = Shape { projects: 2, issue_sizes: vec![vec![300], vec![1]], ..shape() };
        let simulator = start_with(shape, settings);
        let run = Tap::new(&simulator).arg("-v").set("sample_fraction", json!(0.5)).sync();
        let line = run.stderr.lines().find_map(|line| line.split_once("This server lacks: ")).expect("what it lacks").1;
        let learned: BTreeSet<String> =
            line.split(", ").filter(|title| *title != "nothing").map(str::to_owned).collect();
        assert_eq!(learned, documented, "{dialect:?}");
    }
}
