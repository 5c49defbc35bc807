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

/// Only a refusal says that a project is hidden.
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
    let run = Tap::new(&simulator).only(&["issues"]).set("max_retries", json!(0)).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("answered 500") && !run.stderr.contains("hidden projects"), "{}", run.stderr);
}
