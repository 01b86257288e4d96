//! Changes of the store's part while weir runs. Each is checked, handed to whoever keeps it, and then holds for all callers;
//! what takes something away holds first and is kept after, so that a store that is down stops no revocation.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::terms::KeyState;

use super::super::caller::signing_context;
use super::super::ids::KeyId;
use super::super::moment::Moment;
use super::super::records::{Key, KeyDraft, Previous, Project, Tenant, User};
use super::super::seal::{Seal, SealError};
use super::super::token::{NoRandomness, Token, secret_text, sha256};
use super::part::{self, KEYS_MAX, NAMES_MAX, Part};
use super::{Directory, Parts};

/// How long the secret before a rotation may still be taken.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Tenant(Box<Tenant>),
    Project(Box<Project>),
    User(Box<User>),
    Key(Box<Key>),
}

/// What a record is named by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    Tenant(String),
    Project { tenant: String, id: String },
    User { tenant: String, id: String },
    Key(KeyId),
}

/// What has to be kept of a change. Absolute: to keep it twice is to keep it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put(Record),
    Remove(Name),
}

/// Keeps a change for good before it returns, or says why it cannot. It may wait for a disk.
pub type Keep<'a> = dyn FnMut(&[Change]) -> Result<(), String> + 'a;

/// A key that has just been made. Its secrets are nowhere else, and are not shown again.
#[derive(Debug)]
pub struct NewKey {
    pub key: Key,
    pub token: Token,
    /// What its requests are to be signed with, if they must be.
    pub signing: Option<Token>,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    Unknown(Name),
    /// There is one of that name already.
    Exists(Name),
    /// It stands in the configuration, and is changed there.
    InConfiguration(Name),
    /// Others belong to it.
    InUse {
        name: Name,
        by: &'static str,
    },
    /// The record, or what it refers to, is not as it must be.
    Invalid(String),
    /// More of a kind than there may be.
    Full {
        kind: &'static str,
        count_max: usize,
    },
    Sealing(SealError),
    NoRandomness,
    /// It could not be kept. What takes something away holds all the same until weir ends.
    NotKept {
        why: String,
        holds: bool,
    },
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Tenant(id) => write!(f, "tenant `{id}`"),
            Name::Project { tenant, id } => write!(f, "project `{id}` of tenant `{tenant}`"),
            Name::User { tenant, id } => write!(f, "user `{id}` of tenant `{tenant}`"),
            Name::Key(id) => write!(f, "key `{id}`"),
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Unknown(name) => write!(f, "there is no {name}"),
            ChangeError::Exists(name) => write!(f, "there is a {name} already"),
            ChangeError::InConfiguration(name) => {
                write!(f, "{name} stands in the configuration; change it there")
            }
            ChangeError::InUse { name, by } => {
                write!(
                    f,
                    "{name} still has {by}; remove those first, or make it inactive"
                )
            }
            ChangeError::Invalid(problem) => f.write_str(problem),
            ChangeError::Full { kind, count_max } => {
                write!(
                    f,
                    "there are {count_max} {kind}, which is the most; remove some first"
                )
            }
            ChangeError::Sealing(error) => write!(f, "the signing secret cannot be kept: {error}"),
            ChangeError::NoRandomness => NoRandomness.fmt(f),
            ChangeError::NotKept { why, holds: true } => {
                write!(
                    f,
                    "it holds now, but could not be kept beyond a restart: {why}"
                )
            }
            ChangeError::NotKept { why, holds: false } => {
                write!(f, "it could not be kept, and nothing has changed: {why}")
            }
        }
    }
}

impl std::error::Error for ChangeError {}

impl From<NoRandomness> for ChangeError {
    fn from(_: NoRandomness) -> ChangeError {
        ChangeError::NoRandomness
    }
}

impl Record {
    pub fn name(&self) -> Name {
        match self {
            Record::Tenant(tenant) => Name::Tenant(tenant.id.clone()),
            Record::Project(project) => Name::Project {
                tenant: project.tenant.clone(),
                id: project.id.clone(),
            },
            Record::User(user) => Name::User {
                tenant: user.tenant.clone(),
                id: user.id.clone(),
            },
            Record::Key(key) => Name::Key(key.id),
        }
    }

    fn is_active(&self) -> bool {
        match self {
            Record::Tenant(tenant) => tenant.active,
            Record::Project(project) => project.active,
            Record::User(user) => user.active,
            Record::Key(key) => key.state == KeyState::Active,
        }
    }
}

