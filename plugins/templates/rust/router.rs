//! A router: candidates of one region first, and of those the one with the least to do.
//! Configuration: `{"prefer": "eu", "only": false}`; with `only`, nothing outside of the region is used.

use serde_json::Value;
use weir_plugin::{Candidate, Choice, Host, Level, PluginError, Ranked, Rejection, Router};

weir_plugin::router!(Plugin);

struct Plugin {
    prefer: String,
    only: bool,
}

impl Router for Plugin {
    fn configure(config_json: &str) -> Result<Plugin, String> {
        let config: Value = serde_json::from_str(config_json).map_err(|error| error.to_string())?;
        let prefer = config["prefer"].as_str();
        Ok(Plugin {
            prefer: prefer
                .ok_or("`prefer` must be the name of a region")?
                .to_owned(),
            only: config["only"] == true,
        })
    }

    fn pick(&mut self, host: &dyn Host, candidates: &[Candidate]) -> Result<Choice, PluginError> {
        let mut ranked = Vec::new();
        for (index, candidate) in (0..).zip(candidates) {
            let preferred = candidate.region.as_deref() == Some(&self.prefer);
            if candidate.healthy && (preferred || !self.only) {
                let bonus = if preferred { 1000.0 } else { 0.0 };
                let score = bonus - candidate.in_flight as f32;
                ranked.push(Ranked { index, score });
            }
        }
        host.log(
            Level::Debug,
            &format!("{} of {} will do", ranked.len(), candidates.len()),
        );
        if !ranked.is_empty() {
            return Ok(Choice::Ranked(ranked));
        }
        Ok(match self.only {
            true => Choice::Reject(Rejection::new(
                503,
                "no_region",
                format!("no server in `{}` is healthy", self.prefer),
            )),
            false => Choice::UseDefault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::testing::{TestHost, candidate};

    #[test]
    fn the_region_comes_first() {
        let mut plugin = Plugin::configure(r#"{"prefer": "eu"}"#).expect("it is right");
        let here = Candidate {
            region: Some("eu".to_owned()),
            in_flight: 3,
            ..candidate("b")
        };
        let choice = plugin.pick(&TestHost::new(), &[candidate("a"), here]);
        let Ok(Choice::Ranked(ranked)) = choice else {
            panic!("{choice:?}");
        };
        assert!(ranked[1].score > ranked[0].score);
    }
}
