//! Steady mixed traffic at a given rate, streams and whole answers, and what clients saw of each exchange.
//! It compares answers with what hosts say themselves; whether a broken one is to be expected it does not know.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::chat::{Ask, request_body};
use crate::client::Connection;
use crate::drive::fetch;
use crate::random::Random;
use crate::request::Url;

/// Longest wait for one exchange. Above every bound that weir is configured with.
const EXCHANGE_WAIT: Duration = Duration::from_secs(60);
/// Exchanges that may be open at once: above it something has stopped, and nothing is learnt by adding to it.
const OPEN_MAX: usize = 2000;
/// Longest wait for an answer that shows what is right.
const LEARN_WAIT: Duration = Duration::from_secs(30);
/// What weir's own error events, and those of hosts, begin with.
const ERROR_EVENT: &[u8] = b"data: {\"error\":";
/// As much of a wrong answer is told.
const TOLD_BYTES: usize = 300;

/// One request of the mix.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    pub stream: bool,
    pub tokens: u64,
    pub body_bytes: usize,
    /// How often it is sent, relative to the others.
    pub weight: usize,
}

/// What is sent, and what the answers must be.
pub struct Mix {
    sorts: Vec<Sort>,
    /// Names that the one model is asked for by.
    models: Vec<String>,
    /// What the hosts call it.
    hosts_model: String,
    /// By host and sort.
    right: HashMap<(String, usize), Vec<u8>>,
}

/// How an exchange ended, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Byte for byte what the host says.
    Whole,
    /// A stream that ended with an error event.
    Told,
    /// The connection was closed before the end, which its framing shows.
    Cut(String),
    /// An answer with another status than 200.
    Refused { status: u16, body: String },
    /// An answer that ended as if it were whole, and was not.
    Wrong(String),
}

/// One exchange as its client saw it. Times are since the traffic's epoch.
#[derive(Debug)]
pub struct Seen {
    /// What was sent as `x-request-id`.
    pub id: String,
    pub stream: bool,
    pub begun: Duration,
    pub ended: Duration,
    /// Where the answer came from.
    pub upstream: Option<String>,
    pub attempts: u32,
    pub end: End,
}

impl Mix {
    /// Learns the right answers from the hosts themselves.
    ///
    /// # Errors
    /// When a host does not answer.
    pub async fn learn(
        sorts: Vec<Sort>,
        models: Vec<String>,
        hosts: &[(String, SocketAddr)],
        hosts_model: &str,
    ) -> Result<Mix> {
        let mut asked = JoinSet::new();
        for (name, address) in hosts {
            for (index, sort) in sorts.iter().enumerate() {
                let (name, address) = (name.clone(), *address);
                let message = message(address, &body(sort, hosts_model, hosts_model), "learn");
                asked.spawn(async move {
                    let answer = fetch(address, &message, LEARN_WAIT).await;
                    let answer = answer.with_context(|| format!("{name} itself"))?;
                    Ok::<_, anyhow::Error>(((name, index), answer))
                });
            }
        }
        let mut right = HashMap::new();
        while let Some(answered) = asked.join_next().await {
            let (which, answer) = answered.context("an exchange panicked")??;
            right.insert(which, answer);
        }
        Ok(Mix {
            sorts,
            models,
            hosts_model: hosts_model.to_owned(),
            right,
        })
    }

    fn draw(&self, random: &mut Random) -> usize {
        let total = self.sorts.iter().map(|sort| sort.weight).sum();
        let mut at = random.below(total);
        let found = self.sorts.iter().position(|sort| {
            let is_here = at < sort.weight;
            at = at.saturating_sub(sort.weight);
            is_here
        });
        found.unwrap_or(0)
    }
}

/// The same but for the name by which the model is asked for.
fn body(sort: &Sort, model: &str, hosts_model: &str) -> Vec<u8> {
    let body = request_body(Ask {
        model: hosts_model,
        stream: sort.stream,
        max_tokens: sort.tokens,
        body_bytes: sort.body_bytes,
    });
    let rest = body.strip_prefix(format!("{{\"model\":\"{hosts_model}\"").as_bytes());
    let rest = rest.expect("a request begins with its model");
    [format!("{{\"model\":\"{model}\"").as_bytes(), rest].concat()
}

