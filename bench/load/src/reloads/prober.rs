//! Cheap requests one after the other, on a thread of their own, with how long each took: what a reload delays is seen here.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::client::Connection;

/// Between two requests, at least; the timer makes it one or two milliseconds. A delay of more than that meets a request.
const REST: Duration = Duration::from_micros(500);

/// One request: when it was begun, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Probed {
    pub begun: Instant,
    pub took: Duration,
}

/// A loop that runs until it is ended.
pub struct Prober {
    stop: Sender<()>,
    thread: JoinHandle<Result<Vec<Probed>>>,
}

impl Prober {
    /// Begins to send `request` to `address` on one connection.
    pub fn start(address: SocketAddr, request: Vec<u8>) -> Prober {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime
                .enable_all()
                .build()?
                .block_on(probe(address, request, stopped))
        });
        Prober { stop, thread }
    }

    /// Ends the loop and gives what it has seen.
    ///
    /// # Errors
    /// When a request failed.
    pub fn end(self) -> Result<Vec<Probed>> {
        drop(self.stop);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the prober panicked"))?
    }
}

async fn probe(
    address: SocketAddr,
    request: Vec<u8>,
    stopped: Receiver<()>,
) -> Result<Vec<Probed>> {
    let mut connection = Connection::open(address).await?;
    let mut probed = Vec::new();
    while stopped.try_recv() != Err(TryRecvError::Disconnected) {
        let begun = Instant::now();
        let mut take = |_: &[u8]| Ok(());
        let answer = connection.exchange(&request, &mut take).await;
        let answer = answer.context("a probe")?;
        let took = begun.elapsed();
        if answer.status != 200 || !answer.reusable {
            bail!("a probe was answered with status {}", answer.status);
        }
        probed.push(Probed { begun, took });
        tokio::time::sleep(REST).await;
    }
    Ok(probed)
}
