//! Plugins as the configuration has them, loaded, and what weir hands them from outside: the time, chance, HTTP, numbers. Where in an
//! exchange they are asked is not known here.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use ring::rand::{SecureRandom, SystemRandom};
use url::Url;
use weir_plugin::{Header, HttpAnswer, HttpCall, HttpError};

use crate::config::{self, Config, InstanceMode, PluginSource};
use crate::metrics::{PluginCalls, PluginMetrics};
use crate::plugin::native::Native;
use crate::plugin::services::{Chance, Clock, Fetch, Outside};
use crate::plugin::{
    self, GrantedSecret, Grants, Hook, Instance, Limits, Meter, Mode, OnError, PluginHost,
    PluginMeter, PluginSet, PluginSettings, Source,
};
use crate::upstream::Connector;
use crate::upstream::errand::{self, Errand};

use super::guards::Guards;

/// The host of all plugins of the process.
pub fn host(connector: &Arc<Connector>, metrics: &PluginMetrics) -> PluginHost {
    let outside = Outside {
        clock: Arc::new(ProcessClock(Instant::now())),
        chance: Arc::new(SystemChance(SystemRandom::new())),
        fetch: Arc::new(OwnFetch(connector.clone())),
        meter: Arc::new(Meters(metrics.clone())),
    };
    PluginHost::new(outside, Arc::new(Native))
}

/// Loads the plugins of a configuration, and finds each its place. `previous`: what serves now; a plugin that is the same is taken over.
/// Blocks for as long as compiling takes.
///
/// # Errors
/// Each plugin that cannot be loaded, or is no plugin of the kind that its place wants.
pub fn load(
    host: &PluginHost,
    config: &Config,
    previous: Option<&PluginSet>,
) -> Result<Guards, String> {
    let items = config.plugins.items.iter();
    let settings: Vec<_> = items.map(|(name, item)| settings(name, item)).collect();
    let cache_dir = config.plugins.cache_dir.as_deref().map(Path::new);
    let set = host.build(&settings, cache_dir, previous);
    let set = set.map_err(|unfit| {
        let unfit: Vec<_> = unfit.iter().map(ToString::to_string).collect();
        unfit.join("; ")
    })?;
    Guards::of(config, set).map_err(|unfit| unfit.to_string())
}

fn settings(name: &str, item: &config::Plugin) -> PluginSettings {
    PluginSettings {
        name: name.to_owned(),
        source: match &item.source {
            PluginSource::Wasm { path, sha256 } => Source::Wasm {
                path: path.clone(),
                sha256: *sha256,
            },
            PluginSource::Builtin(builtin) => Source::Builtin(builtin.name().to_owned()),
        },
        grants: Grants {
            kv: item.grants.kv,
            http: item.grants.http.clone(),
            secrets: item
                .grants
                .secrets
                .iter()
                .map(|(name, secret)| (name.clone(), GrantedSecret(secret.expose().to_owned())))
                .collect(),
            payloads: item.grants.payloads,
        },
        limits: Limits {
            deadline: item.limits.deadline,
            memory_bytes: item.limits.memory_bytes,
            output_bytes: item.limits.output_bytes,
            file_bytes: item.limits.file_bytes,
        },
        instance: Instance {
            mode: match item.instance.mode {
                InstanceMode::Shared => Mode::Shared,
                InstanceMode::Exchange => Mode::Exchange,
                InstanceMode::Fresh => Mode::Fresh,
            },
            max: item.instance.max,
            calls_max: item.instance.calls_max,
        },
        on_error: item.on_error.map(|on_error| match on_error {
            config::OnError::Open => OnError::Open,
            config::OnError::Closed => OnError::Closed,
        }),
        config_json: item.config.to_string(),
    }
}

struct Meters(PluginMetrics);

impl Meter for Meters {
    fn plugin(&self, name: &str) -> Arc<dyn PluginMeter> {
        Arc::new(OneMeter(self.0.of(name, Hook::ALL.len())))
    }
}

struct OneMeter(PluginCalls);

impl PluginMeter for OneMeter {
    fn called(&self, hook: Hook, outcome: &'static str, took: Duration) {
        let which = (hook as usize, hook.label());
        self.0.called(which, outcome, outcome == plugin::OK, took);
    }

    fn tripped(&self, is_tripped: bool) {
        self.0.tripped(is_tripped);
    }

    fn instances(&self, change: i64) {
        self.0.instances(change);
    }
}

struct ProcessClock(Instant);

impl Clock for ProcessClock {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct SystemChance(SystemRandom);

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        // The kernel's source does not fail once the machine is up; zeros would be seen as what they are.
        let _ = self.0.fill(bytes);
    }
}

/// Plugins' HTTP requests over weir's own connector.
struct OwnFetch(Arc<Connector>);

#[async_trait]
impl Fetch for OwnFetch {
    async fn fetch(
        &self,
        call: HttpCall,
        timeout: Duration,
        answer_bytes_max: usize,
    ) -> Result<HttpAnswer, HttpError> {
        let other = |error: &dyn std::fmt::Display| HttpError::Other(error.to_string());
        let url = Url::parse(&call.url).map_err(|error| other(&error))?;
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|error| other(&error))?;
        let headers = call.headers.iter().map(|field| {
            let name = HeaderName::try_from(field.name.as_str()).ok()?;
            Some((name, HeaderValue::from_bytes(&field.value).ok()?))
        });
        let headers = headers.collect::<Option<Vec<_>>>();
        let errand = Errand {
            method,
            url: &url,
            headers: headers.ok_or_else(|| HttpError::Other("a header is none".to_owned()))?,
            body: Bytes::from(call.body),
            bytes_max: answer_bytes_max,
        };
        match tokio::time::timeout(timeout, errand::run(errand, &self.0)).await {
            Err(_) => Err(HttpError::Timeout),
            Ok(Err(problem)) if problem.contains("longer than") => Err(HttpError::TooLarge),
            Ok(Err(problem)) => Err(HttpError::Connect(problem)),
            Ok(Ok(brought)) => Ok(HttpAnswer {
                status: brought.status,
                headers: brought
                    .headers
                    .iter()
                    .map(|(name, value)| Header {
                        name: name.as_str().to_owned(),
                        value: value.as_bytes().to_vec(),
                    })
                    .collect(),
                body: brought.body,
            }),
        }
    }
}
