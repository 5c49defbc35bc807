//! Which projects and organizations a run reads. Projects are chosen by name, or shared out among several taps. Several
//! organizations are read one after the other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use sentry_simulator::{Budget, Class, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap, discovered};

fn simulator(projects: usize) -> Simulator {
    let shape = Shape { projects, issues_per_project: 4, events_per_issue: 5, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// Project ids by slug.
fn ids(simulator: &Simulator) -> BTreeMap<String, String> {
    simulator.read(|org| org.projects.iter().map(|project| (project.slug.clone(), project.id.to_string())).collect())
}

/// The projects of a run's issues and events.
fn projects_of(run: &Run) -> BTreeSet<String> {
    let issues = run.records("issues").into_iter().map(|issue| issue["project"]["id"].clone());
    let events = run.records("events").into_iter().map(|event| event["projectID"].clone());
    issues.chain(events).map(|id| id.as_str().expect("an id").to_owned()).collect()
}

#[test]
fn projects_are_chosen_by_slug_id_and_pattern() {
    let simulator = simulator(4);
    let ids = ids(&simulator);
    let slugs: Vec<&String> = ids.keys().collect();
    let of = |slugs: &[&String]| slugs.iter().map(|slug| ids[*slug].clone()).collect::<BTreeSet<_>>();
    let pattern = format!("{}*", &slugs[1][..slugs[1].len() - 1]);
    for (include, exclude, expected) in [
        (json!([slugs[0], ids[slugs[2]]]), json!(null), of(&[slugs[0], slugs[2]])),
        (json!(format!("{},{pattern}", slugs[0])), json!([]), of(&[slugs[0], slugs[1]])),
        (json!(format!("[\"{}\"]", slugs[3])), json!(null), of(&[slugs[3]])),
        (json!(null), json!(slugs[0]), of(&slugs[1..])),
        (json!("*"), json!([slugs[1], slugs[2]]), of(&[slugs[0], slugs[3]])),
    ] {
        let run = Tap::new(&simulator).set("projects", include).set("exclude_projects", exclude).sync();
        assert_eq!(projects_of(&run), expected);
        assert_eq!(run.keys("projects", "id"), expected);
        assert_eq!(run.keys("project_detail", "id"), expected);
    }
}

#[test]
fn nothing_is_asked_of_projects_that_are_left_out() {
    let simulator = simulator(4);
    let ids = ids(&simulator);
    let (slug, id) = ids.iter().next().expect("a project");
    Tap::new(&simulator).set("projects", json!([slug])).sync();
    for request in simulator.requests() {
        let asked = |id: &str| request.query.contains(&("project".to_owned(), id.to_owned()));
        assert!(!asked("-1"), "{request:?}");
        for (other, other_id) in ids.iter().filter(|(_, other)| *other != id) {
            assert!(!request.path.contains(&format!("/{other}/")) && !asked(other_id), "{request:?}");
        }
    }
    let whole = simulator.truth().event_ids();
    let run = Tap::new(&simulator).set("projects", json!([slug])).sync();
    assert!(run.keys("events", "eventID").len() < whole.len());
}

#[test]
fn a_name_that_no_project_has_is_said_and_no_project_at_all_is_an_error() {
    let simulator = simulator(2);
    let slug = ids(&simulator).into_keys().next().expect("a project");
    let run = Tap::new(&simulator).set("projects", json!([slug, "a-typo"])).sync();
    assert!(run.stderr.contains("a-typo"), "{}", run.stderr);
    let run = Tap::new(&simulator).set("projects", json!(["a-typo"])).run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("leave no project"), "{}", run.stderr);
}

#[test]
fn another_choice_of_projects_reads_the_added_ones_from_the_beginning() {
    let simulator = simulator(3);
    let slugs: Vec<String> = ids(&simulator).into_keys().collect();
    let first = Tap::new(&simulator).set("projects", json!([slugs[0]])).sync();
    simulator.advance(std::time::Duration::from_secs(60));
    let second = Tap::new(&simulator).set("projects", json!(slugs[..2])).state(first.last_state()).sync();
    let third = Tap::new(&simulator).state(second.last_state()).sync();
    let runs = [&first, &second, &third];
    let events: BTreeSet<String> = runs.iter().flat_map(|run| run.keys("events", "eventID")).collect();
    assert_eq!(events, simulator.truth().event_ids());
    assert_eq!(runs.iter().map(|run| run.records("events").len()).sum::<usize>(), events.len(), "none is read twice");
    // The releases of a project are read only if it is chosen.
    let releases: BTreeSet<String> = runs.iter().flat_map(|run| run.keys("releases", "version")).collect();
    assert_eq!(releases, simulator.truth().releases.into_keys().collect());
    let again = Tap::new(&simulator).state(third.last_state()).sync();
    assert_eq!((again.records("events").len(), again.records("releases").len()), (0, 0));
}

#[test]
fn a_renamed_project_goes_on_under_its_new_slug() {
    let simulator = simulator(2);
    let (slug, id) = ids(&simulator).into_iter().next().expect("a project");
    let first = Tap::new(&simulator).sync();
    simulator.edit(|org| org.rename_project(&slug, "another-name"));
    let second = Tap::new(&simulator).state(first.last_state()).sync();
    assert!(second.records("events").is_empty(), "a bookmark names a project by its id");
    let renamed = second.records("projects").into_iter().find(|project| project["id"] == id.as_str());
    assert_eq!(renamed.expect("the project")["slug"], "another-name");
    let whole = Tap::new(&simulator).sync();
    assert_eq!(whole.keys("events", "eventID"), first.keys("events", "eventID"));
}

/// Every record as text, by stream. Fails on a record that comes twice.
fn records(runs: &[Run]) -> BTreeMap<String, BTreeSet<String>> {
    let mut records: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in runs.iter().flat_map(|run| &run.messages).filter(|message| message["type"] == "RECORD") {
        let stream = message["stream"].as_str().expect("a stream").to_owned();
        let of_stream = records.entry(stream.clone()).or_default();
        let record = without_fractions(&message["record"]);
        assert!(of_stream.insert(record.to_string()), "{stream} has a record twice");
    }
    records
}

/// Cuts the fractions of times off. The list of a project has them, the list of an issue does not.
fn without_fractions(value: &Value) -> Value {
    match value {
        Value::String(text) if text.ends_with('Z') && text.contains('T') => {
            json!(text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z")))
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), without_fractions(value))).collect(),
        other => other.clone(),
    }
}

