//! Why a caller is not served: one closed list. The texts are safe to send: they hold no secret and nothing of another caller.
//! It must not know status codes or dialects.

use std::fmt;
use std::net::IpAddr;

use super::jwt::TokenFault;
use super::signing::SignatureFault;
use crate::terms::Scope;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No key where one is needed.
    Missing,
    /// Two different keys in one request.
    TwoKeys,
    Unknown,
    Expired,
    Revoked,
    Disabled,
    TenantInactive,
    ProjectInactive,
    UserInactive,
    Scope(Scope),
    /// The model is not among those that the caller may use.
    Model(String),
    /// The operation of this label is not.
    Operation(&'static str),
    /// The caller's address is not.
    Address(IpAddr),
    Signature(SignatureFault),
    /// What is wrong with a token of an issuer.
    Token(TokenFault),
}

/// What a denial says about the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedAs {
    /// weir does not know who calls: 401.
    Unauthenticated,
    /// It knows, and the caller may not: 403.
    Forbidden,
    /// It cannot know just now: 503.
    Unavailable,
}

impl Denied {
    pub fn kind(&self) -> DeniedAs {
        match self {
            Denied::Missing
            | Denied::TwoKeys
            | Denied::Unknown
            | Denied::Expired
            | Denied::Revoked
            | Denied::Disabled => DeniedAs::Unauthenticated,
            Denied::Signature(fault) => fault.kind(),
            Denied::Token(fault) => fault.kind(),
            Denied::TenantInactive
            | Denied::ProjectInactive
            | Denied::UserInactive
            | Denied::Scope(_)
            | Denied::Model(_)
            | Denied::Operation(_)
            | Denied::Address(_) => DeniedAs::Forbidden,
        }
    }

    /// For logs and metrics; from a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Denied::Missing => "key_missing",
            Denied::TwoKeys => "two_keys",
            Denied::Unknown => "key_unknown",
            Denied::Expired => "key_expired",
            Denied::Revoked => "key_revoked",
            Denied::Disabled => "key_disabled",
            Denied::TenantInactive => "tenant_inactive",
            Denied::ProjectInactive => "project_inactive",
            Denied::UserInactive => "user_inactive",
            Denied::Scope(_) => "scope",
            Denied::Model(_) => "model",
            Denied::Operation(_) => "operation",
            Denied::Address(_) => "address",
            Denied::Signature(_) => "signature",
            Denied::Token(_) => "token",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Missing => f.write_str(
                "no key was sent; send one as `Authorization: Bearer …`, `x-api-key`, `api-key` or `x-goog-api-key`",
            ),
            Denied::TwoKeys => f.write_str("two different keys were sent; send one"),
            Denied::Unknown => f.write_str("the key is not known here"),
            Denied::Expired => f.write_str("the key has expired"),
            Denied::Revoked => f.write_str("the key has been revoked"),
            Denied::Disabled => f.write_str("the key is disabled"),
            Denied::TenantInactive => f.write_str("the key's tenant is not active"),
            Denied::ProjectInactive => f.write_str("the key's project is not active"),
            Denied::UserInactive => f.write_str("the key's user is not active"),
            Denied::Scope(scope) => write!(f, "the key does not have the scope `{}`", scope.name()),
            Denied::Model(model) => write!(f, "the key may not use the model `{model}`"),
            Denied::Operation(label) => write!(f, "the key may not use the operation `{label}`"),
            Denied::Address(address) => write!(f, "the key may not be used from {address}"),
            Denied::Signature(fault) => write!(f, "the request's signature is not accepted: {fault}"),
            Denied::Token(fault) => write!(f, "the token is not accepted: {fault}"),
        }
    }
}

impl std::error::Error for Denied {}
