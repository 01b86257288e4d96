//! What rate-limit headers say is left.

use proptest::prelude::*;

use super::super::reported::{Dimension, Reported};
use super::*;

type Row = (Dimension, Option<u64>, Option<u64>, Option<u64>);

fn read(pairs: &[(&'static str, &str)]) -> Vec<Row> {
    let clock = Clock::new();
    let reported = Reported::read(&headers(pairs), clock.now);
    let rows = reported
        .believed(clock.now.instant)
        .map(|(dimension, level)| {
            let reset = level.reset.map(|reset| reset.as_millis() as u64);
            (dimension, level.limit, level.remaining, reset)
        });
    rows.collect()
}

#[test]
fn the_headers_of_every_vendor_are_read() {
    use Dimension::{InputTokens, OutputTokens, Requests, Tokens};
    // OpenAI; Azure and Groq send the same names.
    let openai = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("x-ratelimit-remaining-tokens_usage_based", "1"),
    ];
    let expected = [
        (Requests, Some(60), Some(59), Some(1_000)),
        (Tokens, Some(150_000), Some(149_984), Some(360_000)),
    ];
    assert_eq!(read(&openai), expected);
    let anthropic = [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2025-07-15T12:00:01Z"),
        ("anthropic-ratelimit-input-tokens-limit", "30000"),
        ("anthropic-ratelimit-input-tokens-remaining", "29000"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2025-07-15T12:00:02Z",
        ),
        ("anthropic-ratelimit-output-tokens-limit", "8000"),
        ("anthropic-ratelimit-output-tokens-remaining", "7000"),
        (
            "anthropic-ratelimit-output-tokens-reset",
            "2025-07-15T12:00:03Z",
        ),
        ("anthropic-ratelimit-unified-status", "allowed"),
    ];
    let expected = [
        (Requests, Some(50), Some(49), Some(1_000)),
        (InputTokens, Some(30_000), Some(29_000), Some(2_000)),
        (OutputTokens, Some(8_000), Some(7_000), Some(3_000)),
    ];
    assert_eq!(read(&anthropic), expected);
    let cerebras = [
        ("x-ratelimit-limit-requests-day", "1000000"),
        ("x-ratelimit-remaining-requests-day", "999998"),
        ("x-ratelimit-reset-requests-day", "33011.382867"),
    ];
    assert_eq!(
        read(&cerebras),
        [(Requests, Some(1_000_000), Some(999_998), Some(33_011_382))]
    );
    let nameless = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "4999"),
        ("x-ratelimit-reset", "1752580860"),
    ];
    assert_eq!(
        read(&nameless),
        [(Requests, Some(5_000), Some(4_999), Some(60_000))]
    );
    let drafts: [&[(&str, &str)]; 3] = [
        &[
            ("ratelimit-limit", "100"),
            ("ratelimit-remaining", "50"),
            ("ratelimit-reset", "30"),
        ],
        &[("ratelimit", "limit=100, remaining=50, reset=30")],
        &[
            (
                "ratelimit-policy",
                "\"burst\";q=100;w=60, \"daily\";q=1000;w=86400",
            ),
            ("ratelimit", "\"burst\";r=50;t=30, \"daily\";r=999;t=5"),
        ],
    ];
    for draft in drafts {
        assert_eq!(
            read(draft),
            [(Requests, Some(100), Some(50), Some(30_000))],
            "{draft:?}"
        );
    }
}

#[test]
fn what_is_no_figure_is_not_said() {
    // Azure's Responses API: https://github.com/openai/openai-dotnet/issues/838
    let azure = [
        ("x-ratelimit-limit-tokens", "-1"),
        ("x-ratelimit-remaining-tokens", "-1"),
        ("x-ratelimit-reset-tokens", "0"),
    ];
    assert!(read(&azure).is_empty());
    for odd in [
        ("x-ratelimit-remaining-tokens", "99999999999999999999999"),
        ("x-ratelimit-remaining-tokens", "many"),
        ("x-ratelimit-remaining-", "5"),
        ("x-ratelimit-", "5"),
        ("x-ratelimit-remainingtokens", "5"),
        ("my-ratelimit-remaining", "5"),
        ("ratelimit", "\"\";;;==,"),
        ("ratelimit-policy", "10;w=1"),
        ("x-ratelimit-limit-tokens", "5"),
    ] {
        assert!(read(&[odd]).is_empty(), "{odd:?}");
    }
}

#[test]
fn a_figure_is_forgotten_when_its_window_is_over_and_kept_when_an_answer_leaves_it_out() {
    let mut clock = Clock::new();
    let pool = pool(Rotation::LeastUsed, &[key("a")]);
    let lease = lease(&pool, MODEL, clock.now);
    let said = headers(&[
        ("x-ratelimit-limit-requests", "10"),
        ("x-ratelimit-remaining-requests", "6"),
        ("x-ratelimit-reset-requests", "20s"),
    ]);
    lease.answered(200, &said, None, MODEL, clock.now, 0.0);
    clock.go_seconds(5);
    answer(&lease, 200, clock.now);
    let status = &pool.status(clock.now)[0];
    // One is in flight that the figure may not count yet.
    assert_eq!(status.headroom, 0.5);
    let reported = &status.models[0].reported[0];
    assert_eq!((reported.remaining, reported.seconds_left), (Some(6), 15));
    clock.go_seconds(15);
    let status = &pool.status(clock.now)[0];
    assert_eq!(status.headroom, 1.0);
    assert!(status.models.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn garbage_breaks_nothing(
        status in any::<u16>(),
        values in proptest::collection::vec("[ -~]{0,60}|[0-9\";=rtq, .:TZsmh-]{0,30}", 9),
        raw in proptest::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..40),
        chance in any::<f64>(),
    ) {
        let names = [
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-reset-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-limit-requests",
            "anthropic-ratelimit-tokens-reset",
            "anthropic-ratelimit-tokens-remaining",
            "ratelimit",
            "ratelimit-policy",
        ];
        let clock = Clock::new();
        let mut said: HeaderMap = names
            .into_iter()
            .zip(values)
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap()))
            .collect();
        said.append("x-ratelimit-reset", HeaderValue::from_bytes(&raw).unwrap());
        let pool = pool(Rotation::LeastUsed, &[key("a")]);
        let lease = lease(&pool, MODEL, clock.now);
        for status in [status, 429] {
            let verdict = lease.answered(status, &said, Some("x"), MODEL, clock.now, chance);
            if let KeyVerdict::ModelRests { wait, .. } = verdict {
                prop_assert!((REST_MIN..=SERVER_REST_MAX).contains(&wait), "{wait:?}");
            }
        }
        let headroom = pool.status(clock.now)[0].headroom;
        prop_assert!((0.0..=1.0).contains(&headroom), "{headroom}");
    }
}
