//! What an exchange costs: reserved in one step before anything goes up, and settled once with the truth, on every way out.
//! It must not know how an answer is relayed.

mod settlement;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::access::Caller;
use crate::config::{Config, UnknownPrice, Upstream};
use crate::fault::{Bound, Denial, Fault, OverLimit};
use crate::gateway::{
    self, Bounding, Concerned, Gateway, Priced, Snapshot, Taken, exchange_id, purse_name,
};
use crate::ledger::{ExchangeId, Hold, Who, plans};
use crate::limit::{self, Demand, Exceeded, Reservation, reserve};
use crate::price::used;
use crate::route::Plan;
use crate::terms::{Money, Price, Used};
use crate::tokens::RequestSize;
use crate::wire::spoken::Spoken;
use crate::wire::{Operation, Usage};

use super::caller::Calling;
use super::settle::Record;

/// What is reserved for one exchange, until it is settled.
pub struct Charge {
    id: ExchangeId,
    gateway: Arc<Gateway>,
    config: Arc<Config>,
    who: Arc<Who>,
    reservation: Reservation,
    operation: Operation,
    /// What the tenant's plan has for it.
    plan: Option<Taken>,
    /// What is reserved of money, without what the plan pays.
    owed: Money,
    size: RequestSize,
    /// Whether any meter of the caller's, the model's or of all counts money.
    counts_money: bool,
    is_downgraded: bool,
    /// Asked for.
    images: u64,
    characters: u64,
    /// What the relay has heard of the answer so far.
    heard: Arc<Heard>,
    noted: Option<Instant>,
    /// A client's own upstream key pays: the tokens count, the money does not.
    pub is_on_own_key: bool,
}

/// What the relay has heard of an answer; it is there even if the relay is dropped in the middle.
#[derive(Default)]
pub struct Heard(Mutex<(Option<Usage>, Spoken)>);

/// What an exchange is admitted for.
pub struct Wanted<'a> {
    pub gateway: &'a Arc<Gateway>,
    pub snapshot: &'a Snapshot,
    pub calling: &'a Calling,
    pub operation: Operation,
    /// The public name.
    pub model: Option<&'a str>,
    /// Where it may be tried, for what it may cost.
    pub plan: Option<&'a Plan>,
    /// The same, where it can only go to one.
    pub upstream: Option<&'a Upstream>,
    pub size: RequestSize,
    /// Of the text that is to be spoken.
    pub characters: u64,
    /// Whether another model answers, since a budget is spent.
    pub is_downgraded: bool,
}

/// Why nothing is reserved.
pub enum Refused {
    Fault(Fault),
    /// This model is to answer instead.
    Downgrade(String),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Fault(fault)
    }
}

/// Reserves for an exchange; `None` where nothing is counted.
///
/// # Errors
/// The limit that stands against it.
pub fn begin(wanted: &Wanted<'_>, record: &mut Record) -> Result<Option<Charge>, Refused> {
    let Wanted {
        gateway, snapshot, ..
    } = *wanted;
    if !snapshot.counts {
        return Ok(None);
    }
    let config = &snapshot.config;
    let accounting = &gateway.accounting;
    let (now, wall) = (Instant::now(), SystemTime::now());
    let concerned = Concerned {
        caller: wanted.calling.caller.as_deref(),
        address: wanted.calling.address,
        operation: wanted.operation,
        model: wanted.model,
    };
    let bounding = accounting.meters_of(config, &snapshot.common, &concerned, now, wall);
    let Bounding {
        meters,
        counts_money,
    } = bounding;
    let has_plan = wanted.calling.caller.as_deref();
    let has_plan = has_plan.is_some_and(|caller| caller.tenant.record.plan.is_some());
    let mut demand = demand(wanted, counts_money || has_plan)?;
    let plan = of_plan(wanted, &demand, wall);
    demand.planned = plan.as_ref().map_or(Money::ZERO, |plan| plan.covered);
    if accounting.is_closed(config, demand.spend > Money::ZERO) {
        return Err(Fault::LedgerDown.into());
    }
    let reserved = reserve(&meters, demand, now, wall);
    // The same meters, whether they admit it or not.
    let standing = limit::standing(&meters, now);
    record.limits = limit::headers(record.dialect, &standing, wall);
    let reservation = reserved.map_err(|exceeded| refused(gateway, *exceeded))?;
    let charge = Charge {
        id: exchange_id(),
        gateway: gateway.clone(),
        config: config.clone(),
        who: who(wanted.calling.caller.as_deref(), &record.tags),
        reservation,
        operation: wanted.operation,
        plan,
        owed: demand.spend - demand.planned,
        size: wanted.size,
        counts_money,
        is_downgraded: wanted.is_downgraded,
        images: images_asked(wanted),
        characters: wanted.characters,
        heard: Arc::default(),
        noted: None,
        is_on_own_key: false,
    };
    let is_held = charge.hold(wanted, demand.spend, wall, record);
    if !is_held && config.refuses_unheld(demand.spend > Money::ZERO) {
        return Err(Fault::LedgerDown.into());
    }
    Ok(Some(charge))
}

