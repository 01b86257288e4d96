//! The client's side of an exchange: what has been said to it so far, and whether that can still be ended well. Every
//! write to a client goes through here, and has a bound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;
use crate::wire::neutral;
use crate::wire::streams::Stream;
use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};
use pingora_proxy::Session;

use super::headers::AnswerHead;
use super::watch::within;

/// A client that waits for its answer.
pub struct Client<'a> {
    pub session: &'a mut Session,
    said: Said,
    /// A write was begun and has not returned: if it is abandoned, nothing can follow it.
    writing: bool,
    write_wait: Duration,
    unfinished: Option<UnfinishedSlot>,
}

/// A stream that is told anew, and whose relay was dropped in its middle: by a panic, or because the process ends. Nobody else
/// knows how it can still end as its dialect demands.
pub struct Unfinished {
    pub stream: Stream,
    /// Told, and not sent.
    pub unsent: Option<Bytes>,
}

/// Where a relay leaves what it could not finish.
pub type UnfinishedSlot = Arc<Mutex<Option<Unfinished>>>;

/// How much of an answer a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Nothing,
    /// The head of a stream of events, and maybe some.
    Stream,
    /// The head of any other answer, and maybe some of its body.
    Body,
    /// All of it.
    Whole,
}

impl<'a> Client<'a> {
    /// `write_wait` bounds every write: a client that does not read must not be waited for without end.
    pub fn new(session: &'a mut Session, write_wait: Duration) -> Client<'a> {
        session.set_write_timeout(Some(write_wait));
        Client {
            session,
            said: Said::Nothing,
            writing: false,
            write_wait,
            unfinished: None,
        }
    }

    /// Where the relay of a stream that is told anew leaves it if it is dropped.
    pub fn unfinished_slot(&mut self) -> UnfinishedSlot {
        self.unfinished.get_or_insert_default().clone()
    }

    /// What ends the stream that a relay has left; `None` where there is none.
    pub fn last_words(&self, error: &neutral::Error, elapsed: Duration) -> Option<Bytes> {
        let unfinished = self.unfinished.as_ref()?.lock().take()?;
        let Stream::Translated(mut translator) = unfinished.stream else {
            return None;
        };
        // If it is what has panicked, it may do so again.
        let told = catch_unwind(AssertUnwindSafe(|| translator.broken_off(error, elapsed)));
        let before = unfinished.unsent.unwrap_or_default();
        Some([before, told.ok()?].concat().into())
    }

    /// How much of an answer the client has; `None` where it has part of something that nothing can follow.
    pub fn said(&self) -> Option<Said> {
        (!self.writing).then_some(self.said)
    }

    /// Begins a stream of events.
    ///
    /// # Errors
    /// [`Fault::ClientGone`] or [`Fault::ClientNotReading`], as in all that follows.
    pub async fn begin_stream(&mut self, head: AnswerHead) -> Result<(), Fault> {
        self.begin(head.into(), Said::Stream).await
    }

    /// Begins any other answer.
    pub async fn begin_body(&mut self, head: impl Into<ResponseHeader>) -> Result<(), Fault> {
        self.begin(head.into(), Said::Body).await
    }

    async fn begin(&mut self, head: ResponseHeader, said: Said) -> Result<(), Fault> {
        self.writing = true;
        let write = self
            .session
            .downstream_session
            .write_response_header(Box::new(head));
        bounded(self.write_wait, write).await?;
        self.writing = false;
        self.said = said;
        Ok(())
    }

    /// Sends a piece. Waits as long as the client takes, within the bound, so that a slow client slows its upstream and
    /// nothing piles up here.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.writing = true;
        // Pingora bounds this by the write timeout that was set.
        let written = self
            .session
            .downstream_session
            .write_response_body(piece, false)
            .await;
        written.map_err(|error| fault(&error))?;
        self.writing = false;
        Ok(())
    }

    /// Sends the last piece and ends the answer.
    pub async fn end(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.writing = true;
        let write = self
            .session
            .downstream_session
            .write_response_body(piece, true);
        bounded(self.write_wait, write).await?;
        self.writing = false;
        self.said = Said::Whole;
        Ok(())
    }

    /// Ends the answer with trailers, where the client's protocol has them.
    pub async fn end_with(&mut self, trailers: HeaderMap) -> Result<(), Fault> {
        let written = self
            .session
            .downstream_session
            .write_response_trailers(trailers)
            .await;
        written.map_err(|error| fault(&error))?;
        self.end(Bytes::new()).await
    }

    /// What Pingora is told of the request: a whole answer leaves the connection usable; anything less must not be ended as if
    /// it were whole, and closes the connection, or resets the HTTP/2 stream.
    pub fn outcome(&self) -> pingora::Result<bool> {
        match self.said() {
            Some(Said::Whole) => Ok(true),
            _ => Error::e_explain(ErrorType::ConnectionClosed, "the answer ends unfinished")
                .map_err(Error::into_down),
        }
    }
}

async fn bounded(
    bound: Duration,
    write: impl Future<Output = pingora::Result<()>>,
) -> Result<(), Fault> {
    match within(bound, write).await {
        Some(written) => written.map_err(|error| fault(&error)),
        None => Err(Fault::ClientNotReading),
    }
}

fn fault(error: &Error) -> Fault {
    match error.etype() {
        ErrorType::WriteTimedout => Fault::ClientNotReading,
        _ => Fault::ClientGone,
    }
}
