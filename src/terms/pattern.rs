//! Which models a rule is for: a name, a glob or a regular expression.
//! It must not know what the rule does.

use regex::Regex;

/// Matches model names. `gpt-5` is that name, `gpt-*` a glob (`*` any text, `?` one character), `/^gpt-[45]$/` a regular
/// expression that may match anywhere.
#[derive(Debug, Clone)]
pub struct ModelPattern {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    Pattern(Regex),
}

impl PartialEq for ModelPattern {
    fn eq(&self, other: &ModelPattern) -> bool {
        self.text == other.text
    }
}

impl ModelPattern {
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the pattern.
    pub fn parse(text: &str) -> Result<ModelPattern, String> {
        let inner = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        let source = match inner {
            Some("") => return Err("is an empty regular expression".to_owned()),
            Some(regex) => Some(regex.to_owned()),
            None if text.trim().is_empty() => return Err("is empty".to_owned()),
            None if text.contains(['*', '?']) => Some(glob(text)),
            None => None,
        };
        let matcher = match source {
            None => Matcher::Exact,
            Some(source) => Matcher::Pattern(Regex::new(&source).map_err(|error| {
                let cause = error.to_string();
                let last = cause.lines().last().unwrap_or_default().trim();
                format!("is not a regular expression: {last}")
            })?),
        };
        Ok(ModelPattern {
            text: text.to_owned(),
            matcher,
        })
    }

    pub fn matches(&self, model: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.text == model,
            Matcher::Pattern(regex) => regex.is_match(model),
        }
    }

    /// Whether it stands for one name only.
    pub fn is_name(&self) -> bool {
        matches!(self.matcher, Matcher::Exact)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn glob(text: &str) -> String {
    let parts = text.chars().map(|character| match character {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        other => regex::escape(other.encode_utf8(&mut [0; 4])),
    });
    format!("^(?s:{})$", parts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_globs_and_regular_expressions() {
        let cases = [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-*", "gpt-5-mini", true),
            ("gpt-*", "my-gpt-5", false),
            ("a.b?", "a.bc", true),
            ("a.b?", "axbc", false),
            ("/^gpt-[45]/", "gpt-4o", true),
            ("/^gpt-[45]/", "gpt-3.5", false),
            ("org/model", "org/model", true),
            ("*", "", true),
        ];
        for (pattern, model, expected) in cases {
            let parsed = ModelPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(model), expected, "{pattern} {model}");
        }
        for bad in ["", " ", "//", "/(/"] {
            assert!(ModelPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
