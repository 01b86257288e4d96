//! Who calls, what is left to them and what they have used, as one process keeps it: the directory of callers, the meters, the
//! prices, and what is written down. It outlives snapshots. It must not know how requests are served.

mod common;
mod configured;
mod issuers;
mod known;
mod masters;
mod orphans;
mod plans;
mod purses;
mod retune;
mod sealed;
mod stored;
mod subjects;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use ring::rand::SystemRandom;

use crate::access::seal::Seal;
use crate::access::signing::Replays;
use crate::access::{self, directory::Directory};
use crate::config::{Config, OnCorruption, StoreSettings};
use crate::ledger::{self, Charged, Ledger, Orphan};
use crate::limit::Meters;
use crate::price::{self, PriceBook};
use crate::store::{Damaged, Sled, SledSettings, Store};
use crate::terms::Price;
use crate::tokens::Calibration;

pub use common::Common;
pub use issuers::Issuers;
pub use known::who;
pub use plans::{PlanStanding, Plans, Share, Taken, charges_with, plan_of};
pub use purses::purse_name;
pub use retune::{Bounds, name_of, subject_of};
pub use stored::{UpstreamKey, price_key, put_upstream_key};
pub use subjects::{Bounding, Concerned};

/// Meters of callers that are kept at most; those with money or in use come on top.
const METERS_MAX: usize = 1_000_000;
/// Signatures that are remembered within their window.
const SIGNATURES_MAX: usize = 1_000_000;

/// Who calls, what is left to them and what they have used.
pub struct Accounting {
    pub directory: Directory,
    pub meters: Meters,
    /// Prices that were set while weir runs, before those of the configuration.
    pub prices: PriceBook,
    pub calibration: Calibration,
    /// `None`: nothing of keys, accounts and usage outlives the process.
    pub books: Option<Books>,
    pub plans: Plans,
    pub issuers: Issuers,
    pub replays: Replays,
    pub random: SystemRandom,
    seal: ArcSwap<Seal>,
}

/// What is written down.
pub struct Books {
    pub store: Arc<dyn Store>,
    pub ledger: Ledger,
    /// Held by whoever has an entry made, so that it is told from one that was made before.
    pub entering: Mutex<()>,
}

/// What a model is asked for, where its price is looked up.
pub struct Priced<'a> {
    /// What the upstream runs, where that is known.
    pub kind: Option<&'a str>,
    pub upstream: &'a str,
    pub upstream_model: &'a str,
    pub public_model: &'a str,
}

impl Accounting {
    /// Everything of a process that begins with this configuration; opens the store and reads what it holds.
    ///
    /// # Errors
    /// What cannot be opened, read or used.
    pub fn open(config: &Config) -> Result<Accounting, String> {
        let random = SystemRandom::new();
        let seal = masters::seal(config, &random)?;
        let store = config.store.as_ref().map(open_store).transpose()?;
        let directory = match &store {
            Some(store) => {
                let (directory, problems) = access::stored::directory(&**store, &random)
                    .map_err(|error| error.to_string())?;
                for problem in problems {
                    tracing::error!(problem, "a record of the store cannot be used");
                }
                directory
            }
            None => Directory::new(masters::pepper(config, &random)?),
        };
        let prices = PriceBook::default();
        if let Some(store) = &store {
            prices.load(stored::prices(&**store).map_err(|error| error.to_string())?);
        }
        let books = match (store, &config.store) {
            (Some(store), Some(settings)) => Some(Books::open(store, settings, &mut |orphan| {
                orphans::charged(orphan, config, &prices)
            })?),
            _ => None,
        };
        let accounting = Accounting {
            directory,
            meters: Meters::new(METERS_MAX),
            prices,
            calibration: Calibration::default(),
            books,
            plans: Plans::default(),
            issuers: Issuers::default(),
            replays: Replays::new(config.access.signing.window, SIGNATURES_MAX),
            random,
            seal: ArcSwap::from_pointee(seal),
        };
        let seal = accounting.seal();
        accounting.configure(config, seal)?;
        Ok(accounting)
    }

    /// Puts another configuration's callers, prices and budgets in force.
    ///
    /// # Errors
    /// What cannot be used; nothing has changed then.
    pub fn configure(&self, config: &Config, seal: Arc<Seal>) -> Result<(), String> {
        let pepper = self.directory.pepper();
        let listed = configured::listed(config, pepper, &seal, &self.random);
        let listed = listed.map_err(|problems| problems.join("; "))?;
        let issuers = self.issuers.prepared(&config.access.tokens)?;
        self.directory
            .set_configured(listed)
            .map_err(|problems| problems.join("; "))?;
        self.seal.store(seal);
        self.issuers.replace(issuers);
        self.load_purses(config)?;
        self.load_plans(config)
    }

