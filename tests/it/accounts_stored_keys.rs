//! Credentials for upstreams that the store holds, sealed: they hold at once, outlive the process, and follow the master key.

use std::io::Write;
use std::process::{Output, Stdio};

use hyper::Method;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::*;

const FIRST: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// The store's settings: the master key stands in the file `master`.
fn store(more: &str) -> String {
    format!(
        "store: {{ path: books, master_key: {{ file: master }} {more} }}\naccess: {{ required: false }}"
    )
}

fn setup(host: &Sim, more: &str) -> Setup {
    Weir::in_front_of([host])
        .with(&store(more))
        .each("keys: [{ label: main, stored: vendor-main }]")
        .file("master", FIRST)
}

async fn ask(weir: &Weir, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(weir.admin_address(), method, path);
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

async fn put(weir: &Weir, secret: &str) {
    let path = "/admin/v1/upstream-keys/vendor-main";
    let put = ask(weir, Method::PUT, path, Some(json!({"secret": secret}))).await;
    put.assert_status(200);
    assert!(!put.text().contains(secret), "{}", put.text());
}

async fn listed(weir: &Weir) -> Value {
    let list = ask(weir, Method::GET, "/admin/v1/upstream-keys", None).await;
    list.json()["items"][0].clone()
}

/// A command that reads its standard input.
fn command_with_input(weir: &Weir, arguments: &[&str], input: &str) -> Output {
    let mut child = command(&weir.place(""))
        .args(arguments)
        .args(["--config", "weir.yaml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir can be started");
    let written = child
        .stdin
        .take()
        .map(|mut pipe| pipe.write_all(input.as_bytes()));
    written.expect("it is piped").expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Whether any file of the store has these bytes in it.
fn is_written(weir: &Weir, secret: &str) -> bool {
    let mut folders = vec![weir.place("books")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // One that has just gone holds nothing.
            let bytes = std::fs::read(path).unwrap_or_default();
            if bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

#[tokio::test]
async fn a_stored_key_holds_from_the_next_request_on_and_outlives_the_process() {
    let host = Sim::start().await;
    let mut weir = setup(&host, "").await;
    let chat = async |weir: &Weir| weir.chat("hi").send().await;
    // Nobody is asked without the key that the configuration names.
    chat(&weir).await.assert_error(503, "no_upstream_key");
    assert_eq!(host.requests().len(), 0);
    let made = command_with_input(
        &weir,
        &["upstream-keys", "put", "vendor-main"],
        "sk-stored-one\n",
    );
    assert!(made.status.success(), "{made:?}");
    chat(&weir).await.assert_status(200);
    assert_eq!(host.last_request().key(), "sk-stored-one");
    // What runs goes on with the key that it has.
    host.arm(&["stall after=1, for=300ms"]);
    let running = weir.chat("hi").streaming().open().await;
    put(&weir, "sk-stored-two").await;
    running.rest().await.assert_clean_stream();
    host.clear_faults();
    chat(&weir).await.assert_status(200);
    assert_eq!(host.last_request().key(), "sk-stored-two");
    let path = "/admin/v1/upstream-keys/vendor-main";
    ask(&weir, Method::DELETE, path, None)
        .await
        .assert_status(204);
    chat(&weir).await.assert_error(503, "no_upstream_key");
    put(&weir, "sk-stored-three").await;
    weir = weir.killed_and_started_again().await;
    chat(&weir).await.assert_status(200);
    assert_eq!(host.last_request().key(), "sk-stored-three");
    let written = weir.everything_written();
    assert!(!written.contains("sk-stored"), "{written}");
    weir.signal(Signal::SIGTERM);
    weir.exited().await;
    assert!(is_written(&weir, "vendor-main"));
    assert!(!is_written(&weir, "sk-stored-three"));
}

#[tokio::test]
async fn a_stored_key_stands_at_its_place_among_the_others() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with(&store(""))
        .each("keys: [{ label: first, stored: vendor-main }, { label: second, value: sk-second }]")
        .each("rotation: failover")
        .file("master", FIRST)
        .await;
    for (change, key) in [
        (None, "sk-second"),
        (Some("sk-first"), "sk-first"),
        (Some("sk-first-anew"), "sk-first-anew"),
    ] {
        if let Some(secret) = change {
            put(&weir, secret).await;
        }
        weir.chat("hi").send().await.assert_status(200);
        assert_eq!(host.last_request().key(), key);
    }
    let status = weir.status().await;
    let labels: Vec<_> = status["upstreams"][0]["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| key["label"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(labels, ["first", "second"]);
    // A reload with the same files changes nothing of it.
    weir.reload().await.assert_status(200);
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.last_request().key(), "sk-first-anew");
}

#[tokio::test]
async fn another_master_key_seals_everything_anew() {
    let host = Sim::start().await;
    let mut weir = setup(&host, "").await;
    put(&weir, "sk-stored").await;
    let before = listed(&weir).await["master_key"].clone();
    weir.write("master", SECOND);
    weir.write("old", FIRST);
    weir.rewrite(&setup(&host, ", old_master_keys: [{ file: old }]").file("master", SECOND));
    weir.reload().await.assert_status(200);
    let after = listed(&weir).await["master_key"].clone();
    assert_ne!(before, after);
    weir.chat("hi").send().await.assert_status(200);
    // The old one is not needed any more, neither by a reload nor by a start.
    weir.rewrite(&setup(&host, "").file("master", SECOND));
    weir.remove("old");
    weir.reload().await.assert_status(200);
    weir = weir.killed_and_started_again().await;
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.last_request().key(), "sk-stored");
    assert_eq!(listed(&weir).await["master_key"], after);
}

#[tokio::test]
async fn a_master_key_that_opens_nothing_is_told_and_changes_nothing() {
    let host = Sim::start().await;
    let mut weir = setup(&host, "").await;
    put(&weir, "sk-stored").await;
    let id = listed(&weir).await["master_key"]
        .as_str()
        .expect("an id")
        .to_owned();
    weir.write("master", SECOND);
    let refused = weir.reload().await;
    assert!(refused.status >= 400, "{}", refused.text());
    weir.chat("hi").send().await.assert_status(200);
    weir.signal(Signal::SIGTERM);
    weir.exited().await;
    let started = weir.try_command(&["serve"]);
    let told = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success(), "{told}");
    for word in [
        "store.master_key",
        "store.old_master_keys",
        "vendor-main",
        &id,
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(refused.text().contains(&id), "{}", refused.text());
    for secret in [FIRST, SECOND, "sk-stored"] {
        assert!(!told.contains(secret) && !refused.text().contains(secret));
    }
    // The way out that it names, where the old one is lost.
    weir.command(&["upstream-keys", "remove", "vendor-main"]);
    weir = weir.killed_and_started_again().await;
    weir.chat("hi")
        .send()
        .await
        .assert_error(503, "no_upstream_key");
    put(&weir, "sk-anew").await;
    weir.chat("hi").send().await.assert_status(200);
}
