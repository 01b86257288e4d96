//! Reloads of a large configuration, and what they delay: cheap requests, one at a time, during reloads and between them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use super::prober::{Probed, Prober};
use super::storm::write;
use crate::chat::{Ask, request_body};
use crate::compare::free_address;
use crate::drive::fetch;
use crate::process::{Memory, Process};
use crate::request::Url;
use crate::weir::Weir;

/// What the reloads in one go do: all upstreams come, some are altered, several times, all go.
const ALTERATIONS: usize = 5;
/// A stretch without a reload before each one, and how long after its answer it may still be felt.
const QUIET: Duration = Duration::from_millis(1500);
const AFTER: Duration = Duration::from_millis(1000);
/// Writing a large file keeps the machine busy for a moment, which is not weir's doing.
const WRITTEN: Duration = Duration::from_millis(500);
/// How long after its start weir is left alone.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long a host may take to start.
const HOST_WAIT: Duration = Duration::from_secs(10);
/// The model that the prober asks for.
const PROBED: &str = "probed";

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub upstreams: usize,
    pub models: usize,
}

/// What a reload did to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Come,
    Altered,
    Go,
}

/// One reload, with the requests during it and in the quiet before it.
pub struct Reload {
    pub step: Step,
    /// From asking for it to its answer: reading, checking, building, swapping, telling.
    pub took: Duration,
    pub during: Vec<Duration>,
    pub quiet: Vec<Duration>,
}

/// One go through all steps.
pub struct Go {
    pub reloads: Vec<Reload>,
    /// weir's memory before the upstreams came, with them, and after they went.
    pub memory: Vec<Memory>,
}

impl Go {
    /// The slowest request during reloads of a kind, or in the quiet between all.
    pub fn slowest(&self, step: Option<Step>) -> Duration {
        let of_step = |reload: &&Reload| step.is_none_or(|step| reload.step == step);
        let requests = self.reloads.iter().filter(of_step).flat_map(|reload| {
            if step.is_some() {
                &reload.during
            } else {
                &reload.quiet
            }
        });
        requests.max().copied().unwrap_or_default()
    }

    /// What reloads of a kind have added to the slowest request.
    pub fn added(&self, step: Step) -> Duration {
        self.slowest(Some(step)).saturating_sub(self.slowest(None))
    }

    /// The slowest reload.
    pub fn longest(&self) -> Duration {
        let times = self.reloads.iter().map(|reload| reload.took);
        times.max().unwrap_or_default()
    }
}

/// Goes through all steps with a weir of its own.
///
/// # Errors
/// When a reload is refused, or a request is not answered.
pub async fn go(binary: &Path, folder: &Path, size: Size) -> Result<Go> {
    // The probed host is one of its own, so that nothing else keeps it busy.
    let (probed, others) = (free_address()?, free_address()?);
    let _probed_host = start_host(folder, probed).await?;
    let _others_host = start_host(folder, others).await?;
    let made_of = Made {
        address: free_address()?,
        admin: free_address()?,
        probed,
        others,
        size,
    };
    // Made beforehand: making one would keep a core busy for milliseconds.
    let altered = (1..=ALTERATIONS).map(|version| (Step::Altered, Some(version)));
    let steps: Vec<(Step, String)> = std::iter::once((Step::Come, Some(0)))
        .chain(altered)
        .chain([(Step::Go, None)])
        .map(|(step, version)| (step, made_of.config(version)))
        .collect();
    let config = made_of.config(None);
    let weir = Weir::start(binary, folder, made_of.admin, &config).await?;
    let prober = Prober::start(made_of.address, probe(made_of.address));
    sleep(WARM_UP).await;

    let mut memory = vec![weir.memory()?];
    let mut stretches = Vec::new();
    for (step, yaml) in steps {
        write(&weir, &yaml)?;
        sleep(WRITTEN).await;
        let quiet_from = Instant::now();
        sleep(QUIET).await;
        if step == Step::Go {
            memory.push(weir.memory()?);
        }
        let asked = Instant::now();
        let status = weir.post_reload().await?;
        let took = asked.elapsed();
        if status != 200 {
            bail!(
                "a reload of {} upstreams was answered {status}",
                size.upstreams
            );
        }
        sleep(AFTER).await;
        stretches.push((step, took, quiet_from, asked, Instant::now()));
    }
    memory.push(weir.memory()?);
    let all = prober.end()?;
    for (step, took, _, asked, end) in &stretches {
        tell_slowest(*step, *took, *asked, *end, &all);
    }
    let reloads = stretches
        .into_iter()
        .map(|(step, took, quiet_from, asked, end)| Reload {
            step,
            took,
            during: between(&all, asked, end),
            quiet: between(&all, quiet_from, asked),
        });
    Ok(Go {
        reloads: reloads.collect(),
        memory,
    })
}

