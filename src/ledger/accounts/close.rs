//! Closing days: what an account's exchanges have cost on a day that is over becomes one entry, and its sum is no longer kept.
//! So a balance is read from a few sums, however old the account is. It must be asked by the one thread that writes, which must
//! not remember the sums that are deleted here.

use super::enter::{next, put_entry};
use super::entry::Kind;
use super::{balance_purse, put, read};
use crate::ledger::query::moment;
use crate::ledger::totals::{self, Day, PurseSum};
use crate::store::{Store, StoreError, Table, Write};
use crate::terms::Money;

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

/// Days for which charges stay open, today included: what is settled late still counts on its own day.
pub const DAYS_OPEN: u32 = 3;
/// Days that one closing takes.
const DAYS_AT_ONCE: usize = 400;

/// Closes the days of an account that are not among the last [`DAYS_OPEN`]. Doing it again does nothing. A charge that comes
/// later still becomes an entry of its own with the next closing.
///
/// # Errors
/// Where the store cannot be read.
pub fn close(store: &dyn Store, id: &str, now: SystemTime) -> Result<Vec<Write>, StoreError> {
    let Some(mut account) = read(store, id)? else {
        return Ok(Vec::new());
    };
    let first_open = totals::day_of(now).saturating_sub(DAYS_OPEN - 1);
    let purse = balance_purse(id);
    let days = closable(store, &purse, first_open)?;
    let mut writes = Vec::new();
    for (day, sum) in days {
        writes.push(Write::delete(Table::Totals, totals::purse_key(&purse, day)));
        // A day on which nothing cost anything is no entry.
        if sum.money != Money::ZERO {
            let last = account.last_entry;
            let mut entry = next(&mut account, Kind::Charges, -sum.money, now);
            account.last_entry = last;
            entry.at = last_moment(day);
            entry.exchanges = sum.exchanges;
            writes.push(put_entry(&entry));
        }
    }
    if !writes.is_empty() {
        writes.push(put(&account));
    }
    Ok(writes)
}

/// The last microsecond of a day.
pub(super) fn last_moment(day: Day) -> SystemTime {
    moment::day_start(day.saturating_add(1)) - Duration::from_micros(1)
}

fn closable(
    store: &dyn Store,
    purse: &str,
    first_open: Day,
) -> Result<Vec<(Day, PurseSum)>, StoreError> {
    let mut days = Vec::new();
    totals::scan_purse(store, purse, &mut |day, sum| {
        if day >= first_open || days.len() == DAYS_AT_ONCE {
            return ControlFlow::Break(());
        }
        days.push((day, sum));
        ControlFlow::Continue(())
    })?;
    Ok(days)
}
