//! The hooks, asked of instances: each takes one, calls it, and turns what it hands over into weir's types.

mod adapter;
mod guard;
mod life;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use async_trait::async_trait;
use weir_plugin::{AdapterInfo, Candidate, Choice, Decision, Outcome, Wants};

use super::Runtime;
use super::cache::DiskCache;
use super::compiled::{Compiled, Digest};
use super::engine::MEMORY_BYTES_MAX;
use super::pool::{Pool, Taken};
use super::v0_1::{lift, lower};
use crate::plugin::hooks::{AuthHook, Hook, Hooks, Kind, ObserverHook, RouterHook, View};
use crate::plugin::services::PluginServices;
use crate::plugin::settings::{Limits, PluginSettings};
use crate::plugin::trouble::Trouble;

/// A component with its instances: whatever of the hooks it has.
pub(super) struct Component {
    pool: Arc<Pool>,
    /// Of a guard.
    wants: Wants,
    /// Of an adapter.
    info: AdapterInfo,
}

/// Loads a component: checks and compiles it, and makes and configures its first instance. Blocks for as long as that takes.
///
/// # Errors
/// Why it is not loaded.
pub fn load(
    runtime: &Arc<Runtime>,
    settings: &PluginSettings,
    (bytes, digest): (&[u8], Digest),
    services: &Arc<PluginServices>,
    cache: Option<&DiskCache>,
) -> Result<Hooks, String> {
    check_limits(&settings.limits)?;
    let compiled = Compiled::get(runtime, bytes, digest, cache)
        .map_err(|why| format!("{} {why}", settings.source))?;
    let kinds = compiled.kinds.clone();
    let pool = Pool::new(
        runtime.clone(),
        compiled,
        services.clone(),
        (settings.limits, settings.instance),
        settings.config_json.clone(),
    );
    let component = block_on(Component::begin(pool, &kinds));
    let component = component.map_err(|trouble| match trouble {
        Trouble::Said { message, .. } => format!("refuses its configuration: {message}"),
        other => format!("does not start: {other}"),
    })?;
    Ok(hooks(&Arc::new(component), &kinds))
}

fn check_limits(limits: &Limits) -> Result<(), String> {
    if limits.memory_bytes > MEMORY_BYTES_MAX {
        return Err(format!(
            "`limits.memory` is {} bytes; {MEMORY_BYTES_MAX} is the most that an instance can have",
            limits.memory_bytes
        ));
    }
    Ok(())
}

fn hooks(component: &Arc<Component>, kinds: &[Kind]) -> Hooks {
    let is = |kind| kinds.contains(&kind).then(|| component.clone());
    Hooks {
        guard: is(Kind::Guard).map(|guard| guard as _),
        router: is(Kind::Router).map(|router| router as _),
        auth: is(Kind::Auth).map(|auth| auth as _),
        observer: is(Kind::Observer).map(|observer| observer as _),
        adapter: is(Kind::Adapter).map(|adapter| adapter as _),
    }
}

/// Runs what cannot wait for anything outside: it is pending only where a guest has computed for a tick and lets others go first.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::yield_now();
    }
}

impl Component {
    /// Makes the first instance, and asks it what stays the same.
    async fn begin(pool: Arc<Pool>, kinds: &[Kind]) -> Result<Component, Trouble> {
        let mut first = pool.load().await?;
        let wants = match kinds.contains(&Kind::Guard) {
            true => guard::wants(&mut first).await?,
            false => Wants::default(),
        };
        let info = match kinds.contains(&Kind::Adapter) {
            true => adapter::describe(&mut first).await?,
            false => AdapterInfo {
                name: String::new(),
                accepts: Vec::new(),
            },
        };
        drop(first);
        Ok(Component { pool, wants, info })
    }

    async fn take(&self, view: &Arc<dyn View>) -> Result<Taken, Trouble> {
        self.pool.take(Some(view), false).await
    }
}

#[async_trait]
impl RouterHook for Component {
    async fn pick(
        &self,
        view: &Arc<dyn View>,
        candidates: &[Candidate],
    ) -> Result<Choice, Trouble> {
        let given: Vec<_> = candidates.iter().map(lower::candidate).collect();
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::Pick, Some(view));
        let (store, exports) = turn.parts();
        let picked = exports.router()?.call_pick(store, &given).await;
        let choice = turn.end(picked)?.map_err(lift::error)?;
        lift::choice(choice, candidates.len())
    }
}

#[async_trait]
impl AuthHook for Component {
    async fn authenticate(&self, view: &Arc<dyn View>) -> Result<Decision, Trouble> {
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::Authenticate, Some(view));
        let (store, exports) = turn.parts();
        let decided = exports.auth()?.call_authenticate(store).await;
        let decision = turn.end(decided)?.map_err(lift::error)?;
        Ok(lift::decision(decision))
    }
}

#[async_trait]
impl ObserverHook for Component {
    async fn on_log(&self, batch: &[Outcome]) -> Result<(), Trouble> {
        let has_payloads = self.pool.services().has_payloads();
        let given = batch.iter();
        let given: Vec<_> = given.map(|one| lower::outcome(one, has_payloads)).collect();
        let mut taken = self.pool.take(None, false).await?;
        let mut turn = taken.begin(Hook::OnLog, None);
        let (store, exports) = turn.parts();
        let heard = exports.observer()?.call_on_log(store, &given).await;
        turn.end(heard)?.map_err(|why| lift::said(false, why))
    }
}
