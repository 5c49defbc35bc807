//! What the tap prints about itself (help, settings, manual), how it logs, and what it shows on a terminal.

use std::io::Write;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};
use tap_sentry::internals::OPTIONS;

use crate::support::{Run, Tap, tap};

fn run(args: &[&str]) -> Run {
    let mut command = tap();
    command.args(args);
    let run = Run::of(command);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run
}

#[test]
fn about_names_every_setting_in_every_format() {
    let about: Value = serde_json::from_str(&run(&["--about", "--format=json"]).stdout).expect("JSON");
    let keys: Vec<_> = about.as_object().expect("an object").keys().collect();
    let expected =
        ["name", "description", "version", "sdk_version", "supported_python_versions", "capabilities", "settings"];
    assert_eq!(keys, expected, "the order that SDK taps have");
    let (text, markdown) = (run(&["--about"]).stdout, run(&["--about", "--format=markdown"]).stdout);
    for option in OPTIONS {
        let setting = &about["settings"]["properties"][option.name];
        assert_eq!(setting["description"], option.description);
        assert!(text.contains(&format!("Environment Variable: TAP_SENTRY_{}", option.name.to_uppercase())));
        assert!(markdown.contains(&format!("| `{}` |", option.name)));
    }
    assert_eq!(about["settings"]["required"], json!(["api_token", "start_date"]));
    assert_eq!(about["settings"]["properties"]["api_token"]["secret"], true);
    jsonschema::options().build(&about["settings"]).expect("a valid schema");
}

#[test]
fn the_schema_of_the_settings_accepts_the_example() {
    let about: Value = serde_json::from_str(&run(&["--about", "--format=json"]).stdout).expect("JSON");
    let example: Value = serde_json::from_str(include_str!("../../config.example.json")).expect("JSON");
    let validator = jsonschema::options().build(&about["settings"]).expect("a valid schema");
    assert!(validator.is_valid(&example), "{:?}", validator.validate(&example));
    assert!(!validator.is_valid(&json!({"api_token": "x"})), "start_date is required");
}

#[test]
fn shells_and_manuals_are_served() {
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef tap-sentry"), ("fish", "complete -c tap-sentry")] {
        assert!(run(&["--completions", shell]).stdout.contains(word), "{shell}");
    }
    let page = run(&["--man"]).stdout;
    assert!(page.contains(".TH tap-sentry 1") && page.contains("catalog"), "{page}");
}

#[test]
fn help_fits_into_80_columns() {
    for line in run(&["--help"]).stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

fn logged(config: &Value, args: &[&str]) -> Run {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("logging.json");
    std::fs::write(&path, config.to_string()).expect("a file can be written");
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let tap = Tap::new(&simulator).only(&["teams"]).env("SINGER_SDK_LOG_CONFIG", &path.display().to_string());
    args.iter().fold(tap, |tap, arg| tap.arg(arg)).sync()
}

#[test]
fn logs_are_structured_where_meltano_asks() {
    let config = |level: &str| {
        json!({
            "formatters": {"singer_formatter": {"()": "singer_sdk.logging.StructuredFormatter"}},
            "root": {"level": level},
        })
    };
    let run = logged(&config("INFO"), &[]);
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for line in &lines {
        for key in ["level", "pid", "logger_name", "ts", "thread_name", "app_name", "message"] {
            assert!(!line[key].is_null(), "{key} is not in {line}");
        }
        for key in ["event", "self", "method_name", "positional_args"] {
            assert!(line.get(key).is_none(), "Meltano cannot take {key}");
        }
        assert_ne!(line["level"], "debug");
    }
    let metric = lines.iter().find(|line| line["metric_info"]["metric"] == "record_count").expect("a metric");
    assert_eq!((&metric["message"], &metric["stream_name"]), (&json!("METRIC"), &json!("teams")));
    assert!(logged(&config("DEBUG"), &[]).stderr.contains("\"debug\""));
    assert!(!logged(&config("ERROR"), &[]).stderr.contains("METRIC"));
}

#[test]
fn logs_stay_text_where_nobody_asks() {
    let config = json!({"formatters": {"singer_formatter": {"format": "%(message)s"}}, "root": {"level": "INFO"}});
    let run = logged(&config, &[]);
    assert!(run.stderr.lines().any(|line| line.starts_with("INFO METRIC: {\"type\":\"counter\"")), "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}'), "no colours without a terminal");
}

/// What a run shows on a terminal. `None` if there is no program `script` to make a terminal.
fn on_a_terminal(variables: &[(&str, &str)]) -> Option<String> {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let tap = Tap::new(&simulator).set("rate_limit", json!(20));
    let command = tap.command();
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &format!("{line} >/dev/null"), "/dev/null"]).stdin(std::process::Stdio::null());
    script.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    let output = script.output().ok()?;
    assert!(output.status.success());
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_shows_what_is_going_on() {
    let Some(shown) = on_a_terminal(&[]) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no program called script");
        return;
    };
    for part in ["\u{1b}[32mINFO", "waiting for rate_limit", "requests,", "a second", "of about"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    let plain = on_a_terminal(&[("NO_COLOR", "1")]).unwrap_or_default();
    assert!(plain.contains("INFO Reading") && !plain.contains("\u{1b}[32m"), "{plain}");
    let dumb = on_a_terminal(&[("TERM", "dumb")]).unwrap_or_default();
    assert!(dumb.contains("INFO Reading") && !dumb.contains('\u{1b}'), "{dumb}");
}
