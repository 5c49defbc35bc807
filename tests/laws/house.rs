//! Laws of the house: which lot may know which, that no file comes round to itself, and what only one file may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::sources::{self, Source, arrows, circles};

/// What each lot knows of. A lot is a folder or a file below `src/`; those inside `sync/` are lots of their own. The rows
/// are exact: an arrow that is not used is not allowed either. `lib.rs` is the door and may know all.
const LOTS: [(&str, &[&str]); 19] = [
    ("time.rs", &[]),
    ("json", &[]),
    ("cli.rs", &[]),
    ("singer", &["json", "time.rs"]),
    ("sentry/limits", &[]),
    ("sentry", &["json", "sentry/limits", "time.rs"]),
    ("streams", &["json", "sentry", "sentry/limits"]),
    ("config", &["sentry", "streams", "time.rs"]),
    ("catalog", &["config", "json", "sentry", "singer", "streams"]),
    ("output", &["catalog", "json", "sentry", "singer", "streams", "time.rs"]),
    (
        "sync/session",
        &["catalog", "config", "json", "output", "sentry", "sentry/limits", "singer", "streams", "time.rs"],
    ),
    ("sync/tables", &["json", "output", "sentry", "singer", "streams", "sync/session", "time.rs"]),
    ("sync/issues", &["json", "output", "sentry", "sentry/limits", "singer", "sync/session", "time.rs"]),
    (
        "sync/events",
        &[
            "config",
            "json",
            "output",
            "sentry",
            "sentry/limits",
            "singer",
            "streams",
            "sync/issues",
            "sync/session",
            "time.rs",
        ],
    ),
    (
        "sync/changes",
        &[
            "output",
            "sentry",
            "singer",
            "streams",
            "sync/events",
            "sync/issues",
            "sync/session",
            "sync/tables",
            "time.rs",
        ],
    ),
    ("sync/schedule.rs", &["catalog", "singer", "streams", "sync/changes", "sync/session", "sync/tables", "time.rs"]),
    ("sync", &[]),
    ("terminal", &["output", "sentry/limits", "sync/session"]),
    (
        "commands",
        &[
            "catalog",
            "cli.rs",
            "config",
            "json",
            "output",
            "sentry",
            "sentry/limits",
            "singer",
            "streams",
            "sync/changes",
            "sync/events",
            "sync/issues",
            "sync/schedule.rs",
            "sync/session",
            "sync/tables",
            "terminal",
            "time.rs",
        ],
    ),
];

/// The most that one lot may hold of all lines, in percent; those inside another count for themselves.
const LARGEST_LOT: usize = 26;

fn lot(name: &str) -> &'static str {
    let rows = LOTS.iter().map(|(lot, _)| *lot);
    let holds = |lot: &&str| name == *lot || name.strip_prefix(*lot).is_some_and(|rest| rest.starts_with('/'));
    rows.filter(holds).max_by_key(|lot| lot.len()).unwrap_or_else(|| panic!("{name} is in no lot"))
}

fn library() -> Vec<Source> {
    let mut sources = sources::all();
    sources.retain(|source| source.name != "lib.rs");
    sources
}

#[test]
fn no_file_comes_round_to_itself() {
    for (sources, least) in [(library(), 300), (sources::below("benches/performance"), 40)] {
        let arrows = arrows(&sources);
        assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > least, "the arrows are not seen");
        let inside = |circle: &BTreeSet<usize>| {
            let one = |at: &usize| {
                let others = arrows[at].intersection(circle).map(|to| sources[*to].name.as_str()).collect::<Vec<_>>();
                format!("{} -> {}", sources[*at].name, others.join(", "))
            };
            circle.iter().map(one).collect::<Vec<_>>().join("\n")
        };
        let circles: Vec<String> = circles(&arrows).iter().map(inside).collect();
        assert!(circles.is_empty(), "circles:\n{}", circles.join("\n\n"));
    }
}

