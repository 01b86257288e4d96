//! `weir plugin check`: what a component is, what it asks for, and whether it takes its configuration.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use wit_parser::decoding::{DecodedWasm, decode};

use super::build::sha256;
use super::stage::{FILE_BYTES_MAX, Loaded, Stage};
use crate::cli::Failure;
use crate::plugin::{GrantedSecret, Grants, Limits};

/// As the gateway allows a plugin for its start.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    given: Given,
}

/// What the gateway's configuration would give the plugin.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// Its configuration as JSON, or @FILE that has it
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub config: String,
    /// Grant it the store of keys and values
    #[arg(long)]
    pub kv: bool,
    /// Grant it a secret; may be repeated
    #[arg(long = "secret", value_name = "NAME=TEXT")]
    pub secrets: Vec<String>,
}

impl Given {
    /// # Errors
    /// Where it is no JSON, or no secret.
    pub(super) fn config_json(&self) -> Result<String, Failure> {
        let text = match self.config.strip_prefix('@') {
            Some(file) => fs::read_to_string(file)
                .map_err(|error| Failure::Argument(format!("--config: {file}: {error}")))?,
            None => self.config.clone(),
        };
        let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let config =
            read.map_err(|error| Failure::Argument(format!("--config is no JSON: {error}")))?;
        Ok(config.to_string())
    }

    /// # Errors
    /// Where a secret has no name.
    pub(super) fn grants(&self) -> Result<Grants, Failure> {
        let secret = |text: &String| {
            let pair = text
                .split_once('=')
                .map(|(name, text)| (name.to_owned(), GrantedSecret(text.to_owned())));
            pair.ok_or_else(|| Failure::Argument("--secret: write `NAME=TEXT`".to_owned()))
        };
        Ok(Grants {
            kv: self.kv,
            secrets: self.secrets.iter().map(secret).collect::<Result<_, _>>()?,
            ..Grants::default()
        })
    }
}

pub(super) fn run(check: &Check, out: &mut dyn Write) -> Result<(), Failure> {
    let shown = check.file.display();
    let bytes =
        fs::read(&check.file).map_err(|error| Failure::Argument(format!("{shown}: {error}")))?;
    let (config, grants) = (check.given.config_json()?, check.given.grants()?);
    let loaded = Stage::new(None, DEADLINE).load(&check.file, &config, grants);
    let loaded = loaded.map_err(|problem| Failure::Refused {
        code: "unfit".to_owned(),
        message: format!("{shown}: {problem}"),
    })?;
    let kinds = loaded.state().kinds;
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.named()).collect();
    writeln!(out, "{shown}: {}", kinds.join(" and "))?;
    writeln!(out, "  size     {}", size(bytes.len()))?;
    writeln!(out, "  sha256   {}", sha256(&bytes))?;
    writeln!(out, "  imports  {}", imports(&bytes).join(", "))?;
    for line in promises(&loaded) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "  takes its configuration")?;
    Ok(())
}

fn size(bytes: usize) -> String {
    match bytes > Limits::default().file_bytes {
        true => format!(
            "{bytes} bytes: needs `limits: {{ size: {}MiB }}`, and at most {} MiB can be tried here",
            bytes.div_ceil(1 << 20),
            FILE_BYTES_MAX >> 20
        ),
        false => format!("{bytes} bytes"),
    }
}

/// Names of the interfaces that it imports, those of the contract without its name. Interpreters import all of them, used or not.
fn imports(bytes: &[u8]) -> Vec<String> {
    let Ok(DecodedWasm::Component(resolve, world)) = decode(bytes) else {
        return Vec::new();
    };
    let keys = resolve.worlds[world].imports.keys();
    let names = keys.map(|key| resolve.name_world_key(key));
    let short = |name: String| {
        let own = name
            .strip_prefix("weir:plugin/")
            .and_then(|name| name.split('@').next());
        own.map_or_else(|| name.clone(), str::to_owned)
    };
    names.map(short).filter(|name| name != "types").collect()
}

/// What the plugin says of itself.
fn promises(loaded: &Loaded) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(guard) = loaded.guard() {
        let wants = guard.wants();
        let seen = [
            (wants.requests, "requests"),
            (wants.answers, "answers"),
            (wants.streams, "streams"),
            (wants.whole_answers, "streams as whole answers"),
        ];
        let seen = seen
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, name)| name);
        lines.push(format!("wants    {}", seen.collect::<Vec<_>>().join(", ")));
    }
    if let Ok(adapter) = loaded.adapter() {
        lines.push(format!(
            "speaks   {}",
            super::shown::adapter(adapter.describe())
        ));
    }
    lines
}
