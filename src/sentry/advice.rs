//! What to do about a failure that ends the run, in one sentence.

use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::token::TokenKind;

/// Advice on an error that concerns the token, the organization or the server as a whole.
pub fn advice(error: &ApiError, token: TokenKind, organization: &str, base_url: &str) -> String {
    match error.kind {
        ErrorKind::Unauthorized => {
            format!("the server at {base_url} does not accept api_token: check that it is whole, not revoked, and was made on this server")
        }
        _ if token == TokenKind::Organization => {
            "api_token is an organization token (sntrys_), which can read releases only: create an internal integration \
             (Settings > Developer Settings) or a personal token with the scopes org:read project:read event:read \
             member:read project:releases"
                .to_owned()
        }
        ErrorKind::Forbidden => format!(
            "api_token may not read this: it lacks the scope {}, or its owner does not see the organization {organization:?}",
            error.scope
        ),
        ErrorKind::NotFound => format!(
            "there is no organization {organization:?} at {base_url}: check the slug (it is in the address of your \
             Sentry pages) and the region (base_url https://us.sentry.io/ or https://de.sentry.io/)"
        ),
        ErrorKind::Unavailable => {
            format!("the server at {base_url} cannot be reached or does not answer: check base_url, the network and any proxy, then run again; nothing is lost, the bookmarks stay where they were")
        }
        ErrorKind::BadRequest => {
            "the server refuses this request; please report it with the output of -v and the server's version".to_owned()
        }
        ErrorKind::Protocol => format!("check that base_url ({base_url}) is the address of a Sentry server"),
    }
}
