//! What a run could not read, or found gone: kept in the state by name, so that the next run asks again while bookmarks
//! move for everything else.
//!
//! Knows no requests: what a name means is the business of the stream whose bookmark has it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Time, format_time, parse_time};

/// Why it is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its requests failed for good.
    Failed,
    /// The server said that it is gone. It says so, too, while a merge is under way.
    Gone,
}

impl Why {
    /// Most that a stream keeps of this kind. More is a gap of the project.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Failed => 50,
            Self::Gone => 100,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

/// Something that is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Why.
    pub(crate) why: Why,
    /// Its key, such as the id of an issue.
    pub(crate) key: String,
    /// Id of its project.
    pub(crate) project: String,
    /// Rows are missing from here on.
    pub(crate) since: Time,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.why.name(), self.key, self.project, format_time(self.since))
    }
}

impl FromStr for Pending {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [why, key, project, since] = parts[..] else { return Err("not a reason, a key, a project and a time") };
        let why = [Why::Failed, Why::Gone].into_iter().find(|known| known.name() == why).ok_or("not a reason")?;
        let since = parse_time(since).ok_or("not a time")?;
        Ok(Self { why, key: key.to_owned(), project: project.to_owned(), since })
    }
}

impl Serialize for Pending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
