//! What is left of tenants' plans, as the process that serves keeps it: taken before an exchange goes up, and divided between plan and
//! balance when it ends. It must not know how a balance is kept.
//!
//! What is taken is promised: it is no other exchange's to use, so that who was let in is paid for. A period that ends gives way to the
//! next one here at once where that costs nothing, and otherwise once the ledger has it paid.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};

use crate::config::{self, Config, PlanOrder};
use crate::ledger::accounts::{self, Agreed, Standing};
use crate::ledger::plans::{
    Charge, Offer, Order, Plan, Split, Subscription, Term, Used, period_of, split,
};
use crate::ledger::{self, LedgerError, Moved};
use crate::limit::Subject;
use crate::store::StoreError;
use crate::terms::Money;

use super::{Accounting, Books};

/// Tenants whose records are looked at together.
const PAGE: usize = 1000;

/// The plans that tenants have subscribed to, by tenant.
#[derive(Default)]
pub struct Plans(RwLock<HashMap<Box<str>, Arc<Mutex<Running>>>>);

/// A plan, and what of its running period is used and taken.
struct Running {
    tenant: Box<str>,
    offer: Arc<Offer>,
    since: SystemTime,
    term: Option<Term>,
    used: Used,
    /// By exchanges that run.
    taken: Used,
}

/// What is left of a plan, for those who want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStanding {
    pub plan: String,
    pub begins: SystemTime,
    /// `None`: it lasts for ever.
    pub ends: Option<SystemTime>,
    pub is_paid: bool,
    pub included_tokens: Option<u64>,
    pub included_money: Option<Money>,
    pub used: Used,
}

/// What was taken of a plan for one exchange. Dropped, it goes back.
pub struct Taken {
    plan: Arc<Mutex<Running>>,
    amount: Used,
    /// What of the exchange's cost it covers.
    pub covered: Money,
    /// Where it is charged to, as of now.
    pub purse: Arc<str>,
}

/// What a plan has paid of an exchange.
pub struct Share {
    pub split: Split,
    pub purse: Arc<str>,
}

impl Plans {
    /// Takes from the plan of a tenant what it has for such an exchange; nothing where it has no plan, or the plan has nothing for it.
    pub fn take(&self, tenant: &str, charge: Charge<'_>, now: SystemTime) -> Option<Taken> {
        let plan = self.find(tenant)?;
        let mut running = plan.lock();
        running.turn_to(now);
        // Who pays first is decided when it ends: until then it is enough that both together can pay.
        let split = running.split(Money::ZERO, charge);
        let amount = Used {
            tokens: split.tokens,
            money: split.by_money,
        };
        if amount == Used::default() {
            return None;
        }
        running.taken.tokens += amount.tokens;
        running.taken.money += amount.money;
        let purse = running.purse();
        drop(running);
        Some(Taken {
            plan,
            amount,
            covered: split.by_tokens + split.by_money,
            purse,
        })
    }

    /// How the plan of a tenant stands.
    pub fn standing(&self, tenant: &str, now: SystemTime) -> Option<PlanStanding> {
        let plan = self.find(tenant)?;
        let mut running = plan.lock();
        running.turn_to(now);
        let offer = &running.offer;
        let (begins, ends) = period_of(offer.period, running.since, now);
        Some(PlanStanding {
            plan: offer.id.clone(),
            begins,
            ends,
            is_paid: running.is_paid(),
            included_tokens: offer.included_tokens,
            included_money: offer.included_money,
            used: running.used,
        })
    }

    /// When the first of the running periods ends.
    pub fn soonest_end(&self, now: SystemTime) -> Option<SystemTime> {
        let plans: Vec<_> = self.0.read().values().cloned().collect();
        let ends = plans.iter().filter_map(|plan| {
            let running = plan.lock();
            period_of(running.offer.period, running.since, now).1
        });
        ends.min()
    }

    fn find(&self, tenant: &str) -> Option<Arc<Mutex<Running>>> {
        self.0.read().get(tenant).cloned()
    }

