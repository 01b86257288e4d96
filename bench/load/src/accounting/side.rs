//! One of the two weirs that are compared, what is sent to it, and whether its own sums agree with what was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::drive::{Requests, Target, fetch};
use crate::figures::Figures;
use crate::process::Process;
use crate::request::Url;

/// Longest wait until all rows are written, and between two looks.
const ROWS_WAIT: Duration = Duration::from_secs(20);
const ROWS_POLL: Duration = Duration::from_millis(100);
/// Longest wait for an answer of the admin listener.
const ADMIN_WAIT: Duration = Duration::from_secs(10);

pub struct Side {
    pub name: &'static str,
    pub has_accounting: bool,
    pub weir: Process,
    pub admin: SocketAddr,
    pub target: Target,
    pub requests: Requests,
    /// What one answer costs, in billionths.
    pub nanos_each: u64,
    /// Right answers so far.
    answered: AtomicU64,
}

impl Side {
    pub fn new(
        has_accounting: bool,
        (weir, admin): (Process, SocketAddr),
        (target, requests): (Target, Requests),
        nanos_each: u64,
        answered: u64,
    ) -> Side {
        Side {
            name: if has_accounting { "with" } else { "without" },
            has_accounting,
            weir,
            admin,
            target,
            requests,
            nanos_each,
            answered: AtomicU64::new(answered),
        }
    }

    /// Counts right answers.
    pub fn count(&self, right: u64) {
        self.answered.fetch_add(right, Relaxed);
    }

    /// # Errors
    /// When weir is gone.
    pub fn ledger_cpu(&self) -> Result<Duration> {
        self.weir.cpu_of_threads("ledger")
    }

    /// Checks that the side did the work that it is measured for, then ends it.
    ///
    /// # Errors
    /// When its sums are not those of the answers.
    pub async fn end(mut self) -> Result<()> {
        self.weir.still_runs()?;
        let answered = self.answered.load(Relaxed) as f64;
        let deadline = Instant::now() + ROWS_WAIT;
        loop {
            let figures = self.figures().await?;
            match self.differences(&figures, answered) {
                differences if differences.is_empty() => return Ok(()),
                differences if Instant::now() > deadline => {
                    bail!(
                        "weir {} its accounts: {}",
                        self.name,
                        differences.join("; ")
                    )
                }
                _ => sleep(ROWS_POLL).await,
            }
        }
    }

    async fn figures(&self) -> Result<Figures> {
        let url = Url {
            authority: self.admin.to_string(),
            path: "/metrics".to_owned(),
        };
        let page = fetch(self.admin, &url.get(&[]), ADMIN_WAIT).await;
        let page = page.context("weir's metrics")?;
        Ok(Figures::parse(&String::from_utf8_lossy(&page)))
    }

    fn differences(&self, figures: &Figures, answered: f64) -> Vec<String> {
        let accounted = match self.has_accounting {
            true => answered,
            false => 0.0,
        };
        let cost = accounted * self.nanos_each as f64;
        let due = [
            ("weir_requests_total", answered),
            ("weir_tenant_requests_total", accounted),
            ("weir_tenant_cost_nanounits_total", cost),
            ("weir_ledger_rows_written", accounted),
            ("weir_ledger_rows_lost", 0.0),
            ("weir_limit_refusals_total", 0.0),
        ];
        let differ = due.into_iter().filter_map(|(name, due)| {
            let has = figures.sum(name, &[]);
            (has != due).then(|| format!("{name} is {has} in place of {due}"))
        });
        differ.collect()
    }
}

/// The same request from one key after the other, in an order in which each comes once before any comes again.
pub struct FromMany {
    before: Vec<u8>,
    after: Vec<u8>,
    tokens: Arc<Vec<String>>,
    step: usize,
    next: AtomicUsize,
}

impl FromMany {
    /// # Panics
    /// When the message does not hold the token, or there are no tokens.
    pub fn new(message: &[u8], token: &str, tokens: Arc<Vec<String>>) -> FromMany {
        let at = memchr::memmem::find(message, token.as_bytes()).expect("the token is in it");
        FromMany {
            before: message[..at].to_vec(),
            after: message[at + token.len()..].to_vec(),
            step: step(tokens.len()),
            tokens,
            next: AtomicUsize::new(0),
        }
    }

    pub fn write(&self, message: &mut Vec<u8>) {
        let number = self.next.fetch_add(1, Relaxed);
        let token = &self.tokens[number.wrapping_mul(self.step) % self.tokens.len()];
        message.clear();
        message.extend_from_slice(&self.before);
        message.extend_from_slice(token.as_bytes());
        message.extend_from_slice(&self.after);
    }
}

/// A stride that meets every one of so many before it meets any again, and none beside the last.
fn step(count: usize) -> usize {
    let is_prime_to = |step: usize| {
        let (mut one, mut other) = (step, count);
        while other > 0 {
            (one, other) = (other, one % other);
        }
        one == 1
    };
    let golden = (count as f64 * 0.618) as usize;
    (golden.max(1)..)
        .find(|step| is_prime_to(*step))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_comes_once_before_any_comes_again() {
        for count in [1, 2, 7, 1_000, 1_024] {
            let tokens: Vec<String> = (0..count).map(|number| format!("token-{number}")).collect();
            let many = FromMany::new(b"a: first\r\n\r\nbody", "first", Arc::new(tokens));
            for _ in 0..2 {
                let mut seen = HashSet::new();
                for _ in 0..count {
                    let mut message = b"what was there".to_vec();
                    many.write(&mut message);
                    let message = String::from_utf8(message).unwrap();
                    assert!(message.starts_with("a: token-") && message.ends_with("\r\n\r\nbody"));
                    assert!(seen.insert(message));
                }
            }
        }
    }
}
