//! Compares scanner and index with a JSON parser: they accept what it accepts, and find what it finds.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::json::row::Row;
use crate::json::scan::plain_until;

fn parser_accepts(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The rows that a parser finds.
fn rows_by_parser(text: &str) -> Result<Vec<String>, Malformed> {
    let rows: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
    match rows {
        Ok(rows) => Ok(rows.into_iter().map(|row| row.get().to_owned()).collect()),
        Err(_) if parser_accepts(text) => Err(Malformed::OtherShape),
        Err(_) => Err(Malformed::NotJson),
    }
}

fn check(text: &str) {
    let index = Index::of_array(text);
    let rows = index
        .as_ref()
        .map_err(|malformed| *malformed)
        .map(|index| index.rows.iter().map(|row| text[row.raw.clone()].to_owned()).collect::<Vec<_>>());
    assert_eq!(rows, rows_by_parser(text), "{text}");
    let object = Index::of_object(text);
    assert_eq!(object.is_ok(), parser_accepts(text) && text.trim_start().starts_with('{'), "{text}");
}

#[test]
fn what_is_json_and_what_is_not() {
    let accepted = [
        "[]",
        " [ ] ",
        "[1]",
        "[-0.5e+10,0,-0,1E5,1.5]",
        "[\"\"]",
        r#"["\"\\\/\b\f\n\r\t\u00e9\ud800"]"#,
        "{}",
        "[true,false,null]",
        "[[],{},[[]],[{}]]",
        r#"[{"a":{"b":[1,{"c":null}]}},{"a":1}]"#,
        "7",
        "null",
        "\"x\"",
        "[\"größe, ключ 😀\"]",
        "[{\"a\" : 1 , \"b\":\t2\n}]",
        "[\"\u{7f}\"]",
    ];
    let refused = [
        "",
        " ",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[01]",
        "[1.]",
        "[.5]",
        "[-]",
        "[1e]",
        "[+1]",
        "[tru]",
        "[nul",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u12\"]",
        "[\"\n\"]",
        "[\"\0\"]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "[{]",
        "[}",
        "[1]]",
        "[1] x",
        "[\"a\"\"b\"]",
        "[NaN]",
        "[\"\\",
        "[{\"a\":1]",
        "{\"a\":[}",
        "[\"12345678",
        "[\"1234567\u{1f}\"]",
    ];
    for text in accepted {
        assert!(parser_accepts(text), "{text}");
        check(text);
    }
    for text in refused {
        assert!(!parser_accepts(text), "{text}");
        check(text);
    }
}

#[test]
fn a_text_cut_anywhere_is_noticed() {
    let text = r#"[{"id":"1","o":{"a":[1,"]}"],"n":-1.5e3},"t":true,"s":"gr\u00f6\n\\"},{"id":null}]"#;
    for cut in 0..text.len() {
        check(&text[..cut]);
        assert_eq!(Index::of_array(&text[..cut]), Err(Malformed::NotJson), "{}", &text[..cut]);
    }
    check(text);
}

#[test]
fn nesting_of_any_depth_is_passed() {
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Index::of_array(&deep).expect("an array").rows.len(), 1);
    assert_eq!(Index::of_array(&deep[..deep.len() - 1]), Err(Malformed::NotJson));
    let mixed = format!("[{}1{}]", "{\"a\":[".repeat(50_000), "]}".repeat(50_000));
    assert_eq!(Index::of_array(&mixed).expect("an array").rows.len(), 1);
}

#[test]
fn values_with_unicode_escapes_are_marked() {
    let index = Index::of_object(r#"{"a":"\n","b":["\u0000"],"c":"x"}"#).expect("an object");
    assert_eq!(index.fields.iter().map(|field| field.unicode).collect::<Vec<_>>(), [false, true, false]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[^\\x00]{0,6}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn rows_and_fields_are_those_of_a_parser(rows in prop::collection::vec(any_json(), 0..5), pretty: bool) {
        let value = Value::from(rows.clone());
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        check(&text);
        let index = Index::of_array(&text).expect("an array");
        for (nth, row) in rows.iter().enumerate() {
            let found = Row::of(&text, &index, nth);
            prop_assert_eq!(found.is_some(), row.is_object());
            let Some(found) = found else { continue };
            let fields = found.fields().map(|field| {
                (field.name().into_owned(), serde_json::from_str::<Value>(field.value()).expect("a value"))
            });
            prop_assert_eq!(&Value::Object(fields.collect()), row);
        }
    }

    #[test]
    fn a_spoiled_text_is_judged_as_a_parser_does(row in any_json(), at: prop::sample::Index, byte in "[ -~\\x00-\\x1f]") {
        let mut text: Vec<u8> = Value::from(vec![row]).to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte.as_bytes()[0];
        // A change in the middle of a character leaves no valid text.
        if let Ok(text) = std::str::from_utf8(&text) {
            check(text);
        }
    }

    #[test]
    fn runs_of_plain_text_end_where_they_should(bytes in prop::collection::vec(any::<u8>(), 0..40), at in 0_usize..40) {
        let at = at.min(bytes.len());
        let slow = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        prop_assert_eq!(plain_until(&bytes, at), slow.map_or(bytes.len(), |found| at + found));
    }
}
