//! Watches whether the pages of a list bring rows that were not there before. Keeps no rows, only hashes of late ones.
//!
//! A list whose pages bring nothing new has no end that could be waited for, whatever its cursors say.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::json::row::Row;
use crate::sentry::page::Page;

/// Number of rows that are remembered.
const REMEMBERED: usize = 2048;

/// What the last pages of one list have brought.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    seen: HashSet<u64>,
    order: VecDeque<u64>,
    barren: usize,
}

impl Novelty {
    /// Notes a page. Returns how many pages in a row have brought nothing new.
    pub(crate) fn note(&mut self, page: &Page) -> usize {
        let mut brings = false;
        for row in page.rows().flatten() {
            brings |= self.is_new(hash(&row));
        }
        self.barren = if brings { 0 } else { self.barren + 1 };
        self.barren
    }

    fn is_new(&mut self, row: u64) -> bool {
        if !self.seen.insert(row) {
            return false;
        }
        self.order.push_back(row);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// By its id, since numbers in it may change while the list is read. Rows without one count by all of their text.
fn hash(row: &Row<'_>) -> u64 {
    let id = ["id", "eventID"].into_iter().find_map(|name| row.get(name).filter(|id| *id != "null"));
    let mut hasher = DefaultHasher::new();
    id.unwrap_or_else(|| row.raw()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentry::endpoint::Rows;

    fn note(novelty: &mut Novelty, body: &str) -> usize {
        novelty.note(&Page::parse(body.to_owned(), Rows::Array).expect("a page"))
    }

    #[test]
    fn pages_that_bring_nothing_new_are_counted_until_one_does() {
        let mut novelty = Novelty::default();
        assert_eq!(note(&mut novelty, r#"[{"id":"1"},{"id":null,"x":1}]"#), 0);
        assert_eq!(note(&mut novelty, "[]"), 1);
        assert_eq!(note(&mut novelty, r#"[{"id":"1","lastSeen":"later"},{"id":null,"x":1}]"#), 2);
        assert_eq!(note(&mut novelty, r#"[{"id":"1"},{"id":null,"x":2}]"#), 0);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut novelty = Novelty::default();
        for nth in 0..=REMEMBERED {
            assert_eq!(note(&mut novelty, &format!(r#"[{{"id":"{nth}"}}]"#)), 0);
        }
        assert_eq!((novelty.seen.len(), novelty.order.len()), (REMEMBERED, REMEMBERED));
    }
}
