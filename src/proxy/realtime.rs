//! WebSockets for a model, named in the query: the handshake at one target after another, then bytes both ways. Of what they mean
//! only what the server says of usage is read.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::RequestHeader;

use crate::fault::{Fault, Wait};
use crate::gateway::{Gateway, Snapshot};
use crate::route::{Candidate, Plan};
use crate::tokens::RequestSize;
use crate::upstream::health::Trial;
use crate::upstream::{Account, Broken, Connection, Credential, Payload, Standing};
use crate::wire::openai::{self, RealtimeWatcher};
use crate::wire::{Operation, Usage};

use super::admit::percent_decoded;
use super::attempt::{Cause, Refusal};
use super::blame;
use super::charge::{self, Refused, Wanted};
use super::client::Client;
use super::course::{Course, Next};
use super::headers::{self, X_REQUEST_ID, X_WEIR_UPSTREAM};
use super::lease::{Leasing, lease};
use super::plan::{self, pause};
use super::settle::Record;
use super::watch::{Interrupted, watched};

/// Opens a WebSocket to a target of its model, and carries it to its end.
///
/// # Errors
/// The fault that ended it.
pub async fn run(
    gateway: &Arc<Gateway>,
    mut snapshot: Arc<Snapshot>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(Operation::Realtime);
    let query = client
        .session
        .req_header()
        .uri
        .query()
        .unwrap_or("")
        .to_owned();
    let model = model(&query)?;
    let plan = plan::named(gateway, &mut snapshot, &model, client, record).await?;
    let snapshot = &*snapshot;
    record.calling.permit_model(&model, plan.model.as_deref())?;
    reserve(gateway, snapshot, &plan, record)?;
    let failover = &snapshot.config.failover;
    let mut course = Course::new(
        failover,
        &plan.route.retries,
        plan.route.deadline,
        record.begun,
    );
    let asked = Asked {
        gateway,
        snapshot,
        query,
        model,
    };
    loop {
        let candidates = plan::candidates(&plan, None, true, client).await?;
        course.begin_round();
        match go_through(&asked, &candidates, &mut course, client, record).await? {
            Round::Opened(candidate, connection) => {
                return carry(snapshot, candidate, connection, client, record).await;
            }
            Round::Through => match course.next(Instant::now(), fastrand::f64()) {
                Next::Again(after) => pause(client, Instant::now() + after).await?,
                Next::Wait(_, until) => pause(client, until).await?,
                Next::GiveUp => break,
            },
            Round::Stopped => break,
        }
    }
    Err(course.give_up(&asked.model, Instant::now()).fault)
}

/// What is said over it costs: the caller must have room for one answer at least, and for the place that it takes to its end.
fn reserve(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    plan: &Plan,
    record: &mut Record,
) -> Result<(), Fault> {
    let calling = record.calling.clone();
    let wanted = Wanted {
        gateway,
        snapshot,
        calling: &calling,
        operation: Operation::Realtime,
        model: plan.model.as_deref(),
        plan: Some(plan),
        upstream: None,
        size: RequestSize {
            input_estimate: 0,
            output_max: None,
            choices: 1,
        },
        characters: 0,
        is_downgraded: false,
    };
    record.charge = match charge::begin(&wanted, record) {
        Ok(charge) => charge,
        Err(Refused::Fault(fault)) => return Err(fault),
        // Another model may not speak over WebSockets.
        Err(Refused::Downgrade(_)) => return Err(charge::spent()),
    };
    Ok(())
}

/// What a client asks for.
struct Asked<'a> {
    gateway: &'a Gateway,
    snapshot: &'a Snapshot,
    query: String,
    model: String,
}

/// How one pass through the candidates went.
enum Round<'a> {
    Opened(&'a Candidate, Connection),
    /// No candidate is left.
    Through,
    /// There is more to try, but a bound has been reached.
    Stopped,
}

async fn go_through<'c>(
    asked: &Asked<'_>,
    candidates: &'c [Candidate],
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Round<'c>, Fault> {
    for candidate in candidates {
        if course.has_failed(candidate.endpoint.place()) {
            continue;
        }
        let trial = candidate.endpoint.health.take_trial(Instant::now());
        match candidate.standing {
            // Another is the trial.
            Standing::Trial if trial.is_none() && candidates.len() > 1 => continue,
            Standing::Loading => {
                course.loading = true;
                if course.waits_for_loading(Instant::now()) {
                    continue;
                }
            }
            _ => {}
        }
        match try_keys(asked, candidate, trial, course, client, record).await? {
            Some(round) => return Ok(round),
            None => continue,
        }
    }
    Ok(Round::Through)
}

