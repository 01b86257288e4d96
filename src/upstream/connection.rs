//! One connection to an upstream for one request: head and body out, head and pieces in. It hides which HTTP is spoken, and
//! knows when a pooled connection had died before it was used.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, response};
use pingora::Error;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;

use super::adapt::{Adapt, Adapting};
use super::connector::{Connector, Session};

/// How a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// No connection came about.
    Unreachable(String),
    /// A pooled connection had died, as it seems before the request reached anybody: try again on another.
    /// [`Connection::may_have_worked`] says where that is not sure.
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

/// A pooled connection that fails within this time had died before; one that fails later may have cost the server work, which
/// must not be repeated unasked.
pub(super) const STALE_WITHIN: Duration = Duration::from_secs(1);

pub struct Connection {
    session: Session,
    peer: Arc<HttpPeer>,
    /// Whether it comes out of the pool.
    pub reused: bool,
    /// Where the answer is in a dialect that weir does not know.
    adapting: Option<Box<Adapted>>,
}

/// An answer that is made into another.
struct Adapted {
    head: ResponseHeader,
    body: Adapting,
}

impl Connection {
    pub(super) fn new(session: Session, peer: Arc<HttpPeer>, reused: bool) -> Connection {
        Connection {
            session,
            peer,
            reused,
            adapting: None,
        }
    }

    /// From now on the answer is what `adapt` makes of it, with this head. To be called after [`Connection::ask`], before a piece is read.
    pub fn adapt(&mut self, head: ResponseHeader, adapt: Box<dyn Adapt>) {
        let body = Adapting::new(adapt);
        self.adapting = Some(Box::new(Adapted { head, body }));
    }

    /// Whether requests go out as HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.session, Session::Http2(_))
    }

    /// Whether the server may have read all of the request, and has not said that it will do nothing about it; to be called
    /// after [`Connection::ask`].
    pub fn may_have_worked(&self) -> bool {
        match &self.session {
            Session::Http1(session) => session.has_written(),
            Session::Http2(session) => session.may_have_worked(),
        }
    }

    /// Writes the request and reads the head of the answer, which may come before the body is written whole: what is left of it
    /// then goes out while pieces are read, unless the answer is a refusal. Informational answers are skipped.
    ///
    /// # Errors
    /// As [`Broken`] says; waits without end, so the caller bounds it.
    pub async fn ask(&mut self, head: Box<RequestHeader>, body: Bytes) -> Result<(), Broken> {
        match &mut self.session {
            Session::Http1(session) => {
                let asked = Instant::now();
                match session.ask(&head, body).await {
                    Err(Broken::Closed(_))
                        if self.reused && !session.heard() && asked.elapsed() < STALE_WITHIN =>
                    {
                        Err(Broken::Stale)
                    }
                    answered => answered,
                }
            }
            Session::Http2(session) => session.ask(head, body, self.reused).await,
        }
    }

    /// The head of the answer; to be called after [`Connection::ask`].
    pub fn head(&self) -> &ResponseHeader {
        if let Some(adapted) = &self.adapting {
            return &adapted.head;
        }
        let head = match &self.session {
            Session::Http1(session) => session.head(),
            Session::Http2(session) => session.head(),
        };
        head.expect("the head has been read")
    }

    /// The head of the answer, taken out of the connection; to be called after [`Connection::ask`], once.
    pub fn take_head(&mut self) -> response::Parts {
        if let Some(adapted) = &self.adapting {
            return adapted.head.as_owned_parts();
        }
        match &mut self.session {
            Session::Http1(session) => session.take_head().expect("the head has been read"),
            Session::Http2(_) => self.head().as_owned_parts(),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    ///
    /// # Errors
    /// When the body breaks off. Waits without end, so the caller bounds it.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(adapted) = &mut self.adapting else {
            return own_piece(&mut self.session).await;
        };
        loop {
            match adapted.body.made().await? {
                Some(made) if !made.is_empty() => return Ok(Some(made)),
                Some(_) | None if adapted.body.has_ended() => return Ok(None),
                Some(_) | None => {
                    let piece = own_piece(&mut self.session).await?;
                    adapted.body.begin(piece);
                }
            }
        }
    }

    /// A piece that needs no waiting.
    pub fn ready_piece(&mut self) -> Option<Result<Option<Bytes>, Broken>> {
        if self.adapting.is_some() {
            return None;
        }
        // tokio's budget could answer "not yet" although data is there.
        tokio::task::unconstrained(self.piece()).now_or_never()
    }

    /// Sends bytes of the protocol that the connection has been upgraded to.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn send_upgraded(&mut self, bytes: Bytes) -> Result<(), Broken> {
        match &mut self.session {
            Session::Http1(session) => session.send_upgraded(bytes).await,
            Session::Http2(_) => Err(Broken::Invalid("HTTP/2 has no upgrade".to_owned())),
        }
    }

    /// What followed the body; to be called after its last piece.
    pub async fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.session {
            Session::Http1(session) => session.take_trailers(),
            Session::Http2(session) => session.trailers().await,
        }
    }

    /// Whether the length of the answer is only known by the connection's end (HTTP/1.0 style), so that a cut looks like an end.
    pub fn ends_by_close(&self) -> bool {
        match &self.session {
            Session::Http1(session) => session.ends_by_close(),
            Session::Http2(_) => false,
        }
    }

    /// Gives the connection back to the pool if both messages on it are complete, and closes it otherwise.
    pub async fn release(self, connector: &Connector) {
        connector.release(self.session, &self.peer);
    }
}

async fn own_piece(session: &mut Session) -> Result<Option<Bytes>, Broken> {
    match session {
        Session::Http1(session) => poll_fn(|context| session.poll_piece(context)).await,
        Session::Http2(session) => session.piece().await,
    }
}

/// What Pingora says of an error may quote whatever the peer has sent; an operator's log needs its beginning.
pub(super) fn brief(error: &Error) -> String {
    const CHARACTERS_MAX: usize = 200;
    error.to_string().chars().take(CHARACTERS_MAX).collect()
}
