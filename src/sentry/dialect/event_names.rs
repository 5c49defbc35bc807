//! Renames the fields of event rows to Sentry's names. GlitchTip writes those of an issue's list with underscores
//! (`date_created`), and those of a project's list as Sentry does. Pure.

use crate::json::row::Row;
use crate::json::scan::Malformed;
use crate::json::text::quote;
use crate::sentry::endpoint::Rows;
use crate::sentry::page::Page;

/// Returns the page with Sentry's names. Changes it only if a row has an `event_id`.
pub(crate) fn with_sentrys_names(page: Page) -> Result<Page, Malformed> {
    let has_underscores = |row: &Row<'_>| row.get("eventID").is_none() && row.get("event_id").is_some();
    if !page.rows().flatten().any(|row| has_underscores(&row)) {
        return Ok(page);
    }
    let rows: Vec<String> = page.rows().flatten().map(|row| renamed(&row)).collect();
    let body = format!("[{}]", rows.join(","));
    let mut renamed = Page::parse(body, Rows::Array)?;
    (renamed.next, renamed.end, renamed.hits) = (page.next, page.end, page.hits);
    Ok(renamed)
}

fn renamed(row: &Row<'_>) -> String {
    let fields = row.fields().map(|field| format!("{}:{}", quote(&camel(&field.name())), field.value()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// `date_created` becomes `dateCreated`. In the ids of events, groups and projects, Sentry writes `ID`.
fn camel(name: &str) -> String {
    match name {
        "event_id" | "group_id" | "project_id" => return name.replace("_id", "ID"),
        _ if name.starts_with('_') => return name.to_owned(),
        _ => {}
    }
    let mut text = String::with_capacity(name.len());
    for (nth, part) in name.split('_').enumerate() {
        match part.chars().next().filter(|_| nth > 0) {
            Some(first) => text.extend(first.to_uppercase().chain(part[first.len_utf8()..].chars())),
            None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(body: &str) -> Vec<String> {
        let page = Page::parse(body.to_owned(), Rows::Array).expect("a page");
        let page = with_sentrys_names(page).expect("a page");
        page.rows().flatten().map(|row| row.raw().to_owned()).collect()
    }

    #[test]
    fn names_with_underscores_become_sentrys() {
        assert_eq!(
            raw(r#"[{"event_id":"a","group_id":"1","date_created":"x","user":{"ip_address":null},"_meta":{}}]"#),
            [r#"{"eventID":"a","groupID":"1","dateCreated":"x","user":{"ip_address":null},"_meta":{}}"#]
        );
        let sentrys = r#"{"eventID":"a","some_key":1}"#;
        assert_eq!(raw(&format!("[{sentrys}]")), [sentrys]);
    }
}
