//! Guards as components: what they are asked, and their streams, which live in an instance. What becomes of a verdict is not known here.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{Candidate, Edit, EventsVerdict, ResponseHead, StreamEvent, Verdict, Wants};

use super::Component;
use super::life::Life;
use crate::plugin::hooks::{GuardHook, Hook, StreamHook, View};
use crate::plugin::trouble::Trouble;
use crate::plugin::wasm::pool::Taken;
use crate::plugin::wasm::v0_1::{lift, lower};

pub(super) async fn wants(taken: &mut Taken) -> Result<Wants, Trouble> {
    let mut turn = taken.begin(Hook::OnRequest, None);
    let (store, exports) = turn.parts();
    let wanted = exports.guard()?.response.call_wants(store).await;
    turn.end(wanted).map(lift::wants)
}

#[async_trait]
impl GuardHook for Component {
    fn wants(&self) -> Wants {
        self.wants
    }

    async fn on_request(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble> {
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::OnRequest, Some(view));
        let (store, exports) = turn.parts();
        let judged = exports.guard()?.request.call_on_request(store).await;
        let verdict = turn.end(judged)?.map_err(lift::error)?;
        Ok(lift::verdict(verdict))
    }

    async fn on_upstream_request(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<Vec<Edit>, Trouble> {
        let target = lower::candidate(target);
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::OnUpstreamRequest, Some(view));
        let (store, exports) = turn.parts();
        let request = &exports.guard()?.request;
        let edited = request.call_on_upstream_request(store, &target).await;
        let edits = turn.end(edited)?.map_err(lift::error)?;
        Ok(lift::edits(edits))
    }

    async fn on_response(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble> {
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::OnResponse, Some(view));
        let (store, exports) = turn.parts();
        let judged = exports.guard()?.response.call_on_response(store).await;
        let verdict = turn.end(judged)?.map_err(lift::error)?;
        Ok(lift::verdict(verdict))
    }

    async fn open_stream(
        &self,
        view: &Arc<dyn View>,
        head: ResponseHead,
    ) -> Result<Box<dyn StreamHook>, Trouble> {
        let head = lower::head(head);
        let mut taken = self.pool.take(Some(view), true).await?;
        let mut turn = taken.begin(Hook::Stream, Some(view));
        let (store, exports) = turn.parts();
        let streams = exports.guard()?.response.stream();
        let opened = streams.call_constructor(store, &head).await;
        let resource = turn.end(opened)?;
        let life = Life::begin(&self.pool, &taken, view, resource);
        Ok(Box::new(Stream(life)))
    }
}

/// A stream on its way past a guard.
struct Stream(Life);

#[async_trait]
impl StreamHook for Stream {
    async fn on_events(&mut self, events: Vec<StreamEvent>) -> Result<EventsVerdict, Trouble> {
        let events = lower::events(events);
        let (mut taken, stream) = self.0.take().await?;
        let mut turn = taken.begin(Hook::OnEvents, Some(&self.0.view));
        let (store, exports) = turn.parts();
        let streams = exports.guard()?.response.stream();
        let judged = streams.call_on_events(store, stream, &events).await;
        let verdict = turn.end(judged)?.map_err(lift::error)?;
        Ok(lift::events_verdict(verdict))
    }

    async fn on_end(&mut self) -> Result<Vec<StreamEvent>, Trouble> {
        let (mut taken, stream) = self.0.take().await?;
        let mut turn = taken.begin(Hook::OnEnd, Some(&self.0.view));
        let (store, exports) = turn.parts();
        let streams = exports.guard()?.response.stream();
        let ended = streams.call_on_end(store, stream).await;
        let tail = turn.end(ended)?.map_err(lift::error)?;
        self.0.finish(taken).await?;
        Ok(lift::events(tail))
    }
}
