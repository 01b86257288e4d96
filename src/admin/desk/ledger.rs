//! How the ledger does. It must not know what is in it.

use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::LedgerShown;
use crate::ledger::State;
use crate::ledger::query::moment;

use super::Desk;

impl Desk<'_> {
    pub(super) fn ledger(&self) -> Result<Reply, Refusal> {
        let ledger = &self.books()?.ledger;
        let figures = ledger.figures();
        let (state, since, why) = match ledger.state() {
            State::Healthy => ("healthy", None, None),
            State::Behind { since } => ("behind", Some(since), None),
            State::Failing { since, why } => ("failing", Some(since), Some(why)),
        };
        reply::ok(&LedgerShown {
            state: state.to_owned(),
            since: since.map(moment::text),
            why,
            rows_written: figures.rows_written,
            rows_lost: figures.rows_lost,
            commits: figures.commits,
            commits_failed: figures.commits_failed,
            queued: figures.queued_items as u64,
            queued_bytes: figures.queued_bytes as u64,
            holds: figures.holds_open as u64,
            longest_written_ms: figures.longest_written_after.as_secs_f64() * 1e3,
            last_interval_ms: figures.last_interval.as_secs_f64() * 1e3,
            longest_interval_ms: figures.longest_interval.as_secs_f64() * 1e3,
        })
    }

    pub(super) fn flush_ledger(&self) -> Result<Reply, Refusal> {
        let flushed = futures::executor::block_on(self.books()?.ledger.flush());
        flushed.map_err(|error| reply::unavailable(error.to_string()))?;
        self.ledger()
    }
}
