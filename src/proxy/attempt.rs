//! One try at one target with one key: connect, send, judge the head, relay the answer.

use std::time::Instant;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use pingora::http::RequestHeader;
use tracing::warn;

use crate::config::Timeouts;
use crate::fault::{Fault, Wait};
use crate::route::Candidate;
use crate::upstream::health::Trial;
use crate::upstream::{
    Account, Broken, Connection, Credential, Endpoint, Lease, Payload, Standing,
};
use crate::wire::Dialect;
use crate::wire::endpoint::{ModelIn, Prefix, Streams};
use crate::wire::openai::Reason;
use crate::wire::streams::Stream;
use crate::wire::translate::{self, path_segment};

use super::adapted;
use super::blame;
use super::client::Client;
use super::exchange::Exchange;
use super::filters::HeaderEdits;
use super::headers::{self, AnswerHead, X_REQUEST_ID};
use super::judge::{Verdict, judge};
use super::order::shown;
use super::prepare::{Prepared, passing_body};
use super::relay;
use super::settle::Record;
use super::translated::Translated;
use super::watch::{Interrupted, watched, watched_unless};

/// Why an attempt brought no answer.
pub enum Failure {
    /// Another key, endpoint or target may do better.
    Next { refusal: Refusal, cause: Cause },
    /// The upstream's refusal stands: it says something against the request itself.
    Stands(Refusal),
    /// Nothing more can be tried: the client has gone, or has part of the answer, or the fault is its own.
    Final(Fault),
}

impl Failure {
    /// Gives back what the attempt had in use. What is final is settled at once, with what it has used.
    fn note(&self, record: &mut Record) {
        match self {
            Failure::Next { refusal, .. } | Failure::Stands(refusal) => {
                let sent = !matches!(refusal.fault, Fault::Connect { .. });
                record.note_failed(sent);
            }
            Failure::Final(_) => record.in_flight_at = None,
        }
    }
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The key: another of the same upstream may do.
    Key,
    Endpoint,
    /// The endpoint has too much to do.
    Busy,
    /// The endpoint is loading its model.
    Loading,
    /// The endpoint works, but does not serve the model (any more).
    Elsewhere,
}

/// What is to be said if no other target does better.
pub struct Refusal {
    pub fault: Fault,
    /// The upstream's own words, which pass as they are.
    pub said: Option<Whole>,
    /// What its words say of the reason.
    pub reason: Reason,
}

impl Refusal {
    /// A refusal without words.
    pub fn of(fault: Fault) -> Refusal {
        Refusal {
            fault,
            said: None,
            reason: Reason::default(),
        }
    }
}

/// A complete answer.
pub struct Whole {
    /// For the client, but for what weir says itself.
    pub head: AnswerHead,
    pub body: Bytes,
}

/// What the relay must know of the attempt that it ends.
pub struct Attempt<'a> {
    pub exchange: &'a Exchange,
    pub prepared: &'a Prepared,
    pub endpoint: &'a Endpoint,
    pub begun: Instant,
    /// When the whole of an answer that is no stream is due.
    pub total_by: Instant,
    /// weir asked for usage that the client did not ask for.
    pub hide_usage: bool,
    pub credential: bool,
    /// The client has brought a key of its own: what the upstream says of that account is the client's to hear.
    pub own_key: bool,
    /// This attempt decides whether its endpoint comes back; until it is decided.
    pub trial: Mutex<Option<Trial>>,
}

/// Connections that turn out dead are replaced this often before the attempt counts as failed; the last replacement is new.
const STALE_MAX: usize = 2;

