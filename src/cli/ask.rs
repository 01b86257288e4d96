//! A request of the command line's to the admin listener: HTTP/1.1 over one connection, in cleartext, as the listener speaks it.
//! It must not know what is asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use http::Method;
use url::form_urlencoded;

const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// A sum over years of rows takes its time.
const ANSWER_WAIT: Duration = Duration::from_secs(300);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// What is asked.
pub(super) struct Question<'q> {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: &'q [u8],
    pub content_type: &'static str,
    pub idempotency_key: Option<&'q str>,
}

impl<'q> Question<'q> {
    /// `path` is below `/admin/v1/`, each of its parts escaped by [`part`] where it comes from outside.
    pub(super) fn new(
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&'q [u8]>,
    ) -> Question<'q> {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(query);
        Question {
            method,
            path: format!("/admin/v1/{path}"),
            query: pairs.finish(),
            body: body.unwrap_or_default(),
            content_type: "application/json",
            idempotency_key: None,
        }
    }
}

/// One part of a path, whatever characters it has.
pub(super) fn part(text: &str) -> String {
    let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    escaped.replace('+', "%20")
}

/// What came back.
pub(super) struct Heard {
    pub status: u16,
    /// The header `x-next-cursor`.
    pub next: Option<String>,
    pub body: Vec<u8>,
}

/// Whether somebody listens there.
pub(super) fn is_there(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, CONNECT_WAIT).is_ok()
}

/// # Errors
/// When no answer comes, or none that can be read.
pub(super) fn ask(
    address: SocketAddr,
    token: Option<&str>,
    question: &Question<'_>,
) -> Result<Heard, String> {
    let broken = |error: std::io::Error| format!("admin listener {address}: {error}");
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_WAIT).map_err(broken)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(broken)?;
    stream
        .set_write_timeout(Some(ANSWER_WAIT))
        .map_err(broken)?;
    let head = head(address, token, question)?;
    let request = [head.as_bytes(), question.body].concat();
    stream.write_all(&request).map_err(broken)?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .map_err(broken)?;
    heard(&answer).ok_or_else(|| {
        format!("admin listener {address}: what it answers is no HTTP, or broke off")
    })
}

fn head(
    address: SocketAddr,
    token: Option<&str>,
    question: &Question<'_>,
) -> Result<String, String> {
    let Question {
        method,
        path,
        query,
        body,
        content_type,
        idempotency_key,
    } = question;
    let target = match query.is_empty() {
        true => path.clone(),
        false => format!("{path}?{query}"),
    };
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let more = [
        (
            "authorization",
            token.map(|token| format!("Bearer {token}")),
        ),
        ("idempotency-key", idempotency_key.map(str::to_owned)),
        (
            "content-type",
            (!body.is_empty()).then(|| (*content_type).to_owned()),
        ),
    ];
    for (name, value) in more {
        let Some(value) = value else { continue };
        if value.chars().any(char::is_control) {
            return Err(format!(
                "the value for `{name}` has characters that no header can carry"
            ));
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Ok(head)
}

/// An answer of the admin listener's: it always says its length.
fn heard(answer: &[u8]) -> Option<Heard> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (
        std::str::from_utf8(answer.get(..end)?).ok()?,
        answer.get(end + 4..)?,
    );
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let length: usize = match header("content-length") {
        Some(length) => length.parse().ok()?,
        None => 0,
    };
    Some(Heard {
        status,
        next: header("x-next-cursor").map(str::to_owned),
        body: body.get(..length)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nX-Next-Cursor: 01-2\r\nContent-Length: 2\r\n\r\n{}";
        let read = heard(whole).unwrap();
        assert_eq!(
            (read.status, read.next.as_deref(), &read.body[..]),
            (200, Some("01-2"), &b"{}"[..])
        );
        assert!(heard(&whole[..whole.len() - 1]).is_none());
        assert_eq!(
            heard(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().status,
            204
        );
        assert!(heard(b"SSH-2.0-x\r\n\r\n").is_none());
    }

    #[test]
    fn parts_of_paths_are_escaped_and_headers_hold_one_line() {
        assert_eq!(part("a b/ä+c"), "a%20b%2F%C3%A4%2Bc");
        let mut question = Question::new(Method::GET, "usage", &[("by", "model,day")], None);
        assert_eq!(question.query, "by=model%2Cday");
        question.idempotency_key = Some("a\r\nb");
        assert!(head("127.0.0.1:1".parse().unwrap(), None, &question).is_err());
    }
}
