//! Budgets and balances: never overspent, by any order of reservations, settlements, days and clocks that go back.

use proptest::prelude::*;

use super::*;
use crate::terms::{AtEnd, Budget, Period};

const DAY: Duration = Duration::from_secs(86_400);

fn budget(amount: &str, per: &str) -> Budget {
    Budget {
        amount: money(amount),
        per: Period::parse(per).unwrap(),
        warn_at_percent: None,
        at_end: None,
    }
}

fn tenant_with(budget: Option<&Budget>, credit: Option<&str>, clock: &Clock) -> Arc<Meter> {
    let terms = Terms {
        limits: &Limits::default(),
        budget,
        credit: credit.map(money),
    };
    let subject = Subject::Tenant("acme".into());
    let meters = Meters::new(100);
    let meter = meters.meter(&subject, terms, clock.now, clock.wall);
    meter.unwrap()
}

fn spend(meter: &Arc<Meter>, amount: &str, clock: &Clock) -> Result<Vec<Crossing>, Box<Exceeded>> {
    let demand = spends(money(amount).nanos());
    let reservation = take(std::slice::from_ref(meter), demand, clock)?;
    Ok(reservation.settle(all_of(demand), clock.now))
}

#[derive(Debug, Clone)]
enum Step {
    /// Hours, forwards or back, of the wall clock alone.
    Turn(i64),
    Reserve(i64),
    /// Which, and tenths of what was reserved.
    Settle(usize, i64),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (-30..60_i64).prop_map(Step::Turn),
        1 => (-900..1_000_i64).prop_map(Step::Turn),
        6 => (0..40_i64).prop_map(Step::Reserve),
        4 => (any::<usize>(), 0..=10_i64).prop_map(|(which, tenths)| Step::Settle(which, tenths)),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

/// Names the period of a day, by chrono.
fn period_of(per: &str, day: Day) -> String {
    use chrono::Datelike;
    let date = chrono::NaiveDate::from_num_days_from_ce_opt(day + 719_163).unwrap();
    match per {
        "day" => date.to_string(),
        "week" => format!("{:?}", date.iso_week()),
        "month" => format!("{} {}", date.year(), date.month()),
        _ => "ever".to_owned(),
    }
}

/// Few enough days apart that everything is remembered.
fn check(per: &str, steps: Vec<Step>) {
    const AMOUNT: i64 = 100;
    let mut clock = Clock::new();
    let terms = Budget {
        amount: Money::from_nanos(AMOUNT),
        ..budget("1", per)
    };
    let meter = tenant_with(Some(&terms), None, &clock);
    let meters = [meter.clone()];
    // The day of admission and the amount of all that was ever spent.
    let mut spent: Vec<(Day, i64)> = Vec::new();
    let mut running: Vec<(Reservation, Day, Demand)> = Vec::new();
    let mut latest = 0;
    for step in steps {
        match step {
            Step::Turn(hours) if hours >= 0 => {
                clock.wall += Duration::from_secs(hours.unsigned_abs() * 3_600);
            }
            // Not so far back that periods are forgotten.
            Step::Turn(hours) => {
                let back = clock.wall - Duration::from_secs(hours.unsigned_abs() * 3_600);
                if per == "ever" || latest - day_of(back) <= 1 {
                    clock.wall = back;
                }
            }
            Step::Reserve(nanos) => {
                let today = day_of(clock.wall);
                latest = latest.max(today);
                let period = period_of(per, today);
                let of_period = spent
                    .iter()
                    .filter(|(day, _)| period_of(per, *day) == period);
                let used: i64 = of_period.map(|(_, nanos)| nanos).sum();
                let held: i64 = running
                    .iter()
                    .map(|(_, _, demand)| demand.spend.nanos())
                    .sum();
                let demand = spends(nanos);
                let reservation = take(&meters, demand, &clock);
                assert_eq!(
                    reservation.is_ok(),
                    nanos == 0 || used + held + nanos <= AMOUNT
                );
                running.extend(reservation.ok().map(|it| (it, today, demand)));
                let standing = meter.budget(clock.wall).unwrap();
                assert_eq!(standing.spent.nanos(), used);
            }
            Step::Settle(which, tenths) if !running.is_empty() => {
                let (reservation, day, demand) = running.swap_remove(which % running.len());
                let nanos = demand.spend.nanos() * tenths / 10;
                reservation.settle(all_of(spends(nanos)), clock.now);
                spent.push((day, nanos));
            }
            Step::Drop(which) if !running.is_empty() => {
                running.swap_remove(which % running.len());
            }
            Step::Settle(..) | Step::Drop(_) => {}
        }
    }
    running.clear();
    assert!(meter.held().is_nothing());
    assert_eq!(meter.budget(clock.wall).unwrap().held, Money::ZERO);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_day_is_overspent(steps in prop::collection::vec(step(), 1..100)) {
        check("day", steps);
    }

    #[test]
    fn no_week_is_overspent(steps in prop::collection::vec(step(), 1..100)) {
        check("week", steps);
    }

    #[test]
    fn no_month_is_overspent(steps in prop::collection::vec(step(), 1..100)) {
        check("month", steps);
    }

    #[test]
    fn what_is_for_ever_is_never_overspent(steps in prop::collection::vec(step(), 1..100)) {
        check("ever", steps);
    }
}

#[test]
fn a_rolling_budget_comes_back_day_by_day() {
    let mut clock = Clock::new();
    let meter = tenant_with(Some(&budget("10", "3d")), None, &clock);
    for amount in ["4", "3", "3"] {
        spend(&meter, amount, &clock).unwrap();
        clock.pass(DAY);
    }
    // Of the first day, nothing counts any more.
    assert_eq!(meter.budget(clock.wall).unwrap().spent, money("6"));
    let refusal = spend(&meter, "5", &clock).unwrap_err();
    assert_eq!((refusal.limit, refusal.is_money), ("budget", true));
    assert_eq!(refusal.retry_after, Some(DAY));
    spend(&meter, "4", &clock).unwrap();
    for (amount, days) in [("3", 1), ("6", 2), ("7", 3)] {
        let refusal = spend(&meter, amount, &clock).unwrap_err();
        assert_eq!(refusal.retry_after, Some(days * DAY), "{amount}");
    }
    let refusal = spend(&meter, "11", &clock).unwrap_err();
    assert_eq!(refusal.retry_after, None);
    assert_eq!(refusal.too_large.as_deref(), Some("up to 11 in money"));
}

#[test]
fn a_refusal_tells_when_the_period_ends() {
    let mut clock = Clock::new();
    clock.wall += Duration::from_secs(3_600);
    for (per, ends) in [
        ("day", Some(23)),
        ("week", Some(23 + 2 * 24)),
        ("month", Some(23 + 27 * 24)),
        ("ever", None),
    ] {
        let meter = tenant_with(Some(&budget("1", per)), None, &clock);
        spend(&meter, "0.9", &clock).unwrap();
        let refusal = spend(&meter, "0.2", &clock).unwrap_err();
        let ends = ends.map(|hours| Duration::from_secs(hours * 3_600));
        assert_eq!(refusal.retry_after, ends, "{per}");
        assert_eq!(
            (refusal.scope, refusal.subject.as_str()),
            ("tenant", "acme")
        );
        if let Some(ends) = ends {
            let mut later = clock;
            later.pass(ends - Duration::from_nanos(1));
            spend(&meter, "0.2", &later).unwrap_err();
            later.pass(Duration::from_nanos(1));
            spend(&meter, "0.2", &later).unwrap();
        }
    }
}

#[test]
fn a_clock_that_steps_back_over_midnight_forgets_neither_day() {
    let mut clock = Clock::new();
    let meter = tenant_with(Some(&budget("10", "day")), None, &clock);
    clock.wall += DAY - Duration::from_secs(1);
    spend(&meter, "9", &clock).unwrap();
    clock.wall += Duration::from_secs(2);
    spend(&meter, "8", &clock).unwrap();
    clock.wall -= Duration::from_secs(2);
    spend(&meter, "2", &clock).unwrap_err();
    spend(&meter, "1", &clock).unwrap();
    clock.wall += Duration::from_secs(2);
    spend(&meter, "3", &clock).unwrap_err();
    spend(&meter, "2", &clock).unwrap();
}

#[test]
fn an_exchange_is_charged_to_the_period_in_which_it_began() {
    let mut clock = Clock::new();
    clock.wall += DAY - Duration::from_secs(1);
    let meter = tenant_with(Some(&budget("10", "day")), None, &clock);
    let demand = spends(money("8").nanos());
    let reservation = take(std::slice::from_ref(&meter), demand, &clock).unwrap();
    clock.pass(Duration::from_secs(2));
    // Until it is settled nobody knows that it is of yesterday alone.
    spend(&meter, "3", &clock).unwrap_err();
    reservation.settle(all_of(demand), clock.now);
    assert_eq!(meter.budget(clock.wall).unwrap().spent, Money::ZERO);
    spend(&meter, "10", &clock).unwrap();
}

#[test]
fn a_balance_is_spent_to_its_credit_and_no_further() {
    let clock = Clock::new();
    let meter = tenant_with(None, Some("2"), &clock);
    assert!(meter.load_balance(money("5")));
    spend(&meter, "6.5", &clock).unwrap();
    let refusal = spend(&meter, "0.500000001", &clock).unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), ("balance", None));
    assert!(refusal.is_money && refusal.too_large.is_none());
    spend(&meter, "0.5", &clock).unwrap();
    spend(&meter, "0.000000001", &clock).unwrap_err();
    // What costs nothing goes on.
    spend(&meter, "0", &clock).unwrap();
    assert!(meter.deposit(money("1")) && meter.deposit(money("-0.25")));
    spend(&meter, "0.75", &clock).unwrap();
    spend(&meter, "0.000000001", &clock).unwrap_err();
    assert_eq!(meter.balance().unwrap().balance, money("-2"));
    assert!(!meter.load_budget(&[], clock.wall));
}

