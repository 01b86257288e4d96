//! What one plugin is to be, as the configuration has it. Two plugins with equal settings are one plugin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::hooks::{Hook, Kind};

#[derive(Debug, Clone, PartialEq)]
pub struct PluginSettings {
    /// Of the configuration; for metrics and log lines.
    pub name: String,
    pub source: Source,
    pub grants: Grants,
    pub limits: Limits,
    pub instance: Instance,
    /// `None`: as its kind has it, see [`OnError::of`].
    pub on_error: Option<OnError>,
    /// For the plugin itself; `null` where there is none.
    pub config_json: String,
}

/// Where a plugin's code is.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Wasm {
        path: PathBuf,
        /// The file's SHA-256; another file is refused.
        sha256: Option<[u8; 32]>,
    },
    /// A part of weir, by the name that [`super::Builtins`] knows it by.
    Builtin(String),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Wasm { path, .. } => path.display().fmt(out),
            Source::Builtin(name) => write!(out, "builtin `{name}`"),
        }
    }
}

/// What a plugin may use beside the exchange, the clock, chance, its log and its metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grants {
    pub kv: bool,
    /// `host` (its ports 80 and 443), `host:port` or `*.domain`.
    pub http: Vec<String>,
    /// By the name that the plugin asks for.
    pub secrets: BTreeMap<String, GrantedSecret>,
    /// Requests and answers in full, for observers.
    pub payloads: bool,
}

/// A secret's text; never shown.
#[derive(Clone, PartialEq)]
pub struct GrantedSecret(pub String);

impl fmt::Debug for GrantedSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GrantedSecret(…)")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one call; `None`: as the hook has it, see [`Limits::deadline_of`].
    pub deadline: Option<Duration>,
    /// Of one instance.
    pub memory_bytes: usize,
    /// Of what one call hands over.
    pub output_bytes: usize,
    /// Of the file.
    pub file_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            deadline: None,
            memory_bytes: 32 << 20,
            output_bytes: 8 << 20,
            file_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// How long a call of the hook may take.
    pub fn deadline_of(&self, hook: Hook) -> Duration {
        let millis = match hook {
            Hook::Pick | Hook::Stream | Hook::OnEvents | Hook::OnEnd => 2,
            Hook::Encode | Hook::Decoder | Hook::Push | Hook::Finish | Hook::Classify => 10,
            Hook::OnRequest | Hook::OnUpstreamRequest | Hook::OnResponse => 20,
            Hook::Authenticate => 50,
            Hook::OnLog => 1000,
        };
        self.deadline.unwrap_or(Duration::from_millis(millis))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    pub mode: Mode,
    /// At once; more calls wait.
    pub max: u32,
    /// Then another takes its place.
    pub calls_max: u32,
}

impl Default for Instance {
    fn default() -> Instance {
        Instance {
            mode: Mode::Shared,
            max: Mode::Shared.instances_max(),
            calls_max: 10_000,
        }
    }
}

/// Whom an instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Any exchange, one call at a time; streams of several exchanges live in it.
    Shared,
    /// One exchange, from its first call to its last.
    Exchange,
    /// One call, or one stream.
    Fresh,
}

impl Mode {
    /// Instances at once where the configuration does not say: those of one exchange last as long as it does.
    pub fn instances_max(self) -> u32 {
        match self {
            Mode::Shared => 4,
            Mode::Exchange | Mode::Fresh => 256,
        }
    }
}

/// What becomes of traffic when a plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnError {
    /// It passes as if the plugin were not there.
    Open,
    /// It does not pass.
    Closed,
}

impl OnError {
    /// Where the configuration does not say: what protects is closed, what helps is open. An adapter that fails has failed its attempt.
    pub fn of(kind: Kind) -> OnError {
        match kind {
            Kind::Guard | Kind::Auth | Kind::Adapter => OnError::Closed,
            Kind::Router | Kind::Observer => OnError::Open,
        }
    }
}
