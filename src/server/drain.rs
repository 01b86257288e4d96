//! The end of the process: what runs finishes within its bounds, and the last bytes leave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::gateway::{Gateway, Phase};

/// How often the end of the last exchange is looked for while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// What is left of an exchange when its time is up: telling its client.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// HTTP/2 connections write from tasks of their own, after the exchange has settled.
const LAST_BYTES: Duration = Duration::from_millis(50);

/// How long the disk may take for what was settled last.
const LAST_ROWS: Duration = Duration::from_secs(10);

/// Not ready at once; then no new connections; then the running exchanges finish, within the configured grace.
pub(super) async fn drain(gateway: &Gateway, stop: &watch::Sender<bool>) {
    let server = gateway.snapshot().config.server.clone();
    let (delay, grace) = (server.shutdown_delay, server.shutdown_grace);
    info!(?delay, ?grace, in_flight = gateway.in_flight(), "draining");
    gateway.enter_phase(Phase::Draining);
    tokio::time::sleep(delay).await;
    stop.send_replace(true);
    if !wait_for_idle(gateway, grace).await {
        warn!(
            in_flight = gateway.in_flight(),
            "time is up; ending what still runs"
        );
    }
}

/// Ends what still runs, telling its clients, and lets the last bytes leave.
pub(super) async fn end(gateway: &Arc<Gateway>, stop: &watch::Sender<bool>) {
    stop.send_replace(true);
    gateway.enter_phase(Phase::Ending);
    wait_for_idle(gateway, LAST_WORDS).await;
    tokio::time::sleep(LAST_BYTES).await;
    gateway.close_books(LAST_ROWS).await;
    info!(in_flight = gateway.in_flight(), "stopped");
}

/// Waits until no exchange is left, at most for `bound`; whether none is.
async fn wait_for_idle(gateway: &Gateway, bound: Duration) -> bool {
    let until = Instant::now() + bound;
    while gateway.in_flight() > 0 && Instant::now() < until {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    gateway.in_flight() == 0
}
