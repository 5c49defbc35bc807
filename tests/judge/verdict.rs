//! What was promised, and what of it was broken. The judge accuses only of what is certainly promised, and knows nothing
//! of how the tap works.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::DateTime;
use sentry_simulator::{Category, Event, Issue, Project, Release};
use serde_json::Value;

use super::history::Wishes;
use super::ledger::Known;
use super::play::{Evidence, Ran, chosen};
use super::process::End;

/// Events that are about to expire are not promised for this long, in seconds: a window starts inside what the server
/// keeps, and time passes until it is read.
const EDGE: i64 = 2 * 3600;
/// Runs take so long that a late event may be just too late, in seconds.
const SLACK: i64 = 40;
/// How late releases may come, in seconds.
const RELEASES_LATE: i64 = 25 * 3600;
/// What a run that was stopped or spoiled may cost in requests, and a fault that passes: the request is sent again, and
/// something else is asked for to see whether the server is there.
const PER_STOP: usize = 200;
const PER_FAULT: usize = 3;
/// How a list is split depends on how fast answers come, and so on what else the machine does.
const BY_CHANCE: usize = 10;

/// All charges.
pub fn judge(evidence: &Evidence) -> Vec<String> {
    let court = Court::new(evidence);
    let mut charges = court.runs();
    charges.extend(court.events());
    charges.extend(court.issues());
    charges.extend(court.releases());
    charges.extend(court.tables());
    charges
}

/// Whether a disturbed history took more requests than an undisturbed one allows: those, and some for each run that was
/// stopped, spoiled or failed. What failed is read by the runs after it.
pub fn judge_requests(disturbed: &[Ran], undisturbed: &[Ran]) -> Option<String> {
    let sum = |runs: &[Ran]| runs.iter().map(|run| run.requests).sum::<usize>();
    let stops = disturbed.iter().filter(|run| run.end != End::Own || run.spoiled || run.code != Some(0)).count();
    let faults: usize = disturbed.iter().map(|run| run.faults).sum();
    let allowed = sum(undisturbed) + PER_STOP * stops + PER_FAULT * faults + BY_CHANCE;
    let made = sum(disturbed);
    (made > allowed).then(|| format!("(e) {made} requests, and {allowed} would have been enough"))
}

struct Court<'a> {
    evidence: &'a Evidence,
    /// What is wanted at the end.
    wishes: &'a Wishes,
    /// What every run wanted: the shortest look-back and the latest start.
    lookback: i64,
    start: i64,
    /// Where each event is now.
    places: BTreeMap<String, &'a Issue>,
}

