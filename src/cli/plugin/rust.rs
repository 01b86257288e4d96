//! Rust → core module, with `cargo`. A toolchain that has a standard library for `wasm32-unknown-unknown` is best; one that has
//! that library's source builds it, which takes half a minute once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::tool;
use crate::cli::Failure;

const TARGET: &str = "wasm32-unknown-unknown";

/// The package's name, and the module of its `cdylib`.
pub(super) fn build(folder: &Path) -> Result<(String, Vec<u8>), Failure> {
    let toolchain = find(folder)?;
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(["build", "--release", "--lib", "--target", TARGET]);
    cargo.arg("--message-format=json-render-diagnostics");
    if toolchain.library == Library::Source {
        // What a nightly toolchain would allow as it is.
        cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
        cargo
            .env("RUSTC", &toolchain.rustc)
            .env("RUSTC_BOOTSTRAP", "1");
    }
    // cargo's progress and rustc's messages go to standard error.
    cargo
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| {
        Failure::Unavailable(format!(
            "{} cannot be run: {error}",
            toolchain.cargo.display()
        ))
    })?;
    if !output.status.success() {
        return Err(tool::failed("cargo failed; its messages are above"));
    }
    let manifest = folder.join("Cargo.toml").canonicalize();
    let manifest = manifest.map_err(|error| tool::failed(&error.to_string()))?;
    let (name, module) = artifact(&output.stdout, &manifest).ok_or_else(|| {
        tool::failed("the package makes no module; its Cargo.toml needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`")
    })?;
    let module = fs::read(&module)
        .map_err(|error| tool::failed(&format!("{} cannot be read: {error}", module.display())))?;
    Ok((name, module))
}

/// The module among what cargo says that it has made, one JSON object in each line.
fn artifact(lines: &[u8], manifest: &Path) -> Option<(String, PathBuf)> {
    let said = lines.split(|byte| *byte == b'\n');
    let said = said.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    said.filter(|one| one["reason"] == "compiler-artifact")
        .filter(|one| one["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .find_map(|one| {
            let files = one["filenames"]
                .as_array()?
                .iter()
                .filter_map(Value::as_str);
            let module = files.map(PathBuf::from).find(|file| {
                file.extension()
                    .is_some_and(|extension| extension == "wasm")
            })?;
            let name = one["target"]["name"].as_str()?.replace('_', "-");
            Some((name, module))
        })
}

/// What a toolchain has of the standard library for guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    Built,
    Source,
}

struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    library: Library,
}

/// The one on the `PATH`, or Debian's beside it; a built library first.
fn find(folder: &Path) -> Result<Toolchain, Failure> {
    let path = std::env::var_os("PATH");
    let on_path = |name: &str| tool::find(&[PathBuf::from(name)], path.as_deref());
    let candidates = [
        (on_path("cargo"), on_path("rustc")),
        (Some("/usr/bin/cargo".into()), Some("/usr/bin/rustc".into())),
    ];
    let mut found: Vec<Toolchain> = Vec::new();
    for (cargo, rustc) in candidates {
        let (Some(cargo), Some(rustc)) = (cargo, rustc) else {
            continue;
        };
        let library = sysroot(&rustc, folder).and_then(|sysroot| library(&sysroot));
        if let Some(library) = library.filter(|_| cargo.is_file()) {
            found.push(Toolchain {
                cargo,
                rustc,
                library,
            });
        }
    }
    let best = found
        .into_iter()
        .min_by_key(|toolchain| toolchain.library as u8);
    best.ok_or_else(|| {
        tool::lacking(
            &format!("there is no Rust toolchain with a standard library for {TARGET}, nor with its source"),
            &[
                "rustup target add wasm32-unknown-unknown",
                "apt-get install --no-install-recommends rustc-web cargo-web rust-web-src rust-web-llvm lld-22   # Debian",
            ],
        )
    })
}

fn sysroot(rustc: &Path, folder: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    command.args(["--print", "sysroot"]).current_dir(folder);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(text.trim_end()))
}

fn library(sysroot: &Path) -> Option<Library> {
    let rustlib = sysroot.join("lib/rustlib");
    if rustlib.join(TARGET).join("lib").is_dir() {
        return Some(Library::Built);
    }
    let source = rustlib.join("src/rust/library/std/Cargo.toml");
    source.is_file().then_some(Library::Source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_the_package_itself_is_found() {
        let lines = br#"{"reason":"compiler-artifact","manifest_path":"/other/Cargo.toml","target":{"name":"weir_plugin"},"filenames":["/t/libweir_plugin.rlib","/t/other.wasm"]}
not JSON
{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{"name":"hide_words"},"filenames":["/t/hide_words.wasm","/t/libhide_words.rlib"]}
{"reason":"build-finished","success":true}"#;
        let found = artifact(lines, Path::new("/a/Cargo.toml"));
        assert_eq!(
            found,
            Some(("hide-words".to_owned(), "/t/hide_words.wasm".into()))
        );
        assert_eq!(artifact(lines, Path::new("/b/Cargo.toml")), None);
    }

    #[test]
    fn a_built_library_is_better_than_its_source() {
        let sysroot = std::env::temp_dir().join(format!("weir-sysroot-{}", std::process::id()));
        assert_eq!(library(&sysroot), None);
        let source = sysroot.join("lib/rustlib/src/rust/library/std");
        fs::create_dir_all(&source).expect("a folder");
        fs::write(source.join("Cargo.toml"), "").expect("a file");
        assert_eq!(library(&sysroot), Some(Library::Source));
        fs::create_dir_all(sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib"))
            .expect("a folder");
        assert_eq!(library(&sysroot), Some(Library::Built));
        fs::remove_dir_all(&sysroot).expect("the folder removed");
    }
}
