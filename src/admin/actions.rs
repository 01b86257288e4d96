//! What operators do to the process while it serves. Each says in its answer, and in the log, what it has done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tracing::info;

use crate::config::{UpstreamStatus, parse_duration};
use crate::gateway::Gateway;
use crate::reload::{Cause, Refused, Reloader};
use crate::upstream::keys::UnknownKey;
use crate::upstream::{Endpoint, Upstream, present};

use super::reply::{self, Refusal, Reply};

/// Reads the configuration again; `dry_run=true` only says what that would do.
pub(super) async fn reload(reloader: &Arc<Reloader>, query: &str) -> Result<Reply, Refusal> {
    let is_dry = match parameter(query, "dry_run").as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(other) => {
            let message = format!("`dry_run={other}`; write `true` or `false`");
            return Err(invalid(message));
        }
    };
    let (outcome, reloaded) = match is_dry {
        true => ("checked", reloader.check().await),
        false => ("done", reloader.reload(Cause::Admin).await),
    };
    let changes = reloaded.map_err(refused)?;
    Ok(reply::json(
        &json!({ "outcome": outcome, "changes": changes }),
    ))
}

fn refused(refused: Refused) -> Refusal {
    match refused {
        Refused::Problems(problems) => {
            let message = match problems.len() {
                1 => "the configuration has a problem; the old one goes on".to_owned(),
                count => format!("the configuration has {count} problems; the old one goes on"),
            };
            let code = "invalid_configuration";
            let error =
                json!({ "code": code, "message": message, "param": null, "problems": problems });
            Refusal::with(StatusCode::UNPROCESSABLE_ENTITY, error)
        }
        Refused::Busy => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", refused.to_string()),
    }
}

/// Passes over the key that is in turn.
pub(super) fn rotate_keys(gateway: &Gateway, name: &str) -> Result<Reply, Refusal> {
    let upstream = upstream(gateway, name)?;
    let rotated = upstream.account.keys.rotate(present()).ok_or_else(|| {
        let message = format!("upstream `{name}` has no key that can be used now");
        Refusal::new(StatusCode::CONFLICT, "no_key", message)
    })?;
    info!(upstream = name, passed_over = %rotated.passed_over, next = %rotated.next, "an operator rotated the keys");
    Ok(reply::json(
        &json!({ "upstream": name, "rotated": rotated }),
    ))
}

/// Lets a key rest; `for=60s` says how long.
pub(super) fn rest_key(
    gateway: &Gateway,
    name: &str,
    label: &str,
    query: &str,
) -> Result<Reply, Refusal> {
    let upstream = upstream(gateway, name)?;
    let wait = wait(query)?;
    let rested = upstream.account.keys.rest(label, wait, present());
    rested.map_err(unknown_key)?;
    info!(
        upstream = name,
        key = label,
        ?wait,
        "an operator lets a key rest"
    );
    Ok(key_reply(&upstream, label))
}

/// Takes a key back that rests or is out.
pub(super) fn revive_key(gateway: &Gateway, name: &str, label: &str) -> Result<Reply, Refusal> {
    let upstream = upstream(gateway, name)?;
    upstream.account.keys.revive(label).map_err(unknown_key)?;
    info!(upstream = name, key = label, "an operator revived a key");
    Ok(key_reply(&upstream, label))
}

fn key_reply(upstream: &Upstream, label: &str) -> Reply {
    let keys = upstream.account.keys.status(present());
    let key = keys.into_iter().find(|key| key.label == label);
    reply::json(&json!({ "upstream": upstream.config.name, "key": key }))
}

/// Says whether an upstream takes requests, whatever its configuration says. It holds until a reload changes the configured
/// status of the upstream, or weir ends.
pub(super) fn set_status(
    gateway: &Gateway,
    name: &str,
    status: UpstreamStatus,
) -> Result<Reply, Refusal> {
    let upstream = upstream(gateway, name)?;
    upstream.state.say_status(Some(status));
    // What it serves may have changed while it was left alone.
    upstream.state.learn_now.notify_one();
    info!(upstream = name, ?status, "an operator set the status");
    Ok(reply::json(&json!({
        "upstream": name,
        "status": upstream.status(),
        "configured_status": upstream.config.status,
    })))
}

/// Takes an endpoint out, as if it had failed too often.
pub(super) fn eject(gateway: &Gateway, name: &str, address: &str) -> Result<Reply, Refusal> {
    let endpoint = endpoint(&*upstream(gateway, name)?, address)?;
    let change = endpoint.health.eject(Instant::now(), fastrand::f64());
    gateway.note_change(&endpoint, change);
    info!(
        upstream = name,
        endpoint = address,
        "an operator ejected an endpoint"
    );
    Ok(endpoint_reply(&endpoint))
}

/// Takes an endpoint back, as if nothing were known of it.
pub(super) fn restore(gateway: &Gateway, name: &str, address: &str) -> Result<Reply, Refusal> {
    let endpoint = endpoint(&*upstream(gateway, name)?, address)?;
    let change = endpoint.health.restore(Instant::now());
    gateway.note_change(&endpoint, change);
    info!(
        upstream = name,
        endpoint = address,
        "an operator restored an endpoint"
    );
    Ok(endpoint_reply(&endpoint))
}

fn endpoint_reply(endpoint: &Endpoint) -> Reply {
    reply::json(&json!({
        "upstream": endpoint.upstream.name,
        "endpoint": super::status::endpoint(endpoint),
    }))
}

fn upstream(gateway: &Gateway, name: &str) -> Result<Arc<Upstream>, Refusal> {
    let found = gateway.snapshot().upstream(name).cloned();
    found.ok_or_else(|| {
        let message = format!("no upstream has the name `{name}`");
        Refusal::new(StatusCode::NOT_FOUND, "unknown_upstream", message)
    })
}

fn endpoint(upstream: &Upstream, address: &str) -> Result<Arc<Endpoint>, Refusal> {
    let endpoints = upstream.endpoints();
    let found = endpoints.iter().find(|known| known.name == address);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = endpoints.iter().map(|known| known.name.as_str()).collect();
        let message = format!(
            "upstream `{}` has no endpoint `{address}`; it has {}",
            upstream.config.name,
            if known.is_empty() {
                "none now".to_owned()
            } else {
                known.join(", ")
            }
        );
        Refusal::new(StatusCode::NOT_FOUND, "unknown_endpoint", message)
    })
}

fn unknown_key(unknown: UnknownKey) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "unknown_key", unknown.to_string())
}

fn wait(query: &str) -> Result<Duration, Refusal> {
    let text = parameter(query, "for")
        .ok_or_else(|| invalid("say how long, for example `?for=60s`".to_owned()))?;
    parse_duration(&text).map_err(|problem| invalid(format!("`for={text}` {problem}")))
}

fn invalid(message: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut all = url::form_urlencoded::parse(query.as_bytes());
    all.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}
