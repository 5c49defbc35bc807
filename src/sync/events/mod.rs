//! Events of the projects in which the issue scan found something, each project by its cheapest access path.

pub(crate) mod announced;
pub(crate) mod body;
pub(crate) mod partition;
pub(crate) mod plan;
pub(crate) mod planner;
pub(crate) mod project;
pub(crate) mod projects;
pub(crate) mod reader;
pub(crate) mod records;
pub(crate) mod sample;
pub(crate) mod sampling;
pub(crate) mod task;