/// Estimates and upper bounds, in the units of the limits.
fn demand(wanted: &Wanted<'_>, counts_money: bool) -> Result<Demand, Fault> {
    let Wanted {
        gateway,
        operation,
        size,
        ..
    } = *wanted;
    let config = &wanted.snapshot.config;
    let model = wanted.model.unwrap_or_default();
    let calibration = &gateway.accounting.calibration;
    let input = calibration.corrected(model, size.input_estimate);
    let output = match operation.makes_text() {
        true => {
            let most = size
                .output_max
                .unwrap_or(config.usage.reserve_output_tokens);
            most.saturating_mul(size.choices)
        }
        false => 0,
    };
    let spend = match counts_money || wanted.upstreams().any(counts_money_at) {
        true => dearest(wanted, input, output)?,
        false => Money::ZERO,
    };
    Ok(Demand {
        input,
        output,
        spend,
        planned: Money::ZERO,
        is_downgraded: wanted.is_downgraded,
    })
}

/// What the plan of the caller's tenant has for it.
fn of_plan(wanted: &Wanted<'_>, demand: &Demand, wall: SystemTime) -> Option<Taken> {
    let caller = wanted.calling.caller.as_deref()?;
    let charge = plans::Charge {
        model: wanted.model.unwrap_or_default(),
        tokens: demand.input.saturating_add(demand.output),
        cost: demand.spend,
    };
    let plans = &wanted.gateway.accounting.plans;
    plans.take(caller.tenant_id(), charge, wall)
}

/// Whether what is asked of an upstream is bounded in money, whoever asks.
fn counts_money_at((upstream, _): (&Upstream, Option<&str>)) -> bool {
    upstream.limits.counts_money()
}

impl<'a> Wanted<'a> {
    /// Where it may be tried, with the names that the model has there.
    fn upstreams(&self) -> impl Iterator<Item = (&'a Upstream, Option<&'a str>)> {
        let planned = self.plan.into_iter();
        let targets = planned.flat_map(|plan| plan.route.tiers.values().flatten());
        let targets = targets.map(|target| (&*target.upstream.config, target.model.as_deref()));
        targets.chain(self.upstream.map(|upstream| (upstream, None)))
    }
}

/// What it costs where it costs most. What has a price and cannot be bounded beforehand, such as time, costs the least amount at
/// least, so that nothing begins where nothing is left.
fn dearest(wanted: &Wanted<'_>, input: u64, output: u64) -> Result<Money, Fault> {
    const LEAST: Money = Money::from_nanos(1);
    let config = &wanted.snapshot.config;
    let most = Used {
        input,
        output,
        images: images_asked(wanted),
        characters: wanted.characters,
        requests: 1,
        ..Used::default()
    };
    let public = wanted.model.unwrap_or_default();
    let mut dearest = Money::ZERO;
    for (upstream, model) in wanted.upstreams() {
        let upstream_model = model.unwrap_or(public);
        match price_at(wanted.gateway, config, upstream, upstream_model, public) {
            Some(price) if *price == Price::default() => {}
            Some(price) => dearest = dearest.max(price.cost(&most)).max(LEAST),
            None if config.prices.unknown == UnknownPrice::Refuse => {
                return Err(unpriced(public));
            }
            None => {}
        }
    }
    Ok(dearest)
}

fn images_asked(wanted: &Wanted<'_>) -> u64 {
    let draws = matches!(
        wanted.operation,
        Operation::ImageGeneration | Operation::ImageEdit | Operation::ImageVariation
    );
    if draws { wanted.size.choices } else { 0 }
}

