//! Instances of a plugin that is part of weir: as many as calls are under way at once, each used by one call at a time.
//! It must not know what they do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_plugin::PluginError;

use crate::plugin::services::PluginServices;
use crate::plugin::trouble::Trouble;

/// Instances that are kept for later calls; a call takes microseconds, so that more are hardly ever needed at once.
const KEPT_MAX: usize = 16;

/// Makes and keeps instances.
pub struct Instances<P> {
    configure: fn(&str) -> Result<P, String>,
    config_json: String,
    kept: Mutex<Vec<P>>,
    pub services: Arc<PluginServices>,
}

impl<P> Instances<P> {
    /// # Errors
    /// What is wrong with the configuration, in the plugin's words.
    pub fn new(
        configure: fn(&str) -> Result<P, String>,
        config_json: &str,
        services: &Arc<PluginServices>,
    ) -> Result<Instances<P>, String> {
        let first = configure(config_json)?;
        Ok(Instances {
            configure,
            config_json: config_json.to_owned(),
            kept: Mutex::new(vec![first]),
            services: services.clone(),
        })
    }

    /// Makes a call of an instance. One that panics is not used again.
    ///
    /// # Errors
    /// When it cannot do its work.
    pub fn call<T>(
        &self,
        work: impl FnOnce(&mut P) -> Result<T, PluginError>,
    ) -> Result<T, Trouble> {
        let kept = self.kept.lock().pop();
        let mut instance = match kept {
            Some(instance) => instance,
            None => (self.configure)(&self.config_json).map_err(Trouble::Unavailable)?,
        };
        let outcome = contained(|| work(&mut instance))?;
        let mut kept = self.kept.lock();
        if kept.len() < KEPT_MAX {
            kept.push(instance);
        }
        outcome
    }
}

/// Makes a call; a panic in it is the plugin's trouble.
///
/// # Errors
/// A panic; inside, when the plugin cannot do its work.
pub fn contained<T>(
    work: impl FnOnce() -> Result<T, PluginError>,
) -> Result<Result<T, Trouble>, Trouble> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let outcome = outcome.map_err(|_| Trouble::Trap("it panicked".to_owned()))?;
    Ok(outcome.map_err(said))
}

fn said(error: PluginError) -> Trouble {
    let (retryable, message) = match error {
        PluginError::Retryable(message) => (true, message),
        PluginError::Permanent(message) => (false, message),
    };
    Trouble::Said { retryable, message }
}
