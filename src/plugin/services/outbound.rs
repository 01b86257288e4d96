//! Where a plugin may send HTTP requests: the hosts of its grant, and nothing that a request could hide.

use http::Uri;
use weir_plugin::{Header, HttpCall, HttpError};

/// Fields of one request.
pub const HEADERS_MAX: usize = 64;

/// Fields that belong to the connection, or would make the request lie about where it goes.
const NOT_SETTABLE: [&str; 9] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
];

/// Whether the call may be made.
///
/// # Errors
/// [`HttpError::Denied`] without a grant for the host; [`HttpError::Other`] where it is no request.
pub fn check(granted: &[String], call: &HttpCall) -> Result<(), HttpError> {
    let (host, port) = target(&call.url).map_err(HttpError::Other)?;
    if !granted.iter().any(|grant| covers(grant, &host, port)) {
        return Err(HttpError::Denied);
    }
    if call.headers.len() > HEADERS_MAX {
        let message = format!("a request has at most {HEADERS_MAX} header fields");
        return Err(HttpError::Other(message));
    }
    call.headers.iter().try_for_each(check_header)
}

fn check_header(header: &Header) -> Result<(), HttpError> {
    let name = header.name.to_ascii_lowercase();
    if NOT_SETTABLE.contains(&name.as_str()) {
        let message = format!("header {name} is not the plugin's to set");
        return Err(HttpError::Other(message));
    }
    let is_sound = http::HeaderName::from_bytes(name.as_bytes()).is_ok()
        && http::HeaderValue::from_bytes(&header.value).is_ok();
    if !is_sound {
        let message = format!("header {name:.64} is none that a request can carry");
        return Err(HttpError::Other(message));
    }
    Ok(())
}

/// Host in lower case, without brackets, and port.
fn target(url: &str) -> Result<(String, u16), String> {
    let uri: Uri = url.parse().map_err(|error| format!("no URL: {error}"))?;
    let default = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err("the URL begins with neither http:// nor https://".to_owned()),
    };
    let authority = uri.authority().ok_or("the URL has no host")?;
    if authority.as_str().contains('@') {
        return Err("the URL has credentials; send them in a header".to_owned());
    }
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() {
        return Err("the URL has no host".to_owned());
    }
    let port = authority.port_u16().unwrap_or(default);
    Ok((host.to_ascii_lowercase(), port))
}

/// Whether a grant (`host`, `host:port`, `*.domain`) covers the target.
fn covers(grant: &str, host: &str, port: u16) -> bool {
    let (granted_host, granted_port) = split(grant);
    let is_port = match granted_port {
        Some(granted) => granted == port,
        None => port == 80 || port == 443,
    };
    let granted_host = granted_host.to_ascii_lowercase();
    let is_host = match granted_host.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            host.len() > domain.len() && host.ends_with(domain)
        }
        Some(_) => false,
        None => granted_host == host,
    };
    is_port && is_host
}

/// A grant's host, without brackets, and its port.
fn split(grant: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = grant
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return (
            host,
            rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    match grant.rsplit_once(':') {
        // Two colons without brackets: an IPv6 address.
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (grant, None),
        },
        Some(_) | None => (grant, None),
    }
}