#[test]
fn what_an_exchange_used_beyond_its_reservation_is_a_debt() {
    let clock = Clock::new();
    let meter = tenant_with(Some(&budget("10", "day")), Some("0"), &clock);
    meter.load_balance(money("10"));
    let reservation = take(std::slice::from_ref(&meter), spends(1), &clock).unwrap();
    reservation.settle(all_of(spends(money("12").nanos())), clock.now);
    assert_eq!(meter.balance().unwrap().balance, money("-2"));
    spend(&meter, "0.000000001", &clock).unwrap_err();
    meter.deposit(money("3"));
    assert_eq!(spend(&meter, "1", &clock).unwrap_err().limit, "budget");
}

#[test]
fn a_threshold_is_told_once_a_period() {
    let mut clock = Clock::new();
    let terms = Budget {
        warn_at_percent: Some(80),
        ..budget("10", "day")
    };
    let meter = tenant_with(Some(&terms), None, &clock);
    assert!(spend(&meter, "7.999999999", &clock).unwrap().is_empty());
    let told = spend(&meter, "0.000000001", &clock).unwrap();
    let expected = Crossing {
        scope: "tenant",
        subject: "acme".into(),
        percent: 80,
        spent: money("8"),
        amount: money("10"),
        ends: Some(clock.wall + DAY),
    };
    assert_eq!(told, [expected]);
    assert!(spend(&meter, "1", &clock).unwrap().is_empty());
    assert!(meter.budget(clock.wall).unwrap().is_warning);
    clock.pass(DAY);
    assert!(!meter.budget(clock.wall).unwrap().is_warning);
    assert_eq!(spend(&meter, "9", &clock).unwrap().len(), 1);
    // After a start, what had been told is not told again.
    meter.load_budget(&[(day_of(clock.wall), money("9"))], clock.wall);
    assert!(spend(&meter, "0.5", &clock).unwrap().is_empty());
}