/// When the slowest request of a reload was begun: while it ran, or in what it left to be done.
fn tell_slowest(step: Step, took: Duration, asked: Instant, end: Instant, all: &[Probed]) {
    let of_it = all
        .iter()
        .filter(|probed| (asked..end).contains(&(probed.begun + probed.took)));
    if let Some(slowest) = of_it.max_by_key(|probed| probed.took) {
        let ended = slowest.begun + slowest.took;
        eprintln!(
            "{step:?}: a reload of {took:.0?}; its slowest request took {:.2?} and ended {} ms after the reload was asked for",
            slowest.took,
            ended.saturating_duration_since(asked).as_millis()
        );
    }
}

/// Requests that ended within a time.
fn between(all: &[Probed], from: Instant, until: Instant) -> Vec<Duration> {
    let ended_in = |probed: &&Probed| (from..until).contains(&(probed.begun + probed.took));
    let within = all.iter().filter(ended_in);
    within.map(|probed| probed.took).collect()
}

async fn start_host(folder: &Path, address: SocketAddr) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["host", "--listen", &address.to_string(), "--model", PROBED]);
    let output = folder.join(format!("host-{}.log", address.port()));
    let host = Process::start("load host", command, &output, None)?;
    let deadline = Instant::now() + HOST_WAIT;
    while let Err(error) = fetch(address, &probe(address), HOST_WAIT).await {
        if Instant::now() > deadline {
            return Err(error).context("load host");
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(host)
}

fn probe(address: SocketAddr) -> Vec<u8> {
    let body = request_body(Ask {
        model: PROBED,
        stream: false,
        max_tokens: 1,
        body_bytes: 500,
    });
    let url = Url {
        authority: address.to_string(),
        path: "/v1/chat/completions".to_owned(),
    };
    url.post_json(&[], &body)
}

/// What configurations are made of.
struct Made {
    address: SocketAddr,
    admin: SocketAddr,
    probed: SocketAddr,
    others: SocketAddr,
    size: Size,
}

impl Made {
    /// One upstream, or that and as many others as there are to be. Versions differ in some upstreams, keys and models.
    /// All defaults hold: every upstream is probed.
    fn config(&self, version: Option<usize>) -> String {
        let Made {
            address,
            admin,
            probed,
            others,
            size,
        } = self;
        let mut upstreams = format!(
            "  - {{ name: {PROBED}, kind: vllm, url: \"http://{probed}\", models: [{PROBED}] }}\n"
        );
        let mut models = String::new();
        if let Some(version) = version {
            for number in 0..size.upstreams {
                let key = if number % 100 == version { version } else { 0 };
                let _ = writeln!(
                    upstreams,
                    "  - {{ name: u{number}, kind: vllm, url: \"http://{others}\", keys: [{{ value: sk-{number}-{key} }}] }}"
                );
            }
            models.push_str("models:\n");
            for number in 0..size.models {
                let weight = if number % 100 == version { 2 } else { 1 };
                let (one, other) = (number % size.upstreams, (number * 7 + 3) % size.upstreams);
                let _ = writeln!(
                    models,
                    "  m{number}: {{ targets: [{{ upstream: u{one}, model: x, weight: {weight} }}, {{ upstream: u{other}, model: y{number} }}] }}"
                );
            }
        }
        format!("listen: {address}\nadmin: {admin}\nupstreams:\n{upstreams}{models}")
    }
}