impl Directory {
    /// The record of this name, of either part.
    pub fn get(&self, name: &Name) -> Option<Record> {
        self.parts().find(|part| part.get(name))
    }

    /// Whether the record stands in the configuration.
    pub fn is_configured(&self, name: &Name) -> bool {
        self.parts().configured.get(name).is_some()
    }

    /// Adds a tenant, a project or a user. (Keys: [`Directory::create_key`].)
    ///
    /// # Errors
    /// Why it is not added.
    pub fn create(&self, record: Record, keep: &mut Keep<'_>) -> Result<(), ChangeError> {
        let _changes = self.changes.lock();
        let parts = self.parts();
        if let Record::Key(key) = &record {
            let problem = format!("key `{}`: a key is made from a draft", key.label);
            return Err(ChangeError::Invalid(problem));
        }
        let name = record.name();
        if parts.find(|part| part.get(&name)).is_some() {
            return Err(ChangeError::Exists(name));
        }
        parts.check_room(&record)?;
        parts.put(record, false, keep)
    }

    /// Changes a record. What names it stays, and so do a key's secrets; a key that is revoked stays so.
    ///
    /// # Errors
    /// Why it is not changed; what `edit` says is [`ChangeError::Invalid`].
    pub fn edit(
        &self,
        name: &Name,
        keep: &mut Keep<'_>,
        edit: &mut dyn FnMut(&mut Record) -> Result<(), String>,
    ) -> Result<Record, ChangeError> {
        let _changes = self.changes.lock();
        let parts = self.parts();
        let before = parts.stored_record(name)?;
        let mut record = before.clone();
        edit(&mut record).map_err(ChangeError::Invalid)?;
        check_fixed(&before, &record).map_err(ChangeError::Invalid)?;
        let takes_away = before.is_active() && !record.is_active();
        parts.put(record.clone(), takes_away, keep)?;
        Ok(record)
    }

    /// Removes a record that nothing belongs to. A key is then unknown; revoking it says more to who presents it.
    ///
    /// # Errors
    /// Why it is not removed.
    pub fn remove(&self, name: &Name, keep: &mut Keep<'_>) -> Result<(), ChangeError> {
        let _changes = self.changes.lock();
        let parts = self.parts();
        parts.stored_record(name)?;
        if let Some(by) = parts.belongings(name) {
            let name = name.clone();
            return Err(ChangeError::InUse { name, by });
        }
        parts.stored.remove(name);
        keep(&[Change::Remove(name.clone())])
            .map_err(|why| ChangeError::NotKept { why, holds: true })
    }

    /// Makes a key. `seal` is needed for one whose requests must be signed.
    ///
    /// # Errors
    /// Why there is none; nobody has seen its secrets then.
    pub fn create_key(
        &self,
        draft: KeyDraft,
        now: SystemTime,
        random: &dyn SecureRandom,
        seal: Option<&Seal>,
        keep: &mut Keep<'_>,
    ) -> Result<NewKey, ChangeError> {
        let _changes = self.changes.lock();
        let parts = self.parts();
        let mut id = KeyId::random(random)?;
        while parts.find(|part| part.keys.get(id)).is_some() {
            id = KeyId::random(random)?;
        }
        let token = Token::new(id, random)?;
        let digest = self.pepper.digest(&sha256(token.expose().as_bytes()));
        let is_signed = draft.signed;
        let mut key = draft.key(id, digest, Moment::from(now));
        let signing = match is_signed {
            true => Some(signing_secret(&mut key, random, seal)?),
            false => None,
        };
        let record = Record::Key(Box::new(key.clone()));
        parts.check_room(&record)?;
        parts.put(record, false, keep)?;
        Ok(NewKey {
            key,
            token,
            signing,
        })
    }

    /// Gives a key another secret. The one before is taken for `overlap` more, thirty days at most; zero ends it at once.
    ///
    /// # Errors
    /// Why it keeps the one it has.
    pub fn rotate_key(
        &self,
        id: KeyId,
        overlap: Duration,
        now: SystemTime,
        random: &dyn SecureRandom,
        keep: &mut Keep<'_>,
    ) -> Result<NewKey, ChangeError> {
        let _changes = self.changes.lock();
        let parts = self.parts();
        let name = Name::Key(id);
        let Record::Key(mut key) = parts.stored_record(&name)? else {
            return Err(ChangeError::Unknown(name));
        };
        if key.state == KeyState::Revoked {
            let problem = format!("key `{}` is revoked; make another one", key.label);
            return Err(ChangeError::Invalid(problem));
        }
        let token = Token::new(id, random)?;
        let until = Moment::from(now).after(overlap.min(OVERLAP_MAX));
        key.previous = (!overlap.is_zero()).then_some(Previous {
            digest: key.digest,
            until,
        });
        key.digest = self.pepper.digest(&sha256(token.expose().as_bytes()));
        parts.put(Record::Key(key.clone()), false, keep)?;
        Ok(NewKey {
            key: *key,
            token,
            signing: None,
        })
    }

