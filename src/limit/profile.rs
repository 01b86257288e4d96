//! The seam for limits by the caller's profile: a function that looks at tags and claims and may choose other limits than those
//! that are written for the subject. Conditions in an expression language will be such a function; nothing else needs to change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::subject::Subject;
use crate::terms::Limits;

/// What a choice may look at.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a> {
    /// Whose limits are sought.
    pub subject: &'a Subject<'a>,
    /// Of the key, user, project and tenant together.
    pub tags: &'a BTreeMap<String, String>,
    /// Of the token that the caller has shown, where it was one with claims.
    pub claims: Option<&'a Value>,
}

/// Chooses limits for a profile, or leaves it to what is written. It is asked once a subject and request, so it is to be quick; counts
/// survive every change of its mind.
pub type Choice = Arc<dyn Fn(&Profile<'_>) -> Option<Arc<Limits>> + Send + Sync>;

/// The limits of the first choice that has any for this profile.
pub fn chosen(choices: &[Choice], profile: &Profile<'_>) -> Option<Arc<Limits>> {
    choices.iter().find_map(|choice| choice(profile))
}
