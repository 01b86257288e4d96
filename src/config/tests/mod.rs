//! Whole configurations in; whole problem texts, or checked values, out.

mod bad_files;
mod callers;
mod good;
mod settings;
mod shipped;

use std::path::PathBuf;

use super::{Config, Problems};

/// The package's own folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The environment of every test here.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_KEY_A" => "sk-secret-a",
        "OPENAI_KEY_B" => "sk-secret-b",
        "LINES" => "sk-secret\nsk-secret",
        "EMPTY" => "",
        "NO_SCHEME" => "sk-secret:8000",
        "WEIGHT" => "3",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Checks a text that stands in no file.
fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, &root().join("tests/config/inline.yaml"), &environment)
}

/// Checks a text that is sound.
fn sound(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}
