//! The words that the tests are written in: hosts, weir in front of them, clients. Nothing in here knows a test.

mod answer;
mod books;
mod client;
mod dialects;
mod fickle;
mod health;
mod issuer;
mod peer;
mod places;
mod sim;
mod sse;
mod tls;
mod weir;
mod wire;

use std::fmt::Debug;
use std::time::{Duration, Instant};

pub use answer::{Answer, Opened};
pub use books::{Books, STORE, nothing_is_reserved};
pub use client::{Connection, Protocol, Request};
pub use dialects::Tongue;
pub use fickle::{Fickle, LOADING, Mood};
pub use health::Shares;
pub use issuer::{Signers, provider};
pub use peer::{Peer, Upstream, http, reply, stream_head};
pub use places::{HostList, NameServer};
pub use sim::{Recorded, Sim, SimProcess, fingerprint};
pub use sse::{Chat, events};
pub use tls::{Authority, Identity, TlsClient};
pub use weir::{Host, Setup, Weir};
pub use weir::{command, new_folder};
pub use wire::Wire;

/// The model that hosts serve unless a test says otherwise.
pub const MODEL: &str = "llama-3.1-8b";

/// The model `m`: gpu-a first, and gpu-b when gpu-a cannot.
pub const GPU_A_FIRST: &str = "models: { m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }, { upstream: gpu-b, model: llama-3.1-8b, tier: 2 }] } }";

/// The name of the host with this number, from 0: `gpu-a`, `gpu-b`, …
pub fn gpu(number: usize) -> String {
    format!(
        "gpu-{}",
        char::from(b'a' + u8::try_from(number).expect("few hosts"))
    )
}

/// A target of [`MODEL`] at the host with this number, with more settings: `, tier: 2`.
pub fn target(number: usize, more: &str) -> String {
    format!("{{ upstream: {}, model: {MODEL}{more} }}", gpu(number))
}

/// Models `m0`, `m1`, …: the host with this number first, and the last of all `hosts` when that cannot.
pub fn each_before_the_last(hosts: usize) -> String {
    let last = target(hosts - 1, ", tier: 2");
    let models = (0..hosts - 1).map(|number| {
        let first = target(number, "");
        format!("  m{number}: {{ targets: [{first}, {last}] }}\n")
    });
    format!("models:\n{}", models.collect::<String>())
}

/// The longest that anything is waited for which should come at once. Generous, for machines under load.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// How long a client's going away may take to reach the upstream.
pub const CANCELLED_WITHIN: Duration = Duration::from_millis(100);

/// Asserts that requests shared connections. A connection that has only just been given back may be missed by the next
/// request (Pingora's pool is being handed it by a task of its own), so that the number need not be 1.
#[track_caller]
pub fn assert_shared(connections: u64, requests: u64) {
    assert!(
        connections <= requests.div_ceil(4) + 1,
        "{requests} requests came on {connections} connections"
    );
}

/// Waits for something to happen; panics with `what` when it does not.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("within {PATIENCE:?} there was no {what}"),
    }
}

/// Looks again and again until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < until,
            "within {PATIENCE:?} there was no {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Looks again and again until `look` gives `expected`.
pub async fn comes_to<T: PartialEq + Debug>(
    what: &str,
    expected: T,
    mut look: impl AsyncFnMut() -> T,
) {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = look().await;
        if found == expected {
            return;
        }
        assert!(
            Instant::now() < until,
            "{what} is {found:?} and did not come to {expected:?} within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
