//! The admin listener: who may ask what, and what operators can do.

use http::Method;
use serde_json::json;

use crate::harness::*;

const TOKEN: &str = "admin: { address: \"127.0.0.2:0\", token: { env: WEIR_ADMIN_TOKEN } }";
const TWO_KEYS: &str =
    "keys: [{ label: one, value: sk-ONE }, { label: two, value: sk-TWO }]\nrotation: failover";

async fn weir_with_a_token(host: &Sim) -> Weir {
    Weir::in_front_of([host])
        .with(TOKEN)
        .environment("WEIR_ADMIN_TOKEN", "open-sesame-0123")
        .await
}

#[tokio::test]
async fn without_the_token_only_health_and_readiness_are_answered() {
    let host = Sim::start().await;
    let weir = weir_with_a_token(&host).await;
    weir.admin("/healthz").send().await.assert_status(200);
    weir.admin("/readyz").send().await.assert_status(200);
    let closed = [
        weir.admin("/metrics"),
        weir.admin("/admin/v1/status"),
        weir.act("/admin/v1/reload"),
        weir.admin("/nothing"),
        weir.admin("/metrics")
            .header("authorization", "Bearer open-sesame-0124"),
        weir.admin("/metrics")
            .header("authorization", "Basic open-sesame-0123"),
    ];
    for request in closed {
        let refused = request.send().await;
        refused.assert_status(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert_eq!(refused.error()["code"], "unauthorized");
    }
    for path in ["/metrics", "/admin/v1/status"] {
        let request = weir
            .admin(path)
            .header("authorization", "Bearer open-sesame-0123");
        request.send().await.assert_status(200);
    }
    let written = weir.everything_written();
    assert!(!written.contains("open-sesame"), "{written}");
}

#[tokio::test]
async fn no_web_page_can_act_where_there_is_no_token() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let act = |path: &str| weir.act(path).header("origin", "https://evil.example");
    let refused = act("/admin/v1/upstreams/gpu-a/disable").send().await;
    refused.assert_status(403);
    assert_eq!(refused.error()["code"], "cross_site");
    weir.chat("hi").send().await.assert_status(200);
    let weir = weir_with_a_token(&host).await;
    let act = weir
        .act("/admin/v1/reload")
        .header("origin", "https://console.example");
    let act = act.header("authorization", "Bearer open-sesame-0123");
    act.send().await.assert_status(200);
}

#[tokio::test]
async fn a_reload_brings_another_token_into_force() {
    let host = Sim::start().await;
    let setup = |token: &str| {
        Weir::in_front_of([&host]).with(&format!(
            "admin: {{ address: \"127.0.0.2:0\", token: {{ value: {token} }} }}"
        ))
    };
    let weir = setup("first-token-0123").await;
    weir.rewrite(&setup("second-token-0123"));
    let bearing =
        |request: Request, token: &str| request.header("authorization", &format!("Bearer {token}"));
    let reload = bearing(weir.act("/admin/v1/reload"), "first-token-0123");
    let done = reload.send().await;
    done.assert_status(200);
    assert_eq!(done.json()["changes"]["settings"], json!(["admin.token"]));
    let status = |token| bearing(weir.admin("/admin/v1/status"), token).send();
    status("first-token-0123").await.assert_status(401);
    status("second-token-0123").await.assert_status(200);
}

#[tokio::test]
async fn methods_are_told_and_unknown_paths_named() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let ask = |method, path| Request::new(weir.admin_address(), method, path).send();
    for (method, path, allowed) in [
        (Method::POST, "/metrics", "GET, HEAD"),
        (Method::DELETE, "/healthz", "GET, HEAD"),
        (Method::GET, "/admin/v1/reload", "POST"),
        (Method::PUT, "/admin/v1/upstreams/gpu-a/disable", "POST"),
    ] {
        let refused = ask(method, path).await;
        refused.assert_status(405);
        assert_eq!(refused.header("allow"), Some(allowed), "{path}");
        assert_eq!(refused.error()["code"], "method_not_allowed");
    }
    let head = ask(Method::HEAD, "/metrics").await;
    head.assert_status(200);
    assert!(head.body.is_empty());
    let missing = ask(Method::GET, "/admin/v1/nothing").await;
    missing.assert_status(404);
    assert_eq!(missing.error()["code"], "not_found");
    assert!(
        missing.text().contains("/admin/v1/nothing"),
        "{}",
        missing.text()
    );
}

