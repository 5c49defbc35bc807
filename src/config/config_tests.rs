//! What the configuration accepts, and how it reports what it does not accept.

use serde_json::{Value, json};

use super::*;

fn config(changes: Value) -> Result<Config> {
    let mut value = json!({"api_token": "sntryu_secret", "start_date": "2026-01-01T00:00:00Z", "organization": "acme"});
    let object = value.as_object_mut().expect("an object");
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    object.extend(changes);
    Config::parse(&value.to_string())
}

fn problems(changes: Value) -> String {
    format!("{:#}", config(changes).expect_err("a wrong configuration"))
}

#[test]
fn the_documented_defaults_hold() {
    let config = Config::parse(r#"{"api_token": "x", "start_date": "2020-01-01T00:00:00Z"}"#).expect("a config");
    assert_eq!(config.client.base_url.as_str(), "https://sentry.io/api/0/");
    assert_eq!(config.organization, "split-software");
    assert!(config.warnings[0].contains("organization"), "{:?}", config.warnings);
    assert!((config.client.rate_limit - 10.0).abs() < f64::EPSILON);
    let expected = Sampling {
        fraction: None,
        max_per_project: None,
        min_per_issue: 5,
        max_per_issue: 100,
        seed: 0,
        shaped: false,
    };
    assert_eq!(config.sampling, expected);
    assert!(!config.fetch_event_details);
    assert_eq!(config.lookback.as_secs(), 600);
    assert_eq!(config.issue_refresh, Some(Duration::from_hours(24)));
}

#[test]
fn the_original_readmes_example_loads_as_printed() {
    let text = r#"{
  "api_token": "YOUR_SENTRY_API_TOKEN",
  "start_date": "2020-01-01T00:00:00Z",  // date to start syncing from
  "base_url": "https://sentry.io/api/0/",  // optional, default shown
  "organization": "your-organization-slug",  // optional, defaults to "split-software"
  "rate_limit": 10,  // optional, default is 10 requests per second
  "sample_fraction": 0.1,  // optional, sample 10% of events
  "max_events_per_project": 1000,  // optional, limit to 1000 events per project
  "min_events_per_issue": 5,  // optional, ensure at least 5 events per issue
  "max_events_per_issue": 100  // optional, limit to 100 events per issue
}"#;
    let config = Config::parse(text).expect("a config");
    assert_eq!(config.sampling.fraction, Some(0.1));
    assert_eq!(config.sampling.max_per_project, Some(1000));
    assert_eq!(config.organization, "your-organization-slug");
}

#[test]
fn values_may_be_strings_and_nothing_means_absent() {
    let config = config(json!({
        "rate_limit": "2.5", "sample_fraction": "0.1", "max_events_per_project": "", "min_events_per_issue": null,
        "max_events_per_issue": "50", "fetch_event_details": "true", "base_url": "  ", "lookback_window": 60.0,
    }))
    .expect("a config");
    assert!((config.client.rate_limit - 2.5).abs() < f64::EPSILON);
    assert_eq!(config.sampling.fraction, Some(0.1));
    assert_eq!(config.sampling.max_per_project, None);
    assert_eq!((config.sampling.min_per_issue, config.sampling.max_per_issue), (5, 50));
    assert!(config.fetch_event_details);
    assert_eq!(config.lookback.as_secs(), 60);
}

#[test]
fn start_dates_may_be_naive_or_bare() {
    for text in [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.000000",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01 00:00:00",
    ] {
        let config = config(json!({"start_date": text})).expect(text);
        assert_eq!(config.start_date.to_rfc3339(), "2026-01-01T00:00:00+00:00", "{text}");
    }
}

