//! Changes that wait for a request, and the odd headers of what stands in front of a server.

use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{DateHeader, Fault, FaultKind, LinkForm, NthHit, Shape, Simulator};
use serde_json::json;

use crate::client::{get, self_hosted};

const TEAMS: &str = "organizations/acme/teams/";

fn server() -> Simulator {
    self_hosted(&Shape { teams: 3, ..Shape::default() })
}

#[test]
fn a_planned_change_comes_with_its_request() {
    let sim = server();
    let teams = sim.read(|org| org.teams.iter().map(|team| team.id).collect::<Vec<_>>());
    let (first, second) = (teams[0], teams[1]);
    sim.plan("teams", 2, move |moment| moment.edit(|org| org.delete_team(first)));
    sim.plan("", 5, move |moment| moment.edit(|org| org.delete_team(second)));
    let rows = || get(&sim, TEAMS).rows().len();
    assert_eq!(rows(), 3);
    get(&sim, "organizations/acme/");
    assert_eq!(rows(), 2, "the second request for teams sees it");
    get(&sim, "organizations/acme/");
    assert_eq!(rows(), 1, "the fifth request of all sees it");
}

#[test]
fn changes_without_a_request_are_made_in_order_at_the_end() {
    let sim = server();
    let before = sim.now();
    sim.plan("never", 1, |moment| moment.advance(Duration::from_secs(3600)));
    sim.plan("", 100, |moment| {
        let at = moment.now();
        moment.edit(|org| org.add_project("late", at));
    });
    sim.finish_plans();
    let created = sim.read(|org| org.project_by_slug("late").expect("it was made").created);
    assert!(created - before >= TimeDelta::hours(1));
    let project = sim.read(|org| org.projects[0].id);
    sim.now_do(|moment| moment.deny(project));
    assert!(sim.now_do(|moment| moment.is_denied(project)));
    assert_eq!(get(&sim, &format!("projects/acme/{project}/")).status, 403);
    sim.now_do(|moment| moment.allow(project));
    assert_eq!(get(&sim, &format!("projects/acme/{project}/")).status, 200);
}

#[test]
fn teams_and_members_come_and_go() {
    let sim = server();
    let now = sim.now();
    let (project, before) = sim.read(|org| (org.projects[2].id, org.members.len()));
    let member = sim.edit(|org| {
        let team = org.add_team("night-watch", project, now);
        org.add_member(team, now)
    });
    let users = get(&sim, "organizations/acme/users/?project=-1").rows();
    assert!(users.iter().any(|user| user["id"] == json!(member.to_string())));
    assert!(get(&sim, TEAMS).rows().iter().any(|team| team["slug"] == json!("night-watch")));
    sim.edit(|org| org.delete_member(member));
    assert_eq!(sim.read(|org| org.members.len()), before);
    assert!(!sim.truth().users.contains(&member.to_string()));
}

#[test]
fn links_in_other_forms() {
    let sim = server();
    let links = |form| {
        sim.clear_faults();
        sim.add_fault(Fault { path_contains: String::new(), nth: NthHit::every(), kind: FaultKind::Link(form) });
        let answer = get(&sim, &format!("{TEAMS}?per_page=1"));
        answer.headers.into_iter().filter(|(name, _)| name == "Link").map(|(_, value)| value).collect::<Vec<_>>()
    };
    let usual = links(LinkForm::Usual).remove(0);
    assert_eq!(links(LinkForm::Split).join(", "), usual);
    let other = links(LinkForm::OtherCase).remove(0);
    assert!(other.contains(r#"Rel="Next"; Results="True"; Cursor="1:1:0""#), "{other}");
    let among = links(LinkForm::Among).remove(0);
    assert!(among.contains(&usual) && among.starts_with("<https://cdn.example.com/a,b;c.css>"), "{among}");
    assert!(!links(LinkForm::OnlyPrevious).concat().contains("next"));
    assert!(links(LinkForm::NoCursor).concat().ends_with(r#"rel="next"; results="true""#));
}

#[test]
fn dates_that_are_wrong_or_not_there() {
    let sim = server();
    let date = || get(&sim, TEAMS).header("Date").map(str::to_owned);
    let right = date().expect("a date");
    sim.settings(|settings| settings.date = DateHeader::Off(3 * 86_400));
    assert_ne!(date(), Some(right));
    sim.settings(|settings| settings.date = DateHeader::Absent);
    assert_eq!(date(), None);
}
