//! Accepting connections, and not accepting them for a time; each is served HTTP/1.1 or HTTP/2.
//! It must not know what is answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::host::{Host, Outage};
use super::http::{Connection, answer};
use super::record::Origin;
use super::transport::{Switch, Switched, Transport};

/// Connections open at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16_384;
const BACKLOG: u32 = 4096;
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Wait after an accept that failed (no file descriptors left), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// Listens on an address.
///
/// # Errors
/// The address is not ours, or in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves until dropped.
///
/// # Errors
/// The address cannot be taken again after an outage.
pub async fn serve(
    mut listener: TcpListener,
    host: Arc<Host>,
    tls: Option<TlsAcceptor>,
    mut outages: mpsc::Receiver<Outage>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => drop(connections.spawn(connection(stream, peer, Arc::clone(&host), tls.clone()))),
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
            Some(outage) = outages.recv() => {
                drop(listener);
                // Bound but not listening: the kernel refuses, and nobody else takes the port.
                let socket = bind(address)?;
                if outage.drop_connections {
                    host.kill_connections(outage.spare_connection);
                }
                tokio::time::sleep(outage.lasting).await;
                listener = socket.listen(BACKLOG)?;
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    host: Arc<Host>,
    tls: Option<TlsAcceptor>,
) {
    let counts = &host.log.counts;
    let origin = Origin {
        connection: counts.connections.fetch_add(1, Ordering::Relaxed) + 1,
        remote_port: peer.port(),
    };
    counts.connections_open.fetch_add(1, Ordering::Relaxed);
    let _open = Open {
        host: Arc::clone(&host),
        connection: origin.connection,
    };
    let Ok(transport) = transport(stream, tls).await else {
        return;
    };
    let switch = Arc::new(Switch::default());
    host.add_connection(origin.connection, &switch);
    let idle_close = host.options.idle_close;
    let connection = Arc::new(Connection {
        host,
        switch: Arc::clone(&switch),
        origin,
    });
    let io = TokioIo::new(Switched::new(transport, switch));
    let service = service_fn(move |request| answer(Arc::clone(&connection), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Small events are cheaper copied into one buffer than written as a vector of three.
    builder.http1().writev(false);
    // What hyper calls the time to read a head begins where the connection becomes idle.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_close);
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    // A connection that ends in an error is the client's business; the log of requests has what became of them.
    let _ = builder.serve_connection_with_upgrades(io, service).await;
}

/// Streams of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 1024;

async fn transport(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Transport> {
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Transport::Plain(stream)),
        Some(acceptor) => {
            let stream = tokio::time::timeout(TLS_HANDSHAKE_MAX, acceptor.accept(stream)).await??;
            Ok(Transport::Tls(Box::new(stream)))
        }
    }
}

/// Counts a connection for as long as it is open.
struct Open {
    host: Arc<Host>,
    connection: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.host.remove_connection(self.connection);
        self.host
            .log
            .counts
            .connections_open
            .fetch_sub(1, Ordering::Relaxed);
    }
}
