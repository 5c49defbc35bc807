//! Where the configuration may come from: several files, and the environment. It understands names of other taps.

use std::path::Path;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, tap};

struct Place {
    dir: tempfile::TempDir,
    simulator: Simulator,
}

impl Place {
    fn new() -> Self {
        let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
        Self { dir: tempfile::tempdir().expect("a temporary folder"), simulator }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    /// Runs `--test`, which needs the whole configuration.
    fn run(&self, configs: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = tap();
        command.current_dir(self.dir.path()).arg("--test").envs(variables.iter().copied());
        for config in configs {
            command.args(["--config", config]);
        }
        Run::of(command)
    }

    fn config(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut config = json!({
            "api_token": self.simulator.token(), "organization": "acme", "start_date": "2020-01-01",
            "base_url": self.simulator.base_url(), "rate_limit": 1000,
        });
        change(&mut config);
        config.to_string()
    }
}

fn works(run: &Run) {
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn later_files_win_option_by_option() {
    let place = Place::new();
    let first = place.file("first.json", &place.config(|config| config["organization"] = json!("wrong")));
    let second = place.file("second.json", r#"{"organization": "acme"}"#);
    works(&place.run(&[&first, &second], &[]));
    assert_eq!(place.run(&[&second, &first], &[]).code, 1);
}

#[test]
fn the_environment_is_read_where_it_is_asked_for() {
    let place = Place::new();
    let (url, token) = (place.simulator.base_url(), place.simulator.token().to_owned());
    let variables = [
        ("TAP_SENTRY_API_TOKEN", token.as_str()),
        ("TAP_SENTRY_ORGANIZATION", "acme"),
        ("TAP_SENTRY_BASE_URL", &url),
        ("TAP_SENTRY_START_DATE", "2020-01-01"),
        ("TAP_SENTRY_RATE_LIMIT", "1000"),
        ("TAP_SENTRY_USER_AGENT", ""),
    ];
    works(&place.run(&["ENV"], &variables));
    let file = place.file("config.json", &place.config(|config| config["organization"] = json!("wrong")));
    works(&place.run(&[&file, "ENV"], &variables));
    assert_eq!(place.run(&[&file], &variables).code, 1, "Meltano exports such variables to every tap");
}

#[test]
fn variables_may_be_in_a_file() {
    let place = Place::new();
    let (url, token) = (place.simulator.base_url(), place.simulator.token());
    let text = format!(
        "# for the tap\nTAP_SENTRY_API_TOKEN='{token}'\nTAP_SENTRY_ORGANIZATION=wrong\nTAP_SENTRY_BASE_URL={url}\n\
         TAP_SENTRY_START_DATE=2020-01-01\n"
    );
    place.file(".env", &text);
    works(&place.run(&["ENV"], &[("TAP_SENTRY_ORGANIZATION", "acme")]));
    place.file(".env", &format!("TAP_SENTRY_API_TOKEN='{token}\n"));
    let broken = place.run(&["ENV"], &[]);
    assert!(broken.code == 1 && !broken.stderr.contains(token), "{}", broken.stderr);
}

#[test]
fn the_variables_of_sentrys_own_tools_fill_what_is_missing() {
    let place = Place::new();
    let (url, token) = (place.simulator.origin(), place.simulator.token().to_owned());
    let variables = [
        ("SENTRY_AUTH_TOKEN", token.as_str()),
        ("SENTRY_ORG", "acme"),
        ("SENTRY_URL", &url),
        ("TAP_SENTRY_START_DATE", "2020-01-01"),
    ];
    let run = place.run(&["ENV"], &variables);
    works(&run);
    assert!(run.stderr.contains("INFO api_token is taken from the variable SENTRY_AUTH_TOKEN"), "{}", run.stderr);
}

#[test]
fn other_taps_names_and_pasted_addresses_are_understood() {
    let place = Place::new();
    let config = json!({
        "auth_token": place.simulator.token(), "start_date": "2020-01-01", "api_url": place.simulator.origin(),
        "organization_slug": format!("{}/organizations/acme/issues/?project=1", place.simulator.origin()),
    });
    let file = place.file("config.json", &config.to_string());
    let run = place.run(&[&file], &[]);
    works(&run);
    assert!(run.stderr.contains("INFO the config names auth_token, which is taken for api_token"), "{}", run.stderr);
    assert!(Path::new(&file).exists());
}