/// A catalog that selects everything the simulator has.
fn everything() -> Value {
    let mut catalog = discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"][0]["metadata"]["selected"] = json!(true);
    }
    catalog
}

#[test]
fn four_shares_side_by_side_are_the_whole() {
    let shape = Shape { projects: 12, issues_per_project: 2, events_per_issue: 4, ..Shape::default() };
    // One rate limit for all four, since they read one organization.
    let mut settings = Settings::self_hosted();
    settings.limits = true;
    for class in [Class::Default, Class::ProjectEvents, Class::ProjectEvent, Class::Issue, Class::IssueEvent] {
        settings.budgets.set(class, Budget { limit: 40, seconds: 1, concurrent: 25 });
    }
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let tap_of = |number: usize| {
        Tap::new(&simulator)
            .catalog(everything())
            .set("all_streams", json!(true))
            .set("shard", json!(format!("{number}/4")))
    };
    let machines: Vec<Tap> = (1..=4).map(tap_of).collect();
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let running: Vec<_> = machines.iter().map(|tap| scope.spawn(|| tap.sync())).collect();
        running.into_iter().map(|run| run.join().expect("a run")).collect()
    });
    simulator.settings(|settings| settings.limits = false);
    let whole = Tap::new(&simulator).catalog(everything()).set("all_streams", json!(true)).sync();
    assert!(runs.iter().filter(|run| !run.records("events").is_empty()).count() > 1, "the shares hold nothing");
    assert!(runs[1..].iter().all(|run| run.records("teams").is_empty()), "the first share has what is of no project");
    let (together, whole) = (records(&runs), records(&[whole]));
    assert_eq!(together.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (stream, whole) in &whole {
        let different: Vec<_> = together[stream].symmetric_difference(whole).take(2).collect();
        assert!(different.is_empty(), "{stream}: {different:#?}");
    }
    // Each continues from its own state.
    let issue = simulator.read(|org| org.issues[5].id);
    simulator.advance(std::time::Duration::from_secs(60));
    let at = simulator.now() - TimeDelta::seconds(5);
    let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 3, at)).into_iter().collect();
    let again = machines.into_iter().zip(&runs).map(|(tap, run)| tap.only(&["events"]).state(run.last_state()).sync());
    let events: BTreeSet<String> = again.flat_map(|run| run.keys("events", "eventID")).collect();
    assert_eq!(events, new);
}

#[test]
fn a_share_without_anything_to_read_ends_well() {
    let simulator = simulator(2);
    let run = Tap::new(&simulator).only(&["teams"]).set("shard", json!("2/2")).sync();
    assert!(run.records("teams").is_empty());
    let run = Tap::new(&simulator).set("shard", json!("3/2")).run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("a share such as 2/4"), "{}", run.stderr);
}

