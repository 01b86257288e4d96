//! `weir plugin build`: the language's own tool makes a module or a component, and weir a component of the contract.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use ring::digest::{SHA256, digest};

use super::project::{Found, Language, Project};
use super::{c, component, javascript, python, rust, tool};
use crate::cli::Failure;

#[derive(Debug, Args)]
pub(super) struct Build {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The component [default: NAME.wasm in the folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(build: &Build, out: &mut dyn Write) -> Result<(), Failure> {
    let (name, made) = match Project::find(&build.folder)? {
        Found::RustPackage => rust::build(&build.folder)?,
        Found::Said(project) => {
            let made = match project.language {
                Language::Rust => rust::build(&build.folder)?.1,
                Language::Js => javascript::build(&build.folder, project.kind)?,
                Language::Python => python::build(&build.folder, project.kind)?,
                Language::C => c::build(&build.folder)?,
            };
            (project.name, made)
        }
    };
    let component = component::component(made)
        .map_err(|problem| tool::failed(&format!("{}: {problem}", build.folder.display())))?;
    let output = build.output.clone();
    let output = output.unwrap_or_else(|| build.folder.join(format!("{name}.wasm")));
    write(&output, &component)?;
    writeln!(
        out,
        "{}  {} bytes  sha256 {}",
        output.display(),
        component.len(),
        sha256(&component)
    )?;
    Ok(())
}

/// Beside its place first: a server that watches the file never reads half of one.
fn write(output: &Path, component: &[u8]) -> Result<(), Failure> {
    let half = output.with_extension("wasm.part");
    let written = fs::write(&half, component).and_then(|()| fs::rename(&half, output));
    written
        .map_err(|error| tool::failed(&format!("{} cannot be written: {error}", output.display())))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
