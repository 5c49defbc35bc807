//! Makes the streams of the user's own queries. Takes the types of their columns from the catalog, or asks the server.
//! Does not know how streams are read.

use serde_json::{Map, Value, json};
use tracing::warn;

use crate::config::queries::{OWN_FIELDS, Query};
use crate::json::row::{Row, entries};
use crate::json::text::unescape;
use crate::sentry::client::Client;
use crate::sentry::endpoint::{Endpoint, PageSize, PathValues, Rows};
use crate::sentry::error::ApiError;
use crate::sentry::request::Request;
use crate::singer::catalog::Catalog;
use crate::streams::Stream;
use crate::streams::query::{endpoint, stream};

/// The stream of a query, and the error if the server did not return its types.
#[derive(Debug)]
pub(crate) struct QueryStream {
    /// The stream. Its fields are texts if their types are not known.
    pub(crate) stream: &'static Stream,
    /// The error of the request for its types.
    pub(crate) failure: Option<ApiError>,
}

/// The streams of the queries. Makes one request for each query whose types the catalog does not have.
pub(crate) async fn query_streams(
    queries: &[Query],
    catalog: Option<&Catalog>,
    client: &Client,
    values: &PathValues,
) -> Vec<QueryStream> {
    let mut streams = Vec::new();
    for query in queries {
        let list = endpoint(&query.dataset, &query.fields, &query.search);
        let known = catalog.and_then(|catalog| catalog.entry(&query.name)).map(|entry| &entry.schema);
        let known = known.filter(|schema| query.fields.iter().all(|field| schema["properties"].get(field).is_some()));
        let (schema, failure) = match known {
            Some(schema) => (schema.to_string(), None),
            None => match types(&list, client, values).await {
                Ok(types) => {
                    for field in query.fields.iter().filter(|field| !types.contains_key(*field)) {
                        warn!("{}: the server says no type of {field}, which is written as text", query.name);
                    }
                    (schema_of(&query.fields, &types), None)
                }
                Err(error) => (schema_of(&query.fields, &Map::new()), Some(error)),
            },
        };
        streams.push(QueryStream { stream: stream(&query.name, list, schema), failure });
    }
    streams
}

/// Asks for one row and reads the types of the columns from the answer (`meta.fields`; on older servers `meta`).
async fn types(list: &Endpoint, client: &Client, values: &PathValues) -> Result<Map<String, Value>, ApiError> {
    let query: Vec<_> = list.query.iter().copied().chain([("per_page", "1"), ("statsPeriod", "1h")]).collect();
    let whole = Endpoint { rows: Rows::Object, page_size: PageSize::None, query: query.leak(), ..*list };
    let page = client.get(&Request::new(Box::leak(Box::new(whole)), values.clone())).await?;
    let mut types = Map::new();
    for row in page.rows().flatten() {
        let meta = row.get("meta").unwrap_or("{}");
        let fields = Row::scan(meta).and_then(|meta| meta.get("fields")).unwrap_or(meta);
        entries(fields, |name, value| {
            types.insert(unescape(name).into_owned(), Value::from(value.trim_matches('"')));
        });
    }
    Ok(types)
}

/// The JSON Schema of a query's rows.
fn schema_of(fields: &[String], types: &Map<String, Value>) -> String {
    let property = |field: &String| {
        let kind = types.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_key = OWN_FIELDS.contains(&field.as_str());
        let mut node = match (field.as_str(), kind) {
            ("id", _) => json!({"type": ["string"]}),
            ("timestamp", _) | (_, "date") => json!({"type": ["string"], "format": "date-time"}),
            ("project.id", _) | (_, "integer") => json!({"type": ["integer"]}),
            (_, "boolean") => json!({"type": ["boolean"]}),
            (_, "number" | "duration" | "percentage" | "percent_change" | "size" | "rate" | "currency" | "score") => {
                json!({"type": ["number"]})
            }
            (_, "array") => json!({"type": ["array"], "items": {"type": ["null", "string"]}}),
            _ => json!({"type": ["string"]}),
        };
        if is_key {
            node["type"] = node["type"][0].take();
        } else if let Some(types) = node["type"].as_array_mut() {
            types.insert(0, json!("null"));
        }
        (field.clone(), node)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    format!("{:#}", json!({"type": "object", "properties": properties, "required": ["id", "project.id"]}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_server_become_types_of_the_schema() {
        let fields = ["id", "project.id", "timestamp", "title", "transaction.duration", "ok", "first_seen", "n"];
        let fields = fields.map(str::to_owned);
        let types = json!({"id": "string", "project.id": "integer", "timestamp": "date", "title": "string",
            "transaction.duration": "duration", "ok": "boolean", "first_seen": "date", "n": "integer"});
        let schema: Value =
            serde_json::from_str(&schema_of(&fields, types.as_object().expect("types"))).expect("a schema");
        let of = |field: &str| schema["properties"][field]["type"].clone();
        assert_eq!((of("id"), of("project.id"), of("timestamp")), (json!("string"), json!("integer"), json!("string")));
        assert_eq!(of("title"), json!(["null", "string"]));
        assert_eq!(of("transaction.duration"), json!(["null", "number"]));
        assert_eq!((of("ok"), of("n")), (json!(["null", "boolean"]), json!(["null", "integer"])));
        assert_eq!(schema["properties"]["first_seen"]["format"], "date-time");
    }
}