    /// Ends a key, at once and for ever.
    ///
    /// # Errors
    /// [`ChangeError::NotKept`] if it holds only until weir ends; or why there is nothing to revoke.
    pub fn revoke_key(&self, id: KeyId, keep: &mut Keep<'_>) -> Result<Key, ChangeError> {
        self.edit_key(id, keep, &mut |key| {
            key.state = KeyState::Revoked;
            Ok(())
        })
    }

    /// [`Directory::edit`], for keys.
    ///
    /// # Errors
    /// As there.
    pub fn edit_key(
        &self,
        id: KeyId,
        keep: &mut Keep<'_>,
        edit: &mut dyn FnMut(&mut Key) -> Result<(), String>,
    ) -> Result<Key, ChangeError> {
        let name = Name::Key(id);
        let record = self.edit(&name, keep, &mut |record| match record {
            Record::Key(key) => edit(key),
            Record::Tenant(_) | Record::Project(_) | Record::User(_) => Ok(()),
        })?;
        match record {
            Record::Key(key) => Ok(*key),
            Record::Tenant(_) | Record::Project(_) | Record::User(_) => {
                Err(ChangeError::Unknown(name))
            }
        }
    }
}

fn signing_secret(
    key: &mut Key,
    random: &dyn SecureRandom,
    seal: Option<&Seal>,
) -> Result<Token, ChangeError> {
    let seal = seal.ok_or_else(|| {
        let label = &key.label;
        ChangeError::Invalid(format!(
            "key `{label}`: `signed` needs a master key to keep the secret under"
        ))
    })?;
    let secret: Zeroizing<String> = secret_text(random)?;
    let sealed = seal.seal(secret.as_bytes(), &signing_context(key.id), random);
    key.signing = Some(sealed.map_err(ChangeError::Sealing)?);
    Ok(Token::from(secret))
}

/// What no edit may change.
fn check_fixed(before: &Record, after: &Record) -> Result<(), String> {
    let name = before.name();
    if after.name() != name {
        return Err(format!(
            "{name}: what names it cannot be changed; make another one"
        ));
    }
    let (Record::Key(before), Record::Key(after)) = (before, after) else {
        return Ok(());
    };
    let fixed = |key: &Key| {
        (
            key.digest,
            key.previous,
            key.tenant.clone(),
            key.created,
            key.signing.clone(),
        )
    };
    if fixed(before) != fixed(after) {
        return Err(format!(
            "{name}: its tenant, its time and its secrets cannot be changed; rotate it, or make another one"
        ));
    }
    if before.state == KeyState::Revoked && after.state != KeyState::Revoked {
        return Err(format!(
            "{name} is revoked, which is for ever; make another one"
        ));
    }
    Ok(())
}

impl Parts {
    /// The record, where it is the store's.
    fn stored_record(&self, name: &Name) -> Result<Record, ChangeError> {
        if self.configured.get(name).is_some() {
            return Err(ChangeError::InConfiguration(name.clone()));
        }
        self.stored
            .get(name)
            .ok_or_else(|| ChangeError::Unknown(name.clone()))
    }

    fn check_room(&self, record: &Record) -> Result<(), ChangeError> {
        let (count, kind, count_max) = match record {
            Record::Tenant(_) => (self.stored.tenants.len(), "tenants", NAMES_MAX),
            Record::Project(_) => (self.stored.projects.len(), "projects", NAMES_MAX),
            Record::User(_) => (self.stored.users.len(), "users", NAMES_MAX),
            Record::Key(_) => (self.stored.keys.len(), "keys", KEYS_MAX),
        };
        match count < count_max {
            true => Ok(()),
            false => Err(ChangeError::Full { kind, count_max }),
        }
    }

    /// Checks, keeps and takes over a record.
    fn put(
        &self,
        record: Record,
        takes_away: bool,
        keep: &mut Keep<'_>,
    ) -> Result<(), ChangeError> {
        // What takes something away is not refused because of what it names.
        if !takes_away {
            self.check_names(&record).map_err(ChangeError::Invalid)?;
        }
        let ready = Ready::read(record.clone()).map_err(ChangeError::Invalid)?;
        let change = [Change::Put(record)];
        if takes_away {
            self.stored.take(ready);
            return keep(&change).map_err(|why| ChangeError::NotKept { why, holds: true });
        }
        keep(&change).map_err(|why| ChangeError::NotKept { why, holds: false })?;
        self.stored.take(ready);
        Ok(())
    }

