//! The books through an open ledger: entries among rows, and upkeep that loses and doubles nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::ledger::accounts::{Change, Entered, Kind, Refused, balance_purse, each_line, standing};
use crate::ledger::query::sample::{at, row};
use crate::ledger::query::scope::Scope;
use crate::ledger::query::{Filter, Question, answer, page};
use crate::ledger::row::{Charge, Row, micros_of, time_of};
use crate::ledger::{Charged, Clock, Settings};
use crate::store::{Failing, Memory, Mood};
use crate::terms::Money;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// A ledger whose clock is set by hand.
struct Open {
    ledger: Ledger,
    store: Arc<Failing<Memory>>,
    now: Arc<AtomicU64>,
}

fn open() -> Open {
    let store = Arc::new(Failing::new(Memory::new()));
    let now = Arc::new(AtomicU64::new(micros_of(at("2027-01-10T08:00:00Z"))));
    let read = now.clone();
    let clock: Clock = Arc::new(move || time_of(read.load(Ordering::Relaxed)));
    let ledger = Ledger::open(store.clone(), Settings::default(), clock, &mut |_| {
        Charged {
            cost: Money::ZERO,
            priced: true,
            charges: Vec::new(),
        }
    });
    Open {
        ledger: ledger.unwrap(),
        store,
        now,
    }
}

impl Open {
    fn now(&self) -> SystemTime {
        (self.ledger.clock)()
    }

    fn wait_days(&self, days: u64) {
        self.now.fetch_add(days * 86_400_000_000, Ordering::Relaxed);
    }

    fn enter(&self, change: Change, key: Option<&str>) -> Result<Entered, EnterError> {
        let booked = block_on(self.ledger.enter(Request {
            account: "acme".into(),
            change,
            note: String::new(),
            by: "operator".into(),
            key: key.map(str::to_owned),
        }));
        booked.map(|booked| booked.entered)
    }

    fn deposit(&self, amount: i64, key: Option<&str>) -> Result<Entered, EnterError> {
        let amount = Money::from_nanos(amount);
        self.enter(Change::Deposit { amount }, key)
    }

    fn open_account(&self) {
        let change = Change::Open {
            tenant: "acme".into(),
            credit: Money::ZERO,
        };
        self.enter(change, None).unwrap();
    }

    fn settle(&self, number: u8) {
        let mut row = row(number, "acme", "2027-01-10");
        row.at = self.now();
        row.charges = vec![Charge {
            purse: balance_purse("acme").into(),
            money: row.cost,
            tokens: 0,
        }];
        self.ledger.settle(row).unwrap();
    }

    fn balance(&self) -> i64 {
        let standing = standing(&*self.store, "acme").unwrap().unwrap();
        standing.balance().nanos()
    }

    fn kinds(&self) -> Vec<Kind> {
        let account = standing(&*self.store, "acme").unwrap().unwrap().account;
        let mut kinds = Vec::new();
        let seen = Scope::Everything.see(&account).unwrap();
        each_line(&*self.store, &seen, None, None, &mut |line| {
            kinds.push(line.entry.kind);
            ControlFlow::Continue(())
        })
        .unwrap();
        kinds
    }
}

#[test]
fn an_entry_sees_all_that_was_settled_before_it() {
    let open = open();
    open.open_account();
    assert_eq!(
        open.deposit(500_000, None).unwrap().balance.nanos(),
        500_000
    );
    let mut spent = 0;
    for number in 1..=20 {
        open.settle(number);
        spent += i64::from(number) * 1_000;
    }
    let withdraw = |amount| Change::Withdraw {
        amount: Money::from_nanos(amount),
        forced: false,
    };
    let refused = open.enter(withdraw(500_001 - spent), None).unwrap_err();
    assert!(matches!(
        refused,
        EnterError::Refused(Refused::Insufficient { payable, .. }) if payable.nanos() == 500_000 - spent
    ));
    let entered = open.enter(withdraw(500_000 - spent), None).unwrap();
    assert_eq!(entered.balance, Money::ZERO);
    assert_eq!(open.balance(), 0);
}

#[test]
fn days_that_are_over_become_entries_and_the_balance_stays() {
    let open = open();
    open.open_account();
    open.deposit(1_000_000, None).unwrap();
    let mut expected = 1_000_000;
    for day in 0..6_u8 {
        open.settle(10 + day);
        expected -= i64::from(10 + day) * 1_000;
        block_on(open.ledger.flush()).unwrap();
        open.wait_days(1);
        block_on(open.ledger.close_days()).unwrap();
        // On the day that is closed, and on one that is open, more may still come.
        open.settle(3);
        expected -= 3_000;
        block_on(open.ledger.flush()).unwrap();
        assert_eq!(open.balance(), expected, "day {day}");
    }
    open.wait_days(30);
    assert_eq!(block_on(open.ledger.close_days()), Ok(1));
    assert_eq!(block_on(open.ledger.close_days()), Ok(0));
    assert_eq!(open.balance(), expected);
    let charges = open
        .kinds()
        .iter()
        .filter(|kind| **kind == Kind::Charges)
        .count();
    assert_eq!(charges, 7, "one for each day");
}

