//! An upstream's addresses: its name is resolved again now and then, and every address becomes a peer that connections
//! are pooled under.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};

use crate::config::{HttpVersion, Upstream};

use super::Broken;

/// How long a resolved name is trusted. The system's resolver does not tell a record's own time to live.
const RESOLVED_FOR: Duration = Duration::from_secs(15);

/// How long a failed look-up holds.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// More addresses of one name than this are left out.
const ADDRESSES_MAX: usize = 64;

type Peers = Arc<[Arc<HttpPeer>]>;

pub struct Addresses {
    upstream: Arc<Upstream>,
    ca: Option<Arc<CaType>>,
    resolved: ArcSwap<Resolved>,
    /// Spreads exchanges over the addresses.
    turn: AtomicUsize,
    /// One look-up at a time: the others wait for its answer.
    looking: tokio::sync::Mutex<Option<Failed>>,
}

/// The last look-up failed, and why. It holds for a moment, so that those who waited for it need not each try again.
struct Failed {
    at: Instant,
    why: Broken,
}

struct Resolved {
    peers: Peers,
    /// `None` for addresses that never change.
    until: Option<Instant>,
}

impl Addresses {
    pub fn new(upstream: &Arc<Upstream>) -> Result<Addresses, String> {
        let ca = upstream
            .tls
            .ca_file
            .as_deref()
            .map(authorities)
            .transpose()?;
        let literal = upstream.base.host.parse::<IpAddr>().ok();
        let fixed = literal.map(|ip| SocketAddr::new(ip, upstream.base.port));
        let peers = fixed
            .iter()
            .map(|address| peer(*address, upstream, ca.as_ref()))
            .collect();
        Ok(Addresses {
            upstream: upstream.clone(),
            ca,
            resolved: ArcSwap::from_pointee(Resolved {
                peers,
                until: fixed.is_none().then(Instant::now),
            }),
            turn: AtomicUsize::new(0),
            looking: tokio::sync::Mutex::new(None),
        })
    }

    /// The peers to try, in order: all of them, from the next in turn on.
    pub async fn peers(&self) -> Result<Vec<Arc<HttpPeer>>, Broken> {
        let peers = self.current().await?;
        let first = match peers.len() {
            0 | 1 => 0,
            count => self.turn.fetch_add(1, Ordering::Relaxed) % count,
        };
        Ok(peers[first..]
            .iter()
            .chain(&peers[..first])
            .cloned()
            .collect())
    }

    async fn current(&self) -> Result<Peers, Broken> {
        if let Some(peers) = self.fresh() {
            return Ok(peers);
        }
        let mut last = self.looking.lock().await;
        if let Some(peers) = self.fresh() {
            return Ok(peers);
        }
        if let Some(failed) = last
            .as_ref()
            .filter(|failed| failed.at.elapsed() < FAILED_FOR)
        {
            return Err(failed.why.clone());
        }
        let base = &self.upstream.base;
        let looked_up = tokio::time::timeout(
            self.upstream.timeouts.connect,
            tokio::net::lookup_host((base.host.as_str(), base.port)),
        );
        let peers = match looked_up.await {
            Ok(Ok(addresses)) => {
                let addresses = addresses.take(ADDRESSES_MAX);
                addresses
                    .map(|address| peer(address, &self.upstream, self.ca.as_ref()))
                    .collect()
            }
            // A name that was known stays known while the resolver is down.
            _ if !self.resolved.load().peers.is_empty() => self.resolved.load().peers.clone(),
            failed => {
                let cause = failed.map_or_else(
                    |_| "the resolver did not answer".to_owned(),
                    |looked_up| {
                        looked_up
                            .err()
                            .map(|error| error.to_string())
                            .unwrap_or_default()
                    },
                );
                let why = Broken::Unreachable(format!("{}: {cause}", base.host));
                *last = Some(Failed {
                    at: Instant::now(),
                    why: why.clone(),
                });
                return Err(why);
            }
        };
        let until = Some(Instant::now() + RESOLVED_FOR);
        self.resolved.store(Arc::new(Resolved {
            peers: Arc::clone(&peers),
            until,
        }));
        Ok(peers)
    }

    fn fresh(&self) -> Option<Peers> {
        let resolved = self.resolved.load();
        let fresh = resolved.until.is_none_or(|until| Instant::now() < until);
        (fresh && !resolved.peers.is_empty()).then(|| resolved.peers.clone())
    }
}

fn peer(address: SocketAddr, upstream: &Upstream, ca: Option<&Arc<CaType>>) -> Arc<HttpPeer> {
    let name = upstream
        .tls
        .server_name
        .as_ref()
        .unwrap_or(&upstream.base.host);
    let mut peer = HttpPeer::new(address, upstream.base.tls, name.clone());
    let timeouts = &upstream.timeouts;
    let options = &mut peer.options;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect);
    options.write_timeout = Some(timeouts.idle);
    options.idle_timeout = Some(upstream.idle_connection);
    options.verify_cert = upstream.tls.verify;
    options.verify_hostname = upstream.tls.verify;
    options.max_h2_streams = upstream.http2_streams;
    options.ca = ca.cloned();
    options.alpn = match upstream.http {
        // Without TLS there is no negotiation.
        HttpVersion::Auto if upstream.base.tls => ALPN::H2H1,
        HttpVersion::Auto | HttpVersion::Http1 => ALPN::H1,
        HttpVersion::Http2 => ALPN::H2,
    };
    Arc::new(peer)
}

fn authorities(path: &std::path::Path) -> Result<Arc<CaType>, String> {
    let certificates =
        crate::tls::read_authorities(path).map_err(|problem| format!("tls.ca_file {problem}"))?;
    let wrapped = certificates
        .iter()
        .map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509));
    Ok(wrapped.collect::<Vec<_>>().into())
}
