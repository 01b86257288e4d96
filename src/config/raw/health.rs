//! Shapes of `health`, of all upstreams and of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auto, delay, seconds};
use crate::config::scalar::{Off, RawDelay, RawDuration, RawShare};

/// How the health of endpoints is found out, and what follows from it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Health")]
pub(in crate::config) struct RawHealth {
    /// What is asked of every endpoint, without inference: `auto` takes the kind's own path; a path such as `/health`,
    /// below the URL without its API path; or `off`.
    pub probe: Option<RawProbe>,
    /// Between two probes of an endpoint, with a tenth of jitter.
    pub interval: Option<RawDuration>,
    /// How long a probe may take.
    pub timeout: Option<RawDuration>,
    /// Good probes in a row that bring an endpoint back.
    #[schemars(range(min = 1, max = 1000))]
    pub rise: Option<u32>,
    /// Failed probes in a row that take an endpoint out.
    #[schemars(range(min = 1, max = 1000))]
    pub fall: Option<u32>,
    /// Failed requests in a row that take an endpoint out.
    #[schemars(range(min = 1, max = 10_000))]
    pub failures: Option<u32>,
    /// Share of failures among recent requests that takes an endpoint out.
    pub error_rate: Option<RawShare>,
    /// Recent requests without which that share means nothing.
    #[schemars(range(min = 1, max = 10_000))]
    pub samples: Option<u32>,
    /// How long an endpoint is out at first; doubles each time.
    pub eject: Option<RawDuration>,
    pub eject_max: Option<RawDuration>,
    /// Share of a model's endpoints that may be out at once by failed requests. One always may be where there are two,
    /// and the last never is.
    pub ejected_share: Option<RawShare>,
    /// How long an endpoint that comes back takes to get its full share of the requests.
    pub slow_start: Option<RawDelay>,
}

impl Default for RawHealth {
    fn default() -> Self {
        Self {
            probe: Some(RawProbe::Auto(Auto::Auto)),
            interval: seconds(5),
            timeout: seconds(2),
            rise: Some(2),
            fall: Some(3),
            failures: Some(5),
            error_rate: Some(RawShare(0.5)),
            samples: Some(20),
            eject: seconds(10),
            eject_max: seconds(300),
            ejected_share: Some(RawShare(0.5)),
            slow_start: delay(30_000),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawProbe {
    Auto(Auto),
    Off(Off),
    Path(#[schemars(extend("format" = "weir-path"), regex(pattern = r"^/|\$\{"))] String),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UpstreamHealth")]
pub(in crate::config) struct RawUpstreamHealth {
    /// `auto` takes the kind's own path; a path such as `/health`, below the URL without its API path; or `off`.
    pub probe: Option<RawProbe>,
    /// Between two probes of an endpoint, with a tenth of jitter.
    pub interval: Option<RawDuration>,
    /// How long a probe may take.
    pub timeout: Option<RawDuration>,
    /// Good probes in a row that bring an endpoint back.
    #[schemars(range(min = 1, max = 1000))]
    pub rise: Option<u32>,
    /// Failed probes in a row that take an endpoint out.
    #[schemars(range(min = 1, max = 1000))]
    pub fall: Option<u32>,
    /// Failed requests in a row that take an endpoint out.
    #[schemars(range(min = 1, max = 10_000))]
    pub failures: Option<u32>,
    /// Share of failures among recent requests that takes an endpoint out.
    pub error_rate: Option<RawShare>,
    /// Recent requests without which that share means nothing.
    #[schemars(range(min = 1, max = 10_000))]
    pub samples: Option<u32>,
    /// How long an endpoint is out at first; doubles each time.
    pub eject: Option<RawDuration>,
    pub eject_max: Option<RawDuration>,
    /// Share of a model's endpoints that may be out at once by failed requests.
    pub ejected_share: Option<RawShare>,
    /// How long an endpoint that comes back takes to get its full share of the requests.
    pub slow_start: Option<RawDelay>,
}
