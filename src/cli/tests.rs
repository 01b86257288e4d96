//! Command lines in; exit codes and what is said out.

use super::run;

/// Runs `weir <arguments>`: exit code, standard output, standard error.
fn weir(arguments: &str) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = std::iter::once("weir").chain(arguments.split_whitespace());
    let code = run(arguments.map(Into::into), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(out), text(err))
}

#[test]
fn answers_go_to_standard_output() {
    let version = env!("CARGO_PKG_VERSION");
    let cases = [
        ("--version", version),
        ("--help", "Exit codes:"),
        ("help check", "--print-schema"),
        ("check --print-schema", "\"$schema\""),
        (
            "check --config conf/gpu-pool.yaml",
            "conf/gpu-pool.yaml: ok",
        ),
        (
            "check -c conf/gpu-pool.yaml",
            "gpu-b  vllm  http://10.0.0.12:8000/v1",
        ),
    ];
    for (arguments, expected) in cases {
        let (code, out, err) = weir(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments}");
        assert!(out.contains(expected), "{arguments}: {out}");
    }
}

#[test]
fn mistakes_are_told_on_standard_error_with_code_64() {
    let cases = [
        ("", "Usage:"),
        ("sreve", "unrecognized subcommand"),
        ("check --confg x", "'--config'"),
        (
            "check --config tests/config/misspelt-keys.yaml",
            "did you mean `timeouts`?",
        ),
        (
            "serve --config tests/config/misspelt-keys.yaml",
            "8 problems in tests/config/misspelt-keys.yaml",
        ),
        ("serve --config conf", "conf: is a folder"),
        ("serve --config conf/missing.yaml", "cannot be read"),
    ];
    for (arguments, expected) in cases {
        let (code, out, err) = weir(arguments);
        assert_eq!((code, out.as_str()), (64, ""), "{arguments}");
        assert!(err.contains(expected), "{arguments}: {err}");
    }
}

/// The whole text, as an example of all.
#[test]
fn check_says_what_a_file_means() {
    let file = std::env::temp_dir().join(format!("weir-check-{}.yaml", std::process::id()));
    let text = "
listen: [127.0.0.1:8080, 0.0.0.0:8081]
admin: off
log: { format: text, access: false }
upstreams:
  - { name: hosted, kind: groq, keys: [{ label: a, value: sk-secret }, { value: sk-secret-2, weight: 2 }] }
  - { name: local, kind: ollama, url: 'http://127.0.0.1:11434', models: [a, b] }
  - { name: gpu-a, kind: vllm, url: 'http://10.0.0.11:8000/pool/v1', models: { auto: { refresh: 1m } } }
models:
  fast: { targets: [{ upstream: hosted, model: llama, tier: 2 }, { upstream: local, model: a }] }
aliases: { quick: fast }
default_upstream: gpu-a
";
    std::fs::write(&file, text).expect("a file");
    let (code, out, err) = weir(&format!("check --config {}", file.display()));
    std::fs::remove_file(&file).expect("the file removed");
    let expected = "\
listen
  127.0.0.1:8080  cleartext, HTTP/1.1 and HTTP/2
  0.0.0.0:8081  cleartext, HTTP/1.1 and HTTP/2

admin
  off

upstreams
  hosted  groq  https://api.groq.com/openai/v1  keys a, key-2×2, models as under `models`
  local  ollama  http://127.0.0.1:11434/v1  no keys, models a, b
  gpu-a  vllm  http://10.0.0.11:8000/pool/v1  no keys, models learnt from it every 60 s

models
  fast  least_inflight  tier 1: local a; tier 2: hosted llama

aliases
  quick → fast

default upstream
  gpu-a

log
  text, without a line for each exchange

warnings
  listen: 0.0.0.0:8081 can be reached from other machines, in cleartext, and clients are not authenticated yet; everyone who can connect can use every upstream
";
    assert_eq!((code, err.as_str()), (0, ""));
    let (first, rest) = out.split_once("\n\n").expect("a first line");
    assert_eq!(first, format!("{}: ok", file.display()));
    assert_eq!(rest, expected);
}
