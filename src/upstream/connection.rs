//! One connection to an upstream for one request: head and body out, head and pieces in. It knows HTTP/1.1 and HTTP/2, and
//! which connections are clean enough to be used again.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, StatusCode};
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::UniqueID;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr, RetryType};

use tokio::time::timeout;

use crate::config::Upstream;

use super::early::EarlyAnswer;

/// How a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// No connection came about.
    Unreachable(String),
    /// A pooled connection had died before the request reached anybody: try again on another.
    Stale,
    /// The connection ended or failed while the answer was awaited or read.
    Closed(String),
    /// What came is no HTTP.
    Invalid(String),
}

impl Broken {
    pub(super) fn unreachable(error: &Error) -> Broken {
        Broken::Unreachable(brief(error))
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Unreachable(cause) | Broken::Closed(cause) | Broken::Invalid(cause) => {
                f.write_str(cause)
            }
            Broken::Stale => f.write_str("a pooled connection had died"),
        }
    }
}

/// A body is written in pieces of this many bytes, so that an early answer is seen between two of them.
const PIECE_BYTES: usize = 64 * 1024;

/// A pooled connection that fails within this time had died before; one that fails later may have cost the server work, which
/// must not be repeated unasked.
const STALE_WITHIN: Duration = Duration::from_secs(1);

/// How long an early answer is looked for after a failed write: it has been sent before the connection was closed.
const EARLY_WAIT: Duration = Duration::from_millis(100);

/// A server may send any number of 1xx answers before the real one; more than this is a fault.
const INFORMATIONAL_MAX: usize = 16;

pub struct Connection {
    session: HttpSession,
    peer: Arc<HttpPeer>,
    /// Whether it comes out of the pool.
    pub reused: bool,
    idle: Duration,
    /// The request has been written whole.
    sent: bool,
}

impl Connection {
    pub(super) fn new(
        session: HttpSession,
        peer: Arc<HttpPeer>,
        reused: bool,
        upstream: &Upstream,
    ) -> Connection {
        let mut session = session;
        session.set_write_timeout(Some(upstream.timeouts.idle));
        Connection {
            session,
            peer,
            reused,
            idle: upstream.idle_connection,
            sent: false,
        }
    }

