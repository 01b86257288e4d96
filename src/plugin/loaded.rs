//! One plugin that is loaded, and what surrounds every call of it: the breaker, what becomes of the traffic, numbers, and the line
//! in the log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use super::breaker::{Breaker, Change, Leave};
use super::hooks::{Hook, Hooks, Kind};
use super::meter::OK;
use super::services::{LineGate, PluginServices};
use super::settings::{Mode, OnError, PluginSettings, Source};
use super::trouble::Trouble;

/// What came of asking a plugin.
#[derive(Debug)]
#[must_use]
pub enum Called<T> {
    Answered(T),
    /// Go on as if it were not there.
    FailedOpen(Trouble),
    /// Do not go on.
    FailedClosed(Trouble),
}

/// A plugin.
pub struct Plugin {
    settings: PluginSettings,
    hooks: Hooks,
    services: Arc<PluginServices>,
    /// Of the file.
    digest: Option<[u8; 32]>,
    breaker: Breaker,
    lines: LineGate,
    calls: AtomicU64,
    troubles: AtomicU64,
    last: Mutex<Option<LastTrouble>>,
}

/// The last that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTrouble {
    pub unix_ms: u64,
    pub hook: Hook,
    pub trouble: Trouble,
}

/// How a plugin does, for the admin API.
#[derive(Debug, Clone)]
pub struct PluginState {
    pub name: String,
    pub kinds: Vec<Kind>,
    pub source: Source,
    /// Of the file.
    pub sha256: Option<[u8; 32]>,
    /// What becomes of traffic when it fails, in the order of `kinds`.
    pub on_error: Vec<OnError>,
    pub mode: Mode,
    /// Alive now; 0 of what is part of weir.
    pub instances: u64,
    pub is_tripped: bool,
    /// Since it was loaded.
    pub calls: u64,
    pub troubles: u64,
    pub last_trouble: Option<LastTrouble>,
}

