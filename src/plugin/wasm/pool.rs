//! The instances of one plugin: who gets which, when another is made, and when one is let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use wasmtime::component::ResourceAny;

use super::Runtime;
use super::compiled::Compiled;
use super::guest::{Guest, Turn};
use super::seat::{STREAMS_ENOUGH, STREAMS_MAX, Seat, WAIT_MAX};
use crate::plugin::hooks::{Hook, View};
use crate::plugin::services::PluginServices;
use crate::plugin::settings::{Instance, Limits, Mode};
use crate::plugin::trouble::Trouble;

/// How long a plugin may take to start and configure itself, when it is loaded and when an exchange waits for it.
const START_LOADING: Duration = Duration::from_secs(2);
const START_SERVING: Duration = Duration::from_millis(500);
/// Times that an instance is looked for when the one found has died meanwhile.
const TRIES_MAX: usize = 3;
/// Of what dropped streams have left, how much one call clears away.
const CLEARED_MAX: usize = 16;

/// Tells pools apart in an exchange's own instances.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The instances of one plugin.
pub struct Pool {
    number: u64,
    runtime: Arc<Runtime>,
    compiled: Arc<Compiled>,
    services: Arc<PluginServices>,
    limits: Limits,
    instance: Instance,
    config_json: String,
    shared: Mutex<Shared>,
    /// A shared instance has been made, or could not be.
    made: Notify,
    /// One for each instance that is not shared.
    permits: Arc<Semaphore>,
}

/// Instances that any exchange may use.
#[derive(Default)]
struct Shared {
    seats: Vec<Arc<Seat>>,
    /// Those that are being made.
    making: u32,
    /// Those that have served their time, and have streams that go on.
    retired: Vec<std::sync::Weak<Seat>>,
}

/// An instance that is taken for calls. Given back when dropped.
pub struct Taken {
    pool: Arc<Pool>,
    seat: Arc<Seat>,
    guest: OwnedMutexGuard<Guest>,
}

impl Pool {
    pub fn new(
        runtime: Arc<Runtime>,
        compiled: Arc<Compiled>,
        services: Arc<PluginServices>,
        (limits, instance): (Limits, Instance),
        config_json: String,
    ) -> Arc<Pool> {
        Arc::new(Pool {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            runtime,
            compiled,
            services,
            limits,
            permits: Arc::new(Semaphore::new(instance.max as usize)),
            instance,
            config_json,
            shared: Mutex::default(),
            made: Notify::new(),
        })
    }

    /// Makes the first instance, and keeps it if instances are shared.
    ///
    /// # Errors
    /// When it does not start, or refuses its configuration.
    pub async fn load(self: &Arc<Pool>) -> Result<Taken, Trouble> {
        let guest = self.make(START_LOADING).await?;
        let seat = Seat::new(guest, None);
        if self.instance.mode == Mode::Shared {
            self.shared.lock().seats.push(seat.clone());
        }
        self.sit(&seat).await
    }

    pub fn services(&self) -> &Arc<PluginServices> {
        &self.services
    }

    /// Takes an instance for a call about the exchange of `view`; `None`: about none. `for_stream`: a stream will live in it.
    ///
    /// # Errors
    /// When none becomes free, or none can be made.
    pub async fn take(
        self: &Arc<Pool>,
        view: Option<&Arc<dyn View>>,
        for_stream: bool,
    ) -> Result<Taken, Trouble> {
        match (self.instance.mode, view) {
            (Mode::Shared, _) => self.take_shared(for_stream).await,
            (Mode::Exchange, Some(view)) => self.take_own(view).await,
            (Mode::Exchange, None) | (Mode::Fresh, _) => {
                let seat = self.make_apart().await?;
                self.sit(&seat).await
            }
        }
    }

    /// The seat that a stream lives in, taken for a call.
    ///
    /// # Errors
    /// When it does not become free, or its instance has died.
    pub async fn take_again(self: &Arc<Pool>, seat: &Arc<Seat>) -> Result<Taken, Trouble> {
        self.sit(seat).await
    }

    async fn take_own(self: &Arc<Pool>, view: &Arc<dyn View>) -> Result<Taken, Trouble> {
        let own = view.own_instances();
        if let Some(seat) = own.find::<Seat>(self.number)
            && !seat.is_gone()
        {
            return self.sit(&seat).await;
        }
        let seat = self.make_apart().await?;
        // Without room it serves this call alone.
        own.put(self.number, seat.clone());
        self.sit(&seat).await
    }

    async fn take_shared(self: &Arc<Pool>, for_stream: bool) -> Result<Taken, Trouble> {
        let mut tries = 0;
        let patience = Instant::now() + WAIT_MAX;
        loop {
            // Listens before it looks, so that nothing happens unheard between.
            let made = self.made.notified();
            let (seat, taken) = match self.find_shared(for_stream)? {
                Found::Free(seat, guest) => (seat.clone(), self.settle(seat, guest).await),
                Found::Busy(seat) => (seat.clone(), self.sit(&seat).await),
                Found::Room(making) => {
                    let seat = making.finish().await?;
                    (seat.clone(), self.sit(&seat).await)
                }
                Found::Making => {
                    let waited = tokio::time::timeout_at(patience.into(), made).await;
                    waited.map_err(|_| {
                        Trouble::Unavailable("its instances take too long to start".to_owned())
                    })?;
                    continue;
                }
            };
            tries += 1;
            // One that has died meanwhile is no reason to give up.
            if taken.is_ok() || !seat.is_gone() || tries >= TRIES_MAX {
                return taken;
            }
        }
    }

