//! Limits by the caller's profile: functions that look at who calls and may choose other limits than those that are written for
//! the subject. A condition in the configuration is such a function.

use std::sync::Arc;

use super::subject::Subject;
use crate::expr::{Expression, Facts};
use crate::terms::Limits;

/// What a choice may look at.
#[derive(Clone, Copy)]
pub struct Profile<'a> {
    /// Whose limits are sought.
    pub subject: &'a Subject<'a>,
    /// Who calls: tenant, project, user, key, tags, claims.
    pub caller: &'a dyn Facts,
}

/// Chooses limits for a profile, or leaves it to what is written. It is asked once a subject and request, so it is to be quick; counts
/// survive every change of its mind.
pub type Choice = Arc<dyn Fn(&Profile<'_>) -> Option<Arc<Limits>> + Send + Sync>;

/// The limits of the first choice that has any for this profile.
pub fn chosen(choices: &[Choice], profile: &Profile<'_>) -> Option<Arc<Limits>> {
    choices.iter().find_map(|choice| choice(profile))
}

/// `limits` where `when`, a condition of [`crate::expr::Scope::Caller`], holds. One that has no value, such as for a tag that the
/// caller does not have, does not hold.
pub fn choice_when(when: Expression, limits: Arc<Limits>) -> Choice {
    Arc::new(move |profile| match when.holds(profile.caller) {
        Ok(true) => Some(limits.clone()),
        Ok(false) | Err(_) => None,
    })
}
