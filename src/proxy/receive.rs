//! Stage 2: the request's body, whole and decoded, within its bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::ErrorType;
use pingora_proxy::Session;

use crate::config::Limits;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::limit::HeldBytes;
use crate::wire::encoding::{Asked, DecodeError, Decoder, Encoding};
use crate::wire::endpoint::{Endpoint, ModelIn};
use crate::wire::multipart;
use crate::wire::openai::{self, Envelope, Malformed};

use super::admit::Asking;
use super::watch::within;

/// A request that has arrived.
pub struct Received {
    pub body: Body,
    pub envelope: Envelope,
    /// Guards have put another model in the place of the one that was asked for.
    pub is_of_another_model: bool,
}

/// A body, with its place in the budget of all bodies.
pub struct Body {
    pub bytes: Bytes,
    held: HeldBytes,
}

impl Body {
    /// Another body in its place.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn replaced(self, bytes: Bytes) -> Result<Body, Fault> {
        let mut held = self.held;
        match held.grow_to(bytes.len()) {
            true => Ok(Body { bytes, held }),
            false => Err(Fault::BuffersFull),
        }
    }
}

/// Reads the body and what weir must know of it.
///
/// # Errors
/// Everything that is wrong with it, and a full house.
pub async fn receive(
    session: &mut Session,
    asked: Asking,
    gateway: &Gateway,
    limits: &Limits,
) -> Result<Received, Fault> {
    let Asking { endpoint, model } = asked;
    let form = form_boundary(session, endpoint)?;
    let encoding = encoding(session)?;
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > limits.body_bytes) {
        return Err(Fault::BodyTooLarge {
            limit: limits.body_bytes,
        });
    }
    let mut held = gateway.buffers.hold();
    send_continue(session).await?;
    let body = read(session, encoding, &mut held, limits, declared).await?;
    let envelope = match &form {
        Some(boundary) => openai::envelope_of_form(&body, boundary),
        None => openai::envelope(&body),
    };
    let envelope = envelope.and_then(|envelope| match model {
        Some(model) => envelope.with_model_of_path(model),
        None => Ok(envelope),
    });
    let mut envelope = envelope.map_err(|malformed| describe(&malformed))?;
    envelope.stream = endpoint.is_stream(envelope.stream_said);
    Ok(Received {
        body: Body { bytes: body, held },
        envelope,
        is_of_another_model: false,
    })
}

/// The envelope of a body that has been made here. `model`: where the path names it.
///
/// # Errors
/// What is wrong with it.
pub fn envelope_of(
    endpoint: &Endpoint,
    body: &[u8],
    model: Option<String>,
) -> Result<Envelope, Fault> {
    let of_path = model.filter(|_| endpoint.model_in == ModelIn::Path);
    let envelope = openai::envelope(body).and_then(|envelope| match of_path {
        Some(model) => envelope.with_model_of_path(model),
        None => Ok(envelope),
    });
    let mut envelope = envelope.map_err(|malformed| describe(&malformed))?;
    envelope.stream = endpoint.is_stream(envelope.stream_said);
    Ok(envelope)
}

