//! How much text is judged in a second. `cargo run --release -p weir-plugin-injection --example throughput`

use std::time::Instant;

use weir_plugin_injection::{Judge, Source};

const PROSE: &str = "The gateway stands before every model that a company uses, and sees what people ask of them. Most of it is \
    plain prose like this: sentences, commas, a number such as 42 or 3.14 now and then, and a line of code(like, this) = 7.\n";

fn main() {
    let judge = Judge::new(Vec::new());
    for (name, bytes, runs) in [
        ("a message of 1 KB", 1 << 10, 400),
        ("a document of 64 KB", 1 << 16, 40),
    ] {
        let text = PROSE.repeat(bytes / PROSE.len());
        // The best run is the least disturbed.
        let best = (0..runs).map(|_| {
            let start = Instant::now();
            assert!(judge.score(&text, Source::Direct).value < 0.5);
            start.elapsed().as_secs_f64()
        });
        let best = best.fold(f64::MAX, f64::min);
        println!(
            "{name}: {:.1} MB/s, {:.0} µs",
            text.len() as f64 / best / 1e6,
            best * 1e6
        );
    }
}