#[test]
fn a_circle_of_files_is_found_when_an_arrow_is_put_back() {
    let mut sources = library();
    let at = sources.iter().position(|source| source.name == "sync/session/mod.rs").expect("the session");
    let text = format!("use crate::sync::tables::root::walk_rows;\n{}", sources[at].text);
    sources[at] = Source::new("sync/session/mod.rs".to_owned(), text);
    let circles = circles(&arrows(&sources));
    assert_eq!(circles.len(), 1);
    assert!(circles[0].iter().any(|at| sources[*at].name == "sync/tables/root.rs"));
}

#[test]
fn lots_know_what_their_row_says_and_no_more() {
    let sources = library();
    let mut known: BTreeMap<&str, BTreeSet<&str>> = LOTS.iter().map(|(lot, _)| (*lot, BTreeSet::new())).collect();
    for (from, named) in arrows(&sources) {
        let own = lot(&sources[from].name);
        let others = named.iter().map(|to| lot(&sources[*to].name)).filter(|other| *other != own);
        known.entry(own).or_default().extend(others);
    }
    for (lot, row) in LOTS {
        assert_eq!(known[lot], row.iter().copied().collect(), "what {lot} knows of");
    }
}

#[test]
fn no_lot_holds_more_than_about_a_quarter() {
    let sources = sources::all();
    let lines = |source: &Source| source.text.lines().count();
    let all: usize = sources.iter().map(lines).sum();
    for (name, _) in LOTS {
        let own: usize = library().iter().filter(|source| lot(&source.name) == name).map(lines).sum();
        assert!(own * 100 <= all * LARGEST_LOT, "{name} holds {own} of {all} lines");
    }
}

/// Whether arrows lead from one lot to another.
fn leads(rows: &BTreeMap<&str, &[&str]>, from: &str, to: &str) -> bool {
    rows[from].iter().any(|next| *next == to || leads(rows, next, to))
}

/// The lots as a picture: an arrow is drawn where none of the others leads there already.
fn picture() -> String {
    let rows: BTreeMap<&str, &[&str]> = LOTS.into_iter().filter(|(lot, _)| *lot != "sync").collect();
    let mut text = String::from("```mermaid\nflowchart TD\n");
    for (from, row) in &rows {
        for to in *row {
            if !row.iter().any(|other| other != to && leads(&rows, other, to)) {
                let _ = writeln!(text, "    {from} --> {to}");
            }
        }
    }
    text + "```\n"
}

#[test]
fn the_picture_of_the_lots_is_true() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    let picture = picture();
    assert!(document.contains(&picture), "ARCHITECTURE.md must contain\n{picture}");
}

/// Types and where they are defined.
fn definitions(sources: &[Source]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut types: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        for line in source.code.lines() {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let at = words.iter().position(|word| matches!(*word, "struct" | "enum"));
            if let Some(name) = at.and_then(|at| words.get(at + 1)) {
                types.entry((*name).to_owned()).or_default().insert(&source.name);
            }
        }
    }
    types
}

/// What is called on a value stands where its type stands: else files would know each other by calls alone.
#[test]
fn methods_stand_in_the_file_of_their_type() {
    let sources = sources::all();
    let types = definitions(&sources);
    for source in &sources {
        for line in source.code.lines().filter(|line| line.starts_with("impl") && !line.contains(" for ")) {
            let named = line.trim_start_matches("impl");
            let named =
                if named.starts_with('<') { named.split_once("> ").map_or("", |(_, rest)| rest) } else { named };
            let name: String = named.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let homes = types.get(&name).unwrap_or_else(|| panic!("{}: where is {name} from?", source.name));
            assert!(homes.contains(source.name.as_str()), "{}: {name} is at home in {homes:?}", source.name);
        }
    }
}

/// Files other than `owners` whose code has one of these texts.
fn others_with(texts: &[&str], owners: &[&str]) -> Vec<String> {
    let sources = sources::all();
    let has = |source: &&Source| texts.iter().any(|text| source.code.contains(text));
    for owner in owners {
        assert!(sources.iter().filter(has).any(|source| source.name == *owner), "{owner} does nothing of {texts:?}");
    }
    let others = sources.iter().filter(has).filter(|source| !owners.contains(&source.name.as_str()));
    others.map(|source| source.name.clone()).collect()
}

