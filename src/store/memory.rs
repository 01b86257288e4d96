//! A store that is gone with the process: for tests, and where the configuration names none.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock};

use super::{
    Log, MemoryLog, Store, StoreError, Table, Visit, Write, tree_end, tree_key, within_bounds,
};

/// Entries that a scan takes at a time, so that no lock is held while they are visited.
const SCAN_ENTRIES: usize = 256;

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
pub struct Memory {
    tree: RwLock<Tree>,
    log: Arc<MemoryLog>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    fn read<T>(&self, look: impl FnOnce(&Tree) -> T) -> T {
        look(&self.tree.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(|tree| tree.get(&tree_key(table, key)).cloned()))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let end = tree_end(table, to);
        let mut start = Bound::Included(tree_key(table, from));
        loop {
            let piece = self.read(|tree| {
                if is_empty(&start, &end) {
                    return Vec::new();
                }
                let range = tree.range((start.clone(), Bound::Excluded(end.clone())));
                let piece = range.take(SCAN_ENTRIES);
                piece
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect::<Vec<_>>()
            });
            for (key, value) in &piece {
                if let ControlFlow::Break(()) = visit(&key[1..], value) {
                    return Ok(());
                }
            }
            match piece.into_iter().next_back() {
                Some((last, _)) => start = Bound::Excluded(last),
                None => return Ok(()),
            }
        }
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        within_bounds(&writes)?;
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            match write {
                Write::Put { table, key, value } => {
                    tree.insert(tree_key(table, &key), value);
                }
                Write::Delete { table, key } => {
                    tree.remove(&tree_key(table, &key));
                }
            }
        }
        Ok(())
    }

    fn bytes(&self) -> Option<u64> {
        None
    }

    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }
}

/// A range that `BTreeMap` would refuse with a panic.
fn is_empty(start: &Bound<Vec<u8>>, end: &[u8]) -> bool {
    match start {
        Bound::Included(start) | Bound::Excluded(start) => start.as_slice() >= end,
        Bound::Unbounded => false,
    }
}
