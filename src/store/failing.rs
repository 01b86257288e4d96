//! A store that fails on command, for tests of what stands on a store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Log, Store, StoreError, Table, Visit, Write};

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

/// A store with moods. Its log has moods of its own, one for what is written and one for what is synced.
#[derive(Debug, Default)]
pub struct Failing<S> {
    store: S,
    mood: Mutex<Mood>,
    log_mood: Arc<Mutex<Mood>>,
    sync_mood: Arc<Mutex<Mood>>,
}

impl<S> Failing<S> {
    pub fn new(store: S) -> Failing<S> {
        Failing {
            store,
            mood: Mutex::default(),
            log_mood: Arc::default(),
            sync_mood: Arc::default(),
        }
    }

    /// The mood of the tables.
    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// The mood of the log where it is written.
    pub fn set_log(&self, mood: Mood) {
        *self.log_mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// The mood of the log where it is synced.
    pub fn set_sync(&self, mood: Mood) {
        *self
            .sync_mood
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = mood;
    }

    fn readable(&self) -> Result<&S, StoreError> {
        match now(&self.mood) {
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
        in_mood(now(&self.mood), || self.store.commit(writes))
    }

    fn bytes(&self) -> Option<u64> {
        self.store.bytes()
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(FailingLog {
            log: self.store.log(),
            mood: self.log_mood.clone(),
            sync_mood: self.sync_mood.clone(),
        })
    }
}

struct FailingLog {
    log: Arc<dyn Log>,
    mood: Arc<Mutex<Mood>>,
    sync_mood: Arc<Mutex<Mood>>,
}

impl Log for FailingLog {
    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<u64, StoreError> {
        self.log.read(from, visit)
    }

    fn begin(&self, number: u64) -> Result<(), StoreError> {
        in_mood(now(&self.mood), || self.log.begin(number))
    }

    fn add(&self, record: &[u8]) -> Result<(), StoreError> {
        in_mood(now(&self.mood), || self.log.add(record))
    }

    fn sync(&self) -> Result<(), StoreError> {
        in_mood(now(&self.sync_mood), || self.log.sync())
    }

    fn remove_before(&self, number: u64) {
        self.log.remove_before(number);
    }
}

fn now(mood: &Mutex<Mood>) -> Mood {
    mood.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn in_mood(mood: Mood, write: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    match mood {
        Mood::Well => write(),
        Mood::Slow(time) => {
            std::thread::sleep(time);
            write()
        }
        Mood::Refusing(error) | Mood::Gone(error) => Err(error),
        Mood::Lying(error) => {
            write()?;
            Err(error)
        }
    }
}
