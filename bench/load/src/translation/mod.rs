//! What translating costs: weir's CPU for an event and for a request of clients and upstreams that speak different dialects,
//! beside a pass-through of the same host's answers through the same process, in alternating rounds.

mod pair;
mod report;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use crate::compare::Cores;
use crate::drive::{Bounds, Target, closed_loops};
use crate::open_streams::OpenStreams;
use crate::process::{Process, allow_open_files, allowed_cores, stay_on};
use pair::{Pair, Wanted};
use report::Costs;
use stage::Stage;

/// Connections of the scenario with whole answers.
const REQUEST_CONCURRENCY: usize = 32;
/// Streams at a time where the host sends as fast as it can, and the content events of each.
const SATURATED_STREAMS: usize = 16;
const SATURATED_EVENTS: u64 = 300;
/// Between two events of a paced stream.
const PACE: Duration = Duration::from_millis(20);
/// On top of the pass-through, in µs.
const EVENT_BAR: f64 = 2.5;
const REQUEST_BAR: f64 = 25.0;

#[derive(Args)]
pub struct TranslationArgs {
    /// The weir binary
    #[arg(long)]
    weir: PathBuf,
    /// Length of one measurement
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measurements of each pair in each scenario; the table shows medians
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Worker threads of weir
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Lets every process run on every core, in place of weir on the first, host and load on the last
    #[arg(long)]
    no_pin: bool,
    /// Measures one scenario alone
    #[arg(long, conflicts_with = "save")]
    only: Option<Scenario>,
    /// A short run that shows that everything works; its figures mean nothing, and no bar is applied
    #[arg(long, conflicts_with_all = ["enforce", "save"])]
    smoke: bool,
    /// Exit code 1 when a bar is missed
    #[arg(long)]
    enforce: bool,
    /// Writes the table into this folder, in a file named after the day and the commit
    #[arg(long)]
    save: Option<PathBuf>,
    /// What was measured, for the saved file
    #[arg(long, default_value = "unknown")]
    commit: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Whole answers
    Requests,
    /// Streams that the host sends as fast as they are taken
    Saturated,
    /// Streams with an event every 20 ms
    Paced,
}

/// What holds for the whole run.
struct Settings {
    weir: PathBuf,
    threads: usize,
    rounds: usize,
    measure: Duration,
    pinned: Option<Cores>,
    paced_streams: usize,
}

impl Settings {
    fn new(args: &TranslationArgs) -> Result<Settings> {
        let is_sensible = (0.1..=600.0).contains(&args.seconds)
            && (1..=1000).contains(&args.rounds)
            && (1..=256).contains(&args.threads);
        if !is_sensible {
            bail!(
                "--seconds {} --rounds {} --threads {}: from 0.1 to 600 seconds, 1 to 1000 rounds, 1 to 256 threads",
                args.seconds,
                args.rounds,
                args.threads
            );
        }
        // Absolute, because weir is started in a folder of its own.
        let weir = args.weir.canonicalize();
        let seconds = if args.smoke { 0.3 } else { args.seconds };
        let pinned = match args.no_pin {
            true => None,
            false => Some(Cores::assign(&allowed_cores()?, args.threads)?),
        };
        Ok(Settings {
            weir: weir.with_context(|| format!("--weir {}", args.weir.display()))?,
            threads: args.threads,
            rounds: if args.smoke { 1 } else { args.rounds },
            measure: Duration::from_secs_f64(seconds),
            pinned,
            paced_streams: if args.smoke { 20 } else { 200 },
        })
    }
}

