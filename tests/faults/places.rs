//! The places where a fault can strike. There is one for each kind of request that a sync makes.

use sentry_simulator::{Category, Simulator};

/// One kind of request.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: &'static str,
    /// Text in the path and query that no other kind of request has.
    pub path: String,
    /// The streams that miss something if the place cannot be read.
    pub streams: &'static [&'static str],
    /// Whether the answer is a list.
    pub list: bool,
}

impl Place {
    fn new(name: &'static str, path: impl Into<String>, streams: &'static [&'static str], list: bool) -> Self {
        Self { name, path: path.into(), streams, list }
    }

    /// Whether the run ends if the place cannot be read.
    pub fn is_vital(&self) -> bool {
        self.name == "projects"
    }

    /// Whether it is the list of a whole stream. The others are objects or lists below a row of another stream.
    pub fn is_root(&self) -> bool {
        ["projects", "teams", "users", "issues", "feedback", "releases"].contains(&self.name)
    }
}

/// All places, with the names that this simulator's data has.
pub fn places(simulator: &Simulator) -> Vec<Place> {
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    let issue_of = |category| {
        simulator.read(|org| org.issues.iter().find(|issue| issue.category == category).expect("an issue").id)
    };
    let event = simulator.read(|org| org.issues[0].events[0].hex());
    let feedback = issue_of(Category::Feedback);
    vec![
        Place::new("projects", "/acme/projects/?", &["projects", "project_detail", "issues", "events"], true),
        Place::new("project", format!("/projects/acme/{slug}/?"), &["project_detail"], false),
        Place::new("teams", "/acme/teams/?", &["teams"], true),
        Place::new("users", "/acme/users/?", &["users"], true),
        Place::new("issues", "&query=&", &["issues", "events"], true),
        Place::new("feedback", "&query=issue.category%3Afeedback&", &["issues", "events"], true),
        Place::new("issue", format!("/issues/{}/?", issue_of(Category::Error)), &["issues"], false),
        Place::new("project events", format!("/{slug}/events/?"), &["events"], true),
        Place::new("issue events", format!("/issues/{feedback}/events/?"), &["events"], true),
        Place::new("event", format!("/events/{event}/?"), &["events"], false),
        Place::new("releases", "/acme/releases/?", &["releases", "release"], true),
        Place::new("commits", "/commits/?", &["release"], true),
        Place::new("deploys", "/deploys/?", &["release"], true),
    ]
}
