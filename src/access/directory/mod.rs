//! All tenants, projects, users and keys, live. One part stands in the configuration and is swapped whole by a reload, the other in
//! the store and changes while weir runs. Each look goes through the records as they are, so a change holds from then on.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

mod change;
mod check;
mod list;
mod names;
mod part;
mod reseal;
#[cfg(test)]
mod tests;

pub use change::{Change, ChangeError, Keep, Name, NewKey, Record};
pub use list::KeyFilter;
pub use part::Listed;
pub use reseal::SigningResealed;

use crate::terms::UserKind;

use super::allow::Allowance;
use super::caller::{
    Caller, Entry, KeyEntry, ProjectEntry, Resolved, TenantEntry, UserEntry, check_state,
};
use super::denied::Denied;
use super::ids::check_id;
use super::jwt::{Grant, TokenFault};
use super::moment::Moment;
use super::records::{Key, Tenant, User};
use super::token::{Digest, Pepper, sha256};
use part::Part;

/// The tenant of callers without a key, where that is allowed.
pub const ANONYMOUS: &str = "anonymous";

/// Who may call. The configuration's records go before the store's of the same name.
pub struct Directory {
    pepper: Pepper,
    configured: ArcSwap<Part>,
    stored: ArcSwap<Part>,
    /// Held from before a change is checked until after it is kept, so that no two changes are made of one state.
    changes: Mutex<()>,
}

impl Directory {
    /// An empty one. Digests are made and compared with `pepper`.
    pub fn new(pepper: Pepper) -> Directory {
        Directory {
            pepper,
            configured: ArcSwap::default(),
            stored: ArcSwap::default(),
            changes: Mutex::new(()),
        }
    }

    /// For digests of keys in the configuration ([`super::KeyDraft::configured`]).
    pub fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// Puts the configuration's part in place of the one before, for all callers at once.
    ///
    /// # Errors
    /// What is wrong with the records; nothing has changed then.
    pub fn set_configured(&self, listed: Listed) -> Result<(), Vec<String>> {
        let _changes = self.changes.lock();
        let (part, problems) = Part::build(listed);
        if problems.is_empty() {
            self.configured.store(Arc::new(part));
            return Ok(());
        }
        Err(problems)
    }

    /// Puts what the store holds in place of what was held of it. Records that cannot be used are left out, and told: a key
    /// that nobody can check is not taken.
    pub fn set_stored(&self, listed: Listed) -> Vec<String> {
        let _changes = self.changes.lock();
        let (part, problems) = Part::build(listed);
        self.stored.store(Arc::new(part));
        problems
    }

    /// Who holds this key.
    ///
    /// # Errors
    /// Why the key is not taken.
    pub fn find(&self, token: &[u8], now: SystemTime) -> Result<Arc<Caller>, Denied> {
        let digest = self.pepper.digest(&sha256(token));
        let parts = self.parts();
        let key = parts
            .find(|part| part.keys.find(&digest))
            .ok_or(Denied::Unknown)?;
        let now = Moment::from(now);
        check_secret(&key, &digest, now)?;
        check_state(key.record.state)?;
        if key.record.expires.is_some_and(|expires| now >= expires) {
            return Err(Denied::Expired);
        }
        parts.caller_of(key).map(Arc::new)
    }

    /// Who holds a token of another issuer, once it has been verified. A user who is not known here is one without limits of
    /// its own.
    ///
    /// # Errors
    /// Why the token is of no use here.
    pub fn by_grant(&self, grant: &Arc<Grant>) -> Result<Arc<Caller>, Denied> {
        let parts = self.parts();
        let claimed = grant.tenant.as_deref().filter(|id| check_id(id).is_ok());
        let claimed = claimed.and_then(|id| parts.tenant(id));
        let is_known = claimed.is_some();
        let by_default = || parts.tenant(grant.default_tenant.as_deref()?);
        let tenant = claimed.or_else(by_default);
        let tenant = active_tenant(tenant, Denied::Token(TokenFault::UnknownTenant))?;
        let id = tenant.record.id.as_str();
        let user = parts.user(id, &grant.user);
        if user.as_ref().is_some_and(|user| !user.record.active) {
            return Err(Denied::UserInactive);
        }
        // The projects of a tenant that is not known here are not those of the one that stands in for it.
        let project = grant.project.as_deref().filter(|_| is_known);
        let project = match project {
            None => parts.project_of(
                id,
                user.as_ref()
                    .and_then(|user| user.record.project.as_deref()),
            )?,
            Some(name) => {
                let project = Some(name).filter(|name| check_id(name).is_ok());
                let project = project.and_then(|name| parts.project(id, name));
                let unknown = Denied::Token(TokenFault::UnknownProject);
                Some(active_project(project, unknown)?)
            }
        };
        let user = user.unwrap_or_else(|| Arc::new(unknown_user(id, grant)));
        Ok(Arc::new(Caller {
            tenant,
            project,
            user: Some(user),
            key: None,
            grant: Some(grant.clone()),
            memo: Arc::default(),
        }))
    }