/// Tries one target with one key after another; `None`: on to the next candidate.
async fn try_keys<'c>(
    asked: &Asked<'_>,
    candidate: &'c Candidate,
    mut trial: Option<Trial>,
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Round<'c>>, Fault> {
    let endpoint = &candidate.endpoint;
    let model = candidate.model.as_deref().unwrap_or(&asked.model);
    let brought = &client.session.req_header().headers;
    let own = Account::of_client(&endpoint.upstream, brought);
    let is_own = own.is_some();
    loop {
        let lease = match lease(asked.gateway, endpoint, model, is_own, course, record) {
            Leasing::Go(lease) => lease,
            Leasing::Elsewhere => return Ok(None),
            Leasing::Stop => return Ok(Some(Round::Stopped)),
        };
        record.note_attempt(asked.gateway);
        record.upstream = Some(endpoint.clone());
        record.in_flight_at = Some(endpoint.enter());
        record.lease = lease;
        record.upstream_model = Some(model.into());
        record.attempt_begun = Some(Instant::now());
        if let Some(charge) = &mut record.charge {
            charge.is_on_own_key = is_own;
        }
        let opened = open(asked, candidate, own.as_ref(), client, record).await;
        let fault = opened.as_ref().err().map(|failed| &failed.fault);
        blame::report_handshake(asked.gateway, asked.snapshot, endpoint, fault, trial.take());
        let Failed { fault, cause } = match opened {
            Ok(connection) => return Ok(Some(Round::Opened(candidate, connection))),
            Err(failed) => failed,
        };
        record.note_failed(!matches!(fault, Fault::Connect { .. }));
        let speaks_of_the_client = match &fault {
            Fault::UpstreamStatus { status, .. } => is_own && blame::is_about_an_account(*status),
            other => cause != Cause::Key && !other.is_upstreams(),
        };
        if speaks_of_the_client {
            return Err(fault);
        }
        course.note(endpoint.place(), Refusal::of(fault), cause);
        if cause != Cause::Key {
            return Ok(None);
        }
    }
}

/// Why a handshake brought no WebSocket.
struct Failed {
    fault: Fault,
    cause: Cause,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        let cause = Cause::Endpoint;
        Failed { fault, cause }
    }
}

/// The model that a query names.
fn model(query: &str) -> Result<String, Fault> {
    let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model");
    let asked = asked.map(|(_, model)| model.into_owned());
    let place = "the query's parameter";
    asked
        .filter(|model| !model.is_empty())
        .ok_or(Fault::ModelMissing { place })
}

