//! How quick a component is: each of its hooks called again and again with a sample, for `weir plugin bench`. It must not be used
//! while anything is served.

mod sample;

use std::time::{Duration, Instant};

use weir_plugin::StreamEvent;

use super::hooks::{AdapterHook, AuthHook, GuardHook, Hook, Hooks, Kind, ObserverHook, RouterHook};
use super::services::{Outside, Services};
use super::settings::{PluginSettings, Source};
use super::trouble::Trouble;
use super::wasm::{self, Runtime};
use sample::Sample;

/// Calls that are made before any is measured.
const WARM_UP_CALLS: usize = 50;
/// Calls of one hook.
const CALLS_MAX: usize = 1_000_000;
/// Times that the plugin is loaded anew, to see how long an instance takes.
const STARTS: usize = 20;

/// What a component costs.
#[derive(Debug, Clone)]
pub struct Report {
    pub kinds: Vec<Kind>,
    pub sha256: [u8; 32],
    pub file_bytes: usize,
    /// Reading, checking and compiling it, with the first instance.
    pub load: Duration,
    /// A new instance, configured; of several, that in the middle.
    pub start: Duration,
    pub hooks: Vec<HookReport>,
}

/// What one hook costs.
#[derive(Debug, Clone)]
pub struct HookReport {
    pub hook: Hook,
    pub calls: usize,
    pub calls_per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Of one call.
    pub instructions: Option<u64>,
    /// Why it could not be measured to the end.
    pub trouble: Option<Trouble>,
}

/// Measures a component, `per_hook` for each hook.
///
/// # Errors
/// When it cannot be loaded.
pub async fn run(
    settings: &PluginSettings,
    outside: Outside,
    per_hook: Duration,
) -> Result<Report, String> {
    let Source::Wasm { path, sha256 } = &settings.source else {
        return Err("only components are measured; this plugin is a part of weir".to_owned());
    };
    let (bytes, digest) = wasm::read(path, settings.limits.file_bytes, *sha256)?;
    let services = Services::new(outside).of(settings);
    let load = |runtime: &_| wasm::load(runtime, settings, (&bytes, digest), &services, None);

    let runtime = Runtime::new(false)?;
    let began = Instant::now();
    let loaded = load(&runtime)?;
    let load_took = began.elapsed();
    // Compiled already: what is left is the instance.
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        load(&runtime)?;
        starts.push(began.elapsed());
    }
    starts.sort();

    let mut measure = Measure {
        per_hook,
        hooks: Vec::new(),
    };
    measure.all(&loaded).await;
    let counting = Runtime::new(true)?;
    let counted = load(&counting)?;
    count(&counting, &counted, &mut measure.hooks).await;
    Ok(Report {
        kinds: loaded.kinds(),
        sha256: digest,
        file_bytes: bytes.len(),
        load: load_took,
        start: starts[STARTS / 2],
        hooks: measure.hooks,
    })
}

/// Calls each hook once where instructions are counted.
async fn count(counting: &Runtime, hooks: &Hooks, reports: &mut [HookReport]) {
    let sample = Sample::new();
    for report in reports {
        let called = call(hooks, report.hook, &sample).await;
        report.instructions = counting.instructions().filter(|_| called.is_ok());
    }
}

struct Measure {
    per_hook: Duration,
    hooks: Vec<HookReport>,
}

impl Measure {
    async fn all(&mut self, hooks: &Hooks) {
        let sample = Sample::new();
        let of_kinds = hooks.kinds().into_iter().flat_map(|kind| match kind {
            Kind::Guard => &[
                Hook::OnRequest,
                Hook::OnResponse,
                Hook::Stream,
                Hook::OnEvents,
            ][..],
            Kind::Router => &[Hook::Pick],
            Kind::Auth => &[Hook::Authenticate],
            Kind::Observer => &[Hook::OnLog],
            Kind::Adapter => &[Hook::Encode, Hook::Push, Hook::Classify],
        });
        for hook in of_kinds {
            let report = self.hook(hooks, *hook, &sample).await;
            self.hooks.push(report);
        }
    }

