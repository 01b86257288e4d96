//! Callers, tenants, plans, prices, limits and the store: what is written arrives, what is not has its default.

use std::time::Duration;

use super::{parse, sound};
use crate::config::{
    DEFAULT_TENANT, Failing, MasterKey, OnCorruption, OnFailure, OnUpstreamCut, PlanOrder, Signing,
    TokenAlgorithm, UnknownPrice,
};
use crate::terms::{AtEnd, KeyState, Limits, Money, Period, Priority, Scope, UserKind};

const GPU: &str = "upstreams: [{ name: a, kind: vllm, url: 'http://a' }]";
/// SHA-256 of `abc` (FIPS 180-2, B.1).
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

#[test]
fn what_holds_without_a_word() {
    let config = sound(GPU);
    assert_eq!((&config.store, config.access.required), (&None, false));
    assert!(config.tenants.is_empty() && config.plans.is_empty());
    let window = Duration::from_secs(300);
    let signing = Signing {
        required: false,
        window,
    };
    assert_eq!(config.access.signing, signing);
    assert_eq!(config.rates, crate::config::Rates::default());
    assert_eq!(config.prices.currency, "USD");
    assert_eq!(
        (config.prices.unknown, config.prices.header),
        (UnknownPrice::Free, false)
    );
    assert_eq!(config.usage.reserve_output_tokens, 4096);
    assert_eq!(config.usage.on_upstream_cut, OnUpstreamCut::Delivered);
    assert_eq!(config.webhooks.budget, None);
    assert!(config.upstreams[0].limits.is_empty());
}

#[test]
fn a_store_in_short_and_in_full() {
    let short = sound(&format!("store: {{ path: data }}\n{GPU}"));
    let store = short.store.as_ref().expect("a store");
    assert!(store.path.ends_with("tests/config/data"));
    assert_eq!(
        (
            store.cache_bytes,
            store.commit_interval,
            store.retention_days
        ),
        (32 << 20, Duration::from_millis(10), 400)
    );
    let on_failure = OnFailure {
        limits: Failing::Open,
        money: Failing::Closed,
        grace: Duration::from_secs(60),
    };
    assert_eq!(
        (store.on_failure, store.on_corruption),
        (on_failure, OnCorruption::Refuse)
    );
    assert!(short.access.required, "keys may be in the store");

    let old = "0f".repeat(32);
    let full = sound(&format!(
        "
store:
  path: /var/lib/weir
  commit_interval: 20ms
  retention: 30d
  on_failure: {{ money: open }}
  on_corruption: set_aside
  master_key: {{ command: [kms, decrypt] }}
  old_master_keys: [{{ value: '{old}' }}]
{GPU}"
    ));
    let store = full.store.expect("a store");
    assert_eq!(store.on_failure.money, Failing::Open);
    let command = ["kms", "decrypt"].map(str::to_owned).to_vec();
    assert_eq!(store.master_key, Some(MasterKey::Command(command)));
    let [MasterKey::Text(key)] = store.old_master_keys.as_slice() else {
        panic!("one old key");
    };
    assert_eq!(MasterKey::bytes(key.expose()), Ok([15; 32]));
}

