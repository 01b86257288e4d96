//! An observer: counts tokens by model, and tells of exchanges that were slow.
//! Configuration: `{"slow_ms": 5000}`.

use serde_json::Value;
use weir_plugin::{Host, Level, Observer, Outcome};

weir_plugin::observer!(Plugin);

struct Plugin {
    slow_ms: f64,
}

impl Observer for Plugin {
    fn configure(config_json: &str) -> Result<Plugin, String> {
        let config: Value = serde_json::from_str(config_json).map_err(|error| error.to_string())?;
        let slow_ms = config["slow_ms"].as_f64();
        Ok(Plugin {
            slow_ms: slow_ms.unwrap_or(5000.0),
        })
    }

    fn on_log(&mut self, host: &dyn Host, batch: &[Outcome]) -> Result<(), String> {
        for outcome in batch {
            let tokens = outcome.usage.input + outcome.usage.output;
            host.count("tokens", &[("model", &outcome.meta.model)], tokens as f64);
            if f64::from(outcome.total_ms) > self.slow_ms {
                let (id, upstream, took) = (&outcome.meta.id, &outcome.upstream, outcome.total_ms);
                host.log(
                    Level::Warn,
                    &format!("{id} took {took:.0} ms at {upstream}"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::testing::{TestHost, outcome};

    #[test]
    fn tokens_are_counted_and_slow_exchanges_told() {
        let host = TestHost::new();
        let mut plugin = Plugin::configure(r#"{"slow_ms": 1000}"#).expect("it is right");
        let slow = Outcome {
            total_ms: 1500.0,
            ..outcome()
        };
        plugin.on_log(&host, &[outcome(), slow]).expect("it works");
        assert!((host.counted("tokens") - 60.0).abs() < f64::EPSILON);
        assert_eq!(host.logs().len(), 1);
    }
}
