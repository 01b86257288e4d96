//! The pulse of the engine: a thread that counts its epochs up, once in a millisecond, while guests run. Deadlines are counted in
//! it. It rests while nothing runs, and ends with the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// One tick.
pub const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest that runs, after which the thread rests. Waking it costs a system call.
const IDLE_TICKS_MAX: u32 = 250;
/// How long it rests before it looks whether its engine is still there.
const REST: Duration = Duration::from_secs(1);

/// Keeps the thread informed; ends it when dropped.
pub struct Pulse {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    /// Guests that run.
    running: AtomicUsize,
    is_resting: AtomicBool,
    is_over: AtomicBool,
}

/// A guest runs, as long as this lives.
pub struct Running(Arc<Shared>);

impl Pulse {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(engine: &Engine) -> Result<Pulse, String> {
        let shared = Arc::new(Shared::default());
        let (engine, of_thread) = (engine.weak(), shared.clone());
        let thread = thread::Builder::new()
            .name("plugin-pulse".to_owned())
            .spawn(move || beat(&engine, &of_thread))
            .map_err(|error| format!("no thread for plugins' deadlines: {error}"))?;
        let thread = thread.thread().clone();
        Ok(Pulse { shared, thread })
    }

    /// A guest begins to run.
    pub fn run(&self) -> Running {
        // Sequentially consistent here and in `beat`: either it sees this guest, or this sees that it rests.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.is_resting.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self.shared.clone())
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn beat(engine: &EngineWeak, shared: &Shared) {
    let mut idle_ticks = 0;
    while !shared.is_over.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        drop(engine);
        idle_ticks = match shared.running.load(Ordering::SeqCst) {
            0 => idle_ticks + 1,
            _ => 0,
        };
        if idle_ticks >= IDLE_TICKS_MAX {
            rest(shared);
            idle_ticks = 0;
        }
    }
}

fn rest(shared: &Shared) {
    shared.is_resting.store(true, Ordering::SeqCst);
    while shared.running.load(Ordering::SeqCst) == 0 && !shared.is_over.load(Ordering::SeqCst) {
        thread::park_timeout(REST);
    }
    shared.is_resting.store(false, Ordering::SeqCst);
}
