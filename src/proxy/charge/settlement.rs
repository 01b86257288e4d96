//! What an exchange comes to once it has ended: by the rule of charging, by what was told, and by what can be counted.
//! It must not know how an answer is relayed.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, OnUpstreamCut};
use crate::fault::Fault;
use crate::gateway::{Taken, charges_with, purse_name};
use crate::ledger::{self, End, Row, plans};
use crate::limit::{Crossing, Meter, Reservation, Truth};
use crate::price::used;
use crate::terms::{Money, Price};
use crate::tokens::Counter;
use crate::wire::spoken::Spoken;
use crate::wire::{Operation, Usage};

use super::super::settle::{ModelName, Record};
use super::{Charge, price_at};

/// Texts up to this length are counted where they are; longer ones by a thread that may take its time. In bytes.
const COUNTED_HERE_BYTES: usize = 4 * 1024;
/// The status of a WebSocket that has been opened.
const SWITCHED: u16 = 101;

impl Charge {
    /// Puts the truth in the place of what was reserved, and writes it down.
    pub fn settle(self, record: &Record) {
        let (last, spoken) = std::mem::take(&mut *self.heard.0.lock());
        let reported = record.usage.or(last);
        let has_output = spoken.bytes() > 0 || reported.is_some_and(|usage| usage.output > 0);
        let end = end_of(record);
        let charges = is_charged(end, has_output, record.attempts, &self.config);
        let settlement = Settlement::new(self, record, end);
        if !charges {
            settlement.finish(Usage::default(), false);
        } else if spoken.text.len() <= COUNTED_HERE_BYTES {
            settlement.count(reported, &spoken);
        } else {
            settlement.count_aside(reported, spoken);
        }
    }
}

/// How an exchange ended, for its row.
fn end_of(record: &Record) -> End {
    let has_begun = (200..300).contains(&record.status) || record.status == SWITCHED;
    match &record.fault {
        None if record.status < 400 => End::Complete,
        None => End::Failed,
        Some(fault) if fault.is_clients_absence() => End::ClientGone,
        Some(Fault::ErrorEvent { .. }) if has_begun => End::ErrorEvent,
        Some(_) if has_begun => End::UpstreamCut,
        Some(_) if record.attempts == 0 => End::Refused,
        Some(_) => End::Failed,
    }
}

/// The rule of charging (docs/usage.md), for every way an exchange may end.
fn is_charged(end: End, has_output: bool, attempts: u32, config: &Config) -> bool {
    match end {
        End::Complete => true,
        End::ClientGone => attempts > 0,
        End::UpstreamCut | End::ErrorEvent => {
            has_output && config.usage.on_upstream_cut == OnUpstreamCut::Delivered
        }
        End::Refused | End::Failed | End::Orphaned => false,
    }
}

/// A settlement of which only the counts are missing.
struct Settlement {
    charge: Charge,
    row: Row,
    operation: Operation,
    price: Option<Arc<Price>>,
    milliseconds: u64,
    is_counted: bool,
    /// The model as metrics name it.
    model_label: Arc<str>,
}

impl Settlement {
    fn new(charge: Charge, record: &Record, end: End) -> Settlement {
        let public = record.model.text().unwrap_or_default();
        let upstream_model = record.upstream_model.as_deref().unwrap_or(public);
        let upstream = record.upstream.as_ref().map(|endpoint| &endpoint.upstream);
        let price = upstream.and_then(|upstream| {
            let (gateway, config) = (&charge.gateway, &charge.config);
            let answering = record.answering_model();
            price_at(gateway, config, upstream, upstream_model, answering)
        });
        let fault = record.fault.as_ref();
        let row = Row {
            id: charge.id,
            client_request_id: record.request_id.to_str().ok().map(Box::from),
            at: SystemTime::now(),
            who: charge.who.clone(),
            dialect: record.dialect.name().into(),
            operation: record.operation.map_or("", Operation::label).into(),
            model: match &record.model {
                ModelName::Known(name) => name.clone(),
                ModelName::None | ModelName::Unknown(_) => public.into(),
            },
            upstream: upstream
                .map_or("", |upstream| upstream.name.as_str())
                .into(),
            upstream_model: match &record.upstream_model {
                Some(name) => name.clone(),
                None => upstream_model.into(),
            },
            upstream_key_label: record.key().map(Arc::from),
            attempts: record.attempts,
            status: record.status,
            fault: fault.map(|fault| fault.label().into()),
            stream: record.stream,
            end,
            usage: Usage::default(),
            estimated: false,
            priced: false,
            cost: Money::ZERO,
            charges: Vec::new(),
            duration_ms: milliseconds(record.begun.elapsed()),
            first_byte_ms: record.first_byte.map(milliseconds),
        };
        Settlement {
            is_counted: !fault.is_some_and(Fault::is_upstreams) && end != End::Refused,
            milliseconds: record
                .attempt_begun
                .map_or(0, |begun| milliseconds(begun.elapsed()).into()),
            operation: record.operation.unwrap_or(Operation::Chat),
            model_label: match &record.model {
                ModelName::Known(name) => name.clone(),
                other => other.label().into(),
            },
            charge,
            row,
            price,
        }
    }

