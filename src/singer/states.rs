//! The states of several organizations in one STATE. Bookmarks are split by organization below each stream; everything
//! else is split by organization at the top.
//!
//! Uses objects and no lists, since tools that merge states merge objects. The state of a single organization is not
//! split. Does not know how organizations are read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::singer::state::{Rest, State, read_object};

/// The key that holds the parts of a state by organization.
const ORGANIZATIONS: &str = "organizations";

/// The state of the organization that is being read, and the states of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct States {
    /// The state of the organization that is being read.
    pub(crate) current: State,
    organization: String,
    /// Absent if there is only one organization and there never was another.
    others: Option<BTreeMap<String, State>>,
}

impl States {
    /// Reads the text of a state file, for a run over one organization or over several. A state that names no
    /// organization belongs to `owner`.
    pub(crate) fn parse(text: &str, owner: Option<&str>, several: bool) -> Result<Self> {
        let value = read_object(text)?;
        let parts = split(&value);
        let mut states = Self::default();
        if parts.is_empty() && !several {
            states.current = State::from_value(&value);
            return Ok(states);
        }
        let mut others: BTreeMap<String, State> =
            parts.into_iter().map(|(name, part)| (name, State::from_value(&part))).collect();
        if let Some(owner) = owner.filter(|_| others.is_empty()) {
            others.insert(owner.to_owned(), State::from_value(&value));
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

/// The state of each organization in the form that a single one has. Empty if the state is not split.
fn split(value: &Value) -> BTreeMap<String, Value> {
    let mut parts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let of = |value: &Value| value.get(ORGANIZATIONS).and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, rest) in of(value) {
        parts.entry(name).or_default().extend(rest.as_object().cloned().unwrap_or_default());
    }
    for (stream, bookmark) in value.get("bookmarks").and_then(Value::as_object).into_iter().flatten() {
        for (name, own) in of(bookmark) {
            let bookmarks = parts.entry(name).or_default().entry("bookmarks").or_insert_with(|| Map::new().into());
            bookmarks[stream] = own;
        }
    }
    parts.into_iter().map(|(name, part)| (name, Value::Object(part))).collect()
}

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.others.is_none() {
            return self.current.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("bookmarks", &Bookmarks(self))?;
        map.serialize_entry(ORGANIZATIONS, &Rests(self))?;
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
            "bookmarks": {"issues": {"start": "2026-11-22T08:00:00Z", "progress_markers": []}},
            "progress_markers": [],
        });
        let states = States::parse(&value.to_string(), None, false).expect("states").switch_organization("acme");
        assert_eq!(json!(states), value);
        assert_eq!(
            json!(States::parse("", None, false).expect("states").switch_organization("acme")),
            json!({"bookmarks": {}, "progress_markers": []})
        );
    }

    #[test]
    fn each_organization_finds_its_own_state_again() {
        let value = json!({
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
        let states = States::parse(&value.to_string(), None, true).expect("states").switch_organization("b");
        assert_eq!(states.current.bookmarks.len(), 2);
        assert_eq!(states.current.currently_syncing.as_deref(), Some("users"));
        assert_eq!(json!(states), value);
        let states = states.switch_organization("a");
        assert_eq!(states.current.bookmarks.len(), 1);
        assert_eq!(json!(states), value);
        // A run over one of them alone keeps what the others have.
        let alone = States::parse(&value.to_string(), None, false).expect("states").switch_organization("a");
        assert_eq!(json!(alone), value);
        let wrapped = json!({"singer_state": value}).to_string();
        assert_eq!(json!(States::parse(&wrapped, None, true).expect("states").switch_organization("a")), value);
    }

    #[test]
    fn a_state_without_organizations_counts_for_its_owner_only() {
        let text = json!({"bookmarks": {"issues": {"start": "2026-11-22T08:00:00Z"}}}).to_string();
        let states = States::parse(&text, Some("b"), true).expect("states").switch_organization("a");
        assert_eq!(states.current, State::default());
        assert_eq!(states.switch_organization("b").current.bookmarks.len(), 1);
        let nobody = States::parse(&text, None, true).expect("states").switch_organization("b");
        assert_eq!(nobody.current, State::default());
    }
}
