//! The API token: a type that can be sent but not printed. Sends nothing.

use reqwest::header::HeaderValue;

/// A bearer token. Neither `Debug` nor any other trait shows it.
#[derive(Clone)]
pub(crate) struct Token(String);

/// Kind of a token, by its prefix (API §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `sntryi_`: of an internal integration. It sees all projects.
    Integration,
    /// `sntryu_`: of a person. It sees what their role and teams allow.
    Personal,
    /// `sntrya_`: of a person, through an OAuth application.
    OAuth,
    /// `sntrys_`: an organization token. It reads releases only.
    Organization,
    /// No known prefix: older than the prefixes, or made by another server.
    Unknown,
}

impl Token {
    /// Takes the token as the configuration has it.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The kind, by prefix.
    pub(crate) fn kind(&self) -> TokenKind {
        match self.0.split_once('_').map(|(prefix, _)| prefix) {
            Some("sntryi") => TokenKind::Integration,
            Some("sntryu") => TokenKind::Personal,
            Some("sntrya") => TokenKind::OAuth,
            Some("sntrys") => TokenKind::Organization,
            _ => TokenKind::Unknown,
        }
    }

    /// The value of the `Authorization` header; `None` if the token has a character that is not allowed there.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` without the token. A server or proxy may have echoed it.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, "(token)")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_shows_itself() {
        let token = Token::new("sntryu_abcdef");
        assert_eq!(format!("{token:?} {:?}", token.header()), "Token(hidden) Some(Sensitive)");
        assert_eq!(token.redact("bad token sntryu_abcdef!"), "bad token (token)!");
        assert_eq!(token.kind(), TokenKind::Personal);
    }
}