/// A row that is settled on a day whose sum was closed away must not bring the sum back.
#[test]
fn what_comes_after_closing_is_charged_once() {
    let open = open();
    open.open_account();
    open.settle(7);
    block_on(open.ledger.flush()).unwrap();
    let early = open.now();
    open.wait_days(10);
    assert_eq!(block_on(open.ledger.close_days()), Ok(1));
    open.now.store(micros_of(early), Ordering::Relaxed);
    open.settle(9);
    block_on(open.ledger.flush()).unwrap();
    assert_eq!(open.balance(), -16_000);
    open.wait_days(10);
    assert_eq!(block_on(open.ledger.close_days()), Ok(1));
    assert_eq!(open.balance(), -16_000);
    assert_eq!(open.kinds(), [Kind::Opened, Kind::Charges, Kind::Charges]);
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let open = open();
    open.open_account();
    let full = crate::store::StoreError::Full {
        path: "/somewhere".into(),
        detail: "no space".into(),
    };
    for (mood, is_written) in [
        (Mood::Lying(full.clone()), true),
        (Mood::Refusing(full), false),
    ] {
        let key = format!("written-{is_written}");
        let before = open.balance();
        open.store.set(mood);
        let failed = open.deposit(10, Some(&key));
        assert!(matches!(failed, Err(EnterError::Store(_))), "{failed:?}");
        open.store.set(Mood::Well);
        assert_eq!(open.balance() > before, is_written);
        let entered = open.deposit(10, Some(&key)).unwrap();
        assert_eq!(open.deposit(10, Some(&key)).unwrap(), entered);
        assert_eq!(open.balance(), before + 10);
    }
}

#[test]
fn subscriptions_are_renewed_and_those_who_cannot_pay_keep_nobody_waiting() {
    let open = open();
    let plan: crate::ledger::plans::Plan =
        serde_json::from_str(r#"{"id":"daily","period":"day","price":"0.00000001"}"#).unwrap();
    let plan = accounts::put_plan(&plan.check().unwrap());
    block_on(
        open.ledger
            .errand(move |_| Ok::<_, LedgerError>(((), vec![plan]))),
    )
    .unwrap();
    open.open_account();
    open.deposit(25, None).unwrap();
    let subscribe = Change::Subscribe {
        plan: Some("daily".into()),
    };
    open.enter(subscribe, None).unwrap();
    let balances = (0..4).map(|_| {
        let renewed = block_on(open.ledger.renew_due()).unwrap();
        let balance = open.balance();
        open.wait_days(1);
        (renewed.len(), balance)
    });
    // The third day cannot be paid; that it runs unpaid is written down once for each day.
    assert_eq!(
        balances.collect::<Vec<_>>(),
        [(0, 15), (1, 5), (1, 5), (1, 5)]
    );
}

#[test]
fn what_is_old_is_forgotten_while_others_settle() {
    let open = open();
    open.open_account();
    for number in 0..200_u8 {
        open.settle(number);
        block_on(open.ledger.flush()).unwrap();
        open.now.fetch_add(60_000_000, Ordering::Relaxed);
    }
    open.deposit(5, Some("old")).unwrap();
    open.wait_days(40);
    let balance = open.balance();
    for number in 200..=255_u8 {
        open.settle(number);
    }
    let retention = Retention {
        rows_days: Some(30),
        totals_days: None,
    };
    let forgotten = block_on(open.ledger.forget(retention)).unwrap();
    assert!(
        forgotten.batches >= 2 && forgotten.deleted >= 200,
        "{forgotten:?}"
    );
    let all = || Question::new(Scope::Everything, Filter::default(), Vec::new());
    let rows: Vec<Row> = page(&*open.store, &all(), None, 1_000)
        .unwrap()
        .rows
        .into_iter()
        .map(|row| row.into_inner())
        .collect();
    assert_eq!(rows.len(), 56);
    let sums = answer(&*open.store, &all(), open.now()).unwrap().groups[0].sums;
    assert_eq!(sums.exchanges, 256, "totals stay");
    let spent: i64 = (200..=255).map(|number: i64| number * 1_000).sum();
    assert_eq!(open.balance(), balance - spent);
    // The key is free again.
    assert_eq!(
        open.deposit(6, Some("old")).unwrap().entry.amount.nanos(),
        6
    );
}

#[test]
fn entries_are_made_however_much_is_settled_meanwhile() {
    let open = open();
    open.open_account();
    let has_entered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let begun = Instant::now();
            let mut number = 0_u64;
            while begun.elapsed() < Duration::from_secs(60) {
                number += 1;
                if has_entered.load(Ordering::Relaxed) {
                    return true;
                }
                // As much as it bears: a queue of minutes would only make the test one of minutes.
                if open.ledger.figures().queued_items > 2_000 {
                    std::thread::yield_now();
                    continue;
                }
                let mut row = row((number % 256) as u8, "acme", "2027-01-10");
                row.id[..8].copy_from_slice(&number.to_be_bytes());
                // What there is no room for while the machine is slow does not matter here.
                let _ = open.ledger.settle(row);
            }
            false
        });
        for _ in 0..5 {
            open.deposit(1, None).unwrap();
        }
        has_entered.store(true, Ordering::Relaxed);
        assert!(load.join().unwrap(), "they were made while rows came");
    });
    assert_eq!(open.balance(), 5);
}

#[test]
fn a_closed_ledger_does_no_errands() {
    let open = open();
    open.ledger.close(Duration::from_secs(5)).unwrap();
    let refused = open.deposit(1, None);
    assert!(
        matches!(refused, Err(EnterError::Unavailable(_))),
        "{refused:?}"
    );
}
