//! What reached the host, and what became of it: the last requests, and counts of all of them.
//! It must not know how requests are answered.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};
use serde::Serialize;
use serde_json::{Value, json};

use super::encoding::base64;
use super::random::fingerprint;

/// Requests remembered.
const REQUESTS_MAX: usize = 256;
/// Bytes of a body remembered; of a longer one, this much, its length and its fingerprint.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Everything a host remembers.
#[derive(Default)]
pub struct Log {
    requests: Mutex<VecDeque<Arc<Record>>>,
    next_id: AtomicU64,
    pub counts: Counts,
    /// Gets a line for each exchange that has ended.
    served: Option<Mutex<File>>,
}

/// Counts since the start or the last reset.
#[derive(Default)]
pub struct Counts {
    requests: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
    faulted: AtomicU64,
    in_flight: AtomicI64,
    last_cancelled_us: AtomicU64,
    pub connections: AtomicU64,
    pub connections_open: AtomicI64,
}

/// The counts, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    pub name: String,
    /// Requests that reached an endpoint of an engine (not `/sim/…`).
    pub requests: u64,
    pub in_flight: i64,
    pub finished: u64,
    /// Requests whose client went away before the answer's end.
    pub cancelled: u64,
    /// Requests that the host itself broke off.
    pub faulted: u64,
    /// When the last such departure was seen: milliseconds since 1970, or null.
    pub last_cancelled_ms: Option<f64>,
    /// Connections accepted, and open now.
    pub connections: u64,
    pub connections_open: i64,
    /// Requests that the engine works on, and that wait for a slot.
    pub running: usize,
    pub waiting: usize,
}

/// One request as it arrived.
pub struct Record {
    pub id: u64,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    pub connection: u64,
    pub remote_port: u16,
    body: Bytes,
    body_bytes: usize,
    body_fnv1a: u64,
    started_us: u64,
    ended_us: AtomicU64,
    events: AtomicU32,
    /// Tokens of the prompt that the engine has read, and tokens of the answer that have left.
    prompt_tokens: AtomicU64,
    output_tokens: AtomicU64,
    outcome: AtomicU8,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub connection: u64,
    pub remote_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    InFlight,
    Finished,
    Cancelled,
    Faulted,
}

impl Log {
    /// A log that also writes every exchange to a file.
    pub fn writing(served: Option<File>) -> Self {
        Self {
            served: served.map(Mutex::new),
            ..Self::default()
        }
    }

    /// One write a line, so that a reader never finds half of one, and a killed host loses none that it has written.
    fn write_served(&self, record: &Record) {
        let Some(served) = &self.served else {
            return;
        };
        let mut line = record.served().to_string();
        line.push('\n');
        let mut file = served
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("weir sim: cannot write what was served: {error}");
        }
    }

    /// Begins an exchange. The body is given later, once it was read.
    pub fn begin(
        self: &Arc<Self>,
        parts: http::request::Parts,
        origin: Origin,
        body: &Bytes,
    ) -> Exchange {
        let kept = body.len() <= BODY_BYTES_MAX;
        let record = Arc::new(Record {
            id: self.next_id.fetch_add(1, Ordering::Relaxed) + 1,
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            connection: origin.connection,
            remote_port: origin.remote_port,
            // A copy of the beginning, since a slice would hold the whole body in memory.
            body: if kept {
                body.clone()
            } else {
                Bytes::copy_from_slice(&body[..BODY_BYTES_MAX])
            },
            body_bytes: body.len(),
            body_fnv1a: if kept { 0 } else { fingerprint(body) },
            started_us: now_us(),
            ended_us: AtomicU64::new(0),
            events: AtomicU32::new(0),
            prompt_tokens: AtomicU64::new(0),
            output_tokens: AtomicU64::new(0),
            outcome: AtomicU8::new(Outcome::InFlight as u8),
        });
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        self.counts.in_flight.fetch_add(1, Ordering::Relaxed);
        let mut requests = self
            .requests
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if requests.len() == REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(Arc::clone(&record));
        Exchange {
            log: Arc::clone(self),
            record,
            open: true,
        }
    }

    /// The last `limit` requests, oldest first, as JSON.
    pub fn requests(&self, limit: usize) -> Value {
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let skip = requests.len().saturating_sub(limit);
        requests
            .iter()
            .skip(skip)
            .map(|record| record.to_json())
            .collect()
    }

    /// Forgets requests and counts; what is in flight stays counted as such.
    pub fn reset(&self) {
        self.requests
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
        let counts = &self.counts;
        for counter in [
            &counts.requests,
            &counts.finished,
            &counts.cancelled,
            &counts.faulted,
            &counts.last_cancelled_us,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        counts.connections.store(
            counts.connections_open.load(Ordering::Relaxed).max(0) as u64,
            Ordering::Relaxed,
        );
    }
}

