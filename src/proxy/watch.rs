//! Waiting on an upstream while the client and the clock are watched.

use std::time::Instant;

use super::client::Client;

/// Why a wait ended before what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    ClientGone,
    TimedOut,
}

/// Waits for `work`, no longer than the client stays and not past `deadline`. What is interrupted is dropped, and with it
/// its connection. To be called only after the request's body has been read.
pub async fn watched<T>(
    client: &mut Client<'_>,
    deadline: Instant,
    work: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = gone(client) => Err(Interrupted::ClientGone),
        () = tokio::time::sleep_until(deadline.into()) => Err(Interrupted::TimedOut),
    }
}

/// Waits until the client has gone.
pub async fn gone(client: &mut Client<'_>) {
    // The body is done, so that nothing but the end of the connection or stream can arrive here.
    let _ = client.session.read_body_or_idle(true).await;
}
