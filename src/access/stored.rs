//! The directory's records in the store: what is read at the start, and what each change writes.
//! It must not know which store that is.

use std::fmt;
use std::ops::ControlFlow;

use ring::rand::SecureRandom;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Store, StoreError, Table, Write};

use super::directory::{Change, Directory, Listed, Name, Record};
use super::token::{NoRandomness, Pepper};

/// Where the pepper is, in [`Table::Meta`].
const PEPPER: &[u8] = b"access.pepper";
/// Problems that are told one by one; a store that is full of them needs one sentence more, not a million.
const PROBLEMS_MAX: usize = 100;

/// Why the directory cannot be read from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredError {
    Store(StoreError),
    NoRandomness,
    /// There are keys, but nothing that they could be compared with.
    PepperLost,
}

impl fmt::Display for StoredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoredError::Store(error) => error.fmt(f),
            StoredError::NoRandomness => NoRandomness.fmt(f),
            StoredError::PepperLost => f.write_str(
                "store: it holds keys, but not the secret that they were hashed with (`access.pepper`); put a whole copy of the store in its place",
            ),
        }
    }
}

impl std::error::Error for StoredError {}

impl From<StoreError> for StoredError {
    fn from(error: StoreError) -> StoredError {
        StoredError::Store(error)
    }
}

impl From<NoRandomness> for StoredError {
    fn from(_: NoRandomness) -> StoredError {
        StoredError::NoRandomness
    }
}

/// The store's pepper; a store that has neither one nor keys is given one.
///
/// # Errors
/// Why there is none.
pub fn pepper(store: &dyn Store, random: &dyn SecureRandom) -> Result<Pepper, StoredError> {
    if let Some(kept) = store.get(Table::Meta, PEPPER)? {
        let bytes: &[u8; 32] = kept
            .as_slice()
            .try_into()
            .map_err(|_| StoredError::PepperLost)?;
        return Ok(Pepper::new(bytes));
    }
    let mut has_keys = false;
    store.scan(Table::Keys, &[], None, &mut |_, _| {
        has_keys = true;
        ControlFlow::Break(())
    })?;
    if has_keys {
        return Err(StoredError::PepperLost);
    }
    let bytes = Pepper::random(random)?;
    store.commit(vec![Write::put(Table::Meta, PEPPER, bytes.to_vec())])?;
    Ok(Pepper::new(&bytes))
}

/// A directory of what the store holds, and what is wrong with records that were left out.
///
/// # Errors
/// Why the store cannot be read.
pub fn directory(
    store: &dyn Store,
    random: &dyn SecureRandom,
) -> Result<(Directory, Vec<String>), StoredError> {
    let directory = Directory::new(pepper(store, random)?);
    let (listed, mut problems) = read(store)?;
    problems.extend(directory.set_stored(listed));
    if problems.len() > PROBLEMS_MAX {
        let more = problems.len() - PROBLEMS_MAX;
        problems.truncate(PROBLEMS_MAX);
        problems.push(format!("and {more} more"));
    }
    Ok((directory, problems))
}

/// All records, and what is wrong with those that cannot be read.
///
/// # Errors
/// Why the store cannot be read.
pub fn read(store: &dyn Store) -> Result<(Listed, Vec<String>), StoreError> {
    let mut problems = Vec::new();
    let tenant = |record| Record::Tenant(Box::new(record));
    let project = |record| Record::Project(Box::new(record));
    let user = |record| Record::User(Box::new(record));
    let key = |record| Record::Key(Box::new(record));
    let listed = Listed {
        tenants: table(store, Table::Tenants, tenant, &mut problems)?,
        projects: table(store, Table::Projects, project, &mut problems)?,
        users: table(store, Table::Users, user, &mut problems)?,
        keys: table(store, Table::Keys, key, &mut problems)?,
    };
    Ok((listed, problems))
}

