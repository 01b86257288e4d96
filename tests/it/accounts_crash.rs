//! The real binary under load, killed at random moments: what the ledger has then (field reports 10, 45, 47).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use weir::ledger::{End, Row};
use weir::terms::Money;

use crate::harness::*;

/// Kills in one run, unless [`KILLS_VARIABLE`] says otherwise.
const KILLS: u64 = 25;
/// For longer runs: `bench/crash.sh`.
const KILLS_VARIABLE: &str = "WEIR_CRASH_KILLS";
/// A folder for the store, on a disk that is to be tried.
const STORE_VARIABLE: &str = "WEIR_CRASH_STORE";
const CLIENTS: u64 = 8;
/// What may be missing: exchanges that began so shortly before a kill. The commit interval (10 ms, docs/limits.md) at its bound.
const COMMIT_MS: f64 = 20.0;
const KEY: &str = "the-key-of-ada-0123456789";
/// Rows carry it as a tag, so that those of orphans can be told apart as well.
const TAG: &str = "x-exchange";

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs_f64() * 1e3
}

/// One client: request after request until weir is gone.
async fn run(weir: Load, number: u64) {
    let connection = Connection::open(weir.to, Protocol::Http1).await;
    loop {
        let exchange = format!("e{}", weir.count.fetch_add(1, Ordering::Relaxed));
        let request = weir.request(&exchange, number);
        let Ok(answer) = connection.try_open(request).await else {
            return;
        };
        let answer = answer.rest().await;
        if answer.broken.is_some() {
            return;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        weir.answered
            .lock()
            .expect("nobody has panicked")
            .insert(exchange);
    }
}

#[derive(Clone)]
struct Load {
    to: std::net::SocketAddr,
    count: Arc<AtomicU64>,
    /// Whole answers that clients have had.
    answered: Arc<Mutex<HashSet<String>>>,
}

impl Load {
    fn request(&self, exchange: &str, client: u64) -> Request {
        let tokens = 2 + client * 3;
        let body = serde_json::json!({
            "model": "m", "max_tokens": tokens, "stream": client.is_multiple_of(2),
            "messages": [{"role": "user", "content": format!("say something about {exchange}")}],
        });
        Request::new(self.to, hyper::Method::POST, "/v1/chat/completions")
            .json(body)
            .header("authorization", &format!("Bearer {KEY}"))
            .header("x-request-id", exchange)
            .header(TAG, exchange)
    }
}

/// What the host has served, by exchange.
fn served(path: &Path) -> HashMap<String, Value> {
    let text = std::fs::read_to_string(path).expect("the host has written it");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let by_exchange =
        lines.map(|line| (line["request_id"].as_str().expect("an id").to_owned(), line));
    by_exchange.collect()
}

/// Where the store is: in memory, unless [`STORE_VARIABLE`] names a folder of a disk. What a killed process has written is there
/// either way, but a disk that is slow to confirm one write, as those of busy machines are, holds up the next by as much.
struct Place(PathBuf);

impl Place {
    fn of_store() -> Place {
        let parent = std::env::var(STORE_VARIABLE).unwrap_or_else(|_| "/dev/shm".to_owned());
        Place(Path::new(&parent).join(format!("weir-crash-{}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left behind is in the way of nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// When weir was killed, and when the next one was there; in milliseconds since 1970.
struct Kill {
    at: f64,
    over: f64,
}

/// What was found; printed, and held against the rule.
#[derive(Debug, Default)]
struct Report {
    kills: usize,
    served: usize,
    rows: usize,
    orphans: usize,
    /// Milliseconds from the beginning of exchanges without a row to the kill.
    missing_ms: Vec<f64>,
    wrong: Vec<String>,
}

impl Report {
    fn judge(&mut self, exchange: &str, bill: &Value, row: Option<&Row>, kills: &[Kill]) {
        let started = bill["started_ms"].as_f64().expect("a time");
        let Some(row) = row else {
            // What was on its way to the host when weir was killed begins there a moment later.
            let kill = kills.iter().find(|kill| kill.over >= started);
            match kill {
                Some(kill) => self.missing_ms.push((kill.at - started).max(0.0)),
                None => self
                    .wrong
                    .push(format!("{exchange} has no row, and no kill came after it")),
            }
            return;
        };
        let number = |name: &str| bill[name].as_u64().expect("a number");
        let (input, output) = (number("prompt_tokens"), number("output_tokens"));
        let is_right = match row.end {
            End::Complete => {
                (row.usage.input(), row.usage.output) == (input, output) && !row.estimated
            }
            End::Orphaned => {
                self.orphans += 1;
                row.estimated && row.usage.input() > 0 && row.usage.output <= output
            }
            End::ClientGone | End::UpstreamCut | End::ErrorEvent | End::Refused | End::Failed => {
                false
            }
        };
        if !is_right {
            self.wrong.push(format!("{exchange}: {bill} is {row:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_and_doubles_nothing_that_is_older_than_a_commit() {
    let kills_wanted =
        std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = HostList::of("");
    let bills = PathBuf::from(folder.path()).with_file_name("served");
    let store = Place::of_store();
    let host = Sim::with(|options| {
        options.served = Some(bills.clone());
        options.tokens = 30;
        options.itl = Duration::from_millis(1);
    })
    .await;
    let mut weir = Weir::in_front_of([&host])
        .with(&format!("store: {{ path: {} }}", store.0.display()))
        .with(&format!(
            "access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme }}] }}"
        ))
        .with("tenants: { acme: { budget: { amount: 1000000000, per: month } } }")
        .with("models: { m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }")
        .with("prices: { models: { m: { input: 1, output: 2 } } }")
        .with(&format!("usage: {{ tag_headers: [{TAG}] }}"))
        .await;
    let (count, answered) = (Arc::<AtomicU64>::default(), Arc::default());
    let mut kills = Vec::new();
    let mut random = fastrand::Rng::new();
    for _ in 0..kills_wanted {
        let load = Load {
            to: weir.address(),
            count: count.clone(),
            answered: Arc::clone(&answered),
        };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| tokio::spawn(run(load.clone(), number)))
            .collect();
        // The moment of the kill is the point: any will do.
        tokio::time::sleep(Duration::from_millis(random.u64(20..250))).await;
        let at = now_ms();
        weir = weir.killed_and_started_again().await;
        kills.push(Kill { at, over: now_ms() });
        for client in clients {
            client.await.expect("no client has failed");
        }
    }
    weir.signal(nix::sys::signal::Signal::SIGTERM);
    weir.exited().await;
    let books = Books::at(&store.0).await;
    host.stop().await;
    let rows = books.rows();
    let mut by_exchange: HashMap<&str, &Row> = HashMap::new();
    let mut report = Report {
        kills: kills.len(),
        rows: rows.len(),
        ..Report::default()
    };
    for row in &rows {
        let exchange = &row.who.tags[TAG];
        if by_exchange.insert(exchange, row).is_some() {
            report.wrong.push(format!("{exchange} has two rows"));
        }
    }
    let served = served(&bills);
    report.served = served.len();
    for (exchange, bill) in &served {
        report.judge(
            exchange,
            bill,
            by_exchange.get(exchange.as_str()).copied(),
            &kills,
        );
    }
    let missing = report.missing_ms.len();
    let oldest = report.missing_ms.iter().copied().fold(0.0, f64::max);
    println!(
        "crash: {} kills, {} exchanges served, {} rows, {} of them orphans; {missing} without a row, the oldest began {oldest:.1} ms before its kill",
        report.kills, report.served, report.rows, report.orphans
    );
    assert!(report.wrong.is_empty(), "{}", report.wrong.join("\n"));
    assert!(oldest <= COMMIT_MS, "{oldest} ms: {:?}", report.missing_ms);
    assert!(
        report.served > report.kills && report.orphans > 0,
        "{report:?}"
    );
    // The sums are those of the rows, and no row's money is anywhere twice.
    let costs: Money = rows.iter().map(|row| row.cost).sum();
    assert_eq!(books.charged("budget/tenant/acme"), costs);
    let answered = answered.lock().expect("nobody has panicked");
    println!("crash: {} exchanges were answered whole", answered.len());
    assert!(answered.len() <= report.served);
}
