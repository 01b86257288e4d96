//! By what a change of files is seen without reading them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Files and how they look from outside. Links are followed, so that a link that points elsewhere is seen, which is how
/// Kubernetes renews mounted files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks(BTreeMap<PathBuf, Option<Mark>>);

/// `None` in its place: the file cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// In bytes.
    length: u64,
    device: u64,
    inode: u64,
}

impl Marks {
    /// Of a configuration's own file and all that it names.
    pub fn of(path: &Path, config: &Config) -> Marks {
        let named = config.files.iter().map(PathBuf::as_path);
        Marks::at(named.chain([path]))
    }

    /// Of the same files, as they look now.
    pub fn again(&self) -> Marks {
        Marks::at(self.0.keys().map(PathBuf::as_path))
    }

    /// These, with `known` in place of those that are known.
    pub fn but_where_known(mut self, known: Marks) -> Marks {
        for (path, mark) in known.0 {
            self.0.entry(path).and_modify(|own| *own = mark);
        }
        self
    }

    /// Looks at one more file.
    #[cfg(test)]
    pub fn note(&mut self, path: &Path) {
        self.0.insert(path.to_owned(), mark(path));
    }

    fn at<'p>(paths: impl Iterator<Item = &'p Path>) -> Marks {
        Marks(paths.map(|path| (path.to_owned(), mark(path))).collect())
    }
}

fn mark(path: &Path) -> Option<Mark> {
    let seen = std::fs::metadata(path).ok()?;
    Some(Mark {
        modified: (seen.mtime(), seen.mtime_nsec()),
        length: seen.len(),
        device: seen.dev(),
        inode: seen.ino(),
    })
}
