//! From an answer to the response that HTTP writes: headers, body, and the faults that belong to either.
//! It must not know how the answer came about.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::armory::Faults;
use super::body::{Delivery, EventBody, Halves, SimBody, TRAILER_NAMES};
use super::dialect::Dialect;
use super::engine::{Turn, Work};
use super::fault::FaultKind;
use super::http::Connection;
use super::quirks::Quirk;
use super::record::Exchange;
use super::reply::{Content, Reply, Source};
use super::shaping::{Framing, Shaper, coding};

/// Makes the response, and settles the exchange or gives it to the body to settle.
///
/// # Errors
/// An encoder cannot be made.
pub fn deliver(
    reply: Reply,
    faults: &Faults,
    connection: &Connection,
    mut exchange: Exchange,
) -> io::Result<Response<SimBody>> {
    let mut head = Response::new(());
    *head.status_mut() = reply.status;
    write_headers(&reply, connection, head.headers_mut());
    let body = match reply.content {
        Content::Whole(bytes) if !breaks_a_plain_body(faults) => {
            note_work(&exchange, reply.work);
            exchange.finish();
            SimBody::Whole(bytes)
        }
        Content::Whole(bytes) => {
            note_work(&exchange, reply.work);
            declare_length(bytes.len(), faults, head.headers_mut());
            events(
                Box::new(Halves::of(bytes)),
                None,
                faults,
                connection,
                exchange,
                Framing::Plain,
            )?
        }
        Content::Events(source, turn) => {
            exchange.worked(turn.work().prompt_tokens, 0);
            declare_length_of_events(faults, head.headers_mut());
            let framing = Framing::of(reply.content_type);
            events(source, Some(turn), faults, connection, exchange, framing)?
        }
    };
    if !faults.is_empty() {
        announce(faults, connection, &mut head);
    }
    Ok(head.map(|()| body))
}

fn note_work(exchange: &Exchange, work: Option<Work>) {
    if let Some(work) = work {
        exchange.worked(work.prompt_tokens, work.output_tokens);
    }
}

fn write_headers(reply: &Reply, connection: &Connection, headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(reply.content_type),
    );
    // A name that cannot stand in a header is left out rather than refused.
    if let Ok(name) = HeaderValue::from_str(&connection.host.options.name) {
        headers.insert("x-sim-name", name);
    }
    headers.extend(reply.headers.iter().cloned());
}

fn events(
    source: Box<dyn Source>,
    turn: Option<Turn>,
    faults: &Faults,
    connection: &Connection,
    exchange: Exchange,
    framing: Framing,
) -> io::Result<SimBody> {
    let options = &connection.host.options;
    let has_no_end = connection.host.has(Quirk::NoDone);
    let shaper = if faults.is_empty() && !has_no_end {
        None
    } else {
        let dialect = Dialect::of(options, exchange.record.uri.path());
        Some(Shaper::new(faults, dialect, framing, has_no_end)?)
    };
    let delivery = Delivery {
        turn,
        exchange,
        switch: Arc::clone(&connection.switch),
        shaper,
        flush_each: !options.coalesce,
        close_after: faults.has(FaultKind::CloseAfter),
        trailers: faults.has(FaultKind::Trailers),
    };
    Ok(SimBody::Events(Box::new(EventBody::new(source, delivery))))
}

/// Whether a plain body has to go out in pieces.
fn breaks_a_plain_body(faults: &Faults) -> bool {
    let stalls_inside = faults
        .get(FaultKind::Stall)
        .is_some_and(|fault| fault.after.is_some());
    let others = [
        FaultKind::Reset,
        FaultKind::Truncate,
        FaultKind::CloseAfter,
        FaultKind::ContentLength,
        FaultKind::Trailers,
    ];
    stalls_inside || others.into_iter().any(|kind| faults.has(kind)) || coding(faults).is_some()
}

/// Bytes by which a wrong `Content-Length` is wrong.
const LENGTH_ERROR: usize = 10;

/// What a plain body says of its length: the truth where it will be broken off, too much under `content_length`, or nothing.
fn declare_length(length: usize, faults: &Faults, headers: &mut HeaderMap) {
    // HTTP stops asking for a body whose declared length is there, so one that settles something at its end declares none.
    let ends_late = [FaultKind::Trailers, FaultKind::CloseAfter]
        .into_iter()
        .any(|kind| faults.has(kind));
    let goes_on = faults
        .get(FaultKind::Stall)
        .is_some_and(|fault| fault.lasting.is_some());
    let clean_end = faults
        .get(FaultKind::Truncate)
        .is_some_and(|fault| fault.style == "clean");
    if ends_late || goes_on || clean_end || coding(faults).is_some() {
        return;
    }
    let error = if faults.has(FaultKind::ContentLength) {
        LENGTH_ERROR
    } else {
        0
    };
    headers.insert(header::CONTENT_LENGTH, (length + error).into());
}

/// A stream's length is not known; a wrong one is.
fn declare_length_of_events(faults: &Faults, headers: &mut HeaderMap) {
    if faults.has(FaultKind::ContentLength) {
        headers.insert(header::CONTENT_LENGTH, (1u64 << 30).into());
    }
}

/// A plain answer whose `Content-Length` is too short, as HTTP/1.1 bytes: HTTP itself would never write the rest.
pub fn with_short_length(reply: &Reply, faults: &Faults) -> Option<Bytes> {
    let Content::Whole(body) = &reply.content else {
        return None;
    };
    faults
        .get(FaultKind::ContentLength)
        .filter(|fault| fault.style == "short")?;
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        reply.status,
        reply.content_type,
        body.len().saturating_sub(LENGTH_ERROR)
    );
    Some([head.as_bytes(), body].concat().into())
}

fn announce(faults: &Faults, connection: &Connection, head: &mut Response<()>) {
    if let Some(coding) = coding(faults) {
        head.headers_mut().insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_static(coding.name()),
        );
    }
    if faults.has(FaultKind::Trailers) {
        head.headers_mut()
            .insert(header::TRAILER, HeaderValue::from_static(TRAILER_NAMES));
    }
    if let Some(fault) = faults.get(FaultKind::Informational) {
        connection
            .switch
            .inject(Bytes::from_static(match fault.style {
                "100" => b"HTTP/1.1 100 Continue\r\n\r\n",
                _ => b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n",
            }));
    }
    if faults.has(FaultKind::DuplicateHead) {
        let head = format!(
            "HTTP/1.1 {} OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
            head.status().as_str(),
            content_type(head)
        );
        connection.switch.inject(head.into());
    }
}

fn content_type(head: &Response<()>) -> &str {
    head.headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
