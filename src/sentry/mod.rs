//! Sentry's web API: endpoints, pages, limits, errors. Knows nothing of Singer.
//!
//! Facts about the API are cited as "API §n", the sections of the notes this project was written from; every
//! number here is a starting point that the server's own headers correct.

pub mod advice;
pub mod answer;
pub mod body;
pub mod bucket;
pub mod client;
pub mod costs;
pub mod endpoint;
pub mod error;
pub mod link;
pub mod page;
pub mod pages;
pub mod paths;
pub mod rate_limit;
pub mod request;
pub mod retry;
pub mod series;
pub mod token;
pub mod waits;
