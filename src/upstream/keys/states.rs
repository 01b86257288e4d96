//! What is known of an upstream's keys from running, under the secret's hash, for as long as a pool holds it.
//! It must not know what a pool does with it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::fingerprint::Fingerprint;
use super::state::KeyState;

/// The states of one upstream's keys. Kept by the gateway from one configuration to the next; a clone is the same table.
#[derive(Clone, Default)]
pub struct KeyStates {
    table: Arc<Mutex<Table>>,
}

impl KeyStates {
    /// Held for one look at the keys or one change of them, and never across a wait.
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    /// Keys that a pool holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.lock().slots_by_key.len()
    }
}

/// One lock for all keys of an upstream, so that choosing sees them all as they are and reserves in the same step.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Option<Slot>>,
    slots_by_key: HashMap<Fingerprint, usize>,
    /// Counts choices.
    pub(super) turns: u64,
}

struct Slot {
    key: Fingerprint,
    /// Keys of pools that stand for it.
    holders: usize,
    /// Stands for everything that the configuration says of the key but its secret.
    form: u64,
    state: KeyState,
}

impl Table {
    /// Takes hold of a key's state, which may be new. A key that was out is tried again when its `form` has changed.
    pub(super) fn hold(&mut self, key: Fingerprint, form: u64) -> usize {
        let index = match self.slots_by_key.get(&key) {
            Some(&index) => index,
            None => self.insert(key, form),
        };
        let slot = self.slot(index);
        slot.holders += 1;
        if slot.form != form {
            slot.form = form;
            if slot.state.out.is_some() {
                slot.state.revive();
            }
        }
        index
    }

    /// Lets go of it; nobody's state is forgotten.
    pub(super) fn release(&mut self, index: usize) {
        let slot = self.slot(index);
        slot.holders -= 1;
        if slot.holders == 0 {
            let key = slot.key;
            self.slots_by_key.remove(&key);
            self.slots[index] = None;
        }
    }

    pub(super) fn state(&mut self, index: usize) -> &mut KeyState {
        &mut self.slot(index).state
    }

    fn slot(&mut self, index: usize) -> &mut Slot {
        self.slots[index]
            .as_mut()
            .expect("a pool holds the slot for as long as it knows its index")
    }

    fn insert(&mut self, key: Fingerprint, form: u64) -> usize {
        let index = match self.slots.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.slots[index] = Some(Slot {
            key,
            holders: 0,
            form,
            state: KeyState::default(),
        });
        self.slots_by_key.insert(key, index);
        index
    }
}
