//! One line of the access log, in its two forms. It writes JSON by hand: a line is flat, most of its texts are plain, and
//! this is done for every request.

use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use crate::config::LogFormat;

/// Who asked what, where it went, how it ended. No prompt, no answer, no credential.
#[derive(Serialize)]
pub struct Line<'a> {
    pub time: Timestamp,
    pub request_id: &'a str,
    pub client: Option<&'a SocketAddr>,
    pub method: &'a str,
    pub path: &'a str,
    pub tenant: Option<&'a str>,
    /// Label of the client's key.
    pub caller: Option<&'a str>,
    pub operation: Option<&'static str>,
    pub model: Option<&'a str>,
    pub upstream: Option<&'a str>,
    pub endpoint: Option<&'a str>,
    pub key: Option<&'a str>,
    pub fallback: Option<&'a str>,
    pub attempts: u32,
    pub stream: bool,
    pub status: u16,
    pub fault: Option<&'static str>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub first_byte_ms: Option<f64>,
    pub duration_ms: f64,
}

/// A log line of ordinary size fits into this many bytes.
const LINE_BYTES: usize = 512;

impl Line<'_> {
    /// The line without its line end.
    pub fn write(&self, format: LogFormat) -> Vec<u8> {
        match format {
            LogFormat::Json => self.json(),
            LogFormat::Text => {
                text(&serde_json::to_value(self).expect("a flat line always serialises"))
            }
        }
    }

    /// As `serde_json` would write it.
    fn json(&self) -> Vec<u8> {
        let mut json = Json(Vec::with_capacity(LINE_BYTES));
        json.text("{\"time\":", Some(self.time.as_str()));
        json.text(",\"request_id\":", Some(self.request_id));
        json.address(",\"client\":", self.client);
        json.text(",\"method\":", Some(self.method));
        json.text(",\"path\":", Some(self.path));
        json.text(",\"tenant\":", self.tenant);
        json.text(",\"caller\":", self.caller);
        json.text(",\"operation\":", self.operation);
        json.text(",\"model\":", self.model);
        json.text(",\"upstream\":", self.upstream);
        json.text(",\"endpoint\":", self.endpoint);
        json.text(",\"key\":", self.key);
        json.text(",\"fallback\":", self.fallback);
        json.number(",\"attempts\":", Some(self.attempts));
        json.number(",\"stream\":", Some(self.stream));
        json.number(",\"status\":", Some(self.status));
        json.text(",\"fault\":", self.fault);
        json.number(",\"input_tokens\":", self.input_tokens);
        json.number(",\"output_tokens\":", self.output_tokens);
        json.number(",\"first_byte_ms\":", self.first_byte_ms);
        json.number(",\"duration_ms\":", Some(self.duration_ms));
        json.0.push(b'}');
        json.0
    }
}

struct Json(Vec<u8>);

impl Json {
    fn text(&mut self, key: &str, value: Option<&str>) {
        self.0.extend_from_slice(key.as_bytes());
        match value {
            None => self.0.extend_from_slice(b"null"),
            Some(text) if is_plain(text) => {
                self.0.push(b'"');
                self.0.extend_from_slice(text.as_bytes());
                self.0.push(b'"');
            }
            Some(text) => self.any(&text),
        }
    }

    fn number(&mut self, key: &str, value: Option<impl Serialize>) {
        self.0.extend_from_slice(key.as_bytes());
        self.any(&value);
    }

    fn any(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.0, value).expect("a flat value always serialises");
    }

    fn address(&mut self, key: &str, value: Option<&SocketAddr>) {
        let Some(SocketAddr::V4(address)) = value else {
            // Rarer, and longer to write.
            let address = value.map(SocketAddr::to_string);
            return self.text(key, address.as_deref());
        };
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'"');
        for (place, octet) in address.ip().octets().into_iter().enumerate() {
            if place > 0 {
                self.0.push(b'.');
            }
            self.any(&octet);
        }
        self.0.push(b':');
        self.any(&address.port());
        self.0.push(b'"');
    }
}

