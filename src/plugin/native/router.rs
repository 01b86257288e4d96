//! A router that is part of weir.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{Candidate, Choice, Router};

use crate::plugin::hooks::{RouterHook, View};
use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

use super::host::NativeHost;
use super::instances::Instances;

/// A router that is part of weir.
pub struct NativeRouter<R>(Instances<R>);

impl<R: Router> NativeRouter<R> {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config_json: &str,
        services: &Arc<PluginServices>,
    ) -> Result<NativeRouter<R>, String> {
        Instances::new(R::configure, config_json, services).map(NativeRouter)
    }
}

#[async_trait]
impl<R: Router> RouterHook for NativeRouter<R> {
    async fn pick(
        &self,
        view: &Arc<dyn View>,
        candidates: &[Candidate],
    ) -> Result<Choice, Trouble> {
        let host = NativeHost {
            view: Some(&**view),
            services: &self.0.services,
            waits_on: None,
        };
        self.0.call(|router| router.pick(&host, candidates))
    }
}
