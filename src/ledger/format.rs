//! Whether a store's ledger is one that this version of weir can read: what was written in another form is refused, never misread.

use std::ops::ControlFlow;

use super::LedgerError;
use crate::store::{Store, Table, Write};

/// Where the form of what the ledger writes is kept, and the form. Another number with every change that an earlier reader would misunderstand.
const PLACE: &[u8] = b"ledger_form";
const FORM: [u8; 1] = [2];

/// Marks a new ledger with its form.
///
/// # Errors
/// There is one in another form; or the store failed.
pub(super) fn check(store: &dyn Store) -> Result<(), LedgerError> {
    let form = store.get(Table::Meta, PLACE)?;
    match form.as_deref() {
        Some(form) if form == FORM => Ok(()),
        Some(_) => Err(LedgerError::OtherForm { is_later: true }),
        // The first form had no mark.
        None if has_any(store)? => Err(LedgerError::OtherForm { is_later: false }),
        None => Ok(store.commit(vec![Write::put(Table::Meta, PLACE, FORM)])?),
    }
}

/// Whether anything was written before.
fn has_any(store: &dyn Store) -> Result<bool, LedgerError> {
    let mut has_any = false;
    for table in [Table::Rows, Table::Totals] {
        store.scan(table, &[], None, &mut |_, _| {
            has_any = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(has_any)
}
