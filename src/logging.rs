//! Logs on stderr in singer-python's form: the level, a space, the message. Stdout is never touched.
//!
//! Only this crate's own events are shown: libraries below log headers, and headers hold the token.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Target of the one line that says why a run failed.
const CRITICAL: &str = "tap_sentry::critical";

struct SingerFormat;

impl<S, N> FormatEvent<S, N> for SingerFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR if event.metadata().target() == CRITICAL => "CRITICAL",
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        write!(writer, "{level} ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The last line of a failed run.
pub fn critical(message: &str) {
    tracing::error!(target: CRITICAL, "{message}");
}

/// Starts logging. `-v` counts most, then `SINGER_LOG_LEVEL`, `TAP_SENTRY_LOGLEVEL`, `LOGLEVEL`.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => level_from_environment(),
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = filter_fn(|metadata| metadata.target().starts_with("tap_sentry"));
    let layer = layer().with_writer(std::io::stderr).with_ansi(false).event_format(SingerFormat);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours).with_filter(level)).try_init();
}

fn level_from_environment() -> LevelFilter {
    let names = ["SINGER_LOG_LEVEL", "TAP_SENTRY_LOGLEVEL", "LOGLEVEL"];
    let value = names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    level_named(value.as_deref().unwrap_or("INFO"))
}

/// Python's names for levels.
fn level_named(name: &str) -> LevelFilter {
    match name.trim().to_uppercase().as_str() {
        "DEBUG" | "NOTSET" => LevelFilter::DEBUG,
        "TRACE" => LevelFilter::TRACE,
        "WARN" | "WARNING" => LevelFilter::WARN,
        "ERROR" | "CRITICAL" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_level_names_are_understood() {
        assert_eq!(level_named("debug"), LevelFilter::DEBUG);
        assert_eq!(level_named(" WARNING "), LevelFilter::WARN);
        assert_eq!(level_named("critical"), LevelFilter::ERROR);
        assert_eq!(level_named("whatever"), LevelFilter::INFO);
    }
}
