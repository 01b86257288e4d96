//! An upstream whose dialect only a plugin speaks: what it is sent, and its answer as Chat Completions. From there on it is an upstream
//! like any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pingora::http::ResponseHeader;
use weir_plugin::{Header, WireRequest};

use crate::fault::{Fault, whole_seconds};
use crate::plugin::chat::ChatAnswer;
use crate::plugin::edits::settable;
use crate::plugin::{Adapter, Called, GuardedDecoder, Trouble, View};
use crate::route::Candidate;
use crate::upstream::{Adapt, Connection};
use crate::wire::Operation;
use crate::wire::openai::{self, ErrorBody};

use super::attempt::{Attempt, Failure, Sent};
use super::client::Client;
use super::filters::HeaderEdits;
use super::order::shown;
use super::view::{self, ExchangeView};
use super::watch::watched;

/// A refusal's body that is looked at. In bytes.
const REFUSAL_BYTES_MAX: usize = 256 * 1024;

/// What an upstream is sent in its own dialect.
pub struct Encoded {
    pub method: Method,
    pub path: String,
    pub headers: HeaderEdits,
    pub body: Bytes,
    view: Arc<ExchangeView>,
}

/// The adapter of an attempt's upstream, where it has one.
pub fn adapter_of(attempt: &Attempt<'_>) -> Option<Arc<Adapter>> {
    let name = &attempt.endpoint.upstream.name;
    attempt.exchange.snapshot.guards.adapter(name).cloned()
}

/// What is sent, where only a plugin speaks the upstream's dialect.
pub async fn in_its_dialect(
    attempt: &Attempt<'_>,
    candidate: &Candidate,
    sent: Sent,
) -> Result<(Sent, Option<(Arc<Adapter>, Encoded)>), Failure> {
    let Some(adapter) = adapter_of(attempt) else {
        return Ok((sent, None));
    };
    let Sent {
        body, mut headers, ..
    } = sent;
    let encoded = encode(attempt, &adapter, candidate, body).await?;
    headers.extend(encoded.headers.iter().cloned());
    let sent = Sent {
        method: Some(encoded.method.clone()),
        path: encoded.path.clone(),
        body: encoded.body.clone(),
        headers,
    };
    Ok((sent, Some((adapter, encoded))))
}

/// A request in the words of its provider. `chat`: as weir would send it to an upstream that speaks Chat.
///
/// # Errors
/// What cannot be said to the provider.
pub async fn encode(
    attempt: &Attempt<'_>,
    adapter: &Adapter,
    candidate: &Candidate,
    chat: Bytes,
) -> Result<Encoded, Failure> {
    let exchange = attempt.exchange;
    let model = candidate.model.as_deref().unwrap_or(exchange.model());
    let Some(view) = exchange.view() else {
        return Err(Failure::Final(Fault::Internal));
    };
    let view = Arc::new(view.adapted(chat, model));
    let shown_view: Arc<dyn View> = view.clone();
    let encoded = adapter
        .encode(&shown_view, &shown(exchange, candidate))
        .await;
    let WireRequest {
        method,
        path,
        headers,
        body,
    } = answered(encoded).map_err(|trouble| attempt.failed(failed(attempt, &trouble)))?;
    let bad = |what: &str| {
        let what = format!("its adapter made a request with {what}");
        attempt.failed(Fault::Unintelligible {
            upstream: attempt.name(),
            what,
        })
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad("no such method"))?;
    if !path.starts_with('/') {
        return Err(bad("a path that does not begin with a slash"));
    }
    let headers = headers.into_iter().map(|field| {
        let name = settable(&field.name).ok()?;
        let value = HeaderValue::from_bytes(&field.value).ok()?;
        Some((name, Some(value)))
    });
    let headers = headers.collect::<Option<_>>();
    Ok(Encoded {
        method,
        path: attempt.endpoint.upstream.base.root_path.clone() + &path,
        headers: headers.ok_or_else(|| bad("a header that is not its to set"))?,
        body: body.into(),
        view,
    })
}

/// Makes the answer on a connection, whose head has come, into one of Chat Completions.
///
/// # Errors
/// When the adapter cannot; when the client goes away meanwhile.
pub async fn hear(
    attempt: &Attempt<'_>,
    adapter: &Adapter,
    encoded: Encoded,
    connection: &mut Connection,
    client: &mut Client<'_>,
) -> Result<(), Failure> {
    let status = connection.head().status.as_u16();
    let headers = view::shown(&connection.head().headers);
    let view: Arc<dyn View> = encoded.view;
    if status >= 400 {
        return refusal(
            attempt,
            adapter,
            (status, headers),
            &view,
            connection,
            client,
        )
        .await;
    }
    let exchange = attempt.exchange;
    let decoder = adapter.open_decoder(&view, status, headers).await;
    let decoder = answered(decoder).map_err(|trouble| attempt.failed(failed(attempt, &trouble)))?;
    let is_stream =
        exchange.envelope.stream && exchange.endpoint.operation != Operation::Embeddings;
    let content_type = match is_stream {
        true => "text/event-stream",
        false => "application/json",
    };
    let head = head(status, connection, content_type, None);
    let id = format!("{:016x}", fastrand::u64(..));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let created = since.unwrap_or_default().as_secs();
    let answer = ChatAnswer::new(is_stream, &id, exchange.model(), created);
    connection.adapt(head, Box::new(Decoded { decoder, answer }));
    Ok(())
}

