//! Who calls: the records behind a key or a token as they are at this moment, and what they allow together.
//! It must not know how the caller was found.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use zeroize::Zeroizing;

use crate::wire::Operation;

use crate::terms::{KeyState, Priority, Scope};

use super::allow::Allowance;
use super::denied::Denied;
use super::ids::KeyId;
use super::jwt::Grant;
use super::memo::Memo;
use super::records::{Key, Project, Tags, Tenant, User};
use super::scope::Scopes;
use super::seal::{Seal, SealError};

/// A record, and its allowance made ready.
#[derive(Debug)]
pub struct Entry<R> {
    pub record: R,
    pub allowance: Allowance,
}

pub type TenantEntry = Entry<Tenant>;
pub type ProjectEntry = Entry<Project>;
pub type UserEntry = Entry<User>;

/// As [`Entry`], with what the key led to when it was last looked at.
#[derive(Debug)]
pub struct KeyEntry {
    pub record: Key,
    pub allowance: Allowance,
    pub(super) resolved: ArcSwapOption<Resolved>,
}

/// The records behind a key, as long as neither part of the directory has changed.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Of the configuration's part and of the store's.
    pub versions: (u64, u64),
    pub tenant: Arc<TenantEntry>,
    pub project: Option<Arc<ProjectEntry>>,
    pub user: Option<Arc<UserEntry>>,
    pub memo: Arc<Memo>,
}

impl KeyEntry {
    pub(super) fn new(record: Key, allowance: Allowance) -> KeyEntry {
        KeyEntry {
            record,
            allowance,
            resolved: ArcSwapOption::empty(),
        }
    }
}

/// A caller. What it may do is what its tenant, project, user, key and token all allow.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: Arc<TenantEntry>,
    pub project: Option<Arc<ProjectEntry>>,
    pub user: Option<Arc<UserEntry>>,
    /// `None` for callers with a token, and without anything where that is allowed.
    pub key: Option<Arc<KeyEntry>>,
    /// What the token of another issuer grants.
    pub grant: Option<Arc<Grant>>,
    /// The same for all requests with one key, until one of the records behind it changes.
    pub memo: Arc<Memo>,
}

impl Caller {
    pub fn tenant_id(&self) -> &str {
        &self.tenant.record.id
    }

    pub fn project_id(&self) -> Option<&str> {
        self.project
            .as_ref()
            .map(|project| project.record.id.as_str())
    }

    pub fn user_id(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.record.id.as_str())
    }

    pub fn key_id(&self) -> Option<KeyId> {
        self.key.as_ref().map(|key| key.record.id)
    }

    /// The key's label, if there is a key.
    pub fn key_label(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.record.label.as_str())
    }

    /// What it may do besides, or instead of, asking models.
    pub fn scopes(&self) -> Scopes {
        match (&self.key, &self.grant) {
            (Some(key), _) => key.record.scopes,
            (None, Some(grant)) => grant.scopes,
            (None, None) => Scopes::default(),
        }
    }

    /// The tenant's class, or the key's where that comes after it.
    pub fn priority(&self) -> Priority {
        let key = self.key.as_ref().and_then(|key| key.record.priority);
        key.max(self.tenant.record.priority).unwrap_or_default()
    }

    /// The routing profile: the key's, else the tenant's.
    pub fn profile(&self) -> Option<&str> {
        let key = self
            .key
            .as_ref()
            .and_then(|key| key.record.profile.as_deref());
        key.or(self.tenant.record.profile.as_deref())
    }

    /// All tags; the nearest to the key wins.
    pub fn tags(&self) -> Tags {
        let mut tags = self.tenant.record.tags.clone();
        let nearer = [
            self.project.as_ref().map(|project| &project.record.tags),
            self.user.as_ref().map(|user| &user.record.tags),
            self.grant.as_ref().map(|grant| &grant.tags),
            self.key.as_ref().map(|key| &key.record.tags),
        ];
        for more in nearer.into_iter().flatten() {
            tags.extend(more.iter().map(|(tag, value)| (tag.clone(), value.clone())));
        }
        tags
    }

    /// The secret that requests must be signed with; `None`: they need no signature.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn signing_secret(&self, seal: &Seal) -> Option<Result<Zeroizing<Vec<u8>>, SealError>> {
        let key = self.key.as_ref()?;
        let sealed = key.record.signing.as_deref()?;
        Some(seal.open(sealed, &signing_context(key.record.id)))
    }

    pub fn has(&self, scope: Scope) -> bool {
        self.scopes().has(scope)
    }

    pub fn may_use_model(&self, model: &str) -> bool {
        let by_token = self
            .grant
            .as_ref()
            .is_none_or(|grant| grant.allows_model(model));
        by_token
            && self
                .allowances()
                .all(|allowance| allowance.allows_model(model))
    }

    pub fn may_do(&self, operation: Operation) -> bool {
        let label = operation.label();
        self.allowances()
            .all(|allowance| allowance.allows_operation(label))
    }

    pub fn may_come_from(&self, address: IpAddr) -> bool {
        self.allowances()
            .all(|allowance| allowance.allows_address(address))
    }

    /// What is known before the body is: scope, address and operation.
    ///
    /// # Errors
    /// The first that is not allowed.
    pub fn permit(&self, operation: Operation, address: IpAddr) -> Result<(), Denied> {
        if !self.has(Scope::Inference) {
            return Err(Denied::Scope(Scope::Inference));
        }
        if !self.may_come_from(address) {
            return Err(Denied::Address(address));
        }
        match self.may_do(operation) {
            true => Ok(()),
            false => Err(Denied::Operation(operation.label())),
        }
    }

    /// # Errors
    /// [`Denied::Model`], which names it.
    pub fn permit_model(&self, model: &str) -> Result<(), Denied> {
        match self.may_use_model(model) {
            true => Ok(()),
            false => Err(Denied::Model(model.to_owned())),
        }
    }

    fn allowances(&self) -> impl Iterator<Item = &Allowance> {
        let narrower = [
            self.key.as_ref().map(|key| &key.allowance),
            self.user.as_ref().map(|user| &user.allowance),
            self.project.as_ref().map(|project| &project.allowance),
        ];
        narrower
            .into_iter()
            .flatten()
            .chain([&self.tenant.allowance])
    }
}

/// What envelopes of signing secrets are for ([`Seal::seal`]).
pub fn signing_context(id: KeyId) -> String {
    format!("signing secret of key {id}")
}

/// Whether a key is taken in its state.
pub(super) fn check_state(state: KeyState) -> Result<(), Denied> {
    match state {
        KeyState::Active => Ok(()),
        KeyState::Disabled => Err(Denied::Disabled),
        KeyState::Revoked => Err(Denied::Revoked),
    }
}
