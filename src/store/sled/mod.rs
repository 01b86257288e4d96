//! The embedded store: one folder, one process, on sled. All tables share one tree, so that a commit over several is atomic.
//!
//! What sled 0.34 leaves to its user, and is done here:
//! - its `flush` starts the pages' way to the disk (`sync_file_range`) and waits for it, but tells neither the disk's cache nor the file's length: `fdatasync` follows each commit;
//! - after one failed write it refuses everything for good: the database is closed and opened again at the next use;
//! - what it was writing when the process was killed at start (`snap.*.generating`) it takes for a whole snapshot at the next one: such files are removed first;
//! - it panics where its files surprise it: panics end here, as errors.

mod files;

pub use files::set_aside;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{
    FileLog, Log, Store, StoreError, Table, Visit, Write, tree_end, tree_key, within_bounds,
};

/// How long a database that has been closed may take to let go of its files, and how often that is looked at.
const RELEASE_WAIT: Duration = Duration::from_secs(2);
const RELEASE_LOOK: Duration = Duration::from_millis(5);
/// What a scan takes at a time, so that nothing is locked while it is visited.
const SCAN_ENTRIES: usize = 256;
const SCAN_BYTES: usize = 256 << 10;
/// sled notes what is read in 256 lists and looks at a list, and frees what is over the cache's bound, once it has 64 notes. A scan, which reads each page once, would have
/// 16,384 pages in memory before the first is freed. So the longer values are asked for this many times: the eight of a page make 64 notes.
const SCAN_NOTES: usize = 8;
/// Of this many bytes and more.
const NOTED_BYTES: usize = 512;

/// How an embedded store is opened.
#[derive(Debug, Clone)]
pub struct SledSettings {
    /// Memory for what has been read and written last, in bytes. sled takes some 15 MiB beyond it while much is written.
    pub cache_bytes: u64,
    pub damaged: Damaged,
}

/// What happens where the store at the path is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damaged {
    /// It is not opened.
    Refuse,
    /// Its folder is moved aside, and a new one begun.
    SetAside,
}

impl Default for SledSettings {
    fn default() -> SledSettings {
        SledSettings {
            cache_bytes: 8 << 20,
            damaged: Damaged::Refuse,
        }
    }
}

pub struct Sled {
    path: PathBuf,
    cache_bytes: u64,
    /// `None` after a failure, until it is opened again.
    database: RwLock<Option<Database>>,
    log: Arc<FileLog>,
    /// Held for as long as this is.
    _lock: File,
}

struct Database {
    tree: sled::Db,
    /// sled's data file once more, to be synced.
    file: File,
}

impl Sled {
    /// Opens the store in this folder, or begins one.
    ///
    /// # Errors
    /// Another process has it, it is damaged, or the disk refuses.
    pub fn open(path: &Path, settings: &SledSettings) -> Result<Sled, StoreError> {
        match Sled::open_once(path, settings) {
            Err(StoreError::Damaged { detail, .. }) if settings.damaged == Damaged::SetAside => {
                let aside = set_aside(path).map_err(|error| StoreError::of_io(path, &error))?;
                tracing::error!(path = %path.display(), moved_to = %aside.display(), detail, "the store is damaged; a new one begins");
                Sled::open_once(path, settings)
            }
            opened => opened,
        }
    }

    fn open_once(path: &Path, settings: &SledSettings) -> Result<Sled, StoreError> {
        let lock = files::lock(path)?;
        files::clear_unfinished(path).map_err(|error| StoreError::of_io(path, &error))?;
        let database = open_database(path, settings.cache_bytes)?;
        files::sync_folders(path).map_err(|error| StoreError::of_io(path, &error))?;
        Ok(Sled {
            path: path.to_owned(),
            cache_bytes: settings.cache_bytes,
            log: Arc::new(FileLog::open(&path.join("log"))?),
            database: RwLock::new(Some(database)),
            _lock: lock,
        })
    }

