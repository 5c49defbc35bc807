//! What a run could not read, or found gone: kept in the state by name, so that the next run asks again while bookmarks
//! move for everything else.
//!
//! Knows no requests: what a name means is the business of the stream whose bookmark has it.

use std::collections::BTreeSet;
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
    /// Id of its project; `-` where it has none of its own.
    pub(crate) project: String,
    /// Rows are missing from here on. Of a row with two times this is the earlier one.
    pub(crate) since: Time,
    /// The later one, if they differ.
    pub(crate) until: Option<Time>,
}

/// In place of a project, where there is none.
const NO_PROJECT: &str = "-";

impl Pending {
    /// Something without a project of its own that failed for good. Of a row with two times, `until` is the later one.
    pub(crate) fn failed(key: String, since: Time, until: Option<Time>) -> Self {
        Self { why: Why::Failed, key, project: NO_PROJECT.to_owned(), since, until }
    }

    /// Whether it is of a project, and of none of these.
    pub(crate) fn is_of_none(&self, projects: &BTreeSet<&str>) -> bool {
        self.project != NO_PROJECT && !projects.contains(self.project.as_str())
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.why.name(), self.key, self.project, format_time(self.since))?;
        self.until.map_or(Ok(()), |until| write!(f, "/{}", format_time(until)))
    }
}

impl FromStr for Pending {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "not a reason, a key, a project and a time";
        // A key may have spaces, and nothing else may.
        let (why, rest) = text.split_once(' ').ok_or(malformed)?;
        let (rest, times) = rest.rsplit_once(' ').ok_or(malformed)?;
        let (key, project) = rest.rsplit_once(' ').ok_or(malformed)?;
        let why = [Why::Failed, Why::Gone].into_iter().find(|known| known.name() == why).ok_or("not a reason")?;
        let (since, until) = times.split_once('/').map_or((times, None), |(since, until)| (since, Some(until)));
        let time = |text: &str| parse_time(text).ok_or("not a time");
        let (since, until) = (time(since)?, until.map(time).transpose()?);
        Ok(Self { why, key: key.to_owned(), project: project.to_owned(), since, until })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(key in "\\PC{1,20}", project in "[0-9]{1,9}|-", gone: bool, since in 0_i64..2_000_000_000, until in prop::option::of(0_i64..2_000_000_000)) {
            let time = |seconds| Time::from_timestamp(seconds, 0).expect("a time");
            let why = if gone { Why::Gone } else { Why::Failed };
            let pending = Pending { why, key, project, since: time(since), until: until.map(time) };
            prop_assert_eq!(pending.to_string().parse(), Ok(pending));
        }
    }
}
