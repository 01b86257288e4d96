//! What stands between the reading of a stream and its telling: guards, one after the other. What they hold back comes before the
//! answer's end, whatever they do.

use weir_plugin::{EventsVerdict, ResponseHead, StreamEvent};

use crate::fault::Fault;
use crate::plugin::events::Bridge;
use crate::plugin::{Called, Hook};
use crate::proxy::attempt::{Attempt, Failure};
use crate::proxy::filters::{OpenGuard, down, refused};
use crate::proxy::view::shown;
use crate::upstream::Connection;
use crate::wire::neutral::Event;

/// The guards that one stream passes.
pub struct Between {
    guards: Vec<OpenGuard>,
    bridge: Bridge,
    /// Ends of choices, which nothing of their choice may follow.
    finishes: Vec<Event<'static>>,
}

impl Between {
    pub fn new(guards: Vec<OpenGuard>) -> Between {
        Between {
            guards,
            bridge: Bridge::default(),
            finishes: Vec::new(),
        }
    }

    /// What is told of what has been read.
    ///
    /// # Errors
    /// What a guard has against it; that one which must agree could not.
    pub async fn pass(
        &mut self,
        events: Vec<Event<'static>>,
    ) -> Result<Vec<Event<'static>>, Fault> {
        let mut told = Vec::new();
        let mut shown = Vec::new();
        for event in events {
            match event {
                Event::End | Event::Error(_) => {
                    self.through(std::mem::take(&mut shown), 0, &mut told)
                        .await?;
                    self.empty(&mut told).await?;
                    told.append(&mut self.finishes);
                    told.push(event);
                }
                event => shown.extend(self.bridge.show(event)),
            }
        }
        self.through(shown, 0, &mut told).await?;
        Ok(told)
    }

    /// Events past the guards from the `from`th on.
    async fn through(
        &mut self,
        mut events: Vec<StreamEvent>,
        from: usize,
        told: &mut Vec<Event<'static>>,
    ) -> Result<(), Fault> {
        for open in self.guards.iter_mut().skip(from) {
            if events.is_empty() {
                return Ok(());
            }
            // A guard that fails open lets pass what it was shown.
            let called = open.stream.on_events(events.clone()).await;
            events = match called {
                Called::Answered(EventsVerdict::Pass) | Called::FailedOpen(_) => events,
                Called::Answered(EventsVerdict::Drop) => return Ok(()),
                Called::Answered(EventsVerdict::Replace(other)) => other,
                Called::Answered(EventsVerdict::Abort(rejection)) => {
                    return Err(refused(&open.guard, Hook::OnEvents, rejection));
                }
                Called::FailedClosed(_) => return Err(down(&open.guard)),
            };
        }
        for event in events {
            match self.bridge.take_back(event) {
                Some(event @ Event::Finish { .. }) => self.finishes.push(event),
                Some(event) => told.push(event),
                None => {}
            }
        }
        Ok(())
    }

    /// What each guard has held back, past those after it.
    async fn empty(&mut self, told: &mut Vec<Event<'static>>) -> Result<(), Fault> {
        for at in 0..self.guards.len() {
            let open = &mut self.guards[at];
            let tail = match open.stream.on_end().await {
                Called::Answered(tail) => tail,
                Called::FailedOpen(_) => continue,
                Called::FailedClosed(_) => return Err(down(&open.guard)),
            };
            self.through(tail, at + 1, told).await?;
        }
        Ok(())
    }
}

/// The head of the answer, for guards.
pub fn shown_head(attempt: &Attempt<'_>, connection: &Connection) -> ResponseHead {
    let head = connection.head();
    ResponseHead {
        status: head.status.as_u16(),
        headers: shown(&head.headers),
        upstream: attempt.name(),
        model: attempt.exchange.model().to_owned(),
    }
}

/// What guards there are for the answer's events.
pub async fn between(
    attempt: &Attempt<'_>,
    head: ResponseHead,
) -> Result<Option<Between>, Failure> {
    let Some(filters) = &attempt.exchange.filters else {
        return Ok(None);
    };
    let open = filters.open(head).await.map_err(Failure::Final)?;
    Ok(Some(Between::new(open)))
}
