//! What is no exchange: `/<upstream>/…`. Pingora's own relay carries it; weir sees to credentials and settles.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, OrErr};
use pingora_proxy::{FailToProxy, Session};

use crate::config;
use crate::fault::{Fault, Wait};
use crate::gateway::{Gateway, Phase, Snapshot};
use crate::route::Plan;
use crate::tokens::RequestSize;
use crate::upstream::{Account, Chosen, Credential, Endpoint, Lease, Payload};
use crate::wire::spoken::Spoken;
use crate::wire::{Operation, openai};

use super::Context;
use super::admit::PassThrough;
use super::asked::{Asked, KeptAsked};
use super::blame;
use super::charge::{self, Refused, Wanted};
use super::client::Client;
use super::headers::{self, X_REQUEST_ID, X_UPSTREAM_REQUEST_ID, X_WEIR_UPSTREAM};
use super::plan;
use super::refuse::refuse;
use super::relay;
use super::settle::{Record, settle};

/// The way to an upstream for one request on Pingora's relay.
pub struct Tunnel {
    way: Way,
    gateway: Arc<Gateway>,
    asked: KeptAsked,
}

/// Where a tunnel leads.
pub struct Way {
    endpoint: Arc<Endpoint>,
    path_and_query: String,
    /// The key that the client has brought for this upstream.
    own_key: Option<Credential>,
    /// Where clients bring keys for upstreams.
    own_key_headers: Arc<[HeaderName]>,
    /// A refusal that may say something of the key: its status, and what it has said so far.
    refusal: Option<(u16, Vec<u8>)>,
    /// The end, so far, of an answer that may report its usage.
    tail: Option<BytesMut>,
    /// How long such an answer is so far, in bytes.
    passed: u64,
}

/// Where nobody says how many tokens something was.
const BYTES_A_TOKEN: u64 = 4;
/// Of the words of a refusal so many are read, in bytes.
const WORDS_BYTES_MAX: usize = 64 * 1024;

/// Codes (or types) that say of the key itself that it is wrong: OpenAI's and its likes', Anthropic's, Moonshot's. The client
/// chooses the path here, and there are paths that no key may use: any other 401 or 403 says nothing of the key.
const KEY_CODES: [&str; 3] = [
    "invalid_api_key",
    "authentication_error",
    "invalid_authentication_error",
];

/// Hands a tunnel to the hooks that follow; false, as Pingora asks whether the request has been answered.
pub fn enter(
    slot: &mut Option<Tunnel>,
    way: Way,
    session: &mut Session,
    gateway: Arc<Gateway>,
) -> bool {
    // A WebSocket's client may be silent for as long as it likes; Pingora would close it after a minute.
    session.set_read_timeout(None);
    let asked = Asked::of(session).kept();
    *slot = Some(Tunnel {
        way,
        gateway,
        asked,
    });
    false
}

impl Tunnel {
    /// Writes down what was cut with the process, if it is not written down yet.
    pub fn settle_cut(&self, record: &mut Record) {
        if record.is_settled() {
            return;
        }
        record.fault.get_or_insert(match self.gateway.phase() {
            Phase::Ending => Fault::ShuttingDown,
            Phase::Serving | Phase::Draining => Fault::Internal,
        });
        settle(record, self.asked.borrowed(), &self.gateway);
    }
}

