//! One request as a stream of HTTP/2, on Pingora's client.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, StatusCode};
use pingora::connectors::http::v2::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v2::client::Http2Session;
use pingora::protocols::http::v2::write_body;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr, RetryType};

use super::connection::{Broken, STALE_WITHIN, brief};

/// A body is written in pieces of this many bytes, so that an early answer is seen between two of them.
const PIECE_BYTES: usize = 64 * 1024;

/// A stream of HTTP/2.
pub struct Http2 {
    session: Box<Http2Session>,
    /// Over TLS; it names the scheme.
    tls: bool,
    /// All of the request has been written.
    written: bool,
    /// The server has said that it has not looked at the request.
    unseen: bool,
    /// Writes what an early answer has left of the request.
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Http2 {
    pub fn new(session: Http2Session, tls: bool, write_wait: Duration) -> Http2 {
        let mut session = Box::new(session);
        session.write_timeout = Some(write_wait);
        Http2 {
            session,
            tls,
            written: false,
            unseen: false,
            rest: None,
        }
    }

    /// Whether the server may have read all of the request, and has not said that it will do nothing about it.
    pub fn may_have_worked(&self) -> bool {
        self.written && !self.unseen
    }

    /// Writes the request and reads the head of the answer, which may come before the body is written whole: the rest goes out
    /// while the answer is read, unless the answer is a refusal.
    ///
    /// # Errors
    /// As [`Broken`] says; waits without end for an answer.
    pub async fn ask(
        &mut self,
        head: Box<RequestHeader>,
        body: Bytes,
        reused: bool,
    ) -> Result<(), Broken> {
        let asked = Instant::now();
        let answered = match self.write(head, body).await {
            Ok(()) => self.read_head().await,
            Err(error) => Err(error),
        };
        answered.map_err(|error| {
            self.unseen = is_unseen(&error);
            broken(&error, reused && asked.elapsed() < STALE_WITHIN)
        })
    }

    async fn write(&mut self, mut head: Box<RequestHeader>, body: Bytes) -> pingora::Result<()> {
        for_http2(&mut head, self.tls)?;
        self.session.write_request_header(head, false)?;
        let mut rest = body;
        while rest.len() > PIECE_BYTES {
            let piece = rest.split_to(PIECE_BYTES);
            self.session.write_request_body(piece, false).await?;
            if self.answered_early()? {
                self.leave_rest(rest);
                return Ok(());
            }
            // Without it, a peer that reads fast would keep the task from ever seeing what else has happened.
            tokio::task::yield_now().await;
        }
        if !rest.is_empty() {
            self.session.write_request_body(rest, true).await?;
        }
        self.session.finish_request_body()?;
        self.written = true;
        Ok(())
    }

    /// Leaves what an early answer has cut off to [`Http2::piece`]; a refusal wants none of it.
    fn leave_rest(&mut self, rest: Bytes) {
        let refused = self
            .head()
            .is_some_and(|head| head.status >= StatusCode::MULTIPLE_CHOICES);
        if refused {
            return;
        }
        if let Some(mut writer) = self.session.take_request_body_writer() {
            self.rest = Some(Box::pin(async move {
                // A server that answers need not take all of it.
                let _ = write_body(&mut writer, rest, true, None).await;
            }));
        }
    }

    async fn read_head(&mut self) -> pingora::Result<()> {
        if self.head().is_none() {
            self.session.read_response_header().await?;
        }
        Ok(())
    }

    /// Whether the head of an answer is here already. Reading it is safe to abandon and to resume.
    fn answered_early(&mut self) -> pingora::Result<bool> {
        let read = tokio::task::unconstrained(self.read_head()).now_or_never();
        read.transpose().map(|read| read.is_some())
    }

    /// The head of the answer; `None` before it has come.
    pub fn head(&self) -> Option<&ResponseHeader> {
        self.session.response_header()
    }

    /// The next piece of the answer's body; `None` at its end.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        let closed = |error: Box<Error>| Broken::Closed(brief(&error));
        loop {
            match self.read_body().await.map_err(closed)? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => return Ok(Some(piece)),
                // h2 ends a body alike for END_STREAM and for a broken connection; only a further look tells.
                None => {
                    self.session.check_response_end_or_error().map_err(closed)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Reads, and writes what is left of the request. May be abandoned and called again.
    async fn read_body(&mut self) -> pingora::Result<Option<Bytes>> {
        let rest = &mut self.rest;
        let mut read = pin!(self.session.read_response_body());
        poll_fn(|context| {
            let ended = rest
                .as_mut()
                .is_some_and(|rest| rest.as_mut().poll(context).is_ready());
            if ended {
                *rest = None;
            }
            read.as_mut().poll(context)
        })
        .await
    }

    /// To be called after the last piece.
    pub async fn trailers(&mut self) -> Option<HeaderMap> {
        self.session.read_trailers().await.ok().flatten()
    }

    /// Gives the stream's place on its connection back; a stream that is not complete is reset.
    pub fn release(mut self, connector: &Connector, peer: &HttpPeer, idle: Option<Duration>) {
        if !self.session.response_finished() {
            self.session.shutdown();
        }
        connector.release_http_session(*self.session, peer, idle);
    }
}

/// HTTP/2 has `:scheme` and `:authority` in place of `Host`.
fn for_http2(head: &mut RequestHeader, tls: bool) -> pingora::Result<()> {
    let host = head.remove_header(&http::header::HOST);
    let authority = host.as_ref().map_or(&b""[..], |host| host.as_bytes());
    let path = head
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let uri = http::Uri::builder()
        .scheme(if tls { "https" } else { "http" })
        .authority(authority)
        .path_and_query(path)
        .build()
        .or_err(ErrorType::InvalidHTTPHeader, "making an HTTP/2 request")?;
    head.set_uri(uri);
    head.set_version(http::Version::HTTP_2);
    Ok(())
}

/// Whether the server says that it has not looked at the request.
fn is_unseen(error: &Error) -> bool {
    matches!(error.retry, RetryType::Decided(true))
}

/// `stale`: a failure is that of a connection that had died in the pool.
fn broken(error: &Error, stale: bool) -> Broken {
    let cause = brief(error);
    match error.retry {
        RetryType::Decided(true) => return Broken::Stale,
        RetryType::ReusedOnly if stale => return Broken::Stale,
        RetryType::Decided(false) | RetryType::ReusedOnly => {}
    }
    match error.etype() {
        ErrorType::WriteError if stale => Broken::Stale,
        ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H2Error => {
            Broken::Invalid(cause)
        }
        _ => Broken::Closed(cause),
    }
}