/// What an error means is decided in one place; the others ask for its tolerance.
#[test]
fn kinds_of_errors_and_statuses_are_compared_where_answers_are_judged() {
    let judges = ["sentry/answer.rs", "sentry/error.rs", "sentry/judge.rs"];
    let kinds = [
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "NotHere",
        "BadRequest",
        "Refused",
        "Unavailable",
        "Broken",
        "Foreign",
        "Protocol",
        "Cut",
    ];
    let kinds = kinds.map(|kind| format!("ErrorKind::{kind}"));
    assert_eq!(others_with(&kinds.each_ref().map(String::as_str), &judges), [""; 0]);
    let compared = ["status <", "status >", "status ==", "status !=", "match status", "status.is_", "match (status"];
    let compared = others_with(&compared, &judges);
    assert_eq!(compared, [""; 0]);
    // A gap, a skip or the end of a run follows from the tolerance in one file; the others may ask for another form.
    let decided =
        others_with(&["Tolerance::EndOfRun", "Tolerance::Gap"], &["sentry/error.rs", "sync/session/tolerance.rs"]);
    assert_eq!(decided, [""; 0]);
    // reqwest's errors are looked into for a refused certificate; errors of ours never are.
    assert_eq!(others_with(&["downcast"], &["sentry/answer.rs"]), [""; 0]);
}

/// Whoever waits for one of several futures waits for nothing else in between.
#[test]
fn futures_are_driven_in_one_place_and_no_lock_is_waited_with() {
    let driving =
        ["FuturesUnordered", "FuturesOrdered", "buffer_unordered", ".buffered(", "join_all", "try_join", "select_all"];
    assert_eq!(others_with(&driving, &["sync/session/drive.rs"]), [""; 0]);
    assert_eq!(others_with(&["select!"], &["commands/sync.rs"]), [""; 0], "who waits for the first of several");
    // The locks of the standard library cannot be held across an await: the compiler's lints see to that.
    assert_eq!(others_with(&["tokio::sync::Mutex", "tokio::sync::RwLock", "Semaphore"], &[]), [""; 0]);
}

/// Servers differ in `sentry/dialect` alone; the others ask what the server can do.
#[test]
fn no_file_asks_which_server_it_is() {
    let named = ["is_glitchtip", "knows_windows", "knows_all_projects"];
    assert_eq!(others_with(&named, &[]), [""; 0]);
    let glitchtip = others_with(&["GlitchTip", "GLITCHTIP"], &["sentry/dialect/mod.rs"]);
    assert_eq!(glitchtip, [""; 0]);
}

#[test]
fn only_main_names_stdout_and_files_begin_with_their_duty() {
    let main =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("main");
    assert!(main.contains("io::stdout") && main.starts_with("//! "));
    for source in sources::all() {
        assert!(source.text.starts_with("//! "), "{} does not say what it is for", source.name);
        assert!(!source.code.contains("io::stdout"), "{} names stdout", source.name);
        assert!(source.text.lines().count() <= 350, "{} has grown too long", source.name);
    }
}

/// The library is private but for one door, so that the compiler tells what is dead.
#[test]
fn what_is_public_goes_through_the_door() {
    let tables = [
        "commands/about.rs",
        "config/options.rs",
        "lib.rs",
        "sentry/dialect/mod.rs",
        "sentry/endpoint.rs",
        "sentry/endpoints.rs",
        "sentry/limits/group.rs",
        "sentry/mod.rs",
        "streams/rows/mod.rs",
        "streams/stream.rs",
    ];
    for source in sources::all().iter().filter(|source| !tables.contains(&source.name.as_str())) {
        let public = source.code.lines().find(|line| line.trim_start().starts_with("pub "));
        assert_eq!(public, None, "{} is behind no door", source.name);
    }
}
