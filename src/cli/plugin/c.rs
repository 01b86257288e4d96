//! C → core module, with clang and wasi-libc (whose WASI parts a plugin does not use), or with `zig cc`, which has all of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::python::made;
use super::tool;
use crate::cli::Failure;

/// Newest first. clang 16 is the first that takes what the header needs.
const CLANGS: &[&str] = &[
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16",
];

pub(super) fn build(folder: &Path) -> Result<Vec<u8>, Failure> {
    let absolute = folder.canonicalize();
    let absolute = absolute.map_err(|error| tool::failed(&error.to_string()))?;
    let compiler = find()?;
    made(&absolute, |output| {
        let mut command = Command::new(&compiler[0]);
        command.args(&compiler[1..]);
        command.args([
            "-target",
            "wasm32-wasi",
            "-mexec-model=reactor",
            "-Oz",
            "-Wl,--strip-all",
        ]);
        // Newer compilers have a newer name for the target, which older ones do not know.
        command
            .args(["-Wall", "-Wextra", "-Wno-deprecated", "plugin.c", "-o"])
            .arg(output);
        command
    })
}

/// The compiler, and what its command line begins with.
fn find() -> Result<Vec<PathBuf>, Failure> {
    let path = std::env::var_os("PATH");
    let found = |names: &[&str]| {
        let names: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        tool::find(&names, path.as_deref())
    };
    let has_libc = Path::new("/usr/include/wasm32-wasi/stdlib.h").is_file();
    if let Some(clang) = found(CLANGS).filter(|_| has_libc) {
        return Ok(vec![clang]);
    }
    if let Some(zig) = found(&["zig"]) {
        return Ok(vec![zig, "cc".into()]);
    }
    Err(tool::lacking(
        "there is no C compiler for WebAssembly",
        &[
            "apt-get install --no-install-recommends clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32   # Debian",
            "https://ziglang.org/download   # zig, whose `zig cc` has all that is needed",
        ],
    ))
}
