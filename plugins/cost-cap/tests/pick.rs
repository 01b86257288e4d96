//! What the router decides, against a host whose counters are real.

use weir_plugin::testing::{self, TestHost};
use weir_plugin::{Candidate, Choice, Rejection, Router};
use weir_plugin_cost_cap::CostCap;

/// 2026-01-01T00:00:00Z, where the host's clock begins, is a Thursday.
const DAY_MS: u64 = 86_400_000;

fn router(config: &str) -> CostCap {
    CostCap::configure(config).unwrap_or_else(|why| panic!("{config}: {why}"))
}

/// A host with a request of 1000 tokens of input and at most 1000 of output, by a user of acme.
fn host() -> TestHost {
    let mut host = TestHost::new();
    host.meta.prompt_tokens_estimate = 1000;
    host.meta.max_output_tokens = Some(1000);
    let mut principal = testing::principal("ci");
    principal.tenant = Some("acme".to_owned());
    principal.user = Some("ann".to_owned());
    principal.attributes = vec![("plan".to_owned(), "gold".to_owned())];
    host.meta.principal = Some(principal);
    host.meta.tags = vec![("team".to_owned(), "core".to_owned())];
    host
}

/// At so much for a million tokens, each way: a request of [`host`]'s costs two thousandths of it.
fn candidate(id: &str, price: f32, score: f32) -> Candidate {
    Candidate {
        input_usd_per_mtok: price,
        output_usd_per_mtok: price,
        score,
        ..testing::candidate(id)
    }
}

/// 0.02, 0.002 and nothing.
fn three() -> Vec<Candidate> {
    vec![
        candidate("large", 10.0, 0.9),
        candidate("small", 1.0, 0.5),
        candidate("own", 0.0, 0.1),
    ]
}

#[track_caller]
fn order(choice: Choice) -> Vec<u32> {
    match choice {
        Choice::Ranked(mut ranked) => {
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            ranked.iter().map(|one| one.index).collect()
        }
        other => panic!("{other:?} is no ranking"),
    }
}

