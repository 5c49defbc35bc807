//! The states of several organizations in one STATE. Bookmarks are split by organization below each stream; everything
//! else is split by organization at the top.
//!
//! Uses objects and no lists, since tools that merge states merge objects. The state of a single organization is not
//! split. Does not know how organizations are read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::singer::state::{Rest, State, VERSION, read_object, version_of};

/// The key that holds the parts of a state by organization.
const ORGANIZATIONS: &str = "organizations";
/// The key that says whose state it is, where it is not split.
const ORGANIZATION: &str = "organization";

/// The state of the organization that is being read, and the states of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct States {
    /// The state of the organization that is being read.
    pub(crate) current: State,
    organization: String,
    /// Absent if there is only one organization and there never was another.
    others: Option<BTreeMap<String, State>>,
}

/// Whose states a run needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// That of one organization.
    Only(&'a str),
    /// Those of several. A state that names no organization belongs to this one, if to any.
    OneOf(Option<&'a str>),
}

impl States {
    /// Reads the text of a state file. An error says what to do: the state is of a later version, or of another
    /// organization.
    pub(crate) fn parse(text: &str, owner: Owner<'_>) -> Result<Self> {
        let value = read_object(text)?;
        let version = version_of(&value)?;
        let parts = split(&value);
        let named = value.get(ORGANIZATION).and_then(Value::as_str);
        let mut states = Self::default();
        let owner = match owner {
            Owner::Only(organization) if parts.is_empty() => {
                check_owner(organization, named)?;
                states.current = State::from_value(&value, version);
                return Ok(states);
            }
            Owner::Only(_) => None,
            Owner::OneOf(default) => named.or(default),
        };
        let mut others: BTreeMap<String, State> =
            parts.into_iter().map(|(name, part)| (name, State::from_value(&part, version))).collect();
        if let Some(owner) = owner.filter(|_| others.is_empty()) {
            others.insert(owner.to_owned(), State::from_value(&value, version));
        }
        states.others = Some(others);
        Ok(states)
    }

    /// Makes another organization's state the current one.
    #[must_use]
    pub(crate) fn switch_organization(mut self, organization: &str) -> Self {
        if let Some(others) = &mut self.others {
            let next = others.remove(organization).unwrap_or_default();
            let last = std::mem::replace(&mut self.current, next);
            if !self.organization.is_empty() {
                others.insert(std::mem::take(&mut self.organization), last);
            }
        }
        organization.clone_into(&mut self.organization);
        self
    }

    fn all(&self) -> impl Iterator<Item = (&str, &State)> {
        let others = self.others.iter().flatten().map(|(name, state)| (name.as_str(), state));
        others.chain([(self.organization.as_str(), &self.current)]).filter(|(name, _)| !name.is_empty())
    }
}

/// Refuses the state of another organization: its bookmarks would hide what this one has from before them.
fn check_owner(organization: &str, named: Option<&str>) -> Result<()> {
    ensure!(
        named.is_none_or(|named| named == organization),
        "it is the state of the organization {:?}, and the config names {organization:?}: begin without a state; or, if \
         the organization was renamed, write its new name into the state, as {ORGANIZATION:?}",
        named.unwrap_or_default()
    );
    Ok(())
}

/// The state of each organization in the form that a single one has. Empty if the state is not split.
fn split(value: &Value) -> BTreeMap<String, Value> {
    let mut parts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let of = |value: &Value| value.get(ORGANIZATIONS).and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, rest) in of(value) {
        parts.entry(name).or_default().extend(rest.as_object().cloned().unwrap_or_default());
    }
    for (stream, bookmark) in value.get("bookmarks").and_then(Value::as_object).into_iter().flatten() {
        for (name, own) in of(bookmark) {
            let bookmarks = parts.entry(name).or_default().entry("bookmarks").or_insert(Value::Null);
            if !bookmarks.is_object() {
                *bookmarks = Map::new().into(); // a file made by hand
            }
            bookmarks[stream] = own;
        }
    }
    parts.into_iter().map(|(name, part)| (name, Value::Object(part))).collect()
}

/// The one form that is written. Builds no tree, since a STATE line follows every page.
impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        if self.others.is_some() {
            map.serialize_entry("bookmarks", &Bookmarks(self))?;
            map.serialize_entry(ORGANIZATIONS, &Rests(self))?;
        } else {
            map.serialize_entry(ORGANIZATION, &self.organization)?;
            map.serialize_entry("bookmarks", &self.current.bookmarks)?;
            Rest(&self.current).entries(&mut map)?;
        }
        map.end()
    }
}

