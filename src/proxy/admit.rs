//! Stage 1: path and method → what is asked. Nothing is read of the body yet.

use std::sync::Arc;

use http::Method;
use pingora::http::RequestHeader;

use crate::fault::Fault;
use crate::gateway::Snapshot;
use crate::upstream::Upstream;
use crate::wire::endpoint::{self, Endpoint, Found};
use crate::wire::{Dialect, Operation};

use super::headers::query_up;

/// What a request comes to.
pub enum Admitted {
    /// To be answered by an upstream that serves its model.
    Exchange(Asking),
    /// To be answered by weir itself.
    Local(&'static Endpoint),
    /// `GET /v1/models/{id}` and its like; the id, decoded.
    Model(Dialect, String),
    /// A WebSocket for a model, named in the query.
    Realtime,
    /// `/<upstream>/…`: anything, to the named upstream.
    PassThrough(PassThrough),
}

impl Admitted {
    /// What callers may be allowed.
    pub fn operation(&self) -> Operation {
        match self {
            Admitted::Exchange(asked) => asked.endpoint.operation,
            Admitted::Local(endpoint) => endpoint.operation,
            Admitted::Model(..) => Operation::Model,
            Admitted::Realtime => Operation::Realtime,
            Admitted::PassThrough(_) => Operation::PassThrough,
        }
    }
}

/// What a request for an answer says before its body.
pub struct Asking {
    pub endpoint: &'static Endpoint,
    /// The model, where the path names it; decoded.
    pub model: Option<String>,
}

/// A request for an upstream's own endpoint.
pub struct PassThrough {
    pub upstream: Arc<Upstream>,
    /// The rest of the path, with its query; begins with a slash or is empty.
    pub rest: String,
}

/// Decides what a request comes to.
///
/// # Errors
/// Unknown paths, wrong methods, and WebSockets where there are none.
pub fn admit(head: &RequestHeader, snapshot: &Snapshot) -> Result<Admitted, Fault> {
    let path = head.uri.path();
    match endpoint::find(path, &head.method) {
        // Clients probe for a WebSocket and fall back at once on 426, but retry on 404 and 405.
        _ if wants_websocket(head) && is_responses(path) => {
            Err(Fault::NoWebSocket(path.to_owned()))
        }
        Found::Endpoint(endpoint) => Ok(match endpoint.operation {
            Operation::Models
            | Operation::Show
            | Operation::Running
            | Operation::Version
            | Operation::Alive
            | Operation::Manage => Admitted::Local(endpoint),
            Operation::Realtime if !wants_websocket(head) => {
                return Err(Fault::MalformedBody(format!(
                    "{path} speaks WebSocket only; send an Upgrade request"
                )));
            }
            Operation::Realtime => Admitted::Realtime,
            _ => Admitted::Exchange(Asking {
                endpoint,
                model: None,
            }),
        }),
        Found::Action(endpoint, model) => Ok(Admitted::Exchange(Asking {
            endpoint,
            model: Some(percent_decoded(model)),
        })),
        Found::Model(dialect, id) => Ok(Admitted::Model(dialect, percent_decoded(id))),
        Found::WrongMethod { allow } => Err(Fault::WrongMethod {
            method: head.method.to_string(),
            path: path.to_owned(),
            allow,
        }),
        Found::Unknown => pass_through(head, snapshot),
    }
}

fn pass_through(head: &RequestHeader, snapshot: &Snapshot) -> Result<Admitted, Fault> {
    let path = head.uri.path();
    let below = path.strip_prefix('/').unwrap_or(path);
    let (name, rest) = below.split_once('/').unwrap_or((below, ""));
    let Some(upstream) = snapshot.upstream(name) else {
        return Err(Fault::UnknownPath(path.to_owned()));
    };
    // Servers resolve dot segments, which would lead weir's credential out of the upstream's root.
    if rest
        .split('/')
        .any(|segment| matches!(percent_decoded(segment).as_str(), "." | ".."))
    {
        return Err(Fault::PathEscapes);
    }
    let query = head.uri.query().and_then(query_up);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Admitted::PassThrough(PassThrough {
        upstream: upstream.clone(),
        rest: format!("/{rest}{query}"),
    }))
}

fn wants_websocket(head: &RequestHeader) -> bool {
    let upgrade = head.headers.get(http::header::UPGRADE);
    head.method == Method::GET
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn is_responses(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/v1/responses" | "/responses")
}

/// Undoes `%2F` and its like: model ids hold slashes and colons, and clients differ in escaping them.
pub fn percent_decoded(text: &str) -> String {
    let decoded: Vec<u8> = url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned().into_bytes())
        .unwrap_or_default();
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_paths_are_decoded() {
        for (given, expected) in [
            ("a%2Fb", "a/b"),
            ("a+b", "a+b"),
            ("llama3.2:3b", "llama3.2:3b"),
            ("%zz", "%zz"),
            ("", ""),
        ] {
            assert_eq!(percent_decoded(given), expected);
        }
    }
}