    /// What the upstream has told, and where it has not told all, what can be counted here.
    fn count(self, reported: Option<Usage>, spoken: &Spoken) {
        let calibration = &self.charge.gateway.accounting.calibration;
        let model = &self.row.upstream_model;
        let output = match spoken.bytes() {
            0 => 0,
            _ => {
                let counter = Counter::shared();
                let family = counter.for_model(model);
                let public = &self.row.model;
                let counted = counter.count_for(family, &spoken.text, calibration, public);
                counted.max(1) + spoken.bytes_beyond / 4
            }
        };
        match reported {
            Some(usage) => {
                if self.row.end == End::Complete {
                    let estimate = self.charge.size.input_estimate;
                    calibration.learn(&self.row.model, estimate, usage.input());
                }
                let usage = Usage {
                    output: usage.output + output,
                    ..usage
                };
                self.finish(usage, output > 0);
            }
            None if self.operation.uses_tokens() || output > 0 => {
                let estimate = self.charge.size.input_estimate;
                let usage = Usage {
                    input_uncached: calibration.corrected(&self.row.model, estimate),
                    output,
                    ..Usage::default()
                };
                self.finish(usage, true);
            }
            None => self.finish(Usage::default(), false),
        }
    }

    /// The same by a thread that may take its time; here, where there is none.
    fn count_aside(self, reported: Option<Usage>, spoken: Spoken) {
        let counting = self.charge.gateway.counting();
        let count = move || {
            self.count(reported, &spoken);
            drop(counting);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(count)),
            Err(_) => count(),
        }
    }

    fn finish(self, usage: Usage, estimated: bool) {
        let Settlement {
            charge,
            mut row,
            price,
            milliseconds,
            is_counted,
            model_label,
            operation,
        } = self;
        let is_used = usage != Usage::default() || row.end == End::Complete;
        let usage = Usage {
            // Nobody tells it; it is what was asked for.
            characters: if is_used { charge.characters } else { 0 },
            ..usage
        };
        let usage = usage.bounded();
        row.usage = usage;
        row.estimated = estimated;
        row.cost = match &price {
            Some(price) if is_used && !charge.is_on_own_key => {
                price.cost(&used(&usage, milliseconds, charge.images, false))
            }
            _ => Money::ZERO,
        };
        // A length that nobody has told is not one of nothing.
        let is_untold = operation.is_paid_by_length() && row.cost == Money::ZERO;
        let has_price = price.is_some_and(|price| price.is_free() || !is_untold);
        row.priced = has_price || charge.is_on_own_key || !is_used;
        let purses = charge.reservation.charged();
        let charges = purses.map(|(meter, purse)| ledger::Charge {
            purse: purse_name(meter, purse),
            money: row.cost,
            tokens: usage.input() + usage.output,
        });
        row.charges = charges.collect();
        let truth = Truth {
            input: usage.input(),
            output: usage.output,
            spend: row.cost,
            planned: Money::ZERO,
            is_counted,
        };
        // Who pays the upstream himself uses up no plan.
        let plan = charge.plan.filter(|_| !charge.is_on_own_key);
        let crossings = match plan {
            None => charge.reservation.settle(truth, Instant::now()),
            Some(plan) => divide(plan, charge.reservation, charge.owed, truth, &mut row),
        };
        let gateway = &charge.gateway;
        gateway.count_usage(&row, &model_label);
        for crossing in crossings {
            gateway.tell_of_budget(&charge.config, crossing);
        }
        if let Some(books) = &gateway.accounting.books {
            // What does not fit is counted and logged there.
            let _ = books.ledger.settle(row);
        }
    }
}

/// Settles what a plan pays a part of, with a charge of its own in the row.
fn divide(
    plan: Taken,
    reservation: Reservation,
    owed: Money,
    truth: Truth,
    row: &mut Row,
) -> Vec<Crossing> {
    let prepaid = reservation.meters().find(|meter| meter.balance().is_some());
    let prepaid = prepaid.cloned();
    let free = || {
        let prepaid = prepaid.as_ref();
        prepaid.map_or(Money::ZERO, |meter| free_of(meter, owed))
    };
    let model = row.model.clone();
    let used = plans::Charge {
        model: &model,
        tokens: truth.input + truth.output,
        cost: truth.spend,
    };
    plan.settle(used, row.at, free, |share| {
        let balance = prepaid
            .as_ref()
            .map(|meter| purse_name(meter.name(), "balance"));
        let charges = std::mem::take(&mut row.charges).into_iter();
        row.charges = charges_with(share, charges, balance.as_deref().unwrap_or(""));
        let truth = Truth {
            planned: truth.spend - share.split.by_balance,
            ..truth
        };
        reservation.settle(truth, Instant::now())
    })
}

/// What of a balance no other exchange has reserved.
fn free_of(meter: &Meter, own: Money) -> Money {
    let standing = meter.balance();
    standing.map_or(Money::ZERO, |it| it.balance - (it.held - own))
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
