//! Metrics of who called, what was refused, what was used and paid, and of the ledger that it is written into.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Registry};

use super::{counters, floats, gauge, gauges, register};

/// Tenants that metrics tell apart; those that come later are `other`, however many there are.
pub const TENANTS_MAX: usize = 1_000;

/// Metrics of callers, money and the ledger.
pub struct AccountingMetrics {
    /// Exchanges refused by a limit, by `scope` and `limit`.
    pub limit_refusals: IntCounterVec,
    /// Exchanges settled, by `tenant` and `end`.
    pub tenant_requests: IntCounterVec,
    /// Tokens, by `tenant` and `kind` (`input`, `output`).
    pub tenant_tokens: IntCounterVec,
    /// Money in billionths of the currency's unit, by `tenant`.
    pub tenant_cost_nanos: IntCounterVec,
    /// Money in billionths of the currency's unit, by `model` and `upstream`.
    pub cost_nanos: IntCounterVec,
    /// Exchanges whose tokens weir had to count itself, by `model`.
    pub estimated: IntCounterVec,
    /// Exchanges for which no price was known, by `model`.
    pub unpriced: IntCounterVec,
    /// Warnings of budgets, by `scope` and `outcome` (`told`, `failed`, `logged`).
    pub budget_warnings: IntCounterVec,
    /// 1 for the state that the ledger is in, by `state`.
    pub ledger_state: prometheus::IntGaugeVec,
    pub ledger_rows: IntGauge,
    pub ledger_rows_lost: IntGauge,
    pub ledger_commits_failed: IntGauge,
    pub ledger_queued: IntGauge,
    pub ledger_holds: IntGauge,
    /// Seconds between the beginnings of two commits, by `which` (`last`, `longest`).
    pub ledger_interval_seconds: GaugeVec,
    pub store_bytes: IntGauge,
    /// What reservations hold now: nothing when no exchange runs; by `what` (`exchanges`, `tokens`, `nanos`).
    pub reserved: prometheus::IntGaugeVec,
    /// Meters that are kept.
    pub meters: IntGauge,
    pub audit_lines: IntCounter,
}

impl AccountingMetrics {
    pub(super) fn new(registry: &Registry) -> AccountingMetrics {
        AccountingMetrics {
            limit_refusals: counters(
                registry,
                "weir_limit_refusals_total",
                "Exchanges refused by a limit, a budget or a balance.",
                &["scope", "limit"],
            ),
            tenant_requests: counters(
                registry,
                "weir_tenant_requests_total",
                "Exchanges settled, by tenant and how they ended.",
                &["tenant", "end"],
            ),
            tenant_tokens: counters(
                registry,
                "weir_tenant_tokens_total",
                "Tokens used, by tenant.",
                &["tenant", "kind"],
            ),
            tenant_cost_nanos: counters(
                registry,
                "weir_tenant_cost_nanounits_total",
                "Money charged, in billionths of the currency's unit, by tenant.",
                &["tenant"],
            ),
            cost_nanos: counters(
                registry,
                "weir_cost_nanounits_total",
                "Money charged, in billionths of the currency's unit, by model and upstream.",
                &["model", "upstream"],
            ),
            estimated: counters(
                registry,
                "weir_usage_estimated_total",
                "Exchanges whose tokens were counted here, as the upstream did not report them all.",
                &["model"],
            ),
            unpriced: counters(
                registry,
                "weir_usage_unpriced_total",
                "Exchanges for which no price was known.",
                &["model"],
            ),
            budget_warnings: counters(
                registry,
                "weir_budget_warnings_total",
                "Budgets that crossed their threshold, and whether the webhook was told.",
                &["scope", "outcome"],
            ),
            ledger_state: gauges(
                registry,
                "weir_ledger_state",
                "1 for the state that the ledger is in.",
                &["state"],
            ),
            ledger_rows: gauge(
                registry,
                "weir_ledger_rows_written",
                "Rows written since the start.",
            ),
            ledger_rows_lost: gauge(
                registry,
                "weir_ledger_rows_lost",
                "Rows lost since the start because the queue was full.",
            ),
            ledger_commits_failed: gauge(
                registry,
                "weir_ledger_commits_failed",
                "Commits that failed since the start; each is tried again.",
            ),
            ledger_queued: gauge(
                registry,
                "weir_ledger_queued",
                "Rows, holds and notes that are not durable yet.",
            ),
            ledger_holds: gauge(
                registry,
                "weir_ledger_holds_open",
                "Exchanges that are written down as running.",
            ),
            ledger_interval_seconds: floats(
                registry,
                "weir_ledger_interval_seconds",
                "From settling to the disk's having confirmed it, by the last record and the longest; and to its being written, which a kill cannot undo.",
                &["which"],
            ),
            store_bytes: gauge(
                registry,
                "weir_store_bytes",
                "What the store takes on its disk.",
            ),
            reserved: gauges(
                registry,
                "weir_reserved",
                "What reservations hold now, at all meters together.",
                &["what"],
            ),
            meters: gauge(registry, "weir_meters", "Meters that are kept."),
            audit_lines: register(
                registry,
                IntCounter::new(
                    "weir_audit_events_total",
                    "Changes made through the admin API.",
                ),
            ),
        }
    }
}
