//! How much text goes past the guard in a second: prose, a log with addresses in it, a stream of small pieces, and texts that
//! are made to be slow.
//! `cargo run --release -p weir-plugin-pii --example throughput`

use std::time::Instant;

use weir_plugin::testing::{TestHost, response_head};
use weir_plugin::{Guard, GuardStream, Role, StreamEvent};
use weir_plugin_pii::Pii;

const PROSE: &str = "The gateway stands before every model that a company uses, and sees what people ask of them. Most of it is \
    plain prose like this: sentences, commas, a number such as 42 or 3.14 now and then, and a line of code(like, this) = 7.\n";
const LOG: &str = "2026-11-20T10:00:00Z INFO 192.168.3.17 user=bob@example.com called +49 30 1234567 with card 4111 1111 1111 1111\n";

/// Beginnings of many values, none of which becomes one.
const HOSTILE: [&str; 14] = [
    "key=",
    "a.",
    "eyJ.",
    "1 ",
    "+1 ",
    "a@b.",
    "(1",
    "::",
    "-----BEGIN PRIVATE KEY-----",
    "sk-a-",
    "_",
    "a://a:",
    "1.1.",
    "DE89 ",
];

fn main() {
    let roughly = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    whole("prose, whole", &roughly(PROSE, 1 << 16));
    whole("log, whole", &roughly(LOG, 1 << 16));
    streamed("prose, 4-byte pieces", &roughly(PROSE, 1 << 14));
    for unit in HOSTILE {
        whole(&format!("{unit:?}, whole"), &roughly(unit, 1 << 16));
    }
}

fn whole(name: &str, text: &str) {
    let host = TestHost::new().with_request_segments(&[(Role::User, text)]);
    let mut guard = Pii::configure("null").expect("the default is good");
    report(name, text.len(), || {
        guard.on_request(&host).expect("it works");
    });
}

fn streamed(name: &str, text: &str) {
    let host = TestHost::new();
    let mut guard = Pii::configure("null").expect("the default is good");
    report(name, text.len(), || {
        let mut stream = guard.stream(&host, response_head());
        for piece in text.as_bytes().chunks(4) {
            let piece = std::str::from_utf8(piece).expect("it is ASCII");
            stream
                .on_events(&host, vec![StreamEvent::text(0, piece)])
                .expect("it works");
        }
        stream.on_end(&host).expect("it works");
    });
}

/// The best run is the least disturbed.
fn report(name: &str, bytes: usize, mut run: impl FnMut()) {
    let times = (0..60).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    let best = times.fold(f64::MAX, f64::min);
    println!(
        "{name}: {:.0} MB/s, {:.0} ns a piece of 4 bytes",
        bytes as f64 / best / 1e6,
        best / (bytes as f64 / 4.0) * 1e9
    );
}
