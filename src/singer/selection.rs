//! Which streams a catalog selects, and which of their properties. Knows no stream by name.
//!
//! The first that applies decides, as in the Singer SDK: a deselected parent, `unsupported`, `automatic`, `selected`,
//! `selected-by-default`, the parent. The legacy `selected` in a schema counts as `selected`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::singer::catalog::CatalogEntry;

/// Which part of a schema node is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The node with everything below it.
    Whole,
    /// An object, with these properties only.
    Properties(BTreeMap<String, Kept>),
    /// An array, with this part of each item.
    Items(Box<Kept>),
}

/// Whether the stream is selected. `by_default` decides if the catalog does not.
pub(crate) fn stream_is_selected(entry: &CatalogEntry, by_default: bool) -> bool {
    let empty = Map::new();
    let root = entry.metadata_at(&[]).unwrap_or(&empty);
    if root.get("inclusion").and_then(Value::as_str) == Some("unsupported") {
        return false;
    }
    truth(root.get("selected"))
        .or_else(|| truth(entry.selected.as_ref()))
        .or_else(|| truth(entry.schema.get("selected")))
        .or_else(|| truth(root.get("selected-by-default")))
        .unwrap_or(by_default)
}

/// The selected part of `schema`, and which part of each record to keep. `schema` is the effective schema of the
/// stream, `entry` holds the selection, and the properties in `automatic` are always written.
pub(crate) fn select_properties(
    schema: &Value,
    entry: &CatalogEntry,
    automatic: &[&str],
) -> (Value, BTreeMap<String, Kept>) {
    let index: BTreeMap<Vec<&str>, &Map<String, Value>> = entry
        .metadata
        .iter()
        .map(|item| (item.breadcrumb.iter().map(String::as_str).collect(), &item.metadata))
        .collect();
    let selector = Selector { index, automatic };
    let mut schema = schema.clone();
    match selector.prune(&mut schema, &mut Vec::new(), true) {
        Kept::Properties(kept) => (schema, kept),
        // The root is always an object: here `Whole` means that every property is kept whole.
        Kept::Whole | Kept::Items(_) => {
            let names = schema.get("properties").and_then(Value::as_object);
            let kept = names.into_iter().flatten().map(|(name, _)| (name.clone(), Kept::Whole));
            let kept = kept.collect();
            (schema, kept)
        }
    }
}

struct Selector<'a> {
    index: BTreeMap<Vec<&'a str>, &'a Map<String, Value>>,
    automatic: &'a [&'a str],
}

impl Selector<'_> {
    /// Removes from `node` what is not selected, and returns what is kept.
    fn prune(&self, node: &mut Value, path: &mut Vec<String>, parent: bool) -> Kept {
        if let Some(object) = node.as_object_mut() {
            object.remove("selected");
        }
        if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
            let before = properties.len();
            let kept = self.prune_properties(properties, path, parent);
            let whole = kept.len() == before && kept.values().all(|k| *k == Kept::Whole);
            return if whole { Kept::Whole } else { Kept::Properties(kept) };
        }
        if let Some(items) = node.get_mut("items") {
            path.push("items".into());
            let kept = self.prune(items, path, parent);
            path.pop();
            if kept != Kept::Whole {
                return Kept::Items(Box::new(kept));
            }
        }
        Kept::Whole
    }

    fn prune_properties(
        &self,
        properties: &mut Map<String, Value>,
        path: &mut Vec<String>,
        parent: bool,
    ) -> BTreeMap<String, Kept> {
        let mut kept = BTreeMap::new();
        properties.retain(|name, child| {
            path.push("properties".into());
            path.push(name.clone());
            let selected = self.is_selected(child, path, parent);
            if selected {
                kept.insert(name.clone(), self.prune(child, path, true));
            }
            path.truncate(path.len() - 2);
            selected
        });
        kept
    }

    fn is_selected(&self, node: &Value, path: &[String], parent: bool) -> bool {
        if path.len() == 2 && self.automatic.contains(&path[1].as_str()) {
            return true;
        }
        let crumb: Vec<&str> = path.iter().map(String::as_str).collect();
        let metadata = self.index.get(&crumb);
        let read = |key: &str| metadata.and_then(|metadata| metadata.get(key));
        match read("inclusion").and_then(Value::as_str) {
            Some("unsupported") => return false,
            Some("automatic") => return true,
            _ => {}
        }
        truth(read("selected"))
            .or_else(|| truth(node.get("selected")))
            .or_else(|| truth(read("selected-by-default")))
            .unwrap_or(parent)
    }
}

/// A boolean. Some tools write it as a string.
fn truth(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(b) => Some(*b),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(value: &Value) -> CatalogEntry {
        serde_json::from_value(value.clone()).expect("an entry")
    }

    #[test]
    fn a_stream_is_selected_by_the_strongest_opinion() {
        let of = |metadata: Value| {
            entry(&json!({"tap_stream_id": "s", "metadata": [{"breadcrumb": [], "metadata": metadata}]}))
        };
        assert!(!stream_is_selected(&of(json!({"selected": false, "selected-by-default": true})), true));
        assert!(stream_is_selected(&of(json!({"selected": "true"})), false));
        assert!(!stream_is_selected(&of(json!({"inclusion": "unsupported", "selected": true})), true));
        assert!(stream_is_selected(&of(json!({})), true));
        assert!(stream_is_selected(&entry(&json!({"schema": {"selected": true}})), false));
        assert!(!stream_is_selected(&entry(&json!({"selected": false})), true));
    }

    #[test]
    fn a_deselected_parent_takes_its_children_along_and_automatic_stays() {
        let schema = json!({"properties": {
            "id": {"type": "string"},
            "team": {"type": "object", "properties": {"id": {"type": "string"}}},
            "user": {"type": "object", "properties": {"id": {"type": "string"}, "email": {"type": "string"}}},
        }});
        let entry = entry(&json!({"metadata": [
            {"breadcrumb": ["properties", "id"], "metadata": {"selected": false}},
            {"breadcrumb": ["properties", "team"], "metadata": {"selected": false}},
            {"breadcrumb": ["properties", "team", "properties", "id"], "metadata": {"selected": true}},
            {"breadcrumb": ["properties", "user", "properties", "email"], "metadata": {"selected": false}},
        ]}));
        let (schema, kept) = select_properties(&schema, &entry, &["id"]);
        assert_eq!(
            schema,
            json!({"properties": {
                "id": {"type": "string"},
                "user": {"type": "object", "properties": {"id": {"type": "string"}}},
            }})
        );
        assert_eq!(kept["id"], Kept::Whole);
        assert_eq!(kept["user"], Kept::Properties(BTreeMap::from([("id".into(), Kept::Whole)])));
        assert!(!kept.contains_key("team"));
    }

    #[test]
    fn items_of_arrays_are_cut_down_too() {
        let schema = json!({"properties": {"tags": {"type": "array", "items": {"properties": {"k": {}, "v": {}}}}}});
        let entry = entry(&json!({"metadata": [
            {"breadcrumb": ["properties", "tags", "items", "properties", "v"], "metadata": {"selected": false}},
        ]}));
        let (_, kept) = select_properties(&schema, &entry, &[]);
        let inner = Kept::Properties(BTreeMap::from([("k".into(), Kept::Whole)]));
        assert_eq!(kept["tags"], Kept::Items(Box::new(inner)));
    }
}
