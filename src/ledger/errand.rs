//! Work for the one thread that writes besides rows and holds: whatever reads and changes the books must not meet another that does.
//! It must not know what the work is.

use std::fmt;

use tokio::sync::oneshot;

use super::{Ledger, LedgerError};
use crate::store::{Store, StoreError, Table, Write};

/// Errands that may wait. Each is a commit of its own; rows go first.
pub(super) const ERRANDS_MAX: usize = 256;

/// One piece of work. Given the store, once all that was queued before is durable; or the reason why it cannot be done.
/// Says whether it has changed sums, which the writer must not remember then.
pub(super) struct Errand(Box<Work>);

type Work = dyn FnOnce(Result<&dyn Store, StoreError>) -> bool + Send;

impl Errand {
    pub fn run(self, store: &dyn Store) -> bool {
        (self.0)(Ok(store))
    }

    pub fn refuse(self, error: StoreError) {
        (self.0)(Err(error));
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Errand")
    }
}

impl Ledger {
    /// Has the thread that writes work something out from the store and commit it, before it writes anything else. Comes back
    /// when that is durable. The work is done once all that was queued before is durable; it should be short.
    ///
    /// # Errors
    /// What the work says, or that the store failed: then it may be found done later. [`LedgerError::Busy`] where
    /// too much waits already.
    pub async fn errand<T, E>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<(T, Vec<Write>), E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let errand = Errand(Box::new(move |store| {
            let (answer, has_changed_sums) = match store {
                Ok(store) => done(store, work),
                Err(error) => (Err(LedgerError::from(error).into()), false),
            };
            // Who does not wait any more need not be told.
            let _ = sender.send(answer);
            has_changed_sums
        }));
        self.queue.ring(|inbox| {
            if inbox.has_ended {
                return Err(LedgerError::Closed);
            }
            if inbox.errands.len() >= ERRANDS_MAX {
                return Err(LedgerError::Busy);
            }
            inbox.errands.push_back(errand);
            Ok(())
        })?;
        match receiver.await {
            Ok(answer) => answer,
            Err(_) => Err(LedgerError::Closed.into()),
        }
    }
}

fn done<T, E: From<LedgerError>>(
    store: &dyn Store,
    work: impl FnOnce(&dyn Store) -> Result<(T, Vec<Write>), E>,
) -> (Result<T, E>, bool) {
    let (answer, writes) = match work(store) {
        Ok(done) => done,
        Err(error) => return (Err(error), false),
    };
    if writes.is_empty() {
        return (Ok(answer), false);
    }
    let has_changed_sums = writes.iter().any(|write| match write {
        Write::Put { table, .. } | Write::Delete { table, .. } => *table == Table::Totals,
    });
    let committed = store.commit(writes);
    let answer = committed.map(|()| answer);
    let answer = answer.map_err(|error| LedgerError::from(error).into());
    (answer, has_changed_sums)
}
