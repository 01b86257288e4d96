//! An adapter that is part of weir.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{
    Adapter, AdapterInfo, Candidate, Decoder, Failure, Header, StreamEvent, WireRequest,
};

use crate::plugin::hooks::{AdapterHook, DecoderHook, View};
use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

use super::host::NativeHost;
use super::instances::{Instances, contained};

/// An adapter that is part of weir.
pub struct NativeAdapter<A> {
    instances: Instances<A>,
    info: AdapterInfo,
}

impl<A: Adapter> NativeAdapter<A> {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config_json: &str,
        services: &Arc<PluginServices>,
    ) -> Result<NativeAdapter<A>, String> {
        let info = A::configure(config_json)?.describe();
        let instances = Instances::new(A::configure, config_json, services)?;
        Ok(NativeAdapter { instances, info })
    }

    fn host<'c>(&'c self, view: &'c Arc<dyn View>) -> NativeHost<'c> {
        NativeHost {
            view: Some(&**view),
            services: &self.instances.services,
            waits_on: None,
        }
    }
}

#[async_trait]
impl<A: Adapter> AdapterHook for NativeAdapter<A> {
    fn describe(&self) -> &AdapterInfo {
        &self.info
    }

    async fn encode(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<WireRequest, Trouble> {
        let host = self.host(view);
        self.instances.call(|adapter| adapter.encode(&host, target))
    }

    async fn open_decoder(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
    ) -> Result<Box<dyn DecoderHook>, Trouble> {
        let host = self.host(view);
        let opened = self
            .instances
            .call(|adapter| Ok(adapter.decoder(&host, status, &headers)));
        Ok(Box::new(NativeDecoder {
            decoder: parking_lot::Mutex::new(opened?),
            view: view.clone(),
            services: self.instances.services.clone(),
        }))
    }

    async fn classify(
        &self,
        _view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Result<Failure, Trouble> {
        self.instances
            .call(|adapter| Ok(adapter.classify(status, &headers, &body)))
    }
}

/// Reads one answer. The lock is never waited for: there is one caller.
struct NativeDecoder<D> {
    decoder: parking_lot::Mutex<D>,
    view: Arc<dyn View>,
    services: Arc<PluginServices>,
}

#[async_trait]
impl<D: Decoder> DecoderHook for NativeDecoder<D> {
    async fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, Trouble> {
        let host = NativeHost {
            view: Some(&*self.view),
            services: &self.services,
            waits_on: None,
        };
        let decoder = self.decoder.get_mut();
        contained(|| decoder.push(&host, chunk))?
    }

    async fn finish(&mut self) -> Result<Vec<StreamEvent>, Trouble> {
        let host = NativeHost {
            view: Some(&*self.view),
            services: &self.services,
            waits_on: None,
        };
        let decoder = self.decoder.get_mut();
        contained(|| decoder.finish(&host))?
    }
}
