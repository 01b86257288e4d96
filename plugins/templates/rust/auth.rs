//! An authenticator: knows callers by a token in the header `x-demo-token`.
//! Configuration: `{"tokens": {"open-sesame": "ali"}}`.

use serde_json::{Map, Value};
use weir_plugin::{Auth, Decision, Host, PluginError, Principal, Rejection};

weir_plugin::auth!(Plugin);

struct Plugin {
    tokens: Map<String, Value>,
}

impl Auth for Plugin {
    fn configure(config_json: &str) -> Result<Plugin, String> {
        let config: Value = serde_json::from_str(config_json).map_err(|error| error.to_string())?;
        let tokens = config["tokens"].as_object();
        Ok(Plugin {
            tokens: tokens
                .ok_or("`tokens` must say who has which token")?
                .clone(),
        })
    }

    fn authenticate(&mut self, host: &dyn Host) -> Result<Decision, PluginError> {
        let Some(token) = host.request_header("x-demo-token") else {
            return Ok(Decision::Abstain);
        };
        let name = self.tokens.get(String::from_utf8_lossy(&token).as_ref());
        Ok(match name.and_then(Value::as_str) {
            Some(name) => Decision::Allow(Principal {
                id: name.to_owned(),
                ..Principal::default()
            }),
            None => Decision::Deny(Rejection::new(
                401,
                "unknown_token",
                "nobody has this token",
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::testing::{TestHost, principal};

    fn decide(host: TestHost) -> Decision {
        let mut plugin = Plugin::configure(r#"{"tokens": {"open-sesame": "ali"}}"#).expect("right");
        plugin.authenticate(&host).expect("it works")
    }

    #[test]
    fn a_token_says_who_calls() {
        let known = decide(TestHost::new().with_request_header("x-demo-token", "open-sesame"));
        assert_eq!(known, Decision::Allow(principal("ali")));
        let unknown = decide(TestHost::new().with_request_header("x-demo-token", "guess"));
        assert!(matches!(unknown, Decision::Deny(refusal) if refusal.status == 401));
        assert_eq!(decide(TestHost::new()), Decision::Abstain);
    }
}