    /// What the ledger knows of a subscription, in the place of what is known here; what runs goes on.
    fn put(&self, standing: &Standing, subscription: &Subscription, offer: Offer) {
        let mut plans = self.0.write();
        let tenant = standing.account.tenant.as_str();
        let known = plans.entry(tenant.into()).or_insert_with(|| {
            let offer = Arc::new(offer.clone());
            Arc::new(Mutex::new(Running::new(tenant, offer, subscription.since)))
        });
        let mut running = known.lock();
        let begins = |term: Option<Term>| term.map(|term| term.begins);
        let is_same = running.since == subscription.since && running.offer.id == offer.id;
        // What has been charged since the ledger was read is known here alone.
        if !is_same || begins(running.term) < begins(subscription.term) {
            running.used = standing.used;
        }
        if !is_same || begins(running.term) <= begins(subscription.term) {
            running.term = subscription.term;
        }
        running.since = subscription.since;
        running.offer = Arc::new(offer);
    }

    /// The plans of tenants where nothing outlives the process: they begin with it.
    fn set_unkept(&self, agreed: &[Agreed], offers: &[Offer], now: SystemTime) {
        let mut plans = self.0.write();
        let mut before = std::mem::take(&mut *plans);
        for agreed in agreed {
            let tenant = agreed.tenant.as_str();
            let offer = offers
                .iter()
                .find(|offer| agreed.plan.as_deref() == Some(offer.id.as_str()));
            let Some(offer) = offer.cloned().map(Arc::new) else {
                continue;
            };
            let known = before.remove(tenant);
            let known = known.filter(|known| known.lock().offer.id == offer.id);
            let known = match known {
                Some(known) => {
                    known.lock().offer = offer;
                    known
                }
                None => Arc::new(Mutex::new(Running::new(tenant, offer, now))),
            };
            plans.insert(tenant.into(), known);
        }
    }

    fn retain(&self, tenants: &[String]) {
        let tenants: HashSet<&str> = tenants.iter().map(String::as_str).collect();
        self.0
            .write()
            .retain(|tenant, _| tenants.contains(&**tenant));
    }

    fn subscribers(&self, plan: &str) -> Vec<Box<str>> {
        let plans = self.0.read();
        let subscribed = plans
            .iter()
            .filter(|(_, running)| running.lock().offer.id == plan);
        subscribed.map(|(tenant, _)| tenant.clone()).collect()
    }

    fn remove(&self, tenant: &str) {
        self.0.write().remove(tenant);
    }
}

impl Running {
    fn new(tenant: &str, offer: Arc<Offer>, since: SystemTime) -> Running {
        Running {
            tenant: tenant.into(),
            offer,
            since,
            term: None,
            used: Used::default(),
            taken: Used::default(),
        }
    }

    /// Begins the period that runs now, where that is a new one: paid for, where it costs nothing.
    fn turn_to(&mut self, now: SystemTime) {
        let (begins, _) = period_of(self.offer.period, self.since, now);
        if self.term.is_some_and(|term| term.begins >= begins) {
            return;
        }
        self.term = Some(Term {
            begins,
            paid: self.offer.price == Money::ZERO,
        });
        self.used = Used::default();
    }

    fn is_paid(&self) -> bool {
        self.term.is_some_and(|term| term.paid)
    }

    /// Divides a charge, without what others have taken.
    fn split(&self, balance: Money, charge: Charge<'_>) -> Split {
        let gone = Used {
            tokens: self.used.tokens.saturating_add(self.taken.tokens),
            money: self.used.money + self.taken.money,
        };
        split(&self.offer, self.is_paid(), gone, balance, charge)
    }

    fn purse(&self) -> Arc<str> {
        let begins = self.term.map_or(self.since, |term| term.begins);
        accounts::plan_purse(&self.tenant, begins).into()
    }
}

