//! A plugin without a gateway around it: loaded as the gateway loads it, on an exchange that somebody has made up. All that this
//! command line knows of how plugins run is here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ring::rand::{SecureRandom, SystemRandom};
use weir_plugin::testing::TestHost;
use weir_plugin::{Header, Host, HttpAnswer, HttpCall, HttpError, RequestMeta, Segment};

use crate::plugin::native::Native;
use crate::plugin::services::{Chance, Clock, Fetch, Measure, Outside, Value};
use crate::plugin::{
    Adapter, Auth, Grants, Guard, Instance, Limits, NoMeter, Observer, OwnInstances, PluginHost,
    PluginSet, PluginSettings, PluginState, Router, Source, View,
};

/// Enough for Python; a gateway takes so much only where its configuration says so.
pub(super) const FILE_BYTES_MAX: usize = 64 << 20;
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Where plugins are tried.
pub(super) struct Stage {
    host: PluginHost,
    cache_dir: Option<PathBuf>,
    deadline: Duration,
    loaded: AtomicU64,
}

/// A plugin that has taken its configuration.
pub(super) struct Loaded {
    name: String,
    set: PluginSet,
}

impl Stage {
    /// `cache_dir`: a folder that compiled components are kept in. `deadline`: for one call.
    pub(super) fn new(cache_dir: Option<&Path>, deadline: Duration) -> Stage {
        Stage {
            host: PluginHost::new(outside(), Arc::new(Native)),
            cache_dir: cache_dir.map(Path::to_owned),
            deadline,
            loaded: AtomicU64::new(0),
        }
    }

    /// `what`: a component's file, or `builtin:NAME`.
    ///
    /// # Errors
    /// Why it is no plugin, or what it says of its configuration.
    pub(super) fn load(
        &self,
        what: &Path,
        config_json: &str,
        grants: Grants,
    ) -> Result<Loaded, String> {
        // Each has keys, values and metrics of its own.
        let number = self.loaded.fetch_add(1, Ordering::Relaxed);
        let settings = PluginSettings {
            name: format!("plugin-{number}"),
            source: source(what),
            grants,
            limits: Limits {
                deadline: Some(self.deadline),
                memory_bytes: MEMORY_BYTES_MAX,
                file_bytes: FILE_BYTES_MAX,
                ..Limits::default()
            },
            instance: Instance::default(),
            on_error: None,
            config_json: config_json.to_owned(),
        };
        let name = settings.name.clone();
        let set = self
            .host
            .build(&[settings], self.cache_dir.as_deref(), None);
        match set {
            Ok(set) => Ok(Loaded { name, set }),
            Err(unfit) => Err(unfit.into_iter().map(|one| one.reason).collect()),
        }
    }

    /// What a counter of the plugin's own has come to, over all its labels.
    pub(super) fn counted(&self, loaded: &Loaded, name: &str) -> f64 {
        let metrics = self.host.own_metrics();
        let own = metrics.iter().filter(|(plugin, _)| *plugin == loaded.name);
        let families = own.flat_map(|(_, families)| families);
        let of_name =
            families.filter(|family| family.name == name && family.measure == Measure::Counter);
        let numbers = of_name.flat_map(|family| &family.series);
        let numbers = numbers.map(|(_, value)| match value {
            Value::Number(number) => *number,
            Value::Histogram { sum, .. } => *sum,
        });
        numbers.sum()
    }
}

impl Loaded {
    pub(super) fn state(&self) -> PluginState {
        let mut states = self.set.list();
        states.pop().expect("the set is of one plugin")
    }

    pub(super) fn guard(&self) -> Result<Guard, String> {
        self.set.guard(&self.name).map_err(|unfit| unfit.reason)
    }

    pub(super) fn router(&self) -> Result<Router, String> {
        self.set.router(&self.name).map_err(|unfit| unfit.reason)
    }

