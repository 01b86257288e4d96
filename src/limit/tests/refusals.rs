//! What a refusal says: whose limit, which, and when to come back.

use super::*;

#[test]
fn the_reason_that_holds_longest_is_told() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let tenant = meter_in(
        &meters,
        &Subject::Tenant("acme".into()),
        r#"{"requests_per_day":2}"#,
        &clock,
    );
    let key = meter_in(
        &meters,
        &key("k1"),
        r#"{"requests_per_minute":2,"concurrency":2,"tokens_per_minute":100}"#,
        &clock,
    );
    for both in [[tenant.clone(), key.clone()], [key.clone(), tenant.clone()]] {
        let first = take(&both, tokens(1, 0), &clock);
        if let Ok(first) = first {
            let _running = [first, take(&both, tokens(1, 0), &clock).unwrap()];
            let refusal = take(&both, tokens(1, 0), &clock).unwrap_err();
            assert_eq!(
                (refusal.scope, refusal.limit),
                ("tenant", "requests_per_day")
            );
            assert_eq!(refusal.retry_after, Some(Duration::from_secs(86_400)));
        }
        let refusal = take(&both, tokens(1, 0), &clock).unwrap_err();
        assert_eq!(refusal.limit, "requests_per_day");
        // What can never be admitted is told before what has to wait.
        let refusal = take(&both, tokens(60, 41), &clock).unwrap_err();
        assert_eq!(
            (refusal.limit, refusal.retry_after),
            ("tokens_per_minute", None)
        );
        assert_eq!(
            refusal.to_string(),
            "this request needs up to 101 tokens, more than `tokens_per_minute` of key `k1` ever allows (100); make it smaller, or have the limit raised"
        );
    }
}

#[test]
fn refusals_are_sentences_that_name_the_limit() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let subject = Subject::User("acme".into(), "ann".into());
    for (json, subject, sentence) in [
        (
            r#"{"requests_per_second":1}"#,
            &Subject::Global,
            "`requests_per_second` of all requests together (1) has not enough left for this request; try again in 1 s",
        ),
        (
            r#"{"spend_per_minute":"0.5"}"#,
            &subject,
            "`spend_per_minute` of user `acme/ann` (0.5) has not enough left for this request; try again in 60 s",
        ),
        (
            r#"{"concurrency":1}"#,
            &key("k"),
            "key `k`: 1 exchanges run already, as many as `concurrency` allows; try again when one has ended",
        ),
    ] {
        let meter = [meter_in(&meters, subject, json, &clock)];
        let demand = spends(money("0.3").nanos());
        let _first = take(&meter, demand, &clock).unwrap();
        let refusal = take(&meter, demand, &clock).unwrap_err();
        assert_eq!(refusal.to_string(), sentence);
        assert_eq!(refusal.is_money, json.contains("spend"));
    }
    let limits = Limits::default();
    let budget = serde_json::from_str(r#"{"amount":"1","per":"ever"}"#).unwrap();
    for (terms, sentence) in [
        (
            Terms {
                limits: &limits,
                budget: Some(&budget),
                credit: None,
            },
            "what is left of the budget of tenant `a` (1) does not cover this request",
        ),
        (
            Terms {
                limits: &limits,
                budget: None,
                credit: Some(Money::ZERO),
            },
            "the prepaid balance of tenant `a` does not cover this request; add credit",
        ),
    ] {
        let meters = Meters::new(100);
        let subject = Subject::Tenant("a".into());
        let meter = [meters
            .meter(&subject, terms, clock.now, clock.wall)
            .unwrap()];
        meter[0].load_budget(&[(0, money("0.9"))], clock.wall);
        let refusal = take(&meter, spends(money("0.2").nanos()), &clock).unwrap_err();
        assert_eq!(refusal.to_string(), sentence);
        assert!(refusal.is_money);
    }
}

#[test]
fn headers_tell_of_the_tightest_limits() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let tenant = meter_in(
        &meters,
        &Subject::Tenant("acme".into()),
        r#"{"requests_per_minute":5,"tokens_per_minute":10000,"output_tokens_per_day":70}"#,
        &clock,
    );
    let key = meter_in(
        &meters,
        &key("k"),
        r#"{"requests_per_minute":60,"requests_per_day":4,"tokens_per_minute":500}"#,
        &clock,
    );
    let reservation = take(&[tenant, key], tokens(30, 20), &clock).unwrap();
    let standing = reservation.standing(clock.now);
    let told = standing
        .iter()
        .map(|it| (it.scope, it.limit_name, it.limit, it.remaining));
    let expected = [
        ("key", "requests_per_day", 4, 3),
        ("key", "tokens_per_minute", 500, 450),
        ("tenant", "output_tokens_per_day", 70, 50),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(
        headers(crate::wire::Dialect::Chat, &standing, clock.wall).len(),
        6
    );
    assert_eq!(
        headers(crate::wire::Dialect::Anthropic, &standing, clock.wall).len(),
        9
    );
}
