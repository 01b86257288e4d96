//! What can be seen of an endpoint at one moment, and the score that is made of it. Pure.

use std::time::Duration;

/// Latencies below it are all the same, so that what is in flight always matters.
const LATENCY_MIN: Duration = Duration::from_millis(1);
/// What an error rate of 1 adds to the factor 1 of an endpoint without errors.
const ERROR_WEIGHT: f64 = 10.0;
/// The share of an endpoint at the very beginning of its slow start.
pub(super) const SHARE_MIN: f64 = 0.1;

/// What an endpoint is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Takes requests.
    Healthy,
    /// Takes requests, fewer at first: it has just come back.
    Recovering,
    /// Its ejection is over: one request at a time decides whether it comes back.
    Trial,
    /// Has asked to be left alone until a known time. No fault.
    Busy,
    /// Answers that it is loading its model. No fault.
    Loading,
    /// Failed so often that it is left alone for a time.
    Ejected,
    /// Fails its probes.
    Down,
}

impl Standing {
    pub const ALL: [Standing; 7] = [
        Standing::Healthy,
        Standing::Recovering,
        Standing::Trial,
        Standing::Busy,
        Standing::Loading,
        Standing::Ejected,
        Standing::Down,
    ];

    /// The name in metrics, logs and the admin API.
    pub fn label(self) -> &'static str {
        match self {
            Standing::Healthy => "healthy",
            Standing::Recovering => "recovering",
            Standing::Trial => "trial",
            Standing::Busy => "busy",
            Standing::Loading => "loading",
            Standing::Ejected => "ejected",
            Standing::Down => "down",
        }
    }

    /// Whether it takes requests like any other. An endpoint on trial does not: nobody knows yet whether it works.
    pub fn is_usable(self) -> bool {
        matches!(self, Standing::Healthy | Standing::Recovering)
    }
}

/// Whether an endpoint may be ejected, going by the `others` that serve the same model: one of them must be usable, and no more
/// than `ejected_share` of them all may be out by failed requests. One may always be.
pub fn may_eject(ejected_share: f64, others: impl IntoIterator<Item = Standing>) -> bool {
    let (mut all, mut out, mut usable) = (1, 1, 0);
    for standing in others {
        all += 1;
        out += u32::from(matches!(standing, Standing::Ejected | Standing::Trial));
        usable += u32::from(standing.is_usable());
    }
    usable > 0 && (out == 1 || f64::from(out) <= ejected_share * f64::from(all))
}

/// What is known of an endpoint at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub standing: Standing,
    /// Peak EWMA of the time to the first byte; `None` before the first measurement, and again after a restart.
    pub latency: Option<Duration>,
    /// Failures as a share of recent attempts, smoothed: 0 to below 1, and 0 without failures.
    pub error_rate: f64,
    /// Exchanges that are there now.
    pub in_flight: usize,
    /// How much of its full share it is to get: 0.1 rising to 1 during its slow start, else 1.
    pub share: f64,
    /// Recent attempts; one counts for less the older it is.
    pub samples: f64,
    /// How often it was ejected, less what it has made good since: the next ejection lasts `eject` × 2 to this power.
    pub ejections: u32,
    /// How long it stays ejected; zero once a trial may decide. `None` where it is not ejected.
    pub ejected_for: Option<Duration>,
    /// How long it has asked to be left alone.
    pub busy_for: Option<Duration>,
    /// Whether a trial could be taken now.
    pub trial_is_free: bool,
}

/// What endpoints are compared by: lower is better. Finite and above 0. `latency_if_unknown` stands in for a latency that was not
/// measured: the mean of the tier, where there is one.
///
/// √latency × (1 + in flight) × (1 + 10 × error rate) ÷ share, with latency in seconds and at least 1 ms. The root, because the
/// time to the first byte depends as much on the prompt as on the host: without it, one long prompt takes its host out of the
/// choice for minutes.
pub fn score(view: &View, latency_if_unknown: Duration) -> f64 {
    let latency = view.latency.unwrap_or(latency_if_unknown).max(LATENCY_MIN);
    let load = 1.0 + view.in_flight as f64;
    let errors = 1.0 + ERROR_WEIGHT * view.error_rate;
    latency.as_secs_f64().sqrt() * load * errors / view.share.max(SHARE_MIN)
}
