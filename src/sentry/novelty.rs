//! Watches whether the pages of a list bring rows that were not there before. Keeps no rows, only hashes of late ones.
//!
//! A list whose pages bring nothing new has no end that could be waited for, whatever its cursors say.

use crate::json::row::Row;
use crate::sentry::page::Page;
use crate::sentry::recent::Recent;

/// What the last pages of one list have brought.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    recent: Recent,
    barren: usize,
}

impl Novelty {
    /// Notes a page. Returns how many pages in a row have brought nothing new.
    pub(crate) fn note(&mut self, page: &Page) -> usize {
        let mut brings = false;
        for row in page.rows().flatten() {
            brings |= self.recent.is_new(name(&row));
        }
        self.barren = if brings { 0 } else { self.barren + 1 };
        self.barren
    }
}

/// Its id, since numbers in it may change while the list is read. Rows without one count by all of their text.
fn name<'r>(row: &'r Row<'_>) -> &'r str {
    let id = ["id", "eventID"].into_iter().find_map(|name| row.get(name).filter(|id| *id != "null"));
    id.unwrap_or_else(|| row.raw())
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
}
