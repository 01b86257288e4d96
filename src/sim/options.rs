//! What a simulated host is asked to be: the settings, their defaults, and the kinds of engine it can imitate.
//! It must not know the command line or the network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::fault::Fault;
use super::quirks::{Quirk, Quirks, Unsupported};

/// Every setting of a simulated host. `Options::default()` is `weir sim --port 0`.
#[derive(Debug, Clone)]
pub struct Options {
    pub host: IpAddr,
    /// 0: any free port.
    pub port: u16,
    pub kind: EngineKind,
    /// The models served, the first being the one that metrics name.
    pub models: Vec<String>,
    /// Time from the start of work on a request to its first token.
    pub ttft: Duration,
    /// Time between tokens of one stream. Zero: as fast as the connection takes them.
    pub itl: Duration,
    /// Length of an answer in tokens, where the request allows it.
    pub tokens: usize,
    pub seed: u64,
    /// How long after the start the host answers 503.
    pub loading: Duration,
    /// Where set, requests must show this key, as the dialect has it: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `?key=`.
    pub api_key: Option<String>,
    /// Requests worked on at once; more wait their turn. `None`: no limit.
    pub slots: Option<usize>,
    /// What answers name as `system_fingerprint` and in the `x-sim-name` header.
    pub name: String,
    /// Faults armed from the start.
    pub faults: Vec<Fault>,
    /// Share of requests that a fault without a share or count of its own falls on, 0.0 to 1.0.
    pub fault_rate: f64,
    /// Whether the same request always gets the same `id` and `created`, for comparisons byte by byte.
    pub fixed_ids: bool,
    /// How long an HTTP/1.1 connection may be idle before the host closes it, as uvicorn does after 5 s. `None`: for good.
    pub idle_close: Option<Duration>,
    /// PEM files of the certificate chain and the private key; both or neither.
    pub tls: Option<TlsFiles>,
    /// Whether events that are due together may share a write. Else every event is a write of its own, as engines do it.
    pub coalesce: bool,
    /// Gets one line of JSON for each exchange when it ends; what stands in it stays.
    pub served: Option<PathBuf>,
    /// Manners of single vendors.
    pub quirks: Vec<Quirk>,
    /// What the models do not support.
    pub refuses: Vec<Unsupported>,
    /// Worker threads of the process that `sim::run` starts. `None`: one a core.
    pub threads: Option<usize>,
}

/// Where the certificate and its key lie, as PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Options {
    /// The quirks as a set.
    pub fn quirks(&self) -> Quirks {
        self.quirks.iter().copied().collect()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            kind: EngineKind::Vllm,
            models: vec!["llama-3.1-8b".into()],
            ttft: Duration::from_millis(40),
            itl: Duration::from_millis(8),
            tokens: 64,
            seed: 0,
            loading: Duration::ZERO,
            api_key: None,
            slots: None,
            name: "sim".into(),
            faults: Vec::new(),
            fault_rate: 1.0,
            fixed_ids: false,
            idle_close: None,
            tls: None,
            coalesce: false,
            served: None,
            quirks: Vec::new(),
            refuses: Vec::new(),
            threads: None,
        }
    }
}

/// The engine whose manners the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Vllm,
    Sglang,
    Tgi,
    Trtllm,
    Llamacpp,
    Ollama,
    Openai,
    Anthropic,
    Gemini,
}

impl EngineKind {
    pub const ALL: [Self; 9] = [
        Self::Vllm,
        Self::Sglang,
        Self::Tgi,
        Self::Trtllm,
        Self::Llamacpp,
        Self::Ollama,
        Self::Openai,
        Self::Anthropic,
        Self::Gemini,
    ];

    /// Whether it speaks OpenAI's API at `/v1` and at the root.
    pub fn speaks_openai(self) -> bool {
        !matches!(self, Self::Anthropic | Self::Gemini)
    }

    /// Whether it is a vendor's own API, at which requests must name a model.
    pub fn is_hosted(self) -> bool {
        matches!(self, Self::Openai | Self::Anthropic | Self::Gemini)
    }

    /// The name that `--kind` takes; the same as the upstream kind in weir's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Tgi => "tgi",
            Self::Trtllm => "trtllm",
            Self::Llamacpp => "llamacpp",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                format!(
                    "unknown kind \"{name}\": use one of {}",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

/// Reads a duration such as `40ms`, `1.5s`, `2m` or `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_length = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_length);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number.parse() == Ok(0.0) => 1.0,
        _ => {
            return Err(format!(
                "\"{text}\" is not a duration: write a number and us, ms, s, m or h, such as 40ms"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("\"{text}\" is not a duration: \"{number}\" is not a number"))?;
    Duration::try_from_secs_f64(number * seconds_per_unit)
        .map_err(|error| format!("\"{text}\" is not a duration: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, micros) in [
            ("0", 0),
            ("40ms", 40_000),
            ("1.5s", 1_500_000),
            ("250us", 250),
            ("2m", 120_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_micros(micros)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "ms",
            "1 s",
            "-1s",
            "1.2.3s",
            "9999999999999999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kinds_read_their_own_names() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("vlm".parse::<EngineKind>().unwrap_err().contains("vllm"));
    }
}
