//! Tokens and scopes (API §1.2). This file knows groups of endpoints, not paths.

use crate::http::reply::Reply;

/// All scopes that a tap could need.
pub(crate) const ALL_SCOPES: [&str; 6] =
    ["org:read", "project:read", "project:releases", "team:read", "event:read", "member:read"];

/// Groups of endpoints that need the same scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The organization, its projects, teams, users, environments.
    Organization,
    /// Members.
    Members,
    /// Issues and what belongs to them.
    Issues,
    /// A project and its events.
    Project,
    /// Releases and what belongs to them.
    Releases,
}

impl Group {
    /// Any one of these scopes suffices.
    const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Organization => &["org:read", "org:write", "org:admin"],
            Self::Members => &["member:read", "member:write", "member:admin"],
            Self::Issues => &["event:read", "event:write", "event:admin"],
            Self::Project => &["project:read", "project:write", "project:admin"],
            Self::Releases => &["project:read", "project:write", "project:admin", "project:releases", "org:ci"],
        }
    }
}

/// The tokens the server knows.
pub(crate) struct Tokens(Vec<Token>);

struct Token {
    text: String,
    scopes: Vec<String>,
}

impl Tokens {
    /// With one token of full scope.
    pub(crate) fn new() -> Self {
        let mut tokens = Self(Vec::new());
        tokens.register(&ALL_SCOPES);
        tokens
    }

    /// The first token.
    pub(crate) fn main(&self) -> String {
        self.0[0].text.clone()
    }

    /// Makes one more token.
    pub(crate) fn register(&mut self, scopes: &[&str]) -> String {
        let number = self.0.len() as u64;
        let (left, right) = (crate::hash::mix2(7, number), crate::hash::mix2(8, number));
        let text = format!("sntryu_{left:016x}{right:016x}{right:016x}{left:016x}");
        self.0.push(Token { text: text.clone(), scopes: scopes.iter().map(ToString::to_string).collect() });
        text
    }

    /// The scopes of the token in an `Authorization` header, or a refusal.
    pub(crate) fn check(&self, header: Option<&str>) -> Result<&[String], Box<Reply>> {
        let (scheme, rest) = header.and_then(|text| text.trim().split_once(' ')).unwrap_or(("", ""));
        if !scheme.eq_ignore_ascii_case("bearer") && header.map(str::trim) != Some("Bearer") {
            return Err(unauthorized("Authentication credentials were not provided."));
        }
        let token = rest.trim();
        if token.is_empty() {
            return Err(unauthorized("Invalid token header. No credentials provided."));
        }
        if token.contains(' ') {
            return Err(unauthorized("Invalid token header. Token string should not contain spaces."));
        }
        let found = self.0.iter().find(|known| known.text == token);
        found.map(|token| token.scopes.as_slice()).ok_or_else(|| unauthorized("Invalid token"))
    }
}

fn unauthorized(text: &str) -> Box<Reply> {
    Box::new(Reply::detail(401, text).with("WWW-Authenticate", "xBasic realm=\"api\""))
}

/// Whether these scopes allow a group.
pub(crate) fn opens(scopes: &[String], group: Group) -> bool {
    scopes.iter().any(|scope| group.scopes().contains(&scope.as_str()))
}
