//! One weir as a process: started with a configuration, asked for its figures, read for its access log, ended.
//! What is sent through it is not known here.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Connection;
use crate::drive::fetch;
use crate::figures::Figures;
use crate::process::{Memory, Process};
use crate::request::Url;

/// How long weir may take from its start until it is ready.
const READY_WAIT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(20);
/// Longest wait for an answer of the admin listener.
const ADMIN_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for a reload that the admin listener is asked for.
const RELOAD_WAIT: Duration = Duration::from_secs(60);
/// Last lines of its output that are told when it fails.
const TOLD_LINES: usize = 20;

/// A running weir. Dropping it ends it.
pub struct Weir {
    pub admin: SocketAddr,
    pub config_file: PathBuf,
    /// Diagnostics and access log.
    output: PathBuf,
    process: Process,
}

/// One line of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub status: u16,
    pub fault: Option<String>,
    pub attempts: u32,
    pub upstream: Option<String>,
}

impl Weir {
    /// Starts weir in `folder` with a configuration whose admin listener is `admin`.
    ///
    /// # Errors
    /// When it does not start, or is not ready in time; with the last lines that it wrote.
    pub async fn start(
        binary: &Path,
        folder: &Path,
        admin: SocketAddr,
        config: &str,
    ) -> Result<Weir> {
        let config_file = folder.join("weir.yaml");
        fs::write(&config_file, config)?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&config_file);
        command.current_dir(folder);
        let output = folder.join("weir.log");
        let process = Process::start("weir", command, &output, None)?;
        let mut weir = Weir {
            admin,
            config_file,
            output,
            process,
        };
        let ready = weir.ready().await;
        ready.with_context(|| format!("weir is not ready; it wrote:\n{}", weir.last_lines()))?;
        Ok(weir)
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WAIT;
        loop {
            self.process.still_runs()?;
            match self.get("/readyz").await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => sleep(READY_POLL).await,
            }
        }
    }

    /// The body of an answer of the admin listener.
    ///
    /// # Errors
    /// When it does not answer with status 200.
    pub async fn get(&self, path: &str) -> Result<String> {
        let url = Url {
            authority: self.admin.to_string(),
            path: path.to_owned(),
        };
        let body = fetch(self.admin, &url.get(&[]), ADMIN_WAIT).await;
        let body = body.with_context(|| format!("weir's {path}"))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks for a reload and waits for it; the status of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_reload(&self) -> Result<u16> {
        let url = Url {
            authority: self.admin.to_string(),
            path: "/admin/v1/reload".to_owned(),
        };
        let mut connection = Connection::open(self.admin).await?;
        let mut take = |_: &[u8]| Ok(());
        let request = url.post_json(&[], b"");
        let answer = timeout(RELOAD_WAIT, connection.exchange(&request, &mut take)).await;
        let answer = answer.context("a reload takes too long")??;
        Ok(answer.status)
    }

    /// # Errors
    /// When `/metrics` does not answer.
    pub async fn figures(&self) -> Result<Figures> {
        Ok(Figures::parse(&self.get("/metrics").await?))
    }

    /// # Errors
    /// When weir is gone.
    pub fn memory(&self) -> Result<Memory> {
        self.process.memory()
    }

    /// # Errors
    /// When weir is gone.
    pub fn reload(&self) -> Result<()> {
        self.process.signal(nix::sys::signal::Signal::SIGHUP)
    }

    /// # Errors
    /// When weir has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        let runs = self.process.still_runs();
        runs.with_context(|| format!("it wrote:\n{}", self.last_lines()))
    }

    /// Ends weir, so that all of its log is written, and reads the lines of exchanges by their request ids.
    ///
    /// # Errors
    /// When a request id has two lines: each exchange is settled once.
    pub fn end(self) -> Result<HashMap<String, Logged>> {
        let output = self.output.clone();
        drop(self);
        let mut logged = HashMap::new();
        for (id, line) in fs::read_to_string(output)?.lines().filter_map(logged_line) {
            if logged.insert(id.clone(), line).is_some() {
                bail!("the access log has two lines for the request {id}");
            }
        }
        Ok(logged)
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n")
    }
}

/// A line of the access log, with its request id; `None` for a diagnostic one.
fn logged_line(line: &str) -> Option<(String, Logged)> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get("duration_ms")?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let number = |name: &str| value[name].as_u64().unwrap_or(0);
    let logged = Logged {
        status: u16::try_from(number("status")).unwrap_or(0),
        fault: text("fault"),
        attempts: u32::try_from(number("attempts")).unwrap_or(0),
        upstream: text("upstream"),
    };
    Some((text("request_id")?, logged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_exchanges_are_told_from_diagnostics() {
        let line = r#"{"time":"t","request_id":"x","status":200,"fault":null,"attempts":2,"upstream":"gpu-a","duration_ms":1.5}"#;
        let logged = Logged {
            status: 200,
            fault: None,
            attempts: 2,
            upstream: Some("gpu-a".to_owned()),
        };
        assert_eq!(logged_line(line), Some(("x".to_owned(), logged)));
        assert_eq!(
            logged_line(r#"{"timestamp":"t","level":"WARN","request_id":"x"}"#),
            None
        );
        assert_eq!(logged_line("weir listens"), None);
    }
}
