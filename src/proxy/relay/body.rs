//! Answers that are no streams of events.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use serde::de::IgnoredAny;

use crate::fault::{Fault, Wait};
use crate::proxy::attempt::{Attempt, Cause, Failure, Refusal, Whole};
use crate::proxy::client::Client;
use crate::proxy::exchange::Exchange;
use crate::proxy::headers::{self, AnswerHead};
use crate::proxy::prepare::Prepared;
use crate::proxy::settle::Record;
use crate::proxy::translated::Translated;
use crate::proxy::watch::{Interrupted, watched};
use crate::upstream::Connection;
use crate::wire::encoding::{Decoder, Encoding};
use crate::wire::neutral::{Error, Unintelligible};
use crate::wire::{Dialect, openai, reported, streams, translate};

use super::{decoded, introduce, undecodable};

/// JSON up to this many bytes is held until it is whole: then its length is known, and a break can be made good elsewhere.
const HOLD_BYTES: usize = 1024 * 1024;
/// Of longer JSON this much of the end is kept, to find the usage in. In bytes.
const TAIL_BYTES: usize = 64 * 1024;

/// A JSON answer to what was asked: complete, or `None` where it is so long that it has been passed on already.
pub async fn json(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    encoding: Option<Encoding>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Whole>, Failure> {
    let mut source = Source::new(attempt, connection, encoding);
    let (held, complete) = source
        .hold(client)
        .await
        .map_err(|fault| attempt.failed(fault))?;
    let is_understood = matches!(attempt.prepared, Prepared::Translated(_));
    if !complete && (is_understood || attempt.exchange.is_read_whole()) {
        return Err(attempt.failed(Fault::EventTooLarge {
            upstream: attempt.name(),
            limit: attempt.exchange.snapshot.config.limits.event_bytes,
        }));
    }
    if !complete {
        return source.pass_on(held, client, record).await.map(|()| None);
    }
    let head = source.head(Some(held.len()), client);
    if starts_like_html(&held) {
        let what = "HTML in place of JSON".to_owned();
        return Err(attempt.failed(Fault::Unintelligible {
            upstream: attempt.name(),
            what,
        }));
    }
    if let Prepared::Translated(translated) = attempt.prepared {
        let told = told_anew(attempt, translated, head, &held, client, record);
        return told.map(Some).map_err(|fault| attempt.failed(fault));
    }
    // A body can be framed well and yet be cut: by what stands between the engine and weir, or by an engine that dies.
    let dialect = attempt.exchange.endpoint.dialect;
    let usage = match streams::usage_of_whole(dialect, &held) {
        Ok(usage) => usage,
        Err(openai::Cut) if head.status == StatusCode::NO_CONTENT => None,
        Err(openai::Cut) => {
            return Err(attempt.failed(Fault::Truncated {
                upstream: attempt.name(),
            }));
        }
    };
    attempt.note_first_byte();
    record.stream = false;
    let operation = attempt.exchange.endpoint.operation;
    record.usage = reported::usage_of(operation, dialect, &held).or(usage);
    note_said(attempt, &held, record);
    Ok(Some(Whole { head, body: held }))
}

/// What a whole answer says counts where it does not tell its own use.
fn note_said(attempt: &Attempt<'_>, held: &Bytes, record: &Record) {
    if let Some(charge) = record.charge.as_ref().filter(|_| record.usage.is_none()) {
        let said = streams::said_of_whole(attempt.dialect(), held);
        charge.heard().note(None, said);
    }
}

/// A whole answer in the client's dialect.
fn told_anew(
    attempt: &Attempt<'_>,
    translated: &Translated,
    head: AnswerHead,
    held: &Bytes,
    client: &Client<'_>,
    record: &mut Record,
) -> Result<Whole, Fault> {
    let exchange = attempt.exchange;
    let told = translated
        .whole(exchange, held)
        .map_err(|Unintelligible(what)| {
            let upstream = attempt.name();
            match openai::usage_of_whole(held) {
                Err(openai::Cut) => Fault::Truncated { upstream },
                Ok(_) => Fault::Unintelligible { upstream, what },
            }
        });
    let (body, usage) = told?;
    attempt.note_first_byte();
    record.stream = exchange.envelope.stream;
    record.usage = usage;
    note_said(attempt, held, record);
    let head = headers::translated(head, translated.content_type(exchange));
    let version = client.session.req_header().version;
    let head = headers::framed(head, body.len(), version);
    Ok(Whole { head, body })
}

/// An answer that is not looked at: audio, text.
pub async fn opaque(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    encoding: Option<Encoding>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Whole>, Failure> {
    let source = Source::new(attempt, connection, encoding);
    source
        .pass_on(Bytes::new(), client, record)
        .await
        .map(|()| None)
}

/// An upstream's refusal in JSON: its own words, to be passed on now or when nobody does better.
pub async fn refusal(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    encoding: Option<Encoding>,
    retriable: bool,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Failure {
    let mut source = Source::new(attempt, connection, encoding);
    source.due = attempt.head_by();
    let status = source.connection.head().status.as_u16();
    let mut fault = Fault::UpstreamStatus {
        upstream: attempt.name(),
        status,
    };
    let (body, complete) = match source.hold(client).await {
        Ok(read) => read,
        Err(Fault::ClientGone) => return Failure::Final(Fault::ClientGone),
        // Its status says enough, whatever has become of its words.
        Err(_) => return attempt.failed(fault),
    };
    let head = source.head(Some(body.len()), client);
    if !complete {
        return attempt.failed(fault);
    }
    let reason = openai::reason_of(&body);
    let error = translate::read_error(attempt.dialect(), status, &body);
    if let Some(wait) = error.retry_after {
        record.note_wait(wait);
    }
    let meant = meant_status(attempt.dialect(), status, &error);
    if meant != status {
        fault = Fault::UpstreamStatus {
            upstream: attempt.name(),
            status: meant,
        };
    }
    let said = match attempt.prepared {
        Prepared::Passing => is_json(&body).then_some(Whole { head, body }),
        Prepared::Translated(translated) => {
            let (told_status, told) = translated.refusal(attempt.exchange, &error);
            let mut head = headers::translated(head, "application/json");
            head.status = StatusCode::from_u16(told_status).unwrap_or(head.status);
            headers::set_retry_after(&mut head, error.retry_after);
            let head = headers::framed(head, told.len(), client.session.req_header().version);
            Some(Whole { head, body: told })
        }
    };
    let refusal = Refusal {
        fault,
        said,
        reason,
    };
    if retriable {
        Failure::Next {
            refusal,
            cause: Cause::Endpoint,
        }
    } else {
        Failure::Stands(refusal)
    }
}

/// The status that a refusal should have had: Google says 400 where it means that the key is wrong, and Anthropic where the
/// account is empty. Only what no client can have written into the message counts.
fn meant_status(dialect: Dialect, status: u16, error: &Error) -> u16 {
    let is_keys = error.code.as_deref() == Some(openai::API_KEY_INVALID);
    let is_accounts = error.message.starts_with("Your credit balance is too low");
    match (dialect, status) {
        (Dialect::Gemini, 400) if is_keys => 401,
        (Dialect::Anthropic, 400) if is_accounts => 402,
        _ => status,
    }
}

/// Passes a complete answer.
pub async fn whole(
    exchange: &Exchange,
    answer: Whole,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    client
        .begin_body(introduce(exchange, answer.head, record))
        .await?;
    record.note_first_byte();
    client.end(answer.body).await
}

/// Reads an answer, plain.
pub(super) struct Source<'a> {
    attempt: &'a Attempt<'a>,
    connection: &'a mut Connection,
    decoder: Option<Decoder>,
    ended: bool,
    /// When all of it is to be here.
    due: Instant,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        attempt: &'a Attempt<'a>,
        connection: &'a mut Connection,
        encoding: Option<Encoding>,
    ) -> Source<'a> {
        Source {
            decoder: encoding.map(Decoder::new),
            connection,
            due: attempt.total_by,
            attempt,
            ended: false,
        }
    }

    /// The head for the client. To be called once.
    pub(super) fn head(&mut self, length: Option<usize>, client: &Client<'_>) -> AnswerHead {
        let version = client.session.req_header().version;
        headers::down(self.connection.take_head(), length, version)
    }

    /// The next piece; `None` at the end.
    async fn piece(&mut self, client: &mut Client<'_>) -> Result<Option<Bytes>, Fault> {
        while !self.ended {
            let read = watched(client, self.due, self.connection.piece()).await;
            let upstream = || self.attempt.name();
            let read = read.map_err(|interrupted| match interrupted {
                Interrupted::ClientGone => Fault::ClientGone,
                Interrupted::TimedOut => Fault::Timeout {
                    upstream: upstream(),
                    wait: Wait::Total(self.attempt.timeouts().total),
                },
            })?;
            let piece = match read.map_err(|_| Fault::Truncated {
                upstream: upstream(),
            })? {
                Some(piece) => decoded(&mut self.decoder, piece, self.attempt)?,
                None => self.rest()?,
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// What the decoder still holds at the end.
    fn rest(&mut self) -> Result<Bytes, Fault> {
        self.ended = true;
        let rest = self
            .decoder
            .as_mut()
            .map(|decoder| decoder.finish(HOLD_BYTES))
            .transpose();
        let rest = rest.map_err(|error| undecodable(self.attempt, &error))?;
        Ok(rest.unwrap_or_default().into())
    }

    /// Reads all of a body of up to `HOLD_BYTES`; what was read, and whether that is all.
    pub(super) async fn hold(&mut self, client: &mut Client<'_>) -> Result<(Bytes, bool), Fault> {
        let most = match self.attempt.prepared {
            Prepared::Passing if !self.attempt.exchange.is_read_whole() => HOLD_BYTES,
            Prepared::Passing => self.attempt.exchange.snapshot.config.limits.event_bytes,
            // It can only be told anew when all of it is there.
            Prepared::Translated(_) => self.attempt.exchange.snapshot.config.limits.event_bytes,
        };
        let mut first = Bytes::new();
        let mut held = BytesMut::new();
        while let Some(piece) = self.piece(client).await? {
            // Most answers come in one piece, and are not copied.
            if first.is_empty() && held.is_empty() && piece.len() <= most {
                first = piece;
                continue;
            }
            held.extend_from_slice(&std::mem::take(&mut first));
            held.extend_from_slice(&piece);
            if held.len() > most {
                return Ok((held.freeze(), false));
            }
        }
        Ok((
            if held.is_empty() {
                first
            } else {
                held.freeze()
            },
            true,
        ))
    }

    /// Passes `held` and all that follows it, piece by piece.
    async fn pass_on(
        mut self,
        held: Bytes,
        client: &mut Client<'_>,
        record: &mut Record,
    ) -> Result<(), Failure> {
        let upstream_head = self.connection.head();
        let declared = upstream_head
            .headers
            .get(header::CONTENT_LENGTH)
            .filter(|_| self.decoder.is_none());
        let length = declared.and_then(|value| value.to_str().ok()?.parse().ok());
        self.attempt.note_first_byte();
        let head = introduce(self.attempt.exchange, self.head(length, client), record);
        record.stream = false;
        let passed = self.pass_pieces(head, held, client, record).await;
        passed.map_err(Failure::Final)
    }

    async fn pass_pieces(
        &mut self,
        head: AnswerHead,
        held: Bytes,
        client: &mut Client<'_>,
        record: &mut Record,
    ) -> Result<(), Fault> {
        let is_json = self.connection.ends_by_close() && !held.is_empty();
        client.begin_body(head).await?;
        let mut tail = BytesMut::new();
        let mut next = Some(held).filter(|held| !held.is_empty());
        while let Some(piece) = match next.take() {
            Some(piece) => Some(piece),
            None => self.piece(client).await?,
        } {
            keep_tail(&mut tail, &piece);
            record.note_first_byte();
            client.send(piece).await?;
        }
        if is_json && !tail.trim_ascii_end().ends_with(b"}") {
            return Err(Fault::Truncated {
                upstream: self.attempt.name(),
            });
        }
        let dialect = self.attempt.exchange.endpoint.dialect;
        record.usage = streams::usage_in_tail(dialect, &tail);
        match self.connection.trailers().await {
            Some(trailers) => client.end_with(headers::trailers_down(trailers)).await,
            None => client.end(Bytes::new()).await,
        }
    }
}

/// Adds a piece of an answer to what is kept of its end.
pub fn keep_tail(tail: &mut BytesMut, piece: &Bytes) {
    let fresh = &piece[piece.len().saturating_sub(TAIL_BYTES)..];
    let surplus = (tail.len() + fresh.len()).saturating_sub(TAIL_BYTES);
    let _ = tail.split_to(surplus.min(tail.len()));
    tail.extend_from_slice(fresh);
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

fn starts_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}
