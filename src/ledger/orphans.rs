//! Exchanges whose process ended before they were settled: each becomes a row, by rule, at the next start.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::batch::Books;
use super::hold::Orphan;
use super::queue::Item;
use super::row::{Charge, End, Row};
use super::writer::COMMIT_ITEMS_MAX;
use crate::store::{Store, StoreError};
use crate::terms::Money;
use crate::wire::Usage;

/// What an orphan is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    pub cost: Money,
    /// Whether a price was known.
    pub priced: bool,
    pub charges: Vec<Charge>,
}

impl Orphan {
    /// By the rule: the input as it was estimated, and the output at the last note.
    pub fn usage(&self) -> Usage {
        Usage {
            input_uncached: self.hold.input_estimate,
            output: self.output.unwrap_or(0),
            ..Usage::default()
        }
        .bounded()
    }

    fn row(&self, charged: Charged, now: SystemTime) -> Row {
        let hold = &self.hold;
        let ran = now.duration_since(hold.at).unwrap_or_default();
        Row {
            id: hold.id,
            client_request_id: None,
            at: now,
            who: Arc::clone(&hold.who),
            dialect: hold.dialect.clone(),
            operation: hold.operation.clone(),
            model: hold.model.clone(),
            upstream: hold.upstream.clone(),
            upstream_model: hold.upstream_model.clone(),
            upstream_key_label: None,
            attempts: u32::from(!hold.upstream.is_empty()),
            status: 0,
            fault: None,
            stream: hold.stream,
            end: End::Orphaned,
            usage: self.usage(),
            estimated: true,
            priced: charged.priced,
            cost: charged.cost,
            charges: charged.charges,
            duration_ms: u32::try_from(ran.as_millis()).unwrap_or(u32::MAX),
            first_byte_ms: None,
        }
    }
}

/// Settles all that is open, and says how many there were. A start that is cut short leaves each either settled or open.
pub(super) fn settle(
    books: &mut Books,
    store: &dyn Store,
    now: SystemTime,
    charge: &mut dyn FnMut(&Orphan) -> Charged,
) -> Result<usize, StoreError> {
    let orphans = books.holds.orphans();
    for some in orphans.chunks(COMMIT_ITEMS_MAX) {
        let mut row = |orphan: &Orphan| {
            let charged = charge(orphan);
            Item::Row(Box::new(orphan.row(charged, now)))
        };
        let mut items = some.iter().map(&mut row).collect();
        let writes = books.take_in(&mut items, Instant::now())?;
        store.commit(writes)?;
        books.committed();
    }
    Ok(orphans.len())
}