impl Counts {
    pub fn stats(&self, name: &str, running: usize, waiting: usize) -> Stats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let cancelled_us = count(&self.last_cancelled_us);
        Stats {
            name: name.to_string(),
            requests: count(&self.requests),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            finished: count(&self.finished),
            cancelled: count(&self.cancelled),
            faulted: count(&self.faulted),
            last_cancelled_ms: (cancelled_us > 0).then(|| milliseconds(cancelled_us)),
            connections: count(&self.connections),
            connections_open: self.connections_open.load(Ordering::Relaxed),
            running,
            waiting,
        }
    }
}

/// An exchange under way. Dropped before `finish` or `fault`, it counts as cancelled: the client went away.
pub struct Exchange {
    log: Arc<Log>,
    pub record: Arc<Record>,
    open: bool,
}

impl Exchange {
    /// Notes what the engine read, and how much of what it made has left already.
    pub fn worked(&self, prompt_tokens: usize, output_tokens: usize) {
        let record = &self.record;
        record
            .prompt_tokens
            .store(prompt_tokens as u64, Ordering::Relaxed);
        record
            .output_tokens
            .store(output_tokens as u64, Ordering::Relaxed);
    }

    /// Notes that more tokens of the answer have left.
    pub fn tokens_sent(&self, tokens: u64) {
        self.record
            .output_tokens
            .fetch_add(tokens, Ordering::Relaxed);
    }

    /// Notes that more events or pieces were sent.
    pub fn events_sent(&self, events: u32) {
        self.record.events.fetch_add(events, Ordering::Relaxed);
    }

    pub fn finish(&mut self) {
        self.close(Outcome::Finished);
    }

    pub fn fault(&mut self) {
        self.close(Outcome::Faulted);
    }

    fn close(&mut self, outcome: Outcome) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let counts = &self.log.counts;
        let now = now_us();
        let counter = match outcome {
            Outcome::Finished | Outcome::InFlight => &counts.finished,
            Outcome::Faulted => &counts.faulted,
            Outcome::Cancelled => {
                counts.last_cancelled_us.store(now, Ordering::Relaxed);
                &counts.cancelled
            }
        };
        self.record.ended_us.store(now, Ordering::Relaxed);
        self.record.outcome.store(outcome as u8, Ordering::Release);
        counter.fetch_add(1, Ordering::Relaxed);
        counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.log.write_served(&self.record);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(Outcome::Cancelled);
    }
}

impl Record {
    pub fn to_json(&self) -> Value {
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
            .collect();
        let fingerprint = if self.body_fnv1a == 0 {
            fingerprint(&self.body)
        } else {
            self.body_fnv1a
        };
        let ended_us = self.ended_us.load(Ordering::Relaxed);
        let mut record = json!({
            "id": self.id,
            "method": self.method.as_str(),
            "path": self.uri.path(),
            "query": self.uri.query(),
            "uri": self.uri.to_string(),
            "http_version": format!("{:?}", self.version),
            "headers": headers,
            "connection": self.connection,
            "remote_port": self.remote_port,
            "body_bytes": self.body_bytes,
            "body_fnv1a": format!("{fingerprint:016x}"),
            "body_truncated": self.body.len() < self.body_bytes,
            "started_ms": milliseconds(self.started_us),
            "ended_ms": (ended_us > 0).then(|| milliseconds(ended_us)),
            "events": self.events.load(Ordering::Relaxed),
            "prompt_tokens": self.prompt_tokens.load(Ordering::Relaxed),
            "output_tokens": self.output_tokens.load(Ordering::Relaxed),
            "outcome": self.outcome(),
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) => record["body"] = text.into(),
            Err(_) => record["body_base64"] = base64(&self.body).into(),
        }
        record
    }

