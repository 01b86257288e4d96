//! Credentials for upstreams that the store holds, sealed. A secret comes in and never goes out.

use serde_json::json;

use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{Resealed, UpstreamKeyShown, UpstreamSecret};
use crate::gateway::{UpstreamKey, put_upstream_key};
use crate::store::{Table, Write};

use super::{Asked, Desk, store_failed};

/// Longest secret and name, in bytes.
const SECRET_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 64;

impl Desk<'_> {
    pub(super) fn list_upstream_keys(&self) -> Result<Reply, Refusal> {
        let keys = self.accounting.upstream_keys().map_err(store_failed)?;
        let items: Vec<UpstreamKeyShown> = keys.iter().map(shown).collect();
        reply::ok(&json!({ "items": items, "next": null }))
    }

    pub(super) fn put_upstream_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let name = asked.at(0);
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.len() > NAME_BYTES_MAX || !name.bytes().all(is_sound) {
            let message = format!(
                "`{name}` is not a name; use up to {NAME_BYTES_MAX} letters, digits, `.`, `_` and `-`"
            );
            return Err(reply::invalid("name", message));
        }
        // What serde says of a body could repeat the secret.
        let read: Result<UpstreamSecret, _> = serde_json::from_slice(asked.call.body);
        let UpstreamSecret { secret } = read.map_err(|error| {
            let status = if error.is_data() { 422 } else { 400 };
            let status = http::StatusCode::from_u16(status).unwrap_or_default();
            Refusal::about(
                status,
                "invalid_value",
                "secret",
                "the body is not `{\"secret\": \"…\"}`",
            )
        })?;
        let is_odd = |byte: u8| !(b'!'..=b'~').contains(&byte);
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || secret.bytes().any(is_odd) {
            let message = format!(
                "`secret` is empty, longer than {SECRET_BYTES_MAX} bytes, or has characters that no header can carry"
            );
            return Err(reply::invalid("secret", message));
        }
        let books = self.books()?;
        self.needs_master_key("a credential for an upstream")?;
        let key = self.accounting.sealed_upstream_key(name, &secret, self.now);
        let key = key.map_err(|message| reply::conflict("not_sealed", message))?;
        let write = put_upstream_key(&key).map_err(|_| reply::internal())?;
        books.store.commit(vec![write]).map_err(store_failed)?;
        self.audit(asked, "put", &format!("upstream key `{name}`"));
        self.put_in_force(name)?;
        reply::ok(&shown(&key))
    }

    pub(super) fn remove_upstream_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let name = asked.at(0);
        let books = self.books()?;
        let found = books.store.get(Table::UpstreamKeys, name.as_bytes());
        if found.map_err(store_failed)?.is_none() {
            return Err(reply::unknown(
                "unknown",
                format!("there is no upstream key `{name}`"),
            ));
        }
        let write = Write::delete(Table::UpstreamKeys, name.as_bytes());
        books.store.commit(vec![write]).map_err(store_failed)?;
        self.audit(asked, "remove", &format!("upstream key `{name}`"));
        self.put_in_force(name)?;
        Ok(reply::gone())
    }

    pub(super) fn reseal_upstream_keys(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        self.books()?;
        self.needs_master_key("a credential for an upstream")?;
        let resealed = self.accounting.reseal().map_err(reply::unavailable)?;
        self.audit(asked, "reseal", "upstream keys and signing secrets");
        reply::ok(&Resealed {
            resealed: resealed.resealed,
            unchanged: resealed.unchanged,
            failed: resealed.failed,
        })
    }

    /// What has changed holds from the next request on.
    fn put_in_force(&self, name: &str) -> Result<(), Refusal> {
        (self.upstream_keys_changed)().map_err(|why| {
            let message = format!("upstream key `{name}` is kept, but is not in force: {why}");
            reply::conflict("not_in_force", message)
        })
    }
}

fn shown(key: &UpstreamKey) -> UpstreamKeyShown {
    UpstreamKeyShown {
        name: key.name.clone(),
        fingerprint: key.fingerprint.clone(),
        changed: key.changed,
        master_key: key.master_key().to_owned(),
    }
}