/// Tries one endpoint with one key.
///
/// # Errors
/// When it did not answer, or broke off.
pub async fn run(
    exchange: &Exchange,
    candidate: &Candidate,
    prepared: &Prepared,
    lease: Option<Lease>,
    trial: Option<Trial>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Failure> {
    let endpoint = &candidate.endpoint;
    let asked = &client.session.req_header().headers;
    let own = Account::of_client(&endpoint.upstream, asked);
    let leased = lease.as_ref();
    let leased = leased.map(|lease| endpoint.account.credential(lease));
    let credential = own.as_ref().or(leased);
    if let Some(charge) = &mut record.charge {
        charge.is_on_own_key = own.is_some();
    }
    record.note_attempt(&exchange.gateway);
    record.in_flight_at = Some(endpoint.enter());
    record.upstream = Some(endpoint.clone());
    record.upstream_model = candidate.model.clone();
    record.attempt_begun = Some(Instant::now());
    record.lease = lease;
    record.dropped = prepared.dropped();
    let attempt = Attempt {
        exchange,
        prepared,
        endpoint,
        begun: Instant::now(),
        total_by: record.arrived + endpoint.upstream.timeouts.total,
        hide_usage: asks_usage(exchange, prepared, endpoint),
        credential: leased.is_some(),
        own_key: own.is_some(),
        trial: Mutex::new(trial),
    };
    let outcome = answer(&attempt, candidate, credential, client, record).await;
    let outcome = outcome.map_err(|failure| {
        let failure = blame::lay(&attempt, failure, record);
        failure.note(record);
        failure
    });
    blame::report(&attempt, &outcome);
    outcome
}

async fn answer(
    attempt: &Attempt<'_>,
    candidate: &Candidate,
    credential: Option<&Credential>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Failure> {
    let exchange = attempt.exchange;
    let set = match &exchange.filters {
        Some(filters) if filters.wants.requests => {
            let target = shown(exchange, candidate);
            let number = record.attempts.saturating_sub(1);
            let set = filters.on_upstream_request(&target, number).await;
            set.map_err(Failure::Final)?
        }
        _ => Vec::new(),
    };
    let sent = match attempt.prepared {
        Prepared::Passing => Sent {
            path: attempt.passing_path(candidate, client.session.req_header()),
            body: passing_body(exchange, candidate, attempt.hide_usage),
            headers: set,
            method: None,
        },
        Prepared::Translated(translated) => Sent {
            path: attempt.translated_path(translated),
            body: translated.body(),
            headers: set,
            method: None,
        },
    };
    let (sent, encoded) = adapted::in_its_dialect(attempt, candidate, sent).await?;
    let mut connection = ask(attempt, credential, sent, client, record).await?;
    if let Some((adapter, encoded)) = encoded {
        adapted::hear(attempt, &adapter, encoded, &mut connection, client).await?;
    }
    let outcome = hear(attempt, &mut connection, client, record).await;
    connection.release(&exchange.gateway.connector).await;
    let Some(whole) = outcome? else {
        return Ok(());
    };
    let whole = relay::judged(attempt, whole, client).await;
    let whole = whole.map_err(Failure::Final)?;
    let passed = relay::whole(exchange, whole, client, record).await;
    passed.map_err(Failure::Final)
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
    record.note_head(status, &answer.headers);
    let operation = attempt.exchange.endpoint.operation;
    let (verdict, encoding) = judge(status, &answer.headers, operation, attempt.credential);
    let verdict = attempt.understood(verdict);
    let upstream = attempt.name();
    match verdict {
        Verdict::Stream => match attempt.prepared {
            Prepared::Translated(translated)
                if !attempt.exchange.envelope.stream || attempt.exchange.is_judged_whole() =>
            {
                relay::gathered(attempt, translated, connection, encoding, client, record).await
            }
            _ => relay::stream(attempt, connection, encoding, client, record).await,
        },
        Verdict::Json => relay::json(attempt, connection, encoding, client, record).await,
        Verdict::Opaque => relay::opaque(attempt, connection, encoding, client, record).await,
        Verdict::Refusal { retriable } => {
            Err(relay::refusal(attempt, connection, encoding, retriable, client, record).await)
        }
        Verdict::Unpassable => Err(attempt.failed(Fault::UpstreamStatus { upstream, status })),
        Verdict::CredentialRefused => {
            let key = record.lease.as_ref().map(Lease::label);
            warn!(%upstream, key, status, "credential refused");
            let refusal = Refusal::of(Fault::CredentialRefused { upstream, status });
            // A 403 that is no JSON comes from what stands before the upstream, and may speak of what the client sent.
            let cause = match status {
                403 => Cause::Elsewhere,
                _ => Cause::Key,
            };
            Err(Failure::Next { refusal, cause })
        }
        Verdict::Unintelligible(what) => {
            Err(attempt.failed(Fault::Unintelligible { upstream, what }))
        }
    }
}

/// Usage is asked for wherever a stream would not report it unasked.
fn asks_usage(exchange: &Exchange, prepared: &Prepared, endpoint: &Endpoint) -> bool {
    let envelope = &exchange.envelope;
    let asked = exchange.endpoint;
    let has_options = matches!(asked.dialect, Dialect::Chat | Dialect::Completions)
        && asked.operation.has_stream_options();
    let possible = has_options
        && matches!(prepared, Prepared::Passing)
        && endpoint.upstream.stream_usage_on_request;
    possible && envelope.stream && !envelope.usage_asked
}

fn request_head(
    attempt: &Attempt<'_>,
    credential: Option<&Credential>,
    sent: &Sent,
    client: &Client<'_>,
    record: &Record,
) -> Result<Box<RequestHeader>, Fault> {
    let asked = client.session.req_header();
    let upstream = &attempt.endpoint.upstream;
    let method = sent.method.as_ref().unwrap_or(&asked.method);
    let head = attempt.endpoint.head(method, &sent.path);
    let head = head.map_err(|problem| {
        warn!(upstream = %upstream.name, problem, "a request could not be made");
        Fault::MalformedBody("its path cannot be sent on".to_owned())
    })?;
    let own = [
        (http::header::CONTENT_LENGTH, sent.body.len().into()),
        (X_REQUEST_ID, record.request_id.clone()),
    ];
    let forwarded = record.forwarded(upstream);
    let mut head = match attempt.prepared {
        Prepared::Passing => headers::up(asked, head, forwarded, own),
        Prepared::Translated(_) => headers::up_translated(asked, head, forwarded, own),
    };
    for (name, value) in &sent.headers {
        match value {
            // Its name is a header's, and its value one's too.
            Some(value) => drop(head.insert_header(name.clone(), value.clone())),
            None => drop(head.remove_header(name)),
        }
    }
    headers::remove_own_keys(&mut head, &attempt.exchange.snapshot.own_key_headers);
    let payload = Payload::Whole(&sent.body);
    attempt.endpoint.authorize(&mut head, credential, payload);
    Ok(Box::new(head))
}

/// What goes on the wire beside the head.
pub struct Sent {
    /// With its query.
    pub path: String,
    pub body: Bytes,
    /// What guards and adapters set.
    pub headers: HeaderEdits,
    /// In place of the client's.
    pub method: Option<Method>,
}

/// Sends the request and waits for the head of its answer; replaces pooled connections that have died. Where a request that
/// somebody may have worked on must not be sent again, that goes for one that was written whole to a connection that died.
async fn ask(
    attempt: &Attempt<'_>,
    credential: Option<&Credential>,
    sent: Sent,
    client: &mut Client<'_>,
    record: &Record,
) -> Result<Connection, Failure> {
    let connector = &attempt.exchange.gateway.connector;
    let deadline = attempt.head_by();
    let repeat_sent = attempt.exchange.snapshot.config.failover.repeat_sent;
    for died in 0..=STALE_MAX {
        let connecting = async {
            match died {
                STALE_MAX => attempt.endpoint.connect_new(connector).await,
                _ => attempt.endpoint.connect(connector).await,
            }
        };
        let connecting = watched(client, deadline, connecting).await;
        let connected = connecting.map_err(|interrupted| attempt.interrupted(interrupted))?;
        let mut connection = connected.map_err(|broken| attempt.broken(&broken))?;
        count_connection(attempt, &connection);
        let head = request_head(attempt, credential, &sent, client, record);
        let head = head.map_err(Failure::Final)?;
        let asking = connection.ask(head, sent.body.clone());
        let asked = watched_unless(client, deadline, attempt.loss(), asking).await;
        if let Ok(Some(Ok(()))) = asked {
            return Ok(connection);
        }
        let may_repeat = repeat_sent || !connection.may_have_worked();
        connection.release(connector).await;
        let asked = asked.map_err(|interrupted| attempt.interrupted(interrupted))?;
        match asked.ok_or_else(|| attempt.lost())? {
            Ok(()) => {}
            Err(Broken::Stale) if may_repeat => {}
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

    /// What the upstream is spoken to in.
    pub fn dialect(&self) -> Dialect {
        match self.prepared {
            Prepared::Passing => self.exchange.endpoint.dialect,
            Prepared::Translated(translated) => translated.dialect,
        }
    }

    /// Whether what the upstream is spoken to in may end there without a reason.
    pub fn reasons_optional(&self) -> bool {
        let of_kind = self.endpoint.upstream.kind.facts().quirks;
        translate::quirks(self.dialect(), of_kind).reasons_optional
    }

    /// The relay's side of a stream.
    pub fn stream(&self) -> Stream {
        let asked = self.exchange.endpoint;
        match self.prepared {
            Prepared::Passing => Stream::passing(
                asked.dialect,
                asked.operation,
                self.hide_usage,
                self.exchange.envelope.choices,
            ),
            Prepared::Translated(translated) => {
                translated.stream(self.exchange, self.reasons_optional())
            }
        }
    }

    /// A translated answer has to be understood: what is neither a stream nor JSON is none. What is asked for as a stream of
    /// Gemini's, in the form of an array, passes as it comes.
    fn understood(&self, verdict: Verdict) -> Verdict {
        let asked = self.exchange.endpoint;
        let is_array = asked.dialect == Dialect::Gemini && asked.streams == Streams::Always;
        match (self.prepared, verdict) {
            (Prepared::Translated(_), Verdict::Opaque) => {
                Verdict::Unintelligible("neither JSON nor a stream".to_owned())
            }
            (Prepared::Passing, Verdict::Json) if is_array => Verdict::Opaque,
            (_, verdict) => verdict,
        }
    }

    /// The endpoint's path at this upstream, with the client's query.
    fn passing_path(&self, candidate: &Candidate, client: &RequestHeader) -> String {
        let endpoint = self.exchange.endpoint;
        let mut path = self.prefix(endpoint.prefix);
        if endpoint.model_in == ModelIn::Path {
            let model = candidate.model.as_deref().unwrap_or(self.exchange.model());
            path.push_str("/models/");
            path.push_str(&path_segment(
                model.strip_prefix("models/").unwrap_or(model),
            ));
        }
        path.push_str(endpoint.path);
        if let Some(query) = client.uri.query().and_then(headers::query_up) {
            path.push('?');
            path.push_str(&query);
        }
        path
    }

    fn translated_path(&self, translated: &Translated) -> String {
        let prefix = match translated.dialect {
            Dialect::Chat | Dialect::Responses | Dialect::Completions | Dialect::Anthropic => {
                Prefix::Api
            }
            Dialect::Ollama => Prefix::Root,
            Dialect::Gemini => Prefix::Gemini,
        };
        self.prefix(prefix) + &translated.path
    }

    fn prefix(&self, prefix: Prefix) -> String {
        let base = &self.endpoint.upstream.base;
        match prefix {
            Prefix::Api => base.api_path.clone(),
            Prefix::Root => base.root_path.clone(),
            Prefix::Gemini => {
                let own = base.api_path.strip_suffix("/openai");
                own.unwrap_or(&base.api_path).to_owned()
            }
        }
    }

    /// The answer begins: a stream with its first event, any other when it is whole. What may still come of it does not
    /// keep others waiting for the verdict on the endpoint.
    pub fn note_first_byte(&self) {
        let now = Instant::now();
        if let Some(trial) = self.trial.lock().take() {
            let change = trial.served(now);
            blame::tell(&self.exchange.gateway, self.endpoint, change);
        }
        let stream = self.exchange.envelope.stream;
        self.endpoint
            .health
            .first_byte(stream, now - self.begun, now);
    }

    /// A stream owes its first byte; anything else comes when all of it is done.
    pub fn head_by(&self) -> Instant {
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
            _ if fault.is_upstreams() => Failure::Next {
                refusal: Refusal::of(fault),
                cause: Cause::Endpoint,
            },
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

    /// Says, when asked, whether the endpoint has failed its probes since it was asked for the first time, while another can
    /// answer in its place. A stream owes its first event within a bound of its own; an answer that comes when all of it is
    /// done may take as long as all time that there is, and nobody would know that the host has died.
    fn loss(&self) -> impl FnMut() -> bool {
        let mut was_there = false;
        move || {
            let is_down = self.endpoint.health.standing(Instant::now()) == Standing::Down;
            was_there |= !is_down;
            is_down && was_there && !self.exchange.envelope.stream && self.can_be_spared()
        }
    }

    fn can_be_spared(&self) -> bool {
        let catalog = &self.exchange.snapshot.catalog;
        let asked = self.exchange.envelope.model.as_deref();
        let plan = asked.map_or_else(|| catalog.default_plan(), |model| catalog.plan(model));
        plan.is_some_and(|plan| plan.route.can_spare(self.endpoint, 1.0))
    }

    /// What an endpoint that was lost comes to.
    fn lost(&self) -> Failure {
        let (upstream, wait) = (self.name(), Wait::Probes);
        self.failed(Fault::Timeout { upstream, wait })
    }

    /// Whether this attempt ran out of a time that others had used up: clients that send slowly, endpoints before it.
    pub fn had_no_time(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Timeout {
                wait: Wait::Total(total),
                ..
            } => self.begun.elapsed() < total.mul_f64(0.9),
            _ => false,
        }
    }

    /// What a broken connection comes to, before anything was sent to the client.
    pub fn broken(&self, broken: &Broken) -> Failure {
        self.failed(blame::broken(&self.endpoint.upstream.name, broken))
    }
}
