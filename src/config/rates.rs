//! Checks the limits of every scope that has no section of its own: all, each tenant, user, key and address, each operation.
//! It must not count anything.

use std::collections::BTreeMap;

use super::callers::operation;
use super::check::Context;
use super::path::{FieldPath, printable};
use super::raw::{Draft, RawLimits};
use crate::terms::{Limits, Measure};

/// Limits of scopes; an empty set bounds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// All requests together.
    pub global: Limits,
    /// Every tenant, as far as it sets none of its own; each setting on its own.
    pub each_tenant: Limits,
    /// The same for users.
    pub each_user: Limits,
    /// The same for keys.
    pub each_key: Limits,
    /// Every client address. Requests and concurrency alone: addresses are counted by sketches of fixed size.
    pub each_address: Limits,
    /// All callers without a key together.
    pub anonymous: Limits,
    /// By [`crate::wire::Operation::label`].
    pub endpoints: BTreeMap<&'static str, Limits>,
}

pub(super) fn rates(context: &mut Context<'_, '_>, raw: &mut RawLimits) -> Rates {
    let path = FieldPath::root().key("limits");
    let each_address = limits(raw.each_address.take());
    check_address(context, &path.key("each_address"), &each_address);
    Rates {
        global: limits(raw.global.take()),
        each_tenant: limits(raw.each_tenant.take()),
        each_user: limits(raw.each_user.take()),
        each_key: limits(raw.each_key.take()),
        each_address,
        anonymous: limits(raw.anonymous.take()),
        endpoints: endpoints(context, &path.key("endpoints"), raw.endpoints.take()),
    }
}

/// What the schema has accepted of a set; what it has not is reported.
pub(super) fn limits(raw: Option<Draft<Limits>>) -> Limits {
    raw.and_then(|raw| raw.0).unwrap_or_default()
}

/// Only what a sketch can count.
fn check_address(context: &mut Context<'_, '_>, path: &FieldPath, limits: &Limits) {
    let uncounted = limits
        .rules()
        .filter(|rule| rule.measure != Measure::Requests);
    for rule in uncounted {
        let message = "is not counted for addresses, of which there may be any number; write `requests_…` or `concurrency`, or limit keys and users";
        context.report.key(&path.key(rule.name()), message);
    }
}

fn endpoints(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<BTreeMap<String, Option<Draft<Limits>>>>,
) -> BTreeMap<&'static str, Limits> {
    let mut endpoints = BTreeMap::new();
    for (name, raw) in raw.unwrap_or_default() {
        match operation(&name) {
            Ok(label) => drop(endpoints.insert(label, limits(raw))),
            Err(problem) => {
                let message = format!("`{}` {problem}", printable(&name));
                context.report.key(&path.key(&name), message);
            }
        }
    }
    endpoints
}
