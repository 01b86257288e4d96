//! Streams of events: written for scripted hosts, and read as clients read them.

/// Where the first event of `bytes` ends.
pub fn end_of_event(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .position(|window| window == b"\n\n")
        .map(|at| at + 2)
}

/// The payloads of all whole events, as a client decodes them (WHATWG HTML §9.2.6): any line end, comments skipped, an
/// event without its blank line discarded.
pub fn payloads(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut payloads = Vec::new();
    let mut data: Option<String> = None;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            break;
        }
        if line.is_empty() {
            payloads.extend(data.take());
        } else if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            data = Some(match data {
                None => value.to_owned(),
                Some(earlier) => format!("{earlier}\n{value}"),
            });
        }
    }
    payloads
}

/// Events out of payloads.
pub fn events<S: AsRef<str>>(payloads: impl IntoIterator<Item = S>) -> String {
    payloads
        .into_iter()
        .map(|payload| format!("data: {}\n\n", payload.as_ref()))
        .collect()
}

/// The payloads of a chat stream.
pub struct Chat;

impl Chat {
    pub fn role() -> String {
        Chat::delta(r#"{"role":"assistant","content":""}"#)
    }

    pub fn word(text: &str) -> String {
        Chat::delta(&format!(
            r#"{{"content":{}}}"#,
            serde_json::Value::from(text)
        ))
    }

    pub fn finish() -> String {
        Chat::chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#)
    }

    pub fn usage(input: u64, output: u64) -> String {
        let total = input + output;
        format!(
            r#"{{"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}}}}}"#
        )
    }

    fn delta(delta: &str) -> String {
        Chat::chunk(&format!(
            r#"[{{"index":0,"delta":{delta},"finish_reason":null}}]"#
        ))
    }

    fn chunk(choices: &str) -> String {
        format!(
            r#"{{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":{choices}}}"#
        )
    }

    /// A whole stream: role, `words`, finish, `[DONE]`.
    pub fn stream(words: &[&str]) -> Vec<String> {
        let mut payloads = vec![Chat::role()];
        payloads.extend(words.iter().map(|word| Chat::word(word)));
        payloads.extend([Chat::finish(), "[DONE]".to_owned()]);
        payloads
    }

    /// The text of a stream's deltas.
    pub fn text(payloads: &[String]) -> String {
        let chunks = payloads
            .iter()
            .filter_map(|payload| serde_json::from_str::<serde_json::Value>(payload).ok());
        chunks
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
    }
}