    /// A caller without a key: of the tenant [`ANONYMOUS`], which may be set up like any other.
    ///
    /// # Errors
    /// If it is set up and not active.
    pub fn anonymous(&self) -> Result<Arc<Caller>, Denied> {
        let tenant = self
            .parts()
            .tenant(ANONYMOUS)
            .unwrap_or_else(anonymous_tenant);
        let tenant = active_tenant(Some(tenant), Denied::TenantInactive)?;
        Ok(Arc::new(Caller {
            tenant,
            project: None,
            user: None,
            key: None,
            grant: None,
            memo: Arc::default(),
        }))
    }

    fn parts(&self) -> Parts {
        Parts {
            configured: self.configured.load(),
            stored: self.stored.load(),
        }
    }
}

/// The map found the key by half of its digest; this compares all of it, and finds out which secret it is.
fn check_secret(key: &KeyEntry, digest: &Digest, now: Moment) -> Result<(), Denied> {
    let record = &key.record;
    if record.digest.is(digest) {
        return Ok(());
    }
    let previous = record.previous.as_ref();
    match previous.filter(|previous| previous.digest.is(digest)) {
        None => Err(Denied::Unknown),
        Some(previous) if now >= previous.until => Err(Denied::Revoked),
        Some(_) => Ok(()),
    }
}

/// Both parts, held for one look.
struct Parts {
    configured: arc_swap::Guard<Arc<Part>>,
    stored: arc_swap::Guard<Arc<Part>>,
}

impl Parts {
    fn find<T>(&self, look: impl Fn(&Part) -> Option<T>) -> Option<T> {
        look(&self.configured).or_else(|| look(&self.stored))
    }

    fn tenant(&self, id: &str) -> Option<Arc<TenantEntry>> {
        self.find(|part| part.tenants.get(&[id]))
    }

    fn project(&self, tenant: &str, id: &str) -> Option<Arc<ProjectEntry>> {
        self.find(|part| part.projects.get(&[tenant, id]))
    }

    fn user(&self, tenant: &str, id: &str) -> Option<Arc<UserEntry>> {
        self.find(|part| part.users.get(&[tenant, id]))
    }

    /// What the key led to last time holds until a part changes: most looks end here, after one map in place of three.
    fn caller_of(&self, key: Arc<KeyEntry>) -> Result<Caller, Denied> {
        let versions = (self.configured.version(), self.stored.version());
        let known = key.resolved.load_full();
        let resolved = match known.filter(|known| known.versions == versions) {
            Some(known) => known,
            None => {
                let resolved = Arc::new(self.resolve(&key.record, versions)?);
                key.resolved.store(Some(resolved.clone()));
                resolved
            }
        };
        Ok(Caller {
            tenant: resolved.tenant.clone(),
            project: resolved.project.clone(),
            user: resolved.user.clone(),
            key: Some(key),
            grant: None,
            memo: resolved.memo.clone(),
        })
    }

    /// The records behind a key, all of them active.
    fn resolve(&self, key: &Key, versions: (u64, u64)) -> Result<Resolved, Denied> {
        let tenant = active_tenant(self.tenant(&key.tenant), Denied::TenantInactive)?;
        let user = match &key.user {
            None => None,
            Some(id) => {
                let user = self.user(&key.tenant, id);
                let user = user.filter(|user| user.record.active);
                Some(user.ok_or(Denied::UserInactive)?)
            }
        };
        let of_user = || {
            user.as_ref()
                .and_then(|user| user.record.project.as_deref())
        };
        let project = key.project.as_deref().or_else(of_user);
        Ok(Resolved {
            versions,
            memo: Arc::default(),
            project: self.project_of(&key.tenant, project)?,
            tenant,
            user,
        })
    }

    fn project_of(
        &self,
        tenant: &str,
        id: Option<&str>,
    ) -> Result<Option<Arc<ProjectEntry>>, Denied> {
        let project =
            id.map(|id| active_project(self.project(tenant, id), Denied::ProjectInactive));
        project.transpose()
    }
}

fn active_tenant(
    tenant: Option<Arc<TenantEntry>>,
    unknown: Denied,
) -> Result<Arc<TenantEntry>, Denied> {
    let tenant = tenant.ok_or(unknown)?;
    match tenant.record.active {
        true => Ok(tenant),
        false => Err(Denied::TenantInactive),
    }
}

fn active_project(
    project: Option<Arc<ProjectEntry>>,
    unknown: Denied,
) -> Result<Arc<ProjectEntry>, Denied> {
    let project = project.ok_or(unknown)?;
    match project.record.active {
        true => Ok(project),
        false => Err(Denied::ProjectInactive),
    }
}

fn unknown_user(tenant: &str, grant: &Grant) -> UserEntry {
    Entry {
        record: User {
            tenant: tenant.to_owned(),
            id: grant.user.clone(),
            name: grant.subject.clone(),
            kind: UserKind::Person,
            project: None,
            active: true,
            limits: Default::default(),
            budget: None,
            allow: Default::default(),
            tags: Default::default(),
        },
        allowance: Allowance::default(),
    }
}

fn anonymous_tenant() -> Arc<TenantEntry> {
    let record = Tenant {
        id: ANONYMOUS.to_owned(),
        name: String::new(),
        active: true,
        limits: Default::default(),
        budget: None,
        account: None,
        plan: None,
        allow: Default::default(),
        profile: None,
        priority: None,
        tags: Default::default(),
    };
    Arc::new(Entry {
        record,
        allowance: Allowance::default(),
    })
}
