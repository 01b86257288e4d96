//! Compiled components on disk, so that the next start is quick. What stands there is run as it is: the folder must be weir's own.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiled::{Digest, hex};

/// Files that are kept; the longest unused go first.
const FILES_MAX: usize = 64;
const ENDING: &str = "cwasm";

/// The folder.
pub struct DiskCache(PathBuf);

impl DiskCache {
    /// Makes the folder, for this user alone.
    ///
    /// # Errors
    /// When it cannot be made or written to, or others may write there.
    pub fn open(folder: &Path) -> Result<DiskCache, String> {
        let shown = folder.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| format!("plugins.cache_dir {shown}: {error}"))?;
        let own = user(folder).map_err(|error| format!("plugins.cache_dir {shown}: {error}"))?;
        let found = fs::symlink_metadata(folder)
            .map_err(|error| format!("plugins.cache_dir {shown}: {error}"))?;
        if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
            return Err(format!(
                "plugins.cache_dir {shown} must be a folder of weir's own user, closed to others (mode 700): what stands there is run"
            ));
        }
        Ok(DiskCache(folder.to_owned()))
    }

    /// The component, if it has been compiled before by an engine like this one.
    pub fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(engine, digest);
        let file = File::open(&path).ok()?;
        // SAFETY: the file holds machine code that wasmtime trusts. It was written by `store` alone, under a name that only a
        // finished rename gives; the folder was found to be closed to every other user when it was opened.
        let component = unsafe { Component::deserialize_file(engine, &path) };
        match component {
            Ok(component) => {
                // Used last just now. Where the time cannot be set, it is only thrown away earlier.
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                tracing::warn!(
                    path = %path.display(),
                    error = format!("{error:#}"),
                    "a compiled plugin cannot be used and is compiled again"
                );
                None
            }
        }
    }

    /// Keeps the component. Where that fails, the next start compiles again; that is said in the log.
    pub fn store(&self, component: &Component, digest: &Digest) {
        if let Err(error) = self.try_store(component, digest) {
            tracing::warn!(
                folder = %self.0.display(),
                %error,
                "a compiled plugin cannot be kept"
            );
        }
    }

    fn try_store(&self, component: &Component, digest: &Digest) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let path = self.path(component.engine(), digest);
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let written = write(&draft, &code).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Whether it is there or not, the first failure is the one to tell.
            let _ = fs::remove_file(&draft);
        }
        written?;
        self.make_room()
    }

    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let name = format!("{}-{:016x}.{ENDING}", hex(digest), hasher.finish());
        self.0.join(name)
    }

    /// Removes the longest unused files beyond [`FILES_MAX`].
    fn make_room(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                files.push((entry.metadata()?.modified()?, path));
            }
        }
        files.sort();
        let beyond = files.len().saturating_sub(FILES_MAX);
        files
            .iter()
            .take(beyond)
            .try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(code)?;
    file.sync_all()
}

/// The user that this process writes as: who owns what it makes.
fn user(folder: &Path) -> io::Result<u32> {
    let probe = folder.join(format!(".{}.probe", std::process::id()));
    let user = File::create(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(user)
}
