//! A guard that is part of weir.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{
    Candidate, Edit, EventsVerdict, Guard, GuardStream, ResponseHead, StreamEvent, Verdict, Wants,
};

use crate::plugin::hooks::{GuardHook, StreamHook, View};
use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

use super::host::NativeHost;
use super::instances::{Instances, contained};

/// A guard that is part of weir.
pub struct NativeGuard<G> {
    instances: Instances<G>,
    wants: Wants,
}

impl<G: Guard> NativeGuard<G> {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config_json: &str,
        services: &Arc<PluginServices>,
    ) -> Result<NativeGuard<G>, String> {
        let wants = G::configure(config_json)?.wants();
        let instances = Instances::new(G::configure, config_json, services)?;
        Ok(NativeGuard { instances, wants })
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
impl<G: Guard> GuardHook for NativeGuard<G> {
    fn wants(&self) -> Wants {
        self.wants
    }

    async fn on_request(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble> {
        let host = self.host(view);
        self.instances.call(|guard| guard.on_request(&host))
    }

    async fn on_upstream_request(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<Vec<Edit>, Trouble> {
        let host = self.host(view);
        self.instances
            .call(|guard| guard.on_upstream_request(&host, target))
    }

    async fn on_response(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble> {
        let host = self.host(view);
        self.instances.call(|guard| guard.on_response(&host))
    }

    async fn open_stream(
        &self,
        view: &Arc<dyn View>,
        head: ResponseHead,
    ) -> Result<Box<dyn StreamHook>, Trouble> {
        let host = self.host(view);
        let stream = self.instances.call(|guard| Ok(guard.stream(&host, head)))?;
        Ok(Box::new(NativeStream {
            stream: parking_lot::Mutex::new(stream),
            view: view.clone(),
            services: self.instances.services.clone(),
        }))
    }
}

/// One stream on its way past it. The lock is never waited for: there is one caller.
struct NativeStream<S> {
    stream: parking_lot::Mutex<S>,
    view: Arc<dyn View>,
    services: Arc<PluginServices>,
}

#[async_trait]
impl<S: GuardStream> StreamHook for NativeStream<S> {
    async fn on_events(&mut self, events: Vec<StreamEvent>) -> Result<EventsVerdict, Trouble> {
        let host = NativeHost {
            view: Some(&*self.view),
            services: &self.services,
            waits_on: None,
        };
        let stream = self.stream.get_mut();
        contained(|| stream.on_events(&host, events))?
    }

    async fn on_end(&mut self) -> Result<Vec<StreamEvent>, Trouble> {
        let host = NativeHost {
            view: Some(&*self.view),
            services: &self.services,
            waits_on: None,
        };
        let stream = self.stream.get_mut();
        contained(|| stream.on_end(&host))?
    }
}
