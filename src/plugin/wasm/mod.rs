//! Plugins that are WebAssembly components, on wasmtime: no WASI, nothing granted that the configuration does not grant, and bounds
//! on time, memory, output and handles.

mod bounds;
mod cache;
mod calls;
mod compiled;
mod engine;
mod guest;
mod imports;
mod pool;
mod pulse;
mod seat;
mod state;
mod v0_1;
mod world;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};

use compiled::{Compiled, Digest};
use pulse::Pulse;
use state::State;

pub use cache::DiskCache;
pub use calls::load;
pub use compiled::{hex, read};
pub use engine::MEMORY_BYTES_MAX;
pub use world::VERSION;

/// What all components share. There is one as long as any plugin is a component.
pub struct Runtime {
    engine: Engine,
    linker: Linker<State>,
    pulse: Pulse,
    /// Of the last call, where they are counted.
    instructions: Option<AtomicU64>,
    /// Those that somebody uses.
    loaded: Mutex<HashMap<Digest, Weak<Compiled>>>,
    compiling: Mutex<()>,
}

impl Runtime {
    /// `counts_instructions`: for measurements alone.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn new(counts_instructions: bool) -> Result<Arc<Runtime>, String> {
        let said = |error: wasmtime::Error| format!("WebAssembly cannot be run here: {error:#}");
        let (engine, _) = engine::engine(counts_instructions).map_err(said)?;
        Ok(Arc::new(Runtime {
            linker: imports::linker(&engine).map_err(said)?,
            pulse: Pulse::start(&engine)?,
            engine,
            instructions: counts_instructions.then(AtomicU64::default),
            loaded: Mutex::default(),
            compiling: Mutex::default(),
        }))
    }

    /// Instructions of the last call, where they are counted.
    pub fn instructions(&self) -> Option<u64> {
        Some(self.instructions.as_ref()?.load(Ordering::Relaxed))
    }

    /// Takes down what the call that has ended has used, and gives the next one as much as any may ever use.
    fn note_instructions(&self, store: &mut Store<State>) {
        let Some(instructions) = &self.instructions else {
            return;
        };
        // Neither fails where the engine counts.
        let left = store.get_fuel().unwrap_or(u64::MAX);
        instructions.store(u64::MAX - left, Ordering::Relaxed);
        let _ = store.set_fuel(u64::MAX);
    }

    fn loaded(&self, digest: &Digest) -> Option<Arc<Compiled>> {
        self.loaded.lock().get(digest)?.upgrade()
    }

    fn keep_loaded(&self, compiled: &Arc<Compiled>) {
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, compiled| compiled.strong_count() > 0);
        loaded.insert(compiled.digest, Arc::downgrade(compiled));
    }
}
