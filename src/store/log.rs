//! A log beside the tables: records in pieces, which are removed once the tables have what they say.
//! A record that has been added outlives the process at once, and the machine once it is synced; both cost far less than a commit to tables. It must not know what a record says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StoreError;

/// Longest record, in bytes: what a broken length may make a reader take for one.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// Length and checksum before each record.
const HEAD_BYTES: usize = 8;
/// What may have been added and not synced, in bytes: a disk that confirms nothing takes no more.
const UNSYNCED_BYTES_MAX: usize = 16 << 20;
/// Memory for it that is kept for the next time.
const UNSYNCED_BYTES_KEPT: usize = 1 << 20;

/// Records in numbered pieces. One adds at a time, and another may sync meanwhile.
pub trait Log: Send + Sync {
    /// Visits the records of the pieces from this one on, in order and with the number of the piece, and says which number is free behind them.
    /// A record that was cut short ends its piece.
    ///
    /// # Errors
    /// Where the log cannot be read; some may have been visited.
    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<u64, StoreError>;

    /// Begins a piece; what is added from now on goes there.
    ///
    /// # Errors
    /// Where it cannot be begun. Records go where they went before.
    fn begin(&self, number: u64) -> Result<(), StoreError>;

    /// Adds a record to the piece that was begun last. When it returns, the record is there whatever becomes of this process. It waits for no disk.
    ///
    /// # Errors
    /// It may be found there later, or not. The next record takes its place. Also where too much waits to be synced.
    fn add(&self, record: &[u8]) -> Result<(), StoreError>;

    /// Makes durable what was added before it was called. Waits for the disk; nobody who adds waits for it.
    ///
    /// # Errors
    /// Where the disk does not confirm it. It is to be tried again.
    fn sync(&self) -> Result<(), StoreError>;

    /// Removes the pieces before this one. What cannot be removed is logged, and removed at another time.
    fn remove_before(&self, number: u64);
}

/// A log in files of one folder.
#[derive(Debug)]
pub struct FileLog {
    folder: PathBuf,
    pieces: Mutex<Pieces>,
    /// Held by who syncs.
    syncing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Pieces {
    current: Option<Piece>,
    /// Those before, as far as they are not synced.
    ended: Vec<Piece>,
    frame: Vec<u8>,
    unsynced_bytes: usize,
    /// Names of pieces that the disk may not have.
    has_new_names: bool,
    /// A sync has failed. The system may have dropped what it was to write, and would confirm the next one without it (so does Linux): it is written once more.
    is_doubtful: bool,
}

#[derive(Debug)]
struct Piece {
    file: Arc<File>,
    /// Up to here it is whole.
    bytes: u64,
    /// What of it is not synced: its end.
    unsynced: Vec<u8>,
}

impl FileLog {
    /// # Errors
    /// Where there is no folder and none can be made.
    pub fn open(folder: &Path) -> Result<FileLog, StoreError> {
        let make = || {
            fs::create_dir_all(folder)?;
            match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
                _ => Ok(()),
            }
        };
        make().map_err(|error| StoreError::of_io(folder, &error))?;
        Ok(FileLog {
            folder: folder.to_owned(),
            pieces: Mutex::default(),
            syncing: Mutex::default(),
        })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.log"))
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::of_io(&self.folder, error)
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one sync is about, taken out so that adding goes on meanwhile.
#[derive(Debug)]
struct Unsynced {
    file: Arc<File>,
    /// Where it begins, and how much it is.
    at: u64,
    bytes: usize,
    /// What is to be written once more.
    again: Vec<u8>,
}

impl Unsynced {
    fn sync(&self) -> io::Result<()> {
        self.file.write_all_at(&self.again, self.at)?;
        self.file.sync_data()
    }
}

impl Pieces {
    fn unsynced(&self) -> Vec<Unsynced> {
        let pieces = self.ended.iter().chain(&self.current);
        let unsynced = pieces.filter(|piece| !piece.unsynced.is_empty());
        let unsynced = unsynced.map(|piece| Unsynced {
            file: piece.file.clone(),
            at: piece.bytes - piece.unsynced.len() as u64,
            bytes: piece.unsynced.len(),
            again: match self.is_doubtful {
                true => piece.unsynced.clone(),
                false => Vec::new(),
            },
        });
        unsynced.collect()
    }

    fn confirm(&mut self, found: &[Unsynced]) {
        self.is_doubtful = false;
        for piece in self.ended.iter_mut().chain(&mut self.current) {
            let of_it = |found: &&Unsynced| Arc::ptr_eq(&found.file, &piece.file);
            if let Some(found) = found.iter().find(of_it) {
                piece.unsynced.drain(..found.bytes);
                self.unsynced_bytes -= found.bytes;
            }
            if piece.unsynced.is_empty() && piece.unsynced.capacity() > UNSYNCED_BYTES_KEPT {
                piece.unsynced = Vec::new();
            }
        }
        self.ended.retain(|piece| !piece.unsynced.is_empty());
    }
}

impl Log for FileLog {
    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<u64, StoreError> {
        let numbers = self.numbers().map_err(|error| self.failed(&error))?;
        for number in numbers.iter().filter(|number| **number >= from) {
            let path = self.path(*number);
            let bytes = fs::read(&path).map_err(|error| self.failed(&error))?;
            let whole = read_records(&bytes, &mut |record| visit(*number, record));
            if whole < bytes.len() {
                tracing::warn!(path = %path.display(), at = whole, bytes = bytes.len() - whole, "the end of a log was cut short and is left out");
            }
        }
        Ok(numbers.last().map_or(from, |last| from.max(last + 1)))
    }

