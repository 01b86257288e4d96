//! What plugins get from weir beside the exchange: keys and values, metrics, secrets, HTTP, a log, the time and chance. The same for
//! plugins that are compiled in and for WebAssembly. It must not know who asks, only what was granted.

mod kv;
mod log;
mod outbound;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use weir_plugin::{HttpAnswer, HttpCall, HttpError, Level};

use super::meter::{Meter, PluginMeter};
use super::settings::{Grants, PluginSettings};

pub use kv::Namespace;
pub use log::LineGate;
pub use outbound::check as check_outbound;
pub use series::{BUCKETS, FamilySnapshot, Measure, OwnMetrics, Value};

/// Bytes of chance that one call may ask for.
pub const RANDOM_BYTES_MAX: usize = 64 << 10;
/// Of an answer to a plugin's HTTP request.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Of a plugin's HTTP request where it does not say, and at most.
const FETCH_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The time.
pub trait Clock: Send + Sync {
    fn unix_ms(&self) -> u64;
    /// Since some moment of this process.
    fn monotonic_ns(&self) -> u64;
}

/// Random bytes, good enough for keys.
pub trait Chance: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// Sends plugins' HTTP requests, over weir's own connections. Grants have been checked; redirects must not be followed, since nobody
/// has checked where they lead.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// # Errors
    /// When no whole answer within `answer_bytes_max` has come within `timeout`.
    async fn fetch(
        &self,
        call: HttpCall,
        timeout: Duration,
        answer_bytes_max: usize,
    ) -> Result<HttpAnswer, HttpError>;
}

/// What is handed in, once for the process.
#[derive(Clone)]
pub struct Outside {
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub fetch: Arc<dyn Fetch>,
    pub meter: Arc<dyn Meter>,
}

/// What outlives every reload.
pub struct Services {
    outside: Outside,
    /// By plugin.
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// What is kept of one plugin.
#[derive(Clone, Default)]
struct Kept {
    kv: Arc<Namespace>,
    metrics: Arc<OwnMetrics>,
}

impl Services {
    pub fn new(outside: Outside) -> Services {
        Services {
            outside,
            kept: Mutex::default(),
        }
    }

    /// What one plugin may use.
    pub(super) fn of(&self, settings: &PluginSettings) -> Arc<PluginServices> {
        let name = &settings.name;
        let kept = self.kept.lock().entry(name.clone()).or_default().clone();
        Arc::new(PluginServices {
            meter: self.outside.meter.plugin(name),
            name: name.clone(),
            grants: settings.grants.clone(),
            kept,
            log: LineGate::new(log::OWN_LINES_MAX),
            instances: AtomicU64::new(0),
            outside: self.outside.clone(),
        })
    }

    /// Forgets what is kept of plugins that are not `named` any more.
    pub fn retain(&self, is_named: impl Fn(&str) -> bool) {
        self.kept.lock().retain(|name, _| is_named(name));
    }

    /// Plugins' own metrics, by plugin.
    pub fn own_metrics(&self) -> Vec<(String, Vec<FamilySnapshot>)> {
        let kept = self.kept.lock().clone();
        let families = kept
            .into_iter()
            .map(|(name, kept)| (name, kept.metrics.snapshot()));
        families.collect()
    }
}

/// What one plugin gets.
pub struct PluginServices {
    name: String,
    grants: Grants,
    kept: Kept,
    log: LineGate,
    /// Alive now.
    instances: AtomicU64,
    outside: Outside,
    meter: Arc<dyn PluginMeter>,
}

impl PluginServices {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn meter(&self) -> &Arc<dyn PluginMeter> {
        &self.meter
    }

    /// An instance has been made.
    pub fn instance_made(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.meter.instances(1);
    }

    pub fn instance_gone(&self) {
        self.instances.fetch_sub(1, Ordering::Relaxed);
        self.meter.instances(-1);
    }

    /// Alive now.
    pub fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    pub fn unix_ms(&self) -> u64 {
        self.outside.clock.unix_ms()
    }

    pub fn monotonic_ns(&self) -> u64 {
        self.outside.clock.monotonic_ns()
    }

    /// At most [`RANDOM_BYTES_MAX`].
    pub fn random(&self, bytes: u32) -> Vec<u8> {
        let mut random = vec![0; (bytes as usize).min(RANDOM_BYTES_MAX)];
        self.outside.chance.fill(&mut random);
        random
    }

    /// Writes a line of the plugin's own; some are left out if there are too many.
    pub fn log(&self, level: Level, message: &str) {
        if let Some(left_out) = self.log.passes(self.monotonic_ns()) {
            log::write(&self.name, level, message, left_out);
        }
    }

    /// Records a number of the plugin's own; what cannot be recorded is said in the log.
    pub fn record(&self, measure: Measure, name: &str, labels: &[(&str, &str)], number: f64) {
        if let Err(why) = self.kept.metrics.record(measure, name, labels, number) {
            self.log(Level::Warn, &format!("a metric is left out: {why}"));
        }
    }

    /// # Errors
    /// Without the grant.
    pub fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.kv()?.get(key, self.unix_ms()))
    }

    /// # Errors
    /// Without the grant, and where there is no room.
    pub fn kv_set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), String> {
        self.kv()?.set(key, value, ttl_ms, self.unix_ms())
    }

    /// # Errors
    /// As [`PluginServices::kv_set`]; where the value is no number.
    pub fn kv_add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, String> {
        self.kv()?.add(key, delta, ttl_ms, self.unix_ms())
    }

    /// # Errors
    /// Without the grant.
    pub fn kv_delete(&self, key: &str) -> Result<(), String> {
        self.kv()?.delete(key);
        Ok(())
    }

    fn kv(&self) -> Result<&Namespace, String> {
        if self.grants.kv {
            return Ok(&self.kept.kv);
        }
        Err(format!(
            "denied: plugins.items.{}.grants has no `kv: true`",
            self.name
        ))
    }

    pub fn secret(&self, name: &str) -> Option<String> {
        self.grants.secrets.get(name).map(|secret| secret.0.clone())
    }

    /// Whether an observer is given requests and answers in full.
    pub fn has_payloads(&self) -> bool {
        self.grants.payloads
    }

    /// # Errors
    /// Without the grant, and when no answer comes.
    pub async fn http(&self, call: HttpCall) -> Result<HttpAnswer, HttpError> {
        outbound::check(&self.grants.http, &call)?;
        let timeout = match call.timeout_ms {
            0 => FETCH_TIMEOUT_MAX,
            millis => Duration::from_millis(millis.into()).min(FETCH_TIMEOUT_MAX),
        };
        let fetch = &self.outside.fetch;
        fetch.fetch(call, timeout, ANSWER_BYTES_MAX).await
    }
}
