//! weir's own client of HTTP/1.1: one request on one connection. It writes and listens at the same time, so that an answer that
//! comes early is heard, over TLS too, and holds no buffer while it waits.

mod body;
mod head;
mod request;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, response};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::connection::Broken;

use body::{Body, Found};
use head::{Asked, Framing, Malformed};
use request::Outgoing;

/// One read takes up to this many bytes. They pass through the stack, so that a connection that waits holds none of them.
const READ_BYTES: usize = 64 * 1024;

/// How long an answer is looked for after a failed write: it has been sent before the connection was closed.
const EARLY_WAIT: Duration = Duration::from_millis(100);

/// A server may send any number of 1xx answers before the real one; more than this is a fault.
const INFORMATIONAL_MAX: usize = 16;

/// A request of HTTP/1.1 and its answer.
pub struct Http1 {
    stream: Stream,
    outgoing: Outgoing,
    /// Read, and not given on.
    input: BytesMut,
    /// The next byte of `input` may complete a head that was incomplete before.
    unparsed: bool,
    asked: Asked,
    head: Option<ResponseHeader>,
    /// The head of the answer has come.
    answered: bool,
    informational: usize,
    body: Body,
    framing: Framing,
    /// The server lets the connection be used again.
    persistent: bool,
    /// Something of an answer has come.
    heard: bool,
    /// A server that takes nothing for this long has failed.
    write_wait: Duration,
}

impl Http1 {
    pub fn new(stream: Stream, write_wait: Duration) -> Http1 {
        Http1 {
            stream,
            outgoing: Outgoing::default(),
            input: BytesMut::new(),
            unparsed: false,
            asked: Asked::default(),
            head: None,
            answered: false,
            informational: 0,
            body: Body::new(Framing::Empty),
            framing: Framing::Empty,
            persistent: false,
            heard: false,
            write_wait,
        }
    }

    /// Whether anything has come that could be an answer.
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// Takes the head of the answer out; `None` before it has come.
    pub fn take_head(&mut self) -> Option<response::Parts> {
        self.head.take().map(response::Parts::from)
    }

    /// The head of the answer; `None` before it has come.
    pub fn head(&self) -> Option<&ResponseHeader> {
        self.head.as_ref()
    }

    /// Whether all of the request has been written.
    pub fn has_written(&self) -> bool {
        self.outgoing.is_done()
    }

    /// Writes the request and reads the head of the answer, which may come before the body is written whole: the rest goes out
    /// while the answer is read, unless the answer is a refusal. To be called once.
    ///
    /// # Errors
    /// When the connection fails or what comes is no HTTP. Waits without end for an answer.
    pub async fn ask(&mut self, head: &RequestHeader, body: Bytes) -> Result<(), Broken> {
        self.asked = request::asked(head);
        self.outgoing = Outgoing::new(head, body, self.stream.is_write_vectored())?;
        while self.outgoing.is_under_way() {
            match self.write_and_listen().await {
                Ok(false) => {}
                Ok(true) => {
                    if self.is_refused() {
                        self.outgoing.abandon();
                    }
                    return Ok(());
                }
                // A server that answers early and closes makes the write fail; what it said still counts.
                Err(Failed::Write(error)) => {
                    self.outgoing.abandon();
                    let heard = timeout(EARLY_WAIT, poll_fn(|context| self.poll_head(context)));
                    return heard.await.unwrap_or(Err(error));
                }
                Err(Failed::Read(broken)) => return Err(broken),
            }
        }
        poll_fn(|context| self.poll_head(context)).await
    }

    /// Whether the answer says that the request, or its rest, is of no use.
    fn is_refused(&self) -> bool {
        let head = self.head.as_ref();
        head.is_some_and(|head| head.status >= StatusCode::MULTIPLE_CHOICES)
    }