    /// Whether requests go out as HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.session.as_http2().is_some()
    }

    /// Writes the request and reads the head of the answer, which may come before the body is written whole.
    /// Informational answers are skipped.
    ///
    /// # Errors
    /// As [`Broken`] says; waits without end, so the caller bounds it.
    pub async fn ask(&mut self, head: Box<RequestHeader>, body: Bytes) -> Result<(), Broken> {
        let asked = Instant::now();
        let answered = match self.write(head, body).await {
            Ok(()) => self.read_head().await,
            // A server that answers early and closes makes the write fail; what it said still counts. An HTTP/2 stream
            // that has failed says nothing more.
            Err(error) if self.is_http2() => Err(error),
            Err(error) => timeout(EARLY_WAIT, self.read_head())
                .await
                .unwrap_or(Err(error)),
        };
        answered.map_err(|error| self.broken(&error, asked.elapsed()))
    }

    async fn write(&mut self, mut head: Box<RequestHeader>, body: Bytes) -> pingora::Result<()> {
        if self.is_http2() {
            self.for_http2(&mut head)?;
        }
        let _corked = Cork::new(&self.session, body.len());
        self.session.write_request_header(head).await?;
        let mut rest = body;
        if rest.len() > PIECE_BYTES {
            let early = EarlyAnswer::of(&self.session, self.peer.is_tls());
            while rest.len() > PIECE_BYTES {
                let piece = rest.split_to(PIECE_BYTES);
                tokio::select! {
                    biased;
                    () = early.begun() => return Ok(()),
                    written = self.session.write_request_body(piece, false) => written?,
                }
                if self.answered_early()? {
                    return Ok(());
                }
                // Without it, a peer that reads fast would keep the task from ever seeing what else has happened.
                tokio::task::yield_now().await;
            }
        }
        if rest.is_empty() {
            self.session.finish_request_body().await?;
        } else {
            self.session.write_request_body(rest, true).await?;
            self.session.finish_request_body().await?;
        }
        self.sent = true;
        Ok(())
    }

    /// HTTP/2 has `:scheme` and `:authority` in place of `Host`.
    fn for_http2(&self, head: &mut RequestHeader) -> pingora::Result<()> {
        let host = head.remove_header(&http::header::HOST);
        let authority = host.as_ref().map_or(&b""[..], |host| host.as_bytes());
        let path = head
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let uri = http::Uri::builder()
            .scheme(if self.peer.is_tls() { "https" } else { "http" })
            .authority(authority)
            .path_and_query(path)
            .build()
            .or_err(ErrorType::InvalidHTTPHeader, "making an HTTP/2 request")?;
        head.set_uri(uri);
        head.set_version(http::Version::HTTP_2);
        Ok(())
    }

    /// Whether the head of an answer is here already. Reading it is safe to abandon and to resume.
    fn answered_early(&mut self) -> pingora::Result<bool> {
        let read = tokio::task::unconstrained(self.read_head()).now_or_never();
        read.transpose().map(|read| read.is_some())
    }

    async fn read_head(&mut self) -> pingora::Result<()> {
        for _ in 0..INFORMATIONAL_MAX {
            let known = self.session.response_header().map(|head| head.status);
            if known.is_some_and(is_final) {
                return Ok(());
            }
            self.session.read_response_header().await?;
        }
        Error::e_explain(
            ErrorType::InvalidHTTPHeader,
            "too many informational answers",
        )
    }

    /// The head of the answer; to be called after [`Connection::ask`].
    pub fn head(&self) -> &ResponseHeader {
        self.session
            .response_header()
            .expect("the head has been read")
    }

    /// The next piece of the answer's body; `None` at its end.
    ///
    /// # Errors
    /// When the body breaks off. Waits without end, so the caller bounds it.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if self.session.as_http1().is_some() && self.session.response_done() {
                return Ok(None);
            }
            match self.session.read_response_body().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => return self.ended_cleanly().map(|()| None),
                Err(error) => return Err(Broken::Closed(brief(&error))),
            }
        }
    }

    /// A piece that needs no waiting.
    pub fn ready_piece(&mut self) -> Option<Result<Option<Bytes>, Broken>> {
        // tokio's budget could answer "not yet" although data is there.
        tokio::task::unconstrained(self.piece()).now_or_never()
    }

    /// Sends bytes of the protocol that the connection has been upgraded to.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn send_upgraded(&mut self, bytes: Bytes) -> Result<(), Broken> {
        if let HttpSession::H1(session) = &mut self.session {
            session.maybe_upgrade_body_writer();
        }
        let sent = self.session.write_request_body(bytes, false).await;
        sent.map_err(|error| Broken::Closed(brief(&error)))
    }

    /// Trailers of an HTTP/2 answer; to be called after its last piece.
    pub async fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.session {
            HttpSession::H2(session) => session.read_trailers().await.ok().flatten(),
            HttpSession::H1(_) | HttpSession::Custom(_) => None,
        }
    }

    /// h2 ends a body alike for END_STREAM and for a broken connection; only a further look tells.
    fn ended_cleanly(&mut self) -> Result<(), Broken> {
        match &mut self.session {
            HttpSession::H2(session) => {
                let ended = session.check_response_end_or_error();
                ended
                    .map(|_| ())
                    .map_err(|error| Broken::Closed(brief(&error)))
            }
            HttpSession::H1(_) | HttpSession::Custom(_) => Ok(()),
        }
    }

    /// Whether the length of the answer is only known by the connection's end (HTTP/1.0 style), so that a cut looks like an end.
    pub fn ends_by_close(&self) -> bool {
        let head = self.head();
        let bodiless = matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        self.session.as_http1().is_some()
            && !bodiless
            && !head.headers.contains_key(http::header::CONTENT_LENGTH)
            && !head.headers.contains_key(http::header::TRANSFER_ENCODING)
    }

    /// Gives the connection back to the pool if both messages on it are complete, and closes it otherwise.
    pub async fn release(mut self, connector: &Connector) {
        match &mut self.session {
            HttpSession::H1(session) => {
                // Pingora asks for the head before it can tell whether the body is done.
                let answered = session
                    .resp_header()
                    .is_some_and(|head| is_final(head.status));
                if !self.sent || !answered || !session.is_body_done() {
                    // Dropped, it is closed at once; a shutdown would wait for a peer that does not read.
                    return;
                }
                session.respect_keepalive();
            }
            HttpSession::H2(session) => {
                if !session.response_finished() {
                    session.shutdown();
                }
            }
            HttpSession::Custom(_) => {}
        }
        connector
            .release_http_session(self.session, &*self.peer, Some(self.idle))
            .await;
    }

    fn broken(&self, error: &Error, after: Duration) -> Broken {
        let cause = brief(error);
        let at_once = after < STALE_WITHIN;
        match error.retry {
            // The server says that it has not looked at the request.
            RetryType::Decided(true) => return Broken::Stale,
            RetryType::ReusedOnly if self.reused && at_once => return Broken::Stale,
            RetryType::Decided(false) | RetryType::ReusedOnly => {}
        }
        match error.etype() {
            ErrorType::WriteError if self.reused && at_once => Broken::Stale,
            ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H2Error => {
                Broken::Invalid(cause)
            }
            _ => Broken::Closed(cause),
        }
    }
}

/// 101 counts as informational, but nothing of HTTP follows it.
fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// Holds a socket's bytes back until this is dropped, so that head and body of a small request leave in one packet: Pingora
/// flushes between them, and each packet costs as much as the rest of the request.
struct Cork(Option<RawFd>);

impl Cork {
    fn new(session: &HttpSession, body_bytes: usize) -> Cork {
        let socket = match session {
            HttpSession::H1(session) if (1..=PIECE_BYTES).contains(&body_bytes) => {
                Some(session.id())
            }
            HttpSession::H1(_) | HttpSession::H2(_) | HttpSession::Custom(_) => None,
        };
        let cork = Cork(socket);
        cork.set(true);
        cork
    }

    fn set(&self, corked: bool) {
        let Some(socket) = self.0 else {
            return;
        };
        let socket = borrowed(socket);
        // Only a matter of speed: a socket that cannot be corked (no TCP) sends two packets.
        let _ = socket2::SockRef::from(&socket).set_tcp_cork(corked);
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// The socket of a session, for as long as a call on it takes.
pub(super) fn borrowed<'a>(socket: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the session owns the socket, and whoever asks for it holds the session.
    unsafe { BorrowedFd::borrow_raw(socket) }
}

/// What Pingora says of an error may quote whatever the peer has sent; an operator's log needs its beginning.
fn brief(error: &Error) -> String {
    const CHARACTERS_MAX: usize = 200;
    error.to_string().chars().take(CHARACTERS_MAX).collect()
}
