//! Scalars of the file that are more than text: durations, sizes, shares, times, addresses, `off`, kinds. Each is one
//! parser, which both the schema check and the reader use. It must not know which setting a value belongs to.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Kind, TlsVersion, units, utc};
use crate::terms::{Money, Period};

/// `off`, also where a YAML 1.1 tool made `false` of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Off;

/// A version of TLS: text, or the number that YAML makes of `1.2` without quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawTlsVersion(pub TlsVersion);

/// A scalar that is checked while it is read: text of a format that the schema names.
macro_rules! scalar {
    ($name:ident($value:ty), $format:literal, $parse:expr, $text:expr, $schema:tt) => {
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name(pub $value);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = match serde_json::Value::deserialize(deserializer)? {
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                };
                $parse(&text).map(Self).map_err(D::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$text(self.0))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

scalar!(RawDuration(Duration), "duration", positive_duration, units::duration_text,
    {"type": "string", "format": "weir-duration", "pattern": units::DURATION_PATTERN});
scalar!(RawDelay(Duration), "delay", units::duration, units::duration_text,
    {"type": "string", "format": "weir-delay", "pattern": units::DURATION_PATTERN});
scalar!(RawSize(usize), "size", units::size, units::size_text,
    {"anyOf": [{"type": "string", "format": "weir-size", "pattern": units::SIZE_PATTERN}, {"type": "integer", "minimum": 1}]});
scalar!(RawAddress(SocketAddr), "address", address, |address: SocketAddr| address.to_string(),
    {"type": "string", "format": "weir-address"});
scalar!(RawEndpoint(SocketAddr), "endpoint", endpoint, |address: SocketAddr| address.to_string(),
    {"type": "string", "format": "weir-endpoint"});
scalar!(RawShare(f64), "share", units::share, units::share_text,
    {"anyOf": [{"type": "string", "format": "weir-share", "pattern": units::SHARE_PATTERN}, {"type": "number", "format": "weir-share", "minimum": 0, "maximum": 1}]});
scalar!(RawTime(SystemTime), "time", utc::parse, utc::text,
    {"type": "string", "format": "weir-time"});
scalar!(RawDays(u32), "days", units::days, |days: u32| format!("{days}d"),
    {"type": "string", "format": "weir-days", "pattern": units::DAYS_PATTERN});
scalar!(RawNetwork(IpNet), "network", network, |network: IpNet| network.to_string(),
    {"type": "string", "format": "weir-network"});

/// Checks a text against a format of the schema.
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub(super) fn check_format(format: &str, text: &str) -> Result<(), String> {
    match format {
        "weir-duration" => positive_duration(text).map(drop),
        "weir-delay" => units::duration(text).map(drop),
        "weir-size" => units::size(text).map(drop),
        "weir-address" => address(text).map(drop),
        "weir-endpoint" => endpoint(text).map(drop),
        "weir-share" => units::share(text).map(drop),
        "weir-time" => utc::parse(text).map(drop),
        "weir-path" => path(text),
        "weir-days" => units::days(text).map(drop),
        "weir-network" => network(text).map(drop),
        "weir-money" => money(text),
        "weir-period" => Period::parse(text).map(drop),
        // Formats of numbers (`uint32`); their ranges are checked as such.
        _ => Ok(()),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        Duration::ZERO => Err("is no time at all; write for example `30s`".into()),
        duration => Ok(duration),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let port = port.unwrap_or(8080);
        format!("is not an IP address with a port; write `127.0.0.1:{port}` for this machine alone or `0.0.0.0:{port}` for every network")
    })
}

/// Where something is connected to, and not listened on.
fn endpoint(text: &str) -> Result<SocketAddr, String> {
    let way_out = "write for example `10.0.0.11:8000`; the name of a host belongs in `url`";
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => {
            Err("has port 0, to which nothing can connect".into())
        }
        Ok(address) => Ok(address),
        Err(_) => Err(format!("is not an IP address with a port; {way_out}")),
    }
}

/// A network, or one address as the network of itself alone.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network = text.parse::<IpNet>().map_err(|_| {
        "is not an address or a network; write for example `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`"
    })?;
    match network.trunc() {
        whole if whole == network => Ok(network),
        whole => Err(format!(
            "is an address within a network; write `{whole}` for the network"
        )),
    }
}

/// No amount of the file is negative.
fn money(text: &str) -> Result<(), String> {
    match text.parse::<Money>()? {
        amount if amount.is_negative() => Err("is negative; the least is 0".into()),
        _ => Ok(()),
    }
}

/// The path of a request, with or without a query.
fn path(text: &str) -> Result<(), String> {
    let is_sound = text.starts_with('/')
        && !text.contains('#')
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_sound {
        true => Ok(()),
        false => Err("is not a path; it begins with a slash, as in `/health`".into()),
    }
}

impl Serialize for Off {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("off")
    }
}

impl<'de> Deserialize<'de> for Off {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Bool(false) => Ok(Off),
            serde_json::Value::String(text) if text == "off" => Ok(Off),
            _ => Err(D::Error::custom("expected `off`")),
        }
    }
}

impl JsonSchema for Off {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Off".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["off", false]})
    }
}

impl Serialize for RawTlsVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawTlsVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        serde_json::from_value(text.into())
            .map(Self)
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for RawTlsVersion {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TlsVersion".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["1.2", "1.3", 1.2, 1.3]})
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Kind::parse(&name).ok_or_else(|| D::Error::custom("unknown kind"))
    }
}

impl JsonSchema for Kind {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Kind::ALL.map(|kind| kind.facts().name);
        json_schema!({"type": "string", "enum": names})
    }
}
