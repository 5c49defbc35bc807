//! Joins the sources of a configuration into one object: files, the environment, and the names that other taps use.
//! Does not know what the values mean.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::config::options::OPTIONS;

/// Instead of a file name: read the environment.
const ENVIRONMENT: &str = "ENV";
/// A variable's name is this prefix and the option's name in capitals.
pub(crate) const PREFIX: &str = "TAP_SENTRY_";
/// A file in the working directory that holds more variables.
const DOT_ENV: &str = ".env";

/// The configuration before its values are checked.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Options by their own names.
    pub(crate) object: Map<String, Value>,
    /// Which options were taken from names or variables that are not the tap's own.
    pub(crate) notes: Vec<String>,
}

/// Reads every source in order. Later sources win, option by option.
pub(crate) fn gather(sources: &[impl AsRef<Path>]) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut variables = None;
    for source in sources.iter().map(AsRef::as_ref) {
        if source.as_os_str() == ENVIRONMENT {
            let variables = variables.insert(environment()?);
            gathered.object.extend(options_of(variables));
        } else {
            let object = read(source).with_context(|| format!("the config file {} is not usable", source.display()))?;
            gathered.add(object);
        }
    }
    if let Some(variables) = variables {
        gathered.fall_back(&variables);
    }
    Ok(gathered)
}

impl Gathered {
    /// Adds the object of a file. Replaces names that other taps use by the tap's own; those win where both are set.
    pub(crate) fn add(&mut self, object: Map<String, Value>) {
        for option in OPTIONS.iter().filter(|option| !object.contains_key(option.name)) {
            if let Some((name, value)) = option.other_names.iter().find_map(|name| object.get_key_value(*name)) {
                self.notes.push(format!("the config names {name}, which is taken for {}", option.name));
                self.object.insert(option.name.to_owned(), value.clone());
            }
        }
        let foreign = |name: &str| OPTIONS.iter().any(|option| option.other_names.contains(&name));
        self.object.extend(object.into_iter().filter(|(name, _)| !foreign(name)));
    }

    /// Takes options that are not set from the variables of Sentry's own tools.
    fn fall_back(&mut self, variables: &BTreeMap<String, String>) {
        for option in OPTIONS {
            let Some(name) = option.sentry_variable else { continue };
            let unset = self.object.get(option.name).is_none_or(|value| value.is_null() || value == "");
            if let Some(value) = variables.get(name).filter(|_| unset) {
                self.notes.push(format!("{} is taken from the variable {name}", option.name));
                self.object.insert(option.name.to_owned(), Value::from(value.as_str()));
            }
        }
    }
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    parse(&std::fs::read_to_string(path).context("cannot read it")?)
}

/// Parses the text of a configuration file. Allows `//` and `/* */` comments and trailing commas.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>> {
    let mut text = text.trim_start_matches('\u{feff}').to_owned();
    json_strip_comments::strip(&mut text).context("not valid JSON: a comment does not end")?;
    match serde_json::from_str(&text).map_err(|error| hide_content(&error)).context("not valid JSON")? {
        Value::Object(object) => Ok(object),
        _ => bail!("expected a JSON object at the top"),
    }
}

/// The place of a syntax error. The text around it is left out: it may be the token.
fn hide_content(error: &serde_json::Error) -> anyhow::Error {
    anyhow::anyhow!("line {}, column {}", error.line(), error.column())
}

/// All environment variables. Those of the process win over those of `.env`.
fn environment() -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    match dotenvy::from_path_iter(DOT_ENV) {
        Ok(lines) => {
            for line in lines {
                // The error would quote the line, which may hold the token.
                let (name, value) =
                    line.ok().with_context(|| format!("the file {DOT_ENV} has a line that is no NAME=value"))?;
                variables.insert(name, value);
            }
        }
        Err(error) if error.not_found() => {}
        Err(_) => bail!("cannot read the file {DOT_ENV}"),
    }
    variables.extend(
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    Ok(variables)
}

/// The options that variables set. Their values are texts, which every kind of option accepts.
fn options_of(variables: &BTreeMap<String, String>) -> impl Iterator<Item = (String, Value)> {
    OPTIONS.iter().filter_map(|option| {
        let value = variables.get(&variable(option.name)).filter(|value| !value.is_empty())?;
        Some((option.name.to_owned(), Value::from(value.as_str())))
    })
}

/// Name of the variable that sets an option.
pub(crate) fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(text: &str, variables: &[(&str, &str)]) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.add(parse(text).expect("an object"));
        gathered.fall_back(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        gathered
    }

    #[test]
    fn other_taps_names_are_understood_and_ours_win() {
        let taken = gathered(r#"{"auth_token": "a", "hostname": "sentry.example.com"}"#, &[]);
        assert_eq!(
            (&taken.object["api_token"], &taken.object["base_url"]),
            (&"a".into(), &"sentry.example.com".into())
        );
        assert_eq!(taken.notes.len(), 2);
        for text in [r#"{"auth_token": "a", "api_token": "b"}"#, r#"{"api_token": "b", "auth_token": "a"}"#] {
            assert_eq!(gathered(text, &[]).object["api_token"], "b");
        }
    }

    #[test]
    fn sentrys_own_variables_fill_what_is_not_set() {
        let variables =
            [("SENTRY_AUTH_TOKEN", "e"), ("SENTRY_ORG", "acme"), ("SENTRY_URL", "https://sentry.example.com")];
        let taken = gathered(r#"{"organization": "mine", "api_token": ""}"#, &variables).object;
        assert_eq!((&taken["api_token"], &taken["organization"]), (&"e".into(), &"mine".into()));
        assert_eq!(taken["base_url"], "https://sentry.example.com");
    }
}
