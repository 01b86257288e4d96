//! The head of a request to an upstream: its host, its credential and the headers that the configuration adds.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::http::RequestHeader;

use crate::config::{AuthShape, Upstream, UpstreamKey};

use super::signer::Signer;

/// A credential in the form that goes on the wire.
pub struct Credential {
    /// Names the key in logs and metrics.
    pub label: String,
    form: Form,
}

enum Form {
    Header {
        header: HeaderName,
        value: HeaderValue,
        /// The same for the vendor's own API, where that wants it elsewhere: what that API's paths do not hold, and the header.
        elsewhere: Option<(&'static str, HeaderName, HeaderValue)>,
    },
    Signed(Signer),
}

impl Credential {
    /// # Errors
    /// When the secret holds a character that no header may, or is no pair of AWS keys where one is wanted.
    pub(super) fn new(upstream: &Upstream, key: &UpstreamKey) -> Result<Credential, String> {
        let form = match &upstream.sigv4 {
            Some(sigv4) => Form::Signed(Signer::new(sigv4, key)?),
            None => Form::header(upstream, key)?,
        };
        Ok(Credential {
            label: key.label.clone(),
            form,
        })
    }

    /// The header for a request to `path`, where it is one.
    pub(super) fn header_for(&self, path: &str) -> Option<(&HeaderName, &HeaderValue)> {
        match &self.form {
            Form::Header {
                elsewhere: Some((not_in, header, value)),
                ..
            } if !path.contains(not_in) => Some((header, value)),
            Form::Header { header, value, .. } => Some((header, value)),
            Form::Signed(_) => None,
        }
    }

    /// What signs requests, where they are signed.
    pub(super) fn signer(&self) -> Option<&Signer> {
        match &self.form {
            Form::Header { .. } => None,
            Form::Signed(signer) => Some(signer),
        }
    }
}

impl Form {
    fn header(upstream: &Upstream, key: &UpstreamKey) -> Result<Form, String> {
        let secret = key.secret.expose();
        let bearer = (header::AUTHORIZATION, format!("Bearer {secret}"));
        let shape = upstream.kind.facts().auth;
        let (header, text) = match shape {
            AuthShape::Bearer | AuthShape::Google => bearer,
            AuthShape::Header(name) => (HeaderName::from_static(name), secret.to_owned()),
        };
        let sensitive = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                let label = &key.label;
                format!("key `{label}` holds a character that no HTTP header may")
            })?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let elsewhere = match shape {
            AuthShape::Bearer | AuthShape::Header(_) => None,
            AuthShape::Google => {
                let header = HeaderName::from_static("x-goog-api-key");
                Some(("/openai/", header, sensitive(secret)?))
            }
        };
        Ok(Form::Header {
            header,
            value: sensitive(&text)?,
            elsewhere,
        })
    }
}

/// Headers that the kind wants of every request.
pub(super) fn of_kind(upstream: &Upstream) -> Vec<(HeaderName, HeaderValue)> {
    let headers = upstream.kind.facts().headers.iter();
    headers
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
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
