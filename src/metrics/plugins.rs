//! What is counted about plugins.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Registry,
};

use super::{counters, gauges, register};

/// Calls take from a microsecond to the second that a batch of an observer has.
const SECONDS: &[f64] = &[
    0.000_002, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.02,
    0.05, 0.25, 1.0,
];

/// The outcome of a call without trouble.
const GOOD: &str = "ok";

/// All that is counted about plugins.
#[derive(Clone)]
pub struct PluginMetrics {
    /// Calls by `plugin`, `hook` and `outcome` (`ok`, or what went wrong).
    pub calls: IntCounterVec,
    /// Seconds of a call, by `plugin` and `hook`.
    pub seconds: HistogramVec,
    /// 1 while a plugin is not asked, because it has failed too often, by `plugin`.
    pub tripped: IntGaugeVec,
    /// Instances of components that are alive, by `plugin`.
    pub instances: IntGaugeVec,
}

/// The numbers of one plugin, at hand for every call.
pub struct PluginCalls {
    metrics: PluginMetrics,
    plugin: String,
    /// By hook; made with its first call.
    hooks: Vec<OnceLock<(IntCounter, Histogram)>>,
}

impl PluginMetrics {
    pub(super) fn new(registry: &Registry) -> PluginMetrics {
        let options = HistogramOpts::new("weir_plugin_call_seconds", "Seconds of a plugin's call.");
        let seconds = HistogramVec::new(options.buckets(SECONDS.to_vec()), &["plugin", "hook"]);
        let seconds = register(registry, seconds);
        PluginMetrics {
            calls: counters(
                registry,
                "weir_plugin_calls_total",
                "Calls of plugins, by hook and outcome.",
                &["plugin", "hook", "outcome"],
            ),
            seconds,
            tripped: gauges(
                registry,
                "weir_plugin_tripped",
                "1 while a plugin is not asked, because it has failed too often.",
                &["plugin"],
            ),
            instances: gauges(
                registry,
                "weir_plugin_instances",
                "Instances of a component that are alive.",
                &["plugin"],
            ),
        }
    }

    /// The numbers of one plugin, which has so many hooks.
    pub fn of(&self, plugin: &str, hooks: usize) -> PluginCalls {
        PluginCalls {
            metrics: self.clone(),
            plugin: plugin.to_owned(),
            hooks: (0..hooks).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl PluginCalls {
    /// A call of the `at`th hook has ended.
    pub fn called(&self, (at, hook): (usize, &str), outcome: &str, is_good: bool, took: Duration) {
        let plugin = self.plugin.as_str();
        let Some(kept) = self.hooks.get(at) else {
            return;
        };
        let (good, seconds) = kept.get_or_init(|| {
            let calls = &self.metrics.calls;
            let seconds = &self.metrics.seconds;
            (
                calls.with_label_values(&[plugin, hook, GOOD]),
                seconds.with_label_values(&[plugin, hook]),
            )
        });
        seconds.observe(took.as_secs_f64());
        match is_good {
            true => good.inc(),
            false => {
                let calls = &self.metrics.calls;
                calls.with_label_values(&[plugin, hook, outcome]).inc();
            }
        }
    }

    pub fn tripped(&self, is_tripped: bool) {
        let gauge = self.metrics.tripped.with_label_values(&[&self.plugin]);
        gauge.set(i64::from(is_tripped));
    }

    pub fn instances(&self, change: i64) {
        let gauge = self.metrics.instances.with_label_values(&[&self.plugin]);
        gauge.add(change);
    }
}