#[test]
fn a_start_date_in_the_future_is_refused() {
    let after = |minutes| (Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339();
    assert!(config(json!({"start_date": after(9)})).is_ok(), "clocks are never quite the same");
    let message = problems(json!({"start_date": after(11)}));
    assert!(message.contains("start_date is") && message.contains("future"), "{message}");
    assert!(!message.contains("missing"), "{message}");
}

#[test]
fn base_urls_come_in_every_form() {
    for (text, expected) in [
        ("https://sentry.io", "https://sentry.io/api/0/"),
        ("https://us.sentry.io/", "https://us.sentry.io/api/0/"),
        ("de.sentry.io", "https://de.sentry.io/api/0/"),
        ("https://errors.example.com/sentry/api/0", "https://errors.example.com/sentry/api/0/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/api/0/"),
        ("http://[::1]:9000/api/0/", "http://[::1]:9000/api/0/"),
    ] {
        let config = config(json!({"base_url": text})).expect(text);
        assert_eq!(config.client.base_url.as_str(), expected);
    }
    assert!(config(json!({"base_url": "http://errors.example.com", "allow_http": true})).is_ok());
    assert!(problems(json!({"base_url": "http://errors.example.com"})).contains("allow_http"));
    let message = problems(json!({"base_url": "https://me:hunter2@sentry.io/"}));
    assert!(message.contains("without user name") && !message.contains("hunter2"), "{message}");
}

#[test]
fn all_problems_are_reported_together_and_the_token_is_not() {
    let message = problems(json!({
        "api_token": "not a token", "start_date": "soon", "rate_limit": 0, "sample_fraction": 1.5,
        "max_events_per_project": -1, "min_events_per_issue": 7, "max_events_per_issue": 3, "unknown_fields": "eat",
    }));
    for part in [
        "api_token is (hidden)",
        "start_date is \"soon\"",
        "rate_limit is 0",
        "sample_fraction is 1.5",
        "max_events_per_project is -1",
        "min_events_per_issue is 7",
        "unknown_fields is \"eat\"",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(!message.contains("not a token") && !message.contains("required"), "{message}");
    let message = format!("{:#}", Config::parse("{}").expect_err("no options"));
    assert!(message.contains("api_token is missing") && message.contains("start_date is missing"), "{message}");
}

#[test]
fn a_syntax_error_does_not_show_the_text_around_it() {
    let message = format!("{:#}", Config::parse("{\"api_token\": sntryu_secret}").expect_err("not JSON"));
    assert!(message.contains("line 1") && !message.contains("sntryu"), "{message}");
}

#[test]
fn unknown_options_are_warned_about() {
    let config = config(json!({"rate_limits": 3})).expect("a config");
    assert!(config.warnings.iter().any(|warning| warning.contains("rate_limits")), "{:?}", config.warnings);
}

#[test]
fn the_refresh_of_issues_can_be_turned_off() {
    assert_eq!(config(json!({"issue_refresh_hours": "never"})).expect("a config").issue_refresh, None);
    assert_eq!(config(json!({"issue_refresh_hours": 0})).expect("a config").issue_refresh, Some(Duration::ZERO));
    assert!(problems(json!({"issue_refresh_hours": -1})).contains("issue_refresh_hours"));
}

#[test]
fn extreme_numbers_make_a_slow_run_and_not_a_crash() {
    let config = config(json!({"rate_limit": 1e-300, "request_timeout": 1e-12, "lookback_window": u64::MAX}));
    let config = config.expect("a config");
    drop(crate::sentry::limits::RateLimits::new(config.client.rate_limit));
    assert!(config.client.request_timeout > Duration::ZERO);
    let lookback = chrono::TimeDelta::from_std(config.lookback).expect("a span that can be reckoned with");
    assert!(Utc::now().checked_sub_signed(lookback).is_some());
}

#[test]
fn a_password_in_the_address_is_hidden_also_where_the_scheme_is_left_out() {
    for address in ["https://me:password@sentry.example.org", "me:password@sentry.example.org"] {
        let message = problems(json!({"base_url": address}));
        assert!(message.contains("base_url") && !message.contains("password@"), "{message}");
    }
}

#[test]
fn accepted_gaps_are_texts_and_empty_ones_are_none() {
    let accepted = |value: Value| config(json!({"accepted_gaps": value})).expect("a config").accepted_gaps;
    assert_eq!(accepted(Value::Null), [""; 0]);
    assert_eq!(accepted(json!(["events: issue 7", " ", ""])), ["events: issue 7"]);
    assert_eq!(accepted(json!("teams, issues: hidden projects,")), ["teams", "issues: hidden projects"]);
    assert!(problems(json!({"accepted_gaps": [{"stream": "teams"}]})).contains("accepted_gaps is"));
}
