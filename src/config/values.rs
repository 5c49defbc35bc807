//! Reads single values leniently: Meltano and people write numbers as strings, times without zones, and empty strings
//! for absent values. Collects all problems in one list. Knows no option by name.

use serde_json::{Map, Value};

use crate::config::options::{Kind, find};
use crate::time::{Time, parse_time_or_date};

/// A configuration object, read value by value.
pub(crate) struct Values<'a> {
    object: &'a Map<String, Value>,
    /// Problems found so far, one sentence each.
    pub(crate) problems: Vec<String>,
}

impl<'a> Values<'a> {
    /// Reads the top-level object of a configuration.
    pub(crate) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, problems: Vec::new() }
    }

    /// The value, unless it is absent, `null` or empty.
    fn present(&self, name: &str) -> Option<&'a Value> {
        let value = self.object.get(name)?;
        let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        (!empty).then_some(value)
    }

    /// A trimmed text. A number counts as its digits.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.present(name)?;
        match text_of(value) {
            Some(text) => Some(text.trim().to_owned()),
            None => self.wrong(name, value, "a text"),
        }
    }

    /// A number that `fits`. `right` says in the error message what would be right.
    pub(crate) fn number(&mut self, name: &str, fits: impl Fn(f64) -> bool, right: &str) -> Option<f64> {
        let value = self.present(name)?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| number.is_finite() && fits(*number)) {
            Some(number) => Some(number),
            None => self.wrong(name, value, right),
        }
    }

    /// A whole number of at least `least`.
    pub(crate) fn integer(&mut self, name: &str, least: u64) -> Option<u64> {
        let value = self.present(name)?;
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok().or_else(|| whole(text.trim().parse().ok()?)),
            _ => None,
        };
        match number.filter(|number| *number >= least) {
            Some(number) => Some(number),
            None => self.wrong(name, value, &format!("a whole number of at least {least}")),
        }
    }

    /// `true` or `false`, also as text.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.present(name)?;
        let text = value.as_str().map(str::to_lowercase);
        match (value.as_bool(), text.as_deref().map(str::trim)) {
            (Some(b), _) => Some(b),
            (None, Some("true" | "yes" | "1" | "on")) => Some(true),
            (None, Some("false" | "no" | "0" | "off")) => Some(false),
            _ => self.wrong(name, value, "true or false"),
        }
    }

    /// Several texts; empty if the value is absent.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.present(name) else { return Vec::new() };
        let parsed = value.as_str().filter(|text| text.trim_start().starts_with('['));
        let parsed = parsed.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let texts = match parsed.as_ref().unwrap_or(value) {
            Value::Array(items) => items.iter().map(text_of).collect(),
            Value::String(text) => Some(text.split(',').map(str::to_owned).collect()),
            number => text_of(number).map(|text| vec![text]),
        };
        let texts: Option<Vec<String>> = texts;
        match texts {
            Some(texts) => texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect(),
            None => self.wrong(name, value, "a list of texts").unwrap_or_default(),
        }
    }

    /// Several objects; empty if the value is absent.
    pub(crate) fn objects(&mut self, name: &str) -> Vec<Value> {
        let Some(value) = self.present(name) else { return Vec::new() };
        let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        match parsed.as_ref().unwrap_or(value).as_array() {
            Some(items) if items.iter().all(Value::is_object) => items.clone(),
            _ => self.wrong(name, value, "a list of objects").unwrap_or_default(),
        }
    }

    /// A time. Times without a zone and dates are UTC.
    pub(crate) fn time(&mut self, name: &str) -> Option<Time> {
        let value = self.present(name)?;
        let parsed = value.as_str().and_then(|text| parse_time_or_date(text.trim()));
        match parsed {
            Some(time) => Some(time),
            None => self.wrong(name, value, "a date such as 2026-01-31 or 2026-01-31T00:00:00Z"),
        }
    }

    /// Adds a problem if a required option is missing, unless its value was reported as wrong.
    pub(crate) fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        let complained = |problem: &String| problem.starts_with(&format!("{name} "));
        if value.is_none() && !self.problems.iter().any(complained) {
            let what = find(name).map_or("", |option| option.description);
            self.problems.push(format!("{name} is missing: it is required ({what})"));
        }
        value
    }

    /// Adds the problem that a value is wrong. Does not quote secrets.
    pub(crate) fn wrong<T>(&mut self, name: &str, value: &Value, right: &str) -> Option<T> {
        let secret = find(name).is_some_and(|option| option.kind == Kind::Secret);
        let shown = if secret { "(hidden)".to_owned() } else { value.to_string() };
        self.problems.push(format!("{name} is {shown}, and must be {right}"));
        None
    }
}

/// A text, or a number as its digits.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}
