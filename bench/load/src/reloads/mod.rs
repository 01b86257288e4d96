//! The reload storm: hundreds of reloads under traffic, and reloads of a large configuration under a magnifying glass.
//! This file holds its settings and its order; what configurations say is in `variants` and `large`.

mod large;
mod prober;
mod report;
mod storm;
mod variants;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::compare::free_address;
use crate::process::allow_open_files;
use crate::quiet::left_in_flight;
use crate::random::Random;
use crate::sim::{SimHost, SimSettings};
use crate::traffic::{self, Mix, Sort, Traffic};
use crate::weir::Weir;

use large::Size;
use variants::Fixed;

#[derive(Args)]
pub struct ReloadsArgs {
    /// The weir binary, which plays the hosts too
    #[arg(long)]
    weir: PathBuf,
    /// Within which the reloads of the storm are asked for
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Reloads of the storm
    #[arg(long, default_value_t = 500)]
    reloads: usize,
    /// Exchanges a second during the storm
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// What configurations say, and what is asked when, follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of the large configuration
    #[arg(long, default_value_t = 1000)]
    upstreams: usize,
    /// Of the large configuration
    #[arg(long, default_value_t = 10_000)]
    models: usize,
    /// A short run that shows that everything works: its times mean nothing, and no bound is put on them
    #[arg(long, conflicts_with = "save")]
    smoke: bool,
    /// Keeps the logs of weir and of the hosts, and says where
    #[arg(long)]
    keep: bool,
    /// Writes the tables into this folder, in a file named after the day and the commit
    #[arg(long)]
    save: Option<PathBuf>,
    /// What was measured, for the saved file
    #[arg(long, default_value = "unknown")]
    commit: String,
}

/// Traffic before the first reload and after the last.
const MARGIN: Duration = Duration::from_secs(2);
/// Goes through the large configuration: a machine that other programs use too delays requests by itself.
const GOES_MAX: usize = 3;

/// The longest streams outlast dozens of reloads.
fn sorts() -> Vec<Sort> {
    let sort = |stream, tokens, body_bytes, weight| Sort {
        stream,
        tokens,
        body_bytes,
        weight,
    };
    vec![
        sort(false, 4, 600, 6),
        sort(false, 12, 50_000, 2),
        sort(true, 20, 600, 2),
        sort(true, 80, 2_000, 2),
        sort(true, 400, 600, 1),
    ]
}

/// # Errors
/// Whatever keeps it from being run; a rule that is broken is told in the table, and is exit code 1.
pub async fn run(args: ReloadsArgs) -> Result<ExitCode> {
    if !(1..=3600).contains(&args.seconds) || !(2..=100_000).contains(&args.reloads) {
        bail!(
            "--seconds {} --reloads {}: from 1 to 3600 seconds and from 2 to 100000 reloads",
            args.seconds,
            args.reloads
        );
    }
    if !(1..=10_000).contains(&args.upstreams) || !(1..=100_000).contains(&args.models) {
        bail!(
            "--upstreams {} --models {}: from 1 to 10000 upstreams and from 1 to 100000 models",
            args.upstreams,
            args.models
        );
    }
    if !(1.0..=1000.0).contains(&args.rate) {
        bail!("--rate {}: from 1 to 1000 a second", args.rate);
    }
    allow_open_files(8192)?;
    let folder = tempfile::Builder::new().prefix("weir-reloads-").tempdir()?;
    let outcome = all(&args, folder.path()).await;
    if args.keep {
        println!(
            "what the processes wrote is kept in {}",
            folder.keep().display()
        );
    }
    outcome
}

async fn all(args: &ReloadsArgs, folder: &Path) -> Result<ExitCode> {
    let binary = args.weir.canonicalize();
    let binary = binary.with_context(|| format!("--weir {}", args.weir.display()))?;
    let mut report = report::Report::new(!args.smoke);
    report.storm(&under_traffic(args, &binary, folder).await?);

    let size = Size {
        upstreams: args.upstreams,
        models: args.models,
    };
    let mut goes = Vec::new();
    for number in 1..=GOES_MAX {
        eprintln!("a large configuration comes, is altered and goes, {number} …");
        let own = folder.join(format!("large-{number}"));
        std::fs::create_dir(&own)?;
        goes.push(large::go(&binary, &own, size).await?);
        if args.smoke || report::is_within(&goes[goes.len() - 1]) {
            break;
        }
    }
    report.large(size, &goes);
    report.verdict();
    println!("{}", report.text);
    if let Some(folder) = &args.save {
        println!("saved as {}", report.save(folder, &args.commit)?.display());
    }
    Ok(if report.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn under_traffic(args: &ReloadsArgs, binary: &Path, folder: &Path) -> Result<report::Storm> {
    let settings = SimSettings {
        binary: binary.to_owned(),
        model: variants::SERVED.to_owned(),
        time_to_first: Duration::from_millis(20),
        between_tokens: Duration::from_millis(15),
    };
    let mut hosts = Vec::new();
    for name in ["gpu-a", "gpu-b", "gpu-c", "gpu-d"] {
        hosts.push(SimHost::start(name.to_owned(), settings.clone(), folder).await?);
    }
    let known: Vec<_> = hosts
        .iter()
        .map(|host| (host.name.clone(), host.address))
        .collect();
    let asked = variants::ASKED.map(str::to_owned).to_vec();
    let mix = Mix::learn(sorts(), asked, &known, variants::SERVED).await?;
    let fixed = Fixed {
        address: free_address()?,
        admin: free_address()?,
        hosts: known,
    };
    let first = fixed.right(&mut Random::new(args.seed));
    let mut weir = Weir::start(binary, folder, fixed.admin, &first).await?;

    eprintln!("{} reloads in {} s …", args.reloads, args.seconds);
    let traffic = Traffic {
        address: fixed.address,
        mix,
        rate: args.rate,
        seed: args.seed,
        epoch: Instant::now(),
    };
    let (ended, until) = tokio::sync::oneshot::channel::<()>();
    let reloads = async {
        sleep(MARGIN).await;
        let time = Duration::from_secs(args.seconds);
        let reloaded = storm::run(&weir, &fixed, args.reloads, time, args.seed).await;
        sleep(MARGIN).await;
        let memory = weir.memory()?;
        drop(ended);
        reloaded.map(|mut reloaded| {
            reloaded.memory.push(memory);
            reloaded
        })
    };
    let over = async {
        // Nothing is ever sent: it ends when the reloads do.
        let _ = until.await;
    };
    let (seen, reloaded) = tokio::try_join!(traffic::run(traffic, over), reloads)?;
    let left = left_in_flight(&weir, hosts.iter()).await?;
    let figures = weir.figures().await?;
    weir.still_runs()?;
    Ok(report::Storm {
        seconds: args.seconds,
        seen,
        reloaded,
        left,
        logged: weir.end()?,
        figures,
    })
}
