//! The API token: a secret by type, which can be sent but not printed.

use reqwest::header::HeaderValue;

/// A bearer token. Neither `Debug` nor any other trait shows it.
#[derive(Clone)]
pub(crate) struct Token(String);

/// What a token's prefix says about it (API §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `sntryi_`: an internal integration, sees all projects.
    Integration,
    /// `sntryu_`: a person; their role and teams count.
    Personal,
    /// `sntrya_`: a person through an OAuth application.
    OAuth,
    /// `sntrys_`: an organization token, good for releases only.
    Organization,
    /// Made before prefixes existed, or by another server.
    Unknown,
}

impl Token {
    /// Takes the token as written in the configuration.
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

    /// The value of the `Authorization` header; `None` if the token holds characters that no header may carry.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` without the token, should a server or proxy have echoed it.
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
