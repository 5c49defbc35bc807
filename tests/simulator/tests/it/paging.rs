//! The three kinds of cursors, letter by letter. All pages together are the whole list.

use std::collections::BTreeSet;

use sentry_simulator::{Organization, Settings, Shape, Simulator};

use crate::client::{get, self_hosted, text, walk};

fn shape() -> Shape {
    Shape { issue_sizes: vec![vec![230, 3], vec![7], vec![1]], members: 12, commits_per_release: 7, ..Shape::default() }
}

#[test]
fn row_offset_links() {
    let sim = self_hosted(&shape());
    let at = format!("http://{}/api/0/projects/acme/api-backend/events/?", sim.address());
    let first = get(&sim, "projects/acme/api-backend/events/");
    assert_eq!(
        first.header("Link"),
        Some(&*format!(
            r#"<{at}&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", <{at}&cursor=0:100:0>; rel="next"; results="true"; cursor="0:100:0""#
        ))
    );
    let last = get(&sim, "projects/acme/api-backend/events/?cursor=0:200:0");
    assert_eq!(
        last.header("Link"),
        Some(&*format!(
            r#"<{at}&cursor=0:100:1>; rel="previous"; results="true"; cursor="0:100:1", <{at}&cursor=0:300:0>; rel="next"; results="false"; cursor="0:300:0""#
        ))
    );
    assert_eq!(last.rows().len(), 33);
}

