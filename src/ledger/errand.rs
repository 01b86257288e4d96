//! Work for the one thread that keeps the tables besides rows: whatever reads and changes the books must not meet another that does.
//! It must not know what the work is.

use std::fmt;

use tokio::sync::oneshot;

use super::{Ledger, LedgerError};
use crate::store::{Store, StoreError, Write};

/// Errands that may wait. Each is a commit of its own; rows go first.
pub(super) const ERRANDS_MAX: usize = 256;

/// One piece of work. Given the store, once all that was queued before is in its tables; or the reason why it cannot be done.
pub(super) struct Errand(Box<Work>);

type Work = dyn FnOnce(Result<&dyn Store, StoreError>) + Send;

impl Errand {
    pub fn run(self, store: &dyn Store) {
        (self.0)(Ok(store));
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
    /// Has the thread that keeps the tables work something out from the store and commit it, before it writes anything else. Comes back
    /// when that is durable. The work is done once all that was queued before is in the tables; it should be short.
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
            let answer = match store {
                Ok(store) => done(store, work),
                Err(error) => Err(LedgerError::from(error).into()),
            };
            // Who does not wait any more need not be told.
            let _ = sender.send(answer);
        }));
        self.queue.ring(|inbox| {
            if inbox.has_ended {
                return Err(LedgerError::Closed);
            }
            if inbox.errands() >= ERRANDS_MAX {
                return Err(LedgerError::Busy);
            }
            inbox.add_errand(errand);
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
) -> Result<T, E> {
    let (answer, writes) = work(store)?;
    if !writes.is_empty() {
        store.commit(writes).map_err(LedgerError::from)?;
    }
    Ok(answer)
}