impl<'a> Court<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let wishes = evidence.wishes.last().expect("there is a last run");
        let lookbacks = evidence.wishes.iter().map(|wishes| wishes.lookback);
        let begin = evidence.ledger.first_run.unwrap_or(evidence.now);
        let starts = evidence.wishes.iter().filter_map(|wishes| wishes.start);
        let latest = starts.min().map_or(i64::MIN, |days| begin - days * 86_400);
        let issues = evidence.organization.issues.iter().filter(|issue| issue.is_live());
        Self {
            evidence,
            wishes,
            lookback: lookbacks.min().unwrap_or(0),
            start: latest,
            places: issues.flat_map(|issue| issue.events.iter().map(move |event| (event.hex(), issue))).collect(),
        }
    }

    fn wants(&self, stream: &str) -> bool {
        self.wishes.streams.contains(&stream)
    }

    /// Exit codes, lines, hanging.
    fn runs(&self) -> Vec<String> {
        let mut charges = Vec::new();
        for (number, run) in self.evidence.runs.iter().enumerate() {
            let mut charge = |text: &str| charges.push(format!("{text} (run {}):\n{}", number + 1, run.log));
            if run.end == End::Hung {
                charge("it hung");
            } else if run.had_no_excuse && run.code != Some(0) {
                charge(&format!("(d) exit code {:?} where nothing was wrong", run.code));
            }
            if !run.bad_lines.is_empty() {
                charge(&format!("(f) bad lines: {:?}", run.bad_lines));
            }
        }
        let ending = &self.evidence.runs[self.evidence.runs.len() - 2..];
        let could_end = self.evidence.hidden.is_empty() && self.projects().next().is_some();
        if could_end && !ending.iter().all(Ran::is_whole) {
            let codes: Vec<_> = ending.iter().map(|run| run.code).collect();
            charges.push(format!("(a) after two quiet runs the exit codes are {codes:?}:\n{}", ending[1].log));
        }
        charges
    }

    /// The projects that the user chose and the token may see.
    fn projects(&self) -> impl Iterator<Item = &'a Project> {
        let seen = |project: &&Project| !self.evidence.hidden.contains(&project.id);
        self.evidence.organization.projects.iter().filter(seen).filter(|project| chosen(self.wishes, project))
    }

    /// Whether what came with this time and this late had to be read.
    fn is_on_time(&self, known: Known, late: i64) -> bool {
        known.time >= self.start && (known.early || known.visible - known.time <= late)
    }

    /// The events that were promised, by the issue that has them now.
    fn promised(&self) -> BTreeMap<u64, Vec<&'a Event>> {
        let ledger = &self.evidence.ledger;
        let edge = self.evidence.now - 90 * 86_400 + EDGE;
        let projects: BTreeSet<u64> = self.projects().map(|project| project.id).collect();
        let unlisted: BTreeSet<&String> =
            ledger.listed_first.iter().flat_map(|(issue, events)| self.unlisted(*issue, events)).collect();
        let mut promised = BTreeMap::<u64, Vec<&Event>>::new();
        for issue in self.evidence.organization.issues.iter().filter(|issue| issue.is_live()) {
            let expires = issue.events.last().is_some_and(|event| event.second() < edge);
            if !projects.contains(&issue.project) || (self.evidence.by_window && expires) {
                continue;
            }
            for event in issue.events.iter().filter(|event| event.second() >= edge) {
                let id = event.hex();
                let on_time = self.is_on_time(ledger.events[&id], self.lookback - SLACK);
                if on_time && !ledger.doubtful.contains(&id) && !unlisted.contains(&id) {
                    promised.entry(issue.id).or_default().push(event);
                }
            }
        }
        promised
    }

    /// Events of a merged issue that no run which ended well had listed with them before the merge was done. While it is under
    /// way the server shows the issue nowhere, and afterwards its events look old.
    fn unlisted<'b>(&self, issue: u64, events: &'b [String]) -> Vec<&'b String> {
        let seen = self.evidence.target.last_seen.get(&issue.to_string());
        let seen = seen.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.timestamp());
        let listed = |id: &&String| seen.is_some_and(|seen| seen >= self.evidence.ledger.events[*id].time);
        events.iter().filter(|id| !listed(id)).collect()
    }

    fn is_sampled(&self) -> bool {
        self.evidence.wishes.iter().any(|wishes| wishes.sample.is_some())
    }

    fn events(&self) -> Vec<String> {
        let written = self.evidence.target.written.get("events").cloned().unwrap_or_default();
        let known = &self.evidence.ledger.events;
        let invented: Vec<_> = written.iter().filter(|key| !known.contains_key(&key.concat())).collect();
        let mut charges = Vec::new();
        if !invented.is_empty() {
            charges.push(format!("(b) {} events that never were: {:?}", invented.len(), invented[0]));
        }
        if !self.wants("events") || self.is_sampled() {
            return charges;
        }
        let mut missing = Vec::new();
        for (issue, events) in self.promised() {
            let lost = events.iter().filter(|event| !written.contains(&vec![event.hex()]));
            missing.extend(lost.map(|event| (issue, event.hex())));
        }
        if let Some((_, first)) = missing.first() {
            let issues: BTreeSet<u64> = missing.iter().map(|(issue, _)| *issue).collect();
            let all = self.promised().values().map(Vec::len).sum::<usize>();
            let mut text =
                format!("(b) {} of {all} promised events of {} issues are lost", missing.len(), issues.len());
            write!(text, ", such as {}", self.describe(first)).expect("text");
            charges.push(text);
        }
        charges
    }

    /// An event in words. Times are seconds after the first run.
    fn describe(&self, id: &str) -> String {
        let (known, issue) = (self.evidence.ledger.events[id], self.places[id]);
        let begin = self.evidence.ledger.first_run.unwrap_or(0);
        let project = self.evidence.organization.project(issue.project).map_or("?", |project| &project.slug);
        format!(
            "{id} of issue {} ({}) in {project}, dated {} s, visible {} s",
            issue.id,
            issue.category.name(),
            known.time - begin,
            known.visible - begin,
        )
    }

    fn issues(&self) -> Vec<String> {
        if !self.wants("issues") {
            return Vec::new();
        }
        let written = self.evidence.target.written.get("issues").cloned().unwrap_or_default();
        let promised = self.promised();
        let lost = promised.iter().filter(|(id, events)| self.has_own(**id, events)).map(|(id, _)| *id);
        let lost: Vec<u64> = lost.filter(|id| !written.contains(&vec![id.to_string()])).collect();
        let Some(first) = lost.first() else { return Vec::new() };
        let issue = self.evidence.organization.issue(*first).expect("it is live");
        let kind = if issue.category == Category::Error { "" } else { issue.category.name() };
        let event = self.describe(&promised[first][0].hex());
        vec![format!(
            "(b) {} of {} promised issues {kind} are lost, such as that of {event}",
            lost.len(),
            promised.len()
        )]
    }

    /// Whether an issue has events that came to it, and not only some that a merge or its undoing brought. Those may be
    /// so old that no window has them.
    fn has_own(&self, issue: u64, events: &[&Event]) -> bool {
        events.iter().any(|event| self.evidence.ledger.origins[&event.hex()] == issue)
    }

    /// Releases, and what hangs on them.
    fn releases(&self) -> Vec<String> {
        let promised = self.promised_releases();
        let mut charges = Vec::new();
        for stream in ["releases", "release", "commits", "deploys"].into_iter().filter(|stream| self.wants(stream)) {
            let keys =
                promised.iter().flat_map(|release| keys(stream, release).into_iter().map(move |key| (release, key)));
            let lost: Vec<_> = keys.filter(|(_, key)| !self.evidence.target.has(stream, key)).collect();
            if let Some((release, key)) = lost.first() {
                let known = self.evidence.ledger.releases[&release.version];
                let begin = self.evidence.ledger.first_run.unwrap_or(0);
                charges.push(format!(
                    "(b) {stream}: {} rows of {} releases are lost, such as {key} of {}, dated {} s, visible {} s",
                    lost.len(),
                    promised.len(),
                    release.version,
                    known.time - begin,
                    known.visible - begin
                ));
            }
        }
        charges
    }

    fn promised_releases(&self) -> Vec<&'a Release> {
        let ledger = &self.evidence.ledger;
        let projects: BTreeSet<u64> = self.projects().map(|project| project.id).collect();
        let is_promised = |release: &&Release| {
            release.projects.iter().any(|project| projects.contains(project))
                && !ledger.doubtful.contains(&release.version)
                && self.is_on_time(ledger.releases[&release.version], RELEASES_LATE - SLACK)
        };
        self.evidence.organization.releases.iter().filter(is_promised).collect()
    }

    /// What full tables have at the end.
    fn living(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let organization = &self.evidence.organization;
        let projects: BTreeSet<String> = self.projects().map(|project| project.id.to_string()).collect();
        let of_teams: BTreeSet<u64> = self.projects().flat_map(|project| project.teams.iter().copied()).collect();
        let users = organization.members.iter().filter(|member| {
            member.user.is_some() && member.active && member.teams.iter().any(|team| of_teams.contains(team))
        });
        let teams: BTreeSet<String> = organization.teams.iter().map(|team| team.id.to_string()).collect();
        let members = ids_of(include_str!("../simulator/payloads/team_members.json"));
        let of_team = |team: &String| members.iter().map(|member| format!("{team}/{member}")).collect::<Vec<_>>();
        BTreeMap::from([
            ("projects", projects.clone()),
            ("project_detail", projects),
            ("users", users.map(|member| member.id.to_string()).collect()),
            ("team_members", teams.iter().flat_map(of_team).collect()),
            ("teams", teams),
            ("monitors", ids_of(include_str!("../simulator/payloads/monitors.json"))),
        ])
    }

    fn tables(&self) -> Vec<String> {
        let mut charges = Vec::new();
        let last = self.evidence.runs.last().expect("there is a last run");
        if !self.evidence.hidden.is_empty() || !last.is_whole() {
            return charges;
        }
        for (stream, living) in self.living() {
            if !self.wants(stream) || living.is_empty() {
                continue;
            }
            let written = self.evidence.target.single(stream);
            if written != living {
                charges.push(format!("(c) {stream}: the last run wrote {}", difference(&written, &living)));
            }
            let activated = self.evidence.target.activated.contains(stream);
            if self.wishes.activate && !activated {
                charges.push(format!("(c) {stream}: a quiet run did not send ACTIVATE_VERSION"));
            }
            let kept = self.evidence.target.kept(stream);
            if activated && kept != living {
                charges.push(format!(
                    "(c) {stream}: after ACTIVATE_VERSION the target has {}",
                    difference(&kept, &living)
                ));
            }
        }
        charges
    }
}

/// The keys of the rows that a release has in a stream.
fn keys(stream: &str, release: &Release) -> Vec<String> {
    match stream {
        "release" => vec![release.id.to_string()],
        "commits" => release.commits.iter().map(|commit| commit.sha.clone()).collect(),
        "deploys" => release.deploys.iter().map(|deploy| deploy.id.to_string()).collect(),
        _ => vec![release.version.clone()],
    }
}

fn ids_of(rows: &str) -> BTreeSet<String> {
    let rows: Vec<Value> = serde_json::from_str(rows).expect("a list");
    rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
}

fn difference(found: &BTreeSet<String>, living: &BTreeSet<String>) -> String {
    let more: Vec<_> = found.difference(living).take(3).collect();
    let less: Vec<_> = living.difference(found).take(3).collect();
    format!("{} rows of {}; too many: {more:?}, missing: {less:?}", found.len(), living.len())
}
