//! What sound configurations mean.

use std::time::Duration;

use super::{parse, sound};
use crate::config::{HttpVersion, Kind, Policy, Target, UpstreamModels};

const AUTO: UpstreamModels = UpstreamModels::Auto {
    refresh: Duration::from_secs(30),
};

fn target(upstream: &str, model: &str, tier: u32) -> Target {
    Target {
        upstream: upstream.to_owned(),
        model: model.to_owned(),
        tier,
        weight: 1,
        price: None,
    }
}

#[test]
fn a_pool_of_gpu_hosts() {
    let config = sound(
        r#"
listen: 127.0.0.1:8080            # or a list, or objects with tls:
admin: 127.0.0.1:9090
upstreams:
  - { name: gpu-a, kind: vllm, url: "http://10.0.0.11:8000" }       # its models are learnt from it
  - { name: gpu-b, kind: vllm, url: "http://10.0.0.12:8000" }
"#,
    );
    assert_eq!(config.listen[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(
        config.admin.as_ref().map(|admin| admin.address.port()),
        Some(9090)
    );
    let bases: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.base.to_string())
        .collect();
    assert_eq!(
        bases,
        ["http://10.0.0.11:8000/v1", "http://10.0.0.12:8000/v1"]
    );
    assert!(
        config
            .upstreams
            .iter()
            .all(|upstream| upstream.models == AUTO)
    );
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn a_hosted_account_behind_a_local_server() {
    let config = sound(
        r#"
listen: 127.0.0.1:8080
upstreams:
  - name: hosted
    kind: openai
    url: https://api.openai.com/v1
    keys:
      - { label: a, env: OPENAI_KEY_A }
      - { label: b, env: OPENAI_KEY_B, weight: 2 }
  - { name: local, kind: ollama, url: "http://127.0.0.1:11434" }
models:
  fast:
    targets:
      - { upstream: local, model: "llama3.2:3b" }
      - { upstream: hosted, model: gpt-5-mini, tier: 2 }
"#,
    );
    let hosted = &config.upstreams[0];
    let keys: Vec<_> = hosted
        .keys
        .iter()
        .map(|key| (key.label.as_str(), key.secret.expose(), key.weight))
        .collect();
    assert_eq!(keys, [("a", "sk-secret-a", 1), ("b", "sk-secret-b", 2)]);
    assert_eq!(
        (hosted.kind, &hosted.models),
        (Kind::Openai, &UpstreamModels::Targets)
    );
    let fast = &config.models["fast"];
    assert_eq!(fast.policy, Policy::Health);
    assert_eq!(
        fast.targets,
        [
            target("local", "llama3.2:3b", 1),
            target("hosted", "gpt-5-mini", 2)
        ]
    );
    assert!(
        !format!("{config:?}").contains("sk-secret"),
        "a secret was shown"
    );
}

/// `listen` and `admin` as written → the addresses, or `off`.
#[test]
fn addresses_in_all_their_forms() {
    let cases = [
        ("", "127.0.0.1:8080", "127.0.0.1:9090"),
        ("listen: localhost:80", "127.0.0.1:80", "127.0.0.1:9090"),
        ("listen: 127.0.0.1:0\nadmin: off", "127.0.0.1:0", "off"),
        ("admin: false", "127.0.0.1:8080", "off"),
        (
            "listen: '[::1]:8080'\nadmin: { address: '0.0.0.0:1', token: { value: t } }",
            "[::1]:8080",
            "0.0.0.0:1",
        ),
        (
            "listen: { address: '10.0.0.1:1' }",
            "10.0.0.1:1",
            "127.0.0.1:9090",
        ),
        (
            "listen: ['127.0.0.1:0', { address: '127.0.0.1:0' }]",
            "127.0.0.1:0 127.0.0.1:0",
            "127.0.0.1:9090",
        ),
        (
            "listen: ${LISTEN:-127.0.0.1:7}",
            "127.0.0.1:7",
            "127.0.0.1:9090",
        ),
    ];
    for (text, listen, admin) in cases {
        let config = sound(&format!(
            "{text}\nupstreams: [{{ name: a, kind: vllm, url: 'http://a' }}]"
        ));
        let listeners: Vec<_> = config
            .listen
            .iter()
            .map(|listener| listener.address.to_string())
            .collect();
        assert_eq!(listeners.join(" "), listen, "{text}");
        assert_eq!(
            config
                .admin
                .map_or("off".to_owned(), |admin| admin.address.to_string()),
            admin,
            "{text}"
        );
    }
}

/// `models` of an upstream as written, and whether a model names it as a target → what it serves.
#[test]
fn models_of_an_upstream_in_all_their_forms() {
    let auto = |refresh| UpstreamModels::Auto {
        refresh: Duration::from_secs(refresh),
    };
    let listed = || UpstreamModels::Listed(vec!["m".to_owned()]);
    let cases = [
        ("vllm", "", false, AUTO),
        ("vllm", "", true, UpstreamModels::Targets),
        ("vllm", "models: auto", false, AUTO),
        ("vllm", "models: auto", true, AUTO),
        ("vllm", "models: { auto: { refresh: 5m } }", true, auto(300)),
        ("vllm", "models: { auto: {} }", false, AUTO),
        ("vllm", "models: [m]", false, listed()),
        ("vllm", "models: [m]", true, listed()),
        ("azure", "", false, UpstreamModels::Targets),
        ("azure", "models: auto", false, AUTO),
    ];
    for (kind, models, is_target, expected) in cases {
        let target = if is_target {
            "models: { fast: { targets: [{ upstream: a }] } }"
        } else {
            ""
        };
        let text = format!(
            "upstreams:\n  - name: a\n    kind: {kind}\n    url: http://a\n    {models}\n{target}"
        );
        assert_eq!(sound(&text).upstreams[0].models, expected, "{text}");
    }
}

#[test]
fn targets_are_sorted_by_tier_and_take_the_public_name() {
    let config = sound(
        "
upstreams:
  - { name: a, kind: vllm, url: 'http://a' }
  - { name: b, kind: vllm, url: 'http://b' }
models:
  m:
    policy: round_robin
    targets: [{ upstream: a, tier: 3 }, { upstream: b, model: x, tier: 1 }, { upstream: a, model: y }, { upstream: b, tier: '${WEIGHT}' }]
aliases: { short: m, shorter: short, learnt: something-else }
default_upstream: b
",
    );
    let model = &config.models["m"];
    assert_eq!(model.policy, Policy::RoundRobin);
    let expected = [
        target("b", "x", 1),
        target("a", "y", 1),
        target("a", "m", 3),
        target("b", "m", 3),
    ];
    assert_eq!(model.targets, expected);
    let aliases: Vec<_> = config
        .aliases
        .iter()
        .map(|(alias, model)| format!("{alias}={model}"))
        .collect();
    assert_eq!(aliases, ["learnt=something-else", "short=m", "shorter=m"]);
    assert_eq!(config.default_upstream.as_deref(), Some("b"));
}

#[test]
fn an_upstreams_own_settings_go_before_the_common_ones() {
    let config = sound(
        "
timeouts: { connect: 1s, idle: 90s }
upstreams:
  - { name: a, kind: vllm, url: 'http://a' }
  - name: b
    kind: mistral
    timeouts: { idle: 500ms }
    http: http2
    idle_connection: 2m
    http2_streams: 7
    tls: { server_name: mistral.internal, verify: false }
  - { name: c, kind: mistral, stream_usage: ask }
  - { name: d, kind: vllm, url: 'http://d', stream_usage: leave }
",
    );
    let milliseconds: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.timeouts)
        .map(|timeouts| {
            [
                timeouts.connect,
                timeouts.first_byte,
                timeouts.idle,
                timeouts.total,
            ]
            .map(|wait| wait.as_millis())
        })
        .collect();
    assert_eq!(milliseconds[0], [1_000, 120_000, 90_000, 600_000]);
    assert_eq!(milliseconds[1], [1_000, 120_000, 500, 600_000]);
    let b = &config.upstreams[1];
    assert_eq!(
        (b.http, b.idle_connection, b.http2_streams),
        (HttpVersion::Http2, Duration::from_secs(120), 7)
    );
    assert_eq!(
        (b.tls.server_name.as_deref(), b.tls.verify),
        (Some("mistral.internal"), false)
    );
    let asks: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.stream_usage_on_request)
        .collect();
    assert_eq!(asks, [true, false, true, false]);
}

