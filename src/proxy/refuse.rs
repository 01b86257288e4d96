//! Where faults become answers: one error answer, or one error event of a stream that runs, in the caller's dialect.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use tokio::time::timeout;

use weir_plugin::Reply;

use crate::fault::{Fault, whole_seconds};
use crate::plugin::edits::settable;
use crate::route::policy;
use crate::wire::Dialect;
use crate::wire::openai::{self, ErrorBody};
use crate::wire::translate::write_error;

use super::client::{Client, Said};
use super::headers::{self, X_REQUEST_ID, X_WEIR_ATTEMPTS, X_WEIR_UPSTREAM};
use super::settle::Record;

/// A body that nobody wants is still read if it is this short: that costs less than a new connection. In bytes.
const SHORT_BODY_BYTES: usize = 256 * 1024;
const SHORT_BODY_WAIT: Duration = Duration::from_secs(1);
/// How long a longer body is read and forgotten after the answer.
const LINGER: Duration = Duration::from_secs(5);

/// Tells the client of `fault` as far as it can still be told, and notes it.
pub async fn refuse(client: &mut Client<'_>, record: &mut Record, fault: Fault) {
    match client.said() {
        _ if fault.is_clients_absence() => {
            record.status = fault.shape().status;
        }
        Some(Said::Nothing) => {
            let (head, body) = error_answer(&fault, record.dialect);
            record.stream = false;
            record.status = head.status.as_u16();
            answer(client, record, head, body.into()).await;
        }
        Some(Said::Stream) => {
            let last = client.last_words(&fault.as_error(), record.begun.elapsed());
            let last = last.unwrap_or_else(|| event(&fault, record.dialect));
            // A client that cannot be told any more sees the connection close.
            let _ = client.end(last).await;
        }
        // A body that is owed more than it can get is left unfinished, which its framing shows.
        Some(Said::Body | Said::Whole) | None => {}
    }
    record.fault = Some(fault);
}

/// Answers with JSON of weir's own making.
pub async fn answer_json(client: &mut Client<'_>, record: &mut Record, status: u16, body: Vec<u8>) {
    record.status = status;
    let head = json_head(status, body.len());
    answer(client, record, head, body.into()).await;
}

/// Answers with JSON of weir's own making, and a mark by which a client sees whether it has changed.
pub async fn answer_marked(client: &mut Client<'_>, record: &mut Record, body: Vec<u8>) {
    record.status = 200;
    let mut head = json_head(200, body.len());
    let mark = format!("\"{:016x}\"", policy::caller(&body));
    let mark = HeaderValue::from_str(&mark).expect("digits in quotes");
    headers::set_down(&mut head, header::ETAG, mark);
    answer(client, record, head, body.into()).await;
}

/// Answers with plain text of weir's own making.
pub async fn answer_text(
    client: &mut Client<'_>,
    record: &mut Record,
    status: u16,
    text: &'static str,
) {
    record.status = status;
    let mut head = json_head(status, text.len());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers::set_down(&mut head, header::CONTENT_TYPE, plain);
    answer(client, record, head, Bytes::from_static(text.as_bytes())).await;
}

/// Answers with what a plugin says in a model's place.
pub async fn answer_in_its_place(client: &mut Client<'_>, record: &mut Record, reply: Reply) {
    let status = StatusCode::from_u16(reply.status).map_or(200, |status| status.as_u16());
    record.status = status;
    let mut head = json_head(status, reply.body.len());
    for field in reply.headers {
        let name = settable(&field.name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&field.value)) {
            headers::set_down(&mut head, name, value);
        }
    }
    answer(client, record, head, reply.body.into()).await;
}