#[test]
fn keys_of_callers_with_all_that_they_may() {
    let config = sound(&format!(
        "
access:
  keys:
    - {{ label: full, value: abc, tenant: acme, project: p, user: u, expires: 2027-01-31, state: disabled, models: ['m*'], operations: [chat, 'image_*'],
        addresses: [10.0.0.0/8, 192.0.2.7], limits: {{ requests_per_minute: '${{WEIGHT}}' }}, budget: {{ amount: 0.10, per: 30d }}, priority: batch,
        profile: cheap, tags: {{ team: search }}, scopes: [usage_read, usage_read], signing_secret: {{ value: signed }} }}
    - {{ env: OPENAI_KEY_A }}
tenants:
  acme: {{ projects: {{ p: {{}} }}, users: {{ u: {{ kind: service, project: p }} }} }}
{GPU}"
    ));
    assert!(config.access.required);
    let [full, plain] = config.access.keys.as_slice() else {
        panic!("two keys");
    };
    let hex: String = full
        .sha256
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!((hex.as_str(), full.characters), (ABC, Some(3)));
    assert_eq!(
        (
            full.tenant.as_str(),
            full.project.as_deref(),
            full.user.as_deref()
        ),
        ("acme", Some("p"), Some("u"))
    );
    assert_eq!(
        (full.state, full.priority),
        (KeyState::Disabled, Some(Priority::Batch))
    );
    assert!(full.allow.models[0].matches("mm") && !full.allow.operations[1].matches("chat"));
    let addresses: Vec<_> = full
        .allow
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert_eq!(full.limits.requests_per_minute, Some(3));
    let budget = full.budget.as_ref().expect("a budget");
    assert_eq!(
        (budget.amount, budget.per),
        (Money::from_nanos(100_000_000), Period::Rolling { days: 30 })
    );
    assert_eq!(full.scopes, [Scope::UsageRead]);
    assert_eq!(
        full.signing_secret.as_ref().map(|it| it.expose()),
        Some("signed")
    );

    assert_eq!(
        (plain.label.as_str(), plain.tenant.as_str()),
        ("key-2", DEFAULT_TENANT)
    );
    assert_eq!(plain.scopes, [Scope::Inference]);
    assert!(plain.allow.is_empty() && plain.limits.is_empty());
    assert!(config.tenants[DEFAULT_TENANT].active, "it needs no entry");
    assert_eq!(config.tenants["acme"].users["u"].kind, UserKind::Service);
    assert!(
        !format!("{config:?}").contains("sk-secret"),
        "a secret was shown"
    );
}

#[test]
fn a_hash_is_that_of_the_key() {
    let twice = parse(&format!(
        "access: {{ keys: [{{ value: abc }}, {{ hash: 'sha256:{ABC}' }}] }}\n{GPU}"
    ));
    let problems = twice.expect_err("the same key twice").to_string();
    assert!(
        problems.contains("is the same key as access.keys[0]"),
        "{problems}"
    );
}

#[test]
fn issuers_of_tokens() {
    let config = sound(&format!(
        "
access:
  tokens:
    - {{ issuer: 'https://a.example', audiences: [weir] }}
    - {{ issuer: b, audiences: [x, y], jwks_url: 'http://127.0.0.1:1/keys', algorithms: [EdDSA], leeway: 0s, refresh: 1m,
        claims: {{ tenant: org.id, user: email, scopes: scope, tags: {{ team: dep }} }} }}
{GPU}"
    ));
    let [a, b] = config.access.tokens.as_slice() else {
        panic!("two issuers");
    };
    assert!(config.access.required);
    assert_eq!(a.algorithms, [TokenAlgorithm::RS256, TokenAlgorithm::ES256]);
    assert_eq!(
        (a.claims.user.as_str(), a.default_tenant.as_deref()),
        ("sub", Some(DEFAULT_TENANT))
    );
    assert_eq!(b.default_tenant, None, "tokens say it");
    assert_eq!(b.claims.tags["team"], "dep");
    assert_eq!(b.jwks_url.as_ref().map(|url| url.port()), Some(Some(1)));
    assert!(config.tenants.contains_key(DEFAULT_TENANT));
}

