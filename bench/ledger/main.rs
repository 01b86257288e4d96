//! Measures the ledger on the disk of a folder: `ledger-bench FOLDER [--smoke]`. Prints figures and bars, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use weir::ledger::{Charge, Charged, End, Figures, Hold, Ledger, Orphan, Row, Settings, Who};
use weir::store::{Sled, SledSettings};
use weir::terms::Money;
use weir::wire::Usage;

/// As weir does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TENANTS: u64 = 1_000;
/// Each with a budget; every exchange is charged to it and to its tenant's account.
const KEYS: u64 = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", folder, rows] => fill(Path::new(folder), rows.parse().expect("a number of rows")),
        [folder] => measure(Path::new(folder), 1),
        [folder, "--smoke"] => measure(Path::new(folder), 20),
        _ => {
            eprintln!("usage: ledger-bench FOLDER [--smoke]");
            std::process::exit(2);
        }
    }
}

fn measure(folder: &Path, part: u64) {
    let folder = folder.join(format!("ledger-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("resident at the beginning: {}", resident());
    calls(&folder.join("calls"), 200_000 / part);
    throughput(&folder.join("throughput"), 1_000_000 / part);
    for rate in [1_000, 5_000, 20_000] {
        paced(&folder.join(format!("paced-{rate}")), rate, 10_000 / part);
    }
    start(&folder.join("start"), 1_000_000 / part);
    std::fs::remove_dir_all(&folder).expect("what was written is removed");
}

/// What it costs those who hold and settle.
fn calls(folder: &Path, count: u64) {
    let ledger = open(folder);
    let who = callers();
    let holds: Vec<Hold> = (0..count).map(|number| hold(&who, number)).collect();
    let rows: Vec<Row> = (0..count).map(|number| row(&who, number)).collect();
    let mut spent = [Duration::ZERO; 2];
    let mut rows = rows.into_iter();
    // In bursts, as fast as the writer keeps up.
    for burst in holds.chunks(1_000) {
        let burst: Vec<Hold> = burst.to_vec();
        let began = Instant::now();
        for hold in burst {
            ledger.hold(hold).expect("room");
        }
        spent[0] += began.elapsed();
        let settled: Vec<Row> = rows.by_ref().take(1_000).collect();
        let began = Instant::now();
        for row in settled {
            ledger.settle(row).expect("room");
        }
        spent[1] += began.elapsed();
        wait_for_room(&ledger);
    }
    let each = |time: Duration| time.as_nanos() / u128::from(count);
    println!(
        "a call, the writer at work: hold {} ns, settle {} ns (bar: 300 ns)",
        each(spent[0]),
        each(spent[1])
    );
}

/// As many as become durable.
fn throughput(folder: &Path, count: u64) {
    let ledger = open(folder);
    let who = callers();
    let began = Instant::now();
    for number in 0..count {
        ledger.hold(hold(&who, number)).expect("room");
        ledger.settle(row(&who, number)).expect("room");
        wait_for_room(&ledger);
    }
    flush(&ledger);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!(
        "durable, {KEYS} keys and {TENANTS} tenants with purses: {rate:.0} rows/s (bar: 20000), {} MiB on disk, {}",
        ledger.store().bytes().unwrap_or(0) >> 20,
        resident()
    );
}

/// At a steady rate, each exchange 50 ms long: from the queueing of a commit's oldest row to its durability.
fn paced(folder: &Path, rate: u64, milliseconds: u64) {
    const LONG: u64 = 50;
    let ledger = open(folder);
    let who = callers();
    let mut intervals = Vec::new();
    let mut commits = 0;
    let began = Instant::now();
    let per_millisecond = rate / 1_000;
    let busy = processor_time();
    for now in 0..milliseconds {
        for number in now * per_millisecond..(now + 1) * per_millisecond {
            ledger.hold(hold(&who, number)).expect("room");
            if let Some(ended) = number.checked_sub(LONG * per_millisecond) {
                ledger.settle(row(&who, ended)).expect("room");
            }
        }
        let Figures {
            commits: done,
            last_interval,
            ..
        } = ledger.figures();
        if done > commits {
            commits = done;
            intervals.push(last_interval);
        }
        let next = began + Duration::from_millis(now + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    flush(&ledger);
    let now = processor_time();
    let each = |now: Duration, before: Duration| {
        (now - before).as_secs_f64() * 1e6 / ledger.figures().rows_written as f64
    };
    intervals.sort();
    let part = |part: f64| intervals[((intervals.len() - 1) as f64 * part) as usize];
    println!(
        "{rate} rows/s: a row is written after {:.1?} at most, and durable after p50 {:.1?}, p99 {:.1?}, at most {:.1?}; {commits} records; CPU a row: {:.1} µs of the ledger's threads, {:.1} µs with its making; {}",
        ledger.figures().longest_written_after,
        part(0.5),
        part(0.99),
        ledger.figures().longest_interval,
        each(now.0, busy.0),
        each(now.1, busy.1),
        resident()
    );
}

/// After a process that was killed.
fn start(folder: &Path, count: u64) {
    let program = std::env::current_exe().expect("this program");
    let filled = Command::new(program)
        .arg("fill")
        .arg(folder)
        .arg(count.to_string())
        .status()
        .expect("this program once more");
    assert!(!filled.success(), "it ends itself as if it were killed");
    for time in ["after a kill", "once more"] {
        let began = Instant::now();
        let ledger = open(folder);
        let taken = began.elapsed();
        let began = Instant::now();
        let mut purses = 0;
        weir::ledger::totals::scan_purses(&**ledger.store(), &mut |_, _, _| {
            purses += 1;
            std::ops::ControlFlow::Continue(())
        })
        .expect("a store that can be read");
        println!(
            "start with {count} rows, {time}: {taken:.0?} (bar: 2 s), and {:.0?} to read {purses} sums of purses; {} MiB on disk, {}",
            began.elapsed(),
            ledger.store().bytes().unwrap_or(0) >> 20,
            resident()
        );
    }
    let store = Sled::open(folder, &SledSettings::default()).expect("a store");
    let began = Instant::now();
    let mut rows = 0;
    let ever = SystemTime::now() + Duration::from_secs(1_000_000);
    weir::ledger::scan_rows(&store, SystemTime::UNIX_EPOCH, ever, &mut |_| {
        rows += 1;
        std::ops::ControlFlow::Continue(())
    })
    .expect("a store that can be read");
    println!(
        "reading all {rows} rows: {:.0?}; {}",
        began.elapsed(),
        resident()
    );
}

/// Leaves everything that it may leave in the log, and exchanges that are open.
fn fill(folder: &Path, count: u64) {
    let ledger = open(folder);
    let who = callers();
    for number in 0..count {
        ledger.settle(row(&who, number)).expect("room");
        wait_for_room(&ledger);
    }
    for number in count..count + 500 {
        ledger.hold(hold(&who, number)).expect("room");
    }
    while ledger.figures().queued_items > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    eprintln!(
        "{} rows are in the log alone",
        ledger.figures().rows_unfolded
    );
    std::process::abort();
}

fn open(folder: &Path) -> Ledger {
    let folder: PathBuf = folder.into();
    let store = Sled::open(&folder, &SledSettings::default()).expect("a store");
    let mut charge = |_: &Orphan| Charged {
        cost: Money::ZERO,
        priced: false,
        charges: Vec::new(),
    };
    let clock = Arc::new(SystemTime::now);
    Ledger::open(Arc::new(store), Settings::default(), clock, &mut charge).expect("a ledger")
}

fn wait_for_room(ledger: &Ledger) {
    let is_full = || {
        let figures = ledger.figures();
        figures.queued_items > 20_000 || figures.queued_bytes > 32 << 20
    };
    while is_full() {
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn flush(ledger: &Ledger) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .expect("a runtime")
        .block_on(ledger.flush())
        .expect("what was settled is durable");
}

struct Callers {
    who: Vec<Arc<Who>>,
    budgets: Vec<Arc<str>>,
    accounts: Vec<Arc<str>>,
    model: Arc<str>,
    upstreams: Vec<Arc<str>>,
}

fn callers() -> Callers {
    let who = |key: u64| Who {
        tenant: format!("tenant-{:04}", key % TENANTS).into(),
        key_id: Some(format!("k{key:011}").into()),
        key_label: Some(format!("laptop {}", key % 7).into()),
        ..Who::default()
    };
    Callers {
        who: (0..KEYS).map(|key| Arc::new(who(key))).collect(),
        budgets: (0..KEYS)
            .map(|key| format!("key/k{key:011}").into())
            .collect(),
        accounts: (0..TENANTS)
            .map(|tenant| format!("account/tenant-{tenant:04}").into())
            .collect(),
        model: "llama-3.3-70b".into(),
        upstreams: (0..4).map(|host| format!("gpu-{host}").into()).collect(),
    }
}

/// Spreads numbers over everything evenly and without order.
fn mixed(number: u64) -> u64 {
    number
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed(number).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn hold(callers: &Callers, number: u64) -> Hold {
    let key = (mixed(number) % KEYS) as usize;
    Hold {
        id: id(number),
        at: SystemTime::now(),
        who: callers.who[key].clone(),
        dialect: "chat".into(),
        operation: "chat".into(),
        model: callers.model.clone(),
        upstream: callers.upstreams[key % 4].clone(),
        upstream_model: callers.model.clone(),
        stream: false,
        reserved: Money::from_nanos(5_000_000),
        input_estimate: 1_234,
        purses: vec![callers.budgets[key].clone()],
    }
}

fn row(callers: &Callers, number: u64) -> Row {
    let mix = mixed(number);
    let key = (mix % KEYS) as usize;
    let money = Money::from_nanos((mix % 5_000_000) as i64);
    let tokens = mix % 2_000;
    let charge = |purse: &Arc<str>| Charge {
        purse: purse.clone(),
        money,
        tokens,
    };
    Row {
        id: id(number),
        client_request_id: None,
        at: SystemTime::now(),
        who: callers.who[key].clone(),
        dialect: "chat".into(),
        operation: "chat".into(),
        model: callers.model.clone(),
        upstream: callers.upstreams[key % 4].clone(),
        upstream_model: callers.model.clone(),
        upstream_key_label: None,
        attempts: 1,
        status: 200,
        fault: None,
        stream: false,
        end: End::Complete,
        usage: Usage {
            input_uncached: mix % 8_000,
            output: tokens,
            ..Usage::default()
        },
        estimated: false,
        priced: true,
        cost: money,
        charges: vec![
            charge(&callers.budgets[key]),
            charge(&callers.accounts[key % TENANTS as usize]),
        ],
        duration_ms: 1_200,
        first_byte_ms: Some(90),
    }
}

/// Of this process, now and at most.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let megabytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        number.unwrap_or(0.0) / 1024.0
    };
    format!(
        "resident {:.1} MiB, at most {:.1}",
        megabytes("VmRSS"),
        megabytes("VmHWM")
    )
}

/// Of the threads of this process whose names begin so, and of all.
fn processor_time() -> (Duration, Duration) {
    let mut times = (Duration::ZERO, Duration::ZERO);
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    for task in tasks.flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanoseconds = read("schedstat")
            .split(' ')
            .next()
            .and_then(|time| time.parse().ok());
        let time = Duration::from_nanos(nanoseconds.unwrap_or(0));
        let name = read("comm");
        if name.starts_with("ledger-log")
            || name.starts_with("ledger-sync")
            || name.starts_with("ledger-tables")
            || name.starts_with("sled")
        {
            times.0 += time;
        }
        times.1 += time;
    }
    times
}