fn message(address: SocketAddr, body: &[u8], id: &str) -> Vec<u8> {
    let url = Url {
        authority: address.to_string(),
        path: "/v1/chat/completions".to_owned(),
    };
    url.post_json(&[format!("x-request-id: {id}")], body)
}

/// Traffic to one gateway.
pub struct Traffic {
    pub address: SocketAddr,
    pub mix: Mix,
    /// Exchanges a second.
    pub rate: f64,
    pub seed: u64,
    /// What all times count from.
    pub epoch: Instant,
}

/// What the exchanges of one run share.
struct Run {
    traffic: Traffic,
    idle: Mutex<Vec<Connection>>,
}

impl Run {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins exchanges at the rate, at times of chance, until `until` is there; lets all of them end.
///
/// # Errors
/// When more are open than can be meant.
pub async fn run(traffic: Traffic, until: impl Future<Output = ()>) -> Result<Vec<Seen>> {
    let mut random = Random::new(traffic.seed);
    let run = Arc::new(Run {
        traffic,
        idle: Mutex::default(),
    });
    let (mut open, mut seen) = (JoinSet::new(), Vec::new());
    let mut next = Instant::now();
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => break,
            () = sleep_until(next) => {
                if open.len() >= OPEN_MAX {
                    bail!("{OPEN_MAX} exchanges are open at once: has everything stopped?");
                }
                let (sort, model) = (run.traffic.mix.draw(&mut random), random.number());
                let id = format!("load-{:016x}", random.number());
                open.spawn(exchange(run.clone(), sort, model, id));
                next += interval(run.traffic.rate, &mut random);
            }
            Some(ended) = open.join_next(), if !open.is_empty() => {
                seen.push(ended.context("an exchange panicked")?);
            }
        }
    }
    while let Some(ended) = open.join_next().await {
        seen.push(ended.context("an exchange panicked")?);
    }
    Ok(seen)
}

/// As independent clients come: exponential.
fn interval(rate: f64, random: &mut Random) -> Duration {
    Duration::from_secs_f64(-(1.0 - random.share()).ln() / rate)
}

async fn exchange(run: Arc<Run>, sort: usize, model: u64, id: String) -> Seen {
    let traffic = &run.traffic;
    let begun = traffic.epoch.elapsed();
    let models = &traffic.mix.models;
    let model = &models[model as usize % models.len()];
    let body = body(&traffic.mix.sorts[sort], model, &traffic.mix.hosts_model);
    let message = message(traffic.address, &body, &id);
    let mut heard = Heard::default();
    let end = match timeout(EXCHANGE_WAIT, hear(&run, &message, &mut heard)).await {
        Ok(end) => end,
        Err(_) => Err(anyhow::anyhow!(
            "no end within {} s",
            EXCHANGE_WAIT.as_secs()
        )),
    };
    let right = heard
        .host
        .clone()
        .and_then(|host| traffic.mix.right.get(&(host, sort)));
    Seen {
        id,
        stream: traffic.mix.sorts[sort].stream,
        begun,
        ended: traffic.epoch.elapsed(),
        end: heard.judge(end, right.map(Vec::as_slice)),
        upstream: heard.upstream,
        attempts: heard.attempts,
    }
}

/// What has come of an answer.
#[derive(Default)]
struct Heard {
    status: u16,
    upstream: Option<String>,
    host: Option<String>,
    attempts: u32,
    body: Vec<u8>,
}

/// One exchange on an idle connection, or on a new one; a connection that can be used again is kept.
async fn hear(run: &Run, message: &[u8], heard: &mut Heard) -> Result<()> {
    let idle = run.idle().pop();
    let mut connection = match idle {
        Some(connection) => connection,
        None => Connection::open(run.traffic.address).await?,
    };
    let head = connection.ask(message).await?;
    heard.status = head.status;
    heard.upstream = connection.header(&head, "x-weir-upstream");
    heard.host = connection.header(&head, "x-sim-name");
    let attempts = connection.header(&head, "x-weir-attempts");
    heard.attempts = attempts.and_then(|text| text.parse().ok()).unwrap_or(0);
    let body = &mut heard.body;
    let mut take = |piece: &[u8]| {
        body.extend_from_slice(piece);
        Ok(())
    };
    let answer = connection.hear(head, &mut take).await?;
    if answer.reusable {
        run.idle().push(connection);
    }
    Ok(())
}

