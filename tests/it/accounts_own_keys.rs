//! Keys that clients bring for upstreams: each goes to the upstream that it is for, in the place of weir's own, and nowhere else.

use serde_json::json;

use crate::harness::*;

const KEY: &str = "the-key-of-ada-0123456789";
const OWN: &str = "sk-the-clients-own";

/// Upstream `a`, which takes clients' own keys, and behind it `b`, which takes none unless `b_takes` says so.
async fn weir_before(hosts: &[&dyn Host; 2], b_takes: &str) -> Weir {
    let [a, b] = hosts.map(Host::url);
    let targets =
        format!("[{{ upstream: a, model: {MODEL} }}, {{ upstream: b, model: {MODEL}, tier: 2 }}]");
    Weir::configured(format!(
        "{STORE}
access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}
tenants: {{ acme: {{}} }}
upstreams:
  - {{ name: a, kind: vllm, url: \"{a}\", models: [{MODEL}], keys: [{{ value: sk-weirs-a }}], own_keys: {{ header: x-upstream-key }} }}
  - {{ name: b, kind: vllm, url: \"{b}\", models: [{MODEL}], keys: [{{ value: sk-weirs-b }}] {b_takes} }}
models: {{ m: {{ targets: {targets} }} }}
prices: {{ models: {{ m: {{ output: 1 }} }} }}"
    ))
    .await
}

fn chat(weir: &Weir) -> Request {
    weir.chat("hi").model("m").header("x-api-key", KEY)
}

#[tokio::test]
async fn a_clients_own_key_goes_to_the_upstream_that_it_is_for_and_costs_nothing_here() {
    let hosts = [Sim::that(&["status=503"]).await, Sim::start().await];
    let mut weir = weir_before(&[&hosts[0], &hosts[1]], "").await;
    // The second is tried as the first fails: it must not see what is the first's.
    let own = || chat(&weir).header("x-upstream-key", OWN);
    own().send().await.assert_status(200);
    assert_eq!(hosts[0].last_request().key(), OWN);
    let seen = format!("{:?}", hosts[1].last_request());
    assert!(!seen.contains(OWN), "{seen}");
    assert_eq!(hosts[1].last_request().key(), "sk-weirs-b");
    hosts[0].clear_faults();
    for stream in [false, true] {
        let request = if stream { own().streaming() } else { own() };
        request.send().await.assert_status(200);
        let seen = hosts[0].last_request();
        assert_eq!(seen.key(), OWN);
        assert_eq!(seen.header("x-upstream-key"), None);
        let seen = format!("{seen:?}");
        assert!(!seen.contains("sk-weirs") && !seen.contains(KEY), "{seen}");
    }
    chat(&weir).send().await.assert_status(200);
    assert_eq!(hosts[0].last_request().key(), "sk-weirs-a");
    // An empty one is none.
    let empty = chat(&weir).header("x-upstream-key", " ");
    empty.send().await.assert_status(200);
    assert_eq!(hosts[0].last_request().key(), "sk-weirs-a");
    // It does not stand in for the key that weir itself wants.
    let nobody = weir.chat("hi").model("m").header("x-upstream-key", OWN);
    nobody.send().await.assert_status(401);
    weir.access_lines(6).await;
    let rows = weir.ended().await.rows();
    let told: Vec<_> = rows
        .iter()
        .filter(|row| row.status == 200)
        .map(|row| (&*row.upstream, row.cost.nanos() > 0, row.priced))
        .collect();
    let expected = [
        ("b", true, true),
        ("a", false, true),
        ("a", false, true),
        ("a", true, true),
        ("a", true, true),
    ];
    assert_eq!(told, expected);
    let known = rows.iter().filter(|row| row.status == 200);
    for row in known {
        assert_eq!(row.who.key_label.as_deref(), Some("ada"), "{row:?}");
        assert!(row.usage.output > 0, "{row:?}");
    }
    assert!(!weir.everything_written().contains(OWN));
}

#[tokio::test]
async fn what_an_upstream_says_of_a_clients_own_account_is_the_clients_to_hear() {
    let hosts = [Sim::start().await, Sim::start().await];
    let weir = weir_before(&[&hosts[0], &hosts[1]], "").await;
    for status in [401, 402, 403, 429] {
        hosts[0].arm(&[&format!("status={status}")]);
        let own = chat(&weir).header("x-upstream-key", OWN);
        own.send().await.assert_status(status);
        hosts[0].clear_faults();
        // Neither weir's key nor the host has to answer for it.
        chat(&weir).send().await.assert_status(200);
        assert_eq!(hosts[0].last_request().key(), "sk-weirs-a", "{status}");
    }
    assert_eq!(
        hosts[1].requests().len(),
        0,
        "nothing is tried at weir's expense"
    );
    // The same words about weir's own key are nobody's but weir's.
    hosts[0].arm(&["status=401"]);
    chat(&weir).send().await.assert_status(200);
    assert_eq!(hosts[1].last_request().key(), "sk-weirs-b");
}

#[tokio::test]
async fn a_refusal_of_a_clients_own_key_that_is_no_json_keeps_its_status() {
    let page = http(
        "401 Unauthorized",
        &[("content-type", "text/html")],
        "<p>no</p>",
    );
    let (first, second) = (Upstream::answering(page).await, Sim::start().await);
    let weir = weir_before(&[&first, &second], "").await;
    let own = chat(&weir).header("x-upstream-key", OWN);
    own.send().await.assert_error(401, "upstream_error");
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn each_upstream_sees_its_own_key_alone_by_every_way() {
    let hosts = [Sim::start().await, Sim::start().await];
    let takes = ", own_keys: { header: x-key-of-b }";
    let weir = weir_before(&[&hosts[0], &hosts[1]], takes).await;
    let with_both = |request: Request| {
        let request = request.header("x-api-key", KEY);
        let request = request.header("x-upstream-key", OWN);
        request.header("x-key-of-b", "Bearer sk-own-of-b")
    };
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
    for (host, name, key) in [(&hosts[0], "a", OWN), (&hosts[1], "b", "sk-own-of-b")] {
        let path = format!("/{name}/v1/chat/completions");
        let request = with_both(weir.post(&path).json(body.clone()));
        request.send().await.assert_status(200);
        let seen = host.last_request();
        assert_eq!(seen.key(), key);
        let headers = ["x-upstream-key", "x-key-of-b", "x-api-key"];
        let left: Vec<_> = headers
            .iter()
            .filter_map(|name| seen.header(name))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // Another dialect, which is told anew.
    let told = with_both(Tongue::Messages.ask(&weir, "m", "hi", 16, false));
    told.send().await.assert_status(200);
    assert_eq!(hosts[0].last_request().key(), OWN);
    let upgrade = weir
        .get("/v1/realtime?model=m")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let opened = with_both(upgrade.clone()).open().await;
    assert_eq!(opened.status, 101);
    let seen = hosts[0].last_request();
    assert_eq!(seen.key(), OWN);
    assert!(!format!("{seen:?}").contains("sk-own-of-b"), "{seen:?}");
    drop(opened);
    hosts[0].arm(&["status=401"]);
    let refused = with_both(upgrade).send().await;
    refused.assert_status(401);
    assert_eq!(
        hosts[1].requests().len(),
        1,
        "only what was sent to it by name"
    );
    let written = weir.everything_written();
    assert!(!written.contains(OWN) && !written.contains("sk-own-of-b"));
}
