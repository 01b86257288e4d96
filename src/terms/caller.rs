//! What is said of callers beside their names: kinds, states, classes and rights. It must not know who has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What has become of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum KeyState {
    #[default]
    Active,
    /// Refused for now.
    Disabled,
    /// Refused for good.
    Revoked,
}

/// Whose requests are to go first when there is not room for all; kept and shown, and nothing goes by it yet. The order is from
/// first to last.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Priority {
    Interactive,
    #[default]
    Normal,
    Batch,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UserKind {
    #[default]
    Person,
    Service,
}

/// What a caller may do beside asking models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Scope {
    /// Requests to models.
    Inference,
    /// Reading the usage of its own tenant.
    UsageRead,
    /// Making and revoking keys of its own tenant.
    KeysManage,
    /// All of the admin API.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 4] = [
        Scope::Inference,
        Scope::UsageRead,
        Scope::KeysManage,
        Scope::Admin,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Inference => "inference",
            Scope::UsageRead => "usage_read",
            Scope::KeysManage => "keys_manage",
            Scope::Admin => "admin",
        }
    }

    pub fn parse(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_classes_is_from_first_to_last() {
        assert!(Priority::Interactive < Priority::Normal && Priority::Normal < Priority::Batch);
    }

    #[test]
    fn a_scope_has_one_name_wherever_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
            let written = serde_json::to_string(&scope).unwrap();
            assert_eq!(written, format!("\"{}\"", scope.name()));
        }
        assert_eq!(Scope::parse("root"), None);
    }
}
