//! What the engine counts: requests, tokens, and how long they took.
//! It must not know how requests are scheduled, nor under which names the counts are shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::engine::Work;

/// Counters and histograms of one engine.
pub struct Metrics {
    pub(super) prompt_tokens: AtomicU64,
    pub(super) generation_tokens: AtomicU64,
    pub(super) finished_stop: AtomicU64,
    pub(super) finished_length: AtomicU64,
    pub(super) finished_abort: AtomicU64,
    pub(super) prefill_us: AtomicU64,
    pub(super) decode_us: AtomicU64,
    pub(super) first_token: Histogram,
    pub(super) per_token: Histogram,
    pub(super) whole: Histogram,
    pub(super) queue: Histogram,
    pub(super) prefill: Histogram,
    pub(super) decode: Histogram,
    pub(super) prompt_length: Histogram,
    pub(super) output_length: Histogram,
}

/// How long the stages of one request took.
pub struct Times {
    pub queue: Duration,
    pub prefill: Duration,
    pub decode: Duration,
    pub whole: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            prompt_tokens: AtomicU64::new(0),
            generation_tokens: AtomicU64::new(0),
            finished_stop: AtomicU64::new(0),
            finished_length: AtomicU64::new(0),
            finished_abort: AtomicU64::new(0),
            prefill_us: AtomicU64::new(0),
            decode_us: AtomicU64::new(0),
            first_token: Histogram::new(&FIRST_TOKEN_BUCKETS),
            per_token: Histogram::new(&PER_TOKEN_BUCKETS),
            whole: Histogram::new(&LATENCY_BUCKETS),
            queue: Histogram::new(&LATENCY_BUCKETS),
            prefill: Histogram::new(&LATENCY_BUCKETS),
            decode: Histogram::new(&LATENCY_BUCKETS),
            prompt_length: Histogram::new(&LENGTH_BUCKETS),
            output_length: Histogram::new(&LENGTH_BUCKETS),
        }
    }
}

impl Metrics {
    pub(super) fn began(&self, prompt_tokens: usize) {
        self.prompt_tokens
            .fetch_add(prompt_tokens as u64, Ordering::Relaxed);
    }

    pub(super) fn finished(&self, reason: &str, work: Work, times: &Times) {
        let counter = if reason == "length" {
            &self.finished_length
        } else {
            &self.finished_stop
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.whole.observe(times.whole.as_secs_f64(), 1);
        self.queue.observe(times.queue.as_secs_f64(), 1);
        self.prefill.observe(times.prefill.as_secs_f64(), 1);
        self.decode.observe(times.decode.as_secs_f64(), 1);
        self.prompt_length.observe(work.prompt_tokens as f64, 1);
        self.output_length.observe(work.output_tokens as f64, 1);
        self.prefill_us
            .fetch_add(times.prefill.as_micros() as u64, Ordering::Relaxed);
        self.decode_us
            .fetch_add(times.decode.as_micros() as u64, Ordering::Relaxed);
        if work.longest_tokens > 1 {
            let gaps = work.longest_tokens as u64 - 1;
            // One observation a gap, as the engine makes, at their mean: a stream pays for this once.
            self.per_token
                .observe(times.decode.as_secs_f64() / gaps as f64, gaps);
        }
    }

    pub(super) fn left(&self, tokens: u64, first_token: Option<Duration>, aborted: bool) {
        self.generation_tokens.fetch_add(tokens, Ordering::Relaxed);
        if let Some(first_token) = first_token {
            self.first_token.observe(first_token.as_secs_f64(), 1);
        }
        if aborted {
            self.finished_abort.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Observations in buckets.
pub(super) struct Histogram {
    pub(super) bounds: &'static [f64],
    /// One more than the bounds: the last holds what is above them all.
    pub(super) counts: Vec<AtomicU64>,
    pub(super) sum_millionths: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_millionths: AtomicU64::new(0),
        }
    }

    fn observe(&self, value: f64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(times, Ordering::Relaxed);
        self.sum_millionths
            .fetch_add((value * 1e6) as u64 * times, Ordering::Relaxed);
    }
}

const FIRST_TOKEN_BUCKETS: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const PER_TOKEN_BUCKETS: [f64; 19] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const LATENCY_BUCKETS: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
/// vLLM's `build_1_2_5_buckets(131072)`.
const LENGTH_BUCKETS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0,
    50000.0, 100000.0,
];
