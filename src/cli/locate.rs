//! Finds the configuration: the one that is named, else the first of the usual places.
//! It must not read it.

use std::path::{Path, PathBuf};

use super::{ConfigFile, Failure};

/// Where a configuration is looked for when none is named, the first first.
const PLACES: [&str; 2] = ["./weir.yaml", "/etc/weir/weir.yaml"];

impl ConfigFile {
    /// The file to read.
    ///
    /// # Errors
    /// None is named and there is none in the usual places.
    pub(super) fn locate(&self) -> Result<PathBuf, Failure> {
        locate(self.path.as_deref())
    }
}

/// The file that is named, or the first in the usual places.
///
/// # Errors
/// None is named and there is none in the usual places.
pub(super) fn locate(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let found = PLACES
        .into_iter()
        .map(Path::new)
        .find(|place| place.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::NoConfig(format!(
            "no configuration: --config and WEIR_CONFIG are not given, and there is no {}",
            PLACES.join(" and no ")
        ))
    })
}
