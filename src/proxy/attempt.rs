//! One try at one target with one key: connect, send, judge the head, relay the answer.

use std::time::Instant;

use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use tracing::{debug, warn};

use crate::config::Timeouts;
use crate::fault::{Fault, Wait};
use crate::route::Candidate;
use crate::upstream::{Broken, Connection, Credential, Endpoint};
use crate::wire::endpoint::Prefix;
use crate::wire::openai::{Rewrite, rewrite};

use super::client::Client;
use super::exchange::Exchange;
use super::headers::{self, X_REQUEST_ID};
use super::judge::{Verdict, judge};
use super::relay;
use super::settle::Record;
use super::watch::{Interrupted, watched};

/// Why an attempt brought no answer.
pub enum Failure {
    /// Another target may do better.
    Next(Refusal),
    /// The upstream's refusal stands: it says something against the request itself.
    Stands(Refusal),
    /// Nothing more can be tried: the client has gone, or has part of the answer, or the fault is its own.
    Final(Fault),
}

/// What is to be said if no other target does better.
pub struct Refusal {
    pub fault: Fault,
    /// The upstream's own words, which pass as they are.
    pub said: Option<Whole>,
}

/// A complete answer.
pub struct Whole {
    /// For the client, but for what weir says itself.
    pub head: ResponseHeader,
    pub body: Bytes,
}

/// What the relay must know of the attempt that it ends.
pub struct Attempt<'a> {
    pub exchange: &'a Exchange,
    pub endpoint: &'a Endpoint,
    pub begun: Instant,
    /// When the whole of an answer that is no stream is due.
    pub total_by: Instant,
    /// weir asked for usage that the client did not ask for.
    pub hide_usage: bool,
    pub credential: bool,
}

/// Pooled connections that turn out dead are replaced this often before the attempt counts as failed.
const STALE_MAX: usize = 3;

