//! Whom or what a set of limits is for.
//! It must not know the limits, nor whether there are any.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::wire::Operation;

/// Whose limits they are. Names are those of the configuration and of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// Everything together.
    Global,
    Endpoint(Operation),
    Upstream(Cow<'a, str>),
    Model(Cow<'a, str>),
    Tenant(Cow<'a, str>),
    /// A tenant and its project.
    Project(Cow<'a, str>, Cow<'a, str>),
    /// A tenant and its user.
    User(Cow<'a, str>, Cow<'a, str>),
    Key(Cow<'a, str>),
    /// Counted in sketches of fixed size, IPv6 by the network of 64 bits that a customer of a provider is given.
    Address(IpAddr),
}

/// What [`Subject::scope`] says.
pub(super) const SCOPES: [&str; 9] = [
    "global", "endpoint", "upstream", "model", "tenant", "project", "user", "key", "address",
];

impl Subject<'_> {
    /// The kind of subject, as refusals, metrics and logs name it.
    pub fn scope(&self) -> &'static str {
        match self {
            Subject::Global => "global",
            Subject::Endpoint(_) => "endpoint",
            Subject::Upstream(_) => "upstream",
            Subject::Model(_) => "model",
            Subject::Tenant(_) => "tenant",
            Subject::Project(..) => "project",
            Subject::User(..) => "user",
            Subject::Key(_) => "key",
            Subject::Address(_) => "address",
        }
    }

    /// One text for one subject: the scope, and the names after slashes. Tenants, projects and users have no slash in their ids.
    pub(super) fn write(&self, text: &mut String) {
        text.push_str(self.scope());
        let (first, second) = match self {
            Subject::Global => return,
            Subject::Endpoint(operation) => return push(text, operation.label()),
            Subject::Address(address) => return push(text, &address.to_string()),
            Subject::Upstream(name)
            | Subject::Model(name)
            | Subject::Tenant(name)
            | Subject::Key(name) => (name, None),
            Subject::Project(tenant, name) | Subject::User(tenant, name) => (tenant, Some(name)),
        };
        push(text, first);
        if let Some(second) = second {
            push(text, second);
        }
    }
}

fn push(text: &mut String, name: &str) {
    text.push('/');
    text.push_str(name);
}

/// `tenant/acme`, `user/acme/ann`, `global`.
impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        formatter.write_str(&text)
    }
}
