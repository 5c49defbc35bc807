//! Teams, users, members.

use super::view::{Answer, View};
use super::{finish, numbered};
use crate::http::reply::Reply;
use crate::render::person;

/// `organizations/{org}/teams/`: by slug.
pub(super) fn teams(view: &View<'_>) -> Answer {
    let mut teams: Vec<_> = view.org.teams.iter().collect();
    teams.sort_by(|a, b| a.slug.cmp(&b.slug));
    let detailed = view.call.get("detailed") != Some("0");
    numbered(view, &teams, |team| person::team(view.org, team, detailed, view.is_sentry9()))
}

/// `organizations/{org}/members/`: by id, including members who are only invited.
pub(super) fn members(view: &View<'_>) -> Answer {
    let members: Vec<_> = view.org.members.iter().collect();
    numbered(view, &members, |member| person::member(member, view.is_sentry9()))
}

/// `organizations/{org}/users/`: active accounts in a team of a selected project, by e-mail, without pages. The old
/// server takes only the caller's own projects, whatever is asked.
pub(super) fn users(view: &View<'_>) -> Answer {
    if view.settings.users_gone {
        return Err(Reply::nothing().into());
    }
    view.refuse_all_projects()?;
    let selected = view.projects()?;
    let teams: Vec<u64> = view
        .org
        .projects
        .iter()
        .filter(|project| selected.contains(&project.id) && (!view.is_sentry9() || view.org.is_own(project)))
        .flat_map(|project| project.teams.iter().copied())
        .collect();
    let mut users: Vec<_> = view
        .org
        .members
        .iter()
        .filter(|member| member.user.is_some() && member.active)
        .filter(|member| member.teams.iter().any(|team| teams.contains(team)))
        .collect();
    users.sort_by(|a, b| a.email.cmp(&b.email));
    let row = |member| finish(view, person::user(view.org, member, view.is_sentry9()));
    Ok(Reply::list(&users.into_iter().map(row).collect::<Vec<_>>()))
}
