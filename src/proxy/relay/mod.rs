//! Stage 7: the upstream's answer to the client. Events pass as they come, JSON is held until it is whole or too long
//! to hold, everything else passes piece by piece.

mod between;
mod body;
mod gathered;
mod judged;
mod out;
mod stream;

use bytes::Bytes;
use http::HeaderValue;

use crate::fault::Fault;
use crate::wire::Dialect;
use crate::wire::encoding::{DecodeError, Decoder};

use super::attempt::Attempt;
use super::exchange::Exchange;
use super::headers::{
    AnswerHead, REQUEST_ID, X_REQUEST_ID, X_WEIR_ATTEMPTS, X_WEIR_COST, X_WEIR_DROPPED,
    X_WEIR_FALLBACK, X_WEIR_UPSTREAM,
};
use super::settle::Record;

pub use body::{json, keep_tail, opaque, refusal, whole};
pub use gathered::gathered;
pub use judged::judged;
pub use stream::stream;

/// Adds what weir says itself to the head of an answer, and notes that the answer begins.
fn introduce(exchange: &Exchange, mut head: AnswerHead, record: &mut Record) -> AnswerHead {
    head.headers.insert(X_REQUEST_ID, record.request_id.clone());
    if exchange.endpoint.dialect == Dialect::Anthropic {
        let own = || record.request_id.clone();
        head.headers.entry(REQUEST_ID).or_insert_with(own);
    }
    if let Some(dropped) = record.dropped.take() {
        head.headers.insert(X_WEIR_DROPPED, dropped);
    }
    if exchange.snapshot.config.server.response_headers {
        head.headers
            .insert(X_WEIR_ATTEMPTS, HeaderValue::from(record.attempts));
        if let Some(endpoint) = &record.upstream {
            let label = endpoint.account.label.clone();
            head.headers.insert(X_WEIR_UPSTREAM, label);
        }
    }
    record.tell_limits(&mut head.headers);
    let told = exchange
        .snapshot
        .config
        .prices
        .header
        .then(|| record.cost());
    if let Some(cost) = told.flatten() {
        head.headers.insert(X_WEIR_COST, cost);
    }
    let fallback = record.fallback.as_deref();
    if let Some(fallback) = fallback.and_then(|model| HeaderValue::from_str(model).ok()) {
        head.headers.insert(X_WEIR_FALLBACK, fallback);
    }
    record.status = head.status.as_u16();
    record.note_accepted();
    exchange.accepted();
    head
}

/// A piece of an answer, plain. A few bytes can decode to very many: more than may be held at once is refused.
fn decoded(
    decoder: &mut Option<Decoder>,
    piece: Bytes,
    attempt: &Attempt<'_>,
) -> Result<Bytes, Fault> {
    let Some(decoder) = decoder else {
        return Ok(piece);
    };
    let room = attempt.exchange.snapshot.config.limits.event_bytes;
    let decoded = decoder.push(&piece, room);
    decoded
        .map(Bytes::from)
        .map_err(|error| undecodable(attempt, &error))
}

fn undecodable(attempt: &Attempt<'_>, error: &DecodeError) -> Fault {
    let upstream = attempt.name();
    match error {
        DecodeError::TooLarge(limit) => Fault::EventTooLarge {
            upstream,
            limit: *limit,
        },
        DecodeError::Corrupt(what) => {
            let what = format!("its content-encoding is corrupt: {what}");
            Fault::Unintelligible { upstream, what }
        }
    }
}