    /// What a bill would be made of.
    fn served(&self) -> Value {
        let header = |name: &str| {
            let value = self.headers.get(name)?;
            value.to_str().ok()
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "request_id": header("x-request-id"),
            "path": self.uri.path(),
            "started_ms": milliseconds(self.started_us),
            "ended_ms": milliseconds(count(&self.ended_us)),
            "outcome": self.outcome(),
            "events": self.events.load(Ordering::Relaxed),
            "prompt_tokens": count(&self.prompt_tokens),
            "output_tokens": count(&self.output_tokens),
        })
    }

    fn outcome(&self) -> &'static str {
        match self.outcome.load(Ordering::Acquire) {
            outcome if outcome == Outcome::Finished as u8 => "finished",
            outcome if outcome == Outcome::Cancelled as u8 => "cancelled",
            outcome if outcome == Outcome::Faulted as u8 => "faulted",
            _ => "in_flight",
        }
    }
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(log: &Arc<Log>, body: &'static [u8]) -> Exchange {
        let (parts, ()) = http::Request::post("/v1/x?y=1")
            .header("a", "1")
            .body(())
            .unwrap()
            .into_parts();
        log.begin(
            parts,
            Origin {
                connection: 7,
                remote_port: 9,
            },
            &Bytes::from_static(body),
        )
    }

    #[test]
    fn an_exchange_is_counted_once_however_it_ends() {
        let log = Arc::new(Log::default());
        begin(&log, b"").finish();
        begin(&log, b"").fault();
        drop(begin(&log, b""));
        let open = begin(&log, b"");
        let stats = log.counts.stats("a", 0, 0);
        assert_eq!(
            (
                stats.requests,
                stats.finished,
                stats.faulted,
                stats.cancelled,
                stats.in_flight
            ),
            (4, 1, 1, 1, 1)
        );
        assert!(stats.last_cancelled_ms.is_some());
        let outcomes: Vec<_> = log
            .requests(9)
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["outcome"].clone())
            .collect();
        assert_eq!(outcomes, ["finished", "faulted", "cancelled", "in_flight"]);
        log.reset();
        drop(open);
        assert_eq!(log.counts.stats("a", 0, 0).in_flight, 0);
    }

    #[test]
    fn a_record_shows_text_or_base64_and_only_the_last_are_kept() {
        let log = Arc::new(Log::default());
        for _ in 0..REQUESTS_MAX + 5 {
            begin(&log, b"{}").finish();
        }
        begin(&log, b"\xff").finish();
        assert_eq!(
            log.requests(usize::MAX).as_array().unwrap().len(),
            REQUESTS_MAX
        );
        let last = log.requests(2);
        assert_eq!(
            (&last[0]["body"], &last[1]["body_base64"]),
            (&json!("{}"), &json!("/w=="))
        );
        assert_eq!(
            (&last[0]["uri"], &last[0]["headers"]),
            (&json!("/v1/x?y=1"), &json!([["a", "1"]]))
        );
    }

    #[test]
    fn a_long_body_is_remembered_by_its_length_and_fingerprint() {
        let body: &'static [u8] = vec![b'x'; BODY_BYTES_MAX + 1].leak();
        let log = Arc::new(Log::default());
        begin(&log, body).finish();
        let record = &log.requests(1)[0];
        assert_eq!(
            (&record["body_bytes"], &record["body_truncated"]),
            (&json!(body.len()), &json!(true))
        );
        assert_eq!(record["body_fnv1a"], format!("{:016x}", fingerprint(body)));
    }
}