/// The handshake with one target.
async fn open(
    asked: &Asked<'_>,
    candidate: &Candidate,
    own: Option<&Credential>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Connection, Failed> {
    let upstream = candidate.endpoint.upstream.name.clone();
    let timeouts = &candidate.endpoint.upstream.timeouts;
    let deadline = Instant::now() + timeouts.first_byte;
    let interrupted = |interrupted| match interrupted {
        Interrupted::ClientGone => Fault::ClientGone,
        Interrupted::TimedOut => Fault::Timeout {
            upstream: upstream.clone(),
            wait: Wait::FirstByte(timeouts.first_byte),
        },
    };
    let connecting = candidate
        .endpoint
        .connect_for_upgrade(&asked.gateway.connector);
    let connected = watched(client, deadline, connecting).await;
    let broken = |broken: Broken| blame::broken(&upstream, &broken);
    let mut connection = connected.map_err(interrupted)?.map_err(broken)?;
    let head = Box::new(request_head(asked, candidate, own, client, record)?);
    let answered = watched(client, deadline, connection.ask(head, Bytes::new())).await;
    answered.map_err(interrupted)?.map_err(broken)?;
    record.note_head(
        connection.head().status.as_u16(),
        &connection.head().headers,
    );
    match connection.head().status {
        StatusCode::SWITCHING_PROTOCOLS => Ok(connection),
        status if status.is_client_error() || status.is_server_error() => {
            let words = watched(client, deadline, words(&mut connection)).await;
            let words = words.map_err(interrupted)?;
            Err(refused(asked, upstream, status.as_u16(), &words, record))
        }
        status => Err(Failed::from(Fault::Unintelligible {
            upstream,
            what: format!("status {status} to a WebSocket"),
        })),
    }
}

/// Of the words of a refusal so many are read, in bytes.
const WORDS_BYTES_MAX: usize = 64 * 1024;

/// What a refused handshake says, as far as it is of use.
async fn words(connection: &mut Connection) -> Vec<u8> {
    let mut words = Vec::new();
    while let Ok(Some(piece)) = connection.piece().await {
        words.extend_from_slice(&piece);
        if words.len() > WORDS_BYTES_MAX {
            break;
        }
    }
    words
}

/// What a refused handshake means: something against the key, or against the request.
fn refused(
    asked: &Asked<'_>,
    upstream: String,
    status: u16,
    words: &[u8],
    record: &mut Record,
) -> Failed {
    let code = openai::reason_of(words).code;
    let keys = blame::blame_key(asked.gateway, status, code.as_deref(), record);
    match status {
        401..=403 if keys => Failed {
            fault: Fault::CredentialRefused { upstream, status },
            cause: Cause::Key,
        },
        _ => Failed {
            fault: Fault::UpstreamStatus { upstream, status },
            cause: if keys { Cause::Key } else { Cause::Endpoint },
        },
    }
}

fn request_head(
    asked: &Asked<'_>,
    candidate: &Candidate,
    own: Option<&Credential>,
    client: &Client<'_>,
    record: &Record,
) -> Result<RequestHeader, Fault> {
    let endpoint = &candidate.endpoint;
    let head_of_client = client.session.req_header();
    let query = match candidate.model.as_deref() {
        Some(model) => with_model(&asked.query, model),
        None => asked.query.clone(),
    };
    let query = headers::query_up(&query).unwrap_or_default();
    let path = format!("{}/realtime?{query}", endpoint.upstream.base.api_path);
    let unsendable = |_| Fault::MalformedBody("its path cannot be sent on".to_owned());
    let head = endpoint.head(&head_of_client.method, &path);
    let head = head.map_err(unsendable)?;
    let id = [(X_REQUEST_ID, record.request_id.clone())];
    let forwarded = record.forwarded(&endpoint.upstream);
    let mut head = headers::up(head_of_client, head, forwarded, id);
    headers::remove_own_keys(&mut head, &asked.snapshot.own_key_headers);
    headers::copy_upgrade(head_of_client, &mut head);
    let lease = record.lease.as_ref();
    let leased = lease.map(|lease| endpoint.account.credential(lease));
    endpoint.authorize(&mut head, own.or(leased), Payload::Whole(b""));
    Ok(head)
}

/// The query with another model; every other parameter stays byte by byte.
fn with_model(query: &str, model: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(model.as_bytes()).collect();
    let parameters = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if percent_decoded(name) == "model" => format!("model={encoded}"),
            _ => parameter.to_owned(),
        });
    parameters.collect::<Vec<_>>().join("&")
}

/// Carries bytes both ways until either side ends.
async fn carry(
    snapshot: &Snapshot,
    candidate: &Candidate,
    mut connection: Connection,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let mut head = headers::upgraded(connection.take_head());
    head.headers.insert(X_REQUEST_ID, record.request_id.clone());
    if snapshot.config.server.response_headers {
        let label = candidate.endpoint.account.label.clone();
        head.headers.insert(X_WEIR_UPSTREAM, label);
    }
    record.status = head.status.as_u16();
    // A WebSocket may be silent for as long as its two ends like; Pingora would close it after a minute.
    client.session.set_read_timeout(None);
    client.begin_body(head).await?;
    record.note_first_byte();
    let mut watcher = RealtimeWatcher::default();
    loop {
        tokio::select! {
            piece = connection.piece() => match piece {
                Ok(Some(bytes)) => {
                    if watcher.push(&bytes) {
                        note_usage(watcher.usage(), record);
                    }
                    client.send(bytes).await?;
                }
                Ok(None) | Err(_) => return client.end(Bytes::new()).await,
            },
            piece = client.session.read_request_body() => match piece {
                Ok(Some(bytes)) => {
                    let sent = connection.send_upgraded(bytes).await;
                    let upstream = || candidate.endpoint.upstream.name.clone();
                    sent.map_err(|_| Fault::Truncated { upstream: upstream() })?;
                }
                Ok(None) => return client.end(Bytes::new()).await,
                Err(_) => return Err(Fault::ClientGone),
            },
        }
    }
}

/// Counts what was used so far, while the WebSocket is open: it may be open for long.
fn note_usage(usage: Option<Usage>, record: &mut Record) {
    record.usage = usage;
    if let (Some(lease), Some(usage)) = (&mut record.lease, usage) {
        lease.tokens(usage.input() + usage.output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_of_a_query_changes() {
        let cases = [
            ("model=a", "model=x%2Fy"),
            (
                "intent=transcription&model=a&z=%20",
                "intent=transcription&model=x%2Fy&z=%20",
            ),
            ("m%6Fdel=a", "model=x%2Fy"),
            ("", ""),
        ];
        for (query, expected) in cases {
            assert_eq!(with_model(query, "x/y"), expected, "{query}");
        }
    }
}
