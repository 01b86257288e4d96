//! The engine that all plugins share: what of WebAssembly is on, how instances get their memory, and its pulse.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Strategy,
};

use super::bounds::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// The most memory that one instance can be allowed: the size of a slot.
pub const MEMORY_BYTES_MAX: usize = 128 << 20;
/// Instances of all plugins at once.
pub const INSTANCES_MAX: u32 = 1000;
/// JavaScript guests have two memories each; the rest have one.
const MEMORIES_TOTAL_MAX: u32 = 1500;
/// Of core instances and tables, Python guests have some twenty each.
const PARTS_TOTAL_MAX: u32 = 8 * INSTANCES_MAX;
const TABLES_TOTAL_MAX: u32 = 4 * INSTANCES_MAX;
/// Slots that keep their mappings for the next instance of the same module. More of them is what reloads would leak.
const WARM_SLOTS_MAX: u32 = 16;
/// Of a slot that is given back, what is cleared in place; the rest is given to the system.
const RESIDENT_BYTES: usize = 256 << 10;
/// Of the stack that guests' own code has.
const STACK_BYTES_MAX: usize = 512 << 10;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// From slots that are reserved beforehand, a third of the time to instantiate.
    Pooled,
    /// From the system, each time: where it gives no such reservation.
    OnDemand,
}

/// `counts_instructions`: for `weir plugin bench` alone, since it costs on every block of code.
///
/// # Errors
/// When this machine cannot run guests at all.
pub fn engine(counts_instructions: bool) -> Result<(Engine, Memory)> {
    let mut config = config(counts_instructions);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling()));
    match Engine::new(&config) {
        Ok(engine) => Ok((engine, Memory::Pooled)),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no address space is left to reserve for plugins (`ulimit -v`?); their instances are made one by one"
            );
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Ok((Engine::new(&config)?, Memory::OnDemand))
        }
    }
}

/// Components are compiled on one thread: wasmtime is built without `parallel-compilation`, so that a large one leaves the other
/// cores to who serves.
fn config(counts_instructions: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .consume_fuel(counts_instructions)
        .max_wasm_stack(STACK_BYTES_MAX)
        // No async functions in the contract: nothing is kept for them in every instance.
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_component_model(true)
        .memory_reservation(MEMORY_BYTES_MAX as u64);
    config
}

fn pooling() -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(INSTANCES_MAX)
        .total_core_instances(PARTS_TOTAL_MAX)
        .total_memories(MEMORIES_TOTAL_MAX)
        .total_tables(TABLES_TOTAL_MAX)
        .total_stacks(INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX as u32)
        .max_memories_per_component(MEMORIES_MAX as u32)
        .max_tables_per_component(TABLES_MAX as u32)
        .max_memories_per_module(2)
        .max_tables_per_module(4)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(WARM_SLOTS_MAX)
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(RESIDENT_BYTES);
    pooling
}
