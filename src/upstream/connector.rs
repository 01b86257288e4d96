//! Where connections come from and go back to: a pool of connections of HTTP/1.1, Pingora's pool of HTTP/2 streams, and the
//! choice between the two.

use std::sync::Arc;
use std::time::Duration;

use pingora::connectors::http::v2;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::{ALPN, Stream};
use pingora::upstreams::peer::{HttpPeer, Peer};

use super::connection::{Broken, Connection};
use super::http1::Http1;
use super::http2::Http2;
use super::pool::Pool;

/// Connections to all upstreams.
pub struct Connector {
    transport: TransportConnector,
    http1: Pool,
    http2: v2::Connector,
}

/// A connection for one request.
pub(super) enum Session {
    Http1(Box<Http1>),
    Http2(Http2),
}

impl Connector {
    /// Keeps up to `idle_connections` that nobody uses, of each version of HTTP.
    pub fn new(idle_connections: usize) -> Connector {
        let options = || Some(ConnectorOptions::new(idle_connections));
        Connector {
            transport: TransportConnector::new(options()),
            http1: Pool::new(idle_connections),
            http2: v2::Connector::new(options()),
        }
    }

    /// A connection to `peer`, out of the pool or new. `write_wait` bounds every write on it.
    ///
    /// # Errors
    /// When none comes about within the peer's timeouts.
    pub(super) async fn connect(
        &self,
        peer: Arc<HttpPeer>,
        write_wait: Duration,
    ) -> Result<Connection, Broken> {
        match self.pooled(&peer, write_wait).await? {
            Some(session) => Ok(Connection::new(session, peer, true)),
            None => self.connect_new(peer, write_wait).await,
        }
    }

    /// A connection to `peer` that nobody has used before.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub(super) async fn connect_new(
        &self,
        peer: Arc<HttpPeer>,
        write_wait: Duration,
    ) -> Result<Connection, Broken> {
        // Boxed: it holds a whole TLS handshake, and every future around it would be moved about with room for that.
        let session = Box::pin(self.new_session(&peer, write_wait)).await?;
        Ok(Connection::new(session, peer, false))
    }

    async fn pooled(
        &self,
        peer: &HttpPeer,
        write_wait: Duration,
    ) -> Result<Option<Session>, Broken> {
        if peer.options.alpn != ALPN::H1 {
            // Boxed, as the new connections are.
            let pooled = Box::pin(self.http2.reused_http_session(peer)).await;
            if let Some(session) = pooled.map_err(|error| Broken::unreachable(&error))? {
                let tls = peer.is_tls();
                return Ok(Some(Session::Http2(Http2::new(session, tls, write_wait))));
            }
        }
        if peer.options.alpn == ALPN::H2 {
            return Ok(None);
        }
        // A server that may speak both may have chosen HTTP/1.1.
        let stream = self.http1.take(peer.reuse_hash());
        Ok(stream.map(|stream| http1(stream, write_wait)))
    }

    async fn new_session(&self, peer: &HttpPeer, write_wait: Duration) -> Result<Session, Broken> {
        let unreachable = |error: Box<pingora::Error>| Broken::unreachable(&error);
        if peer.options.alpn == ALPN::H1 {
            let stream = self.transport.new_stream(peer).await.map_err(unreachable)?;
            return Ok(http1(stream, write_wait));
        }
        let session = self.http2.new_http_session::<_, ()>(peer).await;
        match session.map_err(unreachable)? {
            HttpSession::H1(session) => Ok(http1(session.into_inner(), write_wait)),
            HttpSession::H2(session) => Ok(Session::Http2(Http2::new(
                session,
                peer.is_tls(),
                write_wait,
            ))),
            HttpSession::Custom(()) => Err(Broken::Unreachable(
                "it speaks a protocol that weir does not".to_owned(),
            )),
        }
    }

    /// Gives a connection back, for the peer's idle time at most; one that is not clean is closed.
    pub(super) fn release(&self, session: Session, peer: &HttpPeer) {
        let idle = peer.options.idle_timeout;
        match session {
            // Dropped, a connection is closed at once; a shutdown would wait for a peer that does not read.
            Session::Http1(session) => {
                if let Some(stream) = session.into_clean_stream() {
                    self.http1.put(peer.reuse_hash(), stream, idle);
                }
            }
            Session::Http2(session) => session.release(&self.http2, peer, idle),
        }
    }
}

fn http1(stream: Stream, write_wait: Duration) -> Session {
    Session::Http1(Box::new(Http1::new(stream, write_wait)))
}