/// Bookmarks by stream, then by organization.
struct Bookmarks<'a>(&'a States);

impl Serialize for Bookmarks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let streams: BTreeSet<&String> = self.0.all().flat_map(|(_, state)| state.bookmarks.keys()).collect();
        let of = |stream: &String| {
            let own = self.0.all().filter_map(|(name, state)| Some((name, state.bookmarks.get(stream)?)));
            BTreeMap::from([(ORGANIZATIONS, own.collect::<BTreeMap<_, _>>())])
        };
        serializer.collect_map(streams.into_iter().map(|stream| (stream, of(stream))))
    }
}

/// What belongs to no stream, by organization.
struct Rests<'a>(&'a States);

impl Serialize for Rests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.all().map(|(name, state)| (name, Rest(state))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_single_organizations_state_stays_as_it_is() {
        let value = json!({
            "version": 2, "organization": "acme",
            "bookmarks": {"issues": {"start": "2026-11-22T08:00:00Z", "progress_markers": []}},
            "progress_markers": [],
        });
        let parse = |text: &str| States::parse(text, Owner::Only("acme")).expect("states").switch_organization("acme");
        assert_eq!(json!(parse(&value.to_string())), value);
        assert_eq!(
            json!(parse("")),
            json!({"version": 2, "organization": "acme", "bookmarks": {}, "progress_markers": []})
        );
    }

    #[test]
    fn the_state_of_another_organization_is_not_taken_over() {
        let text =
            json!({"organization": "old", "bookmarks": {"issues": {"start": "2026-11-22T08:00:00Z"}}}).to_string();
        let message = States::parse(&text, Owner::Only("new")).expect_err("of another").to_string();
        assert!(message.contains("\"old\"") && message.contains("\"new\""), "{message}");
        assert!(message.contains("begin without a state") && message.contains("renamed"), "{message}");
        // Among several, each finds its own, whoever would own a state without a name.
        let several = States::parse(&text, Owner::OneOf(Some("new"))).expect("states").switch_organization("new");
        assert_eq!(several.current, State::default());
        assert_eq!(several.switch_organization("old").current.bookmarks.len(), 1);
    }

    #[test]
    fn each_organization_finds_its_own_state_again() {
        let value = json!({
            "version": 2,
            "bookmarks": {
                "issues": {"organizations": {
                    "a": {"start": "2026-11-22T08:00:00Z", "progress_markers": []},
                    "b": {"start": "2026-11-21T08:00:00Z", "progress_markers": []},
                }},
                "teams": {"organizations": {"b": {"start": "2026-11-20T08:00:00Z", "progress_markers": []}}},
            },
            "organizations": {
                "a": {"progress_markers": []},
                "b": {"currently_syncing": "users", "progress_markers": [], "choice": {"projects": "web"}},
            },
        });
        let states = States::parse(&value.to_string(), Owner::OneOf(None)).expect("states").switch_organization("b");
        assert_eq!(states.current.bookmarks.len(), 2);
        assert_eq!(states.current.currently_syncing.as_deref(), Some("users"));
        assert_eq!(json!(states), value);
        let states = states.switch_organization("a");
        assert_eq!(states.current.bookmarks.len(), 1);
        assert_eq!(json!(states), value);
        // A run over one of them alone keeps what the others have.
        let alone = States::parse(&value.to_string(), Owner::Only("a")).expect("states").switch_organization("a");
        assert_eq!(json!(alone), value);
        let wrapped = json!({"singer_state": value}).to_string();
        assert_eq!(json!(States::parse(&wrapped, Owner::OneOf(None)).expect("states").switch_organization("a")), value);
    }

    #[test]
    fn bookmarks_that_are_no_object_are_no_crash() {
        let text = r#"{"organizations": {"a": {"bookmarks": 5}},
            "bookmarks": {"issues": {"organizations": {"a": {"start": "2026-11-22T08:00:00Z"}}}}}"#;
        let states = States::parse(text, Owner::Only("a")).expect("states").switch_organization("a");
        assert_eq!(states.current.bookmarks.len(), 1);
    }

    #[test]
    fn a_state_without_organizations_counts_for_its_owner_only() {
        let text = json!({"bookmarks": {"issues": {"start": "2026-11-22T08:00:00Z"}}}).to_string();
        let states = States::parse(&text, Owner::OneOf(Some("b"))).expect("states").switch_organization("a");
        assert_eq!(states.current, State::default());
        assert_eq!(states.switch_organization("b").current.bookmarks.len(), 1);
        let nobody = States::parse(&text, Owner::OneOf(None)).expect("states").switch_organization("b");
        assert_eq!(nobody.current, State::default());
    }
}