impl Taken {
    /// Divides what an exchange has cost; `balance` is what no other exchange has of it. `pay` is told what the plan has paid, before anybody else may ask.
    pub fn settle<T>(
        mut self,
        charge: Charge<'_>,
        now: SystemTime,
        balance: impl FnOnce() -> Money,
        pay: impl FnOnce(&Share) -> T,
    ) -> T {
        let plan = self.plan.clone();
        let mut running = plan.lock();
        running.turn_to(now);
        self.give_back(&mut running);
        let balance = match running.offer.order {
            Order::PlanFirst => Money::ZERO,
            Order::BalanceFirst => balance(),
        };
        let split = running.split(balance, charge);
        running.used.tokens += split.tokens;
        running.used.money += split.by_money;
        let purse = running.purse();
        pay(&Share { split, purse })
    }

    fn give_back(&mut self, running: &mut Running) {
        let Used { tokens, money } = std::mem::take(&mut self.amount);
        running.taken.tokens = running.taken.tokens.saturating_sub(tokens);
        running.taken.money -= money;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.amount != Used::default() {
            let plan = self.plan.clone();
            self.give_back(&mut plan.lock());
        }
    }
}

impl Accounting {
    /// Has accounts follow the plans of tenants' records, and reads how they stand.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub(super) fn load_plans(&self, config: &Config) -> Result<(), String> {
        let offers = config
            .plans
            .iter()
            .map(|(id, plan)| plan_of(id, plan).check());
        let offers = offers
            .collect::<Result<Vec<Offer>, Vec<String>>>()
            .map_err(|problems| problems.join("; "))?;
        let mut agreed = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let tenants = self.directory.tenants(after.as_deref(), PAGE);
            agreed.extend(tenants.iter().map(|tenant| agreed_with(&tenant.record)));
            match tenants.last() {
                Some(last) if tenants.len() == PAGE => after = Some(last.record.id.clone()),
                _ => break,
            }
        }
        let Some(books) = &self.books else {
            self.plans.set_unkept(&agreed, &offers, SystemTime::now());
            return Ok(());
        };
        let told = |error: StoreError| format!("store: {error}");
        let writes = accounts::put_configured_plans(&*books.store, &offers).map_err(told)?;
        if !writes.is_empty() {
            books.store.commit(writes).map_err(told)?;
        }
        self.follow(books, agreed)?;
        books.catch_up();
        let mut subscribed: Vec<String> = Vec::new();
        accounts::each_account(&*books.store, &mut |account| {
            subscribed.extend(account.subscription.is_some().then_some(account.id));
            std::ops::ControlFlow::Continue(())
        })
        .map_err(told)?;
        self.plans.retain(&subscribed);
        let mut subscribed = subscribed.iter();
        let read = subscribed.try_for_each(|tenant| self.read_plan(books, tenant));
        read.map_err(told)
    }

    /// Has the account of a tenant follow its record.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub(super) fn follow_plan(&self, agreed: Agreed) -> Result<(), String> {
        let Some(books) = &self.books else {
            return Ok(());
        };
        let told = |error: StoreError| format!("store: {error}");
        let tenant = agreed.tenant.clone();
        let standing = accounts::standing(&*books.store, &tenant).map_err(told)?;
        let has_plan = standing.is_some_and(|standing| standing.account.subscription.is_some());
        if agreed.plan.is_none() && !has_plan {
            self.plans.remove(&tenant);
            return Ok(());
        }
        self.follow(books, vec![agreed])?;
        books.catch_up();
        self.read_plan(books, &tenant).map_err(told)
    }

    /// Reads a plan anew that was changed, for those who have subscribed to it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn reread_plan(&self, plan: &str) -> Result<(), StoreError> {
        let Some(books) = &self.books else {
            return Ok(());
        };
        let subscribers = self.plans.subscribers(plan);
        subscribers
            .iter()
            .try_for_each(|tenant| self.read_plan(books, tenant))
    }

    /// Asks for those alone of which something is to be done.
    fn follow(&self, books: &Books, mut agreed: Vec<Agreed>) -> Result<(), String> {
        let now = SystemTime::now();
        agreed.retain(|agreed| {
            let found = accounts::follow(&*books.store, agreed, now);
            found.is_ok_and(|(writes, _)| !writes.is_empty())
        });
        if agreed.is_empty() {
            return Ok(());
        }
        let followed = futures::executor::block_on(books.ledger.follow(&agreed));
        let followed = followed.map_err(|error| error.to_string())?;
        self.tell_meters(&followed);
        Ok(())
    }

    /// Opens the periods of subscriptions that have to be opened now.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn renew_plans(&self) -> Result<(), LedgerError> {
        let Some(books) = &self.books else {
            return Ok(());
        };
        let renewed = futures::executor::block_on(books.ledger.renew_due())?;
        self.tell_meters(&renewed);
        for (tenant, _) in &renewed {
            self.read_plan(books, tenant)?;
        }
        Ok(())
    }

    /// What a balance has to spend changes at once.
    pub fn tell_meters(&self, moved: &[Moved]) {
        for (tenant, amount) in moved {
            let meter = self.meters.find(&Subject::Tenant(tenant.as_str().into()));
            let meter = meter.filter(|meter| meter.balance().is_some());
            if let Some(meter) = meter {
                meter.deposit(*amount);
            }
        }
    }

    fn read_plan(&self, books: &Books, tenant: &str) -> Result<(), StoreError> {
        let store = &*books.store;
        let standing = accounts::standing(store, tenant)?;
        let subscription = standing
            .as_ref()
            .and_then(|standing| Some((standing, standing.account.subscription.as_ref()?)));
        let Some((standing, subscription)) = subscription else {
            self.plans.remove(tenant);
            return Ok(());
        };
        match accounts::offer(store, &subscription.plan)? {
            Some(offer) => self.plans.put(standing, subscription, offer),
            None => self.plans.remove(tenant),
        }
        Ok(())
    }
}

