//! A project of the organization.

/// A project of the organization, as far as paths and records need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// Numeric id, as text.
    pub(crate) id: String,
    /// Slug.
    pub(crate) slug: String,
    /// Whether the project list says that the token may see it (API §2). Older servers say nothing, and let it.
    pub(crate) has_access: bool,
}
