//! One part of the directory: the configuration's or the store's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::caller::{Entry, KeyEntry, ProjectEntry, TenantEntry, UserEntry};
use super::super::records::{Key, Project, Tenant, User};
use super::check;
use super::names::{Keys, Names};

/// Keys of one part.
pub(super) const KEYS_MAX: usize = 2_000_000;
/// Tenants, projects, and users of one part, each.
pub(super) const NAMES_MAX: usize = 1_000_000;

/// All records of a part.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    pub tenants: Vec<Tenant>,
    pub projects: Vec<Project>,
    pub users: Vec<User>,
    pub keys: Vec<Key>,
}

/// The next version of any part of any directory: no two states have the same.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Default)]
pub(super) struct Part {
    /// Another one after each change of a tenant, a project or a user.
    version: AtomicU64,
    pub tenants: Names<TenantEntry>,
    pub projects: Names<ProjectEntry>,
    pub users: Names<UserEntry>,
    pub keys: Keys,
}

impl Part {
    /// The part, without the records that something is wrong with, and what that is.
    pub(super) fn build(listed: Listed) -> (Part, Vec<String>) {
        let part = Part::default();
        let mut problems = Vec::new();
        for record in listed.tenants {
            part.add_tenant(record)
                .unwrap_or_else(|problem| problems.push(problem));
        }
        for record in listed.projects {
            part.add_project(record)
                .unwrap_or_else(|problem| problems.push(problem));
        }
        for record in listed.users {
            part.add_user(record)
                .unwrap_or_else(|problem| problems.push(problem));
        }
        for record in listed.keys {
            part.add_key(record)
                .unwrap_or_else(|problem| problems.push(problem));
        }
        part.has_changed();
        (part, problems)
    }

    /// To be read before the records: what is found then is at least as new.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Must follow each change of a tenant, a project or a user, before anybody is told of it.
    pub(super) fn has_changed(&self) {
        let next = NEXT_VERSION.fetch_add(1, Ordering::Relaxed);
        self.version.store(next, Ordering::Release);
    }

    fn add_tenant(&self, record: Tenant) -> Result<(), String> {
        let entry = tenant(record)?;
        let id = &entry.record.id;
        if self.tenants.get(&[id]).is_some() {
            return Err(format!("tenant `{id}` stands there twice"));
        }
        self.put_tenant(entry);
        Ok(())
    }

    fn add_project(&self, record: Project) -> Result<(), String> {
        let entry = project(record)?;
        let Project { tenant, id, .. } = &entry.record;
        if self.projects.get(&[tenant, id]).is_some() {
            return Err(format!(
                "project `{id}` of tenant `{tenant}` stands there twice"
            ));
        }
        self.put_project(entry);
        Ok(())
    }

    fn add_user(&self, record: User) -> Result<(), String> {
        let entry = user(record)?;
        let User { tenant, id, .. } = &entry.record;
        if self.users.get(&[tenant, id]).is_some() {
            return Err(format!(
                "user `{id}` of tenant `{tenant}` stands there twice"
            ));
        }
        self.put_user(entry);
        Ok(())
    }

    fn add_key(&self, record: Key) -> Result<(), String> {
        let entry = key(record)?;
        let Key { label, tenant, .. } = &entry.record;
        if self.keys.get(entry.record.id).is_some() {
            return Err(format!(
                "key `{label}` of tenant `{tenant}` stands there twice"
            ));
        }
        if let Some(same) = self.keys.find(&entry.record.digest) {
            let other = &same.record.label;
            return Err(format!("keys `{other}` and `{label}` have the same secret"));
        }
        self.keys.put(Arc::new(entry));
        Ok(())
    }

    pub(super) fn put_tenant(&self, entry: TenantEntry) {
        let entry = Arc::new(entry);
        self.tenants.put(&[&entry.record.id], entry.clone());
    }

    pub(super) fn put_project(&self, entry: ProjectEntry) {
        let entry = Arc::new(entry);
        self.projects
            .put(&[&entry.record.tenant, &entry.record.id], entry.clone());
    }

    pub(super) fn put_user(&self, entry: UserEntry) {
        let entry = Arc::new(entry);
        self.users
            .put(&[&entry.record.tenant, &entry.record.id], entry.clone());
    }
}

pub(super) fn tenant(record: Tenant) -> Result<TenantEntry, String> {
    let allowance = check::tenant(&record)?;
    Ok(Entry { record, allowance })
}

pub(super) fn project(record: Project) -> Result<ProjectEntry, String> {
    let allowance = check::project(&record)?;
    Ok(Entry { record, allowance })
}

pub(super) fn user(record: User) -> Result<UserEntry, String> {
    let allowance = check::user(&record)?;
    Ok(Entry { record, allowance })
}

pub(super) fn key(record: Key) -> Result<KeyEntry, String> {
    let allowance = check::key(&record)?;
    Ok(KeyEntry::new(record, allowance))
}
