//! What a plugin is written in and which hook it has: `plugin.json` in its folder, or a Rust package without one.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cli::Failure;

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    Rust,
    Python,
    Js,
    C,
}

/// The hook that a plugin has, and so the world of the contract that it lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Guard,
    Router,
    Auth,
    Observer,
    Adapter,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] = [
        Kind::Guard,
        Kind::Router,
        Kind::Auth,
        Kind::Observer,
        Kind::Adapter,
    ];

    pub(super) fn world(self) -> &'static str {
        match self {
            Kind::Guard => "guard-plugin",
            Kind::Router => "router-plugin",
            Kind::Auth => "auth-plugin",
            Kind::Observer => "observer-plugin",
            Kind::Adapter => "adapter-plugin",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Guard => "guard",
            Kind::Router => "router",
            Kind::Auth => "authenticator",
            Kind::Observer => "observer",
            Kind::Adapter => "adapter",
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Js => "JavaScript",
            Language::C => "C",
        })
    }
}

/// `plugin.json`, as `weir plugin new` writes it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    pub name: String,
    pub language: Language,
    pub kind: Kind,
}

/// What there is to build in a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Said(Project),
    /// A package of Rust without a `plugin.json`: its exports say which hook it has.
    RustPackage,
}

impl Project {
    pub(super) const FILE: &str = "plugin.json";

    /// # Errors
    /// Where there is nothing to build, or `plugin.json` is wrong.
    pub(super) fn find(folder: &Path) -> Result<Found, Failure> {
        let file = folder.join(Self::FILE);
        match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Found::Said)
                .map_err(|error| Failure::Argument(format!("{}: {error}", file.display()))),
            Err(_) if folder.join("Cargo.toml").is_file() => Ok(Found::RustPackage),
            Err(error) => Err(Failure::Argument(format!(
                "{} is no plugin's folder: it has no Cargo.toml, and {} cannot be read ({error}); `weir plugin new` begins one",
                folder.display(),
                file.display()
            ))),
        }
    }
}

/// Names are those of packages, of folders and of plugins in the configuration.
///
/// # Errors
/// What is wrong with it.
pub(super) fn checked_name(name: &str) -> Result<String, String> {
    const NAME_BYTES_MAX: usize = 40;
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match first && name.bytes().all(fits) && name.len() <= NAME_BYTES_MAX {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "a plugin's name begins with a letter and has small letters, digits and hyphens, at most {NAME_BYTES_MAX}"
        )),
    }
}
