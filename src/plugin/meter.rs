//! What is counted about plugins, as callbacks: this module must not know how numbers are exported.

use std::sync::Arc;
use std::time::Duration;

use super::hooks::Hook;

/// Where the numbers go.
pub trait Meter: Send + Sync {
    /// Asked once for each plugin that is built.
    fn plugin(&self, name: &str) -> Arc<dyn PluginMeter>;
}

/// The numbers of one plugin. Called for every call of it: it must be quick.
pub trait PluginMeter: Send + Sync {
    /// A call has ended. `outcome`: `ok`, or one of [`super::Trouble::LABELS`].
    fn called(&self, hook: Hook, outcome: &'static str, took: Duration);
    /// Whether the plugin is asked at all, whenever that changes.
    fn tripped(&self, is_tripped: bool);
    /// Instances that are alive have become one more (`1`) or one fewer (`-1`).
    fn instances(&self, change: i64);
}

/// What [`PluginMeter::called`] is told of a call without trouble.
pub const OK: &str = "ok";

/// Counts nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn plugin(&self, _: &str) -> Arc<dyn PluginMeter> {
        Arc::new(NoMeter)
    }
}

impl PluginMeter for NoMeter {
    fn called(&self, _: Hook, _: &'static str, _: Duration) {}
    fn tripped(&self, _: bool) {}
    fn instances(&self, _: i64) {}
}
