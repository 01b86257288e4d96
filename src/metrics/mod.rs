//! Every metric that weir exports, in one place: name, help, unit and labels. Label values come from closed sets or from
//! the configuration, never from a request.

mod accounting;
mod plugins;

use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

pub use accounting::{AccountingMetrics, TENANTS_MAX};
pub use plugins::{PluginCalls, PluginMetrics};

/// The model label of requests whose model weir does not know: client input must not grow the set.
pub const UNKNOWN_MODEL: &str = "unknown";
/// The label where there is nothing to name.
pub const NONE: &str = "none";

/// To 300 s: long prompts on loaded hosts take minutes to the first token.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0,
];

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    pub accounting: AccountingMetrics,
    pub plugins: PluginMetrics,
    /// Settled exchanges by `operation`, `model`, `upstream`, `code` (HTTP status) and `fault`.
    pub requests: IntCounterVec,
    /// Seconds from the request's head to the last byte, by `operation` and `model`.
    pub duration_seconds: HistogramVec,
    /// Seconds from the request's head to the first byte for the client of a stream, by `model` and `upstream`.
    pub first_token_seconds: HistogramVec,
    /// Exchanges that have begun and are not settled.
    pub in_flight: IntGauge,
    /// Exchanges in flight at an upstream, by `upstream`.
    pub upstream_in_flight: IntGaugeVec,
    /// Tries at an upstream, by `upstream` and `outcome` (`accepted`, or the fault that ended the try).
    pub attempts: IntCounterVec,
    /// Attempts after another of the same exchange, by `upstream` (of the one that failed) and `reason` (its fault).
    pub failovers: IntCounterVec,
    /// Exchanges that had more to try and stopped, by `reason` (`attempts`, `deadline`, `budget`, `sent`).
    pub retries_refused: IntCounterVec,
    /// Retries that a model's budget would allow now, by `model`.
    pub retry_budget: GaugeVec,
    /// Exchanges that waited, by `reason` (`key`, `cold_start`) and `outcome` (`served`, `in_vain`).
    pub waits: IntCounterVec,
    /// What counted against an endpoint, by `upstream` and `reason`.
    pub upstream_harm: IntCounterVec,
    /// Changes of endpoints' standing, by `upstream` and `change`.
    pub endpoint_changes: IntCounterVec,
    /// 1 for the state that an endpoint is in, by `upstream`, `endpoint` and `state`.
    pub endpoint_state: IntGaugeVec,
    /// The score by which candidates are ordered, lowest first, by `upstream` and `endpoint`.
    pub endpoint_score: GaugeVec,
    /// Its inputs: seconds to the first byte (peak EWMA), by `upstream` and `endpoint`.
    pub endpoint_latency_seconds: GaugeVec,
    /// Share of failures, smoothed, 0 to 1, by `upstream` and `endpoint`.
    pub endpoint_error_rate: GaugeVec,
    /// Exchanges in flight, by `upstream` and `endpoint`.
    pub endpoint_in_flight: IntGaugeVec,
    /// Share of its traffic that an endpoint gets while it comes back, 0 to 1, by `upstream` and `endpoint`.
    pub endpoint_slow_start_share: GaugeVec,
    /// 1 for the state that an upstream key is in, by `upstream`, `key` and `state`.
    pub key_state: IntGaugeVec,
    /// Times that an upstream key was put to rest or out, by `upstream`, `key` and `reason`.
    pub key_rests: IntCounterVec,
    /// Seconds between events of a stream's answer as the client takes them, by `model` and `upstream`.
    pub inter_token_seconds: HistogramVec,
    /// Tokens, by `model`, `upstream` and `kind` (`input`, `cache_read`, `cache_write`, `output`, `reasoning`).
    pub tokens: IntCounterVec,
    /// Bytes of request bodies that are held now.
    pub buffered_body_bytes: IntGauge,
    /// Connections to upstreams taken for an attempt, by `upstream` and `reused` (`true`, `false`).
    pub upstream_connections: IntCounterVec,
    /// Seconds weir itself took, from the whole request to its first byte upstream.
    pub overhead_seconds: Histogram,
    /// Tries to learn an upstream's models, by `upstream` and `outcome` (`learnt`, `failed`).
    pub model_refreshes: IntCounterVec,
    /// Look-ups of an upstream's addresses by DNS or in a file, by `upstream` and `outcome` (`found`, `failed`).
    pub upstream_lookups: IntCounterVec,
    /// Reloads of the configuration, by `outcome` (`done`, `refused`).
    pub config_reloads: IntCounterVec,
    /// When the configuration in force was loaded, in seconds since 1970.
    pub config_last_reload_success: IntGauge,
    /// 1 where the last reload came into force, or there was none; 0 where it was refused.
    pub config_last_reload_successful: IntGauge,
    /// How often a configuration has come into force, the first among them.
    pub config_generation: IntGauge,
    /// TLS handshakes of clients, by `outcome` (`done`, `failed`, `timed_out`).
    pub tls_handshakes: IntCounterVec,
    /// When the certificates that weir shows end, in seconds since 1970, by `file`.
    pub certificate_expiry: IntGaugeVec,
    /// Access-log lines that were dropped because the log could not be written fast enough.
    pub log_lines_dropped: IntCounter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let registry = Registry::new();
        let metrics = Metrics {
            requests: counters(
                &registry,
                "weir_requests_total",
                "Settled exchanges.",
                &["operation", "model", "upstream", "code", "fault"],
            ),
            duration_seconds: histograms(
                &registry,
                "weir_request_duration_seconds",
                "From the request's head to the last byte of its answer.",
                &["operation", "model"],
            ),
            first_token_seconds: histograms(
                &registry,
                "weir_time_to_first_token_seconds",
                "From the request's head to the first byte of a streamed answer.",
                &["model", "upstream"],
            ),
            in_flight: gauge(
                &registry,
                "weir_requests_in_flight",
                "Exchanges that have begun and are not settled.",
            ),
            upstream_in_flight: gauges(
                &registry,
                "weir_upstream_in_flight",
                "Exchanges in flight at an upstream.",
                &["upstream"],
            ),
            attempts: counters(
                &registry,
                "weir_upstream_attempts_total",
                "Tries at an upstream: accepted, or the fault that ended the try.",
                &["upstream", "outcome"],
            ),
            failovers: counters(
                &registry,
                "weir_failovers_total",
                "Attempts after another of the same exchange, by what failed.",
                &["upstream", "reason"],
            ),
            retries_refused: counters(
                &registry,
                "weir_retries_refused_total",
                "Exchanges that had more to try and stopped, by the bound that was reached.",
                &["reason"],
            ),
            retry_budget: floats(
                &registry,
                "weir_retry_budget",
                "Retries that a model's budget would allow now.",
                &["model"],
            ),
            waits: counters(
                &registry,
                "weir_waits_total",
                "Exchanges that waited for an upstream key or for a host that loads.",
                &["reason", "outcome"],
            ),
            upstream_harm: counters(
                &registry,
                "weir_upstream_failures_total",
                "What counted against an endpoint of an upstream.",
                &["upstream", "reason"],
            ),
            endpoint_changes: counters(
                &registry,
                "weir_endpoint_changes_total",
                "Changes of endpoints' standing.",
                &["upstream", "change"],
            ),
            endpoint_state: gauges(
                &registry,
                "weir_endpoint_state",
                "1 for the state that an endpoint is in.",
                &["upstream", "endpoint", "state"],
            ),
            endpoint_score: floats(
                &registry,
                "weir_endpoint_score",
                "The score by which endpoints are ordered, lowest first.",
                &["upstream", "endpoint"],
            ),
            endpoint_latency_seconds: floats(
                &registry,
                "weir_endpoint_latency_seconds",
                "Time to the first byte, as a peak EWMA.",
                &["upstream", "endpoint"],
            ),
            endpoint_error_rate: floats(
                &registry,
                "weir_endpoint_error_rate",
                "Share of failures, smoothed, 0 to 1.",
                &["upstream", "endpoint"],
            ),
            endpoint_in_flight: gauges(
                &registry,
                "weir_endpoint_in_flight",
                "Exchanges in flight at an endpoint.",
                &["upstream", "endpoint"],
            ),
            endpoint_slow_start_share: floats(
                &registry,
                "weir_endpoint_slow_start_share",
                "Share of its traffic that an endpoint gets while it comes back, 0 to 1.",
                &["upstream", "endpoint"],
            ),
            key_state: gauges(
                &registry,
                "weir_upstream_key_state",
                "1 for the state that an upstream key is in.",
                &["upstream", "key", "state"],
            ),
            key_rests: counters(
                &registry,
                "weir_upstream_key_rests_total",
                "Times that an upstream key was put to rest or out.",
                &["upstream", "key", "reason"],
            ),
            inter_token_seconds: inter_token(&registry),
            tokens: counters(
                &registry,
                "weir_tokens_total",
                "Tokens that upstreams reported.",
                &["model", "upstream", "kind"],
            ),
            buffered_body_bytes: gauge(
                &registry,
                "weir_buffered_body_bytes",
                "Request bodies held now, in bytes.",
            ),
            upstream_connections: counters(
                &registry,
                "weir_upstream_connections_total",
                "Connections taken for an attempt, new or reused.",
                &["upstream", "reused"],
            ),
            overhead_seconds: overhead(&registry),
            model_refreshes: counters(
                &registry,
                "weir_model_refreshes_total",
                "Tries to learn an upstream's models.",
                &["upstream", "outcome"],
            ),
            upstream_lookups: counters(
                &registry,
                "weir_upstream_lookups_total",
                "Look-ups of an upstream's addresses by DNS or in a file.",
                &["upstream", "outcome"],
            ),
            config_reloads: counters(
                &registry,
                "weir_config_reloads_total",
                "Reloads of the configuration.",
                &["outcome"],
            ),
            config_last_reload_success: gauge(
                &registry,
                "weir_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was loaded, in seconds since 1970.",
            ),
            config_last_reload_successful: gauge(
                &registry,
                "weir_config_last_reload_successful",
                "1 where the last reload came into force, 0 where it was refused.",
            ),
            config_generation: gauge(
                &registry,
                "weir_config_generation",
                "How often a configuration has come into force, the first among them.",
            ),
            tls_handshakes: counters(
                &registry,
                "weir_tls_handshakes_total",
                "TLS handshakes of clients.",
                &["outcome"],
            ),
            certificate_expiry: gauges(
                &registry,
                "weir_certificate_expiry_timestamp_seconds",
                "When a certificate that weir shows ends, in seconds since 1970.",
                &["file"],
            ),
            log_lines_dropped: log_lines_dropped(&registry),
            accounting: AccountingMetrics::new(&registry),
            plugins: PluginMetrics::new(&registry),
            registry,
        };
        build_info(&metrics.registry);
        process_figures(&metrics.registry);
        metrics
    }
}

