//! Problems of a configuration: collected, each with its place, and shown all at once.
//! It must not know what a setting means.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::path::{FieldPath, Segment, printable};
use super::places::Places;

/// How many problems one report shows; more are only counted.
const SHOWN_PROBLEMS_MAX: usize = 50;

/// A position in the file; lines and columns (in characters) count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One thing that is wrong with a configuration. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// The root where the file as a whole is meant.
    pub path: FieldPath,
    /// What is wrong, with the value, and the way out. Lowercase, no full stop.
    pub message: String,
}

/// Everything that is wrong with one configuration; at least one problem, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    /// A problem of the file as a whole.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self::at(file, None, message)
    }

    /// One problem at a place, where the file could not be read further.
    pub(super) fn at(file: &Path, place: Option<Place>, message: impl Into<String>) -> Self {
        Self::new(
            file,
            vec![Problem {
                place,
                path: FieldPath::root(),
                message: message.into(),
            }],
        )
    }

    /// The file that was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.problems.iter()
    }

    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Never true; here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
}

impl std::error::Error for Problems {}

/// One line a problem: `file:line:column: path: message`, which editors and terminals make clickable.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(SHOWN_PROBLEMS_MAX).enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(place) = problem.place {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            if !problem.path.is_root() {
                write!(f, " {}:", problem.path)?;
            }
            write!(f, " {}", problem.message)?;
        }
        match self.problems.len().saturating_sub(SHOWN_PROBLEMS_MAX) {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more", self.file.display()),
        }
    }
}

/// Collects problems while the configuration is checked.
pub(super) struct Report<'p> {
    places: &'p Places,
    problems: Vec<Problem>,
    /// Paths that were meant, each with the last key as it is written there.
    mended: HashMap<FieldPath, String>,
}

impl<'p> Report<'p> {
    pub(super) fn new(places: &'p Places) -> Self {
        Self {
            places,
            problems: places.duplicates().to_vec(),
            mended: HashMap::new(),
        }
    }

    /// A problem with the value at `path`.
    pub(super) fn value(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.add(
            self.places.value(&self.as_written(path)),
            path,
            message.into(),
        );
    }

    /// A problem with the key that `path` ends with.
    pub(super) fn key(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.add(
            self.places.key(&self.as_written(path)),
            path,
            message.into(),
        );
    }

    /// A problem with a key that must not be repeated: it is told with the path around it.
    pub(super) fn unnamed_key(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.add(
            self.places.key(&self.as_written(path)),
            &path.parent(),
            message.into(),
        );
    }

    /// The value at `path` in backticks, as it is written in the file: what an environment variable made
    /// of it may be secret. Not to be used for values that hold secrets themselves.
    pub(super) fn shown(&self, path: &FieldPath) -> String {
        match self.written(path) {
            Some(written) => format!("`{}`", printable(written)),
            None => "this value".to_owned(),
        }
    }

    /// As written, where a check must tell a literal from `${NAME}`.
    pub(super) fn written(&self, path: &FieldPath) -> Option<&'p str> {
        self.places.written(&self.as_written(path))
    }

    /// Whether there is a problem with something below `path`, so that what seems to be missing there may be just wrong.
    pub(super) fn tells_below(&self, path: &FieldPath) -> bool {
        let is_below = |problem: &Problem| problem.path.segments().starts_with(path.segments());
        self.problems.iter().any(is_below)
    }

    /// From here on `meant` stands for what the file has under the misspelt key `written`.
    pub(super) fn mend(&mut self, meant: FieldPath, written: String) {
        self.mended.insert(meant, written);
    }

    /// The path as the file has it, misspelt keys and all.
    pub(super) fn as_written<'f>(&self, path: &'f FieldPath) -> Cow<'f, FieldPath> {
        if self.mended.is_empty() {
            return Cow::Borrowed(path);
        }
        let (mut meant, mut written) = (FieldPath::root(), FieldPath::root());
        for segment in path.segments() {
            (meant, written) = match segment {
                Segment::Index(index) => (meant.index(*index), written.index(*index)),
                Segment::Key(key) => {
                    let meant = meant.key(key);
                    let written = written.key(self.mended.get(&meant).unwrap_or(key));
                    (meant, written)
                }
            };
        }
        Cow::Owned(written)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// One problem a path: what follows from the first would only hide it.
    fn add(&mut self, place: Option<Place>, path: &FieldPath, message: String) {
        if !self.problems.iter().any(|problem| problem.path == *path) {
            self.problems.push(Problem {
                place,
                path: path.clone(),
                message,
            });
        }
    }
}

/// ` (did you mean …?)` for the nearest of `known`, or nothing where none is near.
pub(super) fn did_you_mean<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    let tolerance = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