/// The way to the upstream that the path names: to its best endpoint, with a key of its own.
///
/// # Errors
/// When it takes no requests, has no address, or no key is free; when the client goes away meanwhile.
pub async fn named(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    asked: PassThrough,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Way, Fault> {
    record.operation = Some(Operation::PassThrough);
    reserve(gateway, snapshot, &asked.upstream.config, client, record)?;
    let path_and_query = format!("{}{}", asked.upstream.config.base.root_path, asked.rest);
    let name = asked.upstream.config.name.clone();
    let plan = Plan::direct(asked.upstream);
    let candidates = if has_unread_body(client.session.req_header()) {
        plan.found_candidates(None, false).await
    } else {
        plan::candidates(&plan, None, false, client).await?
    };
    // One on trial comes first; it is for exchanges, which can go on elsewhere.
    let usable = candidates
        .iter()
        .position(|candidate| candidate.standing.is_usable());
    let best = candidates.into_iter().nth(usable.unwrap_or(0));
    let endpoint = best.ok_or(Fault::NoUpstream { model: name })?.endpoint;
    let brought = &client.session.req_header().headers;
    let own_key = Account::of_client(&endpoint.upstream, brought);
    if own_key.is_none() {
        record.lease = lease(&endpoint)?;
    }
    if let Some(charge) = &mut record.charge {
        charge.is_on_own_key = own_key.is_some();
    }
    record.in_flight_at = Some(endpoint.enter());
    record.upstream = Some(endpoint.clone());
    record.attempts = 1;
    Ok(Way {
        endpoint,
        path_and_query,
        own_key,
        own_key_headers: snapshot.own_key_headers.clone(),
        refusal: None,
        tail: None,
        passed: 0,
    })
}

/// What passes costs as well: the caller must have room for it. Its body is not read here, so that its length stands for it.
fn reserve(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    upstream: &config::Upstream,
    client: &Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let length = client.session.get_header(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let calling = record.calling.clone();
    let wanted = Wanted {
        gateway,
        snapshot,
        calling: &calling,
        operation: Operation::PassThrough,
        model: None,
        plan: None,
        upstream: Some(upstream),
        size: RequestSize {
            input_estimate: length.unwrap_or(0) / BYTES_A_TOKEN,
            output_max: None,
            choices: 1,
        },
        characters: 0,
        is_downgraded: false,
    };
    record.charge = match charge::begin(&wanted, record) {
        Ok(charge) => charge,
        Err(Refused::Fault(fault)) => return Err(fault),
        // Which model answers is not weir's to choose here.
        Err(Refused::Downgrade(_)) => return Err(charge::spent()),
    };
    if let Some(charge) = &mut record.charge {
        charge
            .extend_to(upstream)
            .map_err(|soonest| charge::upstream_full(&upstream.name, soonest))?;
    }
    Ok(())
}

/// Whether a body follows on the same connection, which nobody has read yet. Then a client's going cannot be seen: whoever
/// looked for it would take the body away. On HTTP/2 it is told apart.
fn has_unread_body(head: &RequestHeader) -> bool {
    let length = head.headers.get(header::CONTENT_LENGTH);
    let has_length = length.is_some_and(|length| length != "0");
    let has_body = has_length || head.headers.contains_key(header::TRANSFER_ENCODING);
    has_body && head.version != Version::HTTP_2
}

/// Which model is asked for is not known here, so that keys for certain models only are not used.
fn lease(endpoint: &Endpoint) -> Result<Option<Lease>, Fault> {
    let model = || format!("/{}/…", endpoint.upstream.name);
    match endpoint.account.choose("") {
        Chosen::NotNeeded => Ok(None),
        Chosen::Key(lease) => Ok(Some(lease)),
        Chosen::Wait(soonest) => Err(Fault::KeysResting {
            model: model(),
            soonest,
        }),
        Chosen::NotAllowed => Err(Fault::NoKeyFor { model: model() }),
        Chosen::AllOut => Err(Fault::NoKey { model: model() }),
    }
}

/// The peer to connect to.
pub fn peer(session: &Session, context: &Context) -> pingora::Result<Box<HttpPeer>> {
    let way = way(context)?;
    let mut peer = way.endpoint.peer();
    if session.is_upgrade_req() {
        // An upgrade exists in HTTP/1.1 only, and may be silent for as long as its two ends like.
        peer.options.alpn = ALPN::H1;
        peer.options.read_timeout = None;
    } else {
        // Nothing is known of what is asked, so that the longest wait applies to every read.
        peer.options.read_timeout = Some(way.endpoint.upstream.timeouts.total);
    }
    Ok(Box::new(peer))
}

/// Makes the client's head the upstream's.
pub fn request(head: &mut RequestHeader, context: &mut Context) -> pingora::Result<()> {
    let id = context.record.request_id.clone();
    // The key is one of weir's, and no upstream's to see.
    let is_callers = context.record.calling.caller.is_some();
    let way = way(context)?;
    let upstream = &way.endpoint.upstream;
    for name in headers::credentials() {
        if is_callers || !upstream.forward_credentials.contains(name) {
            head.remove_header(name);
        }
    }
    headers::remove_own_keys(head, &way.own_key_headers);
    headers::strip_protocol_keys(head);
    let uri = way
        .path_and_query
        .parse()
        .or_err(ErrorType::InvalidHTTPHeader, "the path cannot be sent on")?;
    head.set_uri(uri);
    head.insert_header(header::HOST, &upstream.base.authority)?;
    head.insert_header(X_REQUEST_ID, id)?;
    let account = &way.endpoint.account;
    let lease = context.record.lease.as_ref();
    let leased = lease.map(|lease| account.credential(lease));
    let payload = match has_body(head) {
        // It has not come yet.
        true => Payload::Unknown,
        false => Payload::Whole(b""),
    };
    let credential = way.own_key.as_ref().or(leased);
    way.endpoint.authorize(head, credential, payload);
    Ok(())
}

/// Whether a body follows, as far as a head can tell.
fn has_body(head: &RequestHeader) -> bool {
    let has = |name| head.headers.contains_key(name);
    let is_ask = matches!(head.method, Method::GET | Method::HEAD);
    !is_ask || has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING)
}

/// Makes the upstream's head the client's.
pub fn response(head: &mut ResponseHeader, context: &mut Context, snapshot: &Snapshot) {
    let Context { record, tunnel } = context;
    record.status = head.status.as_u16();
    record.note_first_byte();
    record.note_head(record.status, &head.headers);
    match (record.status, tunnel) {
        (status @ (401..=403 | 429), Some(tunnel)) => {
            tunnel.way.refusal = Some((status, Vec::new()));
        }
        (_, tunnel) => {
            record.note_accepted();
            if let Some(tunnel) = tunnel.as_mut().filter(|_| may_report_usage(head)) {
                tunnel.way.tail = Some(BytesMut::new());
            }
        }
    }
    let theirs = head.headers.get(X_REQUEST_ID).cloned();
    let upgraded = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let connection = headers::Listed::of(&head.headers);
    let passes = |name: &HeaderName| {
        headers::passes_down(name, &connection) || headers::is_framing(name, upgraded)
    };
    let names = head.headers.keys().filter(|name| !passes(name));
    for name in names.cloned().collect::<Vec<_>>() {
        head.remove_header(&name);
    }
    if let Some(theirs) = theirs {
        headers::set_down(head, X_UPSTREAM_REQUEST_ID, theirs);
    }
    headers::set_down(head, X_REQUEST_ID, record.request_id.clone());
    let upstream = record.upstream.as_ref();
    if let Some(endpoint) = upstream.filter(|_| snapshot.config.server.response_headers) {
        headers::set_down(head, X_WEIR_UPSTREAM, endpoint.account.label.clone());
    }
}

/// Whether an answer is of a kind that reports what it has used, in plain text.
fn may_report_usage(head: &ResponseHeader) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let is_readable = kind.starts_with("application/json") || kind.starts_with("text/event-stream");
    head.status.is_success() && is_readable && !head.headers.contains_key(header::CONTENT_ENCODING)
}

