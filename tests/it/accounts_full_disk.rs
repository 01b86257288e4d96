//! The store cannot be written for a while (field report 47): who is served then, who sees it, and what is in the books afterwards.

use crate::harness::*;

const FREE: &str = "the-key-of-free-0123456789";
const PAYING: &str = "the-key-of-paying-0123456789";

async fn status(weir: &Weir, key: &str, id: &str) -> u16 {
    let request = Tongue::Chat
        .ask(weir, "m", "hi", 16, false)
        .header("x-api-key", key);
    let answer = request.header("x-request-id", id).send().await;
    if answer.status == 503 {
        answer.assert_error(503, "accounting_unavailable");
    }
    answer.status
}

async fn is_in(weir: &Weir, state: &str) -> bool {
    let metric = format!("weir_ledger_state{{state=\"{state}\"}}");
    weir.metric(&metric).await == 1.0
}

#[tokio::test]
async fn a_full_disk_stops_those_who_pay_after_a_grace_and_nobody_else_and_loses_nothing() {
    let host = Sim::start().await;
    let mut weir = Weir::in_front_of([&host])
        .with("store: { path: books, on_failure: { limits: open, money: closed, grace: 300ms } }")
        .with(&format!("access: {{ keys: [{{ label: free, value: {FREE}, tenant: free, limits: {{ requests_per_minute: 100000 }} }}, {{ label: paying, value: {PAYING}, tenant: paying }}] }}"))
        .with("tenants: { free: {}, paying: { budget: { amount: 1000, per: month } } }")
        .with("models: { m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }")
        .with("prices: { models: { m: { output: 1 } } }")
        .shielded()
        .await;
    let mut served = Vec::new();
    for turn in 0..5 {
        for key in [FREE, PAYING] {
            let id = format!("well-{turn}-{key}");
            assert_eq!(status(&weir, key, &id).await, 200);
            served.push(id);
        }
    }
    comes_to("a healthy ledger", true, async || {
        is_in(&weir, "healthy").await
    })
    .await;
    weir.fill_disk(true);
    // Within the grace all are served from the last known state; after it those without money to count still are.
    let mut turn = 0;
    eventually("refusal of those who pay", async || {
        turn += 1;
        let (free, paying) = (format!("full-{turn}-free"), format!("full-{turn}-paying"));
        assert_eq!(status(&weir, FREE, &free).await, 200);
        served.push(free);
        match status(&weir, PAYING, &paying).await {
            200 => {
                served.push(paying);
                None
            }
            other => {
                assert_eq!(other, 503);
                Some(())
            }
        }
    })
    .await;
    assert!(turn > 1, "there is a grace");
    assert!(is_in(&weir, "failing").await);
    assert!(weir.metric("weir_ledger_commits_failed").await > 0.0);
    assert!(weir.metric("weir_ledger_queued").await > 0.0);
    let ready = weir.admin("/readyz").send().await;
    ready.assert_status(200);
    assert!(ready.text().contains("ledger"), "{}", ready.text());
    weir.fill_disk(false);
    let mut turn = 0;
    eventually("money that is counted again", async || {
        turn += 1;
        let id = format!("again-{turn}-paying");
        let status = status(&weir, PAYING, &id).await;
        (status == 200).then(|| served.push(id))
    })
    .await;
    comes_to("a healthy ledger", true, async || {
        is_in(&weir, "healthy").await
    })
    .await;
    nothing_is_reserved(&weir).await;
    assert_eq!(weir.metric("weir_ledger_rows_lost").await, 0.0);
    let rows = weir.ended().await.by_request();
    for id in &served {
        let row = rows.get(id).unwrap_or_else(|| panic!("{id} is nowhere"));
        assert_eq!((row.usage.output, row.status), (8, 200), "{id}");
    }
    assert_eq!(rows.len(), served.len());
}
