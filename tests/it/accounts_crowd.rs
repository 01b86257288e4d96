//! A crowd against one limit: never above it, and nothing of it lost (field reports 40 to 42).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::Semaphore;
use weir::ledger::End;
use weir::terms::Money;

use crate::harness::*;

const CLIENTS: u64 = 500;
const REQUESTS: u64 = 10_000;
/// What the host says of every exchange: so many tokens of input, and as many of output.
const TOKENS: u64 = 10;
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20}}"#;
const KEY: &str = "the-key-of-ada-0123456789";
/// A request may use as much output, at most.
const OUTPUT_MAX: u64 = 30;

/// A host that answers at once, and the most exchanges that it has had at a time.
async fn host() -> (Upstream, Arc<AtomicI64>) {
    let (now, most) = (Arc::<AtomicI64>::default(), Arc::<AtomicI64>::default());
    let seen = most.clone();
    let host = Upstream::start(move |mut peer| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            while peer.request().await.is_some() {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                peer.say(reply("200 OK", ANSWER)).await;
            }
        }
    })
    .await;
    (host, seen)
}

async fn weir_with(host: &Upstream, limits: &str) -> Weir {
    Weir::in_front_of([host])
        .with(STORE)
        .with("models: { m: { targets: [{ upstream: gpu-a, model: m }] } }")
        .with("log: { access: false }")
        .with(&format!(
            "access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}"
        ))
        .with(&format!("tenants: {{ acme: {{ {limits} }} }}"))
        .with("prices: { models: { \"*\": { input: 1000000, output: 1000000 } } }")
        .await
}

fn request(weir: &Weir) -> Request {
    let request = Tongue::Chat.ask(weir, "m", "hi", OUTPUT_MAX, false);
    request.header("authorization", &format!("Bearer {KEY}"))
}