    /// Whether there is what a record refers to.
    fn check_names(&self, record: &Record) -> Result<(), String> {
        let (tenant, project, user) = match record {
            Record::Tenant(_) => return Ok(()),
            Record::Project(project) => (&project.tenant, None, None),
            Record::User(user) => (&user.tenant, user.project.as_ref(), None),
            Record::Key(key) => (&key.tenant, key.project.as_ref(), key.user.as_ref()),
        };
        let missing = |name: Name| Err(format!("{}: there is no {name}", record.name()));
        if self.tenant(tenant).is_none() {
            return missing(Name::Tenant(tenant.clone()));
        }
        if let Some(id) = project
            && self.project(tenant, id).is_none()
        {
            let (tenant, id) = (tenant.clone(), id.clone());
            return missing(Name::Project { tenant, id });
        }
        if let Some(id) = user
            && self.user(tenant, id).is_none()
        {
            let (tenant, id) = (tenant.clone(), id.clone());
            return missing(Name::User { tenant, id });
        }
        Ok(())
    }

    /// What belongs to a record, in either part.
    fn belongings(&self, name: &Name) -> Option<&'static str> {
        let keys = |is: &dyn Fn(&Key) -> bool| {
            self.find(|part| part.keys.any(|entry| is(&entry.record)).then_some("keys"))
        };
        let users = |is: &dyn Fn(&User) -> bool| {
            self.find(|part| part.users.any(|entry| is(&entry.record)).then_some("users"))
        };
        match name {
            Name::Key(_) => None,
            Name::User { tenant, id } => {
                keys(&|key| key.tenant == *tenant && key.user.as_ref() == Some(id))
            }
            Name::Project { tenant, id } => {
                let of_users =
                    users(&|user| user.tenant == *tenant && user.project.as_ref() == Some(id));
                of_users.or_else(|| {
                    keys(&|key| key.tenant == *tenant && key.project.as_ref() == Some(id))
                })
            }
            Name::Tenant(id) => {
                let projects = self.find(|part| {
                    let has = part.projects.any(|entry| entry.record.tenant == *id);
                    has.then_some("projects")
                });
                let of_users = || users(&|user| user.tenant == *id);
                projects
                    .or_else(of_users)
                    .or_else(|| keys(&|key| key.tenant == *id))
            }
        }
    }
}

/// A record that has been checked.
enum Ready {
    Tenant(super::TenantEntry),
    Project(super::ProjectEntry),
    User(super::UserEntry),
    Key(Arc<super::KeyEntry>),
}

impl Ready {
    fn read(record: Record) -> Result<Ready, String> {
        Ok(match record {
            Record::Tenant(record) => Ready::Tenant(part::tenant(*record)?),
            Record::Project(record) => Ready::Project(part::project(*record)?),
            Record::User(record) => Ready::User(part::user(*record)?),
            Record::Key(record) => Ready::Key(Arc::new(part::key(*record)?)),
        })
    }
}

impl Part {
    fn get(&self, name: &Name) -> Option<Record> {
        Some(match name {
            Name::Tenant(id) => Record::Tenant(Box::new(self.tenants.get(&[id])?.record.clone())),
            Name::Project { tenant, id } => {
                Record::Project(Box::new(self.projects.get(&[tenant, id])?.record.clone()))
            }
            Name::User { tenant, id } => {
                Record::User(Box::new(self.users.get(&[tenant, id])?.record.clone()))
            }
            Name::Key(id) => Record::Key(Box::new(self.keys.get(*id)?.record.clone())),
        })
    }

    fn take(&self, ready: Ready) {
        match ready {
            Ready::Tenant(entry) => self.put_tenant(entry),
            Ready::Project(entry) => self.put_project(entry),
            Ready::User(entry) => self.put_user(entry),
            Ready::Key(entry) => return self.keys.put(entry),
        }
        self.has_changed();
    }

    fn remove(&self, name: &Name) {
        match name {
            Name::Tenant(id) => drop(self.tenants.remove(&[id])),
            Name::Project { tenant, id } => drop(self.projects.remove(&[tenant, id])),
            Name::User { tenant, id } => drop(self.users.remove(&[tenant, id])),
            Name::Key(id) => return drop(self.keys.remove(*id)),
        }
        self.has_changed();
    }
}
