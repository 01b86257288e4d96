//! What machines look at: liveness, readiness, metrics.

use http::StatusCode;

use crate::gateway::{Gateway, Phase};

use super::reply::{Reply, respond, text};

/// The process runs.
pub(super) fn health() -> Reply {
    text(StatusCode::OK, "ok\n")
}

/// Ready while it serves and some upstream's models are known.
pub(super) fn readiness(gateway: &Gateway) -> Reply {
    match gateway.phase() {
        Phase::Serving if gateway.is_usable() => match gateway.accounting.trouble() {
            None => text(StatusCode::OK, "ready\n"),
            // It serves from the last known state, so that it stays among those that are asked.
            Some(trouble) => text(StatusCode::OK, &format!("ready; the ledger {trouble}\n")),
        },
        Phase::Serving => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "no upstream has told its models yet\n",
        ),
        Phase::Draining | Phase::Ending => text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"),
    }
}

pub(super) fn metrics(gateway: &Gateway) -> Reply {
    respond(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        gateway.metrics_page(),
    )
}