    pub(super) fn auth(&self) -> Result<Auth, String> {
        self.set.auth(&self.name).map_err(|unfit| unfit.reason)
    }

    pub(super) fn observer(&self) -> Result<Observer, String> {
        self.set.observer(&self.name).map_err(|unfit| unfit.reason)
    }

    pub(super) fn adapter(&self) -> Result<Adapter, String> {
        self.set.adapter(&self.name).map_err(|unfit| unfit.reason)
    }
}

fn source(what: &Path) -> Source {
    match what.to_str().and_then(|text| text.strip_prefix("builtin:")) {
        Some(name) => Source::Builtin(name.to_owned()),
        None => Source::Wasm {
            path: what.to_owned(),
            sha256: None,
        },
    }
}

fn outside() -> Outside {
    Outside {
        clock: Arc::new(StageClock::default()),
        chance: Arc::new(StageChance),
        fetch: Arc::new(NoFetch),
        meter: Arc::new(NoMeter),
    }
}

/// Begins with 2026, and goes on whenever it is read: by a millisecond in the calendar, and by a minute otherwise, so that failures
/// which belong to a test are too far apart for a plugin to be tripped.
#[derive(Default)]
struct StageClock(AtomicU64);

impl Clock for StageClock {
    fn unix_ms(&self) -> u64 {
        const BEGIN: u64 = 1_767_225_600_000;
        BEGIN + self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) * 60_000_000_000
    }
}

struct StageChance;

impl Chance for StageChance {
    fn fill(&self, bytes: &mut [u8]) {
        SystemRandom::new()
            .fill(bytes)
            .expect("the system has random bytes");
    }
}

/// Nothing outside is reached from here.
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, _: HttpCall, _: Duration, _: usize) -> Result<HttpAnswer, HttpError> {
        Err(HttpError::Connect(
            "nothing is reached from here".to_owned(),
        ))
    }
}

/// An exchange that somebody has made up.
pub(super) struct Exchange {
    meta: RequestMeta,
    request: Side,
    response: Side,
    response_status: u16,
    own: OwnInstances,
}

struct Side {
    headers: Vec<Header>,
    segments: Vec<Segment>,
    body: Vec<u8>,
}

impl Exchange {
    /// As the SDK's host for tests would show it.
    pub(super) fn of(host: &TestHost) -> Arc<dyn View> {
        Arc::new(Exchange {
            meta: host.meta(),
            request: Side {
                headers: host.request_headers(),
                segments: host.request_segments(),
                body: host.request_body(),
            },
            response: Side {
                headers: host.response_headers(),
                segments: host.response_segments(),
                body: host.response_body(),
            },
            response_status: host.response_status(),
            own: OwnInstances::default(),
        })
    }
}

impl View for Exchange {
    fn meta(&self) -> RequestMeta {
        self.meta.clone()
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let headers = self.request.headers.iter();
        let mut found = headers.filter(|header| header.name == name);
        found.next().map(|header| header.value.clone())
    }

    fn request_headers(&self) -> Vec<Header> {
        self.request.headers.clone()
    }

    fn request_segments(&self) -> Vec<Segment> {
        self.request.segments.clone()
    }

    fn request_json(&self, pointer: &str) -> Option<String> {
        let request: serde_json::Value = serde_json::from_slice(&self.request.body).ok()?;
        request.pointer(pointer).map(ToString::to_string)
    }

    fn request_body(&self) -> Vec<u8> {
        self.request.body.clone()
    }

    fn response_status(&self) -> u16 {
        self.response_status
    }

    fn response_headers(&self) -> Vec<Header> {
        self.response.headers.clone()
    }

    fn response_segments(&self) -> Vec<Segment> {
        self.response.segments.clone()
    }

    fn response_body(&self) -> Vec<u8> {
        self.response.body.clone()
    }

    fn own_instances(&self) -> &OwnInstances {
        &self.own
    }
}