#[test]
fn page_number_links() {
    let sim = self_hosted(&shape());
    let at = format!("http://{}/api/0/organizations/acme/members/?per_page=5", sim.address());
    let first = get(&sim, "organizations/acme/members/?per_page=5");
    assert_eq!(
        first.header("Link"),
        Some(&*format!(
            r#"<{at}&cursor=5:-1:1>; rel="previous"; results="false"; cursor="5:-1:1", <{at}&cursor=5:1:0>; rel="next"; results="true"; cursor="5:1:0""#
        ))
    );
    assert_eq!(get(&sim, "organizations/acme/members/?per_page=5&cursor=5:2:0").rows().len(), 2);
    let hundred = get(&sim, "organizations/acme/members/");
    assert!(hundred.header("Link").expect("a link").contains(r#"results="false"; cursor="100:1:0""#));
}

#[test]
fn key_links() {
    let sim = self_hosted(&shape());
    let path = "organizations/acme/issues/?project=-1&query=&limit=2";
    let page = get(&sim, path);
    let all = get(&sim, "organizations/acme/issues/?project=-1&query=").rows();
    let ms = |row: usize| {
        let seen = text(&all[row], "lastSeen");
        chrono::DateTime::parse_from_rfc3339(&seen).expect("a time").timestamp_millis()
    };
    let at = format!("http://{}/api/0/{path}", sim.address());
    let (first, third) = (ms(0), ms(2));
    let ties = (0..2).filter(|row| ms(*row) == third).count();
    assert_eq!(
        page.header("Link"),
        Some(&*format!(
            r#"<{at}&cursor={first}:0:1>; rel="previous"; results="false"; cursor="{first}:0:1", <{at}&cursor={third}:{ties}:0>; rel="next"; results="true"; cursor="{third}:{ties}:0""#
        ))
    );
}

#[test]
fn key_links_count_ties() {
    let sim =
        self_hosted(&Shape { projects: 1, issues_per_project: 0, feedback_issues_per_project: 0, ..Shape::default() });
    let at = sim.now() - chrono::TimeDelta::hours(1);
    let ids: BTreeSet<_> = sim.edit(|org| (0..5).map(|_| org.add_issue("api-backend", 1, at).to_string()).collect());
    let page = get(&sim, "organizations/acme/issues/?query=&limit=3");
    assert_eq!(page.next(), Some(format!("{}:3:0", at.timestamp() * 1000)));
    let walked = walk(&sim, "organizations/acme/issues/?query=&limit=1");
    assert_eq!(walked.len(), 5);
    assert_eq!(walked.iter().map(|row| text(row, "id")).collect::<BTreeSet<_>>(), ids);
    assert!(
        get(&sim, "organizations/acme/issues/?query=").header("Link").expect("a link").contains("\"false\"; cursor")
    );
}

#[test]
fn commits_page_by_order() {
    let sim = self_hosted(&shape());
    let path = "organizations/acme/releases/web%402.1.1%2Bbuild%207/commits/";
    let page = get(&sim, &format!("{path}?per_page=3"));
    let link = page.header("Link").expect("a link");
    assert!(
        link.contains(&format!("/api/0/{path}?per_page=3&cursor=0:0:1>; rel=\"previous\"; results=\"false\"")),
        "{link}"
    );
    assert_eq!(page.next().as_deref(), Some("3:0:0"));
    assert!(get(&sim, path).header("Link").expect("a link").ends_with(r#"results="false"; cursor="6:1:0""#));
    assert_eq!(walk(&sim, &format!("{path}?per_page=3")).len(), 7);
}

#[test]
fn the_union_of_pages_is_the_truth() {
    let sim = self_hosted(&shape());
    let truth = sim.truth();
    let ids = |path: &str| walk(&sim, path).iter().map(|row| text(row, "id")).collect::<BTreeSet<_>>();
    assert_eq!(ids("organizations/acme/projects/?per_page=1"), truth.projects);
    assert_eq!(ids("organizations/acme/teams/?per_page=2"), truth.teams);
    assert_eq!(ids("organizations/acme/members/?per_page=5"), truth.members);
    assert_eq!(ids("organizations/acme/users/?project=-1"), truth.users);
    let mut issues = ids("organizations/acme/issues/?project=-1&query=&limit=2");
    issues.extend(ids("organizations/acme/issues/?project=-1&query=issue.category:feedback"));
    assert_eq!(issues, truth.issues.keys().cloned().collect());
    let mut events = BTreeSet::new();
    for issue in &issues {
        events.extend(ids(&format!("organizations/acme/issues/{issue}/events/?per_page=99")));
    }
    assert_eq!(events, truth.event_ids());
    let mut errors = BTreeSet::new();
    for project in &truth.projects {
        errors.extend(ids(&format!("projects/acme/{project}/events/?full=1&per_page=17")));
    }
    let expected = truth.events.iter().filter(|(issue, _)| truth.issues[*issue].category == "error");
    assert_eq!(errors, expected.flat_map(|(_, events)| events.iter().map(|event| event.id.clone())).collect());
}

#[test]
fn generation_is_deterministic() {
    let events = |seed| {
        let org = Organization::generate(&Shape { seed, ..shape() });
        org.truth(0).event_ids()
    };
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
}

#[test]
fn ties_make_paging_by_issue_lose_rows() {
    let shape = Shape { issue_sizes: vec![vec![60]], projects: 1, ties: 40, ..Shape::default() };
    let sim = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let issue = sim.truth().issues.keys().next().expect("an issue").clone();
    let path = format!("organizations/acme/issues/{issue}/events/?per_page=10");
    let rows = walk(&sim, &path);
    let distinct: BTreeSet<_> = rows.iter().map(|row| text(row, "id")).collect();
    assert_eq!(rows.len(), 60);
    assert!(distinct.len() < 60);
    sim.settings(|settings| settings.unstable_ties = false);
    assert_eq!(walk(&sim, &path).iter().map(|row| text(row, "id")).collect::<BTreeSet<_>>().len(), 60);
}

#[test]
fn bad_parameters() {
    let sim = self_hosted(&shape());
    for (path, text) in [
        ("organizations/acme/projects/?per_page=0", "Invalid per_page value. Must be between 1 and 100."),
        ("organizations/acme/projects/?per_page=101", "Invalid per_page value. Must be between 1 and 100."),
        ("organizations/acme/projects/?per_page=x", "Invalid per_page parameter."),
        ("organizations/acme/projects/?cursor=x", "Invalid cursor parameter."),
        ("organizations/acme/projects/?cursor=100:-1:1", "Invalid cursor parameter."),
        ("organizations/acme/issues/?limit=x", "invalid limit"),
        ("organizations/acme/issues/?start=2026-10-01", "start and end are both required"),
        ("organizations/acme/issues/?start=2026-10-02&end=2026-10-02", "start must be before end"),
        ("organizations/acme/issues/?start=x&end=2026-10-02", "x is not a valid ISO8601 date query"),
        ("organizations/acme/issues/?statsPeriod=x", "Invalid statsPeriod: 'x'"),
        ("organizations/acme/issues/?project=web", "Invalid project parameter. Values must be numbers."),
        ("organizations/acme/issues/?sort=x", "Sort key 'x' not supported."),
        ("projects/acme/api-backend/events/?start=2026-10-01", "Invalid date range parameters provided"),
        (
            "organizations/acme/releases/?project=-1&start=2026-10-01",
            "Invalid date range: start and end are both required",
        ),
    ] {
        let answer = get(&sim, path);
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (400, Some(text)), "{path}");
    }
}
