//! The head of an answer of HTTP/1.1: from bytes to values, and what it says of the body and the connection. Pure; it knows
//! no socket.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, StatusCode, Version, header};
use pingora::http::{ResponseHeader, header_value_from_raw};

/// An answer's head may have this many bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// And this many headers.
const HEADERS_MAX: usize = 256;

/// Why bytes are no HTTP/1.1, for an operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Malformed {
    pub fn new(what: &str) -> Malformed {
        Malformed(what.to_owned())
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// Its length in bytes.
    Length(u64),
    Chunked,
    /// The connection's end is its end.
    UntilClose,
}

/// What of a request decides how its answer is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// For the head alone.
    pub head_only: bool,
    /// For the connection to be closed after the answer.
    pub close: bool,
}

/// Takes the head of an answer off the front of `input`; `None` while it is incomplete, and then `input` is as it was.
///
/// Lenient where servers are known to be: lines may be folded, and white space may stand before a header's colon. Both are
/// mended here, as a proxy must (RFC 9112 §5.1, §5.2).
///
/// # Errors
/// When no continuation could make it a head.
pub fn take_head(input: &mut BytesMut) -> Result<Option<ResponseHeader>, Malformed> {
    let mut space = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = lenient().parse_response_with_uninit_headers(&mut answer, input, &mut space);
    let length = match parsed.map_err(|error| no_head(input, error))? {
        httparse::Status::Complete(length) if length <= HEAD_BYTES_MAX => length,
        httparse::Status::Partial if input.len() <= HEAD_BYTES_MAX => return Ok(None),
        _ => {
            let what = format!("the head of its answer is longer than {HEAD_BYTES_MAX} bytes");
            return Err(Malformed(what));
        }
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| Malformed::new("its answer has an impossible status"))?;
    let version = match answer.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let fields = fields(answer.headers, input)?;
    // The values stay where they are: they share what was read.
    let bytes = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        headers.append(name, header_value_from_raw(bytes.slice(value)));
    }
    Ok(Some(from_parts(status, version, headers)))
}

fn lenient() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    config
}

fn no_head(input: &[u8], error: httparse::Error) -> Malformed {
    const SHOWN_BYTES: usize = 64;
    let begin = &input[..input.len().min(SHOWN_BYTES)];
    Malformed(format!("{error}: {}", begin.escape_ascii()))
}

/// Names, and where in `input` their values are.
fn fields(
    headers: &[httparse::Header<'_>],
    input: &[u8],
) -> Result<Vec<(HeaderName, Range<usize>)>, Malformed> {
    let base = input.as_ptr() as usize;
    let mut fields = Vec::with_capacity(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| Malformed::new("its answer has an impossible header name"))?;
        let start = header.value.as_ptr() as usize - base;
        fields.push((name, start..start + header.value.len()));
    }
    Ok(fields)
}

fn from_parts(status: StatusCode, version: Version, headers: HeaderMap) -> ResponseHeader {
    let mut parts = http::Response::new(()).into_parts().0;
    parts.status = status;
    parts.version = version;
    parts.headers = headers;
    ResponseHeader::from(parts)
}

/// How the body of an answer ends (RFC 9112 §6.3). A length that a transfer encoding overrides is taken out of the head, so
/// that nobody else believes it.
///
/// # Errors
/// When the lengths contradict each other or are none, or when the body is coded in a way that weir, which sends no `TE`, has
/// not asked for: nothing behind it would undo that.
pub fn framing(head: &mut ResponseHeader, asked: Asked) -> Result<Framing, Malformed> {
    let coded = head.headers.contains_key(header::TRANSFER_ENCODING);
    if coded {
        head.remove_header(&header::CONTENT_LENGTH);
    }
    let length = content_length(&head.headers)?;
    let bodiless = matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    Ok(match length {
        _ if head.status == StatusCode::SWITCHING_PROTOCOLS => Framing::UntilClose,
        _ if bodiless || asked.head_only => Framing::Empty,
        _ if coded => coded_framing(&head.headers)?,
        None => Framing::UntilClose,
        Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
    })
}

/// How a body with a transfer encoding ends. `identity`, which old servers send, is none.
fn coded_framing(headers: &HeaderMap) -> Result<Framing, Malformed> {
    let values = headers.get_all(header::TRANSFER_ENCODING);
    let mut codings = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    let only = codings.next().filter(|_| codings.next().is_none());
    match only {
        Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        Some(coding) if coding.eq_ignore_ascii_case(b"identity") => Ok(Framing::UntilClose),
        _ => Err(Malformed::new(
            "its answer has a transfer-encoding other than chunked, which was not asked for",
        )),
    }
}

/// The length that all values agree on. Several that agree are one (RFC 9110 §8.6).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut agreed = None;
    let values = headers.get_all(header::CONTENT_LENGTH);
    let values = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for value in values {
        let length = digits(value.trim_ascii())
            .ok_or_else(|| Malformed::new("its answer's content-length is no number"))?;
        if agreed.is_some_and(|agreed| agreed != length) {
            return Err(Malformed::new(
                "its answer has two content-lengths that differ",
            ));
        }
        agreed = Some(length);
    }
    Ok(agreed)
}

/// Nothing but digits: no sign, no space.
fn digits(text: &[u8]) -> Option<u64> {
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| all_digits)?;
    text.parse().ok()
}

/// Whether the connection can carry another request after this answer. To be called before [`framing`], which takes a
/// contradiction out of the head.
pub fn keeps_alive(head: &ResponseHeader, asked: Asked) -> bool {
    let framed_twice = head.headers.contains_key(header::TRANSFER_ENCODING)
        && (head.headers.contains_key(header::CONTENT_LENGTH) || head.version == Version::HTTP_10);
    let persistent = head.version == Version::HTTP_11 || says(&head.headers, b"keep-alive");
    let upgraded = head.status == StatusCode::SWITCHING_PROTOCOLS;
    persistent && !asked.close && !framed_twice && !upgraded && !says(&head.headers, b"close")
}

/// Whether the `Connection` header lists a word.
pub fn says(headers: &HeaderMap, word: &[u8]) -> bool {
    let values = headers.get_all(header::CONNECTION);
    values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(word))
}
