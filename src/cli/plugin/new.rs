//! `weir plugin new`: a folder with a plugin that builds, and does something small that can be seen.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::project::{Kind, Language, checked_name};
use super::templates;
use crate::cli::Failure;

#[derive(Debug, Args)]
pub(super) struct New {
    /// Its name, and its folder's
    #[arg(value_parser = checked_name)]
    name: String,
    #[arg(long, default_value = "rust")]
    lang: Language,
    /// The hook that it has
    #[arg(long, default_value = "guard")]
    kind: Kind,
    /// Where its folder is made
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    r#in: PathBuf,
}

pub(super) fn run(new: &New, out: &mut dyn Write) -> Result<(), Failure> {
    let folder = new.r#in.join(&new.name);
    let cannot = |what: String, error: std::io::Error| Failure::Refused {
        code: "cannot_write".to_owned(),
        message: format!("{what} cannot be made: {error}"),
    };
    // Fails where there is one, so that nothing of anybody's is written over.
    fs::create_dir(&folder).map_err(|error| cannot(folder.display().to_string(), error))?;
    for (name, text) in templates::files(&new.name, new.lang, new.kind) {
        let file = folder.join(&name);
        let below = file.parent().expect("it is in the folder");
        fs::create_dir_all(below).map_err(|error| cannot(below.display().to_string(), error))?;
        fs::write(&file, text).map_err(|error| cannot(file.display().to_string(), error))?;
    }
    writeln!(
        out,
        "{}: {} {} in {}\n",
        folder.display(),
        article(new.kind),
        new.kind,
        new.lang
    )?;
    for line in next_steps(new) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Guard | Kind::Router => "a",
        Kind::Auth | Kind::Observer | Kind::Adapter => "an",
    }
}

fn next_steps(new: &New) -> Vec<String> {
    let name = &new.name;
    let mut steps = vec![format!("cd {}", new.r#in.join(name).display())];
    match new.lang {
        Language::Rust => steps.push("cargo test                # natively".to_owned()),
        Language::Js => steps.push("npm install               # its compiler".to_owned()),
        Language::Python => {
            steps.push("pip install -r requirements.txt    # its compiler".to_owned())
        }
        Language::C => {}
    }
    steps.push(format!("weir plugin build         # {name}.wasm"));
    steps.push("weir serve -c weir.yaml   # README.md says what there is to see".to_owned());
    steps
}