    /// What seals and opens under a configuration that is not in force yet.
    ///
    /// # Errors
    /// Why its master key cannot be had.
    pub fn seal_of(&self, config: &Config) -> Result<Arc<Seal>, String> {
        masters::seal(config, &self.random).map(Arc::new)
    }

    /// The master key's seal.
    pub fn seal(&self) -> Arc<Seal> {
        self.seal.load_full()
    }

    /// What a model costs, where that is known: as it was set while weir runs, as the configuration has it, as the table has it.
    pub fn price(&self, config: &Config, priced: &Priced<'_>) -> Option<Arc<Price>> {
        price_of(&self.prices, config, priced)
    }

    /// Whether an exchange must not begin, since what it uses has not been written down for longer than the configuration bears.
    pub fn is_closed(&self, config: &Config, costs: bool) -> bool {
        let (Some(books), Some(store)) = (&self.books, &config.store) else {
            return false;
        };
        config.refuses_unheld(costs) && books.ledger.behind_by() > store.on_failure.grace
    }

    /// What operators are to know of the ledger; `None` where all is well. It names no path and no caller.
    pub fn trouble(&self) -> Option<&'static str> {
        let books = self.books.as_ref()?;
        match books.ledger.state() {
            ledger::State::Healthy => None,
            ledger::State::Behind { .. } => Some("is behind"),
            ledger::State::Failing { .. } => Some("cannot be written"),
        }
    }

    /// What is to be given back now and then, from the background.
    pub fn tidy(&self, now: Instant) {
        self.meters.drop_some_idle(now);
    }
}

/// As it was set while weir runs, as the configuration has it, as the table has it.
fn price_of(prices: &PriceBook, config: &Config, priced: &Priced<'_>) -> Option<Arc<Price>> {
    let live = price::Named {
        kind: None,
        upstream: priced.upstream,
        upstream_model: priced.upstream_model,
        public_model: priced.public_model,
    };
    let configured = || {
        let Priced {
            upstream,
            upstream_model,
            public_model,
            ..
        } = priced;
        let price = config.prices.price(upstream, upstream_model, public_model);
        price.cloned()
    };
    let known = || price::built_in(priced.kind?, priced.upstream_model).map(Arc::new);
    prices.price(&live).or_else(configured).or_else(known)
}

/// # Errors
/// Why it cannot be opened, and what to do about it.
fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>, String> {
    let sled = SledSettings {
        cache_bytes: settings.cache_bytes as u64,
        damaged: match settings.on_corruption {
            OnCorruption::Refuse => Damaged::Refuse,
            OnCorruption::SetAside => Damaged::SetAside,
        },
    };
    let opened = Sled::open(&settings.path, &sled);
    let opened = opened.map_err(|error| format!("store: {error}"))?;
    Ok(Arc::new(opened))
}

impl Books {
    fn open(
        store: Arc<dyn Store>,
        settings: &StoreSettings,
        charge: &mut dyn FnMut(&Orphan) -> Charged,
    ) -> Result<Books, String> {
        let gathering = ledger::Settings {
            gather: settings.commit_interval,
            ..ledger::Settings::default()
        };
        let clock: ledger::Clock = Arc::new(SystemTime::now);
        let ledger = Ledger::open(store.clone(), gathering, clock, charge);
        let ledger = ledger.map_err(|error| error.to_string())?;
        Ok(Books {
            store,
            ledger,
            entering: Mutex::new(()),
        })
    }

    /// What was settled before counts in what is read of the store next, as long as the store takes it. Waits for the disk: not for
    /// threads that serve.
    pub fn catch_up(&self) {
        if self.ledger.state() == ledger::State::Healthy {
            // Where it fails, what is read is true for an earlier moment, and the ledger's state says so.
            let _ = futures::executor::block_on(self.ledger.flush());
        }
    }
}

/// A name for an exchange that nobody else has.
pub fn exchange_id() -> [u8; 16] {
    let mut id = [0; 16];
    let (first, second) = id.split_at_mut(8);
    first.copy_from_slice(&fastrand::u64(..).to_be_bytes());
    second.copy_from_slice(&fastrand::u64(..).to_be_bytes());
    id
}
