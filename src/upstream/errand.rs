//! A short request of weir's own to an address that is no upstream: an issuer's keys, a webhook.
//! It must not know what the answer is for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::timeout;
use url::Url;

use super::{Broken, Connection, Connector};

/// From looking the name up to the last byte of the answer.
const WAIT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);

/// What is to be asked.
pub struct Errand<'e> {
    pub method: Method,
    /// `http` or `https`.
    pub url: &'e Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// Longest answer.
    pub bytes_max: usize,
}

/// What came back.
pub struct Brought {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Runs an errand over a connection of its own, within ten seconds. Redirects are not followed.
///
/// # Errors
/// When no answer came, or one that is too long; the text names no address beyond the URL's own host.
pub async fn run(errand: Errand<'_>, connector: &Connector) -> Result<Brought, String> {
    let host = errand.url.host_str().unwrap_or_default().to_owned();
    match timeout(WAIT, ask(errand, connector)).await {
        Ok(brought) => brought.map_err(|problem| format!("{host}: {problem}")),
        Err(_) => Err(format!("{host}: no answer within {WAIT:?}")),
    }
}

async fn ask(errand: Errand<'_>, connector: &Connector) -> Result<Brought, String> {
    let broken = |broken: Broken| broken.to_string();
    let peer = Arc::new(peer(errand.url).await?);
    let mut connection = connector.connect_new(peer, WAIT).await.map_err(broken)?;
    let head = head(&errand).map_err(|error| error.to_string())?;
    connection
        .ask(Box::new(head), errand.body)
        .await
        .map_err(broken)?;
    let body = read(&mut connection, errand.bytes_max).await?;
    let head = connection.head();
    Ok(Brought {
        status: head.status.as_u16(),
        headers: head.headers.clone(),
        body,
    })
}

async fn read(connection: &mut Connection, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = connection
        .piece()
        .await
        .map_err(|broken| broken.to_string())?
    {
        body.extend_from_slice(&piece);
        if body.len() > bytes_max {
            return Err(format!("the answer is longer than {bytes_max} bytes"));
        }
    }
    Ok(body)
}

async fn peer(url: &Url) -> Result<HttpPeer, String> {
    let is_tls = match url.scheme() {
        "https" => true,
        "http" => false,
        other => return Err(format!("{other}:// is not spoken here; use https://")),
    };
    let host = url.host_str().ok_or("the URL has no host")?;
    let port = url.port_or_known_default().ok_or("the URL has no port")?;
    let name = host.trim_matches(['[', ']']);
    let mut peer = HttpPeer::new(address(name, port).await?, is_tls, name.to_owned());
    let options = &mut peer.options;
    options.alpn = ALPN::H1;
    options.connection_timeout = Some(CONNECT);
    options.total_connection_timeout = Some(CONNECT);
    options.write_timeout = Some(WAIT);
    Ok(peer)
}

async fn address(name: &str, port: u16) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map_err(|error| format!("its name cannot be looked up: {error}"))?;
    // Where a name has both, machines without a route to IPv6 can use only the one.
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses
        .into_iter()
        .next()
        .ok_or_else(|| "its name has no address".to_owned())
}

fn head(errand: &Errand<'_>) -> Result<RequestHeader, Box<pingora::Error>> {
    let url = errand.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut head = RequestHeader::build(errand.method.clone(), path.as_bytes(), Some(8))?;
    let host = url.host_str().unwrap_or_default();
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    head.insert_header(header::HOST, authority)?;
    head.insert_header(header::ACCEPT, "application/json")?;
    head.insert_header(header::USER_AGENT, "weir")?;
    if !errand.body.is_empty() {
        head.insert_header(header::CONTENT_LENGTH, errand.body.len())?;
    }
    for (name, value) in &errand.headers {
        head.insert_header(name.clone(), value.clone())?;
    }
    Ok(head)
}
