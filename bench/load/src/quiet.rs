//! Whether weir and its hosts come to rest once all clients have their answers: nothing may be left in flight.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::sim::SimHost;
use crate::weir::Weir;

/// How long weir may take until nothing is in flight, once all clients have their answers.
const QUIET_WAIT: Duration = Duration::from_secs(10);
const QUIET_POLL: Duration = Duration::from_millis(50);

/// What is still in flight when all clients have their answers; empty once nothing is.
///
/// # Errors
/// When weir or a host does not answer.
pub async fn left_in_flight<'a>(
    weir: &Weir,
    hosts: impl Iterator<Item = &'a SimHost> + Clone,
) -> Result<Vec<String>> {
    let deadline = Instant::now() + QUIET_WAIT;
    loop {
        let mut left = Vec::new();
        let figures = weir.figures().await?;
        for name in [
            "weir_requests_in_flight",
            "weir_upstream_in_flight",
            "weir_endpoint_in_flight",
            "weir_buffered_body_bytes",
        ] {
            if !figures.has(name) {
                bail!("weir's metrics have no {name}");
            }
            let value = figures.sum(name, &[]);
            if value != 0.0 {
                left.push(format!("{name} {value}"));
            }
        }
        for host in hosts.clone() {
            let running = host.in_flight().await?;
            if running != 0 {
                left.push(format!("{} works on {running}", host.name));
            }
        }
        if left.is_empty() || Instant::now() > deadline {
            return Ok(left);
        }
        sleep(QUIET_POLL).await;
    }
}
