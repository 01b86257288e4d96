//! Health, keys, failover, reload, TLS and policies: what is written arrives, and what is not has its default.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{environment, sound};
use crate::config::{
    BreakerSettings, CertificateFiles, ClientCertificates, Config, Discovery, Failover,
    HealthSettings, KeyCaps, KeyCooldown, Policy, Price, Probe, Quota, QuotaPeriod, Reload,
    Rotation, Sticky, TlsVersion, UpstreamStatus,
};

const GPU: &str = "upstreams: [{ name: a, kind: vllm, url: 'http://a' }]";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_holds_without_a_word() {
    let config = sound(GPU);
    assert_eq!(config.reload, Reload { watch: None });
    let failover = Failover {
        attempts: 5,
        deadline: seconds(300),
        budget: 0.2,
        budget_floor: 10,
        same_endpoint: 0,
        backoff: Duration::from_millis(100),
        backoff_max: seconds(2),
        repeat_sent: true,
        key_wait: seconds(2),
        cold_start_wait: seconds(30),
    };
    assert_eq!(config.failover, failover);
    let upstream = &config.upstreams[0];
    let health = HealthSettings {
        probe: Some(Probe {
            path: "/health".to_owned(),
            interval: seconds(5),
            timeout: seconds(2),
            rise: 2,
            fall: 3,
        }),
        breaker: BreakerSettings {
            failures: 5,
            error_rate: 0.5,
            samples: 20,
            eject: seconds(10),
            eject_max: seconds(300),
            ejected_share: 0.5,
        },
        slow_start: seconds(30),
    };
    assert_eq!(upstream.health, health);
    assert_eq!(
        (
            upstream.status,
            &upstream.discovery,
            upstream.rotation,
            upstream.key_cooldown
        ),
        (
            UpstreamStatus::Online,
            &Discovery::Dns,
            Rotation::Weighted,
            KeyCooldown {
                first: seconds(2),
                max: seconds(300),
                quota: seconds(3600)
            }
        )
    );
    assert!(upstream.description.is_empty() && upstream.tags.is_empty());
    assert_eq!(upstream.tls.identity, None);
}

#[test]
fn reload_and_failover_as_written() {
    let config = sound(&format!(
        "
reload: {{ watch: true, debounce: 250ms }}
failover: {{ attempts: 1, deadline: 10s, budget: 0.05, budget_floor: 0, backoff: 0s, backoff_max: 0s, repeat_sent: false, key_wait: 0s, cold_start_wait: 1m }}
{GPU}"
    ));
    let watch = Some(Duration::from_millis(250));
    assert_eq!(config.reload, Reload { watch });
    let failover = Failover {
        attempts: 1,
        deadline: seconds(10),
        budget: 0.05,
        budget_floor: 0,
        same_endpoint: 0,
        backoff: Duration::ZERO,
        backoff_max: Duration::ZERO,
        repeat_sent: false,
        key_wait: Duration::ZERO,
        cold_start_wait: seconds(60),
    };
    assert_eq!(config.failover, failover);
}

