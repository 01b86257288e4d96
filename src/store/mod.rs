//! What outlives the process: tables of keys and values behind one small interface, and the embedded store behind it.
//! It must not know what is kept in a value.

mod failing;
mod log;
mod memory;
mod sled;

pub use self::sled::{Damaged, Sled, SledSettings, set_aside};
pub use failing::{Failing, Mood};
pub use log::{FileLog, Log, MemoryLog};
pub use memory::Memory;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest value that a table takes, in bytes. Of longer ones the embedded store would keep a file each.
pub const VALUE_BYTES_MAX: usize = 32 << 10;

/// What is kept apart. In the embedded store each is a prefix of the keys of one tree, so that one commit may write to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// What the store knows about itself, such as the pepper of keys.
    Meta,
    Tenants,
    Projects,
    Users,
    Keys,
    UpstreamKeys,
    Accounts,
    /// Movements on accounts.
    Entries,
    Plans,
    Limits,
    Prices,
    /// Settled exchanges.
    Rows,
    /// Sums of rows.
    Totals,
}

impl Table {
    pub const ALL: [Table; 13] = [
        Table::Meta,
        Table::Tenants,
        Table::Projects,
        Table::Users,
        Table::Keys,
        Table::UpstreamKeys,
        Table::Accounts,
        Table::Entries,
        Table::Plans,
        Table::Limits,
        Table::Prices,
        Table::Rows,
        Table::Totals,
    ];

    /// The first byte of the table's keys where tables share a tree. Never changes and is never used again.
    pub const fn prefix(self) -> u8 {
        match self {
            Table::Meta => 1,
            Table::Tenants => 2,
            Table::Projects => 3,
            Table::Users => 4,
            Table::Keys => 5,
            Table::UpstreamKeys => 6,
            Table::Accounts => 7,
            Table::Entries => 8,
            Table::Plans => 9,
            Table::Limits => 10,
            Table::Prices => 11,
            Table::Rows => 13,
            Table::Totals => 14,
        }
    }
}

/// One change. Absolute, so that doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        table: Table,
        key: Vec<u8>,
    },
}

impl Write {
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Write {
        Write::Put {
            table,
            key: key.into(),
            value: value.into(),
        }
    }

    pub fn delete(table: Table, key: impl Into<Vec<u8>>) -> Write {
        Write::Delete {
            table,
            key: key.into(),
        }
    }
}

/// Sees one key and its value, and says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Tables that survive. All calls may wait for a disk or a network: none belongs on a request's path.
pub trait Store: Send + Sync {
    /// # Errors
    /// Where the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits keys in order from `from` (inclusive) to `to` (exclusive), without ever holding all of them.
    /// What is committed meanwhile may or may not be seen; each value is one that was committed whole. The visitor may use the store.
    ///
    /// # Errors
    /// Where the store cannot be read; some may have been visited.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// Does all or nothing, in order; durable when it returns.
    ///
    /// # Errors
    /// Nothing is promised then: all, or nothing, may be found there later. The same writes may be tried again.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Bytes that the tables take on their disk, where that can be told.
    fn bytes(&self) -> Option<u64>;

    /// The log beside the tables.
    fn log(&self) -> Arc<dyn Log>;
}

/// The end of the keys that begin with this, for [`Store::scan`]; `None` where there is no end.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Why a store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another process has it.
    InUse { path: PathBuf },
    /// What lies there is not whole.
    Damaged { path: PathBuf, detail: String },
    /// The disk has no room left.
    Full { path: PathBuf, detail: String },
    /// Any other failure of the disk or the store.
    Failed { path: PathBuf, detail: String },
    /// A value over [`VALUE_BYTES_MAX`].
    TooLarge { table: Table, bytes: usize },
}

impl StoreError {
    /// Where, for those that have a place.
    pub fn path(&self) -> Option<&Path> {
        match self {
            StoreError::InUse { path }
            | StoreError::Damaged { path, .. }
            | StoreError::Full { path, .. }
            | StoreError::Failed { path, .. } => Some(path),
            StoreError::TooLarge { .. } => None,
        }
    }
}

impl StoreError {
    fn of_io(path: &Path, error: &io::Error) -> StoreError {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Full { path, detail }
            }
            _ => StoreError::Failed { path, detail },
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::InUse { path } => write!(
                formatter,
                "store {}: another process has it open; stop that one, or set another `store.path`",
                path.display()
            ),
            StoreError::Damaged { path, detail } => write!(
                formatter,
                "store {}: damaged ({detail}); put a copy in its place, or set `store.damaged: set_aside` to move it aside and begin anew",
                path.display()
            ),
            StoreError::Full { path, detail } => write!(
                formatter,
                "store {}: no space left ({detail}); free some, and it goes on by itself",
                path.display()
            ),
            StoreError::Failed { path, detail } => {
                write!(formatter, "store {}: {detail}", path.display())
            }
            StoreError::TooLarge { table, bytes } => write!(
                formatter,
                "store: a value of {bytes} bytes for {table:?}; at most {VALUE_BYTES_MAX} are kept"
            ),
        }
    }
}

impl std::error::Error for StoreError {}

/// # Errors
/// The first value that is too large.
fn within_bounds(writes: &[Write]) -> Result<(), StoreError> {
    for write in writes {
        if let Write::Put { table, value, .. } = write
            && value.len() > VALUE_BYTES_MAX
        {
            return Err(StoreError::TooLarge {
                table: *table,
                bytes: value.len(),
            });
        }
    }
    Ok(())
}

/// The key in a tree that tables share.
fn tree_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(key.len() + 1);
    whole.push(table.prefix());
    whole.extend_from_slice(key);
    whole
}

/// Where a scan of a table ends in a tree that tables share.
fn tree_end(table: Table, to: Option<&[u8]>) -> Vec<u8> {
    to.map_or_else(|| vec![table.prefix() + 1], |to| tree_key(table, to))
}

#[cfg(test)]
pub(crate) mod tests;
