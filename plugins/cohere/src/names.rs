//! Names of tools. Cohere takes letters, digits and `_`, and no digit first; clients' names have `-` and more. Names that it does
//! not take are written in others, which are read back in the answer: both are made of the request alone.

use serde_json::{Map, Value};
use weir_openai::Tools;

/// The names of a request's tools, as clients write them, each with Cohere's.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pairs: Vec<(String, String)>,
}

impl Names {
    pub fn of(request: &Map<String, Value>) -> Names {
        let tools = Tools::read(request).map(|tools| tools.list);
        let mut names = Names::default();
        for tool in tools.unwrap_or_default() {
            names.add(&tool.name);
        }
        names
    }

    fn add(&mut self, name: &str) {
        if self.pairs.iter().any(|(known, _)| known == name) {
            return;
        }
        let plain = plain(name);
        let is_taken = |written: &str| self.pairs.iter().any(|(_, known)| known == written);
        let numbered = (2u32..).map(|number| format!("{plain}_{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered);
        let written = free.into_iter().find(|written| !is_taken(written));
        self.pairs.push((name.to_owned(), written.unwrap_or(plain)));
    }

    /// Cohere's name; of a tool that the request no longer has, too.
    pub fn written(&self, name: &str) -> String {
        let known = self.pairs.iter().find(|(known, _)| known == name);
        known.map_or_else(|| plain(name), |(_, written)| written.clone())
    }

    /// The client's name.
    pub fn read<'n>(&'n self, written: &'n str) -> &'n str {
        let known = self.pairs.iter().find(|(_, known)| known == written);
        known.map_or(written, |(name, _)| name)
    }
}

fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut written: String = name
        .chars()
        .map(|letter| if fits(letter) { letter } else { '_' })
        .collect();
    if !written.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        written.insert(0, '_');
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        let given = [
            "get-weather",
            "get_weather",
            "2fast",
            "plain",
            "get.weather",
        ];
        let tools: Value = given
            .iter()
            .map(|name| json!({"type": "function", "function": {"name": name}}))
            .collect();
        let request = json!({"tools": tools});
        let names = Names::of(request.as_object().expect("it is one"));
        let written: Vec<String> = given.iter().map(|name| names.written(name)).collect();
        assert_eq!(
            written,
            [
                "get_weather",
                "get_weather_2",
                "_2fast",
                "plain",
                "get_weather_3"
            ]
        );
        for (name, written) in given.iter().zip(&written) {
            assert_eq!(names.read(written), *name);
        }
        assert_eq!(names.read("unknown"), "unknown");
    }
}
