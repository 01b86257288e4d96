//! Tenants, projects, users and keys as they are kept: in the store, in the configuration, in the admin API.
//! They must not know each other; the directory holds them together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::{Budget, KeyState, Limits, Money, Priority, UserKind};

use super::ids::KeyId;
use super::moment::Moment;
use super::scope::Scopes;
use super::token::{Digest, masked};

/// Names and values that operators give, for usage reports and logs.
pub type Tags = BTreeMap<String, String>;

/// Who pays and answers for its callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub id: String,
    /// For people. Default: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whether its callers are served at all. Default: `true`.
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// A balance that its callers draw on. Default: none, they are not stopped by a balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountTerms>,
    /// The plan it has subscribed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "Allow::is_everything")]
    pub allow: Allow,
    /// Name of a routing preset for its callers, unless a key has one. Kept and shown; nothing goes by it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The class of its callers. Kept and shown; nothing goes by it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
}

/// What is agreed about a balance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountTerms {
    /// How far below zero it may go. Default: not at all.
    #[serde(default)]
    pub credit: Money,
}

/// A team, or one undertaking, of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    pub tenant: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Allow::is_everything")]
    pub allow: Allow,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
}

/// A person or a service account of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub tenant: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default)]
    pub kind: UserKind,
    /// The project that its use counts for, unless a key names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Allow::is_everything")]
    pub allow: Allow,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
}

/// A client key. The secret itself is nowhere in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub id: KeyId,
    pub label: String,
    pub digest: Digest,
    /// The secret before the last rotation, while it is still taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    pub tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub created: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    #[serde(default)]
    pub state: KeyState,
    #[serde(default, skip_serializing_if = "Allow::is_everything")]
    pub allow: Allow,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    #[serde(default)]
    pub scopes: Scopes,
    /// The sealed secret that its requests must be signed with ([`super::seal`]); none: they need no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<String>,
}

/// A secret that a rotation has replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    pub digest: Digest,
    pub until: Moment,
}

/// What is asked for when a key is made. What is absent does not bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyDraft {
    /// What people and reports call it.
    pub label: String,
    pub tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    #[serde(default, skip_serializing_if = "Allow::is_everything")]
    pub allow: Allow,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    /// Default: `inference`.
    #[serde(default)]
    pub scopes: Scopes,
    /// Whether each request must be signed; the secret for it is shown with the key. Default: `false`.
    #[serde(default)]
    pub signed: bool,
}

impl KeyDraft {
    /// The key of this draft.
    pub(super) fn key(self, id: KeyId, digest: Digest, created: Moment) -> Key {
        Key {
            id,
            label: self.label,
            digest,
            previous: None,
            tenant: self.tenant,
            project: self.project,
            user: self.user,
            created,
            expires: self.expires,
            state: KeyState::Active,
            allow: self.allow,
            limits: self.limits,
            budget: self.budget,
            priority: self.priority,
            profile: self.profile,
            tags: self.tags,
            scopes: self.scopes,
            signing: None,
        }
    }

    /// A key of the configuration: its id follows from tenant and label.
    pub fn configured(self, digest: Digest, signing: Option<String>) -> Key {
        let id = KeyId::of_label(&self.tenant, &self.label);
        Key {
            signing,
            ..self.key(id, digest, Moment::from_unix(0))
        }
    }
}

/// A key as it is shown once it has been made: nothing that could be presented or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyShown {
    pub id: KeyId,
    /// `weir_<id>…`
    pub key: String,
    pub label: String,
    pub tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub created: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    pub state: KeyState,
    /// Until when the secret before the last rotation is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Moment>,
    pub allow: Allow,
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    pub tags: Tags,
    pub scopes: Scopes,
    pub signed: bool,
}

impl Key {
    pub fn shown(&self) -> KeyShown {
        let key = self.clone();
        KeyShown {
            id: key.id,
            key: masked(key.id),
            label: key.label,
            tenant: key.tenant,
            project: key.project,
            user: key.user,
            created: key.created,
            expires: key.expires,
            state: key.state,
            previous_until: key.previous.map(|previous| previous.until),
            allow: key.allow,
            limits: key.limits,
            budget: key.budget,
            priority: key.priority,
            profile: key.profile,
            tags: key.tags,
            scopes: key.scopes,
            signed: key.signing.is_some(),
        }
    }
}

/// What may be asked for, and from where. An empty list allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Public names of models: names, globs (`gpt-*`), regular expressions (`/^gpt-[45]/`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Operations as metrics and logs name them (`chat`, `embeddings`, `image_*`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Networks (`10.0.0.0/8`) and addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

impl Allow {
    pub fn is_everything(&self) -> bool {
        *self == Allow::default()
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::super::token::{Pepper, sha256};
    use super::*;

    #[test]
    fn what_is_absent_does_not_bound() {
        let tenant: Tenant = serde_json::from_str(r#"{"id":"acme"}"#).unwrap();
        assert!(tenant.active && tenant.allow.is_everything() && tenant.limits.is_empty());
        let written = serde_json::to_string(&tenant).unwrap();
        assert_eq!(written, r#"{"id":"acme","active":true}"#);
        let user: User =
            serde_json::from_str(r#"{"tenant":"acme","id":"bot","kind":"service"}"#).unwrap();
        assert_eq!(user.kind, UserKind::Service);
        for unknown in [
            r#"{"id":"a","colour":1}"#,
            r#"{"id":"a","allow":{"model":[]}}"#,
            r#"{}"#,
        ] {
            assert!(
                serde_json::from_str::<Tenant>(unknown).is_err(),
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_shown_without_its_secrets() {
        let draft: KeyDraft = serde_json::from_str(
            r#"{"label":"ci","tenant":"acme","expires":"2027-01-01","allow":{"models":["llama-*"]},"scopes":["inference","usage_read"]}"#,
        )
        .unwrap();
        let digest = Pepper::new(&[7; 32]).digest(&sha256(b"x"));
        let key = draft.configured(digest, Some("sealed-text".into()));
        let written = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&written).unwrap(), key);
        let shown = serde_json::to_string(&key.shown()).unwrap();
        let secrets = [
            &serde_json::to_string(&digest).unwrap()[1..65],
            "sealed-text",
        ];
        for secret in secrets {
            assert!(
                written.contains(secret) && !shown.contains(secret),
                "{shown}"
            );
        }
        assert!(shown.contains(&format!("\"weir_{}…\"", key.id)), "{shown}");
        assert!(
            shown.contains(r#""expires":"2027-01-01T00:00:00Z""#),
            "{shown}"
        );
    }
}