#[track_caller]
fn refusal(choice: Choice) -> Rejection {
    match choice {
        Choice::Reject(rejection) => rejection,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn what_costs_too_much_for_one_request_is_left_out() {
    let mut router = router(r#"{"rules": [{"name": "each", "request_cap": "0.01"}]}"#);
    let host = host();
    let picked = router.pick(&host, &three()).expect("it picks");
    assert_eq!(order(picked), [1, 2]);
    let only_large = [candidate("large", 10.0, 0.9)];
    let refused = refusal(router.pick(&host, &only_large).expect("it picks"));
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (402, "cost_cap_request")
    );
    assert_eq!(
        refused.message,
        "this request is expected to cost at least 0.02 USD, and `each` allows 0.01 for one; \
         ask for fewer output tokens, a shorter prompt or a cheaper model"
    );
    assert_eq!(host.counted("cost_cap_refused"), 1.0);
}

#[test]
fn where_all_fit_and_there_is_plenty_weir_decides() {
    let mut router =
        router(r#"{"rules": [{"name": "each", "request_cap": 1, "period_cap": 100}]}"#);
    assert_eq!(router.pick(&host(), &three()), Ok(Choice::UseDefault));
    assert_eq!(router.pick(&host(), &[]), Ok(Choice::UseDefault));
}

#[test]
fn cheaper_ones_come_first_as_a_budget_runs_low_and_none_when_it_is_spent() {
    let config = r#"{"rules": [{"name": "daily", "by": "user", "period_cap": 0.1, "per": "day", "prefer_cheaper_from": "50%"}]}"#;
    let mut router = router(config);
    let mut host = host();
    let paid = [candidate("large", 10.0, 0.9), candidate("small", 1.0, 0.5)];
    // 0.02 each by weir's order, up to half of the cap.
    for _ in 0..3 {
        assert_eq!(router.pick(&host, &paid), Ok(Choice::UseDefault));
    }
    // 0.06 of 0.1: a fifth of the way, and the large one is still the better.
    assert_eq!(order(router.pick(&host, &paid).expect("it picks")), [0, 1]);
    // 0.08: further, and the small one is.
    assert_eq!(order(router.pick(&host, &paid).expect("it picks")), [1, 0]);
    // 0.082: the large one does not fit any more.
    for _ in 0..9 {
        assert_eq!(order(router.pick(&host, &paid).expect("it picks")), [1]);
    }
    let refused = refusal(router.pick(&host, &paid).expect("it picks"));
    assert_eq!(refused.code, "cost_cap_period");
    assert_eq!(
        refused.message,
        "this request is expected to cost at least 0.002 USD, and of the 0.1 that `daily` for `ann` allows a day, \
         0.1 are used; it begins anew at 2026-01-02T00:00:00Z"
    );
    // What costs nothing fits always, other users have their own, and so has the next day.
    assert_eq!(order(router.pick(&host, &three()).expect("it picks")), [2]);
    if let Some(principal) = &mut host.meta.principal {
        principal.user = Some("bob".to_owned());
    }
    assert_eq!(router.pick(&host, &paid), Ok(Choice::UseDefault));
    if let Some(principal) = &mut host.meta.principal {
        principal.user = Some("ann".to_owned());
    }
    host.advance_ms(DAY_MS);
    assert_eq!(router.pick(&host, &paid), Ok(Choice::UseDefault));
}

#[test]
fn an_exchange_is_counted_once_however_often_it_is_tried() {
    let mut router = router(r#"{"rules": [{"name": "daily", "period_cap": 0.02, "per": "day"}]}"#);
    let mut host = host();
    let large = [candidate("large", 10.0, 0.9), candidate("other", 10.0, 0.8)];
    assert_eq!(router.pick(&host, &large), Ok(Choice::UseDefault));
    host.meta.attempt = 1;
    assert_eq!(
        order(router.pick(&host, &large[1..]).expect("it picks")),
        [0]
    );
    host.meta.attempt = 0;
    assert_eq!(
        refusal(router.pick(&host, &large).expect("it picks")).code,
        "cost_cap_period"
    );
    assert_eq!(host.counted("cost_cap_expected"), 0.02);
}

#[test]
fn all_rules_of_a_request_hold_and_what_does_not_fit_one_is_counted_at_none() {
    let config = r#"{"rules": [
        {"name": "all", "period_cap": 1, "per": "hour"},
        {"name": "gold", "by": "tag:team", "only": {"attribute:plan": "gold", "tenant": ["ac*", "globex"]}, "period_cap": 0.03, "per": "week"},
        {"name": "silver", "only": {"attribute:plan": "silver"}, "request_cap": 0}
    ]}"#;
    let mut router = router(config);
    let mut host = host();
    let large = [candidate("large", 10.0, 0.9)];
    assert!(router.pick(&host, &large).is_ok());
    let refused = refusal(router.pick(&host, &large).expect("it picks"));
    assert!(
        refused.message.contains("`gold` for `core` allows a week"),
        "{}",
        refused.message
    );
    assert!(
        refused.message.contains("anew at 2026-01-05T00:00:00Z"),
        "{}",
        refused.message
    );
    // Nobody in particular: only the first rule counts, and has counted one.
    host.meta.principal = None;
    for _ in 0..49 {
        assert!(matches!(
            router.pick(&host, &large),
            Ok(Choice::UseDefault | Choice::Ranked(_))
        ));
    }
    assert_eq!(
        refusal(router.pick(&host, &large).expect("it picks")).code,
        "cost_cap_period"
    );
}

#[test]
fn without_counters_it_says_so() {
    let mut router = router(r#"{"rules": [{"name": "daily", "period_cap": 1}]}"#);
    let failed = router
        .pick(&host().without_kv(), &three())
        .expect_err("there is no kv");
    assert!(
        format!("{failed:?}").contains("kv is not granted"),
        "{failed:?}"
    );
}

#[test]
fn where_the_client_names_no_maximum_the_configuration_does() {
    let mut router = router(
        r#"{"output_tokens": 9000, "currency": "EUR", "rules": [{"name": "each", "request_cap": 0.05}]}"#,
    );
    let mut host = host();
    host.meta.max_output_tokens = None;
    let refused = refusal(
        router
            .pick(&host, &[candidate("large", 10.0, 0.9)])
            .expect("it picks"),
    );
    assert!(
        refused.message.contains("at least 0.1 EUR"),
        "{}",
        refused.message
    );
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let cases = [
        ("null", "the configuration is no mapping"),
        ("{", "is no JSON"),
        ("{}", "rules: is missing"),
        (r#"{"rules": []}"#, "there are 0; there may be 1 to 64"),
        (
            r#"{"rule": []}"#,
            "rule: there is no such setting; there are output_tokens, currency, rules",
        ),
        (
            r#"{"rules": [{"name": "a"}]}"#,
            "rules[0]: has neither a request_cap nor a period_cap",
        ),
        (
            r#"{"rules": [{"request_cap": 1}]}"#,
            "rules[0]: name: is missing",
        ),
        (
            r#"{"rules": [{"name": "a", "request_cap": -1}]}"#,
            "request_cap: -1 is no amount such as 2.50",
        ),
        (
            r#"{"rules": [{"name": "a", "request_cap": 1, "by": "team"}]}"#,
            "by: \"team\" is none of all, tenant",
        ),
        (
            r#"{"rules": [{"name": "a", "period_cap": 1, "per": "year"}]}"#,
            "per: \"year\" is none of hour, day, week, month",
        ),
        (
            r#"{"rules": [{"name": "a", "request_cap": 1, "per": "day"}]}"#,
            "per: goes with a period_cap",
        ),
        (
            r#"{"rules": [{"name": "a", "period_cap": 1, "prefer_cheaper_from": "170%"}]}"#,
            "is no share such as 70%",
        ),
        (
            r#"{"rules": [{"name": "a", "period_cap": 1, "only": {"tag:": "x"}}]}"#,
            "only.tag:: is none of",
        ),
        (
            r#"{"rules": [{"name": "a", "period_cap": 1}, {"name": "a", "period_cap": 1}]}"#,
            "rules[1]: there is a rule `a` already",
        ),
        (
            r#"{"output_tokens": "x", "rules": [{"name": "a", "period_cap": 1}]}"#,
            "output_tokens: is no number of tokens",
        ),
    ];
    for (config, expected) in cases {
        let why = CostCap::configure(config)
            .err()
            .unwrap_or_else(|| panic!("{config} is accepted"));
        assert!(why.contains(expected), "{config}: {why}");
    }
}
