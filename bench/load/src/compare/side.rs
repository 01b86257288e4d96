//! The sides of the comparison: how nginx and weir are configured and started, so that both do comparable work.
//! It knows configuration files and command lines; what is sent through a side it does not know.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

use super::Settings;
use crate::drive::fetch;
use crate::process::Process;
use crate::request::Url;

/// How long a server may take from its start to its first right answer.
const READY_WAIT: Duration = Duration::from_secs(20);
/// Between two tries of a server that is not ready.
const READY_POLL: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Direct,
    Nginx,
    /// weir, or the second nginx in its place.
    Weir,
}

/// One way to the host.
pub struct Side {
    pub name: Name,
    pub address: SocketAddr,
    /// `None` for the direct way.
    pub process: Option<Process>,
    /// One line an exchange.
    access_log: Option<PathBuf>,
    /// Answers that were right so far: as many lines the access log must have.
    pub answered: u64,
    /// weir's admin listener.
    admin: Option<SocketAddr>,
}

impl Side {
    pub fn direct(host: SocketAddr) -> Side {
        Side {
            name: Name::Direct,
            address: host,
            process: None,
            access_log: None,
            answered: 0,
            admin: None,
        }
    }

    /// # Errors
    /// When nginx cannot be started.
    pub fn nginx(name: Name, folder: &Path, host: SocketAddr, settings: &Settings) -> Result<Side> {
        let address = free_address()?;
        let label = if name == Name::Nginx {
            "nginx"
        } else {
            "nginx-2"
        };
        let own = folder.join(label);
        fs::create_dir(&own)?;
        let file = own.join("nginx.conf");
        fs::write(&file, nginx_conf(&own, address, host, settings.threads))?;
        let mut command = Command::new(&settings.nginx);
        command
            .arg("-p")
            .arg(&own)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(own.join("error.log"));
        let process = Process::start(
            label,
            command,
            &own.join("output.log"),
            proxy_cores(settings),
        )?;
        Ok(Side {
            name,
            address,
            process: Some(process),
            access_log: Some(own.join("access.log")),
            answered: 0,
            admin: None,
        })
    }

    /// # Errors
    /// When weir cannot be started.
    pub fn weir(
        binary: &Path,
        folder: &Path,
        host: SocketAddr,
        settings: &Settings,
    ) -> Result<Side> {
        let (address, admin) = (free_address()?, free_address()?);
        let own = folder.join("weir");
        fs::create_dir(&own)?;
        let file = own.join("weir.yaml");
        fs::write(&file, weir_yaml(address, admin, host, settings.threads))?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(&own);
        // weir's access log is its standard output.
        let access_log = own.join("access.log");
        let process = Process::start("weir", command, &access_log, proxy_cores(settings))?;
        Ok(Side {
            name: Name::Weir,
            address,
            process: Some(process),
            access_log: Some(access_log),
            answered: 0,
            admin: Some(admin),
        })
    }

    /// Waits until `request` gets a whole answer with status 200.
    ///
    /// # Errors
    /// When that takes too long, or the process ends; with the last lines that it wrote.
    pub async fn ready(&mut self, request: &[u8]) -> Result<()> {
        let outcome = ready(self.address, request, self.process.as_mut()).await;
        self.answered += u64::from(outcome.is_ok());
        outcome.with_context(|| {
            format!(
                "{:?} is not ready; it wrote:\n{}",
                self.name,
                self.last_lines()
            )
        })
    }

    fn last_lines(&self) -> String {
        let folder = self.access_log.as_deref().and_then(Path::parent);
        let logs = ["output.log", "error.log", "access.log"]
            .into_iter()
            .filter_map(|name| fs::read_to_string(folder?.join(name)).ok());
        let text: Vec<String> = logs.collect();
        let lines: Vec<&str> = text.iter().flat_map(|log| log.lines()).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Checks that the side did the work that it is compared at: a log line for every answer, and metrics.
    ///
    /// # Errors
    /// When it did not.
    pub async fn end(mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.still_runs()?;
        }
        if let Some(admin) = self.admin {
            let url = Url {
                authority: admin.to_string(),
                path: "/metrics".to_owned(),
            };
            let metrics = fetch(admin, &url.get(&[]), READY_WAIT)
                .await
                .context("weir's /metrics")?;
            if memchr::memmem::find(&metrics, b"weir_").is_none() {
                bail!("weir's /metrics names no metric of its own: are metrics on?");
            }
        }
        // Ends the process, so that a log that is written behind is written.
        self.process = None;
        if let Some(log) = &self.access_log {
            let lines = memchr::memchr_iter(b'\n', &fs::read(log)?).count() as u64;
            if lines < self.answered {
                bail!(
                    "{:?} logged {lines} lines for {} answers: is its access log on?",
                    self.name,
                    self.answered
                );
            }
        }
        Ok(())
    }
}

/// Waits until `request` gets a whole answer with status 200 from `address`.
///
/// # Errors
/// When that takes too long, or the process ends.
pub async fn ready(
    address: SocketAddr,
    request: &[u8],
    mut process: Option<&mut Process>,
) -> Result<()> {
    let deadline = Instant::now() + READY_WAIT;
    loop {
        let outcome = fetch(address, request, READY_WAIT).await;
        if let Some(process) = &mut process {
            process.still_runs()?;
        }
        match outcome {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(READY_POLL).await,
            Ok(_) => return Ok(()),
        }
    }
}

/// A loopback address that nothing listens on now.
///
/// # Errors
/// When there is no free port.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?)
}

fn proxy_cores(settings: &Settings) -> Option<&[usize]> {
    settings
        .pinned
        .as_ref()
        .map(|cores| cores.proxies.as_slice())
}

/// What weir does, as far as nginx can: keep-alive on both sides, nothing buffered, one JSON line an exchange, counters.
fn nginx_conf(own: &Path, address: SocketAddr, host: SocketAddr, threads: usize) -> String {
    let own = own.display();
    format!(
        r#"worker_processes {threads};
worker_rlimit_nofile 16384;
daemon off;
pid {own}/nginx.pid;
error_log {own}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    log_format json escape=json '{{"time":"$time_iso8601","request_id":"$request_id","client":"$remote_addr","method":"$request_method",'
        '"path":"$uri","status":$status,"upstream":"$upstream_addr","upstream_status":"$upstream_status","bytes_in":$request_length,'
        '"bytes_out":$body_bytes_sent,"seconds":$request_time,"first_byte_seconds":"$upstream_header_time"}}';
    access_log {own}/access.log json;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi;
    scgi_temp_path {own}/scgi;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 100000000;
    client_max_body_size 64m;
    upstream host {{
        server {host} max_fails=0;
        keepalive 2048;
        keepalive_requests 100000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://host;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Request-Id $request_id;
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
        location = /metrics {{ stub_status; }}
    }}
}}
"#
    )
}

/// Access log and metrics are on by default.
fn weir_yaml(address: SocketAddr, admin: SocketAddr, host: SocketAddr, threads: usize) -> String {
    format!(
        r#"listen: {address}
admin: {admin}
server:
  threads: {threads}
upstreams:
  - {{ name: host, kind: vllm, url: "http://{host}", models: [bench] }}
"#
    )
}
