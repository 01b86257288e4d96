//! A request of HTTP/1.1 on its way out: head and body together, as much at a time as the connection takes.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::Method;
use pingora::http::RequestHeader;
use pingora::protocols::Stream;
use tokio::io::AsyncWrite;

use super::head::{Asked, Malformed, says};

/// Where several buffers cannot be written as one, a body of up to this many bytes is copied behind its head.
const JOIN_BYTES_MAX: usize = 64 * 1024;
/// Heads of ordinary size fit into this many bytes.
const HEAD_BYTES: usize = 1024;

/// What is still to be written.
#[derive(Default)]
pub struct Outgoing {
    head: BytesMut,
    body: Bytes,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Done,
    Writing,
    /// Nobody wants the rest.
    Abandoned,
}

impl Outgoing {
    /// A request for a connection; `vectored` says whether that can write several buffers as one.
    ///
    /// # Errors
    /// When the path holds what a request line cannot.
    pub fn new(
        head: &RequestHeader,
        body: Bytes,
        vectored: bool,
    ) -> std::result::Result<Outgoing, Malformed> {
        let mut outgoing = Outgoing {
            head: head_bytes(head)?,
            body,
            state: State::Writing,
        };
        if !vectored && outgoing.body.len() <= JOIN_BYTES_MAX {
            let body = std::mem::take(&mut outgoing.body);
            outgoing.head.extend_from_slice(&body);
        }
        Ok(outgoing)
    }

    /// Bytes of another protocol, on a connection that has been upgraded to it.
    pub fn raw(bytes: Bytes) -> Outgoing {
        Outgoing {
            head: BytesMut::new(),
            body: bytes,
            state: State::Writing,
        }
    }

    /// All of it has left.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// There is more to write, and somebody may want it.
    pub fn is_under_way(&self) -> bool {
        self.state == State::Writing
    }

    /// Lets go of what is left.
    pub fn abandon(&mut self) {
        if self.is_under_way() {
            *self = Outgoing {
                state: State::Abandoned,
                ..Outgoing::default()
            };
        }
    }

    /// Writes once, and pushes out what the stream holds back when that was all; ready when something has left.
    ///
    /// # Errors
    /// As the stream's.
    pub fn poll_step(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let mut stream = Pin::new(stream);
        if !self.is_written() {
            let written = ready!(self.poll_write(stream.as_mut(), context))?;
            if written == 0 {
                return Poll::Ready(Err(Error::from(ErrorKind::WriteZero)));
            }
            self.advance(written);
        }
        if self.is_written() {
            match stream.poll_flush(context)? {
                Poll::Ready(()) => self.state = State::Done,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_written(&self) -> bool {
        self.head.is_empty() && self.body.is_empty()
    }

    fn poll_write(
        &self,
        stream: Pin<&mut Stream>,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        if self.head.is_empty() {
            stream.poll_write(context, &self.body)
        } else if self.body.is_empty() {
            stream.poll_write(context, &self.head)
        } else if stream.is_write_vectored() {
            let both = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            stream.poll_write_vectored(context, &both)
        } else {
            stream.poll_write(context, &self.head)
        }
    }

    fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.len());
        self.head.advance(of_head);
        self.body.advance(written - of_head);
        if self.head.is_empty() {
            self.head = BytesMut::new();
        }
        // An empty rest would keep all of the body in memory for as long as the answer runs.
        if self.body.is_empty() {
            self.body = Bytes::new();
        }
    }
}

/// What a request head asks of its answer.
pub fn asked(head: &RequestHeader) -> Asked {
    Asked {
        head_only: head.method == Method::HEAD,
        close: says(&head.headers, b"close"),
    }
}

fn head_bytes(head: &RequestHeader) -> std::result::Result<BytesMut, Malformed> {
    let path = head.raw_path();
    if path.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Malformed::new("its path cannot stand in a request line"));
    }
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES);
    bytes.put_slice(head.method.as_str().as_bytes());
    bytes.put_u8(b' ');
    bytes.put_slice(path);
    bytes.put_slice(b" HTTP/1.1\r\n");
    head.header_to_h1_wire(&mut bytes);
    bytes.put_slice(b"\r\n");
    Ok(bytes)
}
