//! One fault to commit, and when: as text for flags, headers and prompts, and as JSON for the control endpoint.
//! It must not know how a fault is carried out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

pub use super::fault_table::{FAULTS, FaultKind};
use super::options::parse_duration;

/// One fault to commit, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    /// The variant, one of the table's `styles`; the first where the text names none.
    pub style: &'static str,
    /// `status=N`: the status to answer.
    pub code: Option<u16>,
    /// Events sent before it happens.
    pub after: Option<u32>,
    /// How long it lasts; `None`: until the client goes away (a stall), or the kind's own default.
    pub lasting: Option<Duration>,
    /// A size, in bytes or events, as the table says.
    pub size: Option<usize>,
    /// Seconds in the `Retry-After` header of `status`.
    pub retry_after: Option<u32>,
    /// How many requests it falls on; `None`: no end.
    pub count: Option<u32>,
    /// Requests let through first.
    pub skip: u32,
    /// Share of requests it falls on, 0.0 to 1.0.
    pub share: Option<f64>,
    /// Only requests whose path begins so. `None`: every endpoint that runs a model.
    pub path: Option<String>,
    /// Only on the simulated host of this name.
    pub host: Option<String>,
    /// Only requests that show this key.
    pub key: Option<String>,
}

impl Fault {
    pub fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            style: kind.facts().styles[0],
            code: None,
            after: None,
            lasting: None,
            size: None,
            retry_after: None,
            count: None,
            skip: 0,
            share: None,
            path: None,
            host: None,
            key: None,
        }
    }

    /// Reads the control endpoint's form: `{"fault": "reset", "after": 3, "count": 1}`.
    ///
    /// # Errors
    /// What is wrong with it, in words for its author.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object = value
            .as_object()
            .ok_or("a fault is an object such as {\"fault\": \"reset\", \"after\": 3}")?;
        let name = object
            .get("fault")
            .and_then(Value::as_str)
            .ok_or("\"fault\" is missing: it names the fault")?;
        let mut fault: Self = name.parse()?;
        for (key, value) in object.iter().filter(|(key, _)| *key != "fault") {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_string);
            fault.set(key, &value)?;
        }
        Ok(fault)
    }

    pub fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("fault".into(), self.kind.facts().name.into());
        let mut add = |key: &str, value: Value| {
            if !value.is_null() && value != "" {
                object.insert(key.into(), value);
            }
        };
        add("style", self.style.into());
        add("code", self.code.into());
        add("after", self.after.into());
        add(
            "for",
            self.lasting
                .map(|lasting| format!("{}us", lasting.as_micros()))
                .into(),
        );
        add("size", self.size.into());
        add("retry_after", self.retry_after.into());
        add("count", self.count.into());
        add("skip", (self.skip > 0).then_some(self.skip).into());
        add("share", self.share.into());
        add("path", self.path.clone().into());
        add("host", self.host.clone().into());
        add("key", self.key.clone().into());
        Value::Object(object)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let facts = self.kind.facts();
        match key {
            "code" => self.code = Some(number(key, value)?),
            "after" => self.after = Some(number(key, value)?),
            "for" => self.lasting = Some(parse_duration(value)?),
            "size" => self.size = Some(number::<usize>(key, value)?.clamp(1, SIZE_MAX)),
            "retry_after" => self.retry_after = Some(number(key, value)?),
            "count" => self.count = Some(number(key, value)?),
            "skip" => self.skip = number(key, value)?,
            "share" => self.share = Some(number::<f64>(key, value)?),
            "path" => self.path = Some(value.to_string()),
            "host" => self.host = Some(value.to_string()),
            "key" => self.key = Some(value.to_string()),
            "style" => {
                let known = facts.styles.iter().find(|style| **style == value);
                self.style = known.ok_or_else(|| {
                    format!(
                        "{}: unknown style \"{value}\": use one of {:?}",
                        facts.name, facts.styles
                    )
                })?;
            }
            _ => {
                return Err(format!(
                    "{}: unknown parameter \"{key}\": use code, after, for, size, style, retry_after, count, skip, share, path, host or key",
                    facts.name
                ));
            }
        }
        Ok(())
    }
}

/// Largest `size=`: what one event or write may be padded to, in bytes.
const SIZE_MAX: usize = 256 << 20;

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key}: \"{value}\" is not a number that fits"))
}

/// The text form, for flags, headers and prompts: `reset after=3 count=1`, `status=429 retry_after=2`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let first = words
            .next()
            .ok_or("a fault is empty: name one, such as \"reset after=3\"")?;
        let (name, code) = first
            .split_once('=')
            .map_or((first, None), |(name, code)| (name, Some(code)));
        let facts = FaultKind::named(name).ok_or_else(|| {
            format!(
                "unknown fault \"{name}\": use one of {}",
                FAULTS.map(|facts| facts.name).join(", ")
            )
        })?;
        let mut fault = Self::of(facts.kind);
        if let Some(code) = code {
            fault.set("code", code)?;
        }
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("{name}: \"{word}\" is not key=value"))?;
            fault.set(key, value)?;
        }
        if fault.kind == FaultKind::Status && fault.code.is_none() {
            return Err("status: which one? write status=429".into());
        }
        if fault.code.is_some_and(|code| !(200..=599).contains(&code)) {
            return Err(format!(
                "{name}: {} is no final HTTP status",
                fault.code.unwrap_or_default()
            ));
        }
        Ok(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.facts().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_forms_agree() {
        let text: Fault = "status=429 retry_after=2,count=1 host=a skip=3 for=5ms share=0.5"
            .parse()
            .unwrap();
        let json = serde_json::json!({
            "fault": "status=429", "retry_after": 2, "count": 1, "host": "a", "skip": 3, "for": "5ms", "share": 0.5
        });
        assert_eq!(Fault::from_json(&json), Ok(text.clone()));
        assert_eq!(text.to_json()["for"], "5000us");
    }

    #[test]
    fn a_wrong_fault_is_refused_with_the_way_out() {
        for (text, says) in [
            ("", "empty"),
            ("rest", "reset_before"),
            ("reset after", "key=value"),
            ("reset after=x", "not a number"),
            ("reset when=3", "unknown parameter"),
            ("crlf style=lf", "unknown style"),
            ("status", "which one"),
            ("status=99", "no final HTTP status"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