/// Whether JSON writes the text as it is.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// `name=value` pairs in the order of the JSON form; what is not known is left out.
fn text(fields: &serde_json::Value) -> Vec<u8> {
    let known = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null());
    let words: Vec<String> = known
        .map(|(name, value)| match value.as_str() {
            Some(text) if !text.contains([' ', '"', '=', '\n']) => format!("{name}={text}"),
            _ => format!("{name}={value}"),
        })
        .collect();
    words.join(" ").into_bytes()
}

/// A moment as `2026-11-20T14:13:58.184Z`.
#[derive(Clone, Copy, Serialize)]
#[serde(into = "String")]
pub struct Timestamp([u8; 24]);

/// The bytes of a timestamp up to its seconds.
const SECOND_BYTES: usize = "2026-11-20T14:13:58".len();

impl Timestamp {
    /// This moment, by the system's clock.
    pub fn now() -> Timestamp {
        Timestamp::at(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    fn at(since_epoch: Duration) -> Timestamp {
        // Many lines are written in one second, and its text costs more than all the rest of them.
        thread_local! {
            static LAST: RefCell<(u64, [u8; SECOND_BYTES])> =
                const { RefCell::new((u64::MAX, [b'0'; SECOND_BYTES])) };
        }
        let seconds = since_epoch.as_secs();
        let text = LAST.with_borrow_mut(|last| {
            if last.0 != seconds {
                *last = (seconds, second(seconds));
            }
            last.1
        });
        let mut bytes = *b"0000-00-00T00:00:00.000Z";
        bytes[..SECOND_BYTES].copy_from_slice(&text);
        let mut rest = &mut bytes[SECOND_BYTES..];
        write!(rest, ".{:03}Z", since_epoch.subsec_millis()).expect("it fits");
        Timestamp(bytes)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a timestamp is ASCII")
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.as_str().to_owned()
    }
}

/// Years of four digits only; a clock that is further off than that is written as the year 0.
fn second(seconds: u64) -> [u8; SECOND_BYTES] {
    let moment = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let text = moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true));
    let text = text.and_then(|text| text.as_bytes().get(..SECOND_BYTES)?.try_into().ok());
    text.unwrap_or(*b"0000-00-00T00:00:00")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line<'a>(text: &'a str, client: Option<&'a SocketAddr>, number: f64) -> Line<'a> {
        Line {
            time: Timestamp::at(Duration::from_millis(1_795_184_038_084)),
            request_id: text,
            client,
            method: "POST",
            path: text,
            tenant: Some(text),
            caller: None,
            operation: Some("chat"),
            model: Some(text),
            upstream: None,
            endpoint: Some("127.0.0.1:1"),
            key: Some(text),
            fallback: None,
            attempts: 3,
            stream: number > 1.0,
            status: 200,
            fault: None,
            input_tokens: Some(u64::MAX),
            output_tokens: None,
            first_byte_ms: Some(number),
            duration_ms: number,
        }
    }

    #[test]
    fn a_line_is_what_serde_json_would_write() {
        let addresses = [
            "127.0.0.1:1",
            "10.200.3.40:65535",
            "[::1]:80",
            "[fe80::1%3]:9",
        ];
        for address in addresses {
            let address = address.parse().unwrap();
            for text in [
                "",
                "plain",
                "q\"b\\s\n\u{1}\u{7f}",
                "é🧑‍🚀\u{2028}",
                "a b/c?d=e",
            ] {
                for number in [0.0, 0.001, 1.5, 12_345.678, 1e21] {
                    for client in [None, Some(&address)] {
                        let line = line(text, client, number);
                        let expected = serde_json::to_string(&line).unwrap();
                        assert_eq!(String::from_utf8(line.json()).unwrap(), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn timestamps_are_rfc_3339_in_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (1_709_164_799_007, "2024-02-28T23:59:59.007Z"),
            (1_709_251_199_010, "2024-02-29T23:59:59.010Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (milliseconds, expected) in cases {
            let timestamp = Timestamp::at(Duration::from_millis(milliseconds));
            assert_eq!(timestamp.as_str(), expected);
        }
    }

    #[test]
    fn text_lines_leave_out_what_is_unknown_and_quote_what_has_spaces() {
        let fields = json!({"a": 1, "b": null, "c": "x", "d": "x y", "e": "line\nbreak"});
        assert_eq!(
            String::from_utf8(text(&fields)).unwrap(),
            r#"a=1 c=x d="x y" e="line\nbreak""#
        );
    }
}