    /// A free instance, for a stream one with few of them; else room for another; else the one with the shortest queue.
    fn find_shared(self: &Arc<Pool>, for_stream: bool) -> Result<Found, Trouble> {
        let mut shared = self.shared.lock();
        let free_with = |streams_max: usize| {
            let fits = |seat: &&Arc<Seat>| !for_stream || seat.streams() < streams_max;
            let mut free = shared.seats.iter().filter(fits);
            free.find_map(|seat| Some(Found::Free(seat.clone(), seat.try_take()?)))
        };
        if let Some(free) = free_with(STREAMS_ENOUGH) {
            return Ok(free);
        }
        if (shared.seats.len() as u32).saturating_add(shared.making) < self.instance.max {
            shared.making += 1;
            return Ok(Found::Room(Making(self.clone())));
        }
        if let Some(free) = free_with(STREAMS_MAX) {
            return Ok(free);
        }
        let has_room = |seat: &&Arc<Seat>| !for_stream || seat.streams() < STREAMS_MAX;
        let busy = shared.seats.iter().filter(has_room);
        match busy.min_by_key(|seat| seat.waiting()) {
            Some(seat) => Ok(Found::Busy(seat.clone())),
            None if shared.making > 0 => Ok(Found::Making),
            None => Err(Trouble::Unavailable(format!(
                "all instances have {STREAMS_MAX} open streams (`instance.max`)"
            ))),
        }
    }

    /// An instance that is not shared.
    async fn make_apart(&self) -> Result<Arc<Seat>, Trouble> {
        let permit = self.permit().await?;
        let guest = self.make(START_SERVING).await?;
        Ok(Seat::new(guest, Some(permit)))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let permit = self.permits.clone().acquire_owned();
        let permit = tokio::time::timeout(WAIT_MAX, permit).await;
        // The semaphore is never closed.
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            Trouble::Unavailable(format!(
                "{} instances are in use, and none became free for {WAIT_MAX:?} (`instance.max`)",
                self.instance.max
            ))
        })
    }

    async fn make(&self, deadline: Duration) -> Result<Guest, Trouble> {
        let making = Guest::new(
            &self.runtime,
            &self.compiled,
            &self.services,
            &self.limits,
            &self.config_json,
            deadline,
        );
        // Boxed: it holds a whole store while it is made.
        Box::pin(making).await
    }

    async fn sit(self: &Arc<Pool>, seat: &Arc<Seat>) -> Result<Taken, Trouble> {
        let guest = seat.take().await?;
        self.settle(seat.clone(), guest).await
    }

    /// Clears away what dropped streams have left in the instance.
    async fn settle(
        self: &Arc<Pool>,
        seat: Arc<Seat>,
        guest: OwnedMutexGuard<Guest>,
    ) -> Result<Taken, Trouble> {
        if seat.is_gone() {
            let why = "its instance has broken off in another call (`instance.mode: exchange` keeps them apart)";
            return Err(Trouble::Unavailable(why.to_owned()));
        }
        let mut taken = Taken {
            pool: self.clone(),
            seat,
            guest,
        };
        for _ in 0..CLEARED_MAX {
            let Some(left) = taken.seat.pop_left() else {
                break;
            };
            taken.clear(left).await?;
        }
        Ok(taken)
    }

    /// Nobody gets the instance any more; streams that live in it go on.
    fn retire(&self, seat: &Arc<Seat>) {
        let mut shared = self.shared.lock();
        shared.retired.retain(|retired| retired.strong_count() > 0);
        let is_bounded = shared.retired.len() < self.instance.max as usize;
        if !seat.is_gone() && seat.streams() > 0 {
            if !is_bounded {
                // As many as may be in use wait for their streams to end: this one goes on until some have.
                return;
            }
            shared.retired.push(Arc::downgrade(seat));
        }
        shared.seats.retain(|other| !Arc::ptr_eq(other, seat));
    }
}

enum Found {
    Free(Arc<Seat>, OwnedMutexGuard<Guest>),
    Busy(Arc<Seat>),
    Room(Making),
    /// All there may be are being made.
    Making,
}

/// A place among the shared instances that is kept for one that is being made.
struct Making(Arc<Pool>);

impl Making {
    async fn finish(self) -> Result<Arc<Seat>, Trouble> {
        let guest = self.0.make(START_SERVING).await?;
        let seat = Seat::new(guest, None);
        self.0.shared.lock().seats.push(seat.clone());
        Ok(seat)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.0.shared.lock().making -= 1;
        self.0.made.notify_waiters();
    }
}

impl Taken {
    /// Begins a call of a hook.
    pub fn begin(&mut self, hook: Hook, view: Option<&Arc<dyn View>>) -> Turn<'_> {
        let deadline = self.pool.limits.deadline_of(hook);
        self.guest.begin(view.cloned(), deadline)
    }

    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Drops what a stream has left.
    ///
    /// # Errors
    /// When the guest breaks off over it.
    pub async fn clear(&mut self, left: ResourceAny) -> Result<(), Trouble> {
        let mut turn = self.begin(Hook::OnEnd, None);
        let (store, _) = turn.parts();
        let dropped = left.resource_drop_async(store).await;
        turn.end(dropped)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.guest.is_dead() {
            self.seat.set_gone();
        }
        let is_worn = self.guest.calls() >= u64::from(self.pool.instance.calls_max);
        if self.guest.is_dead() || is_worn {
            self.pool.retire(&self.seat);
        }
    }
}