fn price_at(
    gateway: &Gateway,
    config: &Config,
    upstream: &Upstream,
    upstream_model: &str,
    public_model: &str,
) -> Option<Arc<Price>> {
    let priced = Priced {
        kind: Some(upstream.kind.facts().name),
        upstream: &upstream.name,
        upstream_model,
        public_model,
    };
    gateway.accounting.price(config, &priced)
}

fn unpriced(model: &str) -> Fault {
    Fault::Denied(Box::new(Denial {
        status: 403,
        code: "model_not_priced",
        label: "model_not_priced",
        param: Some("model"),
        message: format!(
            "the model `{model}` has no price here, and this caller's money is counted; its operator has to set one"
        ),
    }))
}

/// The budget that another model would have to stand in for is spent, and none can.
pub fn spent() -> Fault {
    Fault::OverLimit(Box::new(OverLimit {
        bound: Bound::Money,
        scope: "budget",
        limit: "budget",
        retry_after: None,
        message: "the budget is spent, and no other model can answer here".to_owned(),
    }))
}

/// All that an upstream may be asked for has been asked for.
pub fn upstream_full(upstream: &str, soonest: Option<Duration>) -> Fault {
    Fault::OverLimit(Box::new(OverLimit {
        bound: Bound::Rate,
        scope: "upstream",
        limit: "limits",
        retry_after: soonest,
        message: format!("the limits of upstream `{upstream}` leave no room; try again later"),
    }))
}

fn refused(gateway: &Gateway, exceeded: Exceeded) -> Refused {
    let labels = [exceeded.scope, exceeded.limit];
    let refusals = &gateway.metrics.accounting.limit_refusals;
    refusals.with_label_values(&labels).inc();
    if let Some(model) = exceeded.downgrade {
        return Refused::Downgrade(model);
    }
    let bound = match exceeded.limit {
        _ if exceeded.is_money => Bound::Money,
        "concurrency" => Bound::Concurrency,
        _ => Bound::Rate,
    };
    Refused::Fault(Fault::OverLimit(Box::new(OverLimit {
        bound,
        scope: exceeded.scope,
        limit: exceeded.limit,
        retry_after: exceeded.retry_after,
        message: exceeded.to_string(),
    })))
}

/// Whom rows name.
fn who(caller: Option<&Caller>, more: &[(Box<str>, Box<str>)]) -> Arc<Who> {
    let who = match caller {
        Some(caller) => gateway::who(caller),
        None => anonymous(),
    };
    if more.is_empty() {
        return who;
    }
    let mut tagged = Who::clone(&who);
    let more = more
        .iter()
        .map(|(tag, value)| (tag.to_string(), value.to_string()));
    tagged.tags.extend(more);
    Arc::new(tagged)
}

fn anonymous() -> Arc<Who> {
    static NOBODY: OnceLock<Arc<Who>> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| {
        Arc::new(Who {
            tenant: crate::access::directory::ANONYMOUS.into(),
            ..Who::default()
        })
    });
    nobody.clone()
}