#[test]
fn what_the_ledger_knows_is_spent_by_its_days() {
    let clock = Clock::new();
    let today = day_of(clock.wall);
    let spent = [
        (today - 40, money("100")),
        (today - 2, money("4")),
        (today, money("3")),
    ];
    for (per, expected) in [
        ("day", "3"),
        ("week", "7"),
        ("month", "7"),
        ("2d", "3"),
        ("3d", "7"),
        ("ever", "107"),
    ] {
        let meter = tenant_with(Some(&budget("200", per)), None, &clock);
        assert!(meter.load_budget(&spent, clock.wall));
        assert_eq!(
            meter.budget(clock.wall).unwrap().spent,
            money(expected),
            "{per}"
        );
    }
}

#[test]
fn a_spent_budget_names_the_model_that_answers_instead() {
    let clock = Clock::new();
    let terms = Budget {
        at_end: Some(AtEnd::Downgrade("small".into())),
        ..budget("1", "month")
    };
    let meter = tenant_with(Some(&terms), Some("0"), &clock);
    meter.load_balance(money("100"));
    spend(&meter, "1", &clock).unwrap();
    let refusal = spend(&meter, "0.5", &clock).unwrap_err();
    assert_eq!(refusal.downgrade.as_deref(), Some("small"));
    let demand = Demand {
        is_downgraded: true,
        ..spends(money("0.5").nanos())
    };
    let reservation = take(std::slice::from_ref(&meter), demand, &clock).unwrap();
    let charged: Vec<_> = reservation.charged().collect();
    assert_eq!(charged, [("tenant/acme", "balance")]);
    reservation.settle(all_of(demand), clock.now);
    assert_eq!(meter.budget(clock.wall).unwrap().spent, money("1"));
    assert_eq!(meter.balance().unwrap().balance, money("98.5"));
}

#[test]
fn terms_that_change_keep_what_was_spent_and_held() {
    let clock = Clock::new();
    let meter = tenant_with(Some(&budget("10", "day")), None, &clock);
    let demand = spends(money("3").nanos());
    let reservation = take(std::slice::from_ref(&meter), demand, &clock).unwrap();
    spend(&meter, "4", &clock).unwrap();
    let set = |budget: Option<&Budget>| {
        let limits = Limits::default();
        let terms = Terms {
            limits: &limits,
            budget,
            credit: None,
        };
        meter.set(terms, clock.now, clock.wall);
    };
    set(Some(&budget("5", "day")));
    spend(&meter, "0.1", &clock).unwrap_err();
    set(None);
    spend(&meter, "1000", &clock).unwrap();
    reservation.settle(all_of(demand), clock.now);
    set(Some(&budget("8", "month")));
    assert_eq!(meter.budget(clock.wall).unwrap().spent, money("7"));
    spend(&meter, "1.1", &clock).unwrap_err();
    spend(&meter, "1", &clock).unwrap();
}
