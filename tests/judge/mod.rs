//! The judge: whole histories, played against the simulator. An organization lives, a network lies, a user changes their
//! mind and kills runs. When all is quiet again, everything that was promised must have arrived.
//!
//! The judge only runs the binary, and reads stdout and the exit code. Histories come from seeds. `SEED=7` plays one,
//! `HISTORIES=2000` many, `CHARGE=releases` looks only at charges with that text, and `WITHOUT=Hide,Release` leaves out
//! what such words describe. A history that fails is cut down to its shortest failing beginning.

mod change;
mod dice;
mod history;
mod ledger;
mod play;
mod process;
mod sees;
mod target;
mod trouble;
mod verdict;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use history::History;

/// How many failing histories are cut down. Of the others only the charges are told.
const SHRUNK: u64 = 3;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The history of a seed, without what the user of the judge does not want to see.
fn history(seed: u64, now: DateTime<Utc>) -> History {
    let left_out = std::env::var("WITHOUT").unwrap_or_default();
    let words: Vec<&str> = left_out.split(',').filter(|word| !word.is_empty()).collect();
    History::new(seed, now).without(&words)
}

/// What a history has shown.
struct Case {
    charges: Vec<String>,
    /// What happened, in words.
    diary: Vec<String>,
}

/// Plays a history twice. If it fails undisturbed, nothing is learned from disturbing it.
fn case(history: &History) -> Case {
    let wanted = std::env::var("CHARGE").unwrap_or_default();
    let undisturbed = play::play(&history.undisturbed());
    let mut charges = verdict::judge(&undisturbed);
    charges.retain(|charge| charge.contains(&wanted));
    if !charges.is_empty() {
        let charges = charges.iter().map(|charge| format!("without any fault: {charge}")).collect();
        return Case { charges, diary: undisturbed.ledger.diary };
    }
    let disturbed = play::play(history);
    let mut charges = verdict::judge(&disturbed);
    charges.extend(verdict::judge_requests(&disturbed.runs, &undisturbed.runs));
    charges.retain(|charge| charge.contains(&wanted));
    Case { charges, diary: disturbed.ledger.diary }
}

/// The shortest beginning of a history that fails, and what it has shown.
fn shortest(history: &History) -> Option<(History, Case)> {
    (0..=history.steps.len()).find_map(|steps| {
        let beginning = history.first(steps);
        let case = case(&beginning);
        (!case.charges.is_empty()).then_some((beginning, case))
    })
}

#[test]
fn histories() {
    let now = Utc::now();
    let seeds: Vec<u64> = match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("HISTORIES").unwrap_or(40)).collect(),
    };
    let failed = play_all(&seeds, now);
    let shrunk = usize::try_from(number("SHRINK").unwrap_or(SHRUNK)).expect("a small number");
    std::thread::scope(|scope| {
        for seed in failed.iter().take(shrunk) {
            scope.spawn(|| tell(*seed, now));
        }
    });
    assert!(failed.is_empty(), "{} of {} histories fail: {failed:?}", failed.len(), seeds.len());
}

/// Plays the histories of all seeds side by side. Most of their time is waiting. Returns those that fail.
fn play_all(seeds: &[u64], now: DateTime<Utc>) -> Vec<u64> {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = number("JUDGE_THREADS").unwrap_or(6);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) =
                    usize::try_from(next.fetch_add(1, Ordering::SeqCst)).ok().and_then(|at| seeds.get(at))
                {
                    let charges = case(&history(*seed, now)).charges;
                    if let Some(first) = charges.first() {
                        let all = charges.iter().map(|charge| format!("  {}\n", charge.lines().next().unwrap_or("")));
                        say(&format!("SEED={seed} fails:\n{}", all.collect::<String>()));
                        failed.lock().expect("no thread panicked").push((*seed, first.clone()));
                    }
                }
            });
        }
    });
    let mut failed: Vec<u64> =
        failed.into_inner().expect("no thread panicked").into_iter().map(|(seed, _)| seed).collect();
    failed.sort_unstable();
    failed
}

/// Prints the shortest failing beginning of a seed's history.
fn tell(seed: u64, now: DateTime<Utc>) {
    let history = history(seed, now);
    let Some((beginning, case)) = shortest(&history) else {
        return say(&format!("SEED={seed} does not fail every time"));
    };
    let settings = &beginning.settings;
    say(&format!(
        "\nSEED={seed}, the first {} of {} steps: {:?}, new by {:?}, {} rows a page\n  {:?}\n  {}\n{}\n",
        beginning.steps.len(),
        history.steps.len(),
        settings.dialect,
        settings.new_by,
        settings.most_rows,
        beginning.wishes,
        case.diary.join("\n  "),
        case.charges.join("\n")
    ));
}

/// Says something aloud, also where a test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