impl Heard {
    fn judge(&self, end: Result<()>, right: Option<&[u8]>) -> End {
        if self.status != 200 && self.status != 0 {
            return End::Refused {
                status: self.status,
                body: begin_of(&self.body),
            };
        }
        let right = right.unwrap_or_default();
        let told = told_at(&self.body).filter(|at| right.starts_with(&self.body[..*at]));
        match end {
            Ok(()) if !right.is_empty() && self.body == right => End::Whole,
            _ if told.is_some() => End::Told,
            Ok(()) => End::Wrong(format!(
                "{} bytes where host {:?} says {}, ending with {:?}",
                self.body.len(),
                self.host,
                right.len(),
                begin_of(&self.body[self.body.len().saturating_sub(TOLD_BYTES)..])
            )),
            Err(_) if !right.starts_with(&self.body) => End::Wrong(format!(
                "other bytes than host {:?} says before the break: {:?}",
                self.host,
                begin_of(&self.body)
            )),
            Err(error) => End::Cut(format!("{error:#}")),
        }
    }
}

/// Where an error event begins that is the last thing of a stream.
fn told_at(body: &[u8]) -> Option<usize> {
    let at = memchr::memmem::rfind(body, ERROR_EVENT)?;
    let events = memchr::memmem::find_iter(&body[at..], b"\n\n").count();
    let is_event = at == 0 || body[..at].ends_with(b"\n\n");
    (is_event && events == 1 && body.ends_with(b"\n\n")).then_some(at)
}

fn begin_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(TOLD_BYTES)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &[u8] = b"data: {\"a\":1}\n\ndata: [DONE]\n\n";

    fn judge(status: u16, body: &str, cut: bool) -> End {
        let heard = Heard {
            status,
            body: body.as_bytes().to_vec(),
            ..Heard::default()
        };
        let end = if cut {
            Err(anyhow::anyhow!("closed"))
        } else {
            Ok(())
        };
        heard.judge(end, Some(RIGHT))
    }

    #[test]
    fn only_what_the_host_says_is_whole() {
        let right = std::str::from_utf8(RIGHT).unwrap();
        assert_eq!(judge(200, right, false), End::Whole);
        assert!(matches!(judge(200, right, true), End::Cut(_)));
        let short = "data: {\"a\":1}\n\n";
        assert!(matches!(judge(200, short, false), End::Wrong(_)));
        assert!(matches!(judge(200, short, true), End::Cut(_)));
        let done = "data: [DONE]\n\n";
        assert!(matches!(judge(200, done, false), End::Wrong(_)));
        assert!(matches!(judge(200, done, true), End::Wrong(_)));
        assert!(matches!(judge(200, "", false), End::Wrong(_)));
        assert!(matches!(judge(0, "", true), End::Cut(_)));
        assert!(matches!(judge(503, "", false), End::Refused { .. }));
    }

    #[test]
    fn an_error_event_is_told_when_it_is_the_last_thing_and_all_before_it_is_right() {
        let error = "data: {\"error\":{}}\n\n";
        let right = "data: {\"a\":1}\n\n";
        assert_eq!(judge(200, &format!("{right}{error}"), false), End::Told);
        assert_eq!(judge(200, &format!("{right}{error}"), true), End::Told);
        let clean = format!("{right}{error}data: [DONE]\n\n");
        assert!(matches!(judge(200, &clean, false), End::Wrong(_)));
        let other = format!("data: {{\"b\":1}}\n\n{error}");
        assert!(matches!(judge(200, &other, false), End::Wrong(_)));
    }

    #[test]
    fn exchanges_come_at_the_rate() {
        let mut random = Random::new(1);
        let total: Duration = (0..10_000).map(|_| interval(50.0, &mut random)).sum();
        assert!((190.0..210.0).contains(&total.as_secs_f64()), "{total:?}");
    }
}
