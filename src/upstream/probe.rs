//! Active probes: a request that costs no inference, and what its answer says. How many in a row turn a verdict is counted
//! by Pingora's health registry.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;

use crate::config::Probe;

use super::fetch::{Fetched, fetch};
use super::health::ProbeResult;
use super::{Connector, Endpoint};

/// An answer to a probe is short, but a hosted service's model list is not. In bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What engines say while they load a model begins within this many bytes.
const SAID_BYTES: usize = 1024;

/// Probes the endpoints of one upstream.
pub struct Prober {
    probe: Probe,
    endpoints: Arc<ArcSwap<Vec<Arc<Endpoint>>>>,
    connector: Arc<Connector>,
    /// What each endpoint's last probe said; only of endpoints that there are.
    results: Mutex<HashMap<SocketAddr, ProbeResult>>,
}

/// The form in which Pingora takes it: it wants a box of its own.
pub struct Shared(pub Arc<Prober>);

impl Prober {
    pub fn new(
        probe: &Probe,
        endpoints: Arc<ArcSwap<Vec<Arc<Endpoint>>>>,
        connector: Arc<Connector>,
    ) -> Prober {
        Prober {
            probe: probe.clone(),
            endpoints,
            connector,
            results: Mutex::default(),
        }
    }

    /// What the last probe of an endpoint said.
    pub fn result(&self, address: SocketAddr) -> Option<ProbeResult> {
        self.results.lock().get(&address).copied()
    }

    async fn ask(&self, endpoint: &Endpoint) -> (ProbeResult, String) {
        let path = format!("{}{}", endpoint.upstream.base.root_path, self.probe.path);
        let fetched = fetch(endpoint, &path, ANSWER_BYTES_MAX, &self.connector);
        match tokio::time::timeout(self.probe.timeout, fetched).await {
            Err(_) => (
                ProbeResult::Failed,
                format!("no answer within {:?}", self.probe.timeout),
            ),
            Ok(Err(broken)) => (ProbeResult::Failed, broken.to_string()),
            Ok(Ok(answer)) => (meaning(&answer), format!("status {}", answer.0)),
        }
    }
}

/// What an answer to a probe says. A refusal of the credential or of the path still comes from a server that lives.
fn meaning((status, body): &Fetched) -> ProbeResult {
    match status {
        503 if is_loading(body) => ProbeResult::Loading,
        500..=599 => ProbeResult::Failed,
        _ => ProbeResult::Up,
    }
}

/// Whether the body of a 503 says that a model is being loaded: llama.cpp says "Loading model", others much the same.
pub fn is_loading(body: &[u8]) -> bool {
    let said = body[..body.len().min(SAID_BYTES)].to_ascii_lowercase();
    let says = |word: &[u8]| said.windows(word.len()).any(|window| window == word);
    says(b"loading") && says(b"model")
}

#[async_trait]
impl HealthCheck for Shared {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let endpoints = self.0.endpoints.load_full();
        let address = target.addr.as_inet().copied();
        let endpoint = endpoints
            .iter()
            .find(|endpoint| Some(endpoint.address) == address);
        let Some(endpoint) = endpoint else {
            return Ok(());
        };
        let (result, said) = self.0.ask(endpoint).await;
        let mut results = self.0.results.lock();
        results.retain(|address, _| endpoints.iter().any(|known| known.address == *address));
        results.insert(endpoint.address, result);
        match result {
            ProbeResult::Up => Ok(()),
            ProbeResult::Loading | ProbeResult::Failed => {
                Error::e_explain(ErrorType::CustomCode("probe", 0), said)
            }
        }
    }

    fn health_threshold(&self, success: bool) -> usize {
        let threshold = if success {
            self.0.probe.rise
        } else {
            self.0.probe.fall
        };
        threshold as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_probes_and_what_they_say() {
        let cases = [
            (200, "", ProbeResult::Up),
            (401, "", ProbeResult::Up),
            (404, "", ProbeResult::Up),
            (429, "", ProbeResult::Up),
            (500, "", ProbeResult::Failed),
            (503, "", ProbeResult::Failed),
            (
                503,
                r#"{"error":{"message":"Loading model"}}"#,
                ProbeResult::Loading,
            ),
        ];
        for (status, body, expected) in cases {
            let answer = (status, body.as_bytes().to_vec());
            assert_eq!(meaning(&answer), expected, "{status} {body}");
        }
    }
}
