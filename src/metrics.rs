//! Every metric that weir exports, in one place: name, help, unit and labels. Label values come from closed sets or from
//! the configuration, never from a request.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

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
            log_lines_dropped: log_lines_dropped(&registry),
            registry,
        };
        build_info(&metrics.registry);
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
