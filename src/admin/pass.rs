//! Who asks, and how far that reaches. It must not know paths.

use crate::access::{AdminGroup, Caller, Deed, Reach, Scopes, reach};
use crate::ledger::query::scope::Scope;

use super::reply::{self, Refusal};

/// Someone who was let in.
#[derive(Debug, Clone)]
pub struct Pass {
    /// As the audit log and the statements show it: `operator`, `key <id>`, `user <id>`.
    pub who: String,
    scopes: Scopes,
    /// `None`: the operator, who belongs to no tenant.
    tenant: Option<String>,
}

impl Pass {
    /// Whoever knows the admin token, or has the store's folder in hand.
    pub fn operator(who: &str) -> Pass {
        Pass {
            who: who.to_owned(),
            scopes: Scopes::of(&[crate::terms::Scope::Admin]),
            tenant: None,
        }
    }

    pub(super) fn of_caller(caller: &Caller) -> Pass {
        let who = match (caller.key_id(), caller.user_id()) {
            (Some(key), _) => format!("key {key}"),
            (None, Some(user)) => format!("user {user} of {}", caller.tenant_id()),
            (None, None) => format!("tenant {}", caller.tenant_id()),
        };
        Pass {
            who,
            scopes: caller.scopes(),
            tenant: Some(caller.tenant_id().to_owned()),
        }
    }

    /// What may be seen and changed of this group; everything that handlers read goes through it.
    ///
    /// # Errors
    /// When nothing may.
    pub(super) fn scope(&self, group: AdminGroup, deed: Deed) -> Result<Scope, Refusal> {
        match (reach(self.scopes, group, deed), &self.tenant) {
            (Some(Reach::Everyone), _) => Ok(Scope::Everything),
            (Some(Reach::OwnTenant), Some(tenant)) => Ok(Scope::Tenant(tenant.clone())),
            (Some(Reach::OwnTenant), None) | (None, _) => {
                let message = format!(
                    "{} has no scope that allows this; an operator can give it one",
                    self.who
                );
                Err(reply::forbidden(message))
            }
        }
    }

    /// What this one may give to others.
    pub(super) fn scopes(&self) -> Scopes {
        self.scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table::{Access, ENTRIES, Gives};

    fn pass(scopes: &str) -> Pass {
        Pass {
            who: "key x".to_owned(),
            scopes: Scopes::parse(scopes).unwrap(),
            tenant: Some("acme".to_owned()),
        }
    }

    /// Of every route: a scope opens it for its own tenant alone, or not at all; `admin` opens all.
    #[test]
    fn no_scope_but_admin_reaches_beyond_its_tenant() {
        let mut opened = 0;
        for entry in ENTRIES {
            let Access::Needs(group, deed) = entry.access else {
                assert!(matches!(entry.gives, Gives::Text), "{}", entry.path);
                continue;
            };
            for scopes in [
                "",
                "inference",
                "usage_read",
                "keys_manage",
                "inference usage_read keys_manage",
            ] {
                if let Ok(scope) = pass(scopes).scope(group, deed) {
                    assert_eq!(scope, Scope::Tenant("acme".to_owned()), "{}", entry.path);
                    opened += 1;
                }
            }
            assert_eq!(pass("admin").scope(group, deed).unwrap(), Scope::Everything);
            assert_eq!(
                Pass::operator("cli").scope(group, deed).unwrap(),
                Scope::Everything
            );
            assert!(
                pass("inference").scope(group, deed).is_err(),
                "{}",
                entry.path
            );
        }
        assert!(opened > 10);
    }
}
