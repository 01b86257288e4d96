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
        if let Some(path) = &self.path {
            return Ok(path.clone());
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
}
