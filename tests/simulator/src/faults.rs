//! Faults that tests order: which requests are spoiled, and how. Other files carry them out.

use std::time::Duration;

use crate::hash::Rng;

/// A fault, and the requests that it spoils.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Requests whose path and query contain this text are counted. An empty text counts all.
    pub path_contains: String,
    /// Which of them are spoiled.
    pub nth: NthHit,
    /// How.
    pub kind: FaultKind,
}

/// Which of the counted requests are spoiled. Requests refused by a limit are not counted.
#[derive(Clone, Debug)]
pub enum NthHit {
    /// From the first to the last named, counting from 1, both included.
    Range {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Each of them with this probability, drawn from a seed.
    Chance {
        /// The chance.
        probability: f64,
        /// The seed.
        seed: u64,
    },
}

impl NthHit {
    /// Every one.
    pub const fn every() -> Self {
        Self::Range { from: 1, to: u64::MAX }
    }

    /// This one only, counting from 1.
    pub const fn only(hit: u64) -> Self {
        Self::Range { from: hit, to: hit }
    }

    /// The first ones, up to this number.
    pub const fn first(hits: u64) -> Self {
        Self::Range { from: 1, to: hits }
    }
}

/// Forms of the `Link` header. The first three say the same as the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkForm {
    /// As Sentry writes it.
    #[default]
    Usual,
    /// Each relation in a header of its own.
    Split,
    /// Names and values in other letter case.
    OtherCase,
    /// Relations of others before and after. Their values have commas, semicolons and quoted marks.
    Among,
    /// Without the relation to the next page.
    OnlyPrevious,
    /// The relation to the next page without its cursor.
    NoCursor,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// Another answer altogether.
    Status {
        /// The status code.
        code: u16,
        /// The body.
        body: String,
        /// The content type.
        content_type: String,
        /// More headers.
        headers: Vec<(String, String)>,
    },
    /// The right answer comes later.
    Delay(Duration),
    /// The connection is reset instead of an answer.
    ResetBeforeHeaders,
    /// The connection is reset after the headers.
    ResetAfterHeaders,
    /// The connection is closed after this many bytes of body.
    CutBody(usize),
    /// Nothing more comes after this many bytes of body, but the connection stays open.
    StallBody(usize),
    /// `Content-Length` is wrong by this much. Afterwards the connection is closed.
    WrongLength(isize),
    /// A gzip body that ends too early inside a complete HTTP message.
    TruncatedGzip,
    /// 200 with these bytes.
    Body {
        /// The content type.
        content_type: String,
        /// The body.
        bytes: Vec<u8>,
    },
    /// The right answer, but the first occurrence of some bytes is replaced by others.
    Replace {
        /// What is looked for.
        from: Vec<u8>,
        /// What takes its place.
        to: Vec<u8>,
    },
    /// The page without its `Link` header.
    DropLink,
    /// The page, but its next cursor is the one that was asked for, and is said to have results.
    RepeatCursor,
    /// The page with other `Link` headers, made from the right one.
    OtherLinks(fn(&str) -> Vec<String>),
    /// The page, with its `Link` in another form.
    Link(LinkForm),
    /// The page with links to another host.
    ForeignLink,
    /// An empty page instead of the one that was asked for. `next` is said to have results, and its cursor is another
    /// spelling of the same place, so nothing is lost by going on. Each further empty page has a new spelling.
    EmptyPage,
    /// The page, but `next` is said to have results, and its cursor is another spelling of this page's. So the same rows
    /// come again, under ever new cursors.
    SamePage,
    /// 302 to this address.
    Redirect {
        /// The `Location` header.
        location: String,
    },
}

impl FaultKind {
    /// An answer with this status and a JSON body.
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status { code, body: body.to_owned(), content_type: "application/json".to_owned(), headers: Vec::new() }
    }

    /// The right answer with one text of its body replaced by another.
    pub fn replace(from: &str, to: &str) -> Self {
        Self::Replace { from: from.into(), to: to.into() }
    }
}

/// The faults in force and what they have counted.
#[derive(Default)]
pub(crate) struct Faults(Vec<Armed>);

struct Armed {
    fault: Fault,
    hits: u64,
    rng: Rng,
}

impl Faults {
    /// Puts a fault in force.
    pub(crate) fn add(&mut self, fault: Fault) {
        let seed = if let NthHit::Chance { seed, .. } = fault.nth { seed } else { 0 };
        self.0.push(Armed { fault, hits: 0, rng: Rng::new(seed) });
    }

    /// Takes all faults away.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a request for every fault that matches it. Returns what goes wrong; the first fault that strikes decides.
    pub(crate) fn strike(&mut self, target: &str) -> Option<FaultKind> {
        let mut struck = None;
        for armed in &mut self.0 {
            if target.contains(&armed.fault.path_contains) && armed.hit() && struck.is_none() {
                struck = Some(armed.fault.kind.clone());
            }
        }
        struck
    }
}

impl Armed {
    fn hit(&mut self) -> bool {
        self.hits += 1;
        match self.fault.nth {
            NthHit::Range { from, to } => (from..=to).contains(&self.hits),
            NthHit::Chance { probability, .. } => self.rng.fraction() < probability,
        }
    }
}
