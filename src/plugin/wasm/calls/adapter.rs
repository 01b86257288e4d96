//! Adapters as components: what they are asked, and their decoders, which live in an instance. What an answer means is not known here.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{AdapterInfo, Candidate, Failure, Header, StreamEvent, WireRequest};

use super::Component;
use super::life::Life;
use crate::plugin::hooks::{AdapterHook, DecoderHook, Hook, View};
use crate::plugin::trouble::Trouble;
use crate::plugin::wasm::pool::Taken;
use crate::plugin::wasm::v0_1::{lift, lower};

pub(super) async fn describe(taken: &mut Taken) -> Result<AdapterInfo, Trouble> {
    let mut turn = taken.begin(Hook::Encode, None);
    let (store, exports) = turn.parts();
    let info = exports.adapter()?.call_describe(store).await;
    turn.end(info).map(lift::adapter_info)
}

#[async_trait]
impl AdapterHook for Component {
    fn describe(&self) -> &AdapterInfo {
        &self.info
    }

    async fn encode(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<WireRequest, Trouble> {
        let target = lower::candidate(target);
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::Encode, Some(view));
        let (store, exports) = turn.parts();
        let encoded = exports.adapter()?.call_encode(store, &target).await;
        let request = turn.end(encoded)?.map_err(lift::error)?;
        Ok(lift::wire_request(request))
    }

    async fn open_decoder(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
    ) -> Result<Box<dyn DecoderHook>, Trouble> {
        let headers = lower::headers(headers);
        let mut taken = self.pool.take(Some(view), true).await?;
        let mut turn = taken.begin(Hook::Decoder, Some(view));
        let (store, exports) = turn.parts();
        let decoders = exports.adapter()?.decoder();
        let opened = decoders.call_constructor(store, status, &headers).await;
        let resource = turn.end(opened)?;
        let life = Life::begin(&self.pool, &taken, view, resource);
        Ok(Box::new(Decoder(life)))
    }

    async fn classify(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Result<Failure, Trouble> {
        let headers = lower::headers(headers);
        let mut taken = self.take(view).await?;
        let mut turn = taken.begin(Hook::Classify, Some(view));
        let (store, exports) = turn.parts();
        let adapter = exports.adapter()?;
        let classified = adapter.call_classify(store, status, &headers, &body).await;
        turn.end(classified).map(lift::failure)
    }
}

/// One answer of a provider.
struct Decoder(Life);

#[async_trait]
impl DecoderHook for Decoder {
    async fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, Trouble> {
        let (mut taken, decoder) = self.0.take().await?;
        let mut turn = taken.begin(Hook::Push, Some(&self.0.view));
        let (store, exports) = turn.parts();
        let decoders = exports.adapter()?.decoder();
        let pushed = decoders.call_push(store, decoder, chunk).await;
        let events = turn.end(pushed)?.map_err(lift::error)?;
        Ok(lift::events(events))
    }

    async fn finish(&mut self) -> Result<Vec<StreamEvent>, Trouble> {
        let (mut taken, decoder) = self.0.take().await?;
        let mut turn = taken.begin(Hook::Finish, Some(&self.0.view));
        let (store, exports) = turn.parts();
        let decoders = exports.adapter()?.decoder();
        let finished = decoders.call_finish(store, decoder).await;
        let events = turn.end(finished)?.map_err(lift::error)?;
        self.0.finish(taken).await?;
        Ok(lift::events(events))
    }
}
