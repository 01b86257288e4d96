//! Programs of other people: finding them, and running them where their output can be seen.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::Failure;

/// The first of these programs there is: a path is looked up as it is, a name in the folders of `PATH`.
pub(super) fn find(candidates: &[PathBuf], path: Option<&OsStr>) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = path
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    candidates.iter().find_map(|candidate| {
        if candidate.components().count() > 1 {
            return candidate.is_file().then(|| candidate.clone());
        }
        let found = folders.iter().map(|folder| folder.join(candidate));
        found.into_iter().find(|file| file.is_file())
    })
}

/// Runs a tool in a folder; its messages go to where weir's own go.
///
/// # Errors
/// Where it cannot be run, or fails.
pub(super) fn run(command: &mut Command, folder: &Path) -> Result<(), Failure> {
    let name = Path::new(command.get_program()).display().to_string();
    // Standard output is weir's; what tools say while they work is a message.
    let status = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let status =
        status.map_err(|error| Failure::Unavailable(format!("{name} cannot be run: {error}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(failed(&format!(
            "{name} failed ({status}); its messages are above"
        ))),
    }
}

pub(super) fn failed(message: &str) -> Failure {
    Failure::Refused {
        code: "build_failed".to_owned(),
        message: message.to_owned(),
    }
}

/// Says what is missing, and each way to get it.
pub(super) fn lacking(what: &str, ways: &[&str]) -> Failure {
    let ways: Vec<String> = ways.iter().map(|way| format!("\n    {way}")).collect();
    Failure::Unavailable(format!(
        "{what}; get it with one of these:{}",
        ways.concat()
    ))
}
