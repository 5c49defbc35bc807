//! The source files, and which of them names which: imports, and paths in the code. Reads text, and knows no types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One file below `src/`.
pub struct Source {
    /// Path below `src/`, with slashes.
    pub name: String,
    /// The text without comments and without what only tests have.
    pub code: String,
    /// The whole text.
    pub text: String,
    /// Path of its module, from the crate's root.
    module: Vec<String>,
}

/// Every file below `src/` that is part of the library; unit tests are left out.
pub fn all() -> Vec<Source> {
    let mut sources = below("src");
    sources.retain(|source| source.name != "main.rs" && !source.name.ends_with("_tests.rs"));
    sources
}

/// Every file below a folder.
pub fn below(folder: &str) -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    read(&root, &root, &mut sources);
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

fn read(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let name = path.strip_prefix(root).expect("below src").to_string_lossy().replace('\\', "/");
            sources.push(Source::new(name, text));
        }
    }
}

impl Source {
    pub fn new(name: String, text: String) -> Self {
        let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
            module.pop();
        }
        let own = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = own.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        Self { name, code, text, module }
    }

    /// Every path that the file names, from the crate's root.
    fn paths(&self) -> Vec<Vec<String>> {
        let (mut paths, mut rest) = (Vec::new(), String::new());
        for statement in self.code.split_inclusive(';') {
            match use_tree(statement) {
                Some((before, tree)) => {
                    rest.push_str(before);
                    expand(&tree, &[], &mut paths);
                }
                None => rest.push_str(statement),
            }
        }
        paths.extend(paths_in_code(&rest));
        paths.into_iter().filter_map(|path| self.resolve(&path)).collect()
    }

    /// The path from the crate's root; nothing for paths into other crates.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let base = match first.as_str() {
            "crate" => &[][..],
            "self" => &self.module[..],
            "super" => &self.module[..self.module.len().checked_sub(1)?],
            child if self.declares(child) => return Some([&self.module[..], path].concat()),
            _ => return None,
        };
        let mut base = base.to_vec();
        let mut rest = rest.iter().peekable();
        while rest.next_if(|part| *part == "super").is_some() {
            base.pop();
        }
        Some(base.into_iter().chain(rest.cloned()).collect())
    }

    fn declares(&self, child: &str) -> bool {
        let declaration = format!("mod {child};");
        self.code.lines().any(|line| line.trim_end().ends_with(&declaration))
    }
}

/// The tree of a `use` statement, and what stands before it.
fn use_tree(statement: &str) -> Option<(&str, String)> {
    let at = statement.match_indices("use ").map(|(at, _)| at).find(|at| {
        let before = statement[..*at].trim_end_matches(' ');
        before.is_empty() || before.ends_with(['\n', '{', '}']) || before.ends_with("pub") || before.ends_with(')')
    })?;
    let tree = statement[at + 4..].trim_end_matches(';');
    Some((&statement[..at], tree.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// All paths of a `use` tree.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        let own = name.split("::").map(str::trim).filter(|part| !part.is_empty() && *part != "self");
        // `use crate::a::{self}` is the path itself; a leading `self` is kept for the caller.
        let leading = (before.is_empty() && name.starts_with("self")).then(|| "self".to_owned());
        paths.push(before.iter().cloned().chain(leading).chain(own.map(str::to_owned)).collect());
        return;
    };
    let head: Vec<String> =
        head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let before = [before, &head].concat();
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&group[start..at], &before, paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&group[start..], &before, paths);
    }
}

/// Paths such as `crate::a::b` and `child::item` that stand in the code.
fn paths_in_code(code: &str) -> Vec<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_word(c)).filter(|word| word.contains("::"));
    let parts = |word: &str| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    words.map(parts).collect()
}

/// Which file names which, both by their place in `sources`. A path belongs to the longest module that it begins with.
pub fn arrows(sources: &[Source]) -> BTreeMap<usize, BTreeSet<usize>> {
    let modules: BTreeMap<&[String], usize> =
        sources.iter().enumerate().map(|(at, source)| (&source.module[..], at)).collect();
    let target = |path: &Vec<String>| (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]).copied());
    let of = |(at, source): (usize, &Source)| {
        let named = source.paths().iter().filter_map(target).filter(|named| *named != at).collect();
        (at, named)
    };
    sources.iter().enumerate().map(of).collect()
}

/// Files that name each other, directly or around corners; each circle once.
pub fn circles(arrows: &BTreeMap<usize, BTreeSet<usize>>) -> Vec<BTreeSet<usize>> {
    let reach = |from: usize| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(at) = left.pop() {
            for next in arrows.get(&at).into_iter().flatten() {
                if seen.insert(*next) {
                    left.push(*next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<usize, BTreeSet<usize>> = arrows.keys().map(|at| (*at, reach(*at))).collect();
    let in_circle = |at: &usize| reached[at].contains(at);
    let circle = |at: usize| reached[&at].iter().copied().filter(|other| reached[other].contains(&at)).collect();
    let circles: BTreeSet<BTreeSet<usize>> = arrows.keys().copied().filter(|at| in_circle(at)).map(circle).collect();
    circles.into_iter().collect()
}

#[test]
fn every_way_to_name_a_file_is_an_arrow() {
    let source = |name: &str, text: &str| Source::new(name.to_owned(), text.to_owned());
    let sources = [
        source("a/mod.rs", "pub(crate) mod x;\nmod y;\nfn f() { y::g() }"),
        source("a/x.rs", "use crate::{b, c::{self, D}};\nuse std::c::E;"),
        source("a/y.rs", "use super::x::{\n    F,\n};\nfn g() { crate::c::h() } // crate::b::i()"),
        source("b.rs", "#[cfg(test)]\nmod tests { use crate::a::x::F; }"),
        source("c.rs", "pub use self::d::D;\npub(crate) mod d;"),
        source("c/d.rs", "use super::super::b;\nuse crate::a::Z;"),
    ];
    let arrows = arrows(&sources);
    let named = |at: usize| arrows[&at].iter().map(|to| sources[*to].name.as_str()).collect::<Vec<_>>();
    assert_eq!(named(0), ["a/y.rs"]);
    assert_eq!(named(1), ["b.rs", "c.rs"]);
    assert_eq!(named(2), ["a/x.rs", "c.rs"]);
    assert_eq!(named(3), [""; 0]);
    assert_eq!(named(4), ["c/d.rs"]);
    assert_eq!(named(5), ["a/mod.rs", "b.rs"]);
    let circles = circles(&arrows);
    assert_eq!(circles.len(), 1, "{circles:?}");
    let inside: Vec<_> = circles[0].iter().map(|at| sources[*at].name.as_str()).collect();
    assert_eq!(inside, ["a/mod.rs", "a/x.rs", "a/y.rs", "c.rs", "c/d.rs"]);
}
