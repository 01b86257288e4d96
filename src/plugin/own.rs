//! Instances that serve one exchange alone: they wait in its [`OwnInstances`] between calls, and go with it.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;

/// Plugins that one exchange may have instances of.
const OWN_MAX: usize = 64;

/// The instances of one exchange. Empty, and without any cost, where no plugin has `instance.mode: exchange`.
#[derive(Default)]
pub struct OwnInstances(Mutex<Vec<(u64, Arc<dyn Any + Send + Sync>)>>);

impl OwnInstances {
    /// What stands here for the pool of that number.
    pub(super) fn find<T: Send + Sync + 'static>(&self, pool: u64) -> Option<Arc<T>> {
        let own = self.0.lock();
        let (_, instance) = own.iter().find(|(owner, _)| *owner == pool)?;
        instance.clone().downcast().ok()
    }

    /// Whether there was room.
    pub(super) fn put<T: Send + Sync + 'static>(&self, pool: u64, instance: Arc<T>) -> bool {
        let mut own = self.0.lock();
        own.retain(|(owner, _)| *owner != pool);
        let has_room = own.len() < OWN_MAX;
        if has_room {
            own.push((pool, instance));
        }
        has_room
    }
}
