//! The last stage: what happened in an exchange goes into metrics and one access-log line, once, on every path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use http::HeaderValue;
use pingora_proxy::Session;
use prometheus::IntGauge;
use serde::Serialize;

use crate::config::LogFormat;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::metrics::{NONE, UNKNOWN_MODEL};
use crate::route::Plan;
use crate::upstream::Endpoint;
use crate::wire::{Operation, Usage};

use super::request_id;

/// Connections of HTTP/1.1 clients that are idle for this long are closed. In seconds.
const IDLE_SECONDS: u64 = 300;

/// What is known of an exchange so far. Stages write it; only `settle` reads it.
pub struct Record {
    pub begun: Instant,
    pub request_id: HeaderValue,
    pub operation: Option<Operation>,
    pub model: ModelName,
    /// The upstream of the last attempt.
    pub upstream: Option<Arc<Endpoint>>,
    /// The label of the key of the last attempt.
    pub key: Option<String>,
    pub attempts: u32,
    pub stream: bool,
    /// The status that the client saw, or would have seen.
    pub status: u16,
    pub fault: Option<Fault>,
    pub usage: Option<Usage>,
    /// From the beginning to the first byte of the answer's body for the client.
    pub first_byte: Option<Duration>,
    /// When the request's body had arrived.
    received: Option<Instant>,
    in_flight: Option<InFlight>,
}

/// The model that a request asked for.
pub enum ModelName {
    /// None, or none yet.
    None,
    /// One that a route stands for.
    Known(Arc<str>),
    /// Any other, as the client wrote it: for the log only.
    Unknown(String),
}

impl Record {
    /// A record of an exchange that begins now.
    pub fn begin() -> Record {
        Record {
            begun: Instant::now(),
            request_id: HeaderValue::from_static(""),
            operation: None,
            model: ModelName::None,
            upstream: None,
            key: None,
            attempts: 0,
            stream: false,
            status: 0,
            fault: None,
            usage: None,
            first_byte: None,
            received: None,
            in_flight: None,
        }
    }

    /// Counts the exchange in, once its head has been read.
    pub fn enter(&mut self, session: &mut Session, gateway: &Gateway) {
        self.request_id = request_id::take_or_make(&session.req_header().headers);
        self.in_flight = Some(InFlight::enter(&gateway.metrics.in_flight));
        // Pingora would keep an idle connection without end.
        if session.get_keepalive() == Some(0) {
            session.set_keepalive(Some(IDLE_SECONDS));
        }
        // Without it, bytes of a next request that come early would pass for the client's going away.
        session.set_pipelining_enabled(true);
    }

    /// Notes that the request has arrived whole.
    pub fn note_received(&mut self, stream: bool) {
        self.stream = stream;
        self.received = Some(Instant::now());
    }

    /// Counts an attempt. What weir itself took is the time from the whole request to the first of them.
    pub fn note_attempt(&mut self, gateway: &Gateway) {
        self.attempts += 1;
        if let Some(received) = self.received.take() {
            gateway
                .metrics
                .overhead_seconds
                .observe(received.elapsed().as_secs_f64());
        }
    }

    /// Notes the moment of the first byte for the client; later calls change nothing.
    pub fn note_first_byte(&mut self) {
        self.first_byte.get_or_insert_with(|| self.begun.elapsed());
    }

    fn upstream_name(&self) -> &str {
        self.upstream
            .as_ref()
            .map_or(NONE, |endpoint| &endpoint.upstream.name)
    }
}

impl ModelName {
    /// The name that was asked for, and where that leads.
    pub fn of(asked: &str, plan: Option<&Plan>) -> ModelName {
        match plan.and_then(|plan| plan.model.clone()) {
            Some(known) => ModelName::Known(known),
            None => ModelName::Unknown(asked.to_owned()),
        }
    }

    fn label(&self) -> &str {
        match self {
            ModelName::None => NONE,
            ModelName::Known(name) => name,
            ModelName::Unknown(_) => UNKNOWN_MODEL,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            ModelName::None => None,
            ModelName::Known(name) => Some(name),
            ModelName::Unknown(name) => Some(name),
        }
    }
}

/// An exchange among those in flight, until it is dropped.
struct InFlight(IntGauge);

