//! A router that caps what requests are expected to cost: each, and all of a tenant, user or tag in a period. As a period's cap
//! runs low, cheaper candidates come first; where none fits, the request is refused with the cap that stands against it.
//!
//! What is expected is prices by estimated tokens. What an exchange has really cost, weir's own budgets count.

mod caps;
mod config;
mod cost;
mod period;
mod rank;

use weir_plugin::{Candidate, Choice, Host, PluginError, Router};

use caps::Applied;
use config::Config;

weir_plugin::router!(CostCap);

/// The router.
pub struct CostCap {
    config: Config,
}

impl Router for CostCap {
    fn configure(config_json: &str) -> Result<CostCap, String> {
        let config = Config::parse(config_json)?;
        Ok(CostCap { config })
    }

    fn pick(&mut self, host: &dyn Host, candidates: &[Candidate]) -> Result<Choice, PluginError> {
        let meta = host.meta();
        let mut applied = Vec::new();
        for rule in &self.config.rules {
            applied.extend(Applied::to(rule, &meta, host)?);
        }
        if applied.is_empty() {
            return Ok(Choice::UseDefault);
        }
        rank::choose(&self.config, &applied, &meta, host, candidates)
    }
}
