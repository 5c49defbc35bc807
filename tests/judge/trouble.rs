//! What a network does to answers, and how a run is stopped.

use sentry_simulator::{Fault as Order, FaultKind, LinkForm, NthHit};

use super::dice::Dice;
use super::history::request;

/// A fault of the network.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which requests.
    pub path: &'static str,
    /// The first of them that is hit, and the last.
    pub hits: (u64, u64),
    /// What happens.
    pub kind: FaultKind,
}

/// How a run is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// By which signal.
    pub signal: Signal,
    /// When.
    pub when: When,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// When this request arrives.
    Request(u64),
    /// When the target has read this line.
    Line(usize),
}

impl Stop {
    /// A random one.
    pub fn random(dice: &mut Dice) -> Self {
        let signal = dice.pick(&[Signal::Kill, Signal::Kill, Signal::Kill, Signal::Term, Signal::Int]);
        let when = if dice.chance(50) { When::Request(request(dice)) } else { When::Line(line(dice)) };
        Self { signal, when }
    }
}

fn line(dice: &mut Dice) -> usize {
    let most = dice.pick(&[40, 100, 300]);
    dice.size(1, most)
}

/// Requests that faults choose. The first is all of them.
const PATHS: [&str; 9] =
    ["", "", "", "acme/issues/?", "/events/", "/releases/", "/teams/", "/users/", "projects/acme/"];

const PROXY: &str = "<html><head><title>Sorry</title></head><body>Something is wrong.</body></html>";

impl Fault {
    /// A random one. A page without `Link` that is not full cannot be told from a last one, so `Link` is only dropped
    /// where every page but the last is as long as it was asked for.
    pub fn random(dice: &mut Dice, lists_are_whole: bool) -> Self {
        let path = dice.pick(&PATHS);
        let from = if path.is_empty() { request(dice) } else { dice.from(1, 6) };
        if dice.chance(12) {
            let path = dice.pick(&[
                "/teams/",
                "/users/",
                "/releases/",
                "projects/acme/api-backend/",
                "acme/issues/?",
                "/events/",
            ]);
            return Self { path, hits: (1, u64::MAX), kind: lasting(dice) };
        }
        if dice.chance(15) {
            // What stands in front of the server starts again: nothing is answered for a while.
            let away = dice.pick(&[
                page(503, "text/html", PROXY),
                page(502, "text/html", PROXY),
                page(404, "text/html; charset=utf-8", ""),
                page(404, "text/plain", "default backend - 404"),
            ]);
            return Self { path: "", hits: (from, from + dice.from(2, 12)), kind: away };
        }
        if dice.chance(18) {
            let form = dice.pick(&[LinkForm::Split, LinkForm::OtherCase, LinkForm::Among]);
            return Self { path, hits: (1, u64::MAX), kind: FaultKind::Link(form) };
        }
        let last = from + dice.pick(&[0, 0, 0, 1]);
        Self { path, hits: (from, last), kind: passing(dice, lists_are_whole) }
    }

    /// As the simulator takes it.
    pub fn order(&self) -> Order {
        let (from, to) = self.hits;
        Order { path_contains: self.path.to_owned(), nth: NthHit::Range { from, to }, kind: self.kind.clone() }
    }

    /// Whether every answer is still whole and right.
    pub fn is_harmless(&self) -> bool {
        matches!(self.kind, FaultKind::Link(LinkForm::Split | LinkForm::OtherCase | LinkForm::Among))
    }

    /// Whether it goes on for the whole run.
    pub fn lasts(&self) -> bool {
        self.hits.1 == u64::MAX && !self.is_harmless()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = self.hits;
        let path = if self.path.is_empty() { "any path" } else { self.path };
        match to {
            u64::MAX => write!(f, "All requests to {path}: ")?,
            _ => write!(f, "Requests {from} to {to} to {path}: ")?,
        }
        match &self.kind {
            FaultKind::Status { code, body, content_type, .. } => write!(f, "{code} {content_type} {body:.40}"),
            FaultKind::Body { content_type, .. } => write!(f, "200 {content_type}"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn page(code: u16, content_type: &str, body: &str) -> FaultKind {
    FaultKind::Status { code, body: body.to_owned(), content_type: content_type.to_owned(), headers: Vec::new() }
}

fn lasting(dice: &mut Dice) -> FaultKind {
    match dice.from(0, 3) {
        0 => FaultKind::status(500, r#"{"detail":"Internal Error","errorId":"0123456789abcdef0123456789abcdef"}"#),
        1 => page(503, "text/html", PROXY),
        2 => page(404, "text/html; charset=utf-8", ""),
        _ => page(403, "text/html", PROXY),
    }
}

fn passing(dice: &mut Dice, lists_are_whole: bool) -> FaultKind {
    match dice.from(0, 19) {
        0..=1 => FaultKind::status(500, r#"{"detail":"Internal Error","errorId":"0123456789abcdef0123456789abcdef"}"#),
        2 => page(502, "text/html", PROXY),
        3 => page(503, "text/plain", "upstream connect error or disconnect/reset before headers"),
        4 => page(404, "text/html; charset=utf-8", ""),
        5 => page(404, "text/html", PROXY),
        6 => page(403, "text/html", PROXY),
        7 => page(400, "text/plain", "Bad Request"),
        8 => FaultKind::status(
            400,
            r#"{"detail":"Query timeout. Please try again. If the problem persists try a smaller date range or fewer projects."}"#,
        ),
        9 => too_many(dice),
        10..=11 => FaultKind::CutBody(dice.pick(&[0, 1, 40])),
        12 => FaultKind::TruncatedGzip,
        13 => FaultKind::ResetBeforeHeaders,
        14 => FaultKind::ResetAfterHeaders,
        15 => FaultKind::Body { content_type: "text/html".to_owned(), bytes: PROXY.into() },
        16 => FaultKind::Link(dice.pick(&[LinkForm::OnlyPrevious, LinkForm::NoCursor])),
        17 => FaultKind::EmptyPage,
        18 => FaultKind::RepeatCursor,
        _ if lists_are_whole => FaultKind::DropLink,
        _ => page(504, "text/html", PROXY),
    }
}

/// 429 whose headers say nothing, or something odd.
fn too_many(dice: &mut Dice) -> FaultKind {
    let headers = dice.pick(&[&[][..], &[("Retry-After", "0")], &[("Retry-After", "soon")]]);
    FaultKind::Status {
        code: 429,
        body:
            r#"{"detail":"You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"}"#
                .to_owned(),
        content_type: "text/html; charset=utf-8".to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}
