//! One simulated GPU host as a process that can be killed, stopped and started again at the same address.
//! What is asked of it, and when it fails, is not known here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Connection;
use crate::drive::fetch;
use crate::process::Process;
use crate::request::Url;

/// How long a host may take from its start, or from the end of its loading, until it answers.
const READY_WAIT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(10);
/// Longest wait for one answer of it.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What every start of a host is told.
#[derive(Debug, Clone)]
pub struct SimSettings {
    pub binary: PathBuf,
    pub model: String,
    pub time_to_first: Duration,
    pub between_tokens: Duration,
}

/// A simulated host, running or not. Dropping it ends it.
pub struct SimHost {
    pub name: String,
    pub address: SocketAddr,
    settings: SimSettings,
    output: PathBuf,
    process: Option<Process>,
    /// Bound and not listening: while the host is dead, nobody else gets its port.
    _port: TcpSocket,
}

impl SimHost {
    /// A host that is started and ready, with its output in `folder`.
    ///
    /// # Errors
    /// When there is no free port, or it does not start.
    pub async fn start(name: String, settings: SimSettings, folder: &Path) -> Result<SimHost> {
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let mut host = SimHost {
            address: port.local_addr()?,
            output: folder.join(format!("{name}.log")),
            name,
            settings,
            process: None,
            _port: port,
        };
        host.rise(Duration::ZERO).await?;
        Ok(host)
    }

    /// Starts it (again), and waits until it answers and has loaded.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub async fn rise(&mut self, loading: Duration) -> Result<()> {
        let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
        let settings = &self.settings;
        let mut command = Command::new(&settings.binary);
        command
            .args(["sim", "--fixed-ids", "--threads", "1"])
            .args(["--tokens", "100000", "--models", &settings.model])
            .args(["--name", &self.name])
            .args(["--port", &self.address.port().to_string()])
            .args(["--ttft", &milliseconds(settings.time_to_first)])
            .args(["--itl", &milliseconds(settings.between_tokens)])
            .args(["--loading", &milliseconds(loading)]);
        let process = Process::start_stoppable("weir sim", command, &self.output)?;
        self.process = Some(process);
        let deadline = Instant::now() + READY_WAIT + loading;
        while let Err(error) = self.get("/health").await {
            self.running()?.still_runs()?;
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("{} does not come up", self.name));
            }
            sleep(READY_POLL).await;
        }
        Ok(())
    }

    /// Ends it as a crash does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&mut self) -> Result<()> {
        let process = self.process.take().context("it does not run")?;
        process.crash().with_context(|| self.name.clone())
    }

    /// Sends a signal, such as SIGSTOP.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.running()?.signal(signal)
    }

    /// Arms faults, as its control endpoint takes them.
    ///
    /// # Errors
    /// When it does not take them.
    pub async fn arm(&self, orders: &str) -> Result<()> {
        let message = self.url("/sim/v1/faults").post_json(&[], orders.as_bytes());
        let armed = fetch(self.address, &message, ANSWER_WAIT).await;
        armed.with_context(|| format!("{}: {orders}", self.name))?;
        Ok(())
    }

    /// Disarms all faults, and waits until it answers: it may not be listening.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn disarm(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WAIT;
        let message = b"DELETE /sim/v1/faults HTTP/1.1\r\nhost: sim\r\ncontent-length: 0\r\n\r\n";
        while let Err(error) = self.ask(message).await {
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("{}: cannot disarm", self.name));
            }
            sleep(READY_POLL).await;
        }
        Ok(())
    }

    /// Requests that it works on now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn in_flight(&self) -> Result<u64> {
        let stats = fetch(
            self.address,
            &self.url("/sim/v1/stats").get(&[]),
            ANSWER_WAIT,
        )
        .await?;
        let stats: serde_json::Value = serde_json::from_slice(&stats)?;
        let running = stats["in_flight"].as_u64();
        running.with_context(|| format!("{}: no in_flight in {stats}", self.name))
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        fetch(self.address, &self.url(path).get(&[]), ANSWER_WAIT).await
    }

    async fn ask(&self, message: &[u8]) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let mut take = |_: &[u8]| Ok(());
        let answer = connection.exchange(message, &mut take);
        timeout(ANSWER_WAIT, answer).await??;
        Ok(())
    }

    fn url(&self, path: &str) -> Url {
        Url {
            authority: self.address.to_string(),
            path: path.to_owned(),
        }
    }

    fn running(&mut self) -> Result<&mut Process> {
        let name = &self.name;
        let process = self.process.as_mut();
        process.with_context(|| format!("{name} does not run"))
    }
}