/// Tries one target.
///
/// # Errors
/// When it did not answer, or broke off.
pub async fn run(
    exchange: &Exchange,
    candidate: &Candidate,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Failure> {
    let endpoint = &candidate.endpoint;
    record.note_attempt(&exchange.gateway);
    let credential = endpoint.credential();
    let _in_flight = endpoint.enter();
    record.upstream = Some(endpoint.clone());
    record.key = credential.map(|credential| credential.label.clone());
    let attempt = Attempt {
        exchange,
        endpoint,
        begun: Instant::now(),
        total_by: record.begun + endpoint.upstream.timeouts.total,
        hide_usage: asks_usage(exchange, endpoint),
        credential: credential.is_some(),
    };
    let outcome = answer(&attempt, candidate, credential, client, record).await;
    let label = match &outcome {
        Ok(()) => "accepted",
        Err(
            Failure::Next(Refusal { fault, .. })
            | Failure::Stands(Refusal { fault, .. })
            | Failure::Final(fault),
        ) => {
            debug!(upstream = %endpoint.upstream.name, %fault, "attempt failed");
            fault.label()
        }
    };
    let metrics = &exchange.gateway.metrics;
    metrics
        .attempts
        .with_label_values(&[endpoint.upstream.name.as_str(), label])
        .inc();
    outcome
}

async fn answer(
    attempt: &Attempt<'_>,
    candidate: &Candidate,
    credential: Option<&Credential>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Failure> {
    let change = Rewrite {
        model: candidate.model.as_deref(),
        ask_usage: attempt.hide_usage,
    };
    let exchange = attempt.exchange;
    let body = rewrite(&exchange.body(), &exchange.envelope, change);
    let mut connection = ask(attempt, credential, body, client, record).await?;
    let outcome = hear(attempt, &mut connection, client, record).await;
    connection.release(&exchange.gateway.connector).await;
    match outcome? {
        Some(whole) => relay::whole(exchange, whole, client, record)
            .await
            .map_err(Failure::Final),
        None => Ok(()),
    }
}

/// Hears the answer out; a complete one is given back, to be passed on when the upstream's connection is free again.
async fn hear(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Whole>, Failure> {
    let answer = connection.head();
    let status = answer.status.as_u16();
    let operation = attempt.exchange.endpoint.operation;
    let (verdict, encoding) = judge(status, &answer.headers, operation, attempt.credential);
    let upstream = attempt.name();
    match verdict {
        Verdict::Stream => relay::stream(attempt, connection, encoding, client, record).await,
        Verdict::Json => relay::json(attempt, connection, encoding, client, record).await,
        Verdict::Opaque => relay::opaque(attempt, connection, encoding, client, record).await,
        Verdict::Refusal { retriable } => {
            Err(relay::refusal(attempt, connection, encoding, retriable, client).await)
        }
        Verdict::Unpassable => Err(attempt.failed(Fault::UpstreamStatus { upstream, status })),
        Verdict::CredentialRefused => {
            warn!(%upstream, key = ?record.key, status, "credential refused");
            Err(attempt.failed(Fault::CredentialRefused { upstream, status }))
        }
        Verdict::Unintelligible(what) => {
            Err(attempt.failed(Fault::Unintelligible { upstream, what }))
        }
    }
}

/// Usage is asked for wherever a stream would not report it unasked.
fn asks_usage(exchange: &Exchange, endpoint: &Endpoint) -> bool {
    let envelope = &exchange.envelope;
    let possible = exchange.endpoint.operation.has_stream_options()
        && endpoint.upstream.stream_usage_on_request;
    possible && envelope.stream && !envelope.usage_asked
}

fn request_head(
    attempt: &Attempt<'_>,
    credential: Option<&Credential>,
    body_bytes: usize,
    client: &Client<'_>,
    record: &Record,
) -> Result<Box<RequestHeader>, Fault> {
    let asked = client.session.req_header();
    let upstream = &attempt.endpoint.upstream;
    let path = path(attempt, asked);
    let head = attempt.endpoint.head(&asked.method, &path);
    let mut head = head.map_err(|problem| {
        warn!(upstream = %upstream.name, problem, "a request could not be made");
        Fault::MalformedBody("its path cannot be sent on".to_owned())
    })?;
    headers::copy_up(asked, &mut head, &upstream.forward_credentials);
    let length = http::HeaderValue::from(body_bytes);
    head.insert_header(http::header::CONTENT_LENGTH, length)
        .expect("a number is a valid header");
    head.insert_header(X_REQUEST_ID, record.request_id.clone())
        .expect("a checked header is accepted");
    attempt.endpoint.authorize(&mut head, credential);
    Ok(Box::new(head))
}

/// The endpoint's path at this upstream, with the client's query.
fn path(attempt: &Attempt<'_>, client: &RequestHeader) -> String {
    let base = &attempt.endpoint.upstream.base;
    let endpoint = attempt.exchange.endpoint;
    let prefix = match endpoint.prefix {
        Prefix::Api => &base.api_path,
        Prefix::Root => &base.root_path,
    };
    match client.uri.query().and_then(headers::query_up) {
        Some(query) => format!("{prefix}{}?{query}", endpoint.path),
        None => format!("{prefix}{}", endpoint.path),
    }
}

/// Sends the request and waits for the head of its answer; replaces pooled connections that have died.
async fn ask(
    attempt: &Attempt<'_>,
    credential: Option<&Credential>,
    body: Bytes,
    client: &mut Client<'_>,
    record: &Record,
) -> Result<Connection, Failure> {
    let connector = &attempt.exchange.gateway.connector;
    let deadline = attempt.head_by();
    for _ in 0..=STALE_MAX {
        let connecting = watched(client, deadline, attempt.endpoint.connect(connector)).await;
        let connected = connecting.map_err(|interrupted| attempt.interrupted(interrupted))?;
        let mut connection = connected.map_err(|broken| attempt.broken(&broken))?;
        count_connection(attempt, &connection);
        let head = request_head(attempt, credential, body.len(), client, record);
        let head = head.map_err(Failure::Final)?;
        let asked = watched(client, deadline, connection.ask(head, body.clone())).await;
        if let Ok(Ok(())) = asked {
            return Ok(connection);
        }
        connection.release(connector).await;
        match asked.map_err(|interrupted| attempt.interrupted(interrupted))? {
            Ok(()) | Err(Broken::Stale) => {}
            Err(broken) => return Err(attempt.broken(&broken)),
        }
    }
    Err(attempt.broken(&Broken::Stale))
}

fn count_connection(attempt: &Attempt<'_>, connection: &Connection) {
    let reused = if connection.reused { "true" } else { "false" };
    let labels = [attempt.endpoint.upstream.name.as_str(), reused];
    attempt
        .exchange
        .gateway
        .metrics
        .upstream_connections
        .with_label_values(&labels)
        .inc();
}

impl Attempt<'_> {
    pub fn name(&self) -> String {
        self.endpoint.upstream.name.clone()
    }

    pub fn timeouts(&self) -> &Timeouts {
        &self.endpoint.upstream.timeouts
    }

    /// A stream owes its first byte; anything else comes when all of it is done.
    fn head_by(&self) -> Instant {
        if self.exchange.envelope.stream {
            self.first_byte_by()
        } else {
            self.total_by
        }
    }

    /// When a stream's first event is due.
    pub fn first_byte_by(&self) -> Instant {
        self.begun + self.timeouts().first_byte
    }

    /// A failure that another target may make good.
    pub fn failed(&self, fault: Fault) -> Failure {
        match fault {
            // The time is up for every target, and each would do the whole work again.
            Fault::Timeout {
                wait: Wait::Total(_),
                ..
            } => Failure::Final(fault),
            _ if fault.is_upstreams() => Failure::Next(Refusal { fault, said: None }),
            _ => Failure::Final(fault),
        }
    }

    /// What an interrupted wait for the head or the first event comes to.
    pub fn interrupted(&self, interrupted: Interrupted) -> Failure {
        let wait = if self.exchange.envelope.stream {
            Wait::FirstByte(self.timeouts().first_byte)
        } else {
            Wait::Total(self.timeouts().total)
        };
        match interrupted {
            Interrupted::ClientGone => Failure::Final(Fault::ClientGone),
            Interrupted::TimedOut => self.failed(Fault::Timeout {
                upstream: self.name(),
                wait,
            }),
        }
    }

    /// What a broken connection comes to, before anything was sent to the client.
    pub fn broken(&self, broken: &Broken) -> Failure {
        let upstream = self.name();
        warn!(upstream = %upstream, cause = %broken, "connection failed");
        self.failed(match broken {
            Broken::Unreachable(_) => Fault::Connect { upstream },
            Broken::Stale | Broken::Closed(_) => Fault::ClosedEarly { upstream },
            Broken::Invalid(_) => Fault::Unintelligible {
                upstream,
                what: "no HTTP".to_owned(),
            },
        })
    }
}