#[test]
fn rows_of_other_shares_are_never_said_to_be_gone() {
    let simulator = simulator(2);
    for (name, value) in [("shard", json!("1/2")), ("organizations", json!("acme,other"))] {
        let run = Tap::new(&simulator).set("activate_version", json!(true)).set(name, value).run();
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("would delete the rows"), "{}", run.stderr);
    }
}

fn two_organizations() -> Vec<Simulator> {
    let of = |slug: &str, seed| {
        let shape = Shape { organization: slug.to_owned(), seed, ..Shape::default() };
        Organization::generate(&shape)
    };
    Simulator::start_all(0, vec![of("acme", 1), of("globex", 2)], &Settings::self_hosted())
}

fn of_organization<'a>(run: &'a Run, stream: &str, slug: &str) -> Vec<&'a Value> {
    run.records(stream).into_iter().filter(|record| record["organization_slug"] == slug).collect()
}

#[test]
fn several_organizations_are_read_each_with_its_own_state() {
    let simulators = two_organizations();
    let tap = || Tap::new(&simulators[0]).set("organizations", json!(["acme", "globex"]));
    let first = tap().sync();
    for simulator in &simulators {
        let slug = simulator.slug();
        let events = of_organization(&first, "events", &slug);
        let events: BTreeSet<_> =
            events.iter().filter_map(|event| event["eventID"].as_str()).map(str::to_owned).collect();
        assert_eq!(events, simulator.truth().event_ids(), "{slug}");
        assert_eq!(of_organization(&first, "teams", &slug).len(), simulator.truth().teams.len(), "{slug}");
    }
    let releases = first.messages.iter().find(|message| message["type"] == "SCHEMA" && message["stream"] == "releases");
    assert_eq!(releases.expect("a SCHEMA")["key_properties"], json!(["version", "organization_slug"]));
    let state = first.last_state();
    assert!(state["bookmarks"]["events"]["organizations"]["globex"]["start"].is_string(), "{state}");

    let issue = simulators[1].read(|org| org.issues[0].id);
    for simulator in &simulators {
        simulator.advance(std::time::Duration::from_secs(60));
    }
    let at = simulators[1].now() - TimeDelta::seconds(5);
    let new: BTreeSet<String> = simulators[1].edit(|org| org.add_events(issue, 2, at)).into_iter().collect();
    let second = tap().state(state).sync();
    assert_eq!(second.keys("events", "eventID"), new);
    assert_eq!(of_organization(&second, "events", "globex").len(), 2);
}

#[test]
fn an_organization_that_fails_leaves_the_others_alone() {
    let simulators = two_organizations();
    let run = Tap::new(&simulators[0]).set("organizations", json!("acme,nobody,globex")).run();
    assert_eq!(run.code, 1);
    run.check_protocol();
    assert!(run.stderr.contains("nobody"), "{}", run.stderr);
    for simulator in &simulators {
        let events = of_organization(&run, "events", &simulator.slug());
        assert_eq!(events.len(), simulator.truth().event_ids().len());
    }
    assert_eq!(run.stderr.lines().filter(|line| line.contains("CRITICAL")).count(), 1);
}

#[test]
fn a_single_organizations_state_goes_on_in_a_run_over_several() {
    let simulators = two_organizations();
    let alone = Tap::new(&simulators[0]).sync();
    let both =
        Tap::new(&simulators[0]).set("organizations", json!(["globex", "acme"])).state(alone.last_state()).sync();
    assert_eq!(of_organization(&both, "events", "acme").len(), 0, "acme was read already");
    assert_eq!(of_organization(&both, "events", "globex").len(), simulators[1].truth().event_ids().len());
    // And back to one organization: the state of the other one is kept.
    let alone = Tap::new(&simulators[0]).state(both.last_state()).sync();
    assert!(alone.records("events").is_empty());
    let both =
        Tap::new(&simulators[0]).set("organizations", json!(["globex", "acme"])).state(alone.last_state()).sync();
    assert!(both.records("events").is_empty());
}

#[test]
fn plan_and_check_name_each_organization() {
    let simulators = two_organizations();
    let tap = || Tap::new(&simulators[0]).set("organizations", json!("acme,globex"));
    let plan = tap().arg("--plan").run();
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("acme") && plan.stdout.contains("globex"), "{}", plan.stdout);
    let check = tap().arg("--test").run();
    assert_eq!(check.code, 0, "{}", check.stderr);
    assert!(check.stdout.contains("globex"), "{}", check.stdout);
}
