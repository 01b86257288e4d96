//! Where an upstream's addresses come from: the host of its URL by DNS, a list, or a file.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::discovery::ServiceDiscovery;

use crate::config::{Discovery, Upstream};

use super::state::LastFound;

/// More addresses of one upstream than this are left out.
const ADDRESSES_MAX: usize = 256;
/// A longer file names something else than hosts. In bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How long a look-up that failed holds, before the next.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// How often a file of addresses is read again.
const FILE_READ_AGAIN: Duration = Duration::from_secs(2);
/// Records with a time to live of zero are still good for one exchange after another.
const TRUSTED_AT_LEAST: Duration = Duration::from_secs(1);
/// Records that claim to live for days may be wrong by then.
const TRUSTED_AT_MOST: Duration = Duration::from_secs(3600);
/// How long an answer of the system's resolver is trusted, which does not tell a time to live.
const SYSTEM_TRUSTED: Duration = Duration::from_secs(15);

/// DNS, with the time to live of what it says.
pub struct Resolver {
    /// `None` where the machine has no configuration that could be read; then the system's resolver is asked alone.
    dns: Option<TokioResolver>,
}

impl Resolver {
    /// A resolver that asks `servers`, or the machine's where none is named.
    pub fn new(servers: &[SocketAddr]) -> Resolver {
        let builder = match servers {
            [] => TokioResolver::builder_tokio().ok(),
            servers => Some(TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, vec![], servers.iter().map(name_server).collect()),
                TokioRuntimeProvider::default(),
            )),
        };
        let dns = builder.and_then(|mut builder| {
            // A name that has both kinds of address mostly is one host; it must not count as two.
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
            builder.build().ok()
        });
        Resolver { dns }
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Found, String> {
        let asked = match &self.dns {
            Some(dns) => dns.lookup_ip(host).await.map_err(|error| error.to_string()),
            None => Err("no name server is configured".to_owned()),
        };
        let problem = match asked {
            Ok(answer) => {
                let addresses = answer.iter().map(|ip| SocketAddr::new(ip, port));
                let trusted = answer
                    .valid_until()
                    .saturating_duration_since(Instant::now());
                return Ok(Found {
                    addresses: addresses.take(ADDRESSES_MAX).collect(),
                    trusted: Some(trusted.clamp(TRUSTED_AT_LEAST, TRUSTED_AT_MOST)),
                });
            }
            Err(problem) => problem,
        };
        // Names that only the system knows: mDNS, NIS and their like.
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => Ok(Found {
                addresses: one_family(addresses.take(ADDRESSES_MAX).collect()),
                trusted: Some(SYSTEM_TRUSTED),
            }),
            Err(error) => Err(format!("{host}: {error} ({problem})")),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn one_family(mut addresses: BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses
}

struct Found {
    addresses: BTreeSet<SocketAddr>,
    /// `None`: for good.
    trusted: Option<Duration>,
}

/// The discovery of one upstream, as Pingora's `Backends` asks it.
pub struct Discover {
    upstream: Arc<Upstream>,
    resolver: Arc<Resolver>,
    /// What an earlier configuration found; it stands in for the first look-up.
    last: Mutex<Option<Found>>,
    /// When to look again; `None`: never.
    due: Mutex<Option<Instant>>,
}

/// The form in which Pingora takes it: it wants a box of its own.
pub struct Shared(pub Arc<Discover>);

impl Discover {
    /// `last`: what an earlier configuration found in the same source.
    pub fn new(
        upstream: &Arc<Upstream>,
        resolver: Arc<Resolver>,
        last: Option<LastFound>,
    ) -> Discover {
        let now = Instant::now();
        let last = last.map(|last| Found {
            addresses: last.endpoints.into_keys().collect(),
            trusted: last.due.map(|due| due.saturating_duration_since(now)),
        });
        Discover {
            upstream: upstream.clone(),
            resolver,
            last: Mutex::new(last),
            due: Mutex::new(Some(now)),
        }
    }

    /// When the next look-up is due; `None` where addresses never change.
    pub fn due(&self) -> Option<Instant> {
        *self.due.lock()
    }

    /// Time until the next look-up; `None` where addresses never change.
    pub fn due_in(&self) -> Option<Duration> {
        self.due()
            .map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Whether the next look-up has nothing to wait for.
    pub fn is_at_hand(&self) -> bool {
        if self.last.lock().is_some() {
            return true;
        }
        match &self.upstream.discovery {
            Discovery::Static(_) => true,
            Discovery::Dns => self.literal().is_some(),
            Discovery::File(_) => false,
        }
    }

    fn literal(&self) -> Option<SocketAddr> {
        let base = &self.upstream.base;
        let ip = base.host.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, base.port))
    }

    async fn find(&self) -> Result<Found, String> {
        if let Some(last) = self.last.lock().take() {
            return Ok(last);
        }
        let base = &self.upstream.base;
        match &self.upstream.discovery {
            Discovery::Static(addresses) => Ok(Found {
                addresses: addresses.iter().copied().take(ADDRESSES_MAX).collect(),
                trusted: None,
            }),
            Discovery::Dns => match self.literal() {
                Some(address) => Ok(Found {
                    addresses: [address].into(),
                    trusted: None,
                }),
                None => {
                    let look_up = self.resolver.look_up(&base.host, base.port);
                    let bound = self.upstream.timeouts.connect;
                    let found = tokio::time::timeout(bound, look_up).await;
                    found.unwrap_or_else(|_| {
                        Err(format!("{}: no resolver answered in time", base.host))
                    })
                }
            },
            Discovery::File(path) => read_file(path).await.map(|addresses| Found {
                addresses,
                trusted: Some(FILE_READ_AGAIN),
            }),
        }
    }
}