#[test]
fn an_upstreams_health_goes_before_the_common_one_each_setting_on_its_own() {
    let config = sound(
        "
health: { interval: 1s, timeout: 100ms, rise: 1, fall: 1, failures: 2, error_rate: 25%, samples: 4, eject: 1s, eject_max: 4s, ejected_share: 1, slow_start: 0s }
upstreams:
  - { name: a, kind: ollama, url: 'http://a' }
  - { name: b, kind: vllm, url: 'http://b', health: { probe: '/ping?deep=no', fall: 9, eject: 2s, ejected_share: '${WEIGHT}0%' } }
  - { name: c, kind: vllm, url: 'http://c', health: { probe: off, slow_start: 1m } }
  - { name: d, kind: sglang, url: 'http://d', health: { probe: false } }
  - { name: e, kind: sglang, url: 'http://e', health: { probe: auto } }
",
    );
    let health = |index: usize| &config.upstreams[index].health;
    let probe = |index: usize| {
        let probe = health(index).probe.as_ref()?;
        Some((probe.path.as_str(), probe.interval, probe.fall))
    };
    assert_eq!(probe(0), Some(("/api/version", seconds(1), 1)));
    assert_eq!(probe(1), Some(("/ping?deep=no", seconds(1), 9)));
    assert_eq!((probe(2), probe(3)), (None, None));
    assert_eq!(probe(4), Some(("/v1/models", seconds(1), 1)));
    let common = BreakerSettings {
        failures: 2,
        error_rate: 0.25,
        samples: 4,
        eject: seconds(1),
        eject_max: seconds(4),
        ejected_share: 1.0,
    };
    let own = BreakerSettings {
        eject: seconds(2),
        ejected_share: 0.3,
        ..common.clone()
    };
    assert_eq!((&health(0).breaker, &health(1).breaker), (&common, &own));
    assert_eq!(
        (health(1).slow_start, health(2).slow_start),
        (Duration::ZERO, seconds(60))
    );
}

#[test]
fn keys_with_all_that_bounds_them() {
    let config = sound(
        "
upstreams:
  - name: hosted
    kind: openai
    description: of the search team
    tags: [eu, search]
    status: maintenance
    rotation: least_used
    key_cooldown: { first: 1s, max: 1m }
    keys:
      - { value: a, expires: 2027-01-31T01:00:00+01:00, requests_per_minute: 500, tokens_per_minute: '${WEIGHT}', concurrency: 50, quota: { tokens: 10, requests: 20, per: month }, models: [gpt-5, 'gpt-4*', '/^o[13]/'] }
      - { value: b, expires: 2027-01-31, quota: { requests: 7, per: day } }
      - { value: c }
",
    );
    let upstream = &config.upstreams[0];
    assert_eq!(
        (
            upstream.description.as_str(),
            upstream.tags.join(" "),
            upstream.status,
            upstream.rotation
        ),
        (
            "of the search team",
            "eu search".to_owned(),
            UpstreamStatus::Maintenance,
            Rotation::LeastUsed
        )
    );
    assert_eq!(
        (upstream.key_cooldown.max, upstream.key_cooldown.quota),
        (seconds(60), seconds(3600))
    );
    let [a, b, c] = upstream.keys.as_slice() else {
        panic!("three keys");
    };
    // 2027-01-31 is 20,849 days after 1970-01-01.
    let midnight = SystemTime::UNIX_EPOCH + seconds(20_849 * 24 * 60 * 60);
    let expiries = [a.expires, b.expires, c.expires];
    assert_eq!(expiries, [Some(midnight), Some(midnight), None]);
    let caps = KeyCaps {
        requests_per_minute: Some(500),
        tokens_per_minute: Some(3),
        concurrency: Some(50),
        quota: Some(Quota {
            requests: Some(20),
            tokens: Some(10),
            period: QuotaPeriod::Month,
        }),
    };
    assert_eq!(a.caps, caps);
    let quota = Quota {
        requests: Some(7),
        tokens: None,
        period: QuotaPeriod::Day,
    };
    assert_eq!(b.caps.quota, Some(quota));
    assert_eq!(c.caps, KeyCaps::default());
    let is_for = |model: &str| a.models.iter().any(|pattern| pattern.matches(model));
    let models = ["gpt-5", "gpt-5-mini", "gpt-4o", "o3", "mo3"].map(is_for);
    assert_eq!(models, [true, false, true, true, false]);
    assert!(c.models.is_empty());
}

#[test]
fn expired_keys_are_told_by_the_time_that_it_is() {
    let config = sound(
        "upstreams: [{ name: a, kind: openai, keys: [{ value: a, expires: 2027-01-31 }, { value: b }] }]",
    );
    let expires = config.upstreams[0].keys[0].expires.expect("a time");
    let before = expires - Duration::from_millis(1);
    assert_eq!(config.expired_keys(before), Vec::<String>::new());
    let told = "upstream a: key key-1 expired at 2027-01-31T00:00:00Z and is not used; replace it, or remove it";
    assert_eq!(config.expired_keys(expires), [told]);
}

