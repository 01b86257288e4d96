//! What a reload and `weir check` tell of callers, money and the store: names of what has changed, and no secret.

use serde_json::json;

use crate::harness::*;

const SECRETS: [&str; 4] = [
    "the-key-of-ada-0123456789",
    "the-key-of-bob-0123456789",
    "what-signs-the-webhook",
    "1111111111111111111111111111111111111111111111111111111111111111",
];

const BEFORE: &str = r#"
store: { path: books, master_key: { value: "1111111111111111111111111111111111111111111111111111111111111111" } }
access: { keys: [{ label: ada, value: the-key-of-ada-0123456789, tenant: acme }, { label: gone, value: the-key-that-goes-012345, tenant: acme }] }
tenants: { acme: { users: { eve: {} } }, left: {} }
plans: { starter: { per: month, included_tokens: 1000 } }
limits: { each_key: { requests_per_minute: 60 } }
models: { small: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }
prices: { models: { small: { input: 1 } }, upstreams: { gpu-a: { "*": { gpu_second: 1 } } } }
"#;

const AFTER: &str = r#"
store: { path: other, retention: 30d, master_key: { value: "1111111111111111111111111111111111111111111111111111111111111111" } }
access: { signing: { window: 60s }, keys: [{ label: ada, value: the-key-of-ada-0123456789, tenant: acme, state: disabled }, { label: bob, value: the-key-of-bob-0123456789, tenant: acme }] }
tenants: { acme: { users: { eve: { active: false } }, projects: { search: {} } }, new: { plan: starter } }
plans: { starter: { per: month, included_tokens: 2000 }, bigger: { per: month, included_tokens: 9000 } }
limits: { each_key: { requests_per_minute: 30 }, endpoints: { chat: { concurrency: 2 } } }
models: { small: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }
prices: { header: true, models: { small: { input: 2 } }, upstreams: { gpu-a: { "big-*": { input: 1 } } } }
usage: { tag_headers: [x-team] }
webhooks: { budget: { url: "http://127.0.0.1:9/hook", secret: { value: what-signs-the-webhook } } }
"#;

#[tokio::test]
async fn a_reload_names_what_has_changed_for_callers_and_money() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).with(BEFORE).await;
    let after = Weir::in_front_of([&host]).with(AFTER);
    weir.rewrite(&after);
    let dry = weir.act("/admin/v1/reload?dry_run=true").send().await;
    let done = weir.reload().await;
    done.assert_status(200);
    let told = done.json()["changes"].clone();
    assert_eq!(dry.json()["changes"], told);
    let list = |added: &[&str], removed: &[&str], altered: &[&str]| json!({"added": added, "removed": removed, "altered": altered});
    let expected = [
        ("client_keys", list(&["bob"], &["gone"], &["ada"])),
        (
            "tenants",
            list(
                &["acme/projects/search", "new"],
                &["left"],
                &["acme/users/eve"],
            ),
        ),
        ("plans", list(&["bigger"], &[], &["starter"])),
        ("prices", list(&["gpu-a/big-*"], &["gpu-a/*"], &["small"])),
        ("issuers", list(&[], &[], &[])),
        ("upstreams", list(&[], &[], &[])),
    ];
    for (name, expected) in expected {
        assert_eq!(told[name], expected, "{name}: {told}");
    }
    let settings = [
        "prices.header",
        "usage",
        "webhooks.budget",
        "limits.each_key",
        "limits.endpoints.chat",
        "store.retention",
    ];
    assert_eq!(told["settings"], json!(settings));
    assert_eq!(
        told["needs_restart"],
        json!(["access.signing.window", "store.path"])
    );
    let line = weir.line_with("configuration reloaded").await;
    for words in [
        "tenants: added acme/projects/search, new",
        "plans: added bigger",
        "client keys: added bob",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    let written = weir.everything_written();
    for secret in SECRETS {
        assert!(!written.contains(secret) && !done.text().contains(secret));
    }
}

#[tokio::test]
async fn check_says_who_may_call_and_what_it_costs() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with(AFTER)
        .each("own_keys: { header: x-own }")
        .await;
    let told = weir.command(&["check"]);
    let expected = [
        "every request needs a key or a token",
        "key ada  of acme, disabled",
        "acme  1 project, 1 user",
        "new  plan starter",
        "bigger  9000 tokens for 0",
        "each key  requests_per_minute 30",
        "chat  concurrency 2",
        "2 of this file and those of the table, in USD",
        "x-weir-cost on answers",
        "tags from x-team",
        "budgets are told to 127.0.0.1, signed",
        "other, with a master key",
        "kept for 30 days",
        "a client may bring its own key in x-own",
    ];
    for words in expected {
        assert!(told.contains(words), "{words}: {told}");
    }
    for secret in SECRETS {
        assert!(!told.contains(secret), "{told}");
    }
}
