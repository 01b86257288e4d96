//! `weir check`: read a configuration as `serve` would, and say what it means.
//! It must not open a socket.

use std::io::{self, Write};

use super::{CheckArguments, Failure, environment};
use crate::config::{self, Config, Listener, LogFormat, Model, Policy, Upstream, UpstreamModels};

/// Prints the schema, or what the configuration means.
pub(super) fn check(arguments: &CheckArguments, out: &mut dyn Write) -> Result<(), Failure> {
    if arguments.print_schema {
        writeln!(out, "{:#}", config::json_schema())?;
        return Ok(());
    }
    let path = arguments.config.locate()?;
    let config = Config::load(&path, &environment).map_err(Failure::Config)?;
    writeln!(out, "{}: ok", path.display())?;
    summary(out, &config)?;
    Ok(())
}

fn summary(out: &mut dyn Write, config: &Config) -> io::Result<()> {
    let sections = [
        ("listen", config.listen.iter().map(listener).collect()),
        ("admin", vec![admin(config)]),
        (
            "upstreams",
            config
                .upstreams
                .iter()
                .map(|upstream| self::upstream(upstream))
                .collect(),
        ),
        (
            "models",
            config
                .models
                .iter()
                .map(|(name, model)| self::model(name, model))
                .collect(),
        ),
        (
            "aliases",
            config
                .aliases
                .iter()
                .map(|(alias, model)| format!("{alias} → {model}"))
                .collect(),
        ),
        (
            "default upstream",
            config.default_upstream.iter().cloned().collect(),
        ),
        ("log", vec![log(config)]),
        ("warnings", config.warnings()),
    ];
    let told = sections.into_iter().filter(|(_, lines)| !lines.is_empty());
    for (title, lines) in told {
        writeln!(out, "\n{title}")?;
        for line in lines {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn listener(listener: &Listener) -> String {
    let protocols = match &listener.tls {
        Some(tls) => format!("TLS with {}, HTTP/1.1 and HTTP/2", tls.cert_file.display()),
        None => "cleartext, HTTP/1.1 and HTTP/2".to_owned(),
    };
    format!("{}  {protocols}", listener.address)
}

fn admin(config: &Config) -> String {
    config
        .admin
        .map_or("off".to_owned(), |address| address.to_string())
}

fn log(config: &Config) -> String {
    let format = match config.log.format {
        LogFormat::Json => "JSON",
        LogFormat::Text => "text",
    };
    match config.log.access {
        true => format!("{format}, one line an exchange"),
        false => format!("{format}, without a line for each exchange"),
    }
}

fn upstream(upstream: &Upstream) -> String {
    let kind = upstream.kind.facts().name;
    let keys: Vec<_> = upstream
        .keys
        .iter()
        .map(|key| match key.weight {
            1 => key.label.clone(),
            weight => format!("{}×{weight}", key.label),
        })
        .collect();
    let keys = match keys.is_empty() {
        true => "no keys".to_owned(),
        false => format!("keys {}", keys.join(", ")),
    };
    let models = match &upstream.models {
        UpstreamModels::Auto { refresh } => {
            format!("models learnt from it every {} s", refresh.as_secs_f64())
        }
        UpstreamModels::Listed(models) => format!("models {}", models.join(", ")),
        UpstreamModels::Targets => "models as under `models`".to_owned(),
    };
    format!(
        "{}  {kind}  {}  {keys}, {models}",
        upstream.name, upstream.base
    )
}

fn model(name: &str, model: &Model) -> String {
    let policy = match model.policy {
        Policy::RoundRobin => "round_robin",
        Policy::LeastInflight => "least_inflight",
    };
    let targets: Vec<_> = model
        .targets
        .iter()
        .map(|target| format!("tier {}: {} {}", target.tier, target.upstream, target.model))
        .collect();
    format!("{name}  {policy}  {}", targets.join("; "))
}
