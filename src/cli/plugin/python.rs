//! Python → component, with `componentize-py`: CPython and the script, snapshotted after its imports have run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::project::Kind;
use super::tool;
use crate::cli::Failure;

const TOOL: &str = "componentize-py";

pub(super) fn build(folder: &Path, kind: Kind) -> Result<Vec<u8>, Failure> {
    let absolute = folder.canonicalize();
    let absolute = absolute.map_err(|error| tool::failed(&error.to_string()))?;
    let candidates = [absolute.join(".venv/bin").join(TOOL), PathBuf::from(TOOL)];
    let path = std::env::var_os("PATH");
    let program = tool::find(&candidates, path.as_deref()).ok_or_else(|| {
        tool::lacking(
            "componentize-py, which makes components of Python, is not there",
            &[
                "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt   # in the plugin's folder",
                "pip install componentize-py==0.25.1",
            ],
        )
    })?;
    made(&absolute, |output| {
        let mut command = Command::new(&program);
        command.args(["--quiet", "--wit-path", "wit", "--world", kind.world()]);
        // Guests get no WASI. What Python makes of chance is then the same in every instance: guests ask weir for it.
        command
            .args(["componentize", "--stub-wasi", "plugin", "--output"])
            .arg(output);
        command
    })
}

/// What a tool writes to a file that it is told: nothing of it stays.
pub(super) fn made(folder: &Path, tool: impl FnOnce(&Path) -> Command) -> Result<Vec<u8>, Failure> {
    let output = folder.join(format!(".weir-{}.part", std::process::id()));
    let ran = tool::run(&mut tool(&output), folder);
    let bytes = ran.and_then(|()| {
        fs::read(&output)
            .map_err(|error| tool::failed(&format!("the tool has made no file: {error}")))
    });
    // Where the tool has failed there may be none.
    drop(fs::remove_file(&output));
    bytes
}
