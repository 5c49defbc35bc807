//! Whether the server has an endpoint at all, as its answers below the rows of the parent show. Sends nothing.
//!
//! An endpoint is not there if every path of it that was asked for answered 404, although the parents are there. One
//! answer shows that it is.

use std::cell::Cell;

/// So many parents are asked before the endpoint is given up. More of them would be deleted at once only by chance.
const ENOUGH: u32 = 3;

/// What the answers of this run have shown of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    answered: Cell<bool>,
    missed: Cell<u32>,
    absent: Cell<bool>,
}

impl Presence {
    /// Some path of it has answered.
    pub(crate) fn note_answer(&self) {
        self.answered.set(true);
    }

    /// Whether some path of it has answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// A path of it answered 404, and nothing shows that what it names is gone. Returns whether it is time to conclude.
    pub(crate) fn note_miss(&self) -> bool {
        self.missed.set(self.missed.get().saturating_add(1));
        self.missed.get() >= ENOUGH && self.is_unseen()
    }

    /// Whether there were paths that answered 404, none that answered otherwise, and no conclusion yet.
    pub(crate) fn is_unseen(&self) -> bool {
        self.missed.get() > 0 && !self.answered.get() && !self.absent.get()
    }

    /// The endpoint is not there.
    pub(crate) fn conclude_absence(&self) {
        self.absent.set(true);
    }

    /// Whether the endpoint was found not to be there.
    pub(crate) fn is_absent(&self) -> bool {
        self.absent.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_misses_without_an_answer_are_enough() {
        let presence = Presence::default();
        assert!(!presence.is_unseen(), "nothing was asked");
        assert_eq!([presence.note_miss(), presence.note_miss(), presence.note_miss()], [false, false, true]);
        presence.conclude_absence();
        assert!(presence.is_absent() && !presence.is_unseen());
    }

    #[test]
    fn one_answer_shows_that_the_endpoint_is_there() {
        let presence = Presence::default();
        assert!(!presence.note_miss() && presence.is_unseen());
        presence.note_answer();
        assert!((0..9).all(|_| !presence.note_miss()) && !presence.is_unseen());
    }
}