impl Plugin {
    pub(super) fn new(
        settings: PluginSettings,
        hooks: Hooks,
        services: Arc<PluginServices>,
        digest: Option<[u8; 32]>,
    ) -> Plugin {
        Plugin {
            settings,
            hooks,
            services,
            digest,
            breaker: Breaker::default(),
            lines: LineGate::new(10),
            calls: AtomicU64::new(0),
            troubles: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub fn settings(&self) -> &PluginSettings {
        &self.settings
    }

    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// Says how it does, now that it serves.
    pub(super) fn note_serving(&self) {
        self.services.meter().tripped(self.breaker.is_tripped());
    }

    pub fn on_error(&self, kind: Kind) -> OnError {
        self.settings.on_error.unwrap_or(OnError::of(kind))
    }

    pub fn state(&self) -> PluginState {
        let kinds = self.hooks.kinds();
        PluginState {
            name: self.settings.name.clone(),
            on_error: kinds.iter().map(|kind| self.on_error(*kind)).collect(),
            kinds,
            source: self.settings.source.clone(),
            sha256: self.digest,
            mode: self.settings.instance.mode,
            instances: self.services.instances(),
            is_tripped: self.breaker.is_tripped(),
            calls: self.calls.load(Ordering::Relaxed),
            troubles: self.troubles.load(Ordering::Relaxed),
            last_trouble: self.last.lock().clone(),
        }
    }

    /// Asks the plugin, unless it has tripped.
    pub(super) async fn ask<T>(
        &self,
        kind: Kind,
        hook: Hook,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Called<T> {
        let leave = self.breaker.ask(self.services.monotonic_ns());
        if leave == Leave::No {
            self.services
                .meter()
                .called(hook, Trouble::Tripped.label(), Duration::ZERO);
            return self.failed(kind, Trouble::Tripped);
        }
        self.ask_with(leave, kind, hook, call).await
    }

    /// Asks something of the plugin that lives on, whether it has tripped or not: what works is not broken off.
    pub(super) async fn ask_on<T>(
        &self,
        kind: Kind,
        hook: Hook,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Called<T> {
        self.ask_with(self.breaker.ask_on(), kind, hook, call).await
    }

    async fn ask_with<T>(
        &self,
        leave: Leave,
        kind: Kind,
        hook: Hook,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Called<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let began_ns = self.services.monotonic_ns();
        let mut pending = Pending {
            breaker: &self.breaker,
            leave: Some(leave),
        };
        let answer = match &self.settings.source {
            // Components keep their deadline themselves, to the millisecond.
            Source::Wasm { .. } => call.await,
            Source::Builtin(_) => within(self.settings.limits.deadline_of(hook), call).await,
        };
        pending.leave = None;
        let now_ns = self.services.monotonic_ns();
        let took = Duration::from_nanos(now_ns.saturating_sub(began_ns));
        match answer {
            Ok(value) => {
                self.services.meter().called(hook, OK, took);
                self.note(self.breaker.went_well(leave));
                Called::Answered(value)
            }
            Err(trouble) => {
                self.services.meter().called(hook, trouble.label(), took);
                self.note_trouble(kind, hook, &trouble);
                if trouble.counts() {
                    self.note(self.breaker.went_wrong(leave, now_ns));
                } else {
                    self.breaker.went_nowhere(leave);
                }
                self.failed(kind, trouble)
            }
        }
    }

    /// What becomes of the traffic.
    pub(super) fn failed<T>(&self, kind: Kind, trouble: Trouble) -> Called<T> {
        match self.on_error(kind) {
            OnError::Open => Called::FailedOpen(trouble),
            OnError::Closed => Called::FailedClosed(trouble),
        }
    }

    /// What it has answered cannot be done, which counts as a failure. Whether to go on as if it were not there.
    pub(super) fn misbehaved(&self, kind: Kind, hook: Hook, problem: &str) -> bool {
        let trouble = Trouble::Said {
            retryable: false,
            message: format!("its answer cannot be used: {problem}"),
        };
        let meter = self.services.meter();
        meter.called(hook, trouble.label(), Duration::ZERO);
        self.note_trouble(kind, hook, &trouble);
        let now_ns = self.services.monotonic_ns();
        self.note(self.breaker.went_wrong(Leave::Go, now_ns));
        self.on_error(kind) == OnError::Open
    }

    fn note_trouble(&self, kind: Kind, hook: Hook, trouble: &Trouble) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
        *self.last.lock() = Some(LastTrouble {
            unix_ms: self.services.unix_ms(),
            hook,
            trouble: trouble.clone(),
        });
        let Some(left_out) = self.lines.passes(self.services.monotonic_ns()) else {
            return;
        };
        let on_error = match self.on_error(kind) {
            OnError::Open => "open",
            OnError::Closed => "closed",
        };
        tracing::warn!(
            target: "weir::plugin",
            plugin = self.name(),
            hook = hook.label(),
            trouble = trouble.label(),
            reason = %trouble,
            on_error,
            left_out,
            "a plugin failed"
        );
    }

    fn note(&self, change: Option<Change>) {
        let plugin = self.name();
        match change {
            None => {}
            Some(Change::Tripped) => {
                self.services.meter().tripped(true);
                tracing::warn!(target: "weir::plugin", plugin, "a plugin has failed too often and is not asked for now");
            }
            Some(Change::Recovered) => {
                self.services.meter().tripped(false);
                tracing::info!(target: "weir::plugin", plugin, "a plugin works again");
            }
        }
    }
}

/// Gives a probe back whose call was given up.
struct Pending<'b> {
    breaker: &'b Breaker,
    leave: Option<Leave>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            self.breaker.went_nowhere(leave);
        }
    }
}

/// A call of what is part of weir: cut off where it waits beyond its deadline, and contained where it panics. No timer is set for a
/// call that does not wait.
async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut call = pin!(call);
    let contained = std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Trouble::Trap("a panic".to_owned()))))
    });
    match tokio::time::timeout(deadline, contained).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Blocked(deadline)),
    }
}
