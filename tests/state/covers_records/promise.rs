//! Says which records a state covers, that is promises to have been written.

use std::collections::{BTreeMap, BTreeSet};

use sentry_simulator::Truth;
use serde_json::Value;

use super::Written;
use crate::support::Run;

/// The keys that a state covers, by stream.
pub type Promised = BTreeMap<&'static str, BTreeSet<String>>;

/// Reads states, given what the server has.
pub struct Promise<'a> {
    truth: &'a Truth,
    /// Version and time of each release, as the records have them.
    releases: BTreeMap<String, String>,
}

/// The key of a RECORD message.
pub fn key_of(message: &Value) -> String {
    let field = match message["stream"].as_str().expect("a stream") {
        "events" => "eventID",
        "releases" | "release" => "version",
        _ => "id",
    };
    message["record"][field].as_str().expect("a key").to_owned()
}

/// A time as `2026-11-01T12:00:00Z`, without its fraction. Text in this form sorts by time.
fn second(time: &str) -> String {
    format!("{}Z", &time[..19])
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value[name].as_str()
}

impl<'a> Promise<'a> {
    pub fn new(truth: &'a Truth, run: &Run) -> Self {
        let release = |record: &&Value| {
            (
                text(record, "version").expect("a version").to_owned(),
                second(text(record, "dateCreated").expect("a time")),
            )
        };
        Self { truth, releases: run.records("releases").iter().map(release).collect() }
    }

    /// How many events the server has.
    pub fn events(&self) -> usize {
        self.truth.event_ids().len()
    }

    /// Everything that a state covers.
    pub fn of(&self, state: &Value) -> Promised {
        let mut promised = Promised::new();
        promised.insert("events", self.events_of(&state["bookmarks"]["events"]));
        promised.insert("issues", self.issues_of(&state["bookmarks"]["issues"]));
        for stream in ["releases", "release"] {
            // Both are read in one walk. Its progress is kept under `releases`.
            promised.insert(stream, self.releases_of(&state["bookmarks"][stream], &state["bookmarks"]["releases"]));
        }
        for (stream, all) in self.full_tables() {
            let done = state["progress_markers"][0]["done"].as_array();
            let ended = state["progress_markers"][0].is_null() && state["bookmarks"][stream]["start"].is_string();
            let whole = ended || done.is_some_and(|done| done.iter().any(|name| name == stream));
            let item = text(&state["bookmarks"][stream]["progress_markers"][0], "item").map(str::to_owned);
            promised.insert(stream, if whole { all.clone() } else { item.into_iter().collect() });
        }
        promised
    }

    fn full_tables(&self) -> [(&'static str, &BTreeSet<String>); 4] {
        let truth = self.truth;
        [
            ("projects", &truth.projects),
            ("project_detail", &truth.projects),
            ("teams", &truth.teams),
            ("users", &truth.users),
        ]
    }

    /// The last state of a finished run covers everything.
    pub fn assert_kept(&self, last: &Promised, written: &Written) {
        assert_eq!(last["events"], self.truth.event_ids());
        assert_eq!(last["issues"], self.truth.issues.keys().cloned().collect());
        let versions: BTreeSet<String> = self.truth.releases.keys().cloned().collect();
        assert_eq!((&last["releases"], &last["release"]), (&versions, &versions));
        for (stream, all) in self.full_tables() {
            assert_eq!(&last[stream], all, "{stream}");
        }
        assert!(last.iter().all(|(stream, keys)| keys.is_subset(&written[*stream])));
    }

    /// Whether a project's bookmark is later than this time.
    fn is_behind(bookmark: &Value, project: &str, time: &str) -> bool {
        let projects = &bookmark["projects"];
        let known = projects.is_null() || !projects[project].is_null();
        let start = text(&projects[project], "start").or(text(bookmark, "start"));
        known && start.is_some_and(|start| time < start)
    }

    fn events_of(&self, bookmark: &Value) -> BTreeSet<String> {
        let marker = &bookmark["progress_markers"][0];
        let done = |project: &str| marker["done"][project].is_string();
        let mut promised = BTreeSet::new();
        for (id, issue) in &self.truth.issues {
            let partition = &marker["projects"][&issue.project];
            let by_project = partition["way"] == "project" && issue.category == "error";
            for event in &self.truth.events[id] {
                let time = event.timestamp.as_str();
                let half_read = if by_project {
                    partition["listed"] == true || newer(partition, time)
                } else {
                    Self::issue_is_done(partition, id, time)
                };
                if Self::is_behind(bookmark, &issue.project, time) || done(&issue.project) || half_read {
                    promised.insert(event.id.clone());
                }
            }
        }
        promised
    }

    /// Whether the partition of a project says that the issue's event of this time is written.
    fn issue_is_done(partition: &Value, issue: &str, time: &str) -> bool {
        let number = |id: &str| id.parse::<u64>().expect("ids are numbers");
        let words = |line: &Value| line.as_str().expect("text").split(' ').map(str::to_owned).collect::<Vec<_>>();
        let lines = |name: &str| partition[name].as_array().into_iter().flatten().map(words).collect::<Vec<_>>();
        if let Some(long) = lines("long").into_iter().find(|long| long[0] == issue) {
            return *time > *long[2];
        }
        lines("issues").last().is_some_and(|last| number(issue) <= number(&last[0]))
    }

    fn issues_of(&self, bookmark: &Value) -> BTreeSet<String> {
        let marker = &bookmark["progress_markers"][0];
        let is_done = |category: &str, time: &str| match (text(marker, "list"), category == "feedback") {
            (Some(""), false) => newer(marker, time),
            (Some(""), true) | (None, _) => false,
            (Some(_), false) => true, // the second list is feedback, so the first is done
            (Some(_), true) => newer(marker, time),
        };
        let promised = self.truth.issues.iter().filter(|(id, issue)| {
            let (first, last) = (self.first_event(id), second(&issue.last_seen));
            Self::is_behind(bookmark, &issue.project, &last) || is_done(issue.category, &first)
        });
        promised.map(|(id, _)| id.clone()).collect()
    }

    /// When an issue's first event came: issues are listed by that time.
    fn first_event(&self, issue: &str) -> String {
        let first = self.truth.events[issue].iter().map(|event| event.timestamp.as_str()).min();
        second(first.expect("an issue has events"))
    }

    fn releases_of(&self, bookmark: &Value, holder: &Value) -> BTreeSet<String> {
        let is_done = |time: &str| newer(&holder["progress_markers"][0], time) || Self::is_behind(bookmark, "", time);
        self.releases.iter().filter(|(_, time)| is_done(time)).map(|(version, _)| version.clone()).collect()
    }
}

/// Whether a mark says that records of this time are written. A mark covers what is newer than its second.
fn newer(mark: &Value, time: &str) -> bool {
    text(mark, "until").is_some_and(|until| time > until)
}
