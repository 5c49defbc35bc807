//! The user's own queries: which rows of Sentry's events table become a stream. Checks them without asking the server.

use serde_json::{Value, json};

use crate::config::projects::spread;
use crate::config::values::Values;
use crate::streams;

/// The most fields that Sentry returns for one query (API §3).
pub(crate) const MOST_FIELDS: usize = 20;
/// Fields that the tap adds to every query: the key and the time.
pub(crate) const OWN_FIELDS: [&str; 3] = ["id", "project.id", "timestamp"];
/// Keys that a query may have.
const PARTS: [&str; 4] = ["name", "dataset", "fields", "query"];

/// One query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Name of the stream.
    pub(crate) name: String,
    /// The server's dataset: errors, transactions, spans, logs and so on.
    pub(crate) dataset: String,
    /// Fields, including the key and the time.
    pub(crate) fields: Vec<String>,
    /// Search text in the syntax of Sentry's search; empty for everything.
    pub(crate) search: String,
}

impl Query {
    /// Tells this query from others of its name: a short hash of the dataset, the fields in any order, and the search.
    /// Must not change between versions of the tap: bookmarks of queries carry it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut fields: Vec<&str> = self.fields.iter().map(String::as_str).collect();
        fields.sort_unstable();
        format!("{:016x}", spread(&json!([self.dataset, fields, self.search]).to_string()))
    }
}

/// Reads the option `queries`. Adds problems to `values`.
pub(crate) fn read(values: &mut Values<'_>) -> Vec<Query> {
    let mut queries: Vec<Query> = Vec::new();
    for item in values.objects("queries") {
        match one(&item) {
            Ok(query) if queries.iter().any(|other| other.name == query.name) => {
                values.problems.push(format!("queries has two of the name {:?}", query.name));
            }
            Ok(query) => queries.push(query),
            Err(problem) => values.problems.push(problem),
        }
    }
    queries
}

fn one(item: &Value) -> Result<Query, String> {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    let describe = |what: &str| format!("queries: {name:?} {what}");
    let is_word = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if name.is_empty() || !is_word(name) || name.as_bytes()[0].is_ascii_digit() {
        return Err(describe("must have a name of small letters, digits and underscores"));
    }
    if streams::find(name).is_some() {
        return Err(describe("has the name of another stream"));
    }
    if let Some(part) =
        item.as_object().into_iter().flatten().map(|(part, _)| part).find(|p| !PARTS.contains(&p.as_str()))
    {
        return Err(describe(&format!("has {part:?}, which is none of {}", PARTS.join(", "))));
    }
    let text = |part: &str, otherwise: &str| match item.get(part) {
        None | Some(Value::Null) => Ok(otherwise.to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(describe(&format!("must have a text as its {part}"))),
    };
    let requested = item.get("fields").and_then(Value::as_array).filter(|fields| !fields.is_empty());
    let requested: Option<Vec<&str>> = requested.and_then(|fields| fields.iter().map(Value::as_str).collect());
    let requested = requested.ok_or_else(|| describe("must have fields: a list of the names of columns"))?;
    if requested.iter().any(|field| field.trim().is_empty()) {
        return Err(describe("has a field without a name"));
    }
    if let Some(field) = requested.iter().find(|field| field.contains('(') || field.starts_with("equation|")) {
        return Err(describe(&format!("asks for {field}: a query gives rows, and no functions over several")));
    }
    let mut fields: Vec<String> = OWN_FIELDS.map(str::to_owned).to_vec();
    for field in requested {
        if !fields.iter().any(|known| known == field) {
            fields.push(field.to_owned());
        }
    }
    if fields.len() > MOST_FIELDS {
        let own = OWN_FIELDS.join(", ");
        return Err(describe(&format!("has {} fields with {own}, and may have {MOST_FIELDS}", fields.len())));
    }
    Ok(Query { name: name.to_owned(), dataset: text("dataset", "errors")?, fields, search: text("query", "")? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_and_the_time_are_always_asked_for() {
        let query = one(&json!({"name": "slow", "fields": ["title", "timestamp"]})).expect("a query");
        assert_eq!(query.fields, ["id", "project.id", "timestamp", "title"]);
        assert_eq!((query.dataset.as_str(), query.search.as_str()), ("errors", ""));
    }

    #[test]
    fn the_fingerprint_tells_what_is_asked_for_and_never_changes() {
        let query = |dataset: &str, fields: Value, search: &str| {
            let item = json!({"name": "mine", "dataset": dataset, "fields": fields, "query": search});
            one(&item).expect("a query").fingerprint()
        };
        let print = query("errors", json!(["title", "level"]), "level:error");
        assert_eq!(print, "8f2a420dc9957538");
        assert_eq!(print, query("errors", json!(["level", "title"]), "level:error"));
        for other in [
            query("spans", json!(["title", "level"]), "level:error"),
            query("errors", json!(["title"]), "level:error"),
            query("errors", json!(["title", "level"]), "level:warning"),
        ] {
            assert_ne!(print, other);
        }
    }

    #[test]
    fn a_wrong_query_is_described() {
        let many: Vec<String> = (0..18).map(|nth| format!("f{nth}")).collect();
        for (item, problem) in [
            (json!({"fields": ["a"]}), "must have a name"),
            (json!({"name": "1a", "fields": ["a"]}), "must have a name"),
            (json!({"name": "issues", "fields": ["a"]}), "another stream"),
            (json!({"name": "a"}), "must have fields"),
            (json!({"name": "a", "fields": [1]}), "must have fields"),
            (json!({"name": "a", "fields": ["count()"]}), "no functions"),
            (json!({"name": "a", "fields": ["equation|a + b"]}), "no functions"),
            (json!({"name": "a", "fields": [" "]}), "without a name"),
            (json!({"name": "a", "fields": many}), "21 fields"),
            (json!({"name": "a", "fields": ["a"], "interval": "1d"}), "none of"),
            (json!({"name": "a", "fields": ["a"], "query": 1}), "a text as its query"),
        ] {
            let found = one(&item).expect_err("a problem");
            assert!(found.contains(problem), "{found}");
        }
    }
}
