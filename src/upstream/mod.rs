//! Upstreams at run time: where they are, the connections to them, their keys and the models that they report.
//! Which of them an exchange goes to is for `route`.

mod address;
mod connection;
mod early;
mod head;
mod keys;
mod learn;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, Method};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;

use crate::config::Upstream;

use address::Addresses;
pub use connection::{Broken, Connection};
pub use head::Credential;
use keys::KeyRing;
pub use learn::{Learnt, learn};

/// One upstream of the configuration, ready for use.
pub struct Endpoint {
    pub upstream: Arc<Upstream>,
    pub state: Arc<State>,
    /// The upstream's name, as a header says it.
    pub label: HeaderValue,
    addresses: Addresses,
    credentials: Vec<Credential>,
    turn: KeyRing,
    /// Replace what the caller sent under the same names.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is known of an upstream from running; it outlives the configuration that named it.
#[derive(Default)]
pub struct State {
    in_flight: AtomicUsize,
    /// What the upstream's own list says; `None` until it has answered once.
    pub learnt: ArcSwap<Option<Learnt>>,
}

impl Endpoint {
    /// An endpoint for `upstream`, with what earlier configurations learnt of it.
    ///
    /// # Errors
    /// When the CA file, a key or a header cannot be used; the text names it.
    pub fn new(upstream: Arc<Upstream>, state: Arc<State>) -> Result<Endpoint, String> {
        let label = HeaderValue::from_str(&upstream.name);
        Ok(Endpoint {
            label: label.map_err(|_| "its name cannot stand in a header".to_owned())?,
            addresses: Addresses::new(&upstream)?,
            credentials: upstream
                .keys
                .iter()
                .map(|key| Credential::new(&upstream, key))
                .collect::<Result<_, _>>()?,
            turn: KeyRing::new(&upstream.keys),
            headers: head::configured(&upstream)?,
            state,
            upstream,
        })
    }

    /// A connection, out of the pool or new. Every address of the upstream's name is tried once.
    ///
    /// # Errors
    /// When no address can be connected to within the upstream's timeout.
    pub async fn connect(&self, connector: &Connector) -> Result<Connection, Broken> {
        let peers = self.addresses.peers().await?;
        self.connect_to(peers, connector).await
    }

    /// A connection that can be upgraded, which HTTP/2 has no way for.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connect_for_upgrade(&self, connector: &Connector) -> Result<Connection, Broken> {
        let peers = self.addresses.peers().await?.into_iter().map(|peer| {
            let mut peer = HttpPeer::clone(&peer);
            peer.options.alpn = ALPN::H1;
            Arc::new(peer)
        });
        self.connect_to(peers.collect(), connector).await
    }

    async fn connect_to(
        &self,
        peers: Vec<Arc<HttpPeer>>,
        connector: &Connector,
    ) -> Result<Connection, Broken> {
        let mut failure = None;
        for peer in peers {
            // Boxed: it holds a whole TLS handshake, and every future around it would be moved about with room for that.
            match Box::pin(connector.get_http_session(&*peer)).await {
                Ok((session, reused)) => {
                    return Ok(Connection::new(session, peer, reused, &self.upstream));
                }
                Err(error) => failure = Some(Broken::unreachable(&error)),
            }
        }
        Err(failure.unwrap_or_else(|| Broken::Unreachable("its name has no address".to_owned())))
    }

    /// A peer for Pingora's own relay.
    ///
    /// # Errors
    /// When the upstream's name cannot be resolved.
    pub async fn peer(&self) -> Result<HttpPeer, Broken> {
        let peers = self.addresses.peers().await?;
        let first = peers
            .first()
            .ok_or_else(|| Broken::Unreachable("its name has no address".to_owned()))?;
        Ok(HttpPeer::clone(first))
    }

    /// The next key in turn; `None` for upstreams that want none.
    pub fn credential(&self) -> Option<&Credential> {
        self.turn.next().map(|index| &self.credentials[index])
    }

    /// The head of a request to this upstream, with nothing of the caller's yet.
    ///
    /// # Errors
    /// When the path holds what no request line may.
    pub fn head(&self, method: &Method, path_and_query: &str) -> Result<RequestHeader, String> {
        head::bare(&self.upstream, method, path_and_query)
    }

    /// Adds the credential and the configured headers. To be called last, so that nothing replaces them.
    pub fn authorize(&self, head: &mut RequestHeader, credential: Option<&Credential>) {
        let credential = credential.map(|credential| (&credential.header, &credential.value));
        let configured = self.headers.iter().map(|(name, value)| (name, value));
        for (name, value) in credential.into_iter().chain(configured) {
            // Names and values were checked when the endpoint was made, and heads without a case map take any name.
            let inserted = head.insert_header(name.clone(), value.clone());
            inserted.expect("a checked header is accepted");
        }
    }

    /// Counts an exchange in until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.state.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.state.clone())
    }

    /// Exchanges in flight here.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::Relaxed)
    }
}

/// An exchange's place among those in flight at an endpoint.
pub struct InFlight(Arc<State>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
