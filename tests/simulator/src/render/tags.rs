//! The tags and the user of an event, written as text, since lists of events render hundreds of thousands of them.

use super::body;
use super::event::{Context, release_of};
use super::kind::{self, Kind};
use crate::hash::{mix2, pick};
use crate::json::{self, Object};
use crate::organization::Event;

const BROWSERS: [&str; 3] = ["Chrome 60.0", "Firefox 145", "Größen-Browser 1"];

/// The tags of an event.
pub(super) fn list(context: &Context<'_>, event: &Event, kind: &Kind) -> String {
    let browser = pick(mix2(event.seed(), 5), &BROWSERS);
    let mut tags = vec![
        tag(context, "browser", browser),
        tag(context, "environment", kind::environment(event)),
        tag(context, "level", kind.level),
    ];
    if let Some(position) = release_of(context, event) {
        let version = &context.org.releases[position].version;
        tags.push(tag(context, "release", version));
    }
    if let Some(person) = kind::person(event) {
        tags.push(tag(context, "user", &format!("id:{person}")));
    }
    if body::is_rich(event) {
        tags.push(body::rich_tag());
    }
    json::array(&tags)
}

fn tag(context: &Context<'_>, key: &str, value: &str) -> String {
    let mut tag = Object::new();
    tag.text("key", key).text("value", value);
    if key == "release" || key == "user" {
        tag.text("query", &format!("{key}:\"{value}\""));
    }
    if context.sentry9 {
        tag.raw("_meta", "null");
    }
    tag.finish()
}

/// The user of an event.
pub(super) fn user(person: usize, event: &Event) -> String {
    let country = pick(event.seed() >> 5, &[None, Some("DE"), Some("JP")]);
    let name = format!("usér{person}");
    let mut user = Object::new();
    user.text("id", &person.to_string());
    user.text("email", &format!("{name}@example.com"));
    user.maybe("username", Some(name.as_str()).filter(|_| !person.is_multiple_of(5)));
    user.text("ip_address", &format!("203.0.113.{person}"));
    user.maybe("name", person.is_multiple_of(3).then_some("Zoë \"Z\" O'Neil"));
    match country {
        Some(code) => user.raw("geo", format_args!(r#"{{"country_code":"{code}","city":"Größenstadt"}}"#)),
        None => user.raw("geo", "null"),
    };
    user.raw("data", if person.is_multiple_of(2) { r#"{"plan":"gold"}"# } else { "null" });
    user.finish()
}
