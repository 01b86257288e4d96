//! The sockets of the process and the services that listen on them.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::apps::{HttpServerOptions, ServerApp};
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds};
use pingora::services::listening::Service as ListeningService;
use pingora::services::{ServiceReadyNotifier, ServiceWithDependents};
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;
use crate::proxy::Proxy;

use super::ServeError;

/// HTTP/2 connections of clients that are idle for this long are closed.
const CLIENT_IDLE: Duration = Duration::from_secs(300);

/// Sockets, bound before anything is started, so that a taken address is told plainly and port 0 gets its number.
/// Pingora's services find them in the table by the address that was bound.
pub(super) struct Sockets(ListenFds);

impl Sockets {
    pub(super) fn new() -> Sockets {
        Sockets(Arc::new(Mutex::new(Fds::new())))
    }

    /// Binds an address; gives it back with the port that it got.
    pub(super) fn bind(&mut self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let failed = |error| ServeError::Bind { address, error };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let bound = socket.local_addr().map_err(failed)?;
        self.0.lock().add(bound.to_string(), socket.into_raw_fd());
        Ok(bound)
    }

    /// Serves `app` on a bound address, until `stopped` says so; open connections go on until their requests are answered.
    pub(super) fn serve<A: ServerApp + Send + Sync + 'static>(
        &self,
        address: SocketAddr,
        app: A,
        stopped: &watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let mut service = ListeningService::new(address.to_string(), app);
        service.add_tcp(&address.to_string());
        let (table, stopped) = (self.0.clone(), stopped.clone());
        let ready = ServiceReadyNotifier::new(watch::channel(false).0);
        tokio::spawn(async move {
            ServiceWithDependents::start_service(&mut service, Some(table), stopped, 1, ready).await
        })
    }
}

/// The service behind all listeners for clients.
pub(super) fn proxy(gateway: &Arc<Gateway>) -> Arc<HttpProxy<Proxy>> {
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
    Arc::new(proxy)
}
