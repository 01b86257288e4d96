//! Plans: what they include is used, and who pays for the rest; periods that end; who is refused when nobody can pay.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir::ledger::accounts::Account;
use weir::ledger::plans::Term;
use weir::store::{Sled, SledSettings, Store, Table, Write};
use weir::terms::Money;

use crate::harness::*;

const KEY: &str = "the-key-of-ada-0123456789";
const TOKEN: &str = "open-sesame-0123";
/// A token costs 1, so that tokens and money are the same numbers.
const COMMON: &str = "store: { path: books }
admin: { address: \"127.0.0.1:0\", token: { env: WEIR_ADMIN_TOKEN } }
models: { m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }, other: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }
prices: { models: { m: { input: 1000000, output: 1000000 } } }";
/// More than one exchange of these tests reserves.
const EXCHANGE_MOST: i64 = 60;
const DAY_AND_MORE: Duration = Duration::from_secs(25 * 60 * 60);

async fn weir_with(host: &Sim, plan: &str, tenant: &str) -> Weir {
    let setup = Weir::in_front_of([host])
        .with(COMMON)
        .with(&format!(
            "access: {{ required: true, keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}"
        ))
        .with(&format!("plans: {{ team: {plan} }}"))
        .with(&format!("tenants: {{ acme: {tenant} }}"));
    setup.environment("WEIR_ADMIN_TOKEN", TOKEN).await
}

async fn ask_with(weir: &Weir, key: &str) -> Answer {
    let request = Tongue::Chat.ask(weir, "m", "hi", 4, false);
    let request = request.header("authorization", &format!("Bearer {key}"));
    request.send().await
}

/// Tokens that an exchange has used; `None` where nobody can pay for it.
async fn ask(weir: &Weir) -> Option<i64> {
    let answer = ask_with(weir, KEY).await;
    if answer.status == 402 {
        return None;
    }
    answer.assert_status(200);
    let usage = &answer.json()["usage"];
    Some(usage["total_tokens"].as_i64().expect("tokens are told"))
}

/// How an account stands, in whole units.
#[derive(Debug, PartialEq, Eq)]
struct Stands {
    balance: i64,
    held: i64,
    used_tokens: i64,
    used_money: i64,
    is_paid: bool,
}

