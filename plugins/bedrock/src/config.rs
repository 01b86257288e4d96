//! What an operator may set for the adapter.

use serde_json::{Map, Value, json};
use weir_openai::config;

use super::family::Family;

#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `guardrailConfig` of every request; a client's own does not go before it.
    pub guardrail: Option<Map<String, Value>>,
    /// Results of tools that are JSON objects go as JSON. Default: as the text that they are.
    pub results_as_json: bool,
    /// What is known of single models, by the upstream's own names.
    models: Vec<(String, Model)>,
}

/// What is known of a model.
#[derive(Debug, Clone, Default)]
struct Model {
    family: Option<Family>,
    fields: Map<String, Value>,
}

const KNOWN: [&str; 3] = ["guardrail", "tool_results", "models"];

impl Config {
    /// # Errors
    /// What is wrong with it, naming the member.
    pub fn read(text: &str) -> Result<Config, String> {
        let members = config(text, &KNOWN)?;
        let results_as_json = match members.get("tool_results").map(Value::as_str) {
            None | Some(Some("text")) => false,
            Some(Some("json")) => true,
            Some(_) => return Err("`tool_results` is neither text nor json".to_owned()),
        };
        let guardrail = members.get("guardrail").map(guardrail).transpose()?;
        let models = match members.get("models") {
            None => Vec::new(),
            Some(Value::Object(models)) => models
                .iter()
                .map(|(name, value)| Ok((name.clone(), model(name, value)?)))
                .collect::<Result<_, String>>()?,
            Some(_) => return Err("`models` is no object".to_owned()),
        };
        Ok(Config {
            guardrail,
            results_as_json,
            models,
        })
    }

    /// The family of a model: as configured, or by its id.
    pub fn family(&self, model: &str) -> Family {
        let configured = self.model(model).and_then(|known| known.family);
        configured.unwrap_or_else(|| Family::of(model))
    }

    /// `additionalModelRequestFields` of every request for a model.
    pub fn fields(&self, model: &str) -> Map<String, Value> {
        let known = self.model(model);
        known.map(|known| known.fields.clone()).unwrap_or_default()
    }

    fn model(&self, name: &str) -> Option<&Model> {
        let found = self.models.iter().find(|(known, _)| known == name);
        found.map(|(_, model)| model)
    }
}

fn guardrail(value: &Value) -> Result<Map<String, Value>, String> {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
    let (Some(id), Some(version)) = (text("id"), text("version")) else {
        return Err("`guardrail` needs an `id` and a `version`".to_owned());
    };
    let mut guardrail = Map::new();
    guardrail.insert("guardrailIdentifier".to_owned(), id.into());
    guardrail.insert("guardrailVersion".to_owned(), version.into());
    let trace = match &value["trace"] {
        Value::Null => json!("disabled"),
        trace => trace.clone(),
    };
    let known = ["enabled", "disabled", "enabled_full"];
    if !known.iter().any(|known| trace == *known) {
        return Err("`guardrail.trace` is none of enabled, disabled and enabled_full".to_owned());
    }
    guardrail.insert("trace".to_owned(), trace);
    Ok(guardrail)
}

fn model(name: &str, value: &Value) -> Result<Model, String> {
    let members = value
        .as_object()
        .ok_or(format!("`models.{name}` is no object"))?;
    let mut model = Model::default();
    for (member, value) in members {
        match (member.as_str(), value) {
            ("family", Value::String(family)) => {
                let known = Family::NAMES.map(|(known, _)| known).join(", ");
                let problem = format!("`models.{name}.family` is none of {known}");
                model.family = Some(Family::parse(family).ok_or(problem)?);
            }
            ("fields", Value::Object(fields)) => model.fields = fields.clone(),
            (member, _) => {
                return Err(format!(
                    "`models.{name}.{member}` is not known; there is `family`, a text, and `fields`, an object"
                ));
            }
        }
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            (r#"{"guardrial": {}}"#, "guardrial"),
            (r#"{"guardrail": {"id": "g"}}"#, "version"),
            (
                r#"{"guardrail": {"id": "g", "version": "1", "trace": "yes"}}"#,
                "trace",
            ),
            (r#"{"tool_results": "xml"}"#, "tool_results"),
            (r#"{"models": {"m": {"family": "gpt"}}}"#, "family"),
            (r#"{"models": {"m": {"filds": {}}}}"#, "filds"),
        ] {
            let problem = Config::read(text).expect_err(text);
            assert!(problem.contains(named), "{problem}");
        }
        let read = Config::read(r#"{"models": {"arn:x/y": {"family": "nova"}}}"#);
        assert_eq!(read.expect("it is right").family("arn:x/y"), Family::Nova);
    }
}
