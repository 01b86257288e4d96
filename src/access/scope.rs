//! What a caller may do besides asking models: scopes, and the table of which scope opens which part of the admin API.
//! It must not know the admin API's paths.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::terms::Scope;

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

/// A set of scopes. As text: their names, with spaces or commas between; in JSON and YAML a list or such a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Scopes = Scopes(0);

    pub fn of(scopes: &[Scope]) -> Scopes {
        scopes.iter().copied().collect()
    }

    /// # Errors
    /// The name that is no scope, in a sentence.
    pub fn parse(text: &str) -> Result<Scopes, String> {
        let names = text.split([' ', ',']).filter(|name| !name.is_empty());
        names
            .map(|name| {
                Scope::parse(name).ok_or_else(|| {
                    let known = Scope::ALL.map(Scope::name).join("`, `");
                    format!("`{name}` is not a scope; there are `{known}`")
                })
            })
            .collect()
    }

    pub fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these are in `other`. Who may do everything may also hand out everything.
    pub fn is_within(self, other: Scopes) -> bool {
        other.has(Scope::Admin) || self.0 & !other.0 == 0
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let held = Scope::ALL.into_iter().filter(move |scope| self.has(*scope));
        held.map(Scope::name)
    }
}

/// What a key may do if nothing is said: ask models.
impl Default for Scopes {
    fn default() -> Scopes {
        Scopes(bit(Scope::Inference))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        let bits = scopes.into_iter().map(bit);
        Scopes(bits.fold(0, |all, bit| all | bit))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Text(String),
            List(Vec<String>),
        }
        let text = match Shape::deserialize(deserializer)? {
            Shape::Text(text) => text,
            Shape::List(names) => names.join(" "),
        };
        Scopes::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Scopes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scopes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Scope::ALL.map(Scope::name);
        json_schema!({"type": "array", "uniqueItems": true, "items": {"type": "string", "enum": names}})
    }
}

/// A part of the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminGroup {
    Keys,
    /// Tenants, their projects and users.
    Tenants,
    /// Balances, entries and plans.
    Accounts,
    Usage,
    Prices,
    Limits,
    /// Upstream keys in the store and their sealing.
    UpstreamKeys,
    /// Status, reload, drain: the process itself.
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    Read,
    Write,
}

/// Whose records a scope opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    OwnTenant,
    Everyone,
}

/// One line of [`RIGHTS`].
#[derive(Debug, Clone, Copy)]
pub struct Right {
    pub scope: Scope,
    pub group: AdminGroup,
    pub deed: Deed,
    pub reach: Reach,
}

const fn own(scope: Scope, group: AdminGroup, deed: Deed) -> Right {
    Right {
        scope,
        group,
        deed,
        reach: Reach::OwnTenant,
    }
}

/// What scopes open, besides `admin`, which opens everything. What is not here is refused.
pub const RIGHTS: [Right; 7] = [
    own(Scope::UsageRead, AdminGroup::Usage, Deed::Read),
    own(Scope::UsageRead, AdminGroup::Accounts, Deed::Read),
    own(Scope::UsageRead, AdminGroup::Limits, Deed::Read),
    own(Scope::UsageRead, AdminGroup::Prices, Deed::Read),
    own(Scope::KeysManage, AdminGroup::Keys, Deed::Read),
    own(Scope::KeysManage, AdminGroup::Keys, Deed::Write),
    own(Scope::KeysManage, AdminGroup::Tenants, Deed::Read),
];

/// How far the scopes reach there; `None`: not at all.
pub fn reach(scopes: Scopes, group: AdminGroup, deed: Deed) -> Option<Reach> {
    if scopes.has(Scope::Admin) {
        return Some(Reach::Everyone);
    }
    let rights = RIGHTS
        .iter()
        .filter(|right| right.group == group && right.deed == deed && scopes.has(right.scope));
    rights.map(|right| right.reach).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_lists_and_texts() {
        let both = Scopes::of(&[Scope::Inference, Scope::UsageRead]);
        for json in [
            r#"["inference","usage_read"]"#,
            r#"["usage_read","inference","inference"]"#,
            r#""inference usage_read""#,
            r#""inference, usage_read""#,
        ] {
            assert_eq!(
                serde_json::from_str::<Scopes>(json).unwrap(),
                both,
                "{json}"
            );
        }
        assert_eq!(
            serde_json::to_string(&both).unwrap(),
            r#"["inference","usage_read"]"#
        );
        assert!(Scopes::parse("root").unwrap_err().contains("`keys_manage`"));
        assert_eq!(Scopes::parse(""), Ok(Scopes::NONE));
        assert_eq!(Scopes::default(), Scopes::of(&[Scope::Inference]));
    }

    #[test]
    fn nobody_hands_out_what_they_have_not() {
        let admin = Scopes::of(&[Scope::Admin]);
        let keys = Scopes::of(&[Scope::Inference, Scope::KeysManage]);
        assert!(keys.is_within(keys) && keys.is_within(admin));
        assert!(!admin.is_within(keys) && !keys.is_within(Scopes::default()));
        assert!(Scopes::NONE.is_within(Scopes::NONE));
    }

    #[test]
    fn each_scope_opens_its_own_part_and_no_more() {
        let reach = |scope, group, deed| reach(Scopes::of(&[scope]), group, deed);
        let (own, all) = (Some(Reach::OwnTenant), Some(Reach::Everyone));
        assert_eq!(reach(Scope::Inference, AdminGroup::Usage, Deed::Read), None);
        assert_eq!(reach(Scope::UsageRead, AdminGroup::Usage, Deed::Read), own);
        assert_eq!(
            reach(Scope::UsageRead, AdminGroup::Accounts, Deed::Write),
            None
        );
        assert_eq!(reach(Scope::UsageRead, AdminGroup::Keys, Deed::Read), None);
        assert_eq!(reach(Scope::KeysManage, AdminGroup::Keys, Deed::Write), own);
        assert_eq!(
            reach(Scope::KeysManage, AdminGroup::Tenants, Deed::Write),
            None
        );
        assert_eq!(
            reach(Scope::KeysManage, AdminGroup::UpstreamKeys, Deed::Read),
            None
        );
        assert_eq!(reach(Scope::Admin, AdminGroup::Process, Deed::Write), all);
        // No other scope writes money, prices, limits, tenants or the process.
        for right in RIGHTS.iter().filter(|right| right.deed == Deed::Write) {
            assert_eq!(
                (right.scope, right.group),
                (Scope::KeysManage, AdminGroup::Keys)
            );
        }
    }
}
