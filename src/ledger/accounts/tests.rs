//! The books under any order of entries, charges and days: balances are the sums of what made them.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::ledger::query::scope::Scope;
use crate::ledger::row::Charge;
use crate::ledger::totals::{PurseSum, day_of, purse_key};
use crate::store::Memory;

fn money(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

fn at(text: &str) -> SystemTime {
    moment::parse(text).unwrap()
}

fn request(change: Change, key: Option<&str>) -> Request {
    Request {
        account: "acme".into(),
        change,
        note: String::new(),
        by: "operator".into(),
        key: key.map(str::to_owned),
    }
}

/// Books in memory, used as the writer uses them.
struct Books {
    store: Memory,
    now: SystemTime,
}

impl Books {
    fn open(credit: i64) -> Books {
        let books = Books {
            store: Memory::new(),
            now: at("2027-01-10T08:00:00Z"),
        };
        let change = Change::Open {
            tenant: "acme".into(),
            credit: money(credit),
        };
        books.enter(&request(change, None)).unwrap();
        books
    }

    fn enter(&self, request: &Request) -> Result<Entered, EnterError> {
        let outcome = enter(&self.store, request, self.now)?;
        self.store.commit(outcome.writes)?;
        Ok(outcome.entered)
    }

    fn refused(&self, change: Change) -> Refused {
        match self.enter(&request(change, None)) {
            Err(EnterError::Refused(refused)) => refused,
            other => panic!("it is not refused: {other:?}"),
        }
    }

    /// As the writer adds a row's charge to its day.
    fn charge(&self, purse: &str, amount: i64, tokens: u64) {
        let day = day_of(self.now);
        let mut sum = PurseSum::default();
        totals::scan_purse(&self.store, purse, &mut |of, kept| {
            if of == day {
                sum = kept;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        sum.add(&Charge {
            purse: purse.into(),
            money: money(amount),
            tokens,
        });
        let key = purse_key(purse, day);
        let write = Write::put(Table::Totals, key, sum.encoded());
        self.store.commit(vec![write]).unwrap();
    }

    fn standing(&self) -> Standing {
        standing(&self.store, "acme").unwrap().unwrap()
    }

    fn lines(&self) -> Vec<Line> {
        let account = self.standing().account;
        let seen = Scope::Everything.see(&account).unwrap();
        let mut lines = Vec::new();
        each_line(&self.store, &seen, None, None, &mut |line| {
            lines.push(line);
            ControlFlow::Continue(())
        })
        .unwrap();
        lines
    }
}

#[test]
fn entries_move_the_balance_and_withdrawals_stop_at_the_credit() {
    let books = Books::open(50);
    let deposit = Change::Deposit { amount: money(100) };
    assert_eq!(
        books.enter(&request(deposit, None)).unwrap().balance,
        money(100)
    );
    books.charge(&balance_purse("acme"), 30, 0);
    let withdraw = |amount, forced| Change::Withdraw {
        amount: money(amount),
        forced,
    };
    assert_eq!(
        books.refused(withdraw(121, false)),
        Refused::Insufficient {
            amount: money(121),
            payable: money(120)
        }
    );
    let entered = books.enter(&request(withdraw(120, false), None)).unwrap();
    assert_eq!((entered.balance, entered.entry.forced), (money(-50), false));
    let entered = books.enter(&request(withdraw(5, true), None)).unwrap();
    assert_eq!((entered.balance, entered.entry.forced), (money(-55), true));
    let standing = books.standing();
    assert_eq!(
        (standing.debt(), standing.payable()),
        (money(55), money(-5))
    );
    let credit = Change::Credit { credit: money(60) };
    books.enter(&request(credit, None)).unwrap();
    assert_eq!(books.standing().payable(), money(5));
    let correct = Change::Correct { amount: money(-7) };
    assert_eq!(
        books.enter(&request(correct, None)).unwrap().balance,
        money(-62)
    );
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let books = Books::open(0);
    let before = books.standing();
    let refusals = [
        Change::Deposit { amount: money(0) },
        Change::Deposit { amount: money(-1) },
        Change::Withdraw {
            amount: money(1),
            forced: false,
        },
        Change::Credit { credit: money(-1) },
        Change::Correct { amount: money(0) },
        Change::Subscribe {
            plan: Some("none".into()),
        },
        Change::Open {
            tenant: "acme".into(),
            credit: money(0),
        },
    ];
    for change in refusals {
        books.refused(change);
    }
    let nobody = Request {
        account: "nobody".into(),
        ..request(Change::Deposit { amount: money(1) }, None)
    };
    assert_eq!(
        books.enter(&nobody),
        Err(Refused::NoAccount("nobody".into()).into())
    );
    assert_eq!(books.standing(), before);
    books
        .enter(&request(Change::Deposit { amount: Money::MAX }, None))
        .unwrap();
    assert_eq!(
        books.refused(Change::Deposit { amount: money(1) }),
        Refused::OutOfRange
    );
}

#[test]
fn a_key_does_its_request_once_and_no_other() {
    let mut books = Books::open(0);
    let deposit = |amount| Change::Deposit {
        amount: money(amount),
    };
    let first = books.enter(&request(deposit(10), Some("k1"))).unwrap();
    books.now += Duration::from_secs(60);
    books.enter(&request(deposit(1), None)).unwrap();
    assert_eq!(
        books.enter(&request(deposit(10), Some("k1"))).unwrap(),
        first,
        "the same answer, though the balance has changed"
    );
    assert_eq!(books.standing().balance(), money(11));
    assert_eq!(
        books.enter(&request(deposit(11), Some("k1"))),
        Err(Refused::KeyConflict("k1".into()).into())
    );
    books.enter(&request(deposit(10), Some("k2"))).unwrap();
    // A key of one account is none of another.
    let other = Request {
        account: "other".into(),
        ..request(
            Change::Open {
                tenant: "other".into(),
                credit: money(0),
            },
            Some("k1"),
        )
    };
    books.enter(&other).unwrap();
    assert_eq!(keyed::count(&books.store).unwrap(), 3);
}

#[test]
fn keys_are_forgotten_after_their_days_and_not_before() {
    let mut books = Books::open(0);
    let deposit = request(Change::Deposit { amount: money(10) }, Some("k1"));
    books.enter(&deposit).unwrap();
    let day = Duration::from_secs(86_400);
    let sweep_all = |books: &Books| {
        let (found, writes) = sweep(&books.store, books.now, 10).unwrap();
        books.store.commit(writes).unwrap();
        found
    };
    books.now += day * 30;
    assert_eq!(sweep_all(&books), 0);
    books.enter(&deposit).unwrap();
    assert_eq!(books.standing().balance(), money(10));
    books.now += Duration::from_secs(1);
    assert_eq!(sweep_all(&books), 1);
    assert_eq!(
        (sweep_all(&books), keyed::count(&books.store).unwrap()),
        (0, 0)
    );
    books.enter(&deposit).unwrap();
    assert_eq!(
        books.standing().balance(),
        money(20),
        "it is a new request now"
    );
}

#[test]
fn while_too_many_keys_are_kept_no_new_one_is_taken() {
    let books = Books::open(0);
    let write = Write::put(
        Table::Meta,
        &b"account_entry_keys"[..],
        KEYS_MAX.to_be_bytes(),
    );
    books.store.commit(vec![write]).unwrap();
    let deposit = |key| request(Change::Deposit { amount: money(10) }, key);
    assert_eq!(
        books.enter(&deposit(Some("k1"))),
        Err(Refused::TooManyKeys.into())
    );
    books.enter(&deposit(None)).unwrap();
}

#[test]
fn a_subscription_is_paid_when_it_begins_or_as_soon_as_it_can_be() {
    let mut books = Books::open(0);
    let plan: Plan = serde_json::from_str(
        r#"{"id":"basic","period":"month","included_tokens":1000,"price":"0.00000002"}"#,
    )
    .unwrap();
    let plan = plan.check().unwrap();
    books.store.commit(vec![put_plan(&plan)]).unwrap();
    let due_now = |books: &Books| {
        let mut found = Vec::new();
        due(&books.store, "", books.now, &mut |id| {
            found.push(id.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    };
    let subscribe = Change::Subscribe {
        plan: Some("basic".into()),
    };
    books.enter(&request(subscribe, None)).unwrap();
    let term = |books: &Books| books.standing().account.subscription.unwrap().term.unwrap();
    assert!(!term(&books).paid, "there is nothing to pay it with");
    assert_eq!(due_now(&books), ["acme"]);
    books
        .enter(&request(Change::Deposit { amount: money(50) }, None))
        .unwrap();
    assert!(term(&books).paid);
    assert_eq!(books.standing().balance(), money(30));
    assert!(due_now(&books).is_empty());
    books.charge(&plan_purse("acme", term(&books).begins), 5, 400);
    let used = books.standing().used;
    assert_eq!((used.tokens, used.money), (400, money(5)));
    assert_eq!(books.standing().balance(), money(30), "the plan has paid");

    books.now = at("2027-02-03T00:00:00Z");
    assert_eq!(due_now(&books), ["acme"]);
    for _ in 0..2 {
        let writes = renew(&books.store, "acme", books.now).unwrap();
        books.store.commit(writes).unwrap();
        assert_eq!(books.standing().balance(), money(10), "it is paid once");
    }
    assert_eq!(books.standing().used, Used::default());
    let kinds: Vec<Kind> = books.lines().iter().map(|line| line.entry.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Opened,
            Kind::Subscription,
            Kind::Deposit,
            Kind::PlanPrice,
            Kind::PlanPrice
        ]
    );
}

#[test]
fn a_statement_is_read_in_pages_with_the_balance_after_each_line() {
    let mut books = Books::open(0);
    let purse = balance_purse("acme");
    for amount in 1..=5 {
        let deposit = Change::Deposit {
            amount: money(amount * 100),
        };
        books.enter(&request(deposit, None)).unwrap();
        books.charge(&purse, amount, 0);
        books.now += Duration::from_secs(86_400);
    }
    let writes = close(&books.store, "acme", books.now).unwrap();
    books.store.commit(writes).unwrap();
    let all = books.lines();
    let balances: Vec<i64> = all.iter().map(|line| line.balance.nanos()).collect();
    assert_eq!(
        balances,
        [0, 100, 99, 299, 297, 597, 594, 994, 990, 1490, 1485]
    );
    let open = all.iter().filter(|line| line.entry.number == 0).count();
    assert_eq!(open, 2, "the last days are open");

    let account = books.standing().account;
    let seen = Scope::Tenant("acme".into());
    let seen = seen.see(&account).unwrap();
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = statement(&books.store, &seen, None, None, after, 3).unwrap();
        paged.extend(page.lines);
        let Some(next) = page.next else { break };
        after = Some(Cursor::parse(&next.text()).unwrap());
    }
    assert_eq!(paged, all);
    let (from, to) = (Some(at("2027-01-11")), Some(at("2027-01-12")));
    let page = statement(&books.store, &seen, from, to, None, 100).unwrap();
    let balances: Vec<i64> = page.lines.iter().map(|line| line.balance.nanos()).collect();
    assert_eq!(balances, [299, 297]);
    for bad in ["", "xyz", &"0".repeat(31), &"+".repeat(32)] {
        assert!(Cursor::parse(bad).is_err(), "{bad}");
    }
}

/// What may happen to an account.
#[derive(Debug, Clone)]
enum Event {
    Deposit(i64, Option<u8>),
    Withdraw(i64, bool),
    Correct(i64),
    Credit(i64),
    Charge(i64),
    Wait(u64),
    Close,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let amount = 1_i64..1_000;
    let event = prop_oneof![
        (amount.clone(), proptest::option::of(0_u8..4))
            .prop_map(|(amount, key)| Event::Deposit(amount, key)),
        (amount.clone(), any::<bool>())
            .prop_map(|(amount, forced)| Event::Withdraw(amount, forced)),
        (-1_000_i64..1_000).prop_map(Event::Correct),
        (0_i64..1_000).prop_map(Event::Credit),
        amount.prop_map(Event::Charge),
        (0_u64..3 * 86_400).prop_map(Event::Wait),
        Just(Event::Close),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    #[test]
    fn the_balance_is_the_sum_of_entries_and_charges(events in events()) {
        let mut books = Books::open(0);
        let mut expected = 0_i64;
        for event in events {
            let change = match event.clone() {
                Event::Deposit(amount, _) => Change::Deposit { amount: money(amount) },
                Event::Withdraw(amount, forced) => Change::Withdraw { amount: money(amount), forced },
                Event::Correct(amount) => Change::Correct { amount: money(amount) },
                Event::Credit(credit) => Change::Credit { credit: money(credit) },
                Event::Charge(amount) => {
                    books.charge(&balance_purse("acme"), amount, 0);
                    expected -= amount;
                    continue;
                }
                Event::Wait(seconds) => {
                    books.now += Duration::from_secs(seconds);
                    continue;
                }
                Event::Close => {
                    let writes = close(&books.store, "acme", books.now).unwrap();
                    books.store.commit(writes).unwrap();
                    continue;
                }
            };
            let key = match &event {
                Event::Deposit(_, Some(key)) => Some(format!("k{key}")),
                _ => None,
            };
            let before = books.standing();
            let outcome = enter(&books.store, &request(change, key.as_deref()), books.now);
            let Ok(outcome) = outcome else {
                prop_assert_eq!(books.standing(), before, "what is refused changes nothing");
                continue;
            };
            // A batch that is tried again changes nothing.
            let is_new = !outcome.writes.is_empty();
            books.store.commit(outcome.writes.clone()).unwrap();
            books.store.commit(outcome.writes).unwrap();
            if is_new {
                expected += outcome.entered.entry.amount.nanos();
                prop_assert_eq!(outcome.entered.balance, money(expected));
            }
            if let Event::Withdraw(_, false) = event {
                prop_assert!(!books.standing().payable().is_negative());
            }
        }
        prop_assert_eq!(books.standing().balance(), money(expected));
        let lines = books.lines();
        prop_assert_eq!(lines.last().unwrap().balance, money(expected));
        prop_assert!(lines.is_sorted_by_key(|line| line.entry.at));
    }
}