#[test]
fn models_with_policies_prices_and_fallbacks() {
    let config = sound(
        "
upstreams:
  - { name: a, kind: openai, keys: [{ value: a }], models: [listed] }
  - { name: b, kind: openai, keys: [{ value: b }] }
models:
  ab:
    policy: split
    sticky: session
    fallbacks: [short, listed]
    context_fallbacks: [cheap]
    deadline: 1m
    targets: [{ upstream: a, weight: 90 }, { upstream: b, weight: 10 }]
  cheap:
    policy: cost
    targets: [{ upstream: a, price: { input: 0.15, output: 1 } }, { upstream: b, price: { input: 0, output: '${WEIGHT}' } }]
aliases: { short: shorter, shorter: cheap }
",
    );
    let ab = &config.models["ab"];
    assert_eq!(
        (ab.policy, ab.sticky, ab.deadline),
        (Policy::Split, Some(Sticky::Session), Some(seconds(60)))
    );
    assert_eq!(
        (
            ab.fallbacks.join(" "),
            ab.context_fallbacks.join(" ").as_str()
        ),
        ("cheap listed".to_owned(), "cheap")
    );
    let weights: Vec<_> = ab.targets.iter().map(|target| target.weight).collect();
    assert_eq!(weights, [90, 10]);
    let prices: Vec<_> = config.models["cheap"]
        .targets
        .iter()
        .map(|target| target.price)
        .collect();
    let money = |text: &str| text.parse().expect("an amount");
    let price = |input, output| {
        let (input, output) = (money(input), money(output));
        Some(Price { input, output })
    };
    assert_eq!(prices, [price("0.15", "1"), price("0", "3")]);
}

/// Any model may be learnt from `b`.
#[test]
fn a_fallback_may_be_a_model_that_is_learnt() {
    let config = sound(
        "
upstreams: [{ name: a, kind: vllm, url: 'http://a' }, { name: b, kind: vllm, url: 'http://b' }]
models: { fast: { targets: [{ upstream: a }], fallbacks: [learnt] } }
",
    );
    assert_eq!(config.models["fast"].fallbacks, ["learnt"]);
}