/// Reads along with what a refusal says, and with the end of what may report its usage.
pub fn response_piece(piece: Option<&Bytes>, context: &mut Context) {
    let (Some(tunnel), Some(piece)) = (context.tunnel.as_mut(), piece) else {
        return;
    };
    if let Some((_, words)) = &mut tunnel.way.refusal {
        let room = WORDS_BYTES_MAX.saturating_sub(words.len());
        words.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    if let Some(tail) = &mut tunnel.way.tail {
        tunnel.way.passed += piece.len() as u64;
        relay::keep_tail(tail, piece);
    }
}

/// Tells the key what came back, at the end, and notes what was used: the answer has passed as it is.
pub fn conclude(gateway: &Gateway, context: &mut Context) {
    let Context { record, tunnel } = context;
    let tail = tunnel.as_mut().and_then(|tunnel| tunnel.way.tail.take());
    record.usage = record.usage.or_else(|| openai::usage_in_tail(&tail?));
    let passed = tunnel.as_ref().map_or(0, |tunnel| tunnel.way.passed);
    if let Some(charge) = record.charge.as_ref().filter(|_| record.usage.is_none()) {
        // Nobody says how much it was; its length does, about.
        let said = Spoken {
            bytes_beyond: passed,
            ..Spoken::default()
        };
        charge.heard().note(None, said);
    }
    let refusal = tunnel.as_mut().and_then(|tunnel| tunnel.way.refusal.take());
    let Some((status, words)) = refusal else {
        return;
    };
    let code = openai::reason_of(&words).code;
    let of_key = code
        .as_deref()
        .is_some_and(|code| KEY_CODES.contains(&code));
    if of_key || !matches!(status, 401 | 403) {
        blame::blame_key(gateway, status, code.as_deref(), record);
    }
}

/// Answers for an upstream that Pingora's relay could not get an answer from; notes what broke off.
pub async fn failed(
    session: &mut Session,
    error: &Error,
    context: &mut Context,
    snapshot: &Snapshot,
) -> FailToProxy {
    let Context { record, tunnel } = context;
    // An exchange that ends unfinished has its fault already.
    if let Some(tunnel) = tunnel {
        let fault = fault(error, &tunnel.way.endpoint);
        if matches!(fault, Fault::Connect { .. }) {
            record.note_failed(false);
        }
        // 101 is the last head there is, although it counts as informational.
        let begun = session.response_written().is_some_and(|head| {
            !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
        });
        if begun {
            record.fault = Some(fault);
        } else {
            let mut client = Client::new(session, snapshot.config.limits.client_write);
            refuse(&mut client, record, fault).await;
        }
    }
    FailToProxy {
        error_code: record.status,
        can_reuse_downstream: false,
    }
}

fn fault(error: &Error, endpoint: &Endpoint) -> Fault {
    let upstream = endpoint.upstream.name.clone();
    tracing::warn!(%upstream, cause = %error, "pass-through failed");
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => Fault::ClientGone,
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError,
        ) => Fault::Connect { upstream },
        (
            _,
            ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert,
        ) => Fault::Connect { upstream },
        (_, ErrorType::ReadTimedout) => Fault::Timeout {
            upstream,
            wait: Wait::Total(endpoint.upstream.timeouts.total),
        },
        (_, ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError) => {
            Fault::ClosedEarly { upstream }
        }
        (_, ErrorType::InvalidHTTPHeader) => Fault::Unintelligible {
            upstream,
            what: "no HTTP".to_owned(),
        },
        _ => Fault::ClosedEarly { upstream },
    }
}

fn way(context: &Context) -> pingora::Result<&Way> {
    let tunnel = context.tunnel.as_ref();
    tunnel
        .map(|tunnel| &tunnel.way)
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "no upstream was chosen"))
}
