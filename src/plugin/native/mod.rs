//! Plugins that are part of weir: the same crates that become components, called as they are. What they are asked, and when, is not known
//! here.

mod adapter;
mod guard;
mod host;
mod instances;
mod observer;
mod router;

use std::sync::Arc;

use super::hooks::Hooks;
use super::services::PluginServices;
use super::set::Builtins;
use super::settings::PluginSettings;

use adapter::NativeAdapter;
use guard::NativeGuard;
use observer::NativeObserver;
use router::NativeRouter;

/// The names that `builtin:` takes.
pub const NAMES: [&str; 6] = [
    "pii",
    "injection",
    "cost-cap",
    "json-lines",
    "cohere",
    "bedrock",
];

/// The plugins that are part of weir.
pub struct Native;

impl Builtins for Native {
    fn build(
        &self,
        name: &str,
        settings: &PluginSettings,
        services: &Arc<PluginServices>,
    ) -> Result<Hooks, String> {
        let config = &settings.config_json;
        let mut hooks = Hooks::default();
        match name {
            "pii" => {
                let pii = NativeGuard::<weir_plugin_pii::Pii>::new(config, services)?;
                hooks.guard = Some(Arc::new(pii));
            }
            "injection" => {
                let injection =
                    NativeGuard::<weir_plugin_injection::Injection>::new(config, services)?;
                hooks.guard = Some(Arc::new(injection));
            }
            "cost-cap" => {
                let cap = NativeRouter::<weir_plugin_cost_cap::CostCap>::new(config, services)?;
                hooks.router = Some(Arc::new(cap));
            }
            "json-lines" => {
                let lines =
                    NativeObserver::<weir_plugin_json_lines::JsonLines>::new(config, services)?;
                hooks.observer = Some(Arc::new(lines));
            }
            "cohere" => {
                let cohere = NativeAdapter::<weir_cohere::Cohere>::new(config, services)?;
                hooks.adapter = Some(Arc::new(cohere));
            }
            "bedrock" => {
                let bedrock = NativeAdapter::<weir_bedrock::Bedrock>::new(config, services)?;
                hooks.adapter = Some(Arc::new(bedrock));
            }
            _ => {
                return Err(format!(
                    "there is no builtin `{name}`; there are {}",
                    NAMES.join(", ")
                ));
            }
        }
        Ok(hooks)
    }
}
