//! What issues and events are about: some errors, a slow query, and feedback. All of it is derived from ids.

use crate::hash::{mix, mix2, pick};
use crate::organization::{Category, Event, Issue};

/// The facts all events of an issue share.
pub(crate) struct Kind {
    /// The platform.
    pub(crate) platform: &'static str,
    /// The exception's type, or a word used instead.
    pub(crate) name: &'static str,
    /// The title of the issue and its events.
    pub(crate) title: &'static str,
    /// The exception's value.
    pub(crate) value: &'static str,
    /// Where it came from.
    pub(crate) culprit: Option<&'static str>,
    /// The file.
    pub(crate) filename: &'static str,
    /// The function.
    pub(crate) function: &'static str,
    /// The logger.
    pub(crate) logger: Option<&'static str>,
    /// The level.
    pub(crate) level: &'static str,
}

const ERRORS: [Kind; 5] = [
    Kind {
        platform: "python",
        name: "ValueError",
        title: "ValueError: could not convert \"größe\" to float: '☃'",
        value: "could not convert \"größe\" to float: '☃'",
        culprit: Some("shop.cart in add"),
        filename: "shop/cart.py",
        function: "add",
        logger: None,
        level: "error",
    },
    Kind {
        platform: "javascript",
        name: "TypeError",
        title: "TypeError: Cannot read properties of undefined (reading 'käse')",
        value: "Cannot read properties of undefined (reading 'käse')",
        culprit: Some("/books/new/"),
        filename: "/static/app.js",
        function: "onClick",
        logger: Some("javascript"),
        level: "error",
    },
    Kind {
        platform: "cocoa",
        name: "EXC_BAD_ACCESS",
        title: "EXC_BAD_ACCESS: KERN_INVALID_ADDRESS at 0x0",
        value: "KERN_INVALID_ADDRESS at 0x0\nline two\twith tab \\ and backslash",
        culprit: None,
        filename: "メイン.swift",
        function: "-[App run]",
        logger: None,
        level: "fatal",
    },
    Kind {
        platform: "java",
        name: "java.lang.IllegalStateException",
        title: "java.lang.IllegalStateException",
        value: "",
        culprit: Some("com.example.größe.Dienst in run"),
        filename: "Dienst.java",
        function: "run",
        logger: Some("com.example"),
        level: "warning",
    },
    Kind {
        platform: "other",
        name: "Error",
        title: "Error: emoji 🐛 and quotes \"'\" in one <message>",
        value: "emoji 🐛 and quotes \"'\" in one <message>",
        culprit: Some(""),
        filename: "main",
        function: "main",
        logger: Some("root"),
        level: "info",
    },
];

const SLOW: Kind = Kind {
    platform: "python",
    name: "N+1 Query",
    title: "N+1 Query",
    value: "SELECT * FROM cart WHERE id = %s",
    culprit: Some("/checkout/"),
    filename: "shop/models.py",
    function: "items",
    logger: None,
    level: "info",
};

const FEEDBACK: Kind = Kind {
    platform: "javascript",
    name: "User Feedback",
    title: "User Feedback",
    value: "I cannot find the bütton",
    culprit: Some("user"),
    filename: "",
    function: "",
    logger: None,
    level: "info",
};

/// What an issue is about.
pub(crate) fn of(issue: &Issue) -> &'static Kind {
    match issue.category {
        Category::Error => &ERRORS[crate::hash::index(mix(issue.id), ERRORS.len())],
        Category::Performance => &SLOW,
        Category::Feedback => &FEEDBACK,
    }
}

/// How many different people there are among the users of events.
pub(crate) const PEOPLE: usize = 53;

/// The number of the event's user. One event in four has none.
pub(crate) fn person(event: &Event) -> Option<usize> {
    let hash = mix2(event.seed(), 3);
    (!hash.is_multiple_of(4)).then(|| crate::hash::index(hash >> 8, PEOPLE))
}

/// The environments events come from.
pub(crate) const ENVIRONMENTS: [&str; 3] = ["production", "staging", "prod-日本"];

/// The environment of an event.
pub(crate) fn environment(event: &Event) -> &'static str {
    pick(mix2(event.seed(), 4), &ENVIRONMENTS)
}
