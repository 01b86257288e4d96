//! Makes hosts fail as planned, and writes down when each really did.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::fault::Fault;
use super::schedule::Planned;
use crate::sim::SimHost;

/// A time in which a host failed: from before the fault was made until it was known to be over.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub fault: Fault,
    pub from: Duration,
    pub until: Duration,
}

/// A host and when it failed, in order.
pub struct Weathered {
    pub host: SimHost,
    pub failings: Vec<Failing>,
}

/// Runs the plan of every host; times are since `epoch`.
///
/// # Errors
/// When a host does not do as it is told.
pub async fn run(
    hosts: Vec<SimHost>,
    plan: Vec<Vec<Planned>>,
    epoch: Instant,
) -> Result<Vec<Weathered>> {
    let mut tasks = JoinSet::new();
    for (host, planned) in hosts.into_iter().zip(plan) {
        tasks.spawn(weather(host, planned, epoch));
    }
    let mut all = Vec::new();
    while let Some(weathered) = tasks.join_next().await {
        all.push(weathered.context("a host's task panicked")??);
    }
    all.sort_by(|a, b| a.host.name.cmp(&b.host.name));
    Ok(all)
}

async fn weather(mut host: SimHost, planned: Vec<Planned>, epoch: Instant) -> Result<Weathered> {
    let mut failings = Vec::new();
    for Planned {
        from, until, fault, ..
    } in planned
    {
        sleep_until(epoch + from).await;
        let from = epoch.elapsed();
        fail(&mut host, fault, epoch + until).await?;
        let until = epoch.elapsed();
        let (name, label) = (&host.name, fault.name());
        eprintln!(
            "{:5.1} s to {:5.1} s  {name}  {label}",
            from.as_secs_f64(),
            until.as_secs_f64()
        );
        failings.push(Failing { fault, from, until });
    }
    Ok(Weathered { host, failings })
}

async fn fail(host: &mut SimHost, fault: Fault, until: Instant) -> Result<()> {
    match fault {
        Fault::Killed | Fault::KilledThenLoading => {
            host.crash()?;
            sleep_until(until.checked_sub(fault.loading()).unwrap_or(until)).await;
            host.rise(fault.loading()).await
        }
        Fault::Stopped => {
            host.signal(Signal::SIGSTOP)?;
            sleep_until(until).await;
            host.signal(Signal::SIGCONT)?;
            host.disarm().await
        }
        Fault::StoppedThenKilled => {
            host.signal(Signal::SIGSTOP)?;
            let half = until.saturating_duration_since(Instant::now()) / 2;
            sleep_until(until - half).await;
            host.crash()?;
            sleep_until(until).await;
            host.rise(Duration::ZERO).await
        }
        Fault::Armed { orders, .. } => {
            host.arm(orders).await?;
            sleep_until(until).await;
            host.disarm().await
        }
    }
}
