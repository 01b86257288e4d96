//! What stands between a listener's socket and the service behind it: the TLS handshake, by what is in force when a
//! connection comes. It must not know what is served.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::server::ShutdownWatch;
use tracing::debug;

use crate::gateway::Gateway;
use crate::tls::Listening;

/// How long a client may take for its handshake.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// One listener's way to a service that it shares with others.
///
/// Pingora builds what it accepts TLS with once, and with TLS 1.2 always allowed. It is therefore given a listener in
/// cleartext, whose connections go through the handshake here.
pub(super) struct Door<A> {
    pub(super) service: Arc<A>,
    /// `None` is cleartext.
    pub(super) tls: Option<Arc<Listening>>,
    pub(super) gateway: Arc<Gateway>,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Door<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let stream = match &self.tls {
            // A connection that comes back for its next request has its handshake behind it.
            Some(tls) if stream.as_any().is::<Socket>() => self.shake_hands(tls, stream).await?,
            _ => stream,
        };
        self.service.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.service.cleanup().await;
    }
}

impl<A> Door<A> {
    /// The stream within TLS; `None` where the handshake failed, of which the client has been told by an alert.
    async fn shake_hands(&self, tls: &Listening, stream: Stream) -> Option<Stream> {
        let socket = stream.into_any().downcast::<Socket>().ok()?;
        let acceptor = Acceptor::from_server_config(tls.config());
        // Boxed: a handshake is large, and over long before the connection is.
        let handshake = Box::pin(acceptor.tls_handshake(*socket));
        let (outcome, stream) = match tokio::time::timeout(HANDSHAKE_WAIT, handshake).await {
            Ok(Ok(stream)) => ("done", Some(Box::new(stream) as Stream)),
            // Scanners and probes fail at it all day: no news, but something to be seen when one looks for it.
            Ok(Err(error)) => {
                debug!(%error, "TLS handshake failed");
                ("failed", None)
            }
            Err(_) => ("timed_out", None),
        };
        let handshakes = &self.gateway.metrics.tls_handshakes;
        handshakes.with_label_values(&[outcome]).inc();
        stream
    }
}
