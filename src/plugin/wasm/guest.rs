//! One instance of a component: made, configured, called, and dead once a call has not ended as it should. It must not know whom
//! it serves.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap};

use super::Runtime;
use super::compiled::Compiled;
use super::pulse::Running;
use super::state::State;
use super::world::Exports;
use crate::plugin::hooks::View;
use crate::plugin::services::PluginServices;
use crate::plugin::settings::Limits;
use crate::plugin::trouble::Trouble;
use crate::plugin::wasm::v0_1::lift;

/// Handles of the guest's own resources that one instance may have.
const HANDLES_MAX: usize = 10_000;
/// Of what a trap says, what is kept. In bytes.
const REASON_BYTES_MAX: usize = 512;

/// An instance.
pub struct Guest {
    store: Store<State>,
    exports: Exports,
    runtime: Arc<Runtime>,
    calls: u64,
    /// Set while it is called, and for good when the call has not ended: an instance that broke off cannot be entered again, and
    /// one whose call was given up is in the middle of something.
    is_dead: bool,
    output_bytes_max: usize,
    _alive: Alive,
}

/// Counts an instance as long as it is there.
struct Alive(Arc<PluginServices>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.instance_gone();
    }
}

/// A call of an instance, from its beginning to its end. Dropped without an end, it leaves the instance dead.
pub struct Turn<'g> {
    guest: &'g mut Guest,
    _running: Running,
}

impl Guest {
    /// Makes an instance and configures it.
    ///
    /// # Errors
    /// When there is no room for another, or the plugin does not start, or refuses its configuration.
    pub async fn new(
        runtime: &Arc<Runtime>,
        compiled: &Compiled,
        services: &Arc<PluginServices>,
        limits: &Limits,
        config_json: &str,
        deadline: Duration,
    ) -> Result<Guest, Trouble> {
        let (mut store, alive) = store(runtime, services, limits);
        let running = runtime.pulse.run();
        store.data_mut().begin(None, deadline, false);
        let made = async {
            let instance = compiled.pre.instantiate_async(&mut store).await?;
            let exports = compiled.indices.load(&mut store, &instance)?;
            let lifecycle = &exports.lifecycle;
            let configured = lifecycle.call_configure(&mut store, config_json).await?;
            wasmtime::Result::Ok((exports, configured))
        };
        let made = made.await;
        drop(running);
        let exceeded = exceeded(&mut store, limits.memory_bytes);
        let (exports, configured) = match made {
            Ok(made) => made,
            Err(error) => return Err(trouble(exceeded, &error, limits.output_bytes)),
        };
        configured.map_err(|why| lift::said(false, why))?;
        Ok(Guest {
            store,
            exports,
            runtime: runtime.clone(),
            calls: 0,
            is_dead: false,
            output_bytes_max: limits.output_bytes,
            _alive: alive,
        })
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Begins a call, about the exchange of `view`.
    pub fn begin(&mut self, view: Option<Arc<dyn View>>, deadline: Duration) -> Turn<'_> {
        self.calls += 1;
        self.is_dead = true;
        self.store.data_mut().begin(view, deadline, true);
        // The next tick; the state counts them.
        self.store.set_epoch_deadline(1);
        let running = self.runtime.pulse.run();
        Turn {
            guest: self,
            _running: running,
        }
    }
}

impl Turn<'_> {
    pub fn parts(&mut self) -> (&mut Store<State>, &Exports) {
        (&mut self.guest.store, &self.guest.exports)
    }

    /// Ends the call.
    ///
    /// # Errors
    /// When it broke off; the instance is dead then.
    pub fn end<T>(self, result: wasmtime::Result<T>) -> Result<T, Trouble> {
        let guest = &mut *self.guest;
        let memory_bytes_max = guest.store.data().bounds.bytes_max();
        let exceeded = exceeded(&mut guest.store, memory_bytes_max);
        guest.runtime.note_instructions(&mut guest.store);
        match result {
            Ok(value) => {
                guest.is_dead = false;
                Ok(value)
            }
            Err(error) => Err(trouble(exceeded, &error, guest.output_bytes_max)),
        }
    }
}

impl Drop for Turn<'_> {
    /// A call that is given up lets go of its exchange, which may hold this very instance.
    fn drop(&mut self) {
        self.guest.store.data_mut().end();
    }
}

fn store(
    runtime: &Runtime,
    services: &Arc<PluginServices>,
    limits: &Limits,
) -> (Store<State>, Alive) {
    let state = State::new(services.clone(), limits.memory_bytes);
    let mut store = Store::new(&runtime.engine, state);
    store.limiter(|state| &mut state.bounds);
    store.epoch_deadline_callback(|mut context| context.data_mut().tick());
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(limits.output_bytes);
    store.set_max_component_handles(HANDLES_MAX);
    runtime.note_instructions(&mut store);
    services.instance_made();
    (store, Alive(services.clone()))
}

/// Ends the call in the store; the bound that it has exceeded, if any.
fn exceeded(store: &mut Store<State>, memory_bytes_max: usize) -> Option<Trouble> {
    let state = store.data_mut();
    let exceeded = state.end();
    let has_memory = !state.bounds.is_exceeded;
    exceeded.or((!has_memory).then_some(Trouble::Memory(memory_bytes_max)))
}

fn trouble(exceeded: Option<Trouble>, error: &wasmtime::Error, output_bytes_max: usize) -> Trouble {
    if let Some(exceeded) = exceeded {
        return exceeded;
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        let most = super::engine::INSTANCES_MAX;
        return Trouble::Unavailable(format!(
            "all of weir's {most} places for instances are taken"
        ));
    }
    let reason = error.root_cause().to_string();
    // wasmtime has no type for it that can be named.
    if reason.contains("fuel allocated for hostcalls") {
        return Trouble::Output(output_bytes_max);
    }
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "a panic, or another `unreachable`".to_owned(),
        Some(trap) => trap.to_string(),
        None => reason,
    };
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    Trouble::Trap(reason)
}