fn error_answer(fault: &Fault, dialect: Dialect) -> (ResponseHeader, Vec<u8>) {
    let shape = fault.shape();
    let (status, body) = error_body(fault, dialect);
    let mut head = json_head(status, body.len());
    if let Some(wait) = shape.retry_after {
        let seconds = HeaderValue::from(whole_seconds(wait));
        headers::set_down(&mut head, header::RETRY_AFTER, seconds);
    }
    if shape.status == 401 {
        // RFC 9110, 11.6.1: a 401 says how to do better.
        headers::set_down(
            &mut head,
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer"),
        );
    }
    if let Fault::WrongMethod { allow, .. } = fault {
        headers::set_down(&mut head, header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Fault::Rejected(rejected) = fault {
        for (name, value) in &rejected.headers {
            headers::set_down(&mut head, name.clone(), value.clone());
        }
    }
    (head, body)
}

/// Status and body of an error answer in the client's dialect.
fn error_body(fault: &Fault, dialect: Dialect) -> (u16, Vec<u8>) {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Completions => {
            let shape = fault.shape();
            let message = fault.to_string();
            let body = openai::error_body(&ErrorBody {
                message: &message,
                kind: shape.kind,
                param: shape.param.as_deref(),
                code: &shape.code,
            });
            (shape.status, body)
        }
        Dialect::Anthropic | Dialect::Ollama | Dialect::Gemini => {
            write_error(dialect, &fault.as_error())
        }
    }
}

fn json_head(status: u16, length: usize) -> ResponseHeader {
    let mut head =
        ResponseHeader::build_no_case(status, Some(8)).expect("faults have valid statuses");
    let json = HeaderValue::from_static("application/json");
    headers::set_down(&mut head, header::CONTENT_TYPE, json);
    headers::set_down(&mut head, header::CONTENT_LENGTH, length.into());
    head
}

/// Sends a whole answer. A client that is gone by now is none of its business.
async fn answer(
    client: &mut Client<'_>,
    record: &mut Record,
    mut head: ResponseHeader,
    body: Bytes,
) {
    headers::set_down(&mut head, X_REQUEST_ID, record.request_id.clone());
    for (name, value) in &record.limits {
        headers::set_down(&mut head, name.clone(), value.clone());
    }
    if record.says_what_happened && record.attempts > 0 {
        headers::set_down(&mut head, X_WEIR_ATTEMPTS, record.attempts.into());
        if let Some(endpoint) = &record.upstream {
            let label = endpoint.account.label.clone();
            headers::set_down(&mut head, X_WEIR_UPSTREAM, label);
        }
    }
    let is_head = client.session.req_header().method == Method::HEAD;
    let body = if is_head { Bytes::new() } else { body };
    let unread = read_if_short(client.session).await;
    if unread {
        client.session.set_keepalive(None);
    }
    if client.begin_body(head).await.is_ok() && client.end(body).await.is_ok() && unread {
        linger(client.session).await;
    }
}

/// Reads what is left of a short body, so that the connection lives on; true where some is left unread.
async fn read_if_short(session: &mut Session) -> bool {
    if session.is_body_done() {
        return false;
    }
    let length = session
        .get_header(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let short = length.is_some_and(|length| length <= SHORT_BODY_BYTES);
    if !short || holds_back(session) {
        return true;
    }
    let drained = timeout(SHORT_BODY_WAIT, session.drain_request_body()).await;
    !matches!(drained, Ok(Ok(())))
}

/// Reads and forgets what a client still sends, for a moment: closing at once would reset the connection, and many clients
/// read nothing before they have sent everything.
async fn linger(session: &mut Session) {
    if session.as_http1().is_some() {
        // Whoever reads to the end has it now.
        session.shutdown().await;
    }
    if !holds_back(session) {
        let _ = timeout(LINGER, session.drain_request_body()).await;
    }
}

/// Whether the client waits for `100 Continue`, which it has not got, before it sends its body.
fn holds_back(session: &Session) -> bool {
    session.get_header(header::EXPECT).is_some() && session.body_bytes_read() == 0
}

/// The event that ends a running stream by `fault`.
fn event(fault: &Fault, dialect: Dialect) -> Bytes {
    let (before, after): (&[u8], &[u8]) = match dialect {
        Dialect::Chat | Dialect::Completions => return openai_event(fault, false),
        Dialect::Responses => return openai_event(fault, true),
        Dialect::Anthropic => (b"event: error\ndata: ", b"\n\n"),
        Dialect::Ollama => (b"", b"\n"),
        Dialect::Gemini => (b"data: ", b"\n\n"),
    };
    let (_, body) = error_body(fault, dialect);
    [before, &body, after].concat().into()
}

fn openai_event(fault: &Fault, typed: bool) -> Bytes {
    let shape = fault.shape();
    let message = fault.to_string();
    let error = ErrorBody {
        message: &message,
        kind: shape.kind,
        param: shape.param.as_deref(),
        code: &shape.code,
    };
    openai::error_event(&error, typed).into()
}
