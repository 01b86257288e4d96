//! The head of a request to an upstream: its host, its credential and the headers that the configuration adds.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::http::RequestHeader;

use crate::config::{AuthShape, Upstream, UpstreamKey};

/// A credential in the form that goes on the wire.
pub struct Credential {
    /// Names the key in logs and metrics.
    pub label: String,
    pub header: HeaderName,
    pub value: HeaderValue,
}

impl Credential {
    /// # Errors
    /// When the secret holds a character that no header may.
    pub(super) fn new(upstream: &Upstream, key: &UpstreamKey) -> Result<Credential, String> {
        let secret = key.secret.expose();
        let (header, text) = match upstream.kind.facts().auth {
            AuthShape::Bearer => (header::AUTHORIZATION, format!("Bearer {secret}")),
            AuthShape::Header(name) => (HeaderName::from_static(name), secret.to_owned()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            format!(
                "key `{}` holds a character that no HTTP header may",
                key.label
            )
        })?;
        value.set_sensitive(true);
        Ok(Credential {
            label: key.label.clone(),
            header,
            value,
        })
    }
}

/// Headers of `upstream.headers`, checked once.
pub(super) fn configured(upstream: &Upstream) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let checked = upstream.headers.iter().map(|(name, secret)| {
        let mut value = HeaderValue::from_str(secret.expose())
            .map_err(|_| format!("header `{name}` holds a character that no HTTP header may"))?;
        value.set_sensitive(true);
        Ok((name.clone(), value))
    });
    checked.collect()
}

/// Requests of ordinary clients have about so many headers.
const HEADERS: usize = 24;

/// A head without the caller's headers: method, path and host.
///
/// # Errors
/// When the path holds what no request line may.
pub(super) fn bare(
    upstream: &Upstream,
    method: &Method,
    path_and_query: &str,
) -> Result<RequestHeader, String> {
    let unusable = |error: String| format!("the path {path_and_query:?} cannot be sent: {error}");
    let path =
        PathAndQuery::try_from(path_and_query).map_err(|error| unusable(error.to_string()))?;
    let host = HeaderValue::from_str(&upstream.base.authority)
        .map_err(|error| unusable(error.to_string()))?;
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method.clone();
    head.uri = path.into();
    head.headers.reserve(HEADERS);
    head.headers.insert(header::HOST, host);
    Ok(RequestHeader::from(head))
}
