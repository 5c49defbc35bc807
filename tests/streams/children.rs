//! Streams below the rows of another: what a 404 below a row shows, names that change while a run goes on, and doubt that
//! is inherited.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::server::{asked, missing, strike};
use crate::support::{Run, Tap};

fn simulator(shape: Shape) -> Simulator {
    let shape = Shape { issues_per_project: 2, events_per_issue: 2, ..shape };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

fn of_projects(projects: usize) -> Simulator {
    simulator(Shape { projects, ..Shape::default() })
}

fn of_teams(teams: usize) -> Simulator {
    simulator(Shape { projects: 1, teams, members: 2 * teams, ..Shape::default() })
}

fn activated(run: &Run, stream: &str) -> bool {
    run.messages.iter().any(|message| message["type"] == "ACTIVATE_VERSION" && message["stream"] == stream)
}

/// Runs the tap, and makes a change while the first request with this text in its path or query waits for its answer.
fn changed_at(simulator: &Simulator, path: &str, tap: &Tap, change: impl FnOnce(&mut Organization)) -> Run {
    strike(simulator, &path.replace(':', "%3A"), NthHit::first(1), FaultKind::Delay(Duration::from_millis(500)));
    let mut command = tap.command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| Run::of(command));
        let began = Instant::now();
        let is_it = |request: &sentry_simulator::Request| {
            request.path.contains(path) || request.query.iter().any(|(_, value)| value == path)
        };
        while !simulator.requests().iter().any(is_it) {
            assert!(began.elapsed() < Duration::from_secs(20), "{path} was never asked for");
            std::thread::sleep(Duration::from_millis(5));
        }
        simulator.edit(change);
        run.join().expect("a run")
    })
}

fn tap(simulator: &Simulator, streams: &[&str]) -> Tap {
    Tap::new(simulator).only(streams).set("activate_version", json!(true))
}

#[test]
fn a_list_that_is_404_below_every_parent_is_a_gap_with_what_to_do() {
    for (projects, most) in [(1, 1), (9, 3)] {
        let simulator = of_projects(projects);
        strike(&simulator, "/rules/?", NthHit::every(), missing());
        let run = tap(&simulator, &["issue_alert_rules"]).run();
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains("issue_alert_rules: this server does not have it"), "{}", run.stderr);
        assert!(!activated(&run, "issue_alert_rules"));
        assert_eq!(asked(&simulator, "/rules/"), most, "the others are not asked");
        simulator.clear_faults();
        let after = tap(&simulator, &["issue_alert_rules"]).state(run.last_state()).run();
        assert!(!after.records("issue_alert_rules").is_empty() && activated(&after, "issue_alert_rules"));
    }
}

#[test]
fn lists_below_releases_and_issues_that_are_never_there_are_gaps_too() {
    for (stream, path) in [("release_files", "/files/?"), ("issue_comments", "/comments/?")] {
        let simulator = simulator(Shape { projects: 2, releases: 6, ..Shape::default() });
        strike(&simulator, path, NthHit::every(), missing());
        let run = tap(&simulator, &[stream]).run();
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("{stream}: this server does not have it")), "{}", run.stderr);
        assert_eq!(asked(&simulator, path.trim_end_matches('?')), 3);
        simulator.clear_faults();
        let after = tap(&simulator, &[stream]).state(run.last_state()).run();
        let whole = tap(&simulator, &[stream]).run();
        assert_eq!(after.code, 0, "{}", after.stderr);
        assert_eq!(after.records(stream).len(), whole.records(stream).len(), "{stream}: nothing is passed over");
    }
}

#[test]
fn one_404_among_answers_is_a_gap_if_the_parent_is_still_listed() {
    let simulator = of_projects(4);
    let slug = simulator.read(|org| org.projects[2].slug.clone());
    strike(&simulator, &format!("/{slug}/keys/"), NthHit::every(), missing());
    let run = tap(&simulator, &["project_keys"]).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(!activated(&run, "project_keys"));
    let read: BTreeSet<&str> =
        run.records("project_keys").iter().filter_map(|row| row["project_slug"].as_str()).collect();
    assert_eq!(read.len(), 3, "the others are read");
    // A 404 that passes is no gap: the parent is there, so it is asked once more.
    simulator.clear_faults();
    strike(&simulator, &format!("/{slug}/keys/"), NthHit::first(1), missing());
    let again = tap(&simulator, &["project_keys"]).run();
    let all: BTreeSet<&str> =
        again.records("project_keys").iter().filter_map(|row| row["project_slug"].as_str()).collect();
    assert!(all.len() == 4 || again.code == 1, "{}", again.stderr);
}

