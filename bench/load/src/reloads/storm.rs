//! One reload after the other while traffic runs: asked for by signal and by the admin listener, each waited for, and its
//! outcome held against what it must be.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, sleep_until};

use super::variants::{Fixed, Variant};
use crate::process::Memory;
use crate::random::Random;
use crate::weir::Weir;

/// How long one reload may take before the run is given up.
const RELOAD_WAIT: Duration = Duration::from_secs(30);
const RELOAD_POLL: Duration = Duration::from_millis(5);
/// Memory is compared from this reload on; what is allocated once has been by then.
pub const SETTLED_AFTER: usize = 100;

/// What came of all reloads.
#[derive(Debug, Default)]
pub struct Reloaded {
    pub done: usize,
    pub refused: usize,
    pub by_signal: usize,
    /// Reloads with another outcome than they must have.
    pub wrong: Vec<String>,
    /// From asking to knowing.
    pub longest: Duration,
    pub elapsed: Duration,
    /// weir's, after the first [`SETTLED_AFTER`] and at the end.
    pub memory: Vec<Memory>,
}

/// Reloads `count` times within `time`, or as long as it takes.
///
/// # Errors
/// When weir does not reload at all, or ends.
pub async fn run(
    weir: &Weir,
    fixed: &Fixed,
    count: usize,
    time: Duration,
    seed: u64,
) -> Result<Reloaded> {
    let mut random = Random::new(seed);
    let begin = Instant::now();
    let mut reloaded = Reloaded::default();
    for number in 0..count {
        sleep_until(begin + time.mul_f64(number as f64 / count as f64)).await;
        if number == SETTLED_AFTER.min(count / 2) {
            reloaded.memory.push(weir.memory()?);
        }
        let variant = fixed.variant(&mut random);
        let asked = Instant::now();
        let is_done = if random.chance(0.8) {
            reloaded.by_signal += 1;
            by_signal(weir, &variant).await
        } else {
            by_admin(weir, &variant).await
        };
        let is_done = is_done.with_context(|| format!("reload {number}"))?;
        reloaded.longest = reloaded.longest.max(asked.elapsed());
        reloaded.done += usize::from(is_done);
        reloaded.refused += usize::from(!is_done);
        if is_done == variant.is_broken {
            let outcome = if is_done {
                "came into force"
            } else {
                "was refused"
            };
            let told = format!("reload {number} {outcome}:\n{}", variant.yaml);
            reloaded.wrong.push(told);
        }
    }
    reloaded.elapsed = begin.elapsed();
    Ok(reloaded)
}

/// Puts a configuration where weir reads it, in one step, as an editor or Kubernetes does.
///
/// # Errors
/// When it cannot be written.
pub fn write(weir: &Weir, yaml: &str) -> Result<()> {
    let beside = weir.config_file.with_extension("new");
    fs::write(&beside, yaml)?;
    fs::rename(beside, &weir.config_file)?;
    Ok(())
}

/// Whether it came into force.
async fn by_signal(weir: &Weir, variant: &Variant) -> Result<bool> {
    let before = outcomes(weir).await?;
    write(weir, &variant.yaml)?;
    weir.reload()?;
    let deadline = Instant::now() + RELOAD_WAIT;
    loop {
        let now = outcomes(weir).await?;
        match (now.0 - before.0, now.1 - before.1) {
            (0.0, 0.0) if Instant::now() > deadline => bail!("SIGHUP has led to no reload"),
            (0.0, 0.0) => sleep(RELOAD_POLL).await,
            (1.0, 0.0) => return Ok(true),
            (0.0, 1.0) => return Ok(false),
            (done, refused) => bail!("SIGHUP has led to {done} reloads and {refused} refusals"),
        }
    }
}

/// Reloads done, and refused.
async fn outcomes(weir: &Weir) -> Result<(f64, f64)> {
    let figures = weir.figures().await?;
    let of = |outcome| figures.sum("weir_config_reloads_total", &[("outcome", outcome)]);
    Ok((of("done"), of("refused")))
}

/// Whether it came into force.
async fn by_admin(weir: &Weir, variant: &Variant) -> Result<bool> {
    write(weir, &variant.yaml)?;
    match weir.post_reload().await? {
        200 => Ok(true),
        422 => Ok(false),
        status => bail!("POST /admin/v1/reload has answered {status}"),
    }
}
