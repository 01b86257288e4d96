//! Who asks, and what they may be shown. The only way to what a tenant owns goes through here.
//! It must not know how callers are recognised.

use std::ops::Deref;

/// What a question may be answered from. No filter can widen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Operators: all tenants.
    Everything,
    /// This tenant alone.
    Tenant(String),
}

/// What belongs to a tenant.
pub trait Owned {
    /// The id of the tenant that it belongs to; empty for what no tenant has caused.
    fn tenant(&self) -> &str;
}

/// Something that the one who asks may see. [`Scope::see`] alone makes it, so what takes a `Visible` cannot show another
/// tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visible<T>(T);

impl Scope {
    /// The thing, for those who may see it.
    pub fn see<T: Owned>(&self, thing: T) -> Option<Visible<T>> {
        let may = match self {
            Scope::Everything => true,
            Scope::Tenant(tenant) => thing.tenant() == tenant,
        };
        may.then_some(Visible(thing))
    }
}

impl<T> Visible<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Visible<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Owned> Owned for &T {
    fn tenant(&self) -> &str {
        T::tenant(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str);

    impl Owned for Thing {
        fn tenant(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn a_tenant_sees_its_own_and_nothing_else() {
        let tenant = |name: &str| Scope::Tenant(name.to_owned());
        let cases = [
            (Scope::Everything, "acme", true),
            (Scope::Everything, "", true),
            (tenant("acme"), "acme", true),
            (tenant("acme"), "acme2", false),
            (tenant("acme"), "ACME", false),
            (tenant("acme"), "", false),
            (tenant(""), "acme", false),
        ];
        for (scope, owner, sees) in cases {
            assert_eq!(
                scope.see(&Thing(owner)).is_some(),
                sees,
                "{scope:?} and a thing of {owner:?}"
            );
        }
    }
}
