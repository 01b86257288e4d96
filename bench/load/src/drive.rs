//! Drives an endpoint: closed loops of exchanges, or streams begun at given times, each answer checked.
//! It measures time and counts; what process serves the endpoint, and at what cost, it does not know.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::checked::{Checked, Expected, Live};
use crate::client::Connection;
use crate::tally::{Exchanged, Tally};

/// Longest wait for one exchange: above it the exchange has failed.
const EXCHANGE_WAIT: Duration = Duration::from_secs(300);

/// One endpoint and the request to send it, again and again.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// A whole HTTP/1.1 message.
    pub request: Vec<u8>,
    pub expected: Expected,
}

/// Writes the message for the next exchange in the place of the one before, where each has its own.
pub type Requests = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// When a closed loop ends: whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub until: Instant,
    pub exchanges: u64,
}

/// Runs `concurrency` loops, each on its own connection, until `bounds` are met. Exchanges in progress then are finished.
///
/// # Errors
/// Only when a loop panicked; wrong answers are in the tally.
pub async fn closed_loops(target: &Target, concurrency: usize, bounds: Bounds) -> Result<Tally> {
    // Nothing to change: each loop begins with the target's.
    closed_loops_of(
        target,
        &(Arc::new(|_: &mut Vec<u8>| {}) as Requests),
        concurrency,
        bounds,
    )
    .await
}

/// The same, with a request of its own for each exchange.
///
/// # Errors
/// As [`closed_loops`].
pub async fn closed_loops_of(
    target: &Target,
    requests: &Requests,
    concurrency: usize,
    bounds: Bounds,
) -> Result<Tally> {
    let begin = Instant::now();
    let run = Arc::new(Run {
        live: Live::default(),
        tally: Mutex::new(Tally::new()),
    });
    let mut loops = JoinSet::new();
    for _ in 0..concurrency {
        loops.spawn(closed_loop(
            target.clone(),
            requests.clone(),
            bounds,
            run.clone(),
        ));
    }
    while let Some(ended) = loops.join_next().await {
        ended.context("a loop panicked")?;
    }
    let mut tally = std::mem::replace(&mut *run.tally(), Tally::new());
    tally.elapsed = begin.elapsed();
    Ok(tally)
}

/// What the loops of one run share.
struct Run {
    live: Live,
    tally: Mutex<Tally>,
}

impl Run {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn closed_loop(mut target: Target, requests: Requests, bounds: Bounds, run: Arc<Run>) {
    let mut connection = None;
    while Instant::now() < bounds.until && run.live.started.fetch_add(1, Relaxed) < bounds.exchanges
    {
        requests(&mut target.request);
        let outcome = exchange(&target, &mut connection, &run.live).await;
        run.tally().add(outcome);
    }
}

/// Begins one stream at each of `begins` (times after now), each on its own connection, and lets all of them finish.
/// `live` counts while they run.
///
/// # Errors
/// Only when a stream's task panicked; wrong answers are in the tally.
pub async fn streams(target: &Target, begins: &[Duration], live: Arc<Live>) -> Result<Tally> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for after in begins {
        let (target, live, at) = (target.clone(), live.clone(), begin + *after);
        tasks.spawn(async move {
            sleep_until(at).await;
            live.started.fetch_add(1, Relaxed);
            exchange(&target, &mut None, &live).await
        });
    }
    let mut tally = Tally::new();
    while let Some(outcome) = tasks.join_next().await {
        tally.add(outcome.context("a stream panicked")?);
    }
    tally.elapsed = begin.elapsed();
    Ok(tally)
}

/// One exchange on the kept connection, or on a new one that is then kept.
async fn exchange(
    target: &Target,
    kept: &mut Option<Connection>,
    live: &Live,
) -> Result<Exchanged> {
    let outcome = timeout(EXCHANGE_WAIT, checked_exchange(target, kept, live)).await;
    live.finished.fetch_add(1, Relaxed);
    outcome.unwrap_or_else(|_| bail!("no whole answer within {} s", EXCHANGE_WAIT.as_secs()))
}

async fn checked_exchange(
    target: &Target,
    kept: &mut Option<Connection>,
    live: &Live,
) -> Result<Exchanged> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(target.address).await?,
    };
    let mut checked = Checked::new(&target.expected, live);
    let begin = Instant::now();
    let answer = connection
        .exchange(&target.request, &mut |piece| checked.feed(piece))
        .await?;
    let whole = begin.elapsed();
    let first = checked.first.map_or(whole, |at| at - begin);
    if answer.status != 200 {
        bail!("status {}", answer.status);
    }
    let events = checked.verdict()?;
    *kept = answer.reusable.then_some(connection);
    Ok(Exchanged {
        events,
        first,
        whole,
    })
}

