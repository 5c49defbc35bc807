//! The payloads: what each thing looks like on the wire (API §2). `api` decides which rows there are.

pub(crate) mod body;
pub(crate) mod commit;
pub(crate) mod event;
pub(crate) mod glitchtip;
pub(crate) mod issue;
pub(crate) mod kind;
pub(crate) mod numbers;
pub(crate) mod person;
pub(crate) mod project;
pub(crate) mod project_detail;
pub(crate) mod release;
pub(crate) mod sentry9;
mod tags;

use serde_json::{Value, json};

/// Adds a key no document names to a row.
pub(crate) fn surprise(row: &mut Value) {
    if let Some(object) = row.as_object_mut() {
        object.insert("newThisMonth".to_owned(), json!({ "a": 1 }));
    }
}

/// An avatar made of a letter.
pub(crate) fn letter_avatar() -> Value {
    json!({ "avatarType": "letter_avatar", "avatarUuid": null })
}
