//! The signals that weir listens to, from its start to its end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGINT.
    StopAtOnce,
    /// SIGTERM.
    StopGracefully,
    /// SIGHUP.
    Reload,
}

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal. Several of a kind that come before this is called again are one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::StopAtOnce,
            _ = self.terminate.recv() => Asked::StopGracefully,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