/// What is agreed with a tenant. Who has a plan has an account: without one of its own, nothing may be drawn on it.
pub(super) fn agreed_with(tenant: &crate::access::Tenant) -> Agreed {
    Agreed {
        tenant: tenant.id.clone(),
        credit: tenant
            .account
            .as_ref()
            .map_or(Money::ZERO, |account| account.credit),
        plan: tenant.plan.clone(),
    }
}

/// A plan of the configuration, as the ledger has plans.
pub fn plan_of(id: &str, plan: &config::Plan) -> Plan {
    Plan {
        id: id.to_owned(),
        name: String::new(),
        period: plan.per,
        included_tokens: plan.included_tokens,
        included_money: plan.included_money,
        models: plan
            .models
            .iter()
            .map(|model| model.text().to_owned())
            .collect(),
        order: match plan.order {
            PlanOrder::PlanFirst => Order::PlanFirst,
            PlanOrder::BalanceFirst => Order::BalanceFirst,
        },
        price: plan.price,
    }
}

/// The charges of a row, where a plan has paid a part of it: to the plan's purse, and the rest in the place of what went to the balance.
pub fn charges_with(
    share: &Share,
    charges: impl Iterator<Item = ledger::Charge>,
    balance: &str,
) -> Vec<ledger::Charge> {
    let Share { split, purse } = share;
    let of_plan = ledger::Charge {
        purse: purse.clone(),
        money: split.by_money,
        tokens: split.tokens,
    };
    let has_paid = split.tokens > 0 || split.by_money > Money::ZERO;
    let rest = charges.map(|charge| match &*charge.purse == balance {
        true => ledger::Charge {
            money: split.by_balance,
            tokens: charge.tokens - split.tokens,
            ..charge
        },
        false => charge,
    });
    rest.chain(has_paid.then_some(of_plan)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn offer(rest: &str) -> Offer {
        let plan: Plan = serde_json::from_str(&format!(r#"{{"id":"p",{rest}}}"#)).unwrap();
        plan.check().unwrap()
    }

    fn plans(rest: &str, now: SystemTime) -> Plans {
        let agreed = Agreed {
            tenant: "acme".into(),
            credit: Money::ZERO,
            plan: Some("p".into()),
        };
        let plans = Plans::default();
        plans.set_unkept(&[agreed], &[offer(rest)], now);
        plans
    }

    /// A token costs a billionth.
    fn tokens(tokens: u64) -> Charge<'static> {
        Charge {
            model: "m",
            tokens,
            cost: Money::from_nanos(i64::try_from(tokens).unwrap()),
        }
    }

    fn settle(taken: Taken, used: u64, balance: i64, now: SystemTime) -> Split {
        let balance = || Money::from_nanos(balance);
        taken.settle(tokens(used), now, balance, |share| share.split)
    }

    fn used(plans: &Plans, now: SystemTime) -> u64 {
        plans.standing("acme", now).unwrap().used.tokens
    }

    #[test]
    fn what_is_promised_to_one_is_nobody_elses() {
        let now = UNIX_EPOCH + 400 * DAY;
        let plans = plans(r#""period":"ever","included_tokens":100"#, now);
        let first = plans.take("acme", tokens(70), now).unwrap();
        let second = plans.take("acme", tokens(70), now).unwrap();
        assert_eq!(
            (first.covered.nanos(), second.covered.nanos()),
            (70, 30),
            "the second gets what is left"
        );
        assert!(plans.take("acme", tokens(1), now).is_none());
        assert!(plans.take("other", tokens(1), now).is_none());
        // One that ends with less gives the rest back, one that never was gives everything back.
        assert_eq!(settle(first, 20, 0, now).tokens, 20);
        assert_eq!(
            plans.take("acme", tokens(70), now).unwrap().covered.nanos(),
            50
        );
        drop(second);
        assert_eq!(
            plans.take("acme", tokens(90), now).unwrap().covered.nanos(),
            80
        );
        // One that ends with more than was promised takes nobody else's.
        let first = plans.take("acme", tokens(10), now).unwrap();
        let second = plans.take("acme", tokens(60), now).unwrap();
        let split = settle(first, 40, 0, now);
        assert_eq!((split.tokens, split.by_balance.nanos()), (20, 20));
        assert_eq!(settle(second, 60, 0, now).by_balance, Money::ZERO);
        assert_eq!(used(&plans, now), 100);
    }

    #[test]
    fn the_balance_goes_first_as_far_as_nobody_else_has_it() {
        let now = UNIX_EPOCH + 400 * DAY;
        let rest = r#""period":"ever","included_tokens":100,"order":"balance_first""#;
        let plans = plans(rest, now);
        let taken = plans.take("acme", tokens(50), now).unwrap();
        assert_eq!(taken.covered.nanos(), 50, "the plan promises it all");
        let split = settle(taken, 50, 30, now);
        assert_eq!((split.tokens, split.by_balance.nanos()), (20, 30));
        let taken = plans.take("acme", tokens(50), now).unwrap();
        assert_eq!(settle(taken, 50, -5, now).tokens, 50);
    }

    #[test]
    fn a_period_ends_in_the_middle_of_an_exchange() {
        let now = UNIX_EPOCH + 400 * DAY + DAY / 2;
        let free = plans(r#""period":"day","included_tokens":100"#, now);
        let taken = free.take("acme", tokens(100), now).unwrap();
        let (today, tomorrow) = (taken.purse.clone(), now + DAY);
        assert_eq!(settle(taken, 90, 0, tomorrow).tokens, 90);
        assert_eq!(used(&free, tomorrow), 90, "it counts where it ends");
        let next = free.take("acme", tokens(100), tomorrow).unwrap();
        assert_eq!(next.covered.nanos(), 10);
        assert_ne!(next.purse, today);
        assert_eq!(free.soonest_end(now), Some(UNIX_EPOCH + 401 * DAY));
        // What has a price is not there before it is paid.
        let paid = plans(r#""period":"day","included_tokens":100,"price":1"#, now);
        assert!(paid.take("acme", tokens(1), now).is_none());
        assert!(!paid.standing("acme", now).unwrap().is_paid);
    }
}
