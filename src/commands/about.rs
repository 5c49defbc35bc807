//! `--about`: name, settings and streams of this tap, as text, JSON or Markdown, in the form of the Singer SDK. Needs
//! no configuration and no network.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::Format;
use crate::config::options::OPTIONS;
use crate::config::schema::schema;
use crate::config::sources::variable;
use crate::streams;

const NAME: &str = "tap-sentry";
const DESCRIPTION: &str = "Singer tap for Sentry";
/// Capabilities in the words of Meltano.
pub const CAPABILITIES: &[&str] =
    &["catalog", "discover", "state", "about", "test", "structured-logging", "activate-version"];

/// The report in this format.
pub(crate) fn about(format: Format) -> String {
    match format {
        Format::Text => text(),
        Format::Json => format!("{:#}\n", json()),
        Format::Markdown => markdown(),
    }
}

fn json() -> Value {
    json!({
        "name": NAME,
        "description": DESCRIPTION,
        "version": env!("CARGO_PKG_VERSION"),
        "sdk_version": null,
        "supported_python_versions": [],
        "capabilities": CAPABILITIES,
        "settings": schema(),
    })
}

fn text() -> String {
    let mut text =
        format!("Name: {NAME}\nDescription: {DESCRIPTION}\nVersion: {}\nCapabilities:\n", env!("CARGO_PKG_VERSION"));
    for capability in CAPABILITIES {
        let _ = writeln!(text, "  - {capability}");
    }
    text += "Settings:\n";
    for option in OPTIONS {
        let _ = writeln!(text, "  - Name: {}", option.name);
        let _ = writeln!(text, "    Type: {}", option.kind.types().join(" or "));
        let _ = writeln!(text, "    Required: {}", if option.required { "yes" } else { "no" });
        if let Some(default) = option.default_value() {
            let _ = writeln!(text, "    Default: {}", plain(&default));
        }
        let _ = writeln!(text, "    Description: {}", option.description);
        let _ = writeln!(text, "    Environment Variable: {}", variable(option.name));
    }
    text += "Streams:\n";
    for stream in streams::all() {
        let _ = writeln!(text, "  - Name: {}", stream.tap_stream_id);
        let _ = writeln!(text, "    Key: {}", stream.key_properties.join(", "));
        let _ = writeln!(text, "    Replication: {}", replication(stream.replication_key()));
        let _ = writeln!(text, "    Requests in a run: {}", stream.cost);
    }
    text
}

fn markdown() -> String {
    let mut text = format!("# {NAME}\n\n{DESCRIPTION}\n\n## Capabilities\n\n");
    for capability in CAPABILITIES {
        let _ = writeln!(text, "- `{capability}`");
    }
    text += "\n## Settings\n\n| Setting | Required | Default | Description |\n| --- | --- | --- | --- |\n";
    for option in OPTIONS {
        let default = option.default_value().map(|value| format!(" `{}`", plain(&value))).unwrap_or_default();
        let required = if option.required { "yes" } else { "no" };
        let _ = writeln!(text, "| `{}` | {required} |{default} | {} |", option.name, option.description);
    }
    text += "\n## Streams\n\n| Stream | Key | Replication | Requests in a run |\n| --- | --- | --- | --- |\n";
    for stream in streams::all() {
        let (name, keys, cost) = (stream.tap_stream_id, stream.key_properties.join("`, `"), stream.cost);
        let _ = writeln!(text, "| `{name}` | `{keys}` | {} | {cost} |", replication(stream.replication_key()));
    }
    text
}

fn replication(key: Option<&str>) -> String {
    key.map_or_else(|| "full table".to_owned(), |key| format!("incremental by {key}"))
}

/// A value as text; a string without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
