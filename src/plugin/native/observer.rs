//! An observer that is part of weir. It may wait for answers from outside, on a thread that is there for waiting.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use weir_plugin::{Observer, Outcome, PluginError};

use crate::plugin::hooks::ObserverHook;
use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

use super::host::NativeHost;
use super::instances::Instances;

/// An observer that is part of weir.
pub struct NativeObserver<O>(Arc<Instances<O>>);

impl<O: Observer> NativeObserver<O> {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config_json: &str,
        services: &Arc<PluginServices>,
    ) -> Result<NativeObserver<O>, String> {
        let instances = Instances::new(O::configure, config_json, services)?;
        Ok(NativeObserver(Arc::new(instances)))
    }
}

#[async_trait]
impl<O: Observer> ObserverHook for NativeObserver<O> {
    async fn on_log(&self, batch: &[Outcome]) -> Result<(), Trouble> {
        let (instances, batch) = (self.0.clone(), batch.to_vec());
        let handle = Handle::current();
        let told = tokio::task::spawn_blocking(move || {
            let host = NativeHost {
                view: None,
                services: &instances.services,
                waits_on: Some(&handle),
            };
            instances.call(|observer| {
                let told = observer.on_log(&host, &batch);
                told.map_err(PluginError::Retryable)
            })
        });
        told.await
            .unwrap_or_else(|_| Err(Trouble::Trap("it panicked".to_owned())))
    }
}