/// What every file is for, in a folder of its own.
#[test]
fn files_are_named_in_full_and_once() {
    let folder = std::env::temp_dir().join(format!("weir-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["a.pem", "a.key", "b.pem", "b.key", "ca.pem", "hosts", "key"] {
        std::fs::write(folder.join(name), "text\n").expect("a file");
    }
    let text = "
listen:
  - address: 127.0.0.1:1
    tls: { cert_file: a.pem, key_file: a.key, certificates: [{ cert_file: b.pem, key_file: b.key }], client_ca_file: ca.pem, client_auth: optional, min_version: 1.3 }
  - address: 0.0.0.0:2
    tls: { certificates: [{ cert_file: b.pem, key_file: b.key }], client_ca_file: ca.pem }
admin: { address: '0.0.0.0:3', token: { file: key } }
upstreams:
  - name: a
    kind: vllm
    url: https://a
    discovery: { file: hosts }
    keys: [{ file: key }]
    headers: { x-key: { file: key } }
    tls: { client_cert_file: a.pem, client_key_file: a.key, ca_file: ca.pem }
  - { name: b, kind: vllm, url: 'http://b', discovery: { static: ['10.0.0.1:8000', '[::1]:8000'] } }
";
    let config = Config::parse(text, &folder.join("weir.yaml"), &environment);
    std::fs::remove_dir_all(&folder).expect("the folder removed");
    let config = config.expect("a sound configuration");
    // Only clients with a certificate reach the second listener, which every machine can.
    assert_eq!(config.warnings(), Vec::<String>::new());

    let pair = |name: &str| CertificateFiles {
        cert_file: folder.join(format!("{name}.pem")),
        key_file: folder.join(format!("{name}.key")),
    };
    let clients = |required| {
        let ca_file = folder.join("ca.pem");
        Some(ClientCertificates { ca_file, required })
    };
    let tls: Vec<_> = config
        .listen
        .iter()
        .filter_map(|listener| listener.tls.as_ref())
        .collect();
    assert_eq!(tls[0].certificates, [pair("a"), pair("b")]);
    assert_eq!(tls[1].certificates, [pair("b")]);
    assert_eq!(
        (&tls[0].clients, &tls[1].clients),
        (&clients(false), &clients(true))
    );
    assert_eq!(
        (tls[0].min_version, tls[1].min_version),
        (TlsVersion::V1_3, TlsVersion::V1_2)
    );
    let admin = config.admin.expect("an admin listener");
    let token = admin.token.as_ref().map(|token| token.expose());
    assert_eq!(
        (admin.address.to_string().as_str(), token),
        ("0.0.0.0:3", Some("text"))
    );
    let [a, b] = config.upstreams.as_slice() else {
        panic!("two upstreams");
    };
    assert_eq!(a.tls.identity, Some(pair("a")));
    assert_eq!(a.discovery, Discovery::File(folder.join("hosts")));
    let addresses = ["10.0.0.1:8000", "[::1]:8000"].map(|text| text.parse().expect("an address"));
    assert_eq!(b.discovery, Discovery::Static(addresses.to_vec()));

    let mut names: Vec<PathBuf> = config.files.clone();
    assert_eq!(names.remove(0), folder.join("weir.yaml"));
    names.sort();
    let expected = ["a.key", "a.pem", "b.key", "b.pem", "ca.pem", "hosts", "key"];
    assert_eq!(names, expected.map(|name| folder.join(name)));
}

#[test]
fn a_configuration_without_files_is_read_from_itself() {
    let path = Path::new("nowhere/weir.yaml");
    let config = Config::parse(GPU, path, &environment).expect("a sound configuration");
    assert_eq!(config.files, [path]);
}

/// Versions of TLS, as text and as the number that YAML reads.
#[test]
fn versions_of_tls_in_all_their_forms() {
    let cases = [
        ("", TlsVersion::V1_2),
        (", min_version: 1.2", TlsVersion::V1_2),
        (", min_version: \"1.3\"", TlsVersion::V1_3),
        (", min_version: 1.3", TlsVersion::V1_3),
        (", min_version: '${TLS:-1.3}'", TlsVersion::V1_3),
    ];
    for (text, expected) in cases {
        let config = sound(&format!(
            "listen: {{ address: '127.0.0.1:1', tls: {{ cert_file: policies.yaml, key_file: policies.yaml{text} }} }}\n{GPU}"
        ));
        let tls = config.listen[0].tls.as_ref().expect("TLS");
        assert_eq!(tls.min_version, expected, "{text}");
    }
}

/// A secret is as fresh as the configuration: a rotated file is seen by the next reading.
#[test]
fn a_secret_is_read_anew_each_time() {
    let folder = std::env::temp_dir().join(format!("weir-anew-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = "upstreams: [{ name: a, kind: openai, keys: [{ file: key }] }]";
    let read = |secret: &str| {
        std::fs::write(folder.join("key"), secret).expect("a file");
        Config::parse(text, &folder.join("weir.yaml"), &environment)
    };
    let (first, second) = (read("one"), read("two"));
    std::fs::remove_dir_all(&folder).expect("the folder removed");
    let secret = |config: Result<Config, _>| {
        let config = config.expect("a sound configuration");
        config.upstreams[0].keys[0].secret.expose().to_owned()
    };
    assert_eq!([secret(first), secret(second)], ["one", "two"]);
}
