//! What is worked out once for a caller and kept beside it: whom rows name, and what bounds it. It lasts until a record changes.
//! It must not know what any of it is for.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::access::Caller;
use crate::ledger::Who;
use crate::limit::Tuned;

/// What is known of a caller.
#[derive(Default)]
pub struct Known {
    who: OnceLock<Arc<Who>>,
    bound: ArcSwapOption<Bound>,
}

/// The meters of a caller's own, as one configuration has set them.
pub struct Bound {
    generation: u64,
    pub meters: Vec<Tuned>,
    pub counts_money: bool,
}

impl Bound {
    pub fn new(generation: u64) -> Bound {
        Bound {
            generation,
            meters: Vec::new(),
            counts_money: false,
        }
    }
}

/// What is known of a caller so far.
pub fn of(caller: &Caller) -> &Known {
    caller.memo.of()
}

impl Known {
    /// What bounds the caller by the configuration of that generation, if that was worked out.
    pub fn bound(&self, generation: u64) -> Option<Arc<Bound>> {
        let bound = self.bound.load_full();
        bound.filter(|bound| bound.generation == generation)
    }

    pub fn keep(&self, bound: Bound) {
        self.bound.store(Some(Arc::new(bound)));
    }
}

/// Whom a caller's rows name.
pub fn who(caller: &Caller) -> Arc<Who> {
    let known = of(caller);
    let made = known.who.get_or_init(|| {
        Arc::new(Who {
            tenant: caller.tenant_id().into(),
            project: caller.project_id().map(Arc::from),
            user: caller.user_id().map(Arc::from),
            key_id: caller.key_id().map(|id| id.as_str().into()),
            key_label: caller.key_label().map(Arc::from),
            tags: caller.tags(),
        })
    });
    made.clone()
}