    /// Writes something, or hears the answer; whether it is heard.
    async fn write_and_listen(&mut self) -> Result<bool, Failed> {
        let wait = self.write_wait;
        let progress = within(wait, |context| {
            let progress = self.poll_write(context).map_ok(|()| false);
            if progress.is_ready() && self.outgoing.is_done() {
                return progress;
            }
            match self.poll_head(context) {
                Poll::Ready(heard) => Poll::Ready(heard.map(|()| true).map_err(Failed::Read)),
                Poll::Pending => progress,
            }
        });
        progress
            .await
            .unwrap_or_else(|| Err(Failed::Read(takes_nothing(wait))))
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let step = self.outgoing.poll_step(&mut self.stream, context);
        step.map_err(|error| Failed::Write(Broken::Closed(format!("writing to it: {error}"))))
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            if self.unparsed && self.parse_head()? {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_fill(context))? == 0 {
                let when = if self.heard { "within" } else { "before" };
                let cause = format!("it closed the connection {when} the head of its answer");
                return Poll::Ready(Err(Broken::Closed(cause)));
            }
        }
    }

    /// Looks for the head of the answer in what has come, past informational ones.
    fn parse_head(&mut self) -> Result<bool, Malformed> {
        while let Some(mut head) = head::take_head(&mut self.input)? {
            if is_final(head.status) {
                self.persistent = head::keeps_alive(&head, self.asked);
                self.framing = head::framing(&mut head, self.asked)?;
                self.body = Body::new(self.framing);
                self.head = Some(head);
                self.answered = true;
                return Ok(true);
            }
            self.informational += 1;
            if self.informational > INFORMATIONAL_MAX {
                return Err(Malformed::new("it sends informational answers without end"));
            }
        }
        self.unparsed = false;
        Ok(false)
    }

    /// The next piece of the body; `None` at its end. Meanwhile what is left of the request is written.
    ///
    /// # Errors
    /// When the body breaks off, or is framed wrongly.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            let has_written = self.poll_rest(context).is_ready();
            match self.body.find(&mut self.input)? {
                Found::Piece(piece) => return Poll::Ready(Ok(Some(piece))),
                Found::End => return Poll::Ready(Ok(None)),
                Found::Nothing => {}
            }
            match self.poll_fill(context)? {
                Poll::Ready(0) => self.body.close().map_err(Broken::Closed)?,
                Poll::Ready(_) => {}
                Poll::Pending if has_written => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes once of what is left of the request; ready when something has left. A server that answers need not take all of it.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.outgoing.is_under_way() {
            return Poll::Pending;
        }
        if ready!(self.poll_write(context)).is_err() {
            self.outgoing.abandon();
        }
        Poll::Ready(())
    }

    /// Reads what has come, once; 0 is the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut space);
        ready!(read).map_err(|error| Broken::Closed(format!("reading from it: {error}")))?;
        let read = space.filled();
        if self.input.is_empty() {
            self.input = BytesMut::from(read);
        } else {
            self.input.extend_from_slice(read);
        }
        // A head that is incomplete can only be completed by a line end; nothing else is worth looking at it again.
        self.unparsed |= !self.heard
            || self.input.len() > head::HEAD_BYTES_MAX
            || memchr::memchr(b'\n', read).is_some();
        self.heard |= !read.is_empty();
        Poll::Ready(Ok(read.len()))
    }

    /// Sends bytes of the protocol that the connection has been upgraded to.
    ///
    /// # Errors
    /// When the connection has ended, or takes nothing.
    pub async fn send_upgraded(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.outgoing = Outgoing::raw(bytes);
        let wait = self.write_wait;
        while self.outgoing.is_under_way() {
            match within(wait, |context| self.poll_write(context)).await {
                Some(Ok(())) => {}
                Some(Err(Failed::Write(broken) | Failed::Read(broken))) => return Err(broken),
                None => return Err(takes_nothing(wait)),
            }
        }
        Ok(())
    }

    /// What followed the last chunk of the body, once.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.body.take_trailers()
    }

    /// Whether the length of the answer is only known by the connection's end, so that a cut looks like an end.
    pub fn ends_by_close(&self) -> bool {
        self.framing == Framing::UntilClose
    }

    /// The connection, if another request may follow: both messages are complete, and nothing came after them.
    pub fn into_clean_stream(self) -> Option<Stream> {
        let complete = self.outgoing.is_done() && self.answered && self.body.has_ended();
        let clean = complete && self.persistent && self.input.is_empty() && !self.ends_by_close();
        clean.then_some(self.stream)
    }
}

/// Waits no longer than `wait`; what is ready at once, as it mostly is, costs no clock.
async fn within<T>(wait: Duration, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    if let Poll::Ready(ready) = poll_fn(|context| Poll::Ready(poll(context))).await {
        return Some(ready);
    }
    timeout(wait, poll_fn(poll)).await.ok()
}

fn takes_nothing(wait: Duration) -> Broken {
    Broken::Closed(format!("it took nothing of what was sent for {wait:?}"))
}

/// Which side of a connection failed.
enum Failed {
    Write(Broken),
    Read(Broken),
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Broken {
        Broken::Invalid(malformed.0)
    }
}

/// 101 counts as informational, but nothing of HTTP follows it.
fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}
