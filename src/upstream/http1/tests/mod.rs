//! The client of HTTP/1.1: what it reads out of bytes, however they are cut, and how it behaves on a connection.

mod connection;
mod cuts;
mod heads;

use bytes::BytesMut;
use http::HeaderMap;

use super::body::{Body, Found};
use super::head::{self, Asked, Malformed};

/// What came of the bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    outcome: Outcome,
    /// Bytes that belong to nobody.
    surplus: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Ended,
    Cut,
    Malformed(String),
}

/// Reads an answer that comes in these pieces and is followed by the connection's end. `Err` where no head comes about.
fn read(pieces: &[&[u8]], asked: Asked) -> Result<Read, Malformed> {
    let mut input = BytesMut::new();
    let mut pieces = pieces.iter();
    let mut head = loop {
        if let Some(head) = head::take_head(&mut input)? {
            break head;
        }
        match pieces.next() {
            Some(piece) => input.extend_from_slice(piece),
            None => return Err(Malformed::new("cut within the head")),
        }
    };
    let mut body = Body::new(head::framing(&mut head, asked)?);
    let mut bytes = Vec::new();
    let outcome = loop {
        match body.find(&mut input) {
            Ok(Found::Piece(piece)) => bytes.extend_from_slice(&piece),
            Ok(Found::End) => break Outcome::Ended,
            Ok(Found::Nothing) => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None if body.close().is_ok() => break Outcome::Ended,
                None => break Outcome::Cut,
            },
            Err(malformed) => break Outcome::Malformed(malformed.0),
        }
    };
    let left: usize = pieces.map(|piece| piece.len()).sum();
    Ok(Read {
        status: head.status.as_u16(),
        headers: head.headers.clone(),
        body: bytes,
        trailers: body.take_trailers(),
        outcome,
        surplus: input.len() + left,
    })
}

/// Reads an answer that comes at once.
fn read_whole(answer: &[u8]) -> Result<Read, Malformed> {
    read(&[answer], Asked::default())
}
