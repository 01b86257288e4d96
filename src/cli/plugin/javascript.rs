//! JavaScript → component, with `componentize-qjs`: QuickJS and the script, snapshotted after the script's top level has run.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::project::Kind;
use super::python::made;
use super::tool;
use crate::cli::Failure;

const TOOL: &str = "componentize-qjs";

pub(super) fn build(folder: &Path, kind: Kind) -> Result<Vec<u8>, Failure> {
    let absolute = folder.canonicalize();
    let absolute = absolute.map_err(|error| tool::failed(&error.to_string()))?;
    // As npm looks: in this folder, and in those above it.
    let installed = absolute
        .ancestors()
        .map(|above| above.join("node_modules/.bin").join(TOOL));
    let candidates: Vec<PathBuf> = installed.chain([PathBuf::from(TOOL)]).collect();
    let path = std::env::var_os("PATH");
    let program = tool::find(&candidates, path.as_deref()).ok_or_else(|| {
        tool::lacking(
            "componentize-qjs, which makes components of JavaScript, is not there",
            &[
                "npm install   # in the plugin's folder",
                "npm install --global componentize-qjs@0.4.5",
            ],
        )
    })?;
    made(&absolute, |output| {
        let mut command = Command::new(&program);
        command.args(["--wit", "wit", "--js", "plugin.js", "--world", kind.world()]);
        // Guests get no WASI; and calls that wait look like others to them.
        command
            .args(["--stub-wasi", "--sync", "--output"])
            .arg(output);
        command
    })
}