impl InFlight {
    fn enter(gauge: &IntGauge) -> InFlight {
        gauge.inc();
        InFlight(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Writes an exchange down.
pub fn settle(record: &mut Record, session: &Session, gateway: &Gateway) {
    if record.in_flight.take().is_none() {
        return;
    }
    let took = record.begun.elapsed();
    count(record, gateway, took);
    if gateway.access_log.is_on() {
        let format = gateway.snapshot().config.log.format;
        gateway
            .access_log
            .write(line(record, session, took, format));
    }
}

fn count(record: &Record, gateway: &Gateway, took: Duration) {
    let metrics = &gateway.metrics;
    let operation = record.operation.map_or(NONE, Operation::label);
    let (model, upstream) = (record.model.label(), record.upstream_name());
    let fault = record.fault.as_ref().map_or(NONE, Fault::label);
    let mut code = itoa(record.status);
    metrics
        .requests
        .with_label_values(&[operation, model, upstream, code.text(), fault])
        .inc();
    metrics
        .duration_seconds
        .with_label_values(&[operation, model])
        .observe(took.as_secs_f64());
    if let Some(first) = record.first_byte.filter(|_| record.stream) {
        metrics
            .first_token_seconds
            .with_label_values(&[model, upstream])
            .observe(first.as_secs_f64());
    }
    let Some(usage) = record.usage else {
        return;
    };
    let kinds = [
        ("input", usage.input_uncached),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
    ];
    for (kind, tokens) in kinds.into_iter().filter(|(_, tokens)| *tokens > 0) {
        metrics
            .tokens
            .with_label_values(&[model, upstream, kind])
            .inc_by(tokens);
    }
}

/// A status as text, without an allocation.
fn itoa(status: u16) -> Digits {
    let digit = |place: u16| b'0' + u8::try_from(status / place % 10).expect("a digit");
    Digits([digit(100), digit(10), digit(1)])
}

struct Digits([u8; 3]);

impl Digits {
    fn text(&mut self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

/// One access-log line: who asked what, where it went, how it ended. No prompt, no answer, no credential.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    client: Option<&'a SocketAddr>,
    method: &'a str,
    path: &'a str,
    operation: Option<&'static str>,
    model: Option<&'a str>,
    upstream: Option<&'a str>,
    key: Option<&'a str>,
    attempts: u32,
    stream: bool,
    status: u16,
    fault: Option<&'static str>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    first_byte_ms: Option<f64>,
    duration_ms: f64,
}

/// Longer paths are cut. In bytes.
const LOGGED_TEXT_BYTES: usize = 256;
/// A log line of ordinary size fits into this many bytes.
const LINE_BYTES: usize = 512;

fn line(record: &Record, session: &Session, took: Duration, format: LogFormat) -> Vec<u8> {
    let head = session.req_header();
    let line = Line {
        time: DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true),
        request_id: record.request_id.to_str().unwrap_or_default(),
        client: session.client_addr().and_then(|address| address.as_inet()),
        method: head.method.as_str(),
        path: cut(head.uri.path()),
        operation: record.operation.map(Operation::label),
        model: record.model.text(),
        upstream: record
            .upstream
            .as_ref()
            .map(|endpoint| endpoint.upstream.name.as_str()),
        key: record.key.as_deref(),
        attempts: record.attempts,
        stream: record.stream,
        status: record.status,
        fault: record.fault.as_ref().map(Fault::label),
        input_tokens: record.usage.map(|usage| usage.input()),
        output_tokens: record.usage.map(|usage| usage.output),
        first_byte_ms: record.first_byte.map(milliseconds),
        duration_ms: milliseconds(took),
    };
    match format {
        LogFormat::Json => {
            let mut text = Vec::with_capacity(LINE_BYTES);
            serde_json::to_writer(&mut text, &line).expect("a flat line always serialises");
            text
        }
        LogFormat::Text => {
            text_line(&serde_json::to_value(&line).expect("a flat line always serialises"))
        }
    }
}

/// Enough of a client's text to know it by.
fn cut(text: &str) -> &str {
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= LOGGED_TEXT_BYTES);
    &text[..end.unwrap_or(text.len())]
}

/// `name=value` pairs in the order of the JSON form; what is not known is left out.
fn text_line(fields: &serde_json::Value) -> Vec<u8> {
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

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_lines_leave_out_what_is_unknown_and_quote_what_has_spaces() {
        let fields = json!({"a": 1, "b": null, "c": "x", "d": "x y", "e": "line\nbreak"});
        assert_eq!(
            String::from_utf8(text_line(&fields)).unwrap(),
            r#"a=1 c=x d="x y" e="line\nbreak""#
        );
    }

    #[test]
    fn statuses_as_text() {
        assert_eq!(
            (itoa(200).text(), itoa(0).text(), itoa(599).text()),
            ("200", "000", "599")
        );
    }
}
