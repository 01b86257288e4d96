//! What knowing callers, limiting them, reserving, charging and writing it all down costs: a weir with all of it, and a store
//! full of tenants and keys, beside the same weir without any of it, in alternating rounds.

mod report;
mod side;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::compare::Cores;
use crate::drive::{Bounds, closed_loops_of};
use crate::process::{allow_open_files, allowed_cores, stay_on};
use report::Costs;
use side::Side;
use stage::Stage;

/// Connections at once.
const CONCURRENCY: usize = 32;
/// What one request may cost on top of the same request with none of it, in µs.
const REQUEST_BAR: f64 = 6.0;
/// After the last answer of a round, so that its rows are written within it: more than two commits' time.
const WRITTEN_WAIT: Duration = Duration::from_millis(50);

#[derive(Args)]
pub struct AccountingArgs {
    /// The weir binary
    #[arg(long)]
    weir: PathBuf,
    /// The program that fills a store: weir's example `fill-store`
    #[arg(long)]
    fill_store: PathBuf,
    /// Tenants in the store
    #[arg(long, default_value_t = 10_000)]
    tenants: usize,
    /// Keys in the store; each is used
    #[arg(long, default_value_t = 100_000)]
    keys: usize,
    /// Length of one measurement
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measurements of each side; the table shows medians
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Exchanges of a measurement, in place of a time: for instruments that make weir slow
    #[arg(long, conflicts_with = "save")]
    exchanges: Option<u64>,
    /// Puts these words before weir's own command line, such as an instrument's
    #[arg(long, conflicts_with = "save", value_delimiter = ' ')]
    under: Vec<String>,
    /// Worker threads of weir
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Lets every process run on every core, in place of weir on the first, host and load on the last
    #[arg(long)]
    no_pin: bool,
    /// A short run that shows that everything works; its figures mean nothing, and no bar is applied
    #[arg(long, conflicts_with_all = ["enforce", "save"])]
    smoke: bool,
    /// Exit code 1 when the bar is missed
    #[arg(long)]
    enforce: bool,
    /// Writes the table into this folder, in a file named after the day and the commit
    #[arg(long)]
    save: Option<PathBuf>,
    /// What was measured, for the saved file
    #[arg(long, default_value = "unknown")]
    commit: String,
}

/// What holds for the whole run.
struct Settings {
    weir: PathBuf,
    fill_store: PathBuf,
    tenants: usize,
    keys: usize,
    threads: usize,
    rounds: usize,
    measure: Duration,
    exchanges: u64,
    under: Vec<String>,
    pinned: Option<Cores>,
}

/// A store for a run that only shows that everything works.
const SMOKE_TENANTS: usize = 100;
const SMOKE_KEYS: usize = 1_000;

impl Settings {
    fn new(args: &AccountingArgs) -> Result<Settings> {
        let is_sensible = (0.1..=600.0).contains(&args.seconds)
            && (1..=1000).contains(&args.rounds)
            && (1..=256).contains(&args.threads)
            && (1..=10_000_000).contains(&args.keys)
            && (1..=args.keys).contains(&args.tenants);
        if !is_sensible {
            bail!(
                "--seconds {} --rounds {} --threads {} --tenants {} --keys {}: from 0.1 to 600 seconds, 1 to 1000 rounds, 1 to 256 threads, 1 to 10000000 keys, and no more tenants than keys",
                args.seconds,
                args.rounds,
                args.threads,
                args.tenants,
                args.keys
            );
        }
        // Absolute, because weir is started in a folder of its own.
        let absolute = |path: &PathBuf| {
            let found = path.canonicalize();
            found.with_context(|| path.display().to_string())
        };
        let smoke = args.smoke;
        Ok(Settings {
            weir: absolute(&args.weir)?,
            fill_store: absolute(&args.fill_store)?,
            tenants: if smoke { SMOKE_TENANTS } else { args.tenants },
            keys: if smoke { SMOKE_KEYS } else { args.keys },
            threads: args.threads,
            rounds: if smoke { 1 } else { args.rounds },
            measure: Duration::from_secs_f64(if smoke { 0.3 } else { args.seconds }),
            exchanges: args.exchanges.unwrap_or(u64::MAX),
            under: args.under.clone(),
            pinned: match args.no_pin {
                true => None,
                false => Some(Cores::assign(&allowed_cores()?, args.threads)?),
            },
        })
    }

    fn bounds(&self) -> Bounds {
        let until = match self.exchanges {
            u64::MAX => self.measure,
            // As long as it takes.
            _ => Duration::from_secs(3600),
        };
        Bounds {
            until: Instant::now() + until,
            exchanges: self.exchanges,
        }
    }
}

/// # Errors
/// Whatever keeps a side from being measured, wrong answers and wrong sums above all.
pub async fn run(args: AccountingArgs) -> Result<ExitCode> {
    let settings = Settings::new(&args)?;
    allow_open_files(1024)?;
    if let Some(cores) = &settings.pinned {
        stay_on(&cores.load)?;
    }
    let stage = Stage::start(&settings).await?;
    let costs = rounds(&settings, &stage).await?;
    for side in stage.sides {
        side.end().await?;
    }
    let table = report::table(&costs, !args.smoke);
    println!("{table}");
    if args.smoke {
        println!(
            "Smoke run: every answer was right, and so was every row and sum of the ledger's; the figures mean nothing."
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", report::verdict(&costs));
    if let Some(folder) = &args.save {
        let file = report::save(folder, &args.commit, &settings, &table, &costs)?;
        println!("saved as {}", file.display());
    }
    Ok(if args.enforce && !costs.is_within() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn rounds(settings: &Settings, stage: &Stage) -> Result<Costs> {
    let mut costs = Costs::new(REQUEST_BAR);
    for side in &stage.sides {
        eprintln!("warming up: {}", side.name);
        // Every key once: what is made for each at its first use is made before anything is measured.
        let bounds = Bounds {
            until: Instant::now() + Duration::from_secs(600),
            exchanges: settings.exchanges.min(settings.keys as u64),
        };
        let tally = closed_loops_of(&side.target, &side.requests, CONCURRENCY, bounds).await?;
        side.count(tally.all_right().context(side.name)?.right);
    }
    for round in 0..settings.rounds {
        let mut order: Vec<&Side> = stage.sides.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            let measured = measure(settings, side).await.context(side.name)?;
            eprintln!("round {round}: {}: {measured:?}", side.name);
            costs.push(side.has_accounting, measured);
        }
    }
    Ok(costs)
}

/// What one request took in a round, in µs of weir's CPU.
#[derive(Debug, Clone, Copy)]
struct Measured {
    all: f64,
    /// Of that, the ledger's thread.
    ledger: f64,
}

async fn measure(settings: &Settings, side: &Side) -> Result<Measured> {
    let (before, ledger_before) = (side.weir.cpu()?, side.ledger_cpu()?);
    let bounds = settings.bounds();
    let tally = closed_loops_of(&side.target, &side.requests, CONCURRENCY, bounds).await?;
    let right = tally.all_right()?.right;
    sleep(WRITTEN_WAIT).await;
    side.count(right);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / right as f64;
    Ok(Measured {
        all: each(side.weir.cpu()?.since(&before)?),
        ledger: each(side.ledger_cpu()? - ledger_before),
    })
}