/// # Errors
/// Whatever keeps a pair from being measured, wrong answers above all.
pub async fn run(args: TranslationArgs) -> Result<ExitCode> {
    let settings = Settings::new(&args)?;
    allow_open_files(8 * settings.paced_streams as u64 + 1024)?;
    if let Some(cores) = &settings.pinned {
        stay_on(&cores.load)?;
    }
    let wants = |scenario| args.only.is_none_or(|only| only == scenario);
    let mut all = Vec::new();
    if wants(Scenario::Requests) {
        all.push(requests(&settings).await.context("requests")?);
    }
    if wants(Scenario::Saturated) {
        all.push(saturated(&settings).await.context("saturated streams")?);
    }
    if wants(Scenario::Paced) {
        all.push(paced(&settings).await.context("paced streams")?);
    }
    let table = report::table(&all, !args.smoke);
    println!("{table}");
    if args.smoke {
        println!("Smoke run: every answer was right in every pair; the figures mean nothing.");
        return Ok(ExitCode::SUCCESS);
    }
    let missed = report::missed(&all);
    println!("{}", report::verdict(&missed));
    if let Some(folder) = &args.save {
        let file = report::save(folder, &args.commit, &table, &missed)?;
        println!("saved as {}", file.display());
    }
    Ok(if args.enforce && !missed.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn requests(settings: &Settings) -> Result<Costs> {
    let wanted = Wanted {
        stream: false,
        events: 112,
    };
    let costs = Costs::new("a request", REQUEST_BAR);
    in_loops(settings, wanted, REQUEST_CONCURRENCY, costs).await
}

async fn saturated(settings: &Settings) -> Result<Costs> {
    let wanted = Wanted {
        stream: true,
        events: SATURATED_EVENTS,
    };
    let costs = Costs::new("an event, saturated", EVENT_BAR);
    in_loops(settings, wanted, SATURATED_STREAMS, costs).await
}

/// As many exchanges as there is time for. A stream's cost is spread over its content events, which are the host's own, so that
/// pairs with other frames around them are comparable; the frames' cost, and the request's, is in it.
async fn in_loops(
    settings: &Settings,
    wanted: Wanted,
    concurrency: usize,
    mut costs: Costs,
) -> Result<Costs> {
    let stage = Stage::start(settings, wanted, Duration::ZERO).await?;
    let units = if wanted.stream { wanted.events } else { 1 };
    for (_, target) in &stage.targets {
        // Warms up.
        measure(&stage.weir, target, concurrency, settings.measure / 2).await?;
    }
    for at in order(settings) {
        let (pair, target) = &stage.targets[at];
        eprintln!("measuring: {}, {}", costs.unit, pair.name());
        let measured = measure(&stage.weir, target, concurrency, settings.measure).await;
        let (cpu, right) = measured.with_context(|| pair.name())?;
        costs.rounds[at].push(cpu.as_secs_f64() * 1e6 / (right * units) as f64);
    }
    Ok(costs)
}

async fn measure(
    weir: &Process,
    target: &Target,
    concurrency: usize,
    length: Duration,
) -> Result<(Duration, u64)> {
    let before = weir.cpu()?;
    let bounds = Bounds {
        until: Instant::now() + length,
        exchanges: u64::MAX,
    };
    let tally = closed_loops(target, concurrency, bounds).await?;
    let right = tally.all_right()?.right;
    Ok((weir.cpu()?.since(&before)?, right))
}

/// While all streams are open: content events alone, each in a write of its own.
async fn paced(settings: &Settings) -> Result<Costs> {
    let open = OpenStreams {
        count: settings.paced_streams,
        pace: PACE,
        measure: settings.measure,
    };
    let wanted = Wanted {
        stream: true,
        events: open.events(),
    };
    let mut costs = Costs::new("an event, paced", EVENT_BAR);
    let stage = Stage::start(settings, wanted, PACE).await?;
    for at in order(settings) {
        let (pair, target) = &stage.targets[at];
        eprintln!("measuring: {}, {}", costs.unit, pair.name());
        let measured = open.run(target, &stage.weir, pair.name()).await?;
        costs.rounds[at].push(measured.cpu.as_secs_f64() * 1e6 / measured.events as f64);
    }
    Ok(costs)
}

/// The pairs in the order in which they are measured: forth in one round, back in the next.
fn order(settings: &Settings) -> impl Iterator<Item = usize> + use<> {
    let last = Pair::ALL.len() - 1;
    (0..settings.rounds).flat_map(move |round| {
        (0..=last).map(move |at| if round % 2 == 0 { at } else { last - at })
    })
}
