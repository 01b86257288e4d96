//! What of money and secrets the store holds beside rows: prices that were set while weir runs, and sealed credentials for
//! upstreams. It must not know who sets them.

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::access::seal::{Seal, SealError};
use crate::access::{Moment, sha256};
use crate::config::{self, Config, Secret};
use crate::price::{PriceEntry, Prices};
use crate::store::{Store, StoreError, Table, Write};

use super::Accounting;

/// A credential for an upstream, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamKey {
    pub name: String,
    pub sealed: String,
    /// The first eight hexadecimal digits of the secret's SHA-256.
    pub fingerprint: String,
    pub changed: Moment,
}

impl UpstreamKey {
    /// The id of the master key that it is sealed with.
    pub fn master_key(&self) -> &str {
        self.sealed.split('.').nth(1).unwrap_or_default()
    }
}

/// What a credential is sealed for: no other name opens it.
fn context(name: &str) -> String {
    format!("upstream key {name}")
}

/// The prices that were set while weir ran.
///
/// # Errors
/// Where the store cannot be read. A price that cannot be read is logged and left out.
pub fn prices(store: &dyn Store) -> Result<Prices, StoreError> {
    let mut prices = Prices::default();
    store.scan(Table::Prices, &[], None, &mut |key, value| {
        let entry = serde_json::from_slice::<PriceEntry>(value).map_err(|error| error.to_string());
        let set = entry.and_then(|entry| {
            let PriceEntry {
                upstream,
                model,
                price,
            } = entry;
            let set = prices.set(upstream.as_deref(), model.as_deref(), price);
            set.map_err(|error| error.to_string())
        });
        if let Err(error) = set {
            let key = String::from_utf8_lossy(key);
            tracing::error!(%key, error, "a price of the store cannot be used");
        }
        ControlFlow::Continue(())
    })?;
    Ok(prices)
}

/// Where the price of a model at an upstream stands.
pub fn price_key(upstream: Option<&str>, model: Option<&str>) -> Vec<u8> {
    let (upstream, model) = (upstream.unwrap_or_default(), model.unwrap_or_default());
    [upstream.as_bytes(), b"\0", model.as_bytes()].concat()
}

impl Accounting {
    /// Seals a secret under the current master key; the caller commits it.
    ///
    /// # Errors
    /// Why it cannot be sealed.
    pub fn sealed_upstream_key(
        &self,
        name: &str,
        secret: &str,
        now: SystemTime,
    ) -> Result<UpstreamKey, String> {
        let sealed = self
            .seal()
            .seal(secret.as_bytes(), &context(name), &self.random)
            .map_err(|error| error.to_string())?;
        let hash = sha256(secret.as_bytes());
        let digits = hash.iter().take(4).map(|byte| format!("{byte:02x}"));
        Ok(UpstreamKey {
            name: name.to_owned(),
            sealed,
            fingerprint: digits.collect(),
            changed: Moment::from(now),
        })
    }

    /// All credentials of the store, in the order of their names.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn upstream_keys(&self) -> Result<Vec<UpstreamKey>, StoreError> {
        let mut keys = Vec::new();
        let Some(books) = &self.books else {
            return Ok(keys);
        };
        let visit = &mut |name: &[u8], value: &[u8]| {
            match serde_json::from_slice(value) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    let name = String::from_utf8_lossy(name);
                    tracing::error!(%name, %error, "an upstream key of the store cannot be read");
                }
            }
            ControlFlow::Continue(())
        };
        books.store.scan(Table::UpstreamKeys, &[], None, visit)?;
        Ok(keys)
    }

    /// The secret that the store holds under a name; `None` where there is none.
    ///
    /// # Errors
    /// Why it cannot be read or opened.
    fn upstream_secret(&self, seal: &Seal, name: &str) -> Result<Option<Secret>, String> {
        let Some(books) = &self.books else {
            return Ok(None);
        };
        let value = books.store.get(Table::UpstreamKeys, name.as_bytes());
        let Some(value) = value.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let key: UpstreamKey =
            serde_json::from_slice(&value).map_err(|error| format!("`{name}`: {error}"))?;
        let secret = self.openable(seal, &key);
        let secret = secret.map_err(|error| format!("`{name}`: {error}"))?;
        let text = std::str::from_utf8(&secret).map_err(|_| format!("`{name}` is no text"))?;
        Ok(Some(Secret::new(text)))
    }

    /// The secret of a credential.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub(super) fn openable(
        &self,
        seal: &Seal,
        key: &UpstreamKey,
    ) -> Result<impl Deref<Target = Vec<u8>>, SealError> {
        seal.open(&key.sealed, &context(&key.name))
    }

    /// Upstreams with the credentials that the store holds for them now beside those of the configuration. One that the store does
    /// not hold, or that cannot be opened, is told and left out.
    pub fn with_stored_keys(&self, mut config: Config, seal: &Seal) -> Config {
        for upstream in &mut config.upstreams {
            if upstream.stored_keys.is_empty() {
                continue;
            }
            let mut whole = config::Upstream::clone(upstream);
            // Those that were put there before.
            whole.keys.retain(|key| {
                let mut stored = upstream.stored_keys.iter();
                stored.all(|stored| stored.label() != key.label)
            });
            for stored in &upstream.stored_keys {
                let (name, upstream) = (&stored.name, &upstream.name);
                match self.upstream_secret(seal, name) {
                    Ok(Some(secret)) => {
                        let place = stored.position.min(whole.keys.len());
                        whole.keys.insert(place, stored.with(secret));
                    }
                    Ok(None) => tracing::warn!(
                        upstream,
                        key = name,
                        "the store has no such upstream key; put it there with `weir upstream-keys put`"
                    ),
                    Err(problem) => {
                        tracing::error!(
                            upstream,
                            key = name,
                            problem,
                            "an upstream key cannot be used"
                        );
                    }
                }
            }
            if whole != **upstream {
                *upstream = Arc::new(whole);
            }
        }
        config
    }

    /// A credential under the current master key; `None` where it is already.
    ///
    /// # Errors
    /// Why it cannot be opened or sealed.
    pub fn resealed(&self, key: &UpstreamKey) -> Result<Option<UpstreamKey>, String> {
        let resealed = self
            .seal()
            .reseal(&key.sealed, &context(&key.name), &self.random);
        let resealed = resealed.map_err(|error| format!("`{}`: {error}", key.name))?;
        Ok(resealed.map(|sealed| UpstreamKey {
            sealed,
            ..key.clone()
        }))
    }
}

/// What keeps a credential.
///
/// # Errors
/// None that can happen: its members are texts.
pub fn put_upstream_key(key: &UpstreamKey) -> Result<Write, serde_json::Error> {
    let value = serde_json::to_vec(key)?;
    Ok(Write::put(Table::UpstreamKeys, key.name.as_bytes(), value))
}