fn stands(weir: &Weir) -> Stands {
    let told = weir.command(&["accounts", "show", "--tenant", "acme"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let units = |value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let money: Money = text.parse().expect("an amount");
        money.nanos() / 1_000_000_000
    };
    let allowance = &told["allowance"];
    Stands {
        balance: units(&told["balance"]),
        held: units(&told["held"]),
        used_tokens: allowance["used_tokens"].as_i64().expect("tokens"),
        used_money: units(&allowance["used_money"]),
        is_paid: allowance["paid"].as_bool().expect("whether it is paid"),
    }
}

fn deposit(weir: &Weir, amount: i64) {
    weir.command(&[
        "accounts",
        "deposit",
        "--tenant",
        "acme",
        &amount.to_string(),
    ]);
}

#[tokio::test]
async fn included_tokens_are_used_before_the_balance_and_both_spent_refuse() {
    let host = Sim::start().await;
    let plan = "{ per: month, included_tokens: 150 }";
    let mut weir = weir_with(&host, plan, "{ account: { credit: 0 }, plan: team }").await;
    let mut used = 0;
    while let Some(tokens) = ask(&weir).await {
        used += tokens;
        let stands = stands(&weir);
        assert_eq!((stands.used_tokens, stands.balance), (used, 0));
    }
    assert!((150 - EXCHANGE_MOST..=150).contains(&used), "{used}");
    let refused = ask_with(&weir, KEY).await;
    refused.assert_status(402);
    assert!(refused.text().contains("balance"), "{}", refused.text());
    // What is left of the plan, and the rest from the balance.
    deposit(&weir, 1_000);
    let mut all = used;
    while all < 150 + EXCHANGE_MOST {
        all += ask(&weir).await.expect("there is a balance");
        let stands = stands(&weir);
        assert_eq!(stands.used_tokens, all.min(150));
        assert_eq!(stands.balance, 1_000 - (all - all.min(150)));
        assert_eq!(stands.held, 0);
    }
    let before = stands(&weir);
    nothing_is_reserved(&weir).await;
    // Nothing of it is forgotten, by a kill neither.
    weir = weir.killed_and_started_again().await;
    assert_eq!(stands(&weir), before);
    assert_eq!(
        ask(&weir).await.map(|tokens| before.balance - tokens),
        Some(stands(&weir).balance)
    );
    let books = weir.ended().await;
    let sum = |purse: &str| -> (i64, u64) {
        let rows = books.rows();
        let charges = rows.iter().flat_map(|row| row.charges.clone());
        let charges = charges.filter(|charge| charge.purse.starts_with(purse));
        charges.fold((0, 0), |(money, tokens), charge| {
            (
                money + charge.money.nanos() / 1_000_000_000,
                tokens + charge.tokens,
            )
        })
    };
    assert_eq!(sum("plan/acme/"), (0, 150));
    let (money, tokens) = sum("account/acme");
    assert_eq!(
        Ok(money),
        i64::try_from(tokens),
        "each token that no plan pays costs 1"
    );
}

#[tokio::test]
async fn where_the_balance_goes_first_the_plan_pays_what_it_does_not() {
    let host = Sim::start().await;
    let plan = "{ per: month, included_tokens: 120, order: balance_first }";
    let weir = weir_with(&host, plan, "{ account: { credit: 0 }, plan: team }").await;
    deposit(&weir, 50);
    let mut all = 0;
    while let Some(tokens) = ask(&weir).await {
        all += tokens;
        let stands = stands(&weir);
        assert_eq!(stands.balance, 50 - all.min(50));
        assert_eq!(stands.used_tokens, all - all.min(50));
    }
    assert!((170 - EXCHANGE_MOST..=170).contains(&all), "{all}");
}

#[tokio::test]
async fn included_money_is_used_as_money_and_by_many_at_once_never_twice() {
    let host = Sim::start().await;
    let plan = "{ per: ever, included_money: 300, models: [\"m*\"] }";
    // Without an account of its own, there is nothing to draw on but the plan.
    let weir = weir_with(&host, plan, "{ plan: team }").await;
    let asked = futures::future::join_all((0..40).map(|_| ask(&weir))).await;
    let mut all: i64 = asked.iter().flatten().sum();
    while let Some(tokens) = ask(&weir).await {
        all += tokens;
    }
    let stands = stands(&weir);
    assert_eq!(
        (stands.used_money, stands.used_tokens, stands.balance),
        (all, 0, 0)
    );
    assert!((300 - EXCHANGE_MOST..=300).contains(&all), "{all}");
}

#[tokio::test]
async fn a_plan_pays_for_its_own_models_alone() {
    let host = Sim::start().await;
    let plan = "{ per: month, included_tokens: 1000, models: [other] }";
    let weir = weir_with(&host, plan, "{ account: { credit: 0 }, plan: team }").await;
    assert_eq!(ask(&weir).await, None);
    deposit(&weir, 100);
    let tokens = ask(&weir).await.expect("the balance pays");
    let stands = stands(&weir);
    assert_eq!((stands.used_tokens, stands.balance), (0, 100 - tokens));
}

/// As if the subscription had been made so much earlier.
async fn grow_older(mut weir: Weir, by: Duration) -> Weir {
    weir.signal(Signal::SIGTERM);
    weir.exited().await;
    {
        let path = weir.place("books");
        let store = eventually("store that can be opened", async || {
            Sled::open(&path, &SledSettings::default()).ok()
        });
        let store = store.await;
        let value = store
            .get(Table::Accounts, b"acme")
            .unwrap()
            .expect("an account");
        let mut account: Account = serde_json::from_slice(&value).unwrap();
        let subscription = account.subscription.as_mut().expect("a subscription");
        subscription.since -= by;
        subscription.term = subscription.term.map(|term| Term {
            begins: term.begins - by,
            ..term
        });
        let value = serde_json::to_vec(&account).unwrap();
        store
            .commit(vec![Write::put(Table::Accounts, *b"acme", value)])
            .unwrap();
    }
    weir.killed_and_started_again().await
}

#[tokio::test]
async fn a_period_that_ends_gives_way_to_another_which_the_balance_pays() {
    let host = Sim::start().await;
    let plan = "{ per: 1d, included_tokens: 100, price: 300 }";
    let mut weir = weir_with(&host, plan, "{ account: { credit: 0 }, plan: team }").await;
    // It cannot be paid, and gives nothing.
    assert!(!stands(&weir).is_paid);
    assert_eq!(ask(&weir).await, None);
    deposit(&weir, 605);
    for balance in [305, 5] {
        let before = stands(&weir);
        assert_eq!(
            (before.balance, before.used_tokens, before.is_paid),
            (balance, 0, true)
        );
        let tokens = ask(&weir).await.expect("the plan pays");
        let after = stands(&weir);
        assert_eq!((after.balance, after.used_tokens), (balance, tokens));
        weir = grow_older(weir, DAY_AND_MORE).await;
    }
    // The third period cannot be paid; what is left of the balance is too little for an exchange.
    let left = stands(&weir);
    assert_eq!(
        (left.balance, left.used_tokens, left.is_paid),
        (5, 0, false)
    );
    assert_eq!(ask(&weir).await, None);
    deposit(&weir, 295);
    assert_eq!((stands(&weir).balance, stands(&weir).is_paid), (0, true));
    assert!(ask(&weir).await.is_some(), "the third period is paid");
    let lines = weir.command(&["accounts", "statement", "--tenant", "acme"]);
    assert_eq!(lines.matches("plan_price").count(), 3, "{lines}");
}

#[tokio::test]
async fn plans_are_made_and_given_by_command_and_in_force_at_once() {
    let host = Sim::start().await;
    let weir = weir_with(&host, "{ per: month, included_tokens: 9 }", "{ }").await;
    let key = weir.command(&["keys", "create", "--quiet", "--tenant", "other"]);
    let key = key.trim();
    weir.command(&["accounts", "deposit", "--tenant", "other", "1"]);
    ask_with(&weir, key).await.assert_status(402);
    weir.command(&[
        "plans",
        "set",
        "small",
        "--per",
        "week",
        "--included-tokens",
        "500",
        "--models",
        "m",
    ]);
    weir.command(&["plans", "subscribe", "small", "--tenant", "other"]);
    ask_with(&weir, key).await.assert_status(200);
    let listed = weir.command(&["plans", "list"]);
    for part in ["team", "configuration", "small", "store", "500"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let shown: Value = serde_json::from_str(&weir.command(&["plans", "show", "small"])).unwrap();
    assert_eq!(shown["included_tokens"], 500, "{shown}");
    let subscribers = weir.command(&["plans", "subscribers"]);
    assert!(
        subscribers.contains("other") && subscribers.contains("500"),
        "{subscribers}"
    );
    let refused = |arguments: &[&str], why: &str| {
        let output = weir.try_command(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(why),
            "{arguments:?}: {said}"
        );
    };
    refused(&["plans", "remove", "small"], "subscribers");
    refused(&["plans", "show", "large"], "no plan `large`");
    refused(
        &["plans", "subscribe", "large", "--tenant", "other"],
        "no plan `large`",
    );
    refused(&["plans", "set", "team", "--per", "day"], "configuration");
    // What changes in a plan holds at once.
    weir.command(&[
        "plans",
        "set",
        "small",
        "--per",
        "week",
        "--included-tokens",
        "1",
    ]);
    ask_with(&weir, key).await.assert_status(402);
    weir.command(&["plans", "unsubscribe", "--tenant", "other"]);
    weir.command(&["plans", "remove", "small"]);
    assert!(!weir.command(&["plans", "list"]).contains("small"));
}

async fn reload(weir: &Weir) {
    let request = Request::new(
        weir.admin_address(),
        hyper::Method::POST,
        "/admin/v1/reload",
    );
    let request = request.header("authorization", &format!("Bearer {TOKEN}"));
    request.send().await.assert_status(200);
}

#[tokio::test]
async fn a_plan_of_the_configuration_comes_and_goes_with_it() {
    let host = Sim::start().await;
    let plan = "{ per: month, included_tokens: 1000 }";
    let weir = weir_with(&host, plan, "{ account: { credit: 0 } }").await;
    assert_eq!(ask(&weir).await, None);
    let setup = |tenant: &str| {
        Weir::in_front_of([&host])
            .with(COMMON)
            .with(&format!(
                "access: {{ required: true, keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}"
            ))
            .with(&format!("plans: {{ team: {plan} }}"))
            .with(&format!("tenants: {{ acme: {tenant} }}"))
    };
    weir.rewrite(&setup("{ account: { credit: 0 }, plan: team }"));
    reload(&weir).await;
    assert!(ask(&weir).await.is_some());
    let changed = weir.try_command(&["plans", "unsubscribe", "--tenant", "acme"]);
    let said = String::from_utf8_lossy(&changed.stderr).into_owned();
    assert!(said.contains("by its record"), "{said}");
    weir.rewrite(&setup("{ account: { credit: 0 } }"));
    reload(&weir).await;
    assert_eq!(ask(&weir).await, None);
}
