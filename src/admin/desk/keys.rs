//! Client keys: made, shown masked, changed, rotated, revoked. A secret is in the answer that makes it, and nowhere else.

use std::time::Duration;

use serde_json::json;

use crate::access::directory::{KeyFilter, Name, NewKey, Record};
use crate::access::{Key, KeyDraft, KeyId};
use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{KeyEdit, KeyMade, Rotation};
use crate::terms::KeyState;

use super::read::{self, patched};
use super::{Asked, Desk, bounds, not_changed};

impl Desk<'_> {
    pub(super) fn list_keys(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let query = &asked.query;
        let limit = query.limit()?;
        let after = query.parsed("after", |text| text.parse::<KeyId>())?;
        let state = query.parsed("state", state)?;
        if let (Some(own), Some(tenant)) = (asked.own_tenant(), query.get("tenant"))
            && own != tenant
        {
            return reply::ok(&json!({ "items": [], "next": null }));
        }
        let filter = KeyFilter {
            tenant: asked.own_tenant().or(query.get("tenant")),
            project: query.get("project"),
            user: query.get("user"),
            state,
        };
        let keys = self.accounting.directory.keys(&filter, after, limit);
        let next = keys
            .last()
            .filter(|_| keys.len() == limit)
            .map(|key| key.record.id);
        let items = keys.iter().map(|key| self.shown(&key.record));
        let items = items.collect::<Result<Vec<_>, Refusal>>()?;
        reply::ok(&json!({ "items": items, "next": next }))
    }

    fn shown(&self, key: &Key) -> Result<serde_json::Value, Refusal> {
        let record = Record::Key(Box::new(key.clone()));
        self.sourced(&Name::Key(key.id), &record)
    }

    pub(super) fn create_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let mut draft: KeyDraft = match asked.own_tenant() {
            None => read::body(asked.call.body)?,
            // Its own tenant need not be named.
            Some(own) => patched(json!({ "tenant": own }), asked.call.body)?,
        };
        if !asked.reaches(&draft.tenant) {
            let message = format!("there is no tenant `{}`", draft.tenant);
            return Err(reply::unknown("unknown", message));
        }
        check_scopes(asked, draft.scopes)?;
        bounds::check(&draft.limits, draft.budget.as_ref())?;
        if draft.signed {
            self.needs_master_key("a signing secret")?;
        }
        draft.label = draft.label.trim().to_owned();
        let (random, seal) = (&self.accounting.random, self.accounting.seal());
        let directory = &self.accounting.directory;
        let made = directory.create_key(draft, self.now, random, Some(&seal), &mut self.keep()?);
        let made = made.map_err(not_changed)?;
        self.retuned(&Name::Key(made.key.id))?;
        self.audit(asked, "create", &format!("key `{}`", made.key.id));
        reply::created(&key_made(&made))
    }

    pub(super) fn show_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        reply::ok(&self.shown(&self.key(asked)?)?)
    }

    pub(super) fn patch_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = self.key(asked)?.id;
        let mut refused = None;
        let directory = &self.accounting.directory;
        let edited = directory.edit_key(id, &mut self.keep()?, &mut |key| {
            edited(asked, key).map_err(|refusal| {
                refused = Some(refusal);
                String::new()
            })
        });
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let key = edited.map_err(not_changed)?;
        self.retuned(&Name::Key(id))?;
        self.audit(asked, "change", &format!("key `{id}`"));
        reply::ok(&self.shown(&key)?)
    }

    pub(super) fn remove_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = self.key(asked)?.id;
        let removed = self
            .accounting
            .directory
            .remove(&Name::Key(id), &mut self.keep()?);
        removed.map_err(not_changed)?;
        self.audit(asked, "remove", &format!("key `{id}`"));
        Ok(reply::gone())
    }

    pub(super) fn rotate_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let key = self.key(asked)?;
        check_scopes(asked, key.scopes)?;
        let rotation: Rotation = match asked.call.body.trim_ascii().is_empty() {
            true => Rotation::default(),
            false => read::body(asked.call.body)?,
        };
        let overlap = Duration::from_secs(rotation.overlap_seconds);
        let random = &self.accounting.random;
        let directory = &self.accounting.directory;
        let made = directory.rotate_key(key.id, overlap, self.now, random, &mut self.keep()?);
        let made = made.map_err(not_changed)?;
        self.audit(asked, "rotate", &format!("key `{}`", key.id));
        reply::ok(&key_made(&made))
    }

    pub(super) fn revoke_key(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = self.key(asked)?.id;
        let revoked = self.accounting.directory.revoke_key(id, &mut self.keep()?);
        let revoked = revoked.map_err(not_changed)?;
        self.audit(asked, "revoke", &format!("key `{id}`"));
        reply::ok(&self.shown(&revoked)?)
    }

    /// The key that the path names, if it may be seen.
    fn key(&self, asked: &Asked<'_>) -> Result<Key, Refusal> {
        let text = asked.at(0);
        let unknown = || reply::unknown("unknown", format!("there is no key `{text}`"));
        let id: KeyId = text.parse().map_err(|_| unknown())?;
        match self.accounting.directory.get(&Name::Key(id)) {
            Some(Record::Key(key)) if asked.reaches(&key.tenant) => Ok(*key),
            _ => Err(unknown()),
        }
    }

    /// What is sealed must be openable after a restart.
    pub(super) fn needs_master_key(&self, what: &str) -> Result<(), Refusal> {
        let settings = self.config.store.as_ref();
        match settings.is_some_and(|store| store.master_key.is_some()) {
            true => Ok(()),
            false => {
                let message = format!(
                    "{what} is kept sealed, and there is no key to seal it with; give `store.master_key` in the configuration and start weir again"
                );
                Err(reply::conflict("no_master_key", message))
            }
        }
    }
}

fn state(text: &str) -> Result<KeyState, String> {
    match text {
        "active" => Ok(KeyState::Active),
        "disabled" => Ok(KeyState::Disabled),
        "revoked" => Ok(KeyState::Revoked),
        _ => Err("is no state; there are `active`, `disabled` and `revoked`".to_owned()),
    }
}

fn edited(asked: &Asked<'_>, key: &mut Key) -> Result<(), Refusal> {
    check_scopes(asked, key.scopes)?;
    let whole = serde_json::to_value(KeyEdit::of(key)).map_err(|_| reply::internal())?;
    let edit: KeyEdit = patched(whole, asked.call.body)?;
    check_scopes(asked, edit.scopes)?;
    bounds::check(&edit.limits, edit.budget.as_ref())?;
    edit.apply(key);
    Ok(())
}

/// Nobody gives what they have not, nor gets at a key that may more than they.
fn check_scopes(asked: &Asked<'_>, scopes: crate::access::Scopes) -> Result<(), Refusal> {
    // Who manages keys may let them ask models without asking itself.
    let mut own: Vec<&str> = asked.pass.scopes().names().collect();
    own.push(crate::terms::Scope::Inference.name());
    let own = crate::access::Scopes::parse(&own.join(" ")).unwrap_or(asked.pass.scopes());
    match scopes.is_within(own) {
        true => Ok(()),
        false => {
            let names: Vec<&str> = scopes.names().collect();
            let message = format!(
                "{} cannot give or change a key with the scopes {}, since it has not all of them",
                asked.pass.who,
                names.join(", ")
            );
            Err(reply::forbidden(message))
        }
    }
}

fn key_made(made: &NewKey) -> KeyMade {
    KeyMade {
        key: made.key.shown(),
        token: made.token.expose().to_owned(),
        signing_secret: made
            .signing
            .as_ref()
            .map(|secret| secret.expose().to_owned()),
    }
}
