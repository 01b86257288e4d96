//! Signing secrets of the store's keys under another master key.

use std::sync::Arc;

use ring::rand::SecureRandom;

use super::super::caller::signing_context;
use super::super::ids::KeyId;
use super::super::records::Key;
use super::super::seal::{Seal, SealError};
use super::change::{Change, ChangeError, Keep, Record};
use super::part::{self, KEYS_MAX};
use super::{Directory, KeyEntry};
use crate::terms::KeyState;

/// What has become of the signing secrets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SigningResealed {
    pub resealed: u64,
    pub unchanged: u64,
    /// Keys whose secret cannot be opened, and why.
    pub failed: Vec<(KeyId, SealError)>,
}

impl Directory {
    /// Keys of the store whose signing secret does not open, and why.
    pub fn unopenable_signing(&self, seal: &Seal) -> Vec<(KeyId, SealError)> {
        let opened = self.signing().into_iter().map(|entry| {
            let key = &entry.record;
            let sealed = key.signing.as_deref().unwrap_or_default();
            (key.id, seal.open(sealed, &signing_context(key.id)))
        });
        opened
            .filter_map(|(id, opened)| Some((id, opened.err()?)))
            .collect()
    }

    /// Keys of the store whose requests must be signed; those that are revoked never sign again.
    fn signing(&self) -> Vec<Arc<KeyEntry>> {
        let keys = &self.parts().stored.keys;
        let signs = |key: &Key| key.signing.is_some() && key.state != KeyState::Revoked;
        keys.page(None, KEYS_MAX, |entry| signs(&entry.record))
    }

    /// Seals under the current master key what a former one has sealed. All of it in one step, or nothing.
    ///
    /// # Errors
    /// Why it cannot be kept; nothing has changed then.
    pub fn reseal_signing(
        &self,
        seal: &Seal,
        random: &dyn SecureRandom,
        keep: &mut Keep<'_>,
    ) -> Result<SigningResealed, ChangeError> {
        let _changes = self.changes.lock();
        let mut told = SigningResealed::default();
        let mut keys = Vec::new();
        for entry in self.signing() {
            let mut key = entry.record.clone();
            let sealed = key.signing.as_deref().unwrap_or_default();
            match seal.reseal(sealed, &signing_context(key.id), random) {
                Ok(Some(sealed)) => {
                    key.signing = Some(sealed);
                    keys.push(key);
                }
                Ok(None) => told.unchanged += 1,
                Err(error) => told.failed.push((key.id, error)),
            }
        }
        if keys.is_empty() {
            return Ok(told);
        }
        let ready = keys.iter().cloned().map(part::key);
        let ready = ready.collect::<Result<Vec<_>, _>>();
        let ready = ready.map_err(ChangeError::Invalid)?;
        told.resealed = keys.len() as u64;
        let changes = keys.into_iter();
        let changes: Vec<_> = changes
            .map(|key| Change::Put(Record::Key(Box::new(key))))
            .collect();
        keep(&changes).map_err(|why| ChangeError::NotKept { why, holds: false })?;
        let parts = self.parts();
        for entry in ready {
            parts.stored.keys.put(Arc::new(entry));
        }
        Ok(told)
    }
}
