//! The process: its listeners, its signals, its beginning and its end.

mod door;
mod drain;
mod signals;
mod sockets;

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::admin::{Admin, place::Place};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::log;
use crate::proxy::log_panics;
use crate::reload::{Environment, Reloader};
use crate::tls::{Listening, Shown};

use door::Door;
use signals::{Asked, Signals};
use sockets::Sockets;

/// Why the process could not serve.
#[derive(Debug)]
pub enum ServeError {
    Bind {
        address: SocketAddr,
        error: std::io::Error,
    },
    Tls(String),
    Upstream(String),
    Runtime(std::io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Bind { address, error } => {
                write!(
                    f,
                    "cannot listen on {address}: {error}; choose another address or stop what uses it"
                )
            }
            ServeError::Tls(problem) | ServeError::Upstream(problem) => f.write_str(problem),
            ServeError::Runtime(error) => write!(f, "cannot start worker threads: {error}"),
        }
    }
}

/// How long tasks have to end with the process.
const LAST_TASKS: Duration = Duration::from_millis(100);

/// The table of open files is made for so many of them at once.
const DESCRIPTORS: usize = 16 * 1024;

/// Makes room for many connections before the first thread is started. Linux enlarges the table at 256, 512, … open files, and
/// while threads share it, whoever opens the next one waits for some 10 ms, and with it every exchange on its thread.
fn widen_descriptor_table() {
    let Ok(file) = File::open("/dev/null") else {
        return;
    };
    // As far as the process may.
    let copies = (0..DESCRIPTORS).map_while(|_| file.try_clone().ok());
    drop(copies.collect::<Vec<_>>());
}

/// Serves `config`, which was read from `path` with `environment`, until a signal ends it.
///
/// # Errors
/// When a listener, a certificate, an upstream or the worker threads cannot be set up.
pub fn serve(path: &Path, config: Config, environment: Environment) -> Result<(), ServeError> {
    widen_descriptor_table();
    log::start_diagnostics(config.log.format);
    log_panics();
    config
        .warnings()
        .iter()
        .for_each(|warning| warn!("{warning}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.threads)
        .thread_name("weir")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let served = runtime.block_on(run(path, config, environment));
    // What Pingora's relay still carries ends here, and is written down.
    runtime.shutdown_timeout(LAST_TASKS);
    served.map(|gateway| gateway.access_log.flush())
}

async fn run(
    path: &Path,
    config: Config,
    environment: Environment,
) -> Result<Arc<Gateway>, ServeError> {
    // First: a signal that nobody waits for ends the process.
    let mut signals = Signals::new().map_err(ServeError::Runtime)?;
    let mut sockets = Sockets::new();
    let mut listeners = Vec::new();
    for listener in &config.listen {
        let address = sockets.bind(listener.address)?;
        let tls = listener.tls.as_ref().map(Shown::read).transpose();
        let tls = tls.map_err(ServeError::Tls)?.map(Listening::new);
        listeners.push((address, tls.map(Arc::new)));
    }
    let admin = config
        .admin
        .as_ref()
        .map(|admin| sockets.bind(admin.address))
        .transpose()?;
    let folder = config.store.as_ref().map(|store| store.path.clone());
    let gateway = Arc::new(Gateway::new(config).map_err(ServeError::Upstream)?);
    // Taken back when this function ends, which is when the process does.
    let _place = folder.zip(admin).and_then(|(folder, admin)| {
        let told = Place::tell(&folder, admin);
        told.map_err(
            |error| warn!(%error, "{}: commands will not find this server", folder.display()),
        )
        .ok()
    });
    let sides = listeners.iter().map(|(_, tls)| tls.clone()).collect();
    let reloader = Arc::new(Reloader::new(path, environment, gateway.clone(), sides));
    let (stop, stopped) = watch::channel(false);
    // Operators are served to the end.
    let (_stop_admin, admin_stopped) = watch::channel(false);
    let service = sockets::proxy(&gateway);
    let mut serving: Vec<JoinHandle<()>> = listeners
        .iter()
        .map(|(address, tls)| {
            let door = Door {
                service: service.clone(),
                tls: tls.clone(),
                gateway: gateway.clone(),
            };
            sockets.serve(*address, door, &stopped)
        })
        .collect();
    if let Some(address) = admin {
        let admin = Admin::new(gateway.clone(), reloader.clone());
        serving.push(sockets.serve(address, admin, &admin_stopped));
    }
    gateway.start();
    serving.push(tokio::spawn(reloader.clone().keep_reloading()));
    serving.push(tokio::spawn(reloader.clone().keep_watching()));
    serving.push(tokio::spawn(
        reloader.clone().keep_looking_at_certificates(),
    ));
    announce(path, &listeners, admin);
    if next_stop(&mut signals, &reloader).await == Asked::StopGracefully {
        tokio::select! {
            () = drain::drain(&gateway, &stop) => {}
            // A second signal means that there is no time for that.
            _ = next_stop(&mut signals, &reloader) => {}
        }
    }
    drain::end(&gateway, &stop).await;
    serving.iter().for_each(JoinHandle::abort);
    Ok(gateway)
}

/// Waits for a signal to stop; passes on what else is asked for.
async fn next_stop(signals: &mut Signals, reloader: &Reloader) -> Asked {
    loop {
        match signals.next().await {
            Asked::Reload => reloader.hang_up(),
            stop => return stop,
        }
    }
}

/// Says that weir is ready, and where.
fn announce(
    path: &Path,
    listeners: &[(SocketAddr, Option<Arc<Listening>>)],
    admin: Option<SocketAddr>,
) {
    for (address, tls) in listeners {
        let scheme = if tls.is_some() { "https" } else { "http" };
        info!("listening on {scheme}://{address}");
    }
    if let Some(admin) = admin {
        info!("admin listening on http://{admin}");
    }
    info!(config = %path.display(), version = env!("CARGO_PKG_VERSION"), "weir serves");
}
