//! Which projects a run reads: of those that are named, the share of this machine. Makes no request, knows no state.

use std::fmt::Write;

/// The choice of projects; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProjectChoice {
    /// Patterns of projects to read; empty means all.
    pub(crate) include: Vec<String>,
    /// Patterns of projects to leave out.
    pub(crate) exclude: Vec<String>,
    /// The share of this machine, if several share an organization.
    pub(crate) shard: Option<Shard>,
}

/// One of several machines that share an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Number of this machine, from 1 to `of`.
    pub(crate) number: u64,
    /// Number of machines.
    pub(crate) of: u64,
}

impl ProjectChoice {
    /// Whether projects are chosen by name.
    pub(crate) fn is_named(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Whether the patterns choose a project, by slug or id. Ignores shares.
    pub(crate) fn names(&self, id: &str, slug: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| is_named_by(pattern, id, slug));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Whether a project is in the share of this machine.
    pub(crate) fn shares(&self, id: &str) -> bool {
        self.shard.is_none_or(|shard| shard.has(id))
    }

    /// Whether this machine reads what belongs to the organization as a whole.
    pub(crate) fn is_first_shard(&self) -> bool {
        self.shard.is_none_or(|shard| shard.number == 1)
    }

    /// Patterns that match none of these projects, which are pairs of id and slug.
    pub(crate) fn idle_patterns(&self, projects: &[(String, String)]) -> Vec<&str> {
        let idle = |pattern: &&String| !projects.iter().any(|(id, slug)| is_named_by(pattern, id, slug));
        self.include.iter().chain(&self.exclude).filter(idle).map(String::as_str).collect()
    }

    /// The patterns as one text, to compare with that of another run; empty if all projects are read.
    pub(crate) fn render(&self) -> String {
        let mut text = self.include.join(",");
        for pattern in &self.exclude {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}!{pattern}", if text.is_empty() { "" } else { "," });
        }
        text
    }
}

impl Shard {
    /// Reads `k/n`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, of) = text.split_once('/')?;
        let (number, of) = (number.trim().parse().ok()?, of.trim().parse().ok()?);
        (number >= 1 && number <= of).then_some(Self { number, of })
    }

    /// Whether a project belongs to it. Must not change between versions of the tap: states depend on it.
    pub(crate) fn has(self, id: &str) -> bool {
        spread(id) % self.of == self.number - 1
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A hash that is part of states and so must never change: FNV-1a over the bytes, then mixed. Unmixed low bits depend on
/// few digits, and ids often grow in equal steps.
pub(crate) fn spread(text: &str) -> u64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn is_named_by(pattern: &str, id: &str, slug: &str) -> bool {
    pattern == id || matches(pattern.as_bytes(), slug.as_bytes())
}

/// `*` matches any text, `?` one character. Works on bytes, since slugs are ASCII.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
        ([first, rest @ ..], [head, tail @ ..]) if first == head => matches(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice(include: &[&str], exclude: &[&str]) -> ProjectChoice {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        ProjectChoice { include: owned(include), exclude: owned(exclude), shard: None }
    }

    #[test]
    fn slugs_ids_and_patterns_name_projects() {
        let named = |choice: &ProjectChoice| {
            let all = [("1", "web"), ("2", "web-api"), ("30", "ios"), ("4", "30")];
            all.into_iter().filter(|(id, slug)| choice.names(id, slug)).map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(named(&choice(&[], &[])), ["1", "2", "30", "4"]);
        assert_eq!(named(&choice(&["web"], &[])), ["1"]);
        assert_eq!(named(&choice(&["web*"], &[])), ["1", "2"]);
        assert_eq!(named(&choice(&["web*"], &["*-api"])), ["1"]);
        assert_eq!(named(&choice(&[], &["???"])), ["2", "4"]);
        assert_eq!(named(&choice(&["30"], &[])), ["30", "4"]);
        assert_eq!(named(&choice(&["nothing"], &[])), [""; 0]);
        let projects = [("1".to_owned(), "web".to_owned())];
        assert_eq!(choice(&["w*", "x"], &["y?"]).idle_patterns(&projects), ["x", "y?"]);
        assert_eq!(choice(&["w*", "x"], &["y?"]).render(), "w*,x,!y?");
    }

    #[test]
    fn the_share_of_a_project_never_changes() {
        let shares = |of| (1..=8).map(|id: u32| spread(&id.to_string()) % of).collect::<Vec<_>>();
        assert_eq!(shares(4), SHARES_OF_4);
        assert_eq!(Shard::parse("2/4"), Some(Shard { number: 2, of: 4 }));
        for wrong in ["", "2", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2"] {
            assert_eq!(Shard::parse(wrong), None, "{wrong}");
        }
    }

    const SHARES_OF_4: [u64; 8] = [0, 1, 0, 3, 3, 1, 1, 3];

    proptest! {
        #[test]
        fn every_project_is_in_exactly_one_share(id in "[1-9][0-9]{0,17}", of in 1_u64..40) {
            let shards = (1..=of).filter(|number| Shard { number: *number, of }.has(&id)).count();
            prop_assert_eq!(shards, 1);
        }

        #[test]
        fn shares_are_about_equal(first in 1_u64..1_000_000_000_000, step in 1_u64..5000, of in 2_u64..9) {
            let ids = (0..400).map(|n| (first + n * step).to_string());
            let mut sizes = vec![0_u64; usize::try_from(of).expect("small")];
            for id in ids {
                sizes[usize::try_from(spread(&id) % of).expect("small")] += 1;
            }
            let even = 400 / of;
            prop_assert!(sizes.iter().all(|size| *size * 4 > even && *size < even * 2), "{:?}", sizes);
        }
    }
}