#[async_trait]
impl ServiceDiscovery for Shared {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let found = self.0.find().await;
        let found = found.and_then(|found| match found.addresses.is_empty() {
            true => Err(format!("{}: no address", self.0.upstream.base.host)),
            false => Ok(found),
        });
        match found {
            Ok(found) => {
                *self.0.due.lock() = found.trusted.map(|trusted| Instant::now() + trusted);
                let backends = found.addresses.into_iter().map(backend);
                Ok((backends.collect(), HashMap::new()))
            }
            Err(problem) => {
                *self.0.due.lock() = Some(Instant::now() + FAILED_FOR);
                Error::e_explain(ErrorType::ConnectNoRoute, problem)
            }
        }
    }
}

/// An address, as Pingora names it.
pub fn backend(address: SocketAddr) -> Backend {
    Backend {
        addr: PeerAddress::Inet(address),
        weight: 1,
        ext: Default::default(),
    }
}

async fn read_file(path: &Path) -> Result<BTreeSet<SocketAddr>, String> {
    let about = |problem: String| format!("{}: {problem}", path.display());
    let length = tokio::fs::metadata(path).await;
    let length = length.map_err(|error| about(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(about(format!("is longer than {FILE_BYTES_MAX} bytes")));
    }
    let text = tokio::fs::read_to_string(path).await;
    parse(&text.map_err(|error| about(error.to_string()))?).map_err(about)
}

/// One `address:port` a line; `#` begins a comment.
fn parse(text: &str) -> Result<BTreeSet<SocketAddr>, String> {
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.split('#').next().unwrap_or("").trim();
        (!line.is_empty()).then_some((index + 1, line))
    });
    let addresses = lines.map(|(number, line)| {
        line.parse::<SocketAddr>()
            .map_err(|_| format!("line {number}: `{line}` is not an address:port"))
    });
    let addresses: BTreeSet<SocketAddr> = addresses.collect::<Result<_, _>>()?;
    match addresses.len() {
        0 => Err("names no address".to_owned()),
        count if count > ADDRESSES_MAX => Err(format!(
            "names {count} addresses; {ADDRESSES_MAX} at most can be used"
        )),
        _ => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_addresses_are_read_or_refused_by_line() {
        let read = parse("# hosts\n10.0.0.1:8000\n\n  [::1]:80  # local\n10.0.0.1:8000\n");
        let expected: BTreeSet<SocketAddr> = ["10.0.0.1:8000", "[::1]:80"]
            .map(|address| address.parse().unwrap())
            .into();
        assert_eq!(read, Ok(expected));
        for (text, problem) in [
            ("", "names no address"),
            ("a\n", "line 1: `a` is not an address:port"),
            (
                "10.0.0.1:1\n10.0.0.1",
                "line 2: `10.0.0.1` is not an address:port",
            ),
        ] {
            assert_eq!(parse(text), Err(problem.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_name_with_both_kinds_of_address_is_one_host() {
        let both: BTreeSet<SocketAddr> = ["[::1]:80", "127.0.0.1:80"]
            .map(|address| address.parse().unwrap())
            .into();
        assert_eq!(one_family(both), ["127.0.0.1:80".parse().unwrap()].into());
    }
}
