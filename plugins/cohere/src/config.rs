//! What an operator may set for the adapter.

use serde_json::{Map, Value};
use weir_openai::config;

#[derive(Debug, Clone, Default)]
pub struct Config {
    pub counts: Counts,
    pub past_thoughts: PastThoughts,
    pub tool_results: ToolResults,
    /// What texts are embedded for, where the request does not say so (`input_type`). Default: `search_document`.
    pub input_type: Option<String>,
    /// `safety_mode` of requests that do not say it; Cohere's own default otherwise.
    pub safety_mode: Option<String>,
}

/// Which of the two counts of tokens is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Counts {
    /// What is paid for: without what Cohere adds to the prompt. Default.
    #[default]
    Billed,
    /// What the model reads and writes.
    Tokens,
}

/// How what the model thought in earlier turns goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PastThoughts {
    /// As the model's family says it. Default.
    #[default]
    Auto,
    Thinking,
    ToolPlan,
    Drop,
}

/// How results of tools go out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolResults {
    /// As the text that they are. Default.
    #[default]
    Text,
    /// As documents, which answers can cite.
    Documents,
}

const KNOWN: [&str; 5] = [
    "usage",
    "past_reasoning",
    "tool_results",
    "input_type",
    "safety_mode",
];

impl Config {
    /// # Errors
    /// What is wrong with it, naming the member.
    pub fn read(text: &str) -> Result<Config, String> {
        let members = config(text, &KNOWN)?;
        let counts = choice(
            &members,
            "usage",
            &[("billed", Counts::Billed), ("tokens", Counts::Tokens)],
        )?;
        let past = [
            ("auto", PastThoughts::Auto),
            ("thinking", PastThoughts::Thinking),
            ("tool_plan", PastThoughts::ToolPlan),
            ("drop", PastThoughts::Drop),
        ];
        let results = [
            ("text", ToolResults::Text),
            ("documents", ToolResults::Documents),
        ];
        Ok(Config {
            counts,
            past_thoughts: choice(&members, "past_reasoning", &past)?,
            tool_results: choice(&members, "tool_results", &results)?,
            input_type: text_of(&members, "input_type")?,
            safety_mode: text_of(&members, "safety_mode")?,
        })
    }
}

fn choice<T: Copy + Default>(
    members: &Map<String, Value>,
    name: &str,
    known: &[(&str, T)],
) -> Result<T, String> {
    let Some(given) = text_of(members, name)? else {
        return Ok(T::default());
    };
    let found = known.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        format!("`{name}` is {given:?}; write {}", words.join(" or "))
    })
}

fn text_of(members: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_nobody_knows_and_values_that_nobody_has_are_refused() {
        assert!(Config::read("null").is_ok());
        assert_eq!(
            Config::read(r#"{"usage": "tokens"}"#).map(|read| read.counts),
            Ok(Counts::Tokens)
        );
        for (text, named) in [
            (r#"{"usgae": "tokens"}"#, "usgae"),
            (r#"{"usage": "all"}"#, "billed or tokens"),
            (r#"{"input_type": 3}"#, "input_type"),
            ("[]", "object"),
            ("{", "JSON"),
        ] {
            let problem = Config::read(text).expect_err(text);
            assert!(problem.contains(named), "{problem}");
        }
    }
}