/// How many were served, and how many refused with `refusal`, of [`REQUESTS`] by [`CLIENTS`] on a connection each.
async fn storm(weir: &Weir, refusal: u16) -> (u64, u64) {
    let (served, refused) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let clients = (0..CLIENTS).map(|_| {
        let (served, refused) = (served.clone(), refused.clone());
        let (request, to) = (request(weir), weir.address());
        tokio::spawn(async move {
            let connection = Connection::open(to, Protocol::Http1).await;
            for _ in 0..REQUESTS / CLIENTS {
                let answer = connection.send(request.clone()).await;
                let count = match answer.status {
                    200 => &served,
                    other if other == refusal => &refused,
                    other => panic!("{other}: {}", answer.text()),
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no client fails");
    }
    (
        served.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
    )
}

/// Goes on until there is no room; how many were served.
async fn fill(weir: &Weir) -> u64 {
    nothing_is_reserved(weir).await;
    let connection = weir.connect(Protocol::Http1).await;
    let mut served = 0;
    while connection.send(request(weir)).await.status == 200 {
        served += 1;
    }
    served
}

#[tokio::test]
async fn a_budget_that_allows_half_is_used_up_and_never_overspent() {
    let (host, _) = host().await;
    let budget = REQUESTS / 2 * 2 * TOKENS;
    let terms = format!("budget: {{ amount: {budget}, per: month }}");
    let mut weir = weir_with(&host, &terms).await;
    let (served, refused) = storm(&weir, 402).await;
    assert_eq!(served + refused, REQUESTS);
    assert!(refused >= REQUESTS / 2, "{served} were served");
    let filled = fill(&weir).await;
    let books = weir.ended().await;
    let rows = books.rows();
    let complete = rows.iter().filter(|row| row.end == End::Complete).count();
    assert_eq!(u64::try_from(complete).expect("few"), served + filled);
    let spent: Money = rows.iter().map(|row| row.cost).sum();
    assert_eq!(books.charged("budget/tenant/acme"), spent);
    let unit = 1_000_000_000;
    let budget = i64::try_from(budget).expect("little money") * unit;
    let unused = budget - spent.nanos();
    // The input's estimate is some tokens, and less than the output that is reserved beside it.
    let reservation = i64::try_from(2 * OUTPUT_MAX).expect("little money") * unit;
    println!(
        "crowd: {served} served in the storm and {filled} after it, {} of {} unused",
        unused / unit,
        budget / unit
    );
    assert!((0..=reservation).contains(&unused), "{unused}");
}

#[tokio::test]
async fn so_many_requests_and_no_more_pass() {
    let (host, _) = host().await;
    let limits = format!("limits: {{ requests_per_day: {} }}", REQUESTS / 2);
    let weir = weir_with(&host, &limits).await;
    assert_eq!(storm(&weir, 429).await, (REQUESTS / 2, REQUESTS / 2));
    nothing_is_reserved(&weir).await;
    assert_eq!(host.requests().len() as u64, REQUESTS / 2);
}

#[tokio::test]
async fn so_many_tokens_and_no_more_pass() {
    let (host, _) = host().await;
    let tokens = REQUESTS / 2 * 2 * TOKENS;
    let limits = format!("limits: {{ tokens_per_day: {tokens} }}");
    let weir = weir_with(&host, &limits).await;
    let (served, refused) = storm(&weir, 429).await;
    assert_eq!(served + refused, REQUESTS);
    let used = 2 * TOKENS * (served + fill(&weir).await);
    assert!(
        used <= tokens && tokens - used <= 2 * OUTPUT_MAX,
        "{used} of {tokens}"
    );
}

#[tokio::test]
async fn so_many_at_once_and_no_more_are_served() {
    let (host, most) = host().await;
    let weir = weir_with(&host, "limits: { concurrency: 8 }").await;
    let (served, refused) = storm(&weir, 429).await;
    assert_eq!(served + refused, REQUESTS);
    assert!(served > 0 && refused > 0, "{served} and {refused}");
    let most = most.load(Ordering::SeqCst);
    assert!((1..=8).contains(&most), "{most} at once");
    nothing_is_reserved(&weir).await;
    request(&weir).send().await.assert_status(200);
}

/// Requests that all wait at the host at one time.
const AT_ONCE: u64 = 12;

/// A host that answers when it may, and how many requests it has.
async fn patient_host() -> (Upstream, Arc<AtomicU64>, Arc<Semaphore>) {
    let (arrived, leave) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(0)));
    let (seen, gate) = (arrived.clone(), leave.clone());
    let host = Upstream::start(move |mut peer| {
        let (arrived, leave) = (arrived.clone(), leave.clone());
        async move {
            while peer.request().await.is_some() {
                arrived.fetch_add(1, Ordering::SeqCst);
                leave.acquire().await.expect("it is open").forget();
                peer.say(reply("200 OK", ANSWER)).await;
            }
        }
    })
    .await;
    (host, seen, gate)
}

/// A weir where `limits` hold at a scope.
async fn weir_bounded_at(host: &Upstream, scope: &str, limits: &str) -> Weir {
    let target = "targets: [{ upstream: gpu-a, model: m }]";
    let (model, tenant, common, each) = match scope {
        "model" => (
            format!(", limits: {limits}"),
            String::new(),
            String::new(),
            String::new(),
        ),
        "tenant" => (
            String::new(),
            format!("limits: {limits}"),
            String::new(),
            String::new(),
        ),
        "upstream" => (
            String::new(),
            String::new(),
            String::new(),
            format!("limits: {limits}"),
        ),
        "endpoint" => (
            String::new(),
            String::new(),
            format!("limits: {{ endpoints: {{ chat: {limits} }} }}"),
            String::new(),
        ),
        scope => (
            String::new(),
            String::new(),
            format!("limits: {{ {scope}: {limits} }}"),
            String::new(),
        ),
    };
    Weir::in_front_of([host])
        .with(STORE)
        .with(&format!("models: {{ m: {{ {target}{model} }} }}"))
        .with("failover: { key_wait: 0ms }")
        .with(&format!(
            "access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}"
        ))
        .with(&format!("tenants: {{ acme: {{ {tenant} }} }}"))
        .with(&common)
        .with("prices: { models: { \"*\": { input: 1000000, output: 1000000 } } }")
        .each(&each)
        .await
}

#[tokio::test]
async fn money_is_reserved_before_it_is_spent_at_every_scope() {
    // An answer costs 20; what it may cost, somewhat above 30, fits in twice.
    const LIMIT: u64 = 100;
    let limits = format!("{{ spend_per_day: {LIMIT} }}");
    for scope in [
        "global",
        "endpoint",
        "model",
        "upstream",
        "each_tenant",
        "tenant",
        "each_key",
    ] {
        let (host, arrived, leave) = patient_host().await;
        let mut weir = weir_bounded_at(&host, scope, &limits).await;
        let refused = Arc::<AtomicU64>::default();
        let asked = (0..AT_ONCE).map(|_| {
            let (request, refused) = (request(&weir), refused.clone());
            tokio::spawn(async move {
                let status = request.send().await.status;
                refused.fetch_add(u64::from(status != 200), Ordering::SeqCst);
                status
            })
        });
        let asked: Vec<_> = asked.collect();
        comes_to(
            "requests that wait at the host or are refused",
            AT_ONCE,
            async || arrived.load(Ordering::SeqCst) + refused.load(Ordering::SeqCst),
        )
        .await;
        let at_once = arrived.load(Ordering::SeqCst);
        assert!((1..=LIMIT / 30).contains(&at_once), "{scope}: {at_once}");
        leave.add_permits(Semaphore::MAX_PERMITS);
        for one in asked {
            let status = one.await.expect("no client fails");
            assert!([200, 402, 429].contains(&status), "{scope}: {status}");
        }
        fill(&weir).await;
        let rows = weir.ended().await.rows();
        let spent: Money = rows.iter().map(|row| row.cost).sum();
        let most = Money::from_nanos(LIMIT as i64 * 1_000_000_000);
        assert!(
            spent > Money::ZERO && spent <= most,
            "{scope}: {spent} of {most}"
        );
    }
}

#[tokio::test]
async fn a_model_that_stands_in_for_another_is_held_to_its_own_limits() {
    let broken = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(reply("500 Internal Server Error", "{}")).await;
        }
    })
    .await;
    let (host, _) = host().await;
    let weir = Weir::in_front_of([&broken, &host])
        .with("models: { m: { targets: [{ upstream: gpu-a, model: m }], fallbacks: [n] }, n: { targets: [{ upstream: gpu-b, model: n }], limits: { spend_per_day: 45 } } }")
        .with("prices: { models: { n: { input: 1000000, output: 1000000 } } }")
        .await;
    let ask = async || {
        Tongue::Chat
            .ask(&weir, "m", "hi", OUTPUT_MAX, false)
            .send()
            .await
    };
    ask().await.assert_status(200);
    // It has cost 20, so that another that may cost more than 30 has no room.
    let refused = ask().await;
    assert_ne!(refused.status, 200, "{}", refused.text());
    nothing_is_reserved(&weir).await;
}
