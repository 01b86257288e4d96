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
reload: { watch: true }
log: { format: text, access: false }
upstreams:
  - name: hosted
    kind: groq
    description: of the search team
    tags: [eu]
    rotation: failover
    keys:
      - { label: a, value: sk-secret, requests_per_minute: 500, quota: { tokens: 9, per: day }, models: ['llama*'] }
      - { value: sk-secret-2, weight: 2, expires: 2001-01-31 }
  - { name: local, kind: ollama, url: 'http://127.0.0.1:11434', models: [a, b], health: { probe: off }, discovery: { static: ['127.0.0.1:1'] } }
  - { name: gpu-a, kind: vllm, url: 'http://10.0.0.11:8000/pool/v1', models: { auto: { refresh: 1m } }, status: maintenance }
models:
  fast: { targets: [{ upstream: hosted, model: llama, tier: 2 }, { upstream: local, model: a }], fallbacks: [ab], context_fallbacks: [b], deadline: 9s }
  ab: { policy: split, sticky: user, targets: [{ upstream: local, weight: 9 }, { upstream: local, model: b, price: { input: 0.15, output: 1 } }] }
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

reload
  on SIGHUP and POST /admin/v1/reload, and when the file has changed and 1 s passed

failover
  5 attempts within 300 s; requests that may have been worked on are repeated elsewhere
  retries up to 20 % of the requests, and 10 a second in any case
  waits 0.1 s to 2 s before the same endpoint, 2 s for a key, 30 s for hosts that load

upstreams
  hosted  groq  https://api.groq.com/openai/v1  keys a, key-2×2, models as under `models`
    of the search team (eu)
    addresses by DNS; probed at /openai/v1/models every 5 s; out for 10 s to 300 s after 5 failures
    keys: the first that can
    key a: at most 500 requests a minute, 9 tokens a day; for llama*
    key key-2: until 2001-01-31T00:00:00Z
  local  ollama  http://127.0.0.1:11434/v1  no keys, models a, b
    addresses 127.0.0.1:1; not probed; out for 10 s to 300 s after 5 failures
  gpu-a  vllm  http://10.0.0.11:8000/pool/v1  no keys, models learnt from it every 60 s
    in maintenance: takes no requests, and is still probed
    addresses by DNS; probed at /pool/health every 5 s; out for 10 s to 300 s after 5 failures

models
  ab  split, sticky by user  tier 1: local ab ×9; tier 1: local b (price 0.15 in, 1 out)
  fast  health  tier 1: local a; tier 2: hosted llama
    falls back to ab
    too long: falls back to b
    within 9 s

aliases
  quick → fast

default upstream
  gpu-a

log
  text, without a line for each exchange

warnings
  listen: 0.0.0.0:8081 can be reached from other machines, in cleartext, and callers need no key; everyone who can connect can use every upstream; configure `access`
  upstream hosted: key key-2 expired at 2001-01-31T00:00:00Z and is not used; replace it, or remove it
";
    assert_eq!((code, err.as_str()), (0, ""));
    let (first, rest) = out.split_once("\n\n").expect("a first line");
    assert_eq!(first, format!("{}: ok", file.display()));
    assert_eq!(rest, expected);
}
