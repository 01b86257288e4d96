//! Gauges that are read off the state of things when somebody looks, rather than kept up to date.

use std::time::Instant;

use crate::ledger;
use crate::metrics::UNKNOWN_MODEL;
use crate::route::{Catalog, Route};
use crate::upstream::health::score;
use crate::upstream::{Endpoint, Standing, Upstream, present};

use super::Gateway;

impl Gateway {
    /// The metrics page of Prometheus, true for this moment.
    pub fn metrics_page(&self) -> Vec<u8> {
        let metrics = &self.metrics;
        let _one_at_a_time = self.filling_gauges.lock();
        let held = i64::try_from(self.buffers.held()).unwrap_or(i64::MAX);
        metrics.buffered_body_bytes.set(held);
        self.forget_gauges();
        let snapshot = self.snapshot();
        self.gauge_budgets(&snapshot.catalog);
        self.gauge_accounting();
        for upstream in &snapshot.upstreams {
            self.gauge_upstream(upstream);
        }
        metrics.render()
    }

    /// What is no longer configured must not be shown for good.
    fn forget_gauges(&self) {
        let metrics = &self.metrics;
        metrics.retry_budget.reset();
        metrics.upstream_in_flight.reset();
        metrics.endpoint_state.reset();
        metrics.endpoint_score.reset();
        metrics.endpoint_latency_seconds.reset();
        metrics.endpoint_error_rate.reset();
        metrics.endpoint_in_flight.reset();
        metrics.endpoint_slow_start_share.reset();
        metrics.key_state.reset();
        metrics.upstream_lookups.reset();
    }

    fn gauge_budgets(&self, catalog: &Catalog) {
        let now = Instant::now();
        let gauge = |model: &str, route: &Route| {
            let gauge = self.metrics.retry_budget.with_label_values(&[model]);
            gauge.set(route.retries.balance(now));
        };
        catalog
            .routes()
            .for_each(|(model, route)| gauge(model, route));
        if let Some(default) = catalog.default_plan() {
            gauge(UNKNOWN_MODEL, &default.route);
        }
    }

    /// What is reserved, and how the ledger does.
    fn gauge_accounting(&self) {
        let metrics = &self.metrics.accounting;
        let held = self.accounting.meters.held();
        let reserved = [
            ("exchanges", i64::from(held.exchanges)),
            ("tokens", whole(held.tokens)),
            ("nanos", held.spend.nanos()),
        ];
        for (what, amount) in reserved {
            metrics.reserved.with_label_values(&[what]).set(amount);
        }
        metrics
            .meters
            .set(whole(self.accounting.meters.count() as u64));
        let Some(books) = &self.accounting.books else {
            return;
        };
        let state = match books.ledger.state() {
            ledger::State::Healthy => "healthy",
            ledger::State::Behind { .. } => "behind",
            ledger::State::Failing { .. } => "failing",
        };
        for known in ["healthy", "behind", "failing"] {
            let is_in = i64::from(known == state);
            metrics.ledger_state.with_label_values(&[known]).set(is_in);
        }
        let figures = books.ledger.figures();
        metrics.ledger_rows.set(whole(figures.rows_written));
        metrics.ledger_rows_lost.set(whole(figures.rows_lost));
        metrics
            .ledger_commits_failed
            .set(whole(figures.commits_failed));
        metrics
            .ledger_queued
            .set(whole(figures.queued_items as u64));
        metrics.ledger_holds.set(whole(figures.holds_open as u64));
        let intervals = [
            ("last", figures.last_interval),
            ("longest", figures.longest_interval),
            ("last_written", figures.last_written_after),
            ("longest_written", figures.longest_written_after),
        ];
        for (which, interval) in intervals {
            let gauge = metrics.ledger_interval_seconds.with_label_values(&[which]);
            gauge.set(interval.as_secs_f64());
        }
    }

    fn gauge_upstream(&self, upstream: &Upstream) {
        let name = upstream.config.name.as_str();
        let in_flight = i64::try_from(upstream.in_flight()).unwrap_or(i64::MAX);
        let metrics = &self.metrics;
        metrics
            .upstream_in_flight
            .with_label_values(&[name])
            .set(in_flight);
        let look_ups = upstream.state.look_ups();
        for (outcome, count) in [("found", look_ups.found), ("failed", look_ups.failed)] {
            let labels = [name, outcome];
            let counter = metrics.upstream_lookups.with_label_values(&labels);
            counter.inc_by(count);
        }
        let endpoints = upstream.endpoints();
        endpoints
            .iter()
            .for_each(|endpoint| self.gauge_endpoint(endpoint));
        for key in upstream.account.keys.status(present()) {
            let labels = [name, key.label.as_str(), key.state.as_str()];
            metrics.key_state.with_label_values(&labels).set(1);
        }
    }

    fn gauge_endpoint(&self, endpoint: &Endpoint) {
        let labels = [endpoint.upstream.name.as_str(), endpoint.name.as_str()];
        let metrics = &self.metrics;
        let view = endpoint.health.view(Instant::now());
        for standing in Standing::ALL {
            let states = [labels[0], labels[1], standing.label()];
            let is_in = i64::from(view.standing == standing);
            metrics.endpoint_state.with_label_values(&states).set(is_in);
        }
        let latency = view.latency.unwrap_or_default();
        let in_flight = i64::try_from(view.in_flight).unwrap_or(i64::MAX);
        metrics
            .endpoint_score
            .with_label_values(&labels)
            .set(score(&view, latency));
        metrics
            .endpoint_latency_seconds
            .with_label_values(&labels)
            .set(latency.as_secs_f64());
        metrics
            .endpoint_error_rate
            .with_label_values(&labels)
            .set(view.error_rate);
        metrics
            .endpoint_in_flight
            .with_label_values(&labels)
            .set(in_flight);
        metrics
            .endpoint_slow_start_share
            .with_label_values(&labels)
            .set(view.share);
    }
}

/// As gauges count.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