impl Charge {
    /// Where the relay notes what it hears.
    pub fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }

    /// Writes down that the exchange runs, and what it may come to; false where there is no room for that.
    fn hold(&self, wanted: &Wanted<'_>, reserved: Money, at: SystemTime, record: &Record) -> bool {
        let Some(books) = &self.gateway.accounting.books else {
            return true;
        };
        // What runs when weir is killed is charged to who would have paid it all: the plan, else the balance.
        let plan = self.plan.as_ref().filter(|_| self.owed == Money::ZERO);
        let purses = self.reservation.charged();
        let purses = purses.filter(|(_, purse)| *purse != "balance" || plan.is_none());
        let purses = purses.map(|(meter, purse)| purse_name(meter, purse));
        let purses = purses.chain(plan.map(|plan| plan.purse.clone())).collect();
        let held = books.ledger.hold(Hold {
            id: self.id,
            at,
            who: self.who.clone(),
            dialect: record.dialect.name().into(),
            operation: wanted.operation.label().into(),
            model: wanted.model.unwrap_or_default().into(),
            upstream: "".into(),
            upstream_model: "".into(),
            stream: record.stream,
            reserved,
            input_estimate: self.size.input_estimate,
            purses,
        });
        held.is_ok()
    }

    /// Notes, at most once a second, how far an answer has come, so that a process that is killed is charged for no less.
    pub fn note_progress(&mut self, now: Instant, tokens: impl FnOnce() -> u64) {
        const PAUSE: Duration = Duration::from_secs(1);
        let Some(books) = &self.gateway.accounting.books else {
            return;
        };
        let begun = *self.noted.get_or_insert(now);
        if now - begun >= PAUSE {
            self.noted = Some(now);
            books.ledger.progress(self.id, tokens());
        }
    }

    /// Reserves at the upstream that is about to be asked, where it is bounded.
    ///
    /// # Errors
    /// When there will be room, where that can be told.
    pub fn extend_to(&mut self, upstream: &Upstream) -> Result<(), Option<Duration>> {
        let limits = &upstream.limits;
        if limits.is_empty() {
            return Ok(());
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let accounting = &self.gateway.accounting;
        let meter = accounting.meter_of_upstream(&upstream.name, limits, now, wall);
        let Some(meter) = meter else {
            return Ok(());
        };
        let extended = self.reservation.extend(&[meter], now, wall);
        extended.map_err(|exceeded| {
            let labels = [exceeded.scope, exceeded.limit];
            let refusals = &self.gateway.metrics.accounting.limit_refusals;
            refusals.with_label_values(&labels).inc();
            exceeded.retry_after
        })
    }

    /// Reserves what another model may come to, which is to answer in the first one's place.
    ///
    /// # Errors
    /// The other model, or its price, leaves no room for it; nothing of it is to be asked then.
    pub fn turn_to(
        &mut self,
        snapshot: &Snapshot,
        calling: &Calling,
        plan: &Plan,
    ) -> Result<(), Fault> {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let gateway = self.gateway.clone();
        let model = plan.model.as_deref();
        let meter = model.and_then(|model| {
            let (config, common) = (&snapshot.config, &snapshot.common);
            gateway
                .accounting
                .meter_of_model(config, common, model, now, wall)
        });
        let counts_money = self.counts_money || meter.as_ref().is_some_and(|(_, counts)| *counts);
        let wanted = Wanted {
            gateway: &gateway,
            snapshot,
            calling,
            operation: self.operation,
            model,
            plan: Some(plan),
            upstream: None,
            size: self.size,
            characters: self.characters,
            is_downgraded: self.is_downgraded,
        };
        let mut demand = demand(&wanted, counts_money || self.plan.is_some())?;
        let covered = self.plan.as_ref().map_or(Money::ZERO, |plan| plan.covered);
        demand.planned = covered.min(demand.spend);
        self.owed = demand.spend - demand.planned;
        let meters = meter.map(|(meter, _)| meter);
        let adjusted = self.reservation.adjust(demand, now, wall);
        let extended =
            adjusted.and_then(|()| self.reservation.extend(meters.as_slice(), now, wall));
        extended.map_err(|exceeded| match refused(&gateway, *exceeded) {
            Refused::Fault(fault) => fault,
            // A budget's other model is none that stands in for one that fails.
            Refused::Downgrade(_) => spent(),
        })
    }

    /// What so much use costs at the upstream of the record's last attempt; `None` where no price is known.
    pub fn cost(&self, usage: &Usage, record: &Record) -> Option<Money> {
        if self.is_on_own_key {
            return Some(Money::ZERO);
        }
        let endpoint = record.upstream.as_ref()?;
        let public = record.answering_model();
        let upstream_model = record.upstream_model.as_deref().unwrap_or(public);
        let price = price_at(
            &self.gateway,
            &self.config,
            &endpoint.upstream,
            upstream_model,
            public,
        )?;
        let milliseconds = record.attempt_begun.map_or(0, |begun| {
            u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
        });
        Some(price.cost(&used(usage, milliseconds, self.images, false)))
    }
}

impl Heard {
    /// Notes what an answer has told of its usage, and what it has said since.
    pub fn note(&self, usage: Option<Usage>, spoken: Spoken) {
        let mut heard = self.0.lock();
        if let Some(usage) = usage {
            // A count that has grown covers what was said before it.
            if usage.output != heard.0.map_or(0, |before| before.output) {
                heard.1 = Spoken::default();
            }
            heard.0 = Some(usage);
        }
        match heard.1.bytes() {
            0 => heard.1 = spoken,
            _ => heard.1.append(spoken),
        }
    }
}

impl Heard {
    /// Tokens of output so far, about: what was told, and an event for each since.
    pub fn output(&self) -> u64 {
        let heard = self.0.lock();
        let told = heard.0.map_or(0, |usage| usage.output);
        told + u64::from(heard.1.events)
    }
}