    /// Does something with the database, opened again where it has failed before; a failure closes it.
    fn with<T>(&self, act: impl FnOnce(&Database) -> sled::Result<T>) -> Result<T, StoreError> {
        self.revive()?;
        let result = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let Some(database) = database.as_ref() else {
                return Err(self.closed());
            };
            guarded(|| act(database))
        };
        result.map_err(|error| {
            self.shut();
            told(&self.path, error)
        })
    }

    fn revive(&self) -> Result<(), StoreError> {
        let is_open = |database: &Option<Database>| database.is_some();
        if is_open(&self.database.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            files::clear_unfinished(&self.path)
                .map_err(|error| StoreError::of_io(&self.path, &error))?;
            *database = Some(open_database(&self.path, self.cache_bytes)?);
        }
        Ok(())
    }

    fn shut(&self) {
        let database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Its last act is a flush, which fails as well.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }

    fn closed(&self) -> StoreError {
        StoreError::Failed {
            path: self.path.clone(),
            detail: "closed after a failure".to_owned(),
        }
    }

    fn piece(
        &self,
        start: Vec<u8>,
        end: &[u8],
    ) -> Result<Vec<(sled::IVec, sled::IVec)>, StoreError> {
        self.with(|database| {
            let mut piece = Vec::new();
            let mut bytes = 0;
            if start.as_slice() >= end {
                return Ok(piece);
            }
            for entry in database.tree.range(start..end.to_vec()) {
                let (key, value) = entry?;
                bytes += key.len() + value.len();
                let notes = if value.len() < NOTED_BYTES {
                    0
                } else {
                    SCAN_NOTES
                };
                for _ in 0..notes {
                    database.tree.get(&key)?;
                }
                piece.push((key, value));
                if piece.len() == SCAN_ENTRIES || bytes > SCAN_BYTES {
                    break;
                }
            }
            Ok(piece)
        })
    }
}

impl Store for Sled {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.with(|database| database.tree.get(tree_key(table, key)))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let end = tree_end(table, to);
        let mut start = tree_key(table, from);
        loop {
            let piece = self.piece(start, &end)?;
            for (key, value) in &piece {
                if let ControlFlow::Break(()) = visit(&key[1..], value) {
                    return Ok(());
                }
            }
            let Some((last, _)) = piece.last() else {
                return Ok(());
            };
            start = last.to_vec();
            start.push(0);
        }
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        within_bounds(&writes)?;
        let mut batch = sled::Batch::default();
        for write in writes {
            match write {
                Write::Put { table, key, value } => batch.insert(tree_key(table, &key), value),
                Write::Delete { table, key } => batch.remove(tree_key(table, &key)),
            }
        }
        self.with(|database| {
            database.tree.apply_batch(batch)?;
            database.tree.flush()?;
            database.file.sync_data()?;
            Ok(())
        })
    }

    fn bytes(&self) -> Option<u64> {
        std::fs::metadata(files::data(&self.path))
            .ok()
            .map(|data| data.len())
    }

    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }
}

fn open_database(path: &Path, cache_bytes: u64) -> Result<Database, StoreError> {
    let configured = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None);
    let until = Instant::now() + RELEASE_WAIT;
    let tree = loop {
        match guarded(|| configured.open()) {
            Err(error) if is_still_held(&error) && Instant::now() < until => {
                std::thread::sleep(RELEASE_LOOK);
            }
            opened => break opened.map_err(|error| told(path, error))?,
        }
    };
    let file = File::open(files::data(path)).map_err(|error| StoreError::of_io(path, &error))?;
    Ok(Database { tree, file })
}

/// Whether sled's own lock is held: by what is left of a database that this process has closed, whose threads end in a moment. No
/// other process can have it, since weir's lock is taken before.
fn is_still_held(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => {
            error.kind() == io::ErrorKind::WouldBlock
                || error.to_string().contains("could not acquire lock")
        }
        _ => false,
    }
}

/// What sled says, its panics included.
fn guarded<T>(act: impl FnOnce() -> sled::Result<T>) -> sled::Result<T> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(sled::Error::ReportableBug(
            said.unwrap_or("it panicked").to_owned(),
        ))
    })
}

fn told(path: &Path, error: sled::Error) -> StoreError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error {
        sled::Error::Io(error) => StoreError::of_io(&path, &error),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => {
            StoreError::Damaged { path, detail }
        }
        sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) => {
            StoreError::Failed { path, detail }
        }
    }
}
