//! What is no exchange: `/<upstream>/…`. Pingora's own relay carries it; weir sees to credentials and settles.

use std::sync::Arc;

use http::{HeaderName, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, OrErr, Result};
use pingora_proxy::{FailToProxy, Session};

use crate::fault::{Fault, Wait};
use crate::gateway::Snapshot;
use crate::upstream::{Endpoint, InFlight};

use super::Context;
use super::admit::PassThrough;
use super::client::Client;
use super::headers::{self, X_REQUEST_ID, X_UPSTREAM_REQUEST_ID, X_WEIR_UPSTREAM};
use super::refuse::refuse;
use super::settle::Record;

/// The way to an upstream for one request on Pingora's relay.
pub struct Tunnel {
    endpoint: Arc<Endpoint>,
    path_and_query: String,
    _in_flight: InFlight,
}

/// Hands a tunnel to the hooks that follow; false, as Pingora asks whether the request has been answered.
pub fn enter(slot: &mut Option<Tunnel>, tunnel: Tunnel, session: &mut Session) -> bool {
    // A WebSocket's client may be silent for as long as it likes; Pingora would close it after a minute.
    session.set_read_timeout(None);
    *slot = Some(tunnel);
    false
}

/// A tunnel to the upstream that the path names.
pub fn named(asked: PassThrough, record: &mut Record) -> Tunnel {
    let path_and_query = format!("{}{}", asked.endpoint.upstream.base.root_path, asked.rest);
    open(asked.endpoint, path_and_query, record)
}

fn open(endpoint: Arc<Endpoint>, path_and_query: String, record: &mut Record) -> Tunnel {
    record.upstream = Some(endpoint.clone());
    record.attempts = 1;
    Tunnel {
        _in_flight: endpoint.enter(),
        endpoint,
        path_and_query,
    }
}

/// The peer to connect to.
pub async fn peer(session: &Session, context: &Context) -> Result<Box<HttpPeer>> {
    let tunnel = tunnel(context)?;
    let peer = tunnel.endpoint.peer().await;
    let mut peer =
        peer.map_err(|broken| Error::explain(ErrorType::ConnectNoRoute, broken.to_string()))?;
    if session.is_upgrade_req() {
        // An upgrade exists in HTTP/1.1 only, and may be silent for as long as its two ends like.
        peer.options.alpn = ALPN::H1;
        peer.options.read_timeout = None;
    } else {
        // Nothing is known of what is asked, so that the longest wait applies to every read.
        peer.options.read_timeout = Some(tunnel.endpoint.upstream.timeouts.total);
    }
    Ok(Box::new(peer))
}

/// Makes the client's head the upstream's.
pub fn request(head: &mut RequestHeader, context: &mut Context) -> Result<()> {
    let id = context.record.request_id.clone();
    let tunnel = tunnel(context)?;
    let upstream = &tunnel.endpoint.upstream;
    for name in headers::credentials() {
        if !upstream.forward_credentials.contains(&name) {
            head.remove_header(&name);
        }
    }
    headers::strip_protocol_keys(head);
    let uri = tunnel
        .path_and_query
        .parse()
        .or_err(ErrorType::InvalidHTTPHeader, "the path cannot be sent on")?;
    head.set_uri(uri);
    head.insert_header(header::HOST, &upstream.base.authority)?;
    head.insert_header(X_REQUEST_ID, id)?;
    let credential = tunnel.endpoint.credential();
    tunnel.endpoint.authorize(head, credential);
    context.record.key = credential.map(|credential| credential.label.clone());
    Ok(())
}

/// Makes the upstream's head the client's.
pub fn response(head: &mut ResponseHeader, context: &mut Context, snapshot: &Snapshot) {
    let record = &mut context.record;
    record.status = head.status.as_u16();
    record.note_first_byte();
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
        headers::set_down(head, X_WEIR_UPSTREAM, endpoint.label.clone());
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
        let fault = fault(error, &tunnel.endpoint);
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

fn tunnel(context: &Context) -> Result<&Tunnel> {
    context
        .tunnel
        .as_ref()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "no upstream was chosen"))
}
