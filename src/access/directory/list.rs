//! Lists of what there is, in the order of ids and in pages, for those who administer it.

use std::sync::Arc;

use crate::terms::KeyState;

use super::super::caller::{KeyEntry, ProjectEntry, TenantEntry, UserEntry};
use super::super::ids::KeyId;
use super::super::records::Key;
use super::names::Names;
use super::part::Part;
use super::{Directory, Parts};

/// Entries of a page.
const PAGE_MAX: usize = 1000;

/// Which keys are wanted; what is absent does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFilter<'a> {
    pub tenant: Option<&'a str>,
    pub project: Option<&'a str>,
    pub user: Option<&'a str>,
    pub state: Option<KeyState>,
}

impl KeyFilter<'_> {
    fn takes(&self, key: &Key) -> bool {
        self.tenant.is_none_or(|tenant| key.tenant == tenant)
            && self
                .project
                .is_none_or(|project| key.project.as_deref() == Some(project))
            && self
                .user
                .is_none_or(|user| key.user.as_deref() == Some(user))
            && self.state.is_none_or(|state| key.state == state)
    }
}

/// Up to a thousand entries with ids after `after`, each once: the configuration's goes before the store's.
impl Directory {
    pub fn tenants(&self, after: Option<&str>, count_max: usize) -> Vec<Arc<TenantEntry>> {
        let is = |entry: &TenantEntry| is_after(&entry.record.id, after);
        let id = |entry: &TenantEntry| entry.record.id.clone();
        self.parts().page(|part| &part.tenants, is, id, count_max)
    }

    pub fn projects(
        &self,
        tenant: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Vec<Arc<ProjectEntry>> {
        let is = |entry: &ProjectEntry| {
            entry.record.tenant == tenant && is_after(&entry.record.id, after)
        };
        let id = |entry: &ProjectEntry| entry.record.id.clone();
        self.parts().page(|part| &part.projects, is, id, count_max)
    }

    pub fn users(
        &self,
        tenant: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Vec<Arc<UserEntry>> {
        let is =
            |entry: &UserEntry| entry.record.tenant == tenant && is_after(&entry.record.id, after);
        let id = |entry: &UserEntry| entry.record.id.clone();
        self.parts().page(|part| &part.users, is, id, count_max)
    }

    pub fn keys(
        &self,
        filter: &KeyFilter<'_>,
        after: Option<KeyId>,
        count_max: usize,
    ) -> Vec<Arc<KeyEntry>> {
        let parts = self.parts();
        let count_max = count_max.min(PAGE_MAX);
        let page = |part: &Part| {
            part.keys
                .page(after, count_max, |entry| filter.takes(&entry.record))
        };
        let (configured, stored) = (page(&parts.configured), page(&parts.stored));
        in_order(configured, stored, |entry| entry.record.id, count_max)
    }

    /// Keys in all, those that are not taken any more included.
    pub fn keys_count(&self) -> usize {
        let parts = self.parts();
        parts.configured.keys.len() + parts.stored.keys.len()
    }
}

fn is_after(id: &str, after: Option<&str>) -> bool {
    after.is_none_or(|after| id > after)
}

impl Parts {
    fn page<V, I: Ord>(
        &self,
        names: impl Fn(&Part) -> &Names<V>,
        is: impl Fn(&V) -> bool,
        id: impl Fn(&V) -> I,
        count_max: usize,
    ) -> Vec<Arc<V>> {
        let configured = names(&self.configured).all(&is);
        let stored = names(&self.stored).all(&is);
        in_order(configured, stored, id, count_max.min(PAGE_MAX))
    }
}

fn in_order<V, I: Ord>(
    configured: Vec<Arc<V>>,
    stored: Vec<Arc<V>>,
    id: impl Fn(&V) -> I,
    count_max: usize,
) -> Vec<Arc<V>> {
    let mut all: Vec<Arc<V>> = configured.into_iter().chain(stored).collect();
    // Stable: of two with one id the configuration's stays the first.
    all.sort_by_cached_key(|entry| id(entry));
    all.dedup_by(|second, first| id(second) == id(first));
    all.truncate(count_max);
    all
}
