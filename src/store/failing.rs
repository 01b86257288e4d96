//! A store that fails on command, for tests of what stands on a store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Store, StoreError, Table, Visit, Write};

/// What a store does to those who use it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Well,
    /// Each commit takes this long.
    Slow(Duration),
    /// Nothing is written, and this is said.
    Refusing(StoreError),
    /// Everything is written, and this is said all the same.
    Lying(StoreError),
    /// Nothing is read nor written.
    Gone(StoreError),
}

/// A store with moods.
#[derive(Debug, Default)]
pub struct Failing<S> {
    store: S,
    mood: Mutex<Mood>,
}

impl<S> Failing<S> {
    pub fn new(store: S) -> Failing<S> {
        Failing {
            store,
            mood: Mutex::new(Mood::Well),
        }
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    fn mood(&self) -> Mood {
        self.mood
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn readable(&self) -> Result<&S, StoreError> {
        match self.mood() {
            Mood::Gone(error) => Err(error),
            Mood::Well | Mood::Slow(_) | Mood::Refusing(_) | Mood::Lying(_) => Ok(&self.store),
        }
    }
}

impl<S: Store> Store for Failing<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.readable()?.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.readable()?.scan(table, from, to, visit)
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        match self.mood() {
            Mood::Well => self.store.commit(writes),
            Mood::Slow(time) => {
                std::thread::sleep(time);
                self.store.commit(writes)
            }
            Mood::Refusing(error) | Mood::Gone(error) => Err(error),
            Mood::Lying(error) => {
                self.store.commit(writes)?;
                Err(error)
            }
        }
    }

    fn bytes(&self) -> Option<u64> {
        self.store.bytes()
    }
}