/// A refusal in OpenAI's words, as far as the adapter understands the provider's.
async fn refusal(
    attempt: &Attempt<'_>,
    adapter: &Adapter,
    (status, headers): (u16, Vec<Header>),
    view: &Arc<dyn View>,
    connection: &mut Connection,
    client: &mut Client<'_>,
) -> Result<(), Failure> {
    let body = read(attempt, connection, client).await?;
    let classified = adapter.classify(view, status, headers, body).await;
    let failure =
        answered(classified).map_err(|trouble| attempt.failed(failed(attempt, &trouble)))?;
    let kind = match status {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    let told = openai::error_body(&ErrorBody {
        message: &failure.message,
        kind,
        param: None,
        code: &failure.code,
    });
    let wait = failure.retry_after_ms.map(Duration::from_millis);
    let mut head = head(status, connection, "application/json", Some(told.len()));
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(whole_seconds(wait));
        let _ = head.insert_header(header::RETRY_AFTER, seconds);
    }
    connection.adapt(head, Box::new(Told(told.into())));
    Ok(())
}

/// A refusal's body, as far as it is looked at.
async fn read(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    client: &mut Client<'_>,
) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let due: Instant = attempt.head_by();
    loop {
        let piece = watched(client, due, connection.piece()).await;
        let piece = piece.map_err(|interrupted| attempt.interrupted(interrupted))?;
        match piece {
            Ok(Some(piece)) if body.len() < REFUSAL_BYTES_MAX => body.extend_from_slice(&piece),
            Ok(Some(_)) => {}
            // Its status says enough, whatever has become of its words.
            Ok(None) | Err(_) => return Ok(body),
        }
    }
}

/// The head of the answer that is told in place of the provider's.
fn head(
    status: u16,
    connection: &Connection,
    content_type: &'static str,
    length: Option<usize>,
) -> ResponseHeader {
    let mut head = ResponseHeader::build(status, Some(4)).expect("it came with this status");
    let _ = head.insert_header(header::CONTENT_TYPE, content_type);
    if let Some(length) = length {
        let _ = head.insert_header(header::CONTENT_LENGTH, length);
    }
    if let Some(wait) = connection.head().headers.get(header::RETRY_AFTER) {
        let _ = head.insert_header(header::RETRY_AFTER, wait.clone());
    }
    head
}

/// An adapter without an answer has failed its attempt, whatever its `on_error` is: nothing could go on without it.
fn answered<T>(called: Called<T>) -> Result<T, Trouble> {
    match called {
        Called::Answered(answer) => Ok(answer),
        Called::FailedOpen(trouble) | Called::FailedClosed(trouble) => Err(trouble),
    }
}

fn failed(attempt: &Attempt<'_>, trouble: &Trouble) -> Fault {
    let upstream = attempt.name();
    Fault::Unintelligible {
        upstream,
        what: format!("its adapter: {trouble}"),
    }
}

/// Reads an answer with an adapter's decoder.
struct Decoded {
    decoder: GuardedDecoder,
    answer: ChatAnswer,
}

#[async_trait]
impl Adapt for Decoded {
    async fn push(&mut self, piece: Bytes) -> Result<Bytes, String> {
        let read = self.decoder.push(&piece).await;
        let read = answered(read).map_err(|trouble| trouble.to_string())?;
        Ok(self.answer.take(read))
    }

    async fn finish(&mut self) -> Result<Bytes, String> {
        let read = self.decoder.finish().await;
        let read = answered(read).map_err(|trouble| trouble.to_string())?;
        let mut last = self.answer.take(read).to_vec();
        last.extend_from_slice(&self.answer.end());
        Ok(last.into())
    }
}

/// What stands in the place of a body that has been read.
struct Told(Bytes);

#[async_trait]
impl Adapt for Told {
    async fn push(&mut self, _piece: Bytes) -> Result<Bytes, String> {
        Ok(Bytes::new())
    }

    async fn finish(&mut self) -> Result<Bytes, String> {
        Ok(std::mem::take(&mut self.0))
    }
}
