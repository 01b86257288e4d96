//! A guard: hides words, in requests, answers and streams, and refuses others.
//! Configuration: `{"hide": ["teapot"], "with": "[hidden]", "refuse": ["forbidden"]}`.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_plugin::{
    Edit, EventsVerdict, Guard, GuardStream, Header, Host, Level, PluginError, Rejection, Reply,
    ResponseHead, Segment, StreamEvent, Verdict,
};

weir_plugin::guard!(Plugin);

#[derive(Clone)]
struct Plugin {
    hide: Vec<String>,
    with: String,
    refuse: Vec<String>,
}

impl Guard for Plugin {
    type Stream = Stream;

    fn configure(config_json: &str) -> Result<Plugin, String> {
        let config: Value = serde_json::from_str(config_json).map_err(|error| error.to_string())?;
        Ok(Plugin {
            hide: words(&config, "hide")?,
            with: config["with"].as_str().unwrap_or("[hidden]").to_owned(),
            refuse: words(&config, "refuse")?,
        })
    }

    fn on_request(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        let segments = host.request_segments();
        if segments.last().is_some_and(|last| last.text == "/about") {
            return Ok(Verdict::Reply(about(host)));
        }
        Ok(self.verdict(host, segments))
    }

    fn on_response(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        Ok(self.verdict(host, host.response_segments()))
    }

    fn stream(&mut self, _host: &dyn Host, _head: ResponseHead) -> Stream {
        Stream {
            plugin: self.clone(),
            held: BTreeMap::new(),
        }
    }
}

impl Plugin {
    fn verdict(&self, host: &dyn Host, segments: Vec<Segment>) -> Verdict {
        let mut edits = Vec::new();
        let mut hidden = 0;
        for segment in segments {
            if let Some(refusal) = self.refusal(&segment.text) {
                return Verdict::Reject(refusal);
            }
            let (text, count, _) = self.without_words(&segment.text, true);
            if count > 0 {
                edits.push(Edit::SetSegment(segment.index, text));
                hidden += count;
            }
        }
        if hidden == 0 {
            return Verdict::Pass;
        }
        tell(host, hidden);
        edits.push(Edit::SetTag("hidden".to_owned(), hidden.to_string()));
        Verdict::Edit(edits)
    }

    fn refusal(&self, text: &str) -> Option<Rejection> {
        let word = self.refuse.iter().find(|word| text.contains(*word))?;
        let message = format!("the word `{word}` is not allowed here");
        Some(Rejection::new(403, "refused_word", message))
    }

