//! `weir check`: read a configuration as `serve` would, and say what it means.
//! It must not open a socket.

mod agreed;
mod model;
mod upstream;

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::{CheckArguments, Failure, environment};
use crate::config::{self, Config, Failover, Listener, ListenerTls, LogFormat, TlsVersion};

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
        ("reload", vec![reload(config)]),
        ("failover", failover(&config.failover)),
        ("access", agreed::access(config)),
        ("tenants", agreed::tenants(config)),
        ("plans", agreed::plans(config)),
        ("limits", agreed::limits(config)),
        ("prices", agreed::prices(config)),
        ("usage", agreed::usage(config)),
        ("store", agreed::store(config)),
        (
            "upstreams",
            config
                .upstreams
                .iter()
                .flat_map(|upstream| upstream::lines(upstream))
                .collect(),
        ),
        (
            "models",
            config
                .models
                .iter()
                .flat_map(|(name, model)| model::lines(name, model))
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
        ("warnings", warnings(config)),
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
        Some(tls) => self::tls(tls),
        None => "cleartext, HTTP/1.1 and HTTP/2".to_owned(),
    };
    format!("{}  {protocols}", listener.address)
}

fn tls(tls: &ListenerTls) -> String {
    let version = match tls.min_version {
        TlsVersion::V1_2 => "TLS 1.2 or 1.3",
        TlsVersion::V1_3 => "TLS 1.3",
    };
    let files = tls.certificates.iter();
    let files: Vec<_> = files
        .map(|certificate| certificate.cert_file.display().to_string())
        .collect();
    let clients = tls.clients.as_ref().map_or(String::new(), |clients| {
        let verb = if clients.required { "must" } else { "may" };
        let ca_file = clients.ca_file.display();
        format!("; clients {verb} show a certificate of {ca_file}")
    });
    let files = files.join(", ");
    format!("{version} with {files}, HTTP/1.1 and HTTP/2{clients}")
}

fn admin(config: &Config) -> String {
    let Some(admin) = &config.admin else {
        return "off".to_owned();
    };
    let address = admin.address;
    match admin.token {
        Some(_) => format!("{address}  with a token"),
        None => address.to_string(),
    }
}

fn reload(config: &Config) -> String {
    let asked = "on SIGHUP and POST /admin/v1/reload";
    match (config.reload.watch, config.files.len()) {
        (None, _) => asked.to_owned(),
        (Some(quiet), count) => {
            let files = if count == 1 {
                "the file has".to_owned()
            } else {
                format!("one of {count} files has")
            };
            format!(
                "{asked}, and when {files} changed and {} passed",
                time(quiet)
            )
        }
    }
}

fn failover(failover: &Failover) -> Vec<String> {
    let repeated = match failover.repeat_sent {
        true => "requests that may have been worked on are repeated elsewhere",
        false => "requests that may have been worked on are not repeated",
    };
    vec![
        format!(
            "{} attempts within {}; {repeated}",
            failover.attempts,
            time(failover.deadline)
        ),
        format!(
            "retries up to {} % of the requests, and {} a second in any case",
            (failover.budget * 1e4).round() / 1e2,
            failover.budget_floor
        ),
        format!(
            "waits {} to {} before the same endpoint, {} for a key, {} for hosts that load",
            time(failover.backoff),
            time(failover.backoff_max),
            time(failover.key_wait),
            time(failover.cold_start_wait)
        ),
    ]
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

fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.warnings();
    warnings.extend(config.expired_keys(SystemTime::now()));
    warnings
}

/// `5 s`, `0.1 s`
fn time(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
