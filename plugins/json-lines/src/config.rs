//! The configuration: where lines go, which fields they have, and what is hidden in them.

use serde_json::{Map, Value};

use crate::path::Path;

/// Times that one batch is sent again, at most.
const RETRIES_MAX: u64 = 5;
/// Length of one line in bytes, where the configuration says nothing. Longer ones lose their payloads, or are dropped.
const LINE_BYTES: usize = 256 * 1024;
/// Length of one request's body in bytes, where the configuration says nothing.
const BATCH_BYTES: usize = 1024 * 1024;
/// Bytes that wait for a server that cannot be reached, where the configuration says nothing.
const PENDING_BYTES: usize = 4 * 1024 * 1024;
/// What any of these may be set to.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
const TIMEOUT_MS: u32 = 5000;
const TIMEOUT_MS_MAX: u64 = 60_000;

pub(crate) struct Config {
    pub to: Destination,
    /// `None`: everything but the payloads.
    pub fields: Option<Vec<Path>>,
    /// Members of every line.
    pub add: Map<String, Value>,
    pub redact: Vec<Path>,
    /// What stands in the place of what is hidden.
    pub redacted: String,
    /// Addresses keep only their network: 24 bits of IPv4, 48 of IPv6.
    pub shorten_addresses: bool,
    pub line_bytes_max: usize,
}

pub(crate) enum Destination {
    Log,
    Http(Server),
}

pub(crate) struct Server {
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// The name of a secret that is granted, sent as `Authorization: Bearer`.
    pub token: Option<String>,
    pub timeout_ms: u32,
    /// Times that a batch is sent again within one call.
    pub retries: u64,
    pub batch_bytes_max: usize,
    pub pending_bytes_max: usize,
}

const SETTINGS: [&str; 14] = [
    "to",
    "url",
    "headers",
    "token",
    "timeout_ms",
    "retries",
    "batch_bytes",
    "pending_bytes",
    "fields",
    "add",
    "redact",
    "redacted",
    "shorten_addresses",
    "line_bytes",
];
/// Those of [`SETTINGS`] that mean nothing without a server.
const OF_SERVERS: [&str; 7] = [
    "url",
    "headers",
    "token",
    "timeout_ms",
    "retries",
    "batch_bytes",
    "pending_bytes",
];

impl Config {
    /// # Errors
    /// What is wrong, naming the member.
    pub(crate) fn parse(json: &str) -> Result<Config, String> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| format!("is no JSON: {error}"))?;
        let members = value
            .as_object()
            .ok_or("the configuration is no mapping; write at least `to: log`")?;
        if let Some(name) = members
            .keys()
            .find(|name| !SETTINGS.contains(&name.as_str()))
        {
            return Err(format!(
                "{name}: there is no such setting; there are {}",
                SETTINGS.join(", ")
            ));
        }
        let to = match members.get("to").map(|to| to.as_str()) {
            Some(Some("log")) => {
                match OF_SERVERS.iter().find(|name| members.contains_key(**name)) {
                    Some(name) => return Err(format!("{name}: goes with `to: http`")),
                    None => Destination::Log,
                }
            }
            Some(Some("http")) => Destination::Http(server(members)?),
            _ => return Err("to: write `log` or `http`".to_owned()),
        };
        let fields = match members.get("fields") {
            None => None,
            Some(fields) => Some(paths("fields", fields)?),
        };
        let redact = members
            .get("redact")
            .map_or(Ok(Vec::new()), |redact| paths("redact", redact))?;
        let add = match members.get("add") {
            None => Map::new(),
            Some(Value::Object(add)) => add.clone(),
            Some(_) => return Err("add: is no mapping".to_owned()),
        };
        Ok(Config {
            to,
            fields,
            add,
            redact,
            redacted: text(members, "redacted")?
                .unwrap_or("[redacted]")
                .to_owned(),
            shorten_addresses: match members.get("shorten_addresses") {
                None => false,
                Some(Value::Bool(flag)) => *flag,
                Some(_) => return Err("shorten_addresses: is neither true nor false".to_owned()),
            },
            line_bytes_max: bytes(members, "line_bytes", LINE_BYTES)?,
        })
    }
}

fn server(members: &Map<String, Value>) -> Result<Server, String> {
    let url = text(members, "url")?.ok_or("url: is missing; `to: http` needs one")?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!(
            "url: `{url}` begins with neither https:// nor http://"
        ));
    }
    let mut headers = Vec::new();
    match members.get("headers") {
        None => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                let value = value
                    .as_str()
                    .ok_or_else(|| format!("headers.{name}: is no text"))?;
                if name.eq_ignore_ascii_case("authorization") {
                    return Err("headers.authorization: name a secret with `token`".to_owned());
                }
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        Some(_) => return Err("headers: is no mapping".to_owned()),
    }
    let batch_bytes_max = bytes(members, "batch_bytes", BATCH_BYTES)?;
    Ok(Server {
        url: url.to_owned(),
        headers,
        token: text(members, "token")?.map(str::to_owned),
        timeout_ms: number(
            members,
            "timeout_ms",
            u64::from(TIMEOUT_MS),
            1,
            TIMEOUT_MS_MAX,
        )? as u32,
        retries: number(members, "retries", 2, 0, RETRIES_MAX)?,
        batch_bytes_max,
        pending_bytes_max: bytes(members, "pending_bytes", PENDING_BYTES)?.max(batch_bytes_max),
    })
}

fn text<'v>(members: &'v Map<String, Value>, name: &str) -> Result<Option<&'v str>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: is no text")),
    }
}

fn bytes(members: &Map<String, Value>, name: &str, default: usize) -> Result<usize, String> {
    let bytes = number(members, name, default as u64, 1024, BYTES_MAX)?;
    Ok(usize::try_from(bytes).unwrap_or(default))
}

fn number(
    members: &Map<String, Value>,
    name: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, String> {
    let Some(value) = members.get(name) else {
        return Ok(default);
    };
    let number = value
        .as_u64()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name}: {value} is no number from {least} to {most}"))
}

fn paths(name: &str, value: &Value) -> Result<Vec<Path>, String> {
    let items = value
        .as_array()
        .ok_or_else(|| format!("{name}: is no list"))?;
    let path = |item: &Value| {
        let path = item.as_str().and_then(Path::parse);
        path.ok_or_else(|| format!("{name}: {item} is no path such as `caller.tenant`"))
    };
    items.iter().map(path).collect()
}
