//! What is done with the books through the one thread that writes: entries, periods of subscriptions, closing of days, forgetting.
//! It must not know when it is asked for: who calls has the clock.

use std::ops::ControlFlow;
use std::time::SystemTime;

use super::accounts::{self, Agreed, EnterError, Entered, Request};
use super::retention::{self, Retention};
use super::{Ledger, LedgerError};
use crate::store::StoreError;
use crate::terms::Money;

/// Accounts that are gone through at a time.
const ACCOUNTS_AT_ONCE: usize = 1_000;
/// Idempotency keys that one batch forgets.
const KEYS_AT_ONCE: usize = 500;

/// Accounts that follow in one commit.
const FOLLOWED_AT_ONCE: usize = 200;

/// An entry that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub entered: Entered,
    /// By how much the balance has changed with it: nothing where it was made before.
    pub moved: Money,
}

/// An account of which something has changed, and by how much its balance has.
pub type Moved = (String, Money);

/// What forgetting has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Commits that it took.
    pub batches: u64,
    /// Blocks of rows, totals and idempotency keys.
    pub deleted: u64,
}

impl Ledger {
    /// Makes an entry. With an idempotency key, asking again gives the same answer and does nothing.
    ///
    /// # Errors
    /// Why it is refused; or that it may or may not have been made.
    pub async fn enter(&self, request: Request) -> Result<Booked, EnterError> {
        let now = (self.clock)();
        self.errand(move |store| {
            let outcome = accounts::enter(store, &request, now)?;
            let booked = Booked {
                entered: outcome.entered,
                moved: outcome.moved,
            };
            Ok((booked, outcome.writes))
        })
        .await
    }

    /// Has the accounts of tenants follow what is agreed with them.
    ///
    /// # Errors
    /// When the store failed, or the ledger was closed.
    pub async fn follow(&self, agreed: &[Agreed]) -> Result<Vec<Moved>, LedgerError> {
        let now = (self.clock)();
        let mut moved = Vec::new();
        for agreed in agreed.chunks(FOLLOWED_AT_ONCE) {
            let agreed = agreed.to_vec();
            let some = self.errand(move |store| {
                let (mut moved, mut writes) = (Vec::new(), Vec::new());
                for agreed in agreed {
                    let (more, amount) = accounts::follow(store, &agreed, now)?;
                    if !more.is_empty() {
                        moved.push((agreed.tenant, amount));
                    }
                    writes.extend(more);
                }
                Ok::<_, LedgerError>((moved, writes))
            });
            moved.extend(some.await?);
        }
        Ok(moved)
    }

    /// Opens the periods of subscriptions that have to be opened now. To be asked often enough that nobody waits for theirs.
    /// Returns the accounts for which something was to be done.
    ///
    /// # Errors
    /// When the store failed, or the ledger was closed.
    pub async fn renew_due(&self) -> Result<Vec<Moved>, LedgerError> {
        let now = (self.clock)();
        let mut renewed = Vec::new();
        let mut from = String::new();
        loop {
            let mut due = Vec::new();
            accounts::due(&**self.store(), &from, now, &mut |id| {
                due.push(id.to_owned());
                full_after(&due)
            })?;
            for id in &due {
                let moved = self.renew_account(id.clone(), now).await?;
                renewed.extend(moved.map(|moved| (id.clone(), moved)));
            }
            match due.into_iter().next_back() {
                Some(last) => from = behind(&last),
                None => return Ok(renewed),
            }
        }
    }

    async fn renew_account(
        &self,
        id: String,
        now: SystemTime,
    ) -> Result<Option<Money>, LedgerError> {
        // Those that still cannot pay need nobody to be kept from writing.
        if accounts::renew(&**self.store(), &id, now)?.is_empty() {
            return Ok(None);
        }
        self.errand(move |store| {
            let (writes, moved) = accounts::renewed(store, &id, now)?;
            Ok::<_, LedgerError>(((!writes.is_empty()).then_some(moved), writes))
        })
        .await
    }

    /// Turns what accounts were charged on days that are over into entries. To be asked once a day. Returns for how many
    /// accounts something was to be done.
    ///
    /// # Errors
    /// When the store failed, or the ledger was closed.
    pub async fn close_days(&self) -> Result<u64, LedgerError> {
        let now = (self.clock)();
        let mut closed = 0;
        let mut from = String::new();
        loop {
            let accounts = accounts_from(self, &from)?;
            for id in &accounts {
                closed += u64::from(self.close_account(id.clone(), now).await?);
            }
            match accounts.into_iter().next_back() {
                Some(last) => from = behind(&last),
                None => return Ok(closed),
            }
        }
    }

    async fn close_account(&self, id: String, now: SystemTime) -> Result<bool, LedgerError> {
        // Most have nothing to close, and nobody needs to be kept from writing to find that out.
        if accounts::close(&**self.store(), &id, now)?.is_empty() {
            return Ok(false);
        }
        self.errand(move |store| {
            let writes = accounts::close(store, &id, now)?;
            Ok::<_, LedgerError>((!writes.is_empty(), writes))
        })
        .await
    }

    /// Forgets what is older than is to be kept, and old idempotency keys: batch by batch, with everything that is
    /// settled meanwhile written in between.
    ///
    /// # Errors
    /// When the store failed, or the ledger was closed. What was forgotten is; it goes on with the next call.
    pub async fn forget(&self, retention: Retention) -> Result<Forgotten, LedgerError> {
        let now = (self.clock)();
        let mut forgotten = Forgotten::default();
        loop {
            let (deleted, is_full) = self
                .errand(move |store| {
                    let batch = retention::batch(store, &retention, now, retention::BATCH)?;
                    Ok::<_, LedgerError>(((batch.writes.len(), batch.is_full), batch.writes))
                })
                .await?;
            forgotten.count(deleted);
            if !is_full {
                break;
            }
        }
        loop {
            let found = self
                .errand(move |store| {
                    let swept = accounts::sweep(store, now, KEYS_AT_ONCE)?;
                    Ok::<_, LedgerError>(swept)
                })
                .await?;
            forgotten.count(found);
            if found < KEYS_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}

impl From<LedgerError> for EnterError {
    fn from(error: LedgerError) -> EnterError {
        match error {
            LedgerError::Store(error) => EnterError::Store(error),
            other => EnterError::Unavailable(other.to_string()),
        }
    }
}

impl Forgotten {
    fn count(&mut self, deleted: usize) {
        if deleted > 0 {
            self.batches += 1;
            self.deleted += deleted as u64;
        }
    }
}

fn accounts_from(ledger: &Ledger, from: &str) -> Result<Vec<String>, StoreError> {
    let mut accounts = Vec::new();
    accounts::each_account_from(&**ledger.store(), from, &mut |account| {
        accounts.push(account.id);
        full_after(&accounts)
    })?;
    Ok(accounts)
}

/// The first id that may come after another.
fn behind(id: &str) -> String {
    format!("{id}\0")
}

fn full_after(accounts: &[String]) -> ControlFlow<()> {
    if accounts.len() < ACCOUNTS_AT_ONCE {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests;
