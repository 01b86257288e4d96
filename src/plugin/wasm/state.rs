//! What the host keeps beside an instance: what it may use, what it has used, and the call that runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Error, Result, UpdateDeadline};

use super::bounds::Bounds;
use super::pulse::TICK;
use crate::plugin::hooks::View;
use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

/// Of one instance.
pub struct State {
    pub services: Arc<PluginServices>,
    pub bounds: Bounds,
    call: Option<Call>,
}

/// The call that runs.
struct Call {
    view: Option<Arc<dyn View>>,
    deadline: Duration,
    /// By the clock.
    ends: Instant,
    /// Ticks that have passed while it computed.
    ticks: u32,
    /// So many it gets, whatever the clock says: a guest whose thread is kept from computing by others is not charged for that.
    ticks_min: u32,
    /// Until here even so.
    ends_surely: Instant,
    may_wait: bool,
    exceeded: Option<Trouble>,
}

/// Ticks that any call gets. Two in a row can pass while its thread is kept waiting once.
const TICKS_MIN: u32 = 4;
/// What a call that is kept from computing by others gets beyond twice its deadline.
const PATIENCE: Duration = Duration::from_millis(50);

impl State {
    pub fn new(services: Arc<PluginServices>, memory_bytes_max: usize) -> State {
        State {
            services,
            bounds: Bounds::new(memory_bytes_max),
            call: None,
        }
    }

    /// `view`: the exchange that it is about; without one everything of it is empty. `may_wait`: for answers from outside.
    pub fn begin(&mut self, view: Option<Arc<dyn View>>, deadline: Duration, may_wait: bool) {
        let now = Instant::now();
        let half = deadline.as_nanos().div_ceil(2 * TICK.as_nanos());
        self.call = Some(Call {
            view,
            deadline,
            ends: now + deadline,
            ticks: 0,
            ticks_min: u32::try_from(half).unwrap_or(u32::MAX).max(TICKS_MIN),
            ends_surely: now + deadline * 2 + PATIENCE,
            may_wait,
            exceeded: None,
        });
    }

    /// The call has ended; what it has exceeded, if that is why.
    pub fn end(&mut self) -> Option<Trouble> {
        let call = self.call.take()?;
        call.exceeded
    }

    pub fn view(&self) -> Option<&Arc<dyn View>> {
        self.call.as_ref()?.view.as_ref()
    }

    /// A tick has passed while the guest computed.
    pub fn tick(&mut self) -> Result<UpdateDeadline> {
        let Some(call) = &mut self.call else {
            return Err(Error::msg("runs outside of a call"));
        };
        call.ticks = call.ticks.saturating_add(1);
        let now = Instant::now();
        let is_over = now >= call.ends && call.ticks >= call.ticks_min;
        if is_over || now >= call.ends_surely {
            call.exceeded = Some(Trouble::Timeout(call.deadline));
            return Err(Error::msg("deadline"));
        }
        // Others get their turn.
        Ok(UpdateDeadline::Yield(1))
    }

    /// Until when the call may wait for an answer from outside; `None`: not at all.
    pub fn may_wait_until(&self) -> Option<Instant> {
        let call = self.call.as_ref()?;
        call.may_wait.then_some(call.ends)
    }

    /// The call has waited beyond its deadline, and breaks off.
    pub fn has_waited(&mut self) -> Error {
        if let Some(call) = &mut self.call {
            call.exceeded = Some(Trouble::Blocked(call.deadline));
        }
        Error::msg("deadline")
    }
}
