//! What is known of one key with each model: its rests, how often it was refused in a row, and what the upstream says is left.
//! A bounded table. It must not know why a key rests.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::reported::Reported;
use super::verdict::RestReason;

/// Models that are remembered of one key. Of more, the one whose rest ends first is forgotten.
pub const MODELS_MAX: usize = 256;

/// Bytes of a model's name that are remembered. Names that agree so far share what is known.
const NAME_BYTES_MAX: usize = 256;

/// A time in which a key is not used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rest {
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) reason: RestReason,
}

impl Rest {
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// The one of the two that ends later.
    pub(super) fn later(old: Option<Rest>, new: Rest) -> Rest {
        match old {
            Some(old) if old.until > new.until => old,
            _ => new,
        }
    }
}

/// One key with one model.
#[derive(Debug, Default)]
pub(super) struct ModelRow {
    /// The latest rest; it may be over.
    pub(super) rest: Option<Rest>,
    /// Refusals (429) in a row.
    pub(super) refusals: u32,
    pub(super) reported: Reported,
}

#[derive(Default)]
pub(super) struct ModelRows {
    rows: HashMap<Box<str>, ModelRow>,
}

impl ModelRows {
    pub(super) fn get(&self, model: &str) -> Option<&ModelRow> {
        if self.rows.is_empty() {
            return None;
        }
        self.rows.get(remembered(model))
    }

    pub(super) fn get_mut(&mut self, model: &str) -> Option<&mut ModelRow> {
        self.rows.get_mut(remembered(model))
    }

    /// The model's row, a new one if need be.
    pub(super) fn row(&mut self, model: &str, now: Instant) -> &mut ModelRow {
        let model = remembered(model);
        if !self.rows.contains_key(model) {
            self.make_room(now);
            self.rows.insert(model.into(), ModelRow::default());
        }
        self.rows
            .get_mut(model)
            .expect("it was there, or has just been put there")
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// In the order of their names.
    pub(super) fn sorted(&self) -> Vec<(&str, &ModelRow)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(name, row)| (&**name, row)).collect();
        rows.sort_unstable_by_key(|(name, _)| *name);
        rows
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ModelRow> {
        self.rows.values()
    }

    /// Forgets the model whose rest ends first, which those that do not rest come before.
    fn make_room(&mut self, now: Instant) {
        if self.rows.len() < MODELS_MAX {
            return;
        }
        let left = |row: &ModelRow| row.rest.map(|rest| rest.left(now)).unwrap_or_default();
        let first = self
            .rows
            .iter()
            .min_by_key(|(_, row)| left(row))
            .map(|(name, _)| name.clone());
        if let Some(first) = first {
            self.rows.remove(&first);
        }
    }
}

/// As much of a name as is remembered.
fn remembered(model: &str) -> &str {
    let mut end = model.len().min(NAME_BYTES_MAX);
    while !model.is_char_boundary(end) {
        end -= 1;
    }
    &model[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_forgets_the_rest_that_ends_first() {
        let now = Instant::now();
        let mut rows = ModelRows::default();
        for index in 0..MODELS_MAX {
            let until = now + Duration::from_secs(1 + (index as u64 + 7) % MODELS_MAX as u64);
            rows.row(&format!("m{index}"), now).rest = Some(Rest {
                since: now,
                until,
                reason: RestReason::RateLimited,
            });
        }
        // The one whose rest ends first.
        let first = format!("m{}", MODELS_MAX - 7);
        assert!(rows.get(&first).is_some());
        rows.row("new", now);
        assert!(rows.get(&first).is_none());
        // One that does not rest is forgotten before any that does.
        rows.row("newer", now);
        assert!(rows.get("new").is_none());
        assert_eq!(rows.sorted().len(), MODELS_MAX);
    }

    #[test]
    fn a_name_is_remembered_up_to_a_bound() {
        let now = Instant::now();
        let mut rows = ModelRows::default();
        let long = "ä".repeat(100_000);
        rows.row(&long, now).refusals = 3;
        assert_eq!(rows.get(&long).unwrap().refusals, 3);
        assert_eq!(rows.sorted()[0].0.len(), NAME_BYTES_MAX);
    }
}
