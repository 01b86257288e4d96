//! Maps that many look into while somebody changes them: by names of one or two ids, and keys by digest and by id.
//! They must not know what the records mean.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::super::caller::KeyEntry;
use super::super::ids::{ID_CHARACTERS_MAX, KeyId};
use super::super::token::Digest;

/// Locks of a map, so that those who look do not meet those who change.
const SHARDS: usize = 64;
/// Between the ids of a name; no id holds it.
const BETWEEN: u8 = b'/';

/// Entries by name: an id, or a tenant's id and an id.
#[derive(Debug)]
pub(super) struct Names<V> {
    shards: [Shard<V>; SHARDS],
}

type Shard<V> = RwLock<HashMap<Box<[u8]>, Arc<V>>>;

impl<V> Default for Names<V> {
    fn default() -> Names<V> {
        Names {
            shards: std::array::from_fn(|_| RwLock::default()),
        }
    }
}

/// A name on the stack, as maps and the store have it: `tenant/id`.
struct Joined {
    bytes: [u8; 2 * ID_CHARACTERS_MAX + 1],
    count: usize,
}

impl Joined {
    /// `None` for what is too long to be any name.
    fn new(ids: &[&str]) -> Option<Joined> {
        let mut bytes = [0; 2 * ID_CHARACTERS_MAX + 1];
        let mut count = 0;
        for (index, id) in ids.iter().enumerate() {
            if index > 0 {
                *bytes.get_mut(count)? = BETWEEN;
                count += 1;
            }
            bytes
                .get_mut(count..count + id.len())?
                .copy_from_slice(id.as_bytes());
            count += id.len();
        }
        Some(Joined { bytes, count })
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

impl<V> Names<V> {
    pub(super) fn get(&self, ids: &[&str]) -> Option<Arc<V>> {
        let name = Joined::new(ids)?;
        self.shard(name.text()).read().get(name.text()).cloned()
    }

    /// The entry that was there before.
    pub(super) fn put(&self, ids: &[&str], entry: Arc<V>) -> Option<Arc<V>> {
        let name = Joined::new(ids)?;
        self.shard(name.text())
            .write()
            .insert(name.text().into(), entry)
    }

    pub(super) fn remove(&self, ids: &[&str]) -> Option<Arc<V>> {
        let name = Joined::new(ids)?;
        self.shard(name.text()).write().remove(name.text())
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    pub(super) fn any(&self, is: impl Fn(&V) -> bool) -> bool {
        self.shards
            .iter()
            .any(|shard| shard.read().values().any(|entry| is(entry)))
    }

    /// Those that are wanted, in no order.
    pub(super) fn all(&self, is: impl Fn(&V) -> bool) -> Vec<Arc<V>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            all.extend(shard.values().filter(|entry| is(entry)).cloned());
        }
        all
    }

    fn shard(&self, name: &[u8]) -> &Shard<V> {
        // FNV-1a: only spreads names over locks, which nobody gains by meddling with.
        let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

/// Half a digest. 128 bits of a keyed hash: no two keys share them by chance, and nobody can make two that do.
type Half = [u8; 16];
type Digests = HashMap<Half, Arc<KeyEntry>, BuildHasherDefault<FirstBytes>>;

/// A digest is as good as any hash of it.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        let mut first = [0; 8];
        if let Some(bytes) = bytes.get(..8) {
            first.copy_from_slice(bytes);
        }
        self.0 = u64::from_le_bytes(first);
    }
    /// The length of the array, which is always the same.
    fn write_usize(&mut self, _: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Keys, by each digest that they are presented with, and by id.
#[derive(Debug)]
pub(super) struct Keys {
    by_digest: [RwLock<Digests>; SHARDS],
    by_id: RwLock<BTreeMap<KeyId, Arc<KeyEntry>>>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys {
            by_digest: std::array::from_fn(|_| RwLock::default()),
            by_id: RwLock::default(),
        }
    }
}

impl Keys {
    pub(super) fn find(&self, digest: &Digest) -> Option<Arc<KeyEntry>> {
        let half = digest.first_half();
        self.shard(&half).read().get(&half).cloned()
    }

    pub(super) fn get(&self, id: KeyId) -> Option<Arc<KeyEntry>> {
        self.by_id.read().get(&id).cloned()
    }

    /// Puts a key in place of the one of the same id. Who presents it meanwhile gets the one or the other.
    pub(super) fn put(&self, entry: Arc<KeyEntry>) {
        let mut by_id = self.by_id.write();
        let before = by_id.insert(entry.record.id, entry.clone());
        for half in halves(&entry) {
            self.shard(&half).write().insert(half, entry.clone());
        }
        for half in before.iter().flat_map(|before| halves(before)) {
            if !halves(&entry).any(|kept| kept == half) {
                self.shard(&half).write().remove(&half);
            }
        }
    }

    pub(super) fn remove(&self, id: KeyId) -> Option<Arc<KeyEntry>> {
        let mut by_id = self.by_id.write();
        let entry = by_id.remove(&id)?;
        for half in halves(&entry) {
            self.shard(&half).write().remove(&half);
        }
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.read().len()
    }

    pub(super) fn any(&self, is: impl Fn(&KeyEntry) -> bool) -> bool {
        self.by_id.read().values().any(|entry| is(entry))
    }

    /// The first ones that are wanted, after an id, in the order of ids.
    pub(super) fn page(
        &self,
        after: Option<KeyId>,
        count_max: usize,
        is: impl Fn(&KeyEntry) -> bool,
    ) -> Vec<Arc<KeyEntry>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let by_id = self.by_id.read();
        let wanted = by_id
            .range((from, Bound::Unbounded))
            .map(|(_, entry)| entry);
        wanted
            .filter(|entry| is(entry))
            .take(count_max)
            .cloned()
            .collect()
    }

    fn shard(&self, half: &Half) -> &RwLock<Digests> {
        // Bytes that the map's own hash does not use.
        &self.by_digest[usize::from(half[15]) % SHARDS]
    }
}

fn halves(entry: &KeyEntry) -> impl Iterator<Item = Half> + use<> {
    let previous = entry
        .record
        .previous
        .map(|previous| previous.digest.first_half());
    std::iter::once(entry.record.digest.first_half()).chain(previous)
}
