//! Sentry's web API: endpoints, pages, limits, errors. Knows nothing of Singer.
//!
//! Facts about the API are cited as "API §n": sections of the notes that this project was written from. Every number
//! here is a starting point that the server's own headers correct.

pub(crate) mod answer;
pub(crate) mod attempts;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod costs;
pub(crate) mod cursor;
pub(crate) mod dialect;
pub(crate) mod endpoint;
pub mod endpoints;
pub(crate) mod error;
pub(crate) mod event_list;
pub(crate) mod found;
pub(crate) mod judge;
pub(crate) mod limited;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod novelty;
pub(crate) mod overlap;
pub(crate) mod page;
pub(crate) mod pages;
pub(crate) mod patience;
pub(crate) mod recent;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod series;
pub(crate) mod token;
pub(crate) mod transport;
pub(crate) mod window;
