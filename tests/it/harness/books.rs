//! What weir has written down of exchanges, read once it has ended.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use weir::ledger::{Row, scan_rows, totals};
use weir::store::{Sled, SledSettings};
use weir::terms::Money;

use super::weir::Weir;
use super::{comes_to, eventually};

/// The setting that makes weir write down what is used.
pub const STORE: &str = "store: { path: books }";

/// The books of a weir that has ended.
pub struct Books(Sled);

impl Books {
    /// What a weir has written down that has ended.
    pub async fn at(path: &Path) -> Books {
        // The lock goes with the process, a moment after it.
        let store = eventually("store that can be opened", async || {
            Sled::open(path, &SledSettings::default()).ok()
        });
        Books(store.await)
    }

    /// Every row, about in order of time.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let end = SystemTime::now() + Duration::from_secs(3600);
        scan_rows(&self.0, UNIX_EPOCH, end, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .expect("the store can be read");
        rows
    }

    /// Every row, by the request's own id.
    ///
    /// # Panics
    /// Where two rows have the same.
    pub fn by_request(&self) -> HashMap<String, Row> {
        let mut found = HashMap::new();
        for row in self.rows() {
            let id = row.client_request_id.as_deref().unwrap_or_default();
            if let Some(first) = found.insert(id.to_owned(), row) {
                panic!("two rows of one exchange, the first is {first:?}");
            }
        }
        found
    }

    /// What a purse was charged, on all days together.
    pub fn charged(&self, purse: &str) -> Money {
        let mut sum = Money::ZERO;
        totals::scan_purse(&self.0, purse, &mut |_, charged| {
            sum += charged.money;
            ControlFlow::Continue(())
        })
        .expect("the store can be read");
        sum
    }
}

impl Weir {
    /// Ends it as operators do, and opens what it has written down.
    pub async fn ended(&mut self) -> Books {
        self.signal(Signal::SIGTERM);
        self.exited().await;
        Books::at(&self.place("books")).await
    }
}

/// Waits until no limit holds anything back for an exchange, and the ledger knows of none that runs.
pub async fn nothing_is_reserved(weir: &Weir) {
    comes_to(
        "what is reserved, and held by the ledger",
        (0.0, 0.0),
        async || {
            let reserved = weir.metric("weir_reserved").await;
            (reserved, weir.metric("weir_ledger_holds_open").await)
        },
    )
    .await;
}
