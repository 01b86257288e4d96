//! The files around the embedded store: its lock, what an interrupted start has left, and the way aside for a damaged one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::StoreError;

/// sled's data file.
pub(super) fn data(path: &Path) -> PathBuf {
    path.join("db")
}

/// Makes the folder where there is none, and takes it for this process.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(path).map_err(|error| StoreError::of_io(path, &error))?;
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("lock"));
    let file = opened.map_err(|error| StoreError::of_io(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(StoreError::of_io(path, &error)),
    }
}

/// Removes what a start that was cut short has left half written: snapshots of sled's, and its settings where there is no data yet.
pub(super) fn clear_unfinished(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b"snap.")
            && name.as_encoded_bytes().ends_with(b".generating")
        {
            fs::remove_file(entry.path())?;
        }
    }
    let is_new = fs::metadata(data(path)).map_or(true, |data| data.len() == 0);
    let settings = path.join("conf");
    if is_new && settings.exists() {
        fs::remove_file(settings)?;
    }
    Ok(())
}

/// Makes the names of a new store's files survive a loss of power.
pub(super) fn sync_folders(path: &Path) -> io::Result<()> {
    File::open(path.join("conf"))?.sync_all()?;
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Moves a store's folder aside and says where it is now; nothing is deleted.
///
/// # Errors
/// What the file system says.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let name = path.file_name().unwrap_or("store".as_ref());
    let mut aside = PathBuf::from(path);
    for number in 0..u32::MAX {
        let mut named = name.to_owned();
        named.push(format!(".damaged-{seconds}-{number}"));
        aside.set_file_name(named);
        if !aside.exists() {
            break;
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}
