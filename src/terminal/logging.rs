//! Logs on stderr, in singer-python's text form, or in the Singer SDK's JSON if Meltano asks for it. Never touches
//! stdout.
//!
//! Shows only this crate's own events: libraries log headers, and headers hold the token.

use std::fmt;
use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::terminal::screen::Screen;

/// Target of the line that says why a run failed.
const CRITICAL: &str = "tap_sentry::critical";
/// Prefix of a line that holds a metric.
const METRIC: &str = "METRIC: ";
/// In this variable Meltano names a file that says how SDK taps should log.
const SDK_LOG_CONFIG: &str = "SINGER_SDK_LOG_CONFIG";

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The level, a space and the message.
    Text,
    /// The same with colours, for terminals.
    Colours,
    /// The Singer SDK's JSON, one object a line.
    Json,
}

impl<S, N> FormatEvent<S, N> for Form
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
        match self {
            Self::Text => write!(writer, "{level} ")?,
            Self::Colours => write!(writer, "\x1b[{}m{level}\x1b[0m ", colour(level))?,
            Self::Json => {
                let mut message = String::new();
                context.field_format().format_fields(Writer::new(&mut message), event)?;
                return writeln!(writer, "{}", line(level, event.metadata().target(), &message));
            }
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn colour(level: &str) -> &'static str {
    match level {
        "CRITICAL" | "ERROR" => "1;31",
        "WARNING" => "33",
        "INFO" => "32",
        _ => "2",
    }
}

/// A line as the Singer SDK's `StructuredFormatter` writes it. Meltano recognizes it by these keys.
fn line(level: &str, target: &str, message: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut line = json!({
        "level": level.to_lowercase(),
        "pid": std::process::id(),
        "logger_name": target.replace("::", "."),
        "ts": now.as_secs_f64(),
        "thread_name": std::thread::current().name().unwrap_or("main"),
        "app_name": "tap-sentry",
        "stream_name": null,
        "message": message,
    });
    if let Some(metric) = message.strip_prefix(METRIC).and_then(|metric| serde_json::from_str::<Value>(metric).ok()) {
        line["stream_name"] = metric["tags"]["stream"].clone();
        line["message"] = json!("METRIC");
        line["metric_info"] = metric;
    }
    line
}

/// Logs a metric in the form that singer-python reads.
pub(crate) fn metric(kind: &str, name: &str, value: Value, tags: Value) {
    tracing::info!("{METRIC}{}", json!({"type": kind, "metric": name, "value": value, "tags": tags}));
}

/// The last line of a failed run.
pub(crate) fn critical(message: &str) {
    tracing::error!(target: CRITICAL, "{message}");
}

/// Starts logging. The first that is set decides the level: `-v`, `SINGER_LOG_LEVEL`, `TAP_SENTRY_LOGLEVEL`,
/// `LOGLEVEL`, the file in `SINGER_SDK_LOG_CONFIG`. That file also decides whether lines are JSON.
pub(crate) fn start(verbose: u8) {
    let asked = sdk_log_config().unwrap_or_default();
    let level = match verbose {
        0 => level_from_environment(&asked),
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let form = if wants_json(&asked) {
        Form::Json
    } else if has_colours() {
        Form::Colours
    } else {
        Form::Text
    };
    let ours = filter_fn(|metadata| metadata.target().starts_with("tap_sentry"));
    let layer = layer().with_writer(|| Screen).with_ansi(false).event_format(form);
    // A second start, as in tests, has no effect.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours).with_filter(level)).try_init();
}

fn sdk_log_config() -> Option<Value> {
    serde_json::from_slice(&std::fs::read(std::env::var_os(SDK_LOG_CONFIG)?).ok()?).ok()
}

/// Whether the file asks for JSON. Meltano names the SDK's formatter in it if the plugin declares structured logging.
fn wants_json(asked: &Value) -> bool {
    let formatters = asked["formatters"].as_object().into_iter().flatten();
    formatters.into_iter().any(|(_, formatter)| formatter["()"] == "singer_sdk.logging.StructuredFormatter")
}

fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal()
        && !is_set("NO_COLOR")
        && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

fn level_from_environment(asked: &Value) -> LevelFilter {
    let names = ["SINGER_LOG_LEVEL", "TAP_SENTRY_LOGLEVEL", "LOGLEVEL"];
    let value = names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    level_named(value.as_deref().or_else(|| asked["root"]["level"].as_str()).unwrap_or("INFO"))
}

/// The level of a Python level name.
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

    #[test]
    fn meltanos_wish_for_json_is_understood() {
        let wish = json!({"formatters": {"singer_formatter": {"()": "singer_sdk.logging.StructuredFormatter"}}});
        assert!(wants_json(&wish));
        assert!(!wants_json(&json!({"formatters": {"singer_formatter": {"format": "%(message)s"}}})));
        assert!(!wants_json(&Value::Null));
    }

    #[test]
    fn a_metric_is_a_field_of_its_own() {
        let line =
            line("INFO", "tap_sentry::sync", r#"METRIC: {"metric": "record_count", "tags": {"stream": "teams"}}"#);
        assert_eq!((&line["message"], &line["stream_name"]), (&json!("METRIC"), &json!("teams")));
        assert_eq!(line["metric_info"]["metric"], "record_count");
        assert!(line.get("event").is_none(), "Meltano cannot take that key");
    }
}
