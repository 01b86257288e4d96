//! One address of an upstream: where connections go, and how it fares.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;

use crate::config::Upstream;

use super::health::Health;
use super::{Account, Broken, Connection, Connector, Credential, Payload, State, head};

pub use super::health::InFlight;

/// Tells endpoints apart, for as long as one exchange runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place(usize);

/// One address of an upstream.
pub struct Endpoint {
    pub upstream: Arc<Upstream>,
    pub account: Arc<Account>,
    pub address: SocketAddr,
    /// The address, as metrics and the status name it.
    pub name: String,
    pub health: Arc<Health>,
    pub state: Arc<State>,
    peer: Arc<HttpPeer>,
}

impl Endpoint {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        account: Arc<Account>,
        address: SocketAddr,
        state: Arc<State>,
        health: Arc<Health>,
        peer: HttpPeer,
    ) -> Endpoint {
        Endpoint {
            upstream,
            account,
            address,
            name: address.to_string(),
            health,
            state,
            peer: Arc::new(peer),
        }
    }

    pub fn place(&self) -> Place {
        Place(Arc::as_ptr(&self.health) as usize)
    }

    /// A connection, out of the pool or new.
    ///
    /// # Errors
    /// When none comes about within the upstream's timeout.
    pub async fn connect(&self, connector: &Connector) -> Result<Connection, Broken> {
        let write_wait = self.upstream.timeouts.idle;
        connector.connect(self.peer.clone(), write_wait).await
    }

    /// A connection that cannot have died in the pool.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connect_new(&self, connector: &Connector) -> Result<Connection, Broken> {
        let write_wait = self.upstream.timeouts.idle;
        connector.connect_new(self.peer.clone(), write_wait).await
    }

    /// A connection that can be upgraded, which HTTP/2 has no way for. It is new: it would not come back to the pool, and a
    /// handshake that a dead one has swallowed would have to be sent again.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connect_for_upgrade(&self, connector: &Connector) -> Result<Connection, Broken> {
        let mut peer = HttpPeer::clone(&self.peer);
        peer.options.alpn = ALPN::H1;
        let write_wait = self.upstream.timeouts.idle;
        connector.connect_new(Arc::new(peer), write_wait).await
    }

    /// A peer for Pingora's own relay.
    pub fn peer(&self) -> HttpPeer {
        HttpPeer::clone(&self.peer)
    }

    /// The head of a request, with nothing of the caller's yet.
    ///
    /// # Errors
    /// When the path holds what no request line may.
    pub fn head(&self, method: &Method, path_and_query: &str) -> Result<RequestHeader, String> {
        head::bare(&self.upstream, method, path_and_query)
    }

    /// Adds the credential and the configured headers. To be called last, so that nothing replaces them.
    pub fn authorize(
        &self,
        head: &mut RequestHeader,
        credential: Option<&Credential>,
        payload: Payload<'_>,
    ) {
        self.account.authorize(head, credential, payload);
    }

    /// Counts an exchange in until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.health.enter()
    }

    /// Exchanges in flight here.
    pub fn in_flight(&self) -> usize {
        self.health.in_flight()
    }
}
