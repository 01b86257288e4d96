//! How much memory one instance may have.

use wasmtime::{Error, ResourceLimiter, Result};

/// Elements of one table: functions that are called by pointer. Python has some ten thousand.
pub const TABLE_ELEMENTS_MAX: usize = 1 << 16;
pub const MEMORIES_MAX: usize = 8;
pub const TABLES_MAX: usize = 64;
/// Core instances that one component consists of. Python has some twenty.
pub const CORE_INSTANCES_MAX: usize = 64;

/// Counts the memory of one instance, over all of its linear memories.
pub struct Bounds {
    bytes: usize,
    bytes_max: usize,
    /// Whether it wanted more.
    pub is_exceeded: bool,
}

impl Bounds {
    pub fn new(bytes_max: usize) -> Bounds {
        Bounds {
            bytes: 0,
            bytes_max,
            is_exceeded: false,
        }
    }

    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl ResourceLimiter for Bounds {
    /// A guest that is refused breaks off: most do not look whether they got what they asked for.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.bytes_max {
            self.is_exceeded = true;
            return Err(Error::msg("more memory than the limit"));
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.is_exceeded = true;
        Err(error)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(Error::msg("a table of more than 65536 elements"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}