    fn begin(&self, number: u64) -> Result<(), StoreError> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(self.path(number))
            .map_err(|error| self.failed(&error))?;
        let mut pieces = self.pieces();
        let before = pieces.current.replace(Piece {
            file: Arc::new(file),
            bytes: 0,
            unsynced: Vec::new(),
        });
        let before = before.filter(|before| !before.unsynced.is_empty());
        pieces.ended.extend(before);
        pieces.has_new_names = true;
        Ok(())
    }

    fn add(&self, record: &[u8]) -> Result<(), StoreError> {
        let mut pieces = self.pieces();
        let Pieces {
            current,
            frame,
            unsynced_bytes,
            ..
        } = &mut *pieces;
        let Some(piece) = current else {
            return Err(self.failed(&io::Error::other("no piece of the log was begun")));
        };
        if *unsynced_bytes > UNSYNCED_BYTES_MAX {
            return Err(self.failed(&io::Error::other(
                "the disk does not confirm what was written",
            )));
        }
        put_frame(frame, record);
        let added = piece.file.write_all_at(frame, piece.bytes);
        added.map_err(|error| self.failed(&error))?;
        piece.bytes += frame.len() as u64;
        piece.unsynced.extend_from_slice(frame);
        *unsynced_bytes += frame.len();
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (found, has_new_names) = {
            let mut pieces = self.pieces();
            let has_new_names = std::mem::take(&mut pieces.has_new_names);
            (pieces.unsynced(), has_new_names)
        };
        let sync = || {
            if has_new_names {
                File::open(&self.folder)?.sync_all()?;
            }
            found.iter().try_for_each(Unsynced::sync)
        };
        let synced = sync().map_err(|error| self.failed(&error));
        let mut pieces = self.pieces();
        match &synced {
            Ok(()) => pieces.confirm(&found),
            Err(_) => {
                pieces.has_new_names |= has_new_names;
                pieces.is_doubtful = true;
            }
        }
        synced
    }

    fn remove_before(&self, number: u64) {
        let remove = || {
            for old in self.numbers()?.into_iter().filter(|old| *old < number) {
                fs::remove_file(self.path(old))?;
            }
            io::Result::Ok(())
        };
        if let Err(error) = remove() {
            tracing::warn!(folder = %self.folder.display(), %error, "a log that is no longer needed cannot be removed");
        }
    }
}

fn put_frame(frame: &mut Vec<u8>, record: &[u8]) {
    frame.clear();
    frame.extend_from_slice(&(record.len() as u32).to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(record).to_le_bytes());
    frame.extend_from_slice(record);
}

/// Visits the records up to the first that is not whole, and says where that begins.
fn read_records(bytes: &[u8], visit: &mut dyn FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(record) = record_at(&bytes[at..]) {
        visit(record);
        at += HEAD_BYTES + record.len();
    }
    at
}

fn record_at(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    let is_possible = (1..=RECORD_BYTES_MAX).contains(&length);
    let record = rest.get(..length).filter(|_| is_possible)?;
    (crc32fast::hash(record) == u32::from_le_bytes(*sum)).then_some(record)
}

/// A log that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryLog {
    pieces: Mutex<BTreeMap<u64, Vec<Vec<u8>>>>,
}

impl MemoryLog {
    fn pieces(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Vec<u8>>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn read(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<u64, StoreError> {
        let pieces = self.pieces();
        for (number, records) in pieces.range(from..) {
            records.iter().for_each(|record| visit(*number, record));
        }
        let last = pieces.last_key_value();
        Ok(last.map_or(from, |(last, _)| from.max(last + 1)))
    }

    fn begin(&self, number: u64) -> Result<(), StoreError> {
        self.pieces().insert(number, Vec::new());
        Ok(())
    }

    fn add(&self, record: &[u8]) -> Result<(), StoreError> {
        if let Some(mut last) = self.pieces().last_entry() {
            last.get_mut().push(record.to_vec());
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_before(&self, number: u64) {
        let mut pieces = self.pieces();
        *pieces = pieces.split_off(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    fn records(log: &FileLog) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let read = log.read(0, &mut |_, record| records.push(record.to_vec()));
        read.unwrap();
        records
    }

    #[test]
    fn what_a_disk_has_refused_to_confirm_is_written_once_more() {
        let folder = Folder::new();
        let log = FileLog::open(&folder.0).unwrap();
        log.begin(1).unwrap();
        log.add(b"first").unwrap();
        log.sync().unwrap();
        let confirmed = fs::metadata(log.path(1)).unwrap().len();
        log.add(b"second").unwrap();
        log.begin(2).unwrap();
        log.add(b"third").unwrap();
        // What a system does with what it could not write.
        log.pieces().is_doubtful = true;
        File::options()
            .write(true)
            .open(log.path(1))
            .unwrap()
            .write_all_at(&[0; 8], confirmed)
            .unwrap();
        fs::write(log.path(2), b"").unwrap();
        assert_eq!(records(&log).len(), 1);
        log.sync().unwrap();
        log.add(b"fourth").unwrap();
        assert_eq!(
            records(&log),
            [&b"first"[..], b"second", b"third", b"fourth"]
        );
        let pieces = log.pieces();
        assert!(!pieces.is_doubtful && pieces.ended.is_empty());
        assert_eq!(pieces.unsynced_bytes, HEAD_BYTES + b"fourth".len());
    }

    #[test]
    fn a_disk_that_confirms_nothing_takes_so_much_and_no_more() {
        let folder = Folder::new();
        let log = FileLog::open(&folder.0).unwrap();
        log.begin(1).unwrap();
        let record = vec![7; 1 << 20];
        let added = (0..100).take_while(|_| log.add(&record).is_ok()).count();
        assert_eq!(added, UNSYNCED_BYTES_MAX >> 20);
        log.sync().unwrap();
        log.add(&record).unwrap();
        assert_eq!(records(&log).len(), added + 1);
    }
}
