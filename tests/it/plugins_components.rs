//! Plugins that are components, and mean harm, through the real binary: each is contained, named in the log, counted, and the traffic
//! treated as `on_error` says. The guests are written by hand, so that no toolchain is needed.

#[path = "../../src/plugin/tests/guests.rs"]
#[expect(dead_code, reason = "the host's own tests use the rest")]
mod guests;

use std::path::PathBuf;

use crate::harness::*;
use guests::Guest;

const FOREVER: &str = "(loop $again (br $again)) unreachable";
const BOMB: &str = "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable";

/// A component as a file.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = new_folder();
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, bytes).expect("a file");
    file
}

fn guarded_by(file: &std::path::Path, more: &str) -> String {
    format!(
        "plugins: {{ items: {{ harm: {{ path: '{}', limits: {{ deadline: 20ms, memory: 4MiB }}{more} }} }} }}\nfilters: [harm]",
        file.display()
    )
}

#[tokio::test]
async fn what_breaks_off_is_contained_and_named() {
    let cases = [
        ("loop", FOREVER, "timeout"),
        ("bomb", BOMB, "memory"),
        ("trap", "unreachable", "trap"),
    ];
    for (name, body, outcome) in cases {
        let guest = Guest::guard().does("on-request", body).component();
        let file = file(name, &guest);
        let host = Sim::start().await;
        let closed = Weir::in_front_of([&host])
            .with(&guarded_by(&file, ""))
            .await;
        let answer = closed.chat("hi").send().await;
        answer.assert_error(503, "plugin_unavailable");
        assert_eq!(host.requests().len(), 0, "{name}");
        let counted = format!(
            r#"weir_plugin_calls_total{{plugin="harm",hook="on_request",outcome="{outcome}"}}"#
        );
        assert_eq!(closed.metric(&counted).await, 1.0, "{name}");
        let log = closed.line_with("a plugin failed").await;
        assert!(log.contains("harm") && log.contains(outcome), "{log}");
        let yaml = guarded_by(&file, ", on_error: open");
        let open = Weir::in_front_of([&host]).with(&yaml).await;
        open.chat("hi").send().await.assert_status(200);
        assert_eq!(host.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn one_that_breaks_off_in_a_stream_ends_it_with_an_error_or_lets_it_pass() {
    let guest = Guest::guard().does("[method]stream.on-events", FOREVER);
    let file = file("stream", &guest.component());
    let host = Sim::start().await;
    let closed = Weir::in_front_of([&host])
        .with(&guarded_by(&file, ""))
        .await;
    let answer = closed.chat("hi").streaming().send().await;
    assert!(
        answer.text().contains("plugin_unavailable"),
        "{}",
        answer.text()
    );
    let yaml = guarded_by(&file, ", on_error: open");
    let open = Weir::in_front_of([&host]).with(&yaml).await;
    let answer = open.chat("hi").streaming().send().await;
    answer.assert_status(200).assert_clean_stream();
}

#[tokio::test]
async fn what_cannot_be_loaded_keeps_the_configuration_in_force() {
    let host = Sim::start().await;
    let sound = file("sound", &Guest::guard().component());
    let weir = Weir::in_front_of([&host])
        .with(&guarded_by(&sound, ""))
        .await;
    let refuses = Guest::guard().does("configure", "unreachable");
    let bad = [
        (
            "random",
            b"\0asm random bytes, and no component".to_vec(),
            "",
        ),
        ("router", Guest::router().component(), ""),
        ("configure", refuses.component(), ""),
        (
            "pinned",
            Guest::guard().component(),
            &*format!(", sha256: {}", "0".repeat(64)),
        ),
    ];
    for (name, bytes, more) in bad {
        let file = file(name, &bytes);
        weir.rewrite(&Weir::in_front_of([&host]).with(&guarded_by(&file, more)));
        let answer = weir.reload().await;
        assert!(answer.status >= 400, "{name}: {}", answer.text());
        assert!(answer.text().contains("harm"), "{name}: {}", answer.text());
        weir.chat("hi").send().await.assert_status(200);
    }
    let calls = r#"weir_plugin_calls_total{plugin="harm",hook="on_request",outcome="ok"}"#;
    assert_eq!(weir.metric(calls).await, 4.0);
    let listed = weir.admin("/admin/v1/plugins").send().await.json();
    assert_eq!(listed["data"][0]["name"], "harm", "{listed}");
    assert_eq!(listed["data"][0]["kinds"][0], "guard", "{listed}");
}