fn table<R: DeserializeOwned + Clone>(
    store: &dyn Store,
    table: Table,
    record: impl Fn(R) -> Record,
    problems: &mut Vec<String>,
) -> Result<Vec<R>, StoreError> {
    let mut records = Vec::new();
    store.scan(table, &[], None, &mut |name, value| {
        let shown = String::from_utf8_lossy(name);
        match serde_json::from_slice::<R>(value) {
            Err(error) => problems.push(format!("store: {table:?} `{shown}`: {error}")),
            Ok(read) if place(&record(read.clone()).name()).1 != name => {
                problems.push(format!(
                    "store: {table:?} `{shown}`: is the record of another name"
                ));
            }
            Ok(read) => records.push(read),
        }
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

/// Where a record is kept: `id` or `tenant/id`, as no id holds a `/`.
fn place(name: &Name) -> (Table, Vec<u8>) {
    match name {
        Name::Tenant(id) => (Table::Tenants, id.clone().into_bytes()),
        Name::Project { tenant, id } => (Table::Projects, format!("{tenant}/{id}").into_bytes()),
        Name::User { tenant, id } => (Table::Users, format!("{tenant}/{id}").into_bytes()),
        Name::Key(id) => (Table::Keys, id.as_str().as_bytes().to_vec()),
    }
}

/// What a store is to write for changes.
///
/// # Errors
/// A record that cannot be written as JSON, in a sentence.
pub fn writes(changes: &[Change]) -> Result<Vec<Write>, String> {
    let write = |change: &Change| match change {
        Change::Remove(name) => {
            let (table, key) = place(name);
            Ok(Write::delete(table, key))
        }
        Change::Put(record) => {
            let name = record.name();
            let (table, key) = place(&name);
            let value = match record {
                Record::Tenant(record) => json(&name, record),
                Record::Project(record) => json(&name, record),
                Record::User(record) => json(&name, record),
                Record::Key(record) => json(&name, record),
            };
            Ok(Write::put(table, key, value?))
        }
    };
    changes.iter().map(write).collect()
}

fn json(name: &Name, record: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(record).map_err(|error| format!("{name}: {error}"))
}

/// Keeps changes of a directory in a store: for [`Directory::create`] and the others.
pub fn keep(store: &dyn Store) -> impl FnMut(&[Change]) -> Result<(), String> + '_ {
    move |changes| {
        store
            .commit(writes(changes)?)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use ring::rand::SystemRandom;

    use super::super::{Denied, KeyDraft, KeyId};
    use super::*;
    use crate::store::Memory;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn draft(json: &str) -> KeyDraft {
        serde_json::from_str(json).unwrap()
    }

    fn record(json: &str) -> Record {
        Record::Tenant(Box::new(serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn what_was_changed_is_there_after_a_restart() {
        let (store, random) = (Memory::default(), SystemRandom::new());
        let (first, problems) = directory(&store, &random).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        let mut keep = keep(&store);
        first.create(record(r#"{"id":"acme"}"#), &mut keep).unwrap();
        let user = serde_json::from_str(r#"{"tenant":"acme","id":"bot"}"#).unwrap();
        first
            .create(Record::User(Box::new(user)), &mut keep)
            .unwrap();
        let project = serde_json::from_str(r#"{"tenant":"acme","id":"ml"}"#).unwrap();
        first
            .create(Record::Project(Box::new(project)), &mut keep)
            .unwrap();
        let mut create = |label: &str| {
            let asked = draft(&format!(
                r#"{{"label":"{label}","tenant":"acme","user":"bot","project":"ml"}}"#
            ));
            first
                .create_key(asked, now(), &random, None, &mut keep)
                .unwrap()
        };
        let (kept, revoked, removed) = (create("a"), create("b"), create("c"));
        let mut keep = super::keep(&store);
        first.revoke_key(revoked.key.id, &mut keep).unwrap();
        first.remove(&Name::Key(removed.key.id), &mut keep).unwrap();
        let rotated = first
            .rotate_key(
                kept.key.id,
                Duration::from_secs(60),
                now(),
                &random,
                &mut keep,
            )
            .unwrap();

        let (second, problems) = directory(&store, &random).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        let find = |token: &super::super::Token| {
            second
                .find(token.expose().as_bytes(), now())
                .map(|caller| caller.key_id())
        };
        assert_eq!(find(&rotated.token), Ok(Some(kept.key.id)));
        assert_eq!(find(&kept.token), Ok(Some(kept.key.id)));
        assert_eq!(find(&revoked.token), Err(Denied::Revoked));
        assert_eq!(find(&removed.token), Err(Denied::Unknown));
        let caller = second
            .find(rotated.token.expose().as_bytes(), now())
            .unwrap();
        assert_eq!(
            (caller.tenant_id(), caller.project_id(), caller.user_id()),
            ("acme", Some("ml"), Some("bot"))
        );
    }

    #[test]
    fn the_secret_of_a_key_is_not_in_the_store() {
        let (store, random) = (Memory::default(), SystemRandom::new());
        let (directory, _) = directory(&store, &random).unwrap();
        directory
            .create(record(r#"{"id":"acme"}"#), &mut keep(&store))
            .unwrap();
        let asked = draft(r#"{"label":"k","tenant":"acme"}"#);
        let new = directory
            .create_key(asked, now(), &random, None, &mut keep(&store))
            .unwrap();
        let secret = new.token.expose().rsplit_once('_').unwrap().1;
        let hash = super::super::token::hex(&super::super::sha256(new.token.expose().as_bytes()));
        for table in Table::ALL {
            let visit = &mut |_: &[u8], value: &[u8]| {
                let text = String::from_utf8_lossy(value);
                assert!(
                    !text.contains(secret) && !text.contains(&hash),
                    "{table:?}: {text}"
                );
                ControlFlow::Continue(())
            };
            store.scan(table, &[], None, visit).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_and_the_rest_is() {
        let (store, random) = (Memory::default(), SystemRandom::new());
        let writes = vec![
            Write::put(Table::Tenants, "good", r#"{"id":"good"}"#),
            Write::put(Table::Tenants, "other", r#"{"id":"good"}"#),
            Write::put(Table::Tenants, "torn", r#"{"id":"to"#),
            Write::put(
                Table::Users,
                "good/x",
                r#"{"tenant":"good","id":"x","allow":{"models":["/(/"]}}"#,
            ),
        ];
        store.commit(writes).unwrap();
        let (directory, problems) = directory(&store, &random).unwrap();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert_eq!(directory.tenants(None, 10).len(), 1);
    }

    #[test]
    fn keys_without_their_pepper_are_no_reason_for_a_new_one() {
        let (store, random) = (Memory::default(), SystemRandom::new());
        let id = KeyId::of_label("a", "b");
        store
            .commit(vec![Write::put(Table::Keys, id.as_str(), "{}")])
            .unwrap();
        assert_eq!(
            pepper(&store, &random).unwrap_err(),
            StoredError::PepperLost
        );
        store
            .commit(vec![Write::put(Table::Meta, PEPPER, "short")])
            .unwrap();
        assert_eq!(
            pepper(&store, &random).unwrap_err(),
            StoredError::PepperLost
        );
    }
}
