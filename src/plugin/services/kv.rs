//! Keys and values of one plugin, in memory: what all its instances share, and what outlives them and every reload. Bounded in
//! entries and bytes; the clock is handed in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

/// Entries of one plugin.
pub const ENTRIES_MAX: usize = 10_000;
/// Keys and values of one plugin together.
pub const TOTAL_BYTES_MAX: usize = 8 << 20;
pub const KEY_BYTES_MAX: usize = 512;
pub const VALUE_BYTES_MAX: usize = 64 << 10;

/// The keys of one plugin.
#[derive(Default)]
pub struct Namespace(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Arc<str>, Entry>,
    /// Those that end, by when.
    ends: BTreeSet<(u64, Arc<str>)>,
    bytes: usize,
}

struct Entry {
    value: Vec<u8>,
    ends_ms: Option<u64>,
}

impl Namespace {
    pub fn get(&self, key: &str, now_ms: u64) -> Option<Vec<u8>> {
        let mut kept = self.0.lock();
        kept.forget_ended(now_ms);
        kept.entries.get(key).map(|entry| entry.value.clone())
    }

    /// `ttl_ms`: how long it is kept; `None`: until it is deleted.
    ///
    /// # Errors
    /// Where it is too long, or there is no room.
    pub fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<(), String> {
        let ends_ms = ttl_ms.map(|ttl| now_ms.saturating_add(ttl));
        let mut kept = self.0.lock();
        kept.forget_ended(now_ms);
        kept.put(key, value, ends_ms)
    }

    /// Adds to the decimal number at `key`, which is 0 before; `ttl_ms` counts from when the number is first set.
    ///
    /// # Errors
    /// As [`Namespace::set`]; where the value is no number, or the sum has over 64 bits.
    pub fn add(
        &self,
        key: &str,
        delta: i64,
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<i64, String> {
        let mut kept = self.0.lock();
        kept.forget_ended(now_ms);
        let (before, ends_ms) = match kept.entries.get(key) {
            Some(entry) => (number(key, &entry.value)?, entry.ends_ms),
            None => (0, ttl_ms.map(|ttl| now_ms.saturating_add(ttl))),
        };
        let sum = before
            .checked_add(delta)
            .ok_or_else(|| format!("the value of `{key}` would be over 64 bits"))?;
        kept.put(key, sum.to_string().as_bytes(), ends_ms)?;
        Ok(sum)
    }

    pub fn delete(&self, key: &str) {
        self.0.lock().forget(key);
    }
}

fn number(key: &str, value: &[u8]) -> Result<i64, String> {
    let number = std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("the value of `{key}` is no number"))
}

impl Kept {
    fn put(&mut self, key: &str, value: &[u8], ends_ms: Option<u64>) -> Result<(), String> {
        self.check_room(key, value)?;
        self.forget(key);
        let key: Arc<str> = key.into();
        self.bytes += key.len() + value.len();
        if let Some(ends_ms) = ends_ms {
            self.ends.insert((ends_ms, key.clone()));
        }
        let value = value.to_vec();
        self.entries.insert(key, Entry { value, ends_ms });
        Ok(())
    }

    fn check_room(&self, key: &str, value: &[u8]) -> Result<(), String> {
        if key.len() > KEY_BYTES_MAX {
            return Err(format!("the key is longer than {KEY_BYTES_MAX} bytes"));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "the value of `{key}` is longer than {VALUE_BYTES_MAX} bytes"
            ));
        }
        let freed = self
            .entries
            .get(key)
            .map(|entry| key.len() + entry.value.len());
        let bytes = self.bytes - freed.unwrap_or(0) + key.len() + value.len();
        let entries = self.entries.len() + usize::from(freed.is_none());
        if bytes > TOTAL_BYTES_MAX || entries > ENTRIES_MAX {
            return Err(format!(
                "no room for `{key}`: the plugin keeps {} entries and {} bytes, and may keep {ENTRIES_MAX} and {TOTAL_BYTES_MAX}",
                self.entries.len(),
                self.bytes
            ));
        }
        Ok(())
    }

    fn forget(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.bytes -= key.len() + entry.value.len();
            if let Some(ends_ms) = entry.ends_ms {
                self.ends.remove(&(ends_ms, key));
            }
        }
    }

    fn forget_ended(&mut self, now_ms: u64) {
        while let Some((ends_ms, key)) = self.ends.first()
            && *ends_ms <= now_ms
        {
            let key = key.clone();
            self.forget(&key);
        }
    }
}