    /// The text without the words, how many they were, and an end of it that may be the beginning of a word: it waits for what
    /// follows, unless the text is whole.
    fn without_words(&self, text: &str, is_whole: bool) -> (String, usize, String) {
        let (mut out, mut count, mut rest) = (String::new(), 0, text);
        while let Some(first) = rest.chars().next() {
            let mut words = self.hide.iter().chain(&self.refuse);
            if !is_whole && words.any(|word| word.len() > rest.len() && word.starts_with(rest)) {
                break;
            }
            match self.hide.iter().find(|word| rest.starts_with(*word)) {
                Some(word) => {
                    out.push_str(&self.with);
                    count += 1;
                    rest = &rest[word.len()..];
                }
                None => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        (out, count, rest.to_owned())
    }
}

/// A stream of an answer. Words may be cut anywhere between its events.
struct Stream {
    plugin: Plugin,
    /// For each choice, text that may become a word.
    held: BTreeMap<u32, String>,
}

impl GuardStream for Stream {
    fn on_events(
        &mut self,
        host: &dyn Host,
        events: Vec<StreamEvent>,
    ) -> Result<EventsVerdict, PluginError> {
        let mut out = Vec::new();
        for event in events {
            match event {
                StreamEvent::Text(delta) => {
                    let text = self.held.remove(&delta.choice).unwrap_or_default() + &delta.text;
                    if let Some(refusal) = self.plugin.refusal(&text) {
                        return Ok(EventsVerdict::Abort(refusal));
                    }
                    let held = self.say(host, delta.choice, &text, false, &mut out);
                    self.held.insert(delta.choice, held);
                }
                StreamEvent::Finish(finish) => {
                    let held = self.held.remove(&finish.choice).unwrap_or_default();
                    self.say(host, finish.choice, &held, true, &mut out);
                    out.push(StreamEvent::Finish(finish));
                }
                other => out.push(other),
            }
        }
        Ok(match out.is_empty() {
            true => EventsVerdict::Drop,
            false => EventsVerdict::Replace(out),
        })
    }

    fn on_end(&mut self, host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        let mut out = Vec::new();
        for (choice, held) in std::mem::take(&mut self.held) {
            self.say(host, choice, &held, true, &mut out);
        }
        Ok(out)
    }
}

impl Stream {
    /// Says what is sure of a text, and gives back what is not.
    fn say(
        &self,
        host: &dyn Host,
        choice: u32,
        text: &str,
        is_whole: bool,
        out: &mut Vec<StreamEvent>,
    ) -> String {
        let (text, count, held) = self.plugin.without_words(text, is_whole);
        if count > 0 {
            tell(host, count);
        }
        if !text.is_empty() {
            out.push(StreamEvent::text(choice, text));
        }
        held
    }
}

fn words(config: &Value, name: &str) -> Result<Vec<String>, String> {
    let Some(list) = config.get(name) else {
        return Ok(Vec::new());
    };
    let word = |word: &Value| {
        word.as_str()
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
    };
    let words = list
        .as_array()
        .and_then(|list| list.iter().map(word).collect());
    words.ok_or_else(|| format!("`{name}` must be a list of words"))
}

/// A metric, a line in the log, and a sum that all instances share (with the grant `kv`).
fn tell(host: &dyn Host, hidden: usize) {
    host.count("hidden_words", &[], hidden as f64);
    host.log(Level::Info, &format!("hid {hidden} words"));
    let _sum = host.kv_add("hidden", hidden as i64, None);
}

fn about(host: &dyn Host) -> Reply {
    let hidden = host
        .kv_get("hidden")
        .ok()
        .flatten()
        .unwrap_or_else(|| b"0".to_vec());
    let hidden = String::from_utf8_lossy(&hidden);
    Reply {
        status: 200,
        headers: vec![Header::new("content-type", "application/json")],
        body: format!(r#"{{"plugin":"plugin-name","hidden":{hidden}}}"#).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::testing::{
        TestHost, cuts_in_two, edited_segments, response_head, stream_text,
    };

    fn plugin() -> Plugin {
        Plugin::configure(r#"{"hide": ["teapot"], "refuse": ["forbidden"]}"#).expect("it is right")
    }

    #[test]
    fn words_of_requests_are_hidden_and_refused() {
        let host = TestHost::asked("A teapot, a teapot!");
        let verdict = plugin().on_request(&host).expect("it works");
        let texts = edited_segments(&host.request_segments(), &verdict);
        assert_eq!(texts, Some(vec!["A [hidden], a [hidden]!".to_owned()]));
        assert_eq!(host.kv_get("hidden"), Ok(Some(b"2".to_vec())));

        let verdict = plugin().on_request(&TestHost::asked("forbidden"));
        assert!(matches!(verdict, Ok(Verdict::Reject(refusal)) if refusal.status == 403));
    }

    #[test]
    fn words_of_streams_are_hidden_however_they_are_cut() {
        let host = TestHost::new();
        for pieces in cuts_in_two("A teapot, a tea.") {
            let mut stream = plugin().stream(&host, response_head());
            let heard = stream_text(&mut stream, &host, &pieces);
            assert_eq!(heard, Ok("A [hidden], a tea.".to_owned()), "{pieces:?}");
        }
    }
}
