//! The soak: weir before hosts that die, stall, misbehave and come back under steady traffic, while one is always well.
//! This file holds its settings and its order; when hosts fail is in `schedule`, what may break then is in `judge`.

mod fault;
mod judge;
mod report;
mod schedule;
mod storm;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::{Instant, sleep_until};

use crate::compare::free_address;
use crate::process::{Memory, allow_open_files};
use crate::quiet::left_in_flight;
use crate::sim::{SimHost, SimSettings};
use crate::traffic::{self, Mix, Sort, Traffic};
use crate::weir::Weir;

#[derive(Args)]
pub struct SoakArgs {
    /// The weir binary, which plays the hosts too
    #[arg(long)]
    weir: PathBuf,
    /// Length of the traffic; a sixth at its beginning and at its end is without faults
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Exchanges a second
    #[arg(long, default_value_t = 75.0)]
    rate: f64,
    /// Simulated hosts
    #[arg(long, default_value_t = 5)]
    hosts: usize,
    /// What fails when, and what is asked when, follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the logs of weir and of the hosts, and says where
    #[arg(long)]
    keep: bool,
    /// Writes the table into this folder, in a file named after the day and the commit
    #[arg(long)]
    save: Option<PathBuf>,
    /// What was measured, for the saved file
    #[arg(long, default_value = "unknown")]
    commit: String,
}

/// The model that all hosts serve.
const MODEL: &str = "llama-3.1-8b";
/// By when a host that is well again must have its share: the longest ejection and its jitter, the wait for a trial or a
/// probe, and the slow start, as configured below.
const SETTLING: Duration = Duration::from_secs(6);

/// What is asked for. Lengths are such that a stream lasts for about a second.
fn sorts() -> Vec<Sort> {
    let sort = |stream, tokens, body_bytes, weight| Sort {
        stream,
        tokens,
        body_bytes,
        weight,
    };
    vec![
        sort(false, 4, 600, 4),
        sort(false, 12, 4_000, 4),
        sort(false, 20, 100_000, 1),
        sort(true, 20, 600, 2),
        sort(true, 60, 4_000, 3),
        sort(true, 150, 1_000, 1),
    ]
}

/// What differs from the defaults is here so that a minute shows what else takes many.
fn config(address: SocketAddr, admin: SocketAddr, hosts: &[SimHost]) -> String {
    let upstreams = hosts.iter().map(|host| {
        format!(
            "  - {{ name: {}, kind: vllm, url: \"http://{}\" }}\n",
            host.name, host.address
        )
    });
    format!(
        "listen: {address}\n\
         admin: {admin}\n\
         timeouts: {{ connect: 1s, first_byte: 3s, idle: 3s, total: 40s }}\n\
         health: {{ interval: 500ms, timeout: 1s, rise: 1, fall: 2, eject: 1s, eject_max: 2s, slow_start: 2s }}\n\
         upstreams:\n{}",
        upstreams.collect::<String>()
    )
}

/// What was measured beside what clients saw.
struct Measured {
    /// At the end of the calm at the beginning, and of that at the end.
    memory: [Memory; 2],
}

/// # Errors
/// Whatever keeps the soak from being run; a rule that is broken is told in the table, and is exit code 1.
pub async fn run(args: SoakArgs) -> Result<ExitCode> {
    if !(6..=3600).contains(&args.seconds) || !(2..=16).contains(&args.hosts) {
        bail!(
            "--seconds {} --hosts {}: from 6 to 3600 seconds and from 2 to 16 hosts",
            args.seconds,
            args.hosts
        );
    }
    if !(1.0..=1000.0).contains(&args.rate) {
        bail!("--rate {}: from 1 to 1000 a second", args.rate);
    }
    allow_open_files(4096)?;
    let folder = tempfile::Builder::new().prefix("weir-soak-").tempdir()?;
    let outcome = soak(&args, folder.path()).await;
    if args.keep {
        println!(
            "what the processes wrote is kept in {}",
            folder.keep().display()
        );
    }
    outcome
}

async fn soak(args: &SoakArgs, folder: &Path) -> Result<ExitCode> {
    let binary = args.weir.canonicalize();
    let binary = binary.with_context(|| format!("--weir {}", args.weir.display()))?;
    let hosts = start_hosts(&binary, args.hosts, folder).await?;
    let known: Vec<_> = hosts
        .iter()
        .map(|host| (host.name.clone(), host.address))
        .collect();
    let mix = Mix::learn(sorts(), vec![MODEL.to_owned()], &known, MODEL).await?;
    let (address, admin) = (free_address()?, free_address()?);
    let config = config(address, admin, &hosts);
    println!("weir's configuration:\n\n{config}");
    let mut weir = Weir::start(&binary, folder, admin, &config).await?;

    let seconds = Duration::from_secs(args.seconds);
    let calm = (seconds / 6).max(Duration::from_secs(2));
    let plan = schedule::plan(args.seed, hosts.len(), calm, seconds - calm);
    let epoch = Instant::now();
    let traffic = Traffic {
        address,
        mix,
        rate: args.rate,
        seed: args.seed,
        epoch,
    };
    let (seen, weathered, measured) = tokio::try_join!(
        traffic::run(traffic, sleep_until(epoch + seconds)),
        storm::run(hosts, plan, epoch),
        observe(&weir, [epoch + calm, epoch + seconds]),
    )?;
    let left = left_in_flight(&weir, weathered.iter().map(|weathered| &weathered.host)).await?;
    let figures = weir.figures().await?;
    weir.still_runs()?;
    let logged = weir.end()?;
    let run = report::Run {
        seen,
        weathered,
        figures,
        logged,
        left,
        memory: measured.memory,
        settling: SETTLING,
    };
    let report = report::Report::of(&run);
    println!("{}", report.text);
    if let Some(folder) = &args.save {
        let path = report.save(folder, &args.commit, &config)?;
        println!("saved as {}", path.display());
    }
    Ok(if report.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn start_hosts(binary: &Path, count: usize, folder: &Path) -> Result<Vec<SimHost>> {
    let settings = SimSettings {
        binary: binary.to_owned(),
        model: MODEL.to_owned(),
        time_to_first: Duration::from_millis(20),
        between_tokens: Duration::from_millis(15),
    };
    let mut hosts = Vec::new();
    for index in 0..count {
        let name = format!("gpu-{}", char::from(b'a' + u8::try_from(index)?));
        hosts.push(SimHost::start(name, settings.clone(), folder).await?);
    }
    Ok(hosts)
}

async fn observe(weir: &Weir, moments: [Instant; 2]) -> Result<Measured> {
    sleep_until(moments[0]).await;
    let first = weir.memory()?;
    sleep_until(moments[1]).await;
    Ok(Measured {
        memory: [first, weir.memory()?],
    })
}
