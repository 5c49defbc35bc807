//! Generates teams and members.

use chrono::{DateTime, TimeDelta, Utc};

use super::Shape;

/// A team.
#[derive(Clone, Debug)]
pub struct Team {
    /// The id.
    pub id: u64,
    /// The slug.
    pub slug: String,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// A membership.
#[derive(Clone, Debug)]
pub struct Member {
    /// The id of the membership.
    pub id: u64,
    /// The id of the account. `None` while the invitation is pending.
    pub user: Option<u64>,
    /// Whether the account is active.
    pub active: bool,
    /// The e-mail address.
    pub email: String,
    /// The name people read.
    pub name: String,
    /// The role in the organization.
    pub role: &'static str,
    /// The ids of the member's teams.
    pub teams: Vec<u64>,
    /// When the membership began.
    pub created: DateTime<Utc>,
}

const TEAMS: [(&str, &str); 4] = [("backend", "Backend"), ("frontend", "Frontend"), ("ops", "Ops ☎"), ("data", "Däta")];

const NAMES: [&str; 6] = ["Ada Admin", "Chloé Ñandú", "Sir Penguin", "李小龙", "John Doe", "Zoë \"Z\" O'Neil"];

/// The teams of a shape.
pub(super) fn teams(shape: &Shape) -> Vec<Team> {
    (0..shape.teams)
        .map(|position| {
            let (slug, name) = match TEAMS.get(position) {
                Some((slug, name)) => ((*slug).to_owned(), (*name).to_owned()),
                None => (format!("team-{position}"), format!("Team {position}")),
            };
            let created = shape.now - TimeDelta::days(600) + TimeDelta::milliseconds(115);
            Team { id: 48_500 + position as u64, slug, name, created }
        })
        .collect()
}

/// The members of a shape. Every seventh one is only invited, every eleventh one has a closed account.
pub(super) fn members(shape: &Shape, teams: &[Team]) -> Vec<Member> {
    (0..shape.members)
        .map(|position| {
            let number = position as u64;
            let team = teams.get(position % teams.len().max(1));
            let pending = position % 7 == 5;
            Member {
                id: 57_377_900_000 + number,
                user: (!pending).then_some(280_094_000_000 + number),
                active: position % 11 != 9,
                email: format!("member{position}@example.com"),
                name: name(position, pending),
                role: if position == 0 { "owner" } else { "member" },
                teams: team.map(|team| team.id).into_iter().collect(),
                created: shape.now - TimeDelta::days(500) + TimeDelta::microseconds(375_239),
            }
        })
        .collect()
}

fn name(position: usize, pending: bool) -> String {
    if pending {
        return format!("member{position}@example.com");
    }
    let name = NAMES[position % NAMES.len()];
    if position < NAMES.len() { name.to_owned() } else { format!("{name} {position}") }
}
