//! Scalars of the file that are more than text: durations, sizes, addresses, `off`, kinds. Each is one parser, which
//! both the schema check and the reader use. It must not know which setting a value belongs to.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Kind, units};

/// `off`, also where a YAML 1.1 tool made `false` of it.
#[derive(Debug)]
pub(super) struct Off;

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
        // Formats of numbers (`uint32`); their ranges are checked as such.
        _ => Ok(()),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        Duration::ZERO => {
            Err("is no time at all, and everything would time out; write for example `30s`".into())
        }
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