#[test]
fn tenants_plans_and_limits() {
    let config = sound(
        "
upstreams: [{ name: a, kind: vllm, url: 'http://a', limits: { concurrency: 9 } }]
models: { m: { targets: [{ upstream: a }], limits: { tokens_per_day: 7 } } }
aliases: { short: m }
limits: { body_bytes: 1MiB, global: { concurrency: 1, window: token_bucket }, each_address: { requests_per_second: 2 }, endpoints: { chat: { spend_per_day: 3 } } }
plans: { p: { per: month, included_money: 5, models: [m] } }
tenants:
  t: { name: T, active: false, account: { credit: 2.5 }, plan: p, priority: interactive, budget: { amount: 1, per: ever, warn_at_percent: 50, at_end: { downgrade: short } } }
",
    );
    let tenant = &config.tenants["t"];
    assert_eq!((tenant.name.as_str(), tenant.active), ("T", false));
    assert_eq!(tenant.account.map(|it| it.credit), Some(money("2.5")));
    let budget = tenant.budget.as_ref().expect("a budget");
    assert_eq!(budget.at_end, Some(AtEnd::Downgrade("m".to_owned())));
    let plan = &config.plans["p"];
    assert_eq!(
        (plan.included_money, plan.price, plan.order),
        (Some(money("5")), Money::ZERO, PlanOrder::PlanFirst)
    );
    assert_eq!(config.limits.body_bytes, 1 << 20);
    assert_eq!(config.rates.global.concurrency, Some(1));
    assert_eq!(
        config.rates.endpoints["chat"].spend_per_day,
        Some(money("3"))
    );
    assert_eq!(config.upstreams[0].limits.concurrency, Some(9));
    let of_model = Limits {
        tokens_per_day: Some(7),
        ..Limits::default()
    };
    assert_eq!(config.models["m"].limits, of_model);
    assert!(
        !config.access.required,
        "there is nobody whom a key could belong to"
    );
}

/// Upstream, its model, public model → the price of a million tokens of input.
#[test]
fn the_most_exact_price_holds() {
    let config = sound(
        "
upstreams: [{ name: a, kind: vllm, url: 'http://a' }, { name: b, kind: vllm, url: 'http://b' }]
models:
  m: { policy: cost, targets: [{ upstream: a, model: x, price: { input: 1e-7 } }, { upstream: b, model: y }] }
prices:
  models: { m: { input: 2 }, 'm*': { input: 3 }, '*': { input: 4 } }
  upstreams: { a: { '*': { input: 5 }, x: { input: 0.0000001 } } }
",
    );
    let cases = [
        ("a", "x", "m", "0.0000001"),
        ("a", "y", "m", "5"),
        ("b", "y", "m", "2"),
        ("b", "y", "mm", "3"),
        ("b", "y", "other", "4"),
    ];
    for (upstream, model, public, expected) in cases {
        let price = config.prices.price(upstream, model, public);
        assert_eq!(
            price.map(|price| price.input),
            Some(money(expected)),
            "{upstream} {model} {public}"
        );
    }
    let targets = config.models["m"].targets.iter();
    let inputs: Vec<_> = targets
        .map(|target| target.price.map(|price| price.input))
        .collect();
    assert_eq!(inputs, [Some(money("0.0000001")), Some(money("2"))]);
}

#[test]
fn keys_for_upstreams_that_weir_does_not_hold() {
    let config = sound(&format!(
        "
store: {{ path: data, master_key: {{ value: '{}' }} }}
upstreams:
  - {{ name: a, kind: openai, keys: [{{ value: first }}, {{ label: s, stored: openai-s, weight: 3 }}], own_keys: {{ header: X-Upstream-Key }} }}
",
        "ab".repeat(32)
    ));
    let upstream = &config.upstreams[0];
    assert_eq!(upstream.keys.len(), 1);
    assert_eq!(
        upstream.own_key_header.as_ref().map(|it| it.as_str()),
        Some("x-upstream-key")
    );
    let [stored] = upstream.stored_keys.as_slice() else {
        panic!("one stored key");
    };
    assert_eq!(
        (stored.name.as_str(), stored.position, stored.label()),
        ("openai-s", 1, "s")
    );
    let key = stored.with(crate::config::Secret::new("opened"));
    assert_eq!((key.weight, key.secret.expose()), (3, "opened"));
}

