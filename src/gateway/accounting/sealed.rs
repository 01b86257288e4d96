//! What the store holds sealed, under a master key that may have changed: it is sealed anew, and what cannot be opened is told.
//! It must not know where master keys come from.

use crate::access::seal::{Seal, SealError};
use crate::access::stored::keep;
use crate::config::Config;
use crate::store::Write;

use super::{Accounting, put_upstream_key};

/// Names that a message lists.
const NAMES_MAX: usize = 5;

/// What has become of sealed secrets under another master key.
#[derive(Debug, Default)]
pub struct Resealed {
    pub resealed: u64,
    pub unchanged: u64,
    /// What cannot be opened, and why, a sentence each.
    pub failed: Vec<String>,
}

impl Accounting {
    /// Whether everything that is sealed in the store can be opened with the master keys of a configuration; what has been changed
    /// by somebody else is not their fault, and told elsewhere.
    ///
    /// # Errors
    /// What cannot, and what to do about it.
    pub fn check_sealed(&self, config: &Config, seal: &Seal) -> Result<(), String> {
        let settings = config.store.as_ref();
        if settings.is_none_or(|store| store.master_key.is_none()) {
            return Ok(());
        }
        let keys = self.upstream_keys().map_err(|error| error.to_string())?;
        let of_upstreams = keys.iter().filter_map(|key| {
            let error = self.openable(seal, key).err()?;
            let command = format!("weir upstream-keys remove {}", key.name);
            Some((missing_key(error)?, key.name.clone(), command))
        });
        let signing = self.directory.unopenable_signing(seal).into_iter();
        let of_clients = signing.filter_map(|(id, error)| {
            let command = format!("weir keys revoke {id}");
            Some((missing_key(error)?, id.to_string(), command))
        });
        let lost: Vec<_> = of_upstreams.chain(of_clients).collect();
        let Some((id, _, command)) = lost.first() else {
            return Ok(());
        };
        let names: Vec<_> = lost
            .iter()
            .take(NAMES_MAX)
            .map(|(_, name, _)| format!("`{name}`"))
            .collect();
        let more = match lost.len().saturating_sub(NAMES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(format!(
            "store.master_key: it is key {}, and does not open what the store holds sealed for {}{more}: that is sealed with master key {id}; put that one in its place, or add it to `store.old_master_keys`; where it is lost, give up what is sealed with it (`{command}`)",
            seal.id(),
            names.join(", "),
        ))
    }

    /// Seals everything in the store that a former master key has sealed under the current one.
    ///
    /// # Errors
    /// Why it cannot be kept; what was sealed stays as it was.
    pub fn reseal(&self) -> Result<Resealed, String> {
        let mut told = Resealed::default();
        let Some(books) = &self.books else {
            return Ok(told);
        };
        let mut writes: Vec<Write> = Vec::new();
        for key in self.upstream_keys().map_err(|error| error.to_string())? {
            match self.resealed(&key) {
                Ok(Some(key)) => {
                    writes.push(put_upstream_key(&key).map_err(|error| error.to_string())?);
                    told.resealed += 1;
                }
                Ok(None) => told.unchanged += 1,
                Err(why) => told.failed.push(why),
            }
        }
        if !writes.is_empty() {
            let committed = books.store.commit(writes);
            committed.map_err(|error| error.to_string())?;
        }
        let seal = self.seal();
        let mut keep = keep(&*books.store);
        let signing = self
            .directory
            .reseal_signing(&seal, &self.random, &mut keep)
            .map_err(|error| error.to_string())?;
        told.resealed += signing.resealed;
        told.unchanged += signing.unchanged;
        let failed = signing.failed.iter();
        told.failed
            .extend(failed.map(|(id, error)| format!("key `{id}`: {error}")));
        Ok(told)
    }

    /// The same at a start or a reload, where there is nobody to be answered.
    pub fn reseal_and_tell(&self, config: &Config) {
        let settings = config.store.as_ref();
        if settings.is_none_or(|store| store.master_key.is_none()) {
            return;
        }
        match self.reseal() {
            Ok(Resealed { resealed: 0, .. }) => {}
            Ok(Resealed { resealed, .. }) => {
                tracing::info!(
                    resealed,
                    master_key = self.seal().id(),
                    "secrets of the store are sealed with the new master key; the old one can be taken out of store.old_master_keys"
                );
            }
            Err(problem) => tracing::error!(
                problem,
                "secrets of the store stay sealed with an old master key; keep it in store.old_master_keys"
            ),
        }
    }
}

/// The master key that would open it.
fn missing_key(error: SealError) -> Option<String> {
    match error {
        SealError::UnknownMasterKey(id) => Some(id),
        SealError::Malformed | SealError::Broken | SealError::TooLong | SealError::NoRandomness => {
            None
        }
    }
}
