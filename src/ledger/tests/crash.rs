//! A process that is killed at any moment: what it was told to be durable is there, once; sums are those of the rows; what it held is settled.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::store::tests::Folder;

/// This test in another process: that one works until it is killed.
const CHILD: &str = "WEIR_LEDGER_CRASH_CHILD";
const KILLS: u64 = 60;
const ROUND: u64 = 1_000_000;

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_doubled() {
    if let Ok(told) = std::env::var(CHILD) {
        let (round, path) = told.split_once(' ').unwrap();
        work(Path::new(path), round.parse().unwrap());
    }
    let folder = Folder::new();
    let (mut held, mut settled) = (BTreeSet::new(), BTreeSet::new());
    let mut orphans = 0;
    let mut round = 0;
    // On a busy machine children get less done.
    while round < KILLS || settled.len() < 100 || orphans < 50 {
        round += 1;
        assert!(
            round < 10 * KILLS,
            "{} settled, {orphans} orphaned",
            settled.len()
        );
        // From before the store is open to well into the work.
        let life = Duration::from_micros(500 + chance() % 150_000);
        run_and_kill(&folder.0, round, life, &mut held, &mut settled);
        let store = Arc::new(crate::store::tests::open(&folder.0));
        drop(open(store.clone(), Settings::default()));
        let rows = checked_rows(&*store);
        let lost: Vec<u64> = settled
            .iter()
            .filter(|number| rows.get(number).is_none_or(|row| row.end != End::Complete))
            .copied()
            .collect();
        assert!(lost.is_empty(), "round {round}: settled and lost: {lost:?}");
        let unsettled: Vec<&u64> = held
            .iter()
            .filter(|held| !rows.contains_key(held))
            .collect();
        assert!(
            unsettled.is_empty(),
            "round {round}: held and lost: {unsettled:?}"
        );
        orphans = rows.values().filter(|row| row.end == End::Orphaned).count();
    }
}

/// Another number each time.
fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

fn run_and_kill(
    path: &Path,
    round: u64,
    life: Duration,
    held: &mut BTreeSet<u64>,
    settled: &mut BTreeSet<u64>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("ledger::tests::crash::killed_at_any_moment_nothing_is_lost_and_nothing_doubled")
        .env(CHILD, format!("{round} {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_begun = lines.any(|line| line.unwrap() == "begun 0");
    assert!(is_begun, "the child has not come to its work");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(life);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    // What it said before it was dead counts: the lines are read to their end.
    for line in lines {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("held", number)) => held.insert(number.parse().unwrap()),
            Some(("settled", number)) => settled.insert(number.parse().unwrap()),
            _ => panic!("the child says {line:?}"),
        };
    }
    killer.join().unwrap();
}

/// Holds, notes and settles without end, and says what has become durable. One exchange in five is never settled.
fn work(path: &Path, round: u64) -> ! {
    // The harness has begun a line.
    println!();
    say("begun", 0);
    let store = Arc::new(crate::store::tests::open(path));
    let settings = Settings {
        fold_rows: 40,
        ..Settings::default()
    };
    let ledger = Arc::new(open(store, settings));
    let beside = ledger.clone();
    std::thread::spawn(move || {
        // Others settle meanwhile, and wait for nothing.
        for number in (round * ROUND + ROUND / 2).. {
            beside.hold(hold(number)).unwrap();
            std::thread::sleep(Duration::from_micros(300));
            beside.settle(row(number)).unwrap();
        }
    });
    for first in (round * ROUND..).step_by(10) {
        let numbers = first..first + 10;
        for number in numbers.clone() {
            ledger.hold(hold(number)).unwrap();
        }
        flushed(&ledger).unwrap();
        numbers.clone().for_each(|number| say("held", number));
        for number in numbers.clone() {
            ledger.progress(id(number), number % 50);
        }
        let done = || numbers.clone().filter(|number| number % 5 != 0);
        for number in done() {
            ledger.settle(row(number)).unwrap();
        }
        flushed(&ledger).unwrap();
        done().for_each(|number| say("settled", number));
    }
    unreachable!("numbers do not end")
}

fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").unwrap();
    out.flush().unwrap();
}