#[test]
fn a_team_that_is_deleted_while_teams_are_read_is_skipped() {
    let simulator = of_teams(4);
    let last = simulator.read(|org| org.teams.iter().map(|team| team.slug.clone()).max().expect("a team"));
    let run = changed_at(&simulator, "/members/", &tap(&simulator, &["teams", "team_members"]), |org| {
        org.teams.retain(|team| team.slug != last);
    });
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("1 skipped: gone (404)"), "{}", run.stderr);
    assert!(!activated(&run, "team_members"), "what is skipped is no proof of what is gone");
}

#[test]
fn a_project_that_is_deleted_during_the_run_is_skipped() {
    let simulator = of_projects(3);
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    let tap = Tap::new(&simulator).only(&["projects", "issues", "events"]);
    let run = changed_at(&simulator, "issue.category:feedback", &tap, |org| org.delete_project(&slug));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("a project that was deleted during the run (404)"), "{}", run.stderr);
    assert!(run.keys("events", "eventID").is_superset(&simulator.truth().event_ids()));
    assert_eq!(asked(&simulator, "/acme/projects/"), 2, "the list of projects is asked once more");
}

#[test]
fn a_team_that_is_renamed_while_teams_are_read_is_read_under_its_new_name() {
    let simulator = of_teams(4);
    let last = simulator.read(|org| org.teams.iter().map(|team| team.slug.clone()).max().expect("a team"));
    let run = changed_at(&simulator, "/members/", &tap(&simulator, &["teams", "team_members"]), |org| {
        let team = org.teams.iter_mut().find(|team| team.slug == last).expect("the team");
        team.slug = "renamed".to_owned();
    });
    assert_eq!(run.code, 0, "{}", run.stderr);
    let teams: BTreeSet<&str> =
        run.records("team_members").iter().filter_map(|row| row["team_slug"].as_str()).collect();
    assert!(teams.len() == 4 && teams.contains("renamed"), "{teams:?}");
    assert!(activated(&run, "team_members"), "{}", run.stderr);
}

#[test]
fn a_monitor_that_is_renamed_is_read_by_its_id() {
    let simulator = of_projects(1);
    let whole = Tap::new(&simulator).only(&["monitor_checkins"]).sync().keys("monitor_checkins", "id").len();
    let later = NthHit::Range { from: 2, to: u64::MAX };
    strike(&simulator, "/monitors/?", later, FaultKind::replace("\"nightly-export\"", "\"export-at-night\""));
    strike(&simulator, "/nightly-export/checkins/", NthHit::every(), missing());
    let run = Tap::new(&simulator).only(&["monitor_checkins"]).sync();
    assert_eq!(run.keys("monitor_checkins", "id").len(), whole);
}

#[test]
fn a_null_row_among_parents_is_a_gap_of_all_below_them() {
    for streams in [&["teams", "team_members"][..], &["team_members"]] {
        let simulator = of_teams(3);
        strike(&simulator, "/teams/?", NthHit::every(), FaultKind::replace("[{", "[null,{"));
        let run = tap(&simulator, streams).run();
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains("team_members: a row that is no object"), "{}", run.stderr);
        assert!(!activated(&run, "teams") && !activated(&run, "team_members"));
    }
    let simulator = of_projects(3);
    strike(&simulator, "/acme/projects/?", NthHit::every(), FaultKind::replace("[{", "[null,{"));
    let run = tap(&simulator, &["events", "project_keys"]).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    for stream in ["events", "project_keys"] {
        assert!(run.stderr.contains(&format!("{stream}: a row that is no object")), "{}", run.stderr);
    }
}