impl Metrics {
    /// The text exposition format of Prometheus.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory does not fail");
        text
    }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn floats(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register(registry, GaugeVec::new(Opts::new(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::new(name, help))
}

fn histograms(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
    register(registry, HistogramVec::new(options, labels))
}

fn overhead(registry: &Registry) -> Histogram {
    let options = HistogramOpts::new(
        "weir_overhead_seconds",
        "What weir itself took, from the whole request to its first byte upstream.",
    );
    let buckets = vec![
        0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.01, 0.1, 1.0,
    ];
    register(registry, Histogram::with_opts(options.buckets(buckets)))
}

/// From fast small models to hosts that are overloaded.
fn inter_token(registry: &Registry) -> HistogramVec {
    let options = HistogramOpts::new(
        "weir_inter_token_seconds",
        "Between the events of a streamed answer as the client takes them: one observation an event after the first write; events that go out in one write share the time since the write before.",
    );
    let buckets = vec![
        0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5,
    ];
    let labels = &["model", "upstream"];
    register(
        registry,
        HistogramVec::new(options.buckets(buckets), labels),
    )
}

fn log_lines_dropped(registry: &Registry) -> IntCounter {
    let help = "Access-log lines dropped because the log could not be written fast enough.";
    register(
        registry,
        IntCounter::new("weir_log_lines_dropped_total", help),
    )
}

fn build_info(registry: &Registry) {
    let info = gauges(
        registry,
        "weir_build_info",
        "Always 1; the version is a label.",
        &["version"],
    );
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
}

/// CPU time, memory, open files and start time, as Prometheus' own clients name them.
fn process_figures(registry: &Registry) {
    let figures = prometheus::process_collector::ProcessCollector::for_self();
    registry
        .register(Box::new(figures))
        .expect("every metric has a name of its own");
}

fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<M, prometheus::Error>,
) -> M {
    let metric = metric.expect("the metric's name and labels are valid");
    registry
        .register(Box::new(metric.clone()))
        .expect("every metric has a name of its own");
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        let metrics = Metrics::default();
        metrics
            .attempts
            .with_label_values(&["gpu-a", "accepted"])
            .inc();
        metrics.overhead_seconds.observe(0.000_03);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(
            text.contains(
                "weir_upstream_attempts_total{outcome=\"accepted\",upstream=\"gpu-a\"} 1"
            ),
            "{text}"
        );
        assert!(
            text.contains("weir_overhead_seconds_bucket{le=\"0.00005\"} 1"),
            "{text}"
        );
        assert!(text.contains("weir_build_info{version="), "{text}");
    }
}