/// Sends the request once and returns the body of its answer, unchecked.
///
/// # Errors
/// When no whole answer with status 200 came within `wait`.
pub async fn fetch(address: SocketAddr, request: &[u8], wait: Duration) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut connection = Connection::open(address).await?;
    let mut take = |piece: &[u8]| {
        body.extend_from_slice(piece);
        Ok(())
    };
    let answer = timeout(wait, connection.exchange(request, &mut take))
        .await
        .context("no whole answer in time")??;
    match answer.status {
        200 => Ok(body),
        status => bail!(
            "status {status}: {}",
            String::from_utf8_lossy(&body[..body.len().min(500)])
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Ask, FRAME_EVENTS, request_body};
    use crate::host::{HostSettings, serve};
    use crate::request::Url;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const EVENTS: u64 = 5;

    fn target(address: SocketAddr, expected: Expected) -> Target {
        let ask = Ask {
            model: "bench",
            stream: true,
            max_tokens: EVENTS,
            body_bytes: 0,
        };
        let url = Url {
            authority: address.to_string(),
            path: "/v1/chat/completions".to_owned(),
        };
        Target {
            address,
            request: url.post_json(&[], &request_body(ask)),
            expected,
        }
    }

    async fn five(target: &Target) -> Tally {
        let bounds = Bounds {
            until: Instant::now() + Duration::from_secs(10),
            exchanges: 5,
        };
        closed_loops(target, 2, bounds).await.unwrap()
    }

    async fn host() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (time_to_first, between_events) = (Duration::ZERO, Duration::from_millis(1));
        tokio::spawn(serve(
            listener,
            HostSettings {
                model: "bench".into(),
                time_to_first,
                between_events,
                events: 1,
            },
        ));
        address
    }

    /// A server that gives every request of one read the same bytes, and then closes.
    async fn liar(answer: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    // A client that has seen enough may have gone.
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn right_answers_are_counted() {
        let address = host().await;
        let expected = Expected::Stream {
            events: Some(EVENTS + FRAME_EVENTS),
        };
        let tally = five(&target(address, expected)).await.all_right().unwrap();
        assert_eq!(
            (tally.right, tally.events, tally.whole_us.len()),
            (5, 5 * (EVENTS + FRAME_EVENTS), 5)
        );
        assert!(
            tally.whole_us.min() >= 1_000 * (EVENTS + FRAME_EVENTS - 1),
            "faster than the host sends"
        );

        let body = fetch(
            address,
            &target(address, Expected::Anything).request,
            Duration::from_secs(10),
        )
        .await
        .unwrap();
        five(&target(address, Expected::Body(body)))
            .await
            .all_right()
            .unwrap();
    }

    #[tokio::test]
    async fn streams_count_while_they_run() {
        let (address, live) = (host().await, Arc::new(Live::default()));
        let begins = [Duration::ZERO, Duration::from_millis(3)];
        let tally = streams(
            &target(address, Expected::Stream { events: None }),
            &begins,
            live.clone(),
        )
        .await
        .unwrap();
        assert_eq!((tally.right, tally.events), (2, live.events.load(Relaxed)));
        assert_eq!(
            (live.opened.load(Relaxed), live.finished.load(Relaxed)),
            (2, 2)
        );
    }

    /// An answer with `body`, framed by its length, against what was expected of it.
    async fn check_wrong(head: &str, body: &str, expected: Expected, told: &str) {
        let address = liar(format!("{head}\r\n\r\n{body}").into_bytes()).await;
        let tally = five(&target(address, expected)).await;
        assert_eq!((tally.right, tally.failed), (0, 5));
        assert!(
            tally.failures[0].contains(told),
            "{:?} does not tell {told:?}",
            tally.failures
        );
        assert!(tally.all_right().is_err());
    }

    #[tokio::test]
    async fn wrong_answers_are_failures() {
        let (body, done) = (
            Expected::Body(b"data: 1\n\n".to_vec()),
            Expected::Stream { events: None },
        );
        let four = Expected::Stream { events: Some(4) };
        let ok = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
        check_wrong(
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0",
            "",
            Expected::Anything,
            "status 502",
        )
        .await;
        check_wrong(&format!("{ok}9"), "data: 2\n\n", body.clone(), "differs").await;
        check_wrong(&format!("{ok}7"), "data: 1", body.clone(), "7 of 9 bytes").await;
        check_wrong(&format!("{ok}9"), "data: 1", body, "closed in the middle").await;
        check_wrong(&format!("{ok}9"), "data: 1\n\n", done, "end marker").await;
        check_wrong(&format!("{ok}14"), "data: [DONE]\n\n", four, "1 events").await;
        check_wrong("SSH-2.0-x", "", Expected::Anything, "not an answer").await;
        check_wrong(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked",
            "5\r\nhel",
            Expected::Anything,
            "middle",
        )
        .await;
    }
}
