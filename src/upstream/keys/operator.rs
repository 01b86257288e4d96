//! What an operator may do with an upstream's keys. It must not know how the operator says so.

use std::fmt;
use std::time::Duration;

use super::Now;
use super::pool::KeyPool;
use super::states::Table;
use super::verdict::RestReason;

/// Longest rest that an operator can impose; who wants more takes the key out of the configuration.
pub const OPERATOR_REST_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What a forced rotation has done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rotated {
    /// Label of the key that was in turn.
    pub passed_over: String,
    /// Label of the key that is in turn now; the same key where no other can be used.
    pub next: String,
}

/// No key of the upstream has this label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    pub label: String,
    /// The labels that there are.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.known.is_empty() {
            true => "the upstream has no keys".to_owned(),
            false => format!("its keys are {}", self.known.join(", ")),
        };
        write!(
            f,
            "no key of this upstream has the label `{}`; {known}",
            self.label
        )
    }
}

impl std::error::Error for UnknownKey {}

impl KeyPool {
    /// Passes over the key that is in turn. With `round_robin` and `weighted` it loses its turns until another is next; with
    /// `least_used` and `failover` it stands behind the others until it is revived or all of them have been passed over too. `None` where no
    /// key can be used.
    pub fn rotate(&self, now: Now) -> Option<Rotated> {
        let mut table = self.states.lock();
        let passed = self.in_turn(&mut table, now)?;
        match self.has_shares() {
            true => self.take_turns(&mut table, passed, now),
            false => self.pass_over(&mut table, passed, now),
        }
        let next = self.in_turn(&mut table, now).unwrap_or(passed);
        Some(Rotated {
            passed_over: self.keys[passed].label.clone(),
            next: self.keys[next].label.clone(),
        })
    }

    /// Lets a key rest for `wait`, at most [`OPERATOR_REST_MAX`], if it does not for longer already. What it is in use for goes on.
    ///
    /// # Errors
    /// When no key has the label.
    pub fn rest(&self, label: &str, wait: Duration, now: Now) -> Result<(), UnknownKey> {
        let slot = self.slot(label)?;
        let wait = wait.min(OPERATOR_REST_MAX);
        let mut table = self.states.lock();
        let state = table.state(slot);
        state.rest_key(RestReason::Operator, wait, now.instant);
        Ok(())
    }

    /// Ends every rest of a key, takes it back if it was out, and ends its being passed over. Its caps and its expiry stay.
    ///
    /// # Errors
    /// When no key has the label.
    pub fn revive(&self, label: &str) -> Result<(), UnknownKey> {
        let slot = self.slot(label)?;
        self.states.lock().state(slot).revive();
        Ok(())
    }

    fn slot(&self, label: &str) -> Result<usize, UnknownKey> {
        let key = self.keys.iter().find(|key| key.label == label);
        key.map(|key| key.slot).ok_or_else(|| UnknownKey {
            label: label.to_owned(),
            known: self.keys.iter().map(|key| key.label.clone()).collect(),
        })
    }

    /// The index of the key that is in turn, for a model that every key may serve.
    fn in_turn(&self, table: &mut Table, now: Now) -> Option<usize> {
        Some(self.survey(table, None, &[], now).next?.index)
    }

    /// Takes turns of a key until another is next, which is after as many as its weight at the most.
    fn take_turns(&self, table: &mut Table, index: usize, now: Now) {
        for _ in 0..self.keys[index].weight {
            self.take_turn(table, index);
            if self.in_turn(table, now) != Some(index) {
                return;
            }
        }
    }

    fn pass_over(&self, table: &mut Table, index: usize, now: Now) {
        let slot = self.keys[index].slot;
        table.state(slot).turn.is_passed_over = true;
        if !self.survey(table, None, &[], now).has_unpassed {
            for key in &self.keys {
                table.state(key.slot).turn.is_passed_over = key.slot == slot;
            }
        }
    }
}
