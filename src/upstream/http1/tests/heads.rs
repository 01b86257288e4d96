//! Heads of answers, and what they say of the body and the connection.

use bytes::BytesMut;

use super::super::head::{Asked, Framing, HEAD_BYTES_MAX, framing, keeps_alive, take_head};
use super::read_whole;

/// How the body of an answer with this head ends, and whether another request may follow; `None` where it is refused.
fn said(head: &str, asked: Asked) -> Option<(Framing, bool)> {
    let mut input = BytesMut::from(head.replace('\n', "\r\n").as_bytes());
    let mut head = take_head(&mut input).ok()?.expect("the head is complete");
    assert!(input.is_empty());
    let persistent = keeps_alive(&head, asked);
    let framing = framing(&mut head, asked).ok()?;
    if head.headers.contains_key("transfer-encoding") {
        assert!(
            !head.headers.contains_key("content-length"),
            "somebody may believe the length"
        );
    }
    Some((framing, persistent))
}

#[test]
fn heads_say_how_the_body_ends() {
    use Framing::{Chunked, Empty, Length, UntilClose};
    let cases = [
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\n\n",
            Some((Length(5), true)),
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
            Some((Empty, true)),
        ),
        (
            "HTTP/1.1 200\ncontent-length: 5\n\n",
            Some((Length(5), true)),
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n",
            Some((Chunked, true)),
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: , Chunked ,\n\n",
            Some((Chunked, true)),
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: identity\n\n",
            Some((UntilClose, true)),
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: gzip, chunked\n\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: gzip\ntransfer-encoding: chunked\n\n",
            None,
        ),
        ("HTTP/1.1 200 OK\ntransfer-encoding: gzip\n\n", None),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: chunked, gzip\n\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: chunked, chunked\n\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\ntransfer-encoding:\n\n",
            None,
        ),
        ("HTTP/1.1 200 OK\n\n", Some((UntilClose, true))),
        ("HTTP/1.0 200 OK\n\n", Some((UntilClose, false))),
        (
            "HTTP/1.0 200 OK\ncontent-length: 5\n\n",
            Some((Length(5), false)),
        ),
        (
            "HTTP/1.0 200 OK\ncontent-length: 5\nconnection: Keep-Alive\n\n",
            Some((Length(5), true)),
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\nconnection: x, Close\n\n",
            Some((Length(5), false)),
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\nconnection: x\nconnection: close\n\n",
            Some((Length(5), false)),
        ),
        (
            "HTTP/1.1 204 No Content\ncontent-length: 5\n\n",
            Some((Empty, true)),
        ),
        (
            "HTTP/1.1 304 Not Modified\ntransfer-encoding: chunked\n\n",
            Some((Empty, true)),
        ),
        (
            "HTTP/1.1 101 Switching Protocols\n\n",
            Some((UntilClose, false)),
        ),
        // Two framings: one is believed, and the connection is not used again.
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\ntransfer-encoding: chunked\n\n",
            Some((Chunked, false)),
        ),
        (
            "HTTP/1.0 200 OK\nconnection: keep-alive\ntransfer-encoding: chunked\n\n",
            Some((Chunked, false)),
        ),
        // Several lengths.
        (
            "HTTP/1.1 200 OK\ncontent-length: 5, 5\ncontent-length: 5\n\n",
            Some((Length(5), true)),
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 5\ncontent-length: 6\n\n",
            None,
        ),
        ("HTTP/1.1 200 OK\ncontent-length: 5,6\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length: +5\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length: -5\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length: 5 5\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length: 5,\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length:\n\n", None),
        ("HTTP/1.1 200 OK\ncontent-length: 0x5\n\n", None),
        (
            "HTTP/1.1 200 OK\ncontent-length: 99999999999999999999\n\n",
            None,
        ),
    ];
    for (head, expected) in cases {
        assert_eq!(said(head, Asked::default()), expected, "{head}");
    }
}

#[test]
fn what_was_asked_counts_too() {
    let head = "HTTP/1.1 200 OK\ncontent-length: 5\n\n";
    let head_only = Asked {
        head_only: true,
        ..Asked::default()
    };
    assert_eq!(said(head, head_only), Some((Framing::Empty, true)));
    let close = Asked {
        close: true,
        ..Asked::default()
    };
    assert_eq!(said(head, close), Some((Framing::Length(5), false)));
}

#[test]
fn what_is_no_head_is_refused_as_soon_as_it_can_be_known() {
    let cases: [&[u8]; 8] = [
        b"garbage",
        b"\x16\x03\x03\x00\x7a",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nna\x01me: value\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname: va\x00lue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n name: folded before the first\r\n\r\n",
    ];
    for head in cases {
        let refused = take_head(&mut BytesMut::from(head));
        assert!(refused.is_err(), "{}: {refused:?}", head.escape_ascii());
    }
}

#[test]
fn folded_lines_and_spaces_before_colons_are_mended() {
    let read = read_whole(
        b"HTTP/1.1 200 OK\r\nfolded: a\r\n  b\r\n\tc\r\nspaced : d\r\ncontent-length: 0\r\n\r\n",
    );
    let headers = read.unwrap().headers;
    assert_eq!(headers["folded"], "a b c");
    assert_eq!(headers["spaced"], "d");
}

#[test]
fn values_keep_their_bytes_and_order() {
    let read = read_whole(b"HTTP/1.1 200 OK\r\nX-A: \xe9\xff t\xc3\xa9 \r\nx-a:2\r\nX-B:\r\n\r\n")
        .unwrap();
    let values: Vec<&[u8]> = read
        .headers
        .get_all("x-a")
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    assert_eq!(values, [&b"\xe9\xff t\xc3\xa9"[..], b"2"]);
    assert_eq!(read.headers["x-b"], "");
}

#[test]
fn heads_have_bounds() {
    let lines = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(count));
    assert!(take_head(&mut BytesMut::from(lines(256).as_bytes())).is_ok());
    assert!(take_head(&mut BytesMut::from(lines(257).as_bytes())).is_err());
    let long = |bytes: usize| format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(bytes));
    assert!(matches!(
        take_head(&mut BytesMut::from(long(HEAD_BYTES_MAX - 100).as_bytes())),
        Ok(None)
    ));
    for end in ["", "\r\n\r\n"] {
        let text = long(HEAD_BYTES_MAX) + end;
        assert!(take_head(&mut BytesMut::from(text.as_bytes())).is_err());
    }
}
