//! The process: its listeners, its signals, its beginning and its end.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds};
use pingora::services::listening::Service as ListeningService;
use pingora::services::{ServiceReadyNotifier, ServiceWithDependents};
use pingora_proxy::http_proxy;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::admin::Admin;
use crate::config::{Config, Listener, ListenerTls};
use crate::gateway::{Gateway, Phase};
use crate::proxy::{Proxy, log_panics};
use crate::{log, tls};

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

/// HTTP/2 connections of clients that are idle for this long are closed.
const CLIENT_IDLE: Duration = Duration::from_secs(300);
/// How often the end of the last exchange is looked for while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// What is left of an exchange when its time is up: telling its client.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// HTTP/2 connections write from tasks of their own, after the exchange has settled.
const LAST_BYTES: Duration = Duration::from_millis(50);

/// Serves `config`, which was read from `path`, until a signal ends it.
///
/// # Errors
/// When a listener, a certificate, an upstream or the worker threads cannot be set up.
pub fn serve(path: &Path, config: Config) -> Result<(), ServeError> {
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
    let served = runtime.block_on(run(path, config));
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

async fn run(path: &Path, config: Config) -> Result<(), ServeError> {
    let server = config.server.clone();
    let mut sockets = Sockets::new();
    let mut listeners = config.listen.clone();
    for listener in &mut listeners {
        listener.address = sockets.bind(listener.address)?;
    }
    let admin = config
        .admin
        .map(|address| sockets.bind(address))
        .transpose()?;
    let gateway = Arc::new(Gateway::new(config).map_err(ServeError::Upstream)?);
    let (stop, stopped) = watch::channel(false);
    // Operators are served to the end.
    let (_stop_admin, admin_stopped) = watch::channel(false);
    let mut services = vec![start(
        proxy_service(&gateway, &listeners)?,
        &sockets,
        &stopped,
    )];
    if let Some(address) = admin {
        let mut service = ListeningService::new("admin".to_owned(), Admin::new(gateway.clone()));
        service.add_tcp(&address.to_string());
        services.push(start(service, &sockets, &admin_stopped));
    }
    learn(&gateway);
    announce(path, &listeners, admin);
    let mut signals = Signals::new().map_err(ServeError::Runtime)?;
    if signals.stop().await == Stop::Gracefully {
        tokio::select! {
            () = drain(&gateway, &stop, server.shutdown_delay, server.shutdown_grace) => {}
            // A second signal means that there is no time for that.
            _ = signals.stop() => {}
        }
    }
    end(&gateway, &stop).await;
    services.iter().for_each(JoinHandle::abort);
    gateway.access_log.flush();
    Ok(())
}

/// Sockets, bound before anything is started, so that a taken address is told plainly and port 0 gets its number.
/// Pingora's services find them in the table by the address that was bound.
struct Sockets(ListenFds);

impl Sockets {
    fn new() -> Sockets {
        Sockets(Arc::new(Mutex::new(Fds::new())))
    }

    /// Binds an address; gives it back with the port that it got.
    fn bind(&mut self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let failed = |error| ServeError::Bind { address, error };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let bound = socket.local_addr().map_err(failed)?;
        self.0.lock().add(bound.to_string(), socket.into_raw_fd());
        Ok(bound)
    }
}

/// Says that weir is ready, and where.
fn announce(path: &Path, listeners: &[Listener], admin: Option<SocketAddr>) {
    for Listener { address, tls } in listeners {
        let scheme = if tls.is_some() { "https" } else { "http" };
        info!("listening on {scheme}://{address}");
    }
    if let Some(admin) = admin {
        info!("admin listening on http://{admin}");
    }
    info!(config = %path.display(), version = env!("CARGO_PKG_VERSION"), "weir serves");
}

fn proxy_service(
    gateway: &Arc<Gateway>,
    listeners: &[Listener],
) -> Result<ListeningService<pingora_proxy::HttpProxy<Proxy>>, ServeError> {
    // What goes over Pingora's own relay has a pool of its own; Pingora multiplies its size by the threads.
    let server = &gateway.snapshot().config.server;
    let conf = ServerConf {
        threads: server.threads,
        upstream_keepalive_pool_size: server.upstream_idle_connections.div_ceil(server.threads),
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), Proxy::new(gateway.clone()));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(CLIENT_IDLE);
    proxy.server_options = Some(options);
    let mut service = ListeningService::new("proxy".to_owned(), proxy);
    for listener in listeners {
        let address = listener.address.to_string();
        match &listener.tls {
            None => service.add_tcp(&address),
            Some(identity) => {
                service.add_tls_with_settings(&address, None, tls_settings(identity)?)
            }
        }
    }
    Ok(service)
}

fn tls_settings(identity: &ListenerTls) -> Result<TlsSettings, ServeError> {
    let ListenerTls {
        cert_file,
        key_file,
    } = identity;
    tls::check_identity(cert_file, key_file).map_err(ServeError::Tls)?;
    let path = |path: &Path| path.display().to_string();
    let settings = TlsSettings::intermediate(&path(cert_file), &path(key_file));
    let mut settings = settings.map_err(|error| ServeError::Tls(error.to_string()))?;
    settings.enable_h2();
    Ok(settings)
}

fn start(
    mut service: impl ServiceWithDependents + 'static,
    sockets: &Sockets,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let (table, stopped) = (sockets.0.clone(), stopped.clone());
    let ready = ServiceReadyNotifier::new(watch::channel(false).0);
    tokio::spawn(async move {
        ServiceWithDependents::start_service(&mut service, Some(table), stopped, 1, ready).await
    })
}

/// Starts learning the models of the upstreams that report them.
fn learn(gateway: &Arc<Gateway>) {
    for endpoint in &gateway.snapshot().endpoints {
        tokio::spawn(gateway.clone().keep_learning(endpoint.clone()));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    AtOnce,
    Gracefully,
}

/// The signals that weir listens to, from its start to its end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop.
    async fn stop(&mut self) -> Stop {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Stop::AtOnce,
                _ = self.terminate.recv() => return Stop::Gracefully,
                // Its usual meaning; without a handler it would end the process.
                _ = self.hangup.recv() => warn!("SIGHUP: this version reads its configuration at its start only; restart it"),
            }
        }
    }
}

/// Not ready at once; then no new connections; then the running exchanges finish, within `grace`.
async fn drain(gateway: &Gateway, stop: &watch::Sender<bool>, delay: Duration, grace: Duration) {
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
async fn end(gateway: &Gateway, stop: &watch::Sender<bool>) {
    stop.send_replace(true);
    gateway.enter_phase(Phase::Ending);
    wait_for_idle(gateway, LAST_WORDS).await;
    tokio::time::sleep(LAST_BYTES).await;
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