#[test]
fn a_list_of_parents_that_is_cut_is_a_gap_of_all_below_them() {
    for streams in [&["teams", "team_members"][..], &["team_members"]] {
        let simulator = of_teams(100);
        strike(&simulator, "/teams/?", NthHit::every(), FaultKind::DropLink);
        let run = tap(&simulator, streams).run();
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(!activated(&run, "teams") && !activated(&run, "team_members"));
    }
}

#[test]
fn an_empty_table_says_that_rows_are_gone_only_if_the_organization_is_seen() {
    let simulator = of_teams(0);
    assert!(activated(&tap(&simulator, &["teams"]).run(), "teams"));
    simulator.clear_requests();
    strike(&simulator, "", NthHit::only(1), FaultKind::status(403, r#"{"detail": "No."}"#));
    let run = tap(&simulator, &["teams"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(simulator.requests()[0].path.ends_with("/organizations/acme/"), "{:?}", simulator.requests());
    assert!(!activated(&run, "teams"), "{}", run.stderr);
}

/// Servers take digits in a path for an id, so a slug of digits would name another project.
#[test]
fn a_project_whose_slug_is_all_digits_is_asked_for_by_its_id() {
    let simulator = of_projects(2);
    let ids = simulator.edit(|org| {
        org.projects[0].slug = org.projects[1].id.to_string();
        [org.projects[0].id, org.projects[1].id]
    });
    let run = Tap::new(&simulator).only(&["project_detail", "project_keys", "events"]).sync();
    assert_eq!(run.keys("project_detail", "id"), ids.map(|id| id.to_string()).into());
    let slugs: BTreeSet<&str> =
        run.records("project_keys").iter().filter_map(|row| row["project_slug"].as_str()).collect();
    assert!(slugs.contains(ids[1].to_string().as_str()), "records have the slug: {slugs:?}");
    assert_eq!(run.keys("events", "eventID"), simulator.truth().event_ids());
    assert_eq!(asked(&simulator, &format!("/{}/", ids[1])), 0, "{:?}", simulator.requests());
}

/// Pages of two rows, so that a list of three rows has two pages.
fn of_small_pages() -> Simulator {
    let shape = Shape { projects: 1, teams: 1, releases: 2, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { most_rows: 2, ..Settings::self_hosted() })
}

/// The second page begins with the last row of the first, unless rows have moved between the two.
#[test]
fn a_list_below_a_row_is_read_again_where_rows_have_moved() {
    for (stream, path) in [("repository_commits", "/commits/"), ("monitor_checkins", "/checkins/")] {
        let whole = Tap::new(&of_small_pages()).only(&[stream]).sync().records(stream).len();
        for (nth, is_gap) in [(NthHit::only(1), false), (NthHit::every(), stream == "monitor_checkins")] {
            let simulator = of_small_pages();
            let kind = FaultKind::replace("\"id\":\"", "\"id\":\"x");
            strike(&simulator, "cursor=0%3A1%3A0", nth, kind);
            let run = tap(&simulator, &[stream]).run();
            assert_eq!(run.code, i32::from(is_gap), "{stream}: {}", run.stderr);
            let is_genuine = |row: &&&serde_json::Value| !row["id"].as_str().is_some_and(|id| id.starts_with('x'));
            assert_eq!(run.records(stream).iter().filter(is_genuine).count(), whole, "{stream}");
            let cursors = simulator.requests().iter().filter(|request| request.path.contains(path)).count();
            assert!(cursors > 2, "{stream}: it is read again");
        }
    }
}

/// Only two readings with the same rows show that the others are gone.
#[test]
fn a_list_of_several_pages_below_a_row_is_read_twice_for_activate_version() {
    let simulator = of_small_pages();
    let once = Tap::new(&simulator).only(&["repository_commits"]).sync();
    let requests = asked(&simulator, "/commits/");
    simulator.clear_requests();
    let twice = tap(&simulator, &["repository_commits"]).run();
    assert_eq!(twice.records("repository_commits"), once.records("repository_commits"));
    assert!(activated(&twice, "repository_commits"));
    assert_eq!(asked(&simulator, "/commits/"), 2 * requests);
}
