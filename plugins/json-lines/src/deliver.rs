//! Batches of lines on their way to a server: sent, sent again, kept for later, or dropped and counted.
//! It must not know what lines say.

use std::collections::VecDeque;

use weir_plugin::{Header, Host, HttpCall, HttpError};

use crate::config::Server;

/// Lines that wait, the oldest first, never more than the configuration allows.
#[derive(Default)]
pub(crate) struct Pending {
    lines: VecDeque<String>,
    bytes: usize,
}

/// What became of lines.
#[derive(Default)]
pub(crate) struct Delivered {
    pub sent: usize,
    pub dropped: usize,
    /// Why the last that was not sent was not.
    pub why: Option<String>,
}

/// Why a batch was not taken.
enum Failure {
    /// Another time may do better.
    Passing(String),
    /// It will never be taken.
    Final(String),
}

impl Pending {
    /// Whether a line finds room without another's being dropped.
    pub(crate) fn has_room(&self, line: &str, server: &Server) -> bool {
        self.bytes + line.len() < server.pending_bytes_max
    }

    /// Adds a line; drops the oldest where there is no room. Gives back how many were dropped.
    pub(crate) fn add(&mut self, line: String, server: &Server) -> usize {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        let mut dropped = 0;
        while self.bytes > server.pending_bytes_max {
            self.remove(1);
            dropped += 1;
        }
        dropped
    }

    /// Sends what there is, batch by batch, until one is not taken: it stays with all behind it if another time may do better.
    pub(crate) fn deliver(&mut self, server: &Server, host: &dyn Host) -> Delivered {
        let mut delivered = Delivered::default();
        while !self.lines.is_empty() {
            let (count, body) = self.batch(server.batch_bytes_max);
            match send(server, body, host) {
                Ok(()) => delivered.sent += count,
                Err(Failure::Final(why)) => {
                    delivered.dropped += count;
                    delivered.why = Some(why);
                }
                Err(Failure::Passing(why)) => {
                    delivered.why = Some(why);
                    return delivered;
                }
            }
            self.remove(count);
        }
        delivered
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// As many lines as fit, at least one.
    fn batch(&self, bytes_max: usize) -> (usize, Vec<u8>) {
        let (mut count, mut body) = (0, Vec::new());
        for line in &self.lines {
            if count > 0 && body.len() + line.len() + 1 > bytes_max {
                break;
            }
            body.extend_from_slice(line.as_bytes());
            body.push(b'\n');
            count += 1;
        }
        (count, body)
    }

    fn remove(&mut self, count: usize) {
        let removed = self.lines.drain(..count.min(self.lines.len()));
        self.bytes -= removed.map(|line| line.len() + 1).sum::<usize>();
    }
}

/// Sends one batch, and again as often as the configuration allows. A plugin cannot wait: what is not taken at once waits for the
/// next batch.
fn send(server: &Server, body: Vec<u8>, host: &dyn Host) -> Result<(), Failure> {
    let mut headers = vec![Header::new("content-type", "application/x-ndjson")];
    headers.extend(
        server
            .headers
            .iter()
            .map(|(name, value)| Header::new(name, value)),
    );
    if let Some(name) = &server.token {
        let secret = host.secret(name);
        let secret =
            secret.ok_or_else(|| Failure::Final(format!("no secret `{name}` is granted")))?;
        headers.push(Header::new("authorization", &format!("Bearer {secret}")));
    }
    let call = HttpCall {
        method: "POST".to_owned(),
        url: server.url.clone(),
        headers,
        body,
        timeout_ms: server.timeout_ms,
    };
    let mut last = try_once(&call, host);
    for _ in 0..server.retries {
        match last {
            Err(Failure::Passing(_)) => last = try_once(&call, host),
            Ok(()) | Err(Failure::Final(_)) => break,
        }
    }
    last
}

fn try_once(call: &HttpCall, host: &dyn Host) -> Result<(), Failure> {
    match host.http(call) {
        Ok(answer) => match answer.status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500..=599 => Err(Failure::Passing(format!(
                "the server answered {}",
                answer.status
            ))),
            status => Err(Failure::Final(format!("the server answered {status}"))),
        },
        Err(HttpError::Denied) => Err(Failure::Final(
            "no grant names the host of `url`".to_owned(),
        )),
        Err(HttpError::Timeout) => Err(Failure::Passing(
            "the server did not answer in time".to_owned(),
        )),
        Err(HttpError::Connect(why)) => Err(Failure::Passing(format!(
            "the server cannot be reached: {why}"
        ))),
        // The answer does not matter, and was there.
        Err(HttpError::TooLarge) => Ok(()),
        Err(HttpError::Other(why)) => Err(Failure::Passing(why)),
    }
}
