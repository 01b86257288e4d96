//! The simulated GPU host: an inference engine without a GPU, for trying configurations, failure drills, tests and benchmarks.
//! It must not know the gateway in front of it.
//!
//! A request passes `listener` (accept) → `http` (faults, body) → `endpoints` (which path) → an endpoint, which asks `engine` for
//! a turn and says what `answer` and `schema` make up → `deliver` → `body` (events at their times) → `transport` (bytes).

mod account;
mod answer;
mod anthropic;
mod armory;
mod body;
mod chat;
mod chat_events;
mod chat_quirks;
mod chat_request;
mod completions;
mod control;
mod deliver;
mod dialect;
mod embeddings;
mod encoding;
mod endpoints;
mod engine;
pub mod fault;
pub mod fault_table;
mod gemini;
mod host;
mod http;
mod listener;
mod media;
mod metrics;
mod metrics_page;
mod models;
mod multipart;
mod ollama;
pub mod options;
mod prompt_cache;
pub mod quirks;
mod random;
mod ranking;
mod realtime;
mod record;
mod refusal;
mod reply;
mod responses;
mod schema;
mod seal;
mod shaping;
mod strict;
mod time;
mod tls;
mod token;
mod tokens;
mod tools;
mod transport;
mod usage;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use fault::Fault;
use host::Host;
pub use options::{EngineKind, Options, TlsFiles};
pub use quirks::{Quirk, Unsupported};
pub use record::Stats;

/// A simulated host that serves; dropping it stops it.
pub struct Running {
    address: SocketAddr,
    host: Arc<Host>,
    task: JoinHandle<io::Result<()>>,
}

/// Starts a simulated host on the current tokio runtime.
///
/// # Errors
/// The address cannot be listened on, the certificate or key cannot be used, no model is named, or a fault cannot be armed.
pub fn start(options: Options) -> io::Result<Running> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
    if options.models.is_empty() {
        return Err(invalid("models: none is named".into()));
    }
    let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
    let listener = listener::listen((options.host, options.port).into())?;
    let address = listener.local_addr()?;
    let faults = options.faults.clone();
    let served = options.served.as_deref().map(open_served).transpose()?;
    let (host, outages) = Host::new(options, served);
    host.arm(faults, 0).map_err(invalid)?;
    let task = tokio::spawn(listener::serve(listener, Arc::clone(&host), tls, outages));
    Ok(Running {
        address,
        host,
        task,
    })
}

fn open_served(path: &Path) -> io::Result<File> {
    let opened = File::options().append(true).create(true).open(path);
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Serves until Ctrl-C or SIGTERM, on a runtime of its own, and prints one line once it listens.
///
/// # Errors
/// As `start`, and where the port is lost after an outage.
pub fn run(options: Options) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        builder.worker_threads(threads.max(1));
    }
    builder.enable_all().build()?.block_on(async {
        let mut running = start(options)?;
        println!("{}", running.greeting());
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            ended = &mut running.task => ended.unwrap_or_else(|error| Err(io::Error::other(error))),
            _ = terminate.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    })
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address`, or `https://address` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.host.options.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    pub fn stats(&self) -> Stats {
        self.host.stats()
    }

    /// The last requests, oldest first, as `GET /sim/v1/requests` shows them.
    pub fn requests(&self) -> serde_json::Value {
        self.host.log.requests(usize::MAX)
    }

    /// Arms faults, as `POST /sim/v1/faults` does.
    ///
    /// # Errors
    /// Too many faults are armed, or outages wait.
    pub fn arm(&self, faults: Vec<Fault>) -> Result<(), String> {
        self.host.arm(faults, 0)
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        self.host.armory.clear();
    }

    /// Stops listening and closes every connection; returns once both are done.
    pub async fn stop(mut self) {
        self.task.abort();
        // Aborted on purpose, so that is the error it ends with.
        let _ = (&mut self.task).await;
    }

    fn greeting(&self) -> String {
        let options = &self.host.options;
        format!(
            "sim listening on {} kind={} models={} name={}",
            self.url(),
            options.kind,
            options.models.join(","),
            options.name
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