#[test]
fn anchors_merges_and_ignored_sections() {
    let config = sound(
        "
x-hosts: &hosts { kind: sglang, timeouts: { connect: 3s }, idle_connection: 1s }
x-more: &more { idle_connection: 9s, http2_streams: 5 }
upstreams:
  - { <<: [*hosts, *more], name: a, url: 'http://a' }
  - { name: b, url: 'http://b', kind: vllm, <<: *hosts }
",
    );
    let kinds: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.kind)
        .collect();
    assert_eq!(kinds, [Kind::Sglang, Kind::Vllm]);
    let a = &config.upstreams[0];
    assert_eq!(
        (a.idle_connection, a.http2_streams),
        (Duration::from_secs(1), 5)
    );
}

#[test]
fn secrets_from_everywhere() {
    let folder = std::env::temp_dir().join(format!("weir-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("a"), "sk-from-file\r\n\n").expect("a file");
    let text = "
upstreams:
  - name: a
    kind: openai
    keys: [{ file: a }, { value: 'sk-${WEIGHT}$$' }, { env: OPENAI_KEY_A, label: env }]
    headers: { x-file: { file: a }, X-Text: 'a ${WEIGHT}', x-env: { env: OPENAI_KEY_B } }
    forward_credentials: [Cookie]
";
    let config = crate::config::Config::parse(text, &folder.join("weir.yaml"), &super::environment);
    std::fs::remove_dir_all(&folder).expect("the folder removed");
    let config = config.expect("a sound configuration");
    let upstream = &config.upstreams[0];
    let keys: Vec<_> = upstream
        .keys
        .iter()
        .map(|key| (key.label.as_str(), key.secret.expose()))
        .collect();
    assert_eq!(
        keys,
        [
            ("key-1", "sk-from-file"),
            ("key-2", "sk-3$"),
            ("env", "sk-secret-a")
        ]
    );
    let headers: Vec<_> = upstream
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(
        headers,
        [
            ("x-text", "a 3"),
            ("x-env", "sk-secret-b"),
            ("x-file", "sk-from-file")
        ]
    );
    assert_eq!(upstream.forward_credentials, ["cookie"]);
}

#[test]
fn a_byte_order_mark_windows_line_ends_and_json_are_read() {
    for text in [
        "\u{feff}upstreams:\n  - { name: a, kind: vllm, url: 'http://a' }\n",
        "upstreams:\r\n  - name: a\r\n    kind: vllm\r\n    url: http://a\r\n",
        "---\nupstreams: [{ name: a, kind: vllm, url: 'http://a' }]\n...\n",
        "{\"upstreams\": [{\"name\": \"a\", \"kind\": \"vllm\", \"url\": \"http://a\"}]}",
    ] {
        assert_eq!(sound(text).upstreams[0].name, "a");
    }
}

#[test]
fn a_file_that_is_no_configuration_is_not_read_whole() {
    let file = std::env::temp_dir().join(format!("weir-huge-{}.yaml", std::process::id()));
    std::fs::write(&file, "# huge\n".repeat(1 << 20)).expect("a file");
    let problems = crate::config::Config::load(&file, &super::environment);
    std::fs::remove_file(&file).expect("the file removed");
    let problems = problems.expect_err("too large").to_string();
    assert!(
        problems.ends_with("is larger than 4 MiB; is it a configuration?"),
        "{problems}"
    );
}

/// A configuration → part of the warning that it deserves.
#[test]
fn warnings() {
    let gpu = "upstreams: [{ name: a, kind: vllm, url: 'http://a' }]";
    let two = |models: &str| {
        format!(
            "upstreams: [{{ name: a, kind: openai, keys: [{{ value: s, label: a, models: [m, 'gpt-5*'] }}] }}, {{ name: off, kind: vllm, url: 'http://b', status: offline }}]\nmodels: {{ {models} }}"
        )
    };
    let cases = [
        (format!("listen: 0.0.0.0:8080\n{gpu}"), "in cleartext, and callers need no key"),
        ("upstreams: [{ name: a, kind: groq }]".to_owned(), "groq will refuse it"),
        ("upstreams: [{ name: a, kind: azure, url: 'https://a', headers: { api-key: b } }]".to_owned(), "serves no model"),
        ("upstreams: [{ name: a, kind: azure, url: 'https://a', headers: { api-key: b }, models: auto }]".to_owned(), "learns models from the list of azure"),
        ("upstreams: [{ name: a, kind: vllm, url: 'http://a', keys: [{ value: b }] }]".to_owned(), "keys in cleartext"),
        ("upstreams: [{ name: a, kind: vllm, url: 'https://a', tls: { verify: false } }]".to_owned(), "does not verify"),
        ("upstreams: [{ name: a, kind: vllm, url: 'http://a', status: offline }]".to_owned(), "all are offline or in maintenance"),
        (two("m: { targets: [{ upstream: off }] }"), "model m: all its targets are at upstreams that are offline"),
        (two("m: { policy: split, targets: [{ upstream: a }] }"), "`policy: split` has one target"),
        (two("m: { targets: [{ upstream: a, weight: 2 }, { upstream: off }] }"), "`weight` has no effect with `policy: health`"),
        (two("m: { policy: cost, targets: [{ upstream: a, price: { input: 1, output: 1 } }, { upstream: off }] }"), "1 of 2 targets have no `price`"),
        (two("m: { targets: [{ upstream: a, model: gpt-4 }] }"), "key a is for none of its models"),
    ];
    for (text, expected) in cases {
        let warnings = sound(&text).warnings();
        assert!(
            matches!(warnings.as_slice(), [one] if one.contains(expected)),
            "{text}: {warnings:?}"
        );
    }
}

#[test]
fn problems_know_their_place_and_path() {
    let problems =
        parse("upstreams:\n  - { name: a, kind: vllm, url: a }\n").expect_err("no scheme");
    let problem = problems.iter().next().expect("one problem");
    let place = problem.place.map(|place| (place.line, place.column));
    assert_eq!(
        (place, problem.path.to_string().as_str()),
        (Some((2, 33)), "upstreams[0].url")
    );
}