/// The boundary of a form; `None` for JSON, which every endpoint but those of files has to be sent as.
fn form_boundary(session: &Session, endpoint: &Endpoint) -> Result<Option<String>, Fault> {
    let content_type = session
        .get_header(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let unsupported = || Fault::UnsupportedMediaType(content_type.to_owned());
    match (kind.as_str(), endpoint.model_in) {
        // curl's -d says it is a form, which it is not; engines take it as JSON too.
        ("" | "application/json" | "application/x-www-form-urlencoded" | "text/plain", _) => {
            Ok(None)
        }
        ("multipart/form-data", ModelIn::Form) => multipart::boundary(content_type)
            .map(|boundary| Some(boundary.to_owned()))
            .ok_or_else(unsupported),
        (kind, _) if kind.ends_with("+json") => Ok(None),
        _ => Err(unsupported()),
    }
}

fn encoding(session: &Session) -> Result<Option<Encoding>, Fault> {
    let Some(value) = session.get_header(header::CONTENT_ENCODING) else {
        return Ok(None);
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    match Encoding::asked(&value) {
        Asked::Plain => Ok(None),
        Asked::Encoded(encoding) => Ok(Some(encoding)),
        Asked::Unsupported => Err(Fault::UnsupportedEncoding(value.into_owned())),
    }
}

fn declared_length(session: &Session) -> Option<usize> {
    session
        .get_header(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Tells a client that waits for it to go on, now that nothing speaks against its body.
async fn send_continue(session: &mut Session) -> Result<(), Fault> {
    let expects = session
        .get_header(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && !session.is_body_done() {
        let keepalive = session.get_keepalive();
        let told = session.write_continue_response().await;
        // Pingora takes any head before the end of the body for a refusal, and would close the connection.
        session.set_keepalive(keepalive);
        told.map_err(|_| Fault::ClientGone)?;
    }
    Ok(())
}

/// Reads pieces until the end, holding no more than the budget and the limit allow at any moment.
async fn read(
    session: &mut Session,
    encoding: Option<Encoding>,
    held: &mut HeldBytes,
    limits: &Limits,
    declared: Option<usize>,
) -> Result<Bytes, Fault> {
    let mut decoder = encoding.map(Decoder::new);
    let mut body = BytesMut::new();
    let limit = limits.body_bytes;
    let undecodable = |error| undecodable(error, limit);
    while let Some(piece) = next_piece(session, limits.body_read).await? {
        let piece = match &mut decoder {
            Some(decoder) => {
                let decoded = decoder.push(&piece, limit - body.len());
                Bytes::from(decoded.map_err(undecodable)?)
            }
            None => piece,
        };
        let length = body.len() + piece.len();
        if length > limits.body_bytes {
            return Err(Fault::BodyTooLarge {
                limit: limits.body_bytes,
            });
        }
        if !held.grow_to(length) {
            return Err(Fault::BuffersFull);
        }
        // Most bodies come in one piece, and are not copied again.
        if body.is_empty() && decoder.is_none() && declared == Some(piece.len()) {
            drain(session, limits.body_read).await?;
            return Ok(piece);
        }
        body.extend_from_slice(&piece);
    }
    if let Some(decoder) = &mut decoder {
        body.extend(decoder.finish(limit - body.len()).map_err(undecodable)?);
    }
    Ok(body.freeze())
}

/// Reads the end of a body whose length has been reached, so that the client can be watched from then on.
async fn drain(session: &mut Session, wait: Duration) -> Result<(), Fault> {
    while next_piece(session, wait).await?.is_some() {}
    Ok(())
}

/// Pingora's own read timeout does not reach HTTP/2.
async fn next_piece(session: &mut Session, wait: Duration) -> Result<Option<Bytes>, Fault> {
    let read = match within(wait, session.read_request_body()).await {
        Some(Ok(piece)) => return Ok(piece),
        Some(Err(error)) => error,
        None => {
            session.set_keepalive(None);
            return Err(Fault::ClientSlow);
        }
    };
    // Where the framing is broken, what follows on the connection is nobody's request.
    session.set_keepalive(None);
    Err(match read.etype() {
        ErrorType::ConnectionClosed | ErrorType::ReadError => Fault::ClientGone,
        broken => Fault::MalformedBody(broken.as_str().to_owned()),
    })
}

fn undecodable(error: DecodeError, limit: usize) -> Fault {
    match error {
        DecodeError::TooLarge(_) => Fault::BodyTooLarge { limit },
        DecodeError::Corrupt(what) => {
            Fault::MalformedBody(format!("its content-encoding is corrupt: {what}"))
        }
    }
}

fn describe(malformed: &Malformed) -> Fault {
    Fault::MalformedBody(match malformed {
        Malformed::Json(json) => format!("it is not valid JSON: {json}"),
        Malformed::ModelIsNoString(value) => format!("`model` must be a string, and is {value}"),
        Malformed::ModelTooLong(bytes) => format!(
            "`model` has {bytes} bytes; names have at most {}",
            openai::MODEL_BYTES_MAX
        ),
        Malformed::Form(what) => format!("it is not a valid form: {what}"),
        Malformed::FormModelIsNoText => "the form's field `model` is not UTF-8".to_owned(),
    })
}