#[test]
fn usage_and_webhooks() {
    let config = sound(&format!(
        "
usage: {{ reserve_output_tokens: 100, on_upstream_cut: free, tag_headers: [X-Team] }}
webhooks: {{ budget: {{ url: 'https://ops.example/hook', secret: {{ env: OPENAI_KEY_A }} }} }}
prices: {{ currency: EUR, unknown: refuse, header: true }}
access: {{ required: false, trusted_proxies: [10.0.0.1, '::1'], pepper: {{ env: OPENAI_KEY_B }} }}
{GPU}"
    ));
    assert_eq!(config.usage.tag_headers, ["x-team"]);
    assert_eq!(config.usage.on_upstream_cut, OnUpstreamCut::Free);
    let hook = config.webhooks.budget.expect("a webhook");
    assert_eq!(hook.url.host_str(), Some("ops.example"));
    assert!(hook.secret.is_some() && config.access.pepper.is_some());
    assert_eq!(config.prices.unknown, UnknownPrice::Refuse);
    assert_eq!(config.access.trusted_proxies.len(), 2);
}

/// A configuration → part of the warning that it deserves.
#[test]
fn warnings() {
    let cases = [
        (
            "access: { keys: [{ value: short }] }",
            "key key-1 has fewer than 16 characters",
        ),
        (
            "access: { required: false, keys: [{ value: long-enough-a-key }] }\nlisten: 0.0.0.0:1",
            "callers need no key",
        ),
        (
            "access: { trusted_proxies: ['::/0'] }",
            "::/0 is every address",
        ),
        (
            "tenants: { t: { budget: { amount: 1, per: day } } }",
            "is forgotten when weir ends (tenant t)",
        ),
        (
            "tenants: { t: { account: { credit: 0 } } }",
            "is forgotten when weir ends (tenant t)",
        ),
        (
            "limits: { each_key: { requests_per_second: 9, requests_per_minute: 8 } }",
            "limits.each_key: `requests_per_second` is above `requests_per_minute`",
        ),
        (
            "limits: { anonymous: { concurrency: 1 } }\naccess: { keys: [{ value: long-enough-a-key }] }",
            "limits.anonymous: has no effect",
        ),
        (
            "webhooks: { budget: { url: 'http://ops.example/hook' } }",
            "goes in cleartext",
        ),
        (
            "store: { path: data }\naccess: { pepper: { value: p } }",
            "`pepper` has no effect",
        ),
        (
            "store: { path: data }\ntenants: { acme: {} }\naccess: { keys: [{ value: long-enough-a-key, tenant: acne }] }",
            "did you mean `acme`?",
        ),
        (
            "store: { path: data }\nprices: { unknown: refuse }\nmodels: { m: { targets: [{ upstream: a }] } }\ntenants: { t: { budget: { amount: 1, per: day, at_end: { downgrade: m } } } }",
            "of which no price is known",
        ),
        (
            "tenants: { t: { priority: batch } }",
            "`priority` is kept and shown, and nothing goes by it yet",
        ),
        (
            "access: { keys: [{ value: long-enough-a-key, profile: fast, priority: normal }] }",
            "`priority` and `profile` are kept",
        ),
    ];
    for (text, expected) in cases {
        let warnings = sound(&format!("{text}\n{GPU}")).warnings();
        assert!(
            matches!(warnings.as_slice(), [one] if one.contains(expected)),
            "{text}: {warnings:?}"
        );
    }
    let guarded = "listen: 0.0.0.0:1\naccess: { keys: [{ value: long-enough-a-key }] }";
    assert_eq!(
        sound(&format!("{guarded}\n{GPU}")).warnings(),
        Vec::<String>::new()
    );
}

#[test]
fn expired_keys_of_callers_are_told() {
    let config = sound(&format!(
        "access: {{ keys: [{{ value: a, expires: 2027-01-31 }}] }}\n{GPU}"
    ));
    let expires = config.access.keys[0].expires.expect("a time");
    let told = "access: key key-1 expired at 2027-01-31T00:00:00Z and is not taken any more; replace it, or remove it";
    assert_eq!(config.expired_keys(expires), [told]);
}
