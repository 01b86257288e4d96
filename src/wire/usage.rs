//! Token counts of an exchange, in one form for all dialects. Counts are cumulative: a later report replaces an earlier one.

/// What an exchange used, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input that no cache answered.
    pub input_uncached: u64,
    /// Input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache.
    pub cache_write: u64,
    /// All output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// All input, cached or not.
    pub fn input(&self) -> u64 {
        self.input_uncached + self.cache_read + self.cache_write
    }
}
