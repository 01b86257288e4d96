//! Settings that say something else, by their names. Values are never told: some are secrets.

use std::collections::BTreeSet;

use crate::config::{Config, Rates, Secret, StoreSettings};

use super::names;

/// Sections that say something else.
pub(super) fn differing(before: &Config, after: &Config) -> Vec<String> {
    let mut told = of_the_process(before, after);
    told.extend(of_callers(before, after));
    told.extend(of_rates(&before.rates, &after.rates));
    told.extend(of_store(before.store.as_ref(), after.store.as_ref()));
    told
}

fn of_the_process(before: &Config, after: &Config) -> Vec<String> {
    let sections = [
        ("limits", before.limits != after.limits),
        ("failover", before.failover != after.failover),
        ("reload", before.reload != after.reload),
        ("translation", before.translation != after.translation),
        (
            "server.response_headers",
            before.server.response_headers != after.server.response_headers,
        ),
        (
            "server.shutdown_delay",
            before.server.shutdown_delay != after.server.shutdown_delay,
        ),
        (
            "server.shutdown_grace",
            before.server.shutdown_grace != after.server.shutdown_grace,
        ),
        ("admin.token", token(before) != token(after)),
        (
            "default_upstream",
            before.default_upstream != after.default_upstream,
        ),
    ];
    names(&sections)
}

fn token(config: &Config) -> Option<&Secret> {
    config.admin.as_ref()?.token.as_ref()
}

fn of_callers(before: &Config, after: &Config) -> Vec<String> {
    let (access, next) = (&before.access, &after.access);
    let (prices, next_prices) = (&before.prices, &after.prices);
    names(&[
        ("access.required", access.required != next.required),
        (
            "access.trusted_proxies",
            access.trusted_proxies != next.trusted_proxies,
        ),
        (
            "access.signing.required",
            access.signing.required != next.signing.required,
        ),
        ("prices.currency", prices.currency != next_prices.currency),
        ("prices.unknown", prices.unknown != next_prices.unknown),
        ("prices.header", prices.header != next_prices.header),
        ("usage", before.usage != after.usage),
        (
            "webhooks.budget",
            before.webhooks.budget != after.webhooks.budget,
        ),
    ])
}

/// Limits of scopes that have no entry of their own.
fn of_rates(before: &Rates, after: &Rates) -> Vec<String> {
    let mut told = names(&[
        ("limits.global", before.global != after.global),
        (
            "limits.each_tenant",
            before.each_tenant != after.each_tenant,
        ),
        ("limits.each_user", before.each_user != after.each_user),
        ("limits.each_key", before.each_key != after.each_key),
        (
            "limits.each_address",
            before.each_address != after.each_address,
        ),
        ("limits.anonymous", before.anonymous != after.anonymous),
    ]);
    let operations: BTreeSet<_> = before
        .endpoints
        .keys()
        .chain(after.endpoints.keys())
        .collect();
    let changed = operations
        .into_iter()
        .filter(|operation| before.endpoints.get(*operation) != after.endpoints.get(*operation));
    told.extend(changed.map(|operation| format!("limits.endpoints.{operation}")));
    told
}

/// What of the store holds without a restart.
fn of_store(before: Option<&StoreSettings>, after: Option<&StoreSettings>) -> Vec<String> {
    let (Some(before), Some(after)) = (before, after) else {
        return Vec::new();
    };
    names(&[
        (
            "store.retention",
            before.retention_days != after.retention_days,
        ),
        ("store.on_failure", before.on_failure != after.on_failure),
        ("store.master_key", before.master_key != after.master_key),
        (
            "store.old_master_keys",
            before.old_master_keys != after.old_master_keys,
        ),
    ])
}