#[tokio::test]
async fn the_status_says_where_everything_stands() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each("keys: [{ label: main, value: sk-SECRET-1 }]\ntags: [eu]")
        .with("models: { m: { policy: round_robin, targets: [{ upstream: gpu-a, model: llama-3.1-8b, weight: 3 }] } }\naliases: { short: m }")
        .await;
    weir.chat("hi").model("m").send().await.assert_status(200);
    let stream = weir.chat("hi").model("m").streaming();
    stream.send().await.assert_clean_stream();
    let status = weir.status().await;
    assert!(!status.to_string().contains("SECRET"), "{status}");
    let upstream = &status["upstreams"][0];
    assert_eq!(upstream["name"], "gpu-a");
    assert_eq!(
        (&upstream["status"], &upstream["configured_status"]),
        (&json!("online"), &json!("online"))
    );
    assert_eq!(upstream["models"], json!([MODEL]));
    let endpoint = &upstream["endpoints"][0];
    assert_eq!(endpoint["address"], format!("127.0.0.1:{}", host.port()));
    assert_eq!(endpoint["state"], "healthy");
    let figures = [
        "score",
        "latency_seconds",
        "whole_latency_seconds",
        "recent_attempts",
        "share",
    ];
    for figure in figures {
        assert!(
            endpoint[figure].as_f64().is_some_and(|figure| figure > 0.0),
            "{figure}: {endpoint}"
        );
    }
    // The count falls a moment after the answer has left.
    assert!(endpoint["in_flight"].is_number(), "{endpoint}");
    assert_eq!(endpoint["breaker"]["ejections"], json!(0));
    let key = &upstream["keys"][0];
    assert_eq!(
        (&key["label"], &key["state"]),
        (&json!("main"), &json!("ready"))
    );
    assert_eq!(key["fingerprint"].as_str().map(str::len), Some(8));
    let models = status["models"].as_array().expect("a list");
    let model = |name: &str| {
        models
            .iter()
            .find(|model| model["name"] == name)
            .expect("it is listed")
    };
    assert_eq!(model("m")["policy"], "round_robin");
    assert_eq!(
        model("m")["targets"],
        json!([{"upstream": "gpu-a", "model": MODEL, "tier": 1, "weight": 3}])
    );
    assert_eq!(model("short")["alias_of"], "m");
    let configuration = &status["configuration"];
    assert!(
        configuration["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("weir.yaml"))
    );
    assert_eq!(
        (&configuration["generation"], &configuration["last_reload"]),
        (&json!(1), &json!(null))
    );
    assert!(
        configuration["loaded_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
}

#[tokio::test]
async fn keys_are_rotated_rested_and_revived_by_operators() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each(TWO_KEYS).await;
    let used = async || {
        weir.chat("hi").send().await.assert_status(200);
        host.last_request()
            .header("authorization")
            .map(str::to_owned)
    };
    let (one, two) = (
        Some("Bearer sk-ONE".to_owned()),
        Some("Bearer sk-TWO".to_owned()),
    );
    assert_eq!(used().await, one);
    let rotated = weir
        .act("/admin/v1/upstreams/gpu-a/keys/rotate")
        .send()
        .await;
    rotated.assert_status(200);
    assert_eq!(
        rotated.json()["rotated"],
        json!({"passed_over": "one", "next": "two"})
    );
    assert_eq!(used().await, two);
    let revived = weir
        .act("/admin/v1/upstreams/gpu-a/keys/one/revive")
        .send()
        .await;
    revived.assert_status(200);
    assert_eq!(used().await, one);
    let rested = weir
        .act("/admin/v1/upstreams/gpu-a/keys/one/rest?for=10m")
        .send()
        .await;
    rested.assert_status(200);
    assert_eq!(rested.json()["key"]["state"], "resting");
    assert_eq!(used().await, two);
    weir.act("/admin/v1/upstreams/gpu-a/keys/one/revive")
        .send()
        .await;
    assert_eq!(used().await, one);
    let log = weir.everything_written();
    for said in ["rotated the keys", "lets a key rest", "revived a key"] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[tokio::test]
async fn what_an_operator_asks_of_nothing_is_told_with_what_there_is() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each(TWO_KEYS).await;
    for (path, status, code, named) in [
        (
            "upstreams/nobody/keys/rotate",
            404,
            "unknown_upstream",
            "nobody",
        ),
        (
            "upstreams/gpu-a/keys/three/revive",
            404,
            "unknown_key",
            "one, two",
        ),
        (
            "upstreams/gpu-a/keys/one/rest",
            400,
            "invalid_parameter",
            "for=60s",
        ),
        (
            "upstreams/gpu-a/keys/one/rest?for=long",
            400,
            "invalid_parameter",
            "long",
        ),
        (
            "endpoints/gpu-a/127.0.0.9:1/eject",
            404,
            "unknown_endpoint",
            "127.0.0.1:",
        ),
        (
            "reload?dry_run=perhaps",
            400,
            "invalid_parameter",
            "perhaps",
        ),
    ] {
        let refused = weir.act(&format!("/admin/v1/{path}")).send().await;
        refused.assert_status(status);
        let error = refused.error();
        assert_eq!(error["code"], code, "{path}");
        let message = error["message"].as_str().expect("a text");
        assert!(message.contains(named), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_disabled_upstream_gets_no_requests_until_it_is_enabled() {
    let (a, b) = (Sim::start().await, Sim::start().await);
    let weir = Weir::in_front_of([&a, &b]).with(GPU_A_FIRST).await;
    let upstream = async || {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        answer.header("x-weir-upstream").map(str::to_owned)
    };
    let (first, second) = (Some("gpu-a".to_owned()), Some("gpu-b".to_owned()));
    assert_eq!(upstream().await, first);
    for (said, status) in [("disable", "offline"), ("maintenance", "maintenance")] {
        let done = weir
            .act(&format!("/admin/v1/upstreams/gpu-a/{said}"))
            .send()
            .await;
        done.assert_status(200);
        assert_eq!(done.json()["status"], status);
        assert_eq!(done.json()["configured_status"], "online");
        assert_eq!(upstream().await, second);
    }
    weir.act("/admin/v1/upstreams/gpu-a/enable")
        .send()
        .await
        .assert_status(200);
    assert_eq!(upstream().await, first);
}

#[tokio::test]
async fn what_an_operator_said_of_a_status_outlives_reloads_that_do_not_speak_of_it() {
    let (a, b) = (Sim::start().await, Sim::start().await);
    let setup = |more: &str| Weir::in_front_of([&a, &b]).each(more).with(GPU_A_FIRST);
    let weir = setup("").await;
    let status = async || weir.status().await["upstreams"][0]["status"].clone();
    weir.act("/admin/v1/upstreams/gpu-a/disable")
        .send()
        .await
        .assert_status(200);
    weir.rewrite(&setup("description: another"));
    assert!(weir.hang_up().await);
    assert_eq!(status().await, "offline");
    weir.rewrite(&setup("status: maintenance"));
    assert!(weir.hang_up().await);
    assert_eq!(status().await, "maintenance");
    weir.rewrite(&setup(""));
    assert!(weir.hang_up().await);
    assert_eq!(status().await, "online");
}

#[tokio::test]
async fn an_endpoint_is_ejected_and_restored_by_operators() {
    let (a, b) = (Sim::start().await, Sim::start().await);
    let weir = Weir::in_front_of([&a, &b]).with(GPU_A_FIRST).await;
    let upstream = async || {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        answer.header("x-weir-upstream").map(str::to_owned)
    };
    let path = format!("/admin/v1/endpoints/gpu-a/127.0.0.1:{}", a.port());
    let ejected = weir.act(&format!("{path}/eject")).send().await;
    ejected.assert_status(200);
    assert_eq!(ejected.json()["endpoint"]["state"], "ejected");
    assert_eq!(upstream().await, Some("gpu-b".to_owned()));
    let restored = weir.act(&format!("{path}/restore")).send().await;
    restored.assert_status(200);
    let state = restored.json()["endpoint"]["state"].clone();
    assert!(state == "recovering" || state == "healthy", "{state}");
    assert_eq!(upstream().await, Some("gpu-a".to_owned()));
}