    async fn hook(&self, hooks: &Hooks, hook: Hook, sample: &Sample) -> HookReport {
        let mut took = Vec::new();
        let mut trouble = None;
        let mut warm_up = WARM_UP_CALLS;
        let mut began = Instant::now();
        while took.len() < CALLS_MAX && (warm_up > 0 || began.elapsed() < self.per_hook) {
            match call(hooks, hook, sample).await {
                Ok(_) if warm_up > 0 => {
                    warm_up -= 1;
                    began = Instant::now();
                }
                Ok(one) => took.push(one),
                Err(found) => {
                    trouble = Some(found);
                    break;
                }
            }
        }
        took.sort();
        let sum: Duration = took.iter().sum();
        let at = |part: f64| {
            let index = (took.len() as f64 * part) as usize;
            took.get(index.min(took.len().saturating_sub(1))).copied()
        };
        HookReport {
            hook,
            calls: took.len(),
            calls_per_second: took.len() as f64 / sum.as_secs_f64().max(f64::MIN_POSITIVE),
            p50: at(0.5).unwrap_or_default(),
            p99: at(0.99).unwrap_or_default(),
            instructions: None,
            trouble,
        }
    }
}

/// One call of a hook with the sample; how long it took.
async fn call(hooks: &Hooks, hook: Hook, sample: &Sample) -> Result<Duration, Trouble> {
    let missing = || Trouble::Unavailable("it has no such hook".to_owned());
    match hook {
        Hook::OnRequest | Hook::OnUpstreamRequest | Hook::OnResponse => {
            let guard = hooks.guard.as_deref().ok_or_else(missing)?;
            whole(guard, hook, sample).await
        }
        Hook::Stream | Hook::OnEvents | Hook::OnEnd => {
            let guard = hooks.guard.as_deref().ok_or_else(missing)?;
            stream(guard, hook, sample).await
        }
        Hook::Pick => pick(hooks.router.as_deref().ok_or_else(missing)?, sample).await,
        Hook::Authenticate => {
            let auth = hooks.auth.as_deref().ok_or_else(missing)?;
            authenticate(auth, sample).await
        }
        Hook::OnLog => on_log(hooks.observer.as_deref().ok_or_else(missing)?, sample).await,
        Hook::Encode | Hook::Decoder | Hook::Push | Hook::Finish | Hook::Classify => {
            let adapter = hooks.adapter.as_deref().ok_or_else(missing)?;
            adapt(adapter, hook, sample).await
        }
    }
}

async fn whole(guard: &dyn GuardHook, hook: Hook, sample: &Sample) -> Result<Duration, Trouble> {
    let began = Instant::now();
    match hook {
        Hook::OnResponse => drop(guard.on_response(&sample.view).await?),
        _ => drop(guard.on_request(&sample.view).await?),
    }
    Ok(began.elapsed())
}

/// A stream of its own for each call: a guard may hold back what it is given.
async fn stream(guard: &dyn GuardHook, hook: Hook, sample: &Sample) -> Result<Duration, Trouble> {
    let began = Instant::now();
    let mut stream = guard.open_stream(&sample.view, sample.head()).await?;
    let opened = began.elapsed();
    let events = vec![StreamEvent::text(0, "a word or two, ")];
    let began = Instant::now();
    stream.on_events(events).await?;
    let passed = began.elapsed();
    let opens = hook == Hook::Stream;
    stream.on_end().await?;
    Ok(if opens { opened } else { passed })
}

async fn pick(router: &dyn RouterHook, sample: &Sample) -> Result<Duration, Trouble> {
    let began = Instant::now();
    router.pick(&sample.view, &sample.candidates).await?;
    Ok(began.elapsed())
}

async fn authenticate(auth: &dyn AuthHook, sample: &Sample) -> Result<Duration, Trouble> {
    let began = Instant::now();
    auth.authenticate(&sample.view).await?;
    Ok(began.elapsed())
}

async fn on_log(observer: &dyn ObserverHook, sample: &Sample) -> Result<Duration, Trouble> {
    let began = Instant::now();
    observer.on_log(&sample.outcomes).await?;
    Ok(began.elapsed())
}

async fn adapt(
    adapter: &dyn AdapterHook,
    hook: Hook,
    sample: &Sample,
) -> Result<Duration, Trouble> {
    let view = &sample.view;
    let began = Instant::now();
    match hook {
        Hook::Encode => {
            adapter.encode(view, &sample.candidates[0]).await?;
        }
        Hook::Classify => {
            let refusal = br#"{"message": "too many requests"}"#.to_vec();
            adapter.classify(view, 429, Vec::new(), refusal).await?;
        }
        _ => {
            let mut decoder = adapter.open_decoder(view, 200, Vec::new()).await?;
            let began = Instant::now();
            // A break between lines: every dialect takes it.
            decoder.push(b"\n").await?;
            return Ok(began.elapsed());
        }
    }
    Ok(began.elapsed())
}
