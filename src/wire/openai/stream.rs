//! Streams: what an event means, which of it the client did not ask for, and whether the stream has ended as its operation demands.

use bytes::Bytes;

use crate::wire::json::{self, Edits, Member, Name};
use crate::wire::streams::{Ending, Glance, StreamError, Tally};
use crate::wire::{Operation, Spoken, Usage, sse};

use super::{answer, refusal, speech};

/// Reads the events of one stream, in order.
#[derive(Debug)]
pub struct Reader {
    operation: Operation,
    /// Usage was asked of the upstream on weir's own account: the client must not see it.
    hide_usage: bool,
    /// The terminator has been seen.
    ended: bool,
    /// Choices that have not finished; 0: the answer is whole, though its terminator may be missing.
    /// `None` where the number of choices is not known.
    unfinished: Option<u64>,
    usage: Option<Usage>,
    tally: Option<Tally>,
}

impl Reader {
    /// A reader for the streams of `operation`, of `choices` answers where that is known.
    pub fn new(operation: Operation, hide_usage: bool, choices: Option<u64>) -> Reader {
        Reader {
            operation,
            hide_usage,
            ended: false,
            unfinished: choices,
            usage: None,
            tally: None,
        }
    }

    /// Keeps what the stream says until it is counted.
    pub fn keep_tally(&mut self) {
        self.tally = Some(Tally::default());
    }

    /// Reads one whole event.
    pub fn read(&mut self, event: Bytes) -> Glance {
        let glance = self.look(event);
        if let Some(tally) = &mut self.tally {
            tally.event_over(self.usage);
        }
        glance
    }

    fn look(&mut self, event: Bytes) -> Glance {
        let parsed = sse::parse(&event);
        let data = parsed.data.bytes();
        if data.is_empty() && parsed.name.is_none() {
            return Glance::Nothing(event);
        }
        if data == b"[DONE]" {
            self.ended = true;
            return Glance::End(event);
        }
        if is_error(parsed.name, data) {
            let error = StreamError {
                status: answer::status_of_error(data),
                body_status: None,
                retry_after: None,
                reason: refusal::reason_of(data),
                body: answer::error_of_event(data).map(Bytes::from),
                event: event.clone(),
            };
            return Glance::Error(Box::new(error));
        }
        if let Some(tally) = &mut self.tally {
            speech::say(self.operation, parsed.name, data, tally.spoken());
        }
        if self.is_last(parsed.name, data) {
            self.usage = answer::usage_of(data).or(self.usage);
            self.ended = true;
            return Glance::End(event);
        }
        self.unfinished = self
            .unfinished
            .map(|left| left.saturating_sub(finishes(data)));
        if !answer::USAGE.is_in(data) {
            return Glance::Content(Some(event));
        }
        self.usage = answer::usage_of(data).or(self.usage);
        if !self.hide_usage {
            return Glance::Content(Some(event));
        }
        let hidden = match parsed.data {
            sse::Data::Line(data, offset) => without_usage(&event, data, offset),
            // No engine spreads a chunk over several lines; it passes rather than be damaged.
            sse::Data::None | sse::Data::Joined(_) => Some(event.clone()),
        };
        Glance::Content(hidden)
    }

    /// What was said and is in no count, if it was kept.
    pub fn said(&mut self) -> Spoken {
        self.tally.as_mut().map(Tally::take).unwrap_or_default()
    }

    /// The last usage reported so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// How the stream stands if its bytes end now.
    pub fn ending(&self) -> Ending {
        match self.operation {
            _ if self.ended => Ending::Clean,
            Operation::Chat | Operation::Completions if self.unfinished == Some(0) => {
                Ending::Unterminated(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            _ => Ending::Truncated,
        }
    }

    /// Whether the events of this operation's streams carry their type in an `event:` line.
    pub fn typed(&self) -> bool {
        self.operation == Operation::Responses
    }

    /// The last event of streams that end without `[DONE]`. Source: OpenAI's OpenAPI document.
    fn is_last(&self, name: Option<&[u8]>, data: &[u8]) -> bool {
        let last: &[&[u8]] = match self.operation {
            Operation::Responses => &[
                b"response.completed",
                b"response.failed",
                b"response.incomplete",
            ],
            Operation::ImageGeneration => &[b"image_generation.completed"],
            Operation::ImageEdit => &[b"image_edit.completed"],
            Operation::Speech => &[b"speech.audio.done"],
            Operation::Transcription => &[b"transcript.text.done"],
            _ => return false,
        };
        let kind = name.map_or_else(|| event_type(data), |name| Some(name.to_vec()));
        kind.is_some_and(|kind| last.contains(&kind.as_slice()))
    }
}

/// The `type` member of a payload.
fn event_type(data: &[u8]) -> Option<Vec<u8>> {
    let mut kind = None;
    json::members(data, |key, Member { value, .. }| {
        if key == b"type" {
            kind = json::text_of(&data[value]).map(|text| text.into_owned().into_bytes());
        }
    })
    .ok()?;
    kind
}

/// OpenAI's SDKs raise an error for `event: error` and for a payload with a truthy member `error`.
fn is_error(name: Option<&[u8]>, data: &[u8]) -> bool {
    if name == Some(b"error") {
        return true;
    }
    if !ERROR.is_in(data) {
        return false;
    }
    let mut error = false;
    let read = json::members(data, |key, Member { value, .. }| {
        let value = &data[value];
        match key {
            b"error" => error |= !matches!(value, b"null" | b"false" | b"{}" | b"\"\""),
            // vLLM before 0.9 sent its error objects bare.
            b"object" => error |= value == b"\"error\"",
            _ => {}
        }
    });
    read.is_ok() && error
}

static ERROR: Name = Name::new("\"error\"");
static FINISH_REASON: Name = Name::new("\"finish_reason\"");

/// How many choices of a chunk have a finish reason. Some engines send an empty reason while a choice goes on.
fn finishes(data: &[u8]) -> u64 {
    let reasons = FINISH_REASON.rests(data);
    let said = reasons.filter(|rest| rest.starts_with(b"\"") && !rest.starts_with(b"\"\""));
    said.count() as u64
}

/// The event without its `usage`; `None` where it carried nothing else.
fn without_usage(event: &Bytes, data: &[u8], offset: usize) -> Option<Bytes> {
    let (mut usage, mut has_usage, mut choices_empty) = (None, false, false);
    let read = json::members(data, |key, member| match key {
        b"usage" => {
            has_usage |= &data[member.value.clone()] != b"null";
            usage.get_or_insert(member);
        }
        b"choices" => {
            let items = data[member.value]
                .iter()
                .filter(|byte| !byte.is_ascii_whitespace());
            choices_empty = items.eq(b"[]");
        }
        _ => {}
    });
    let Some(usage) = read.ok().and(usage) else {
        return Some(event.clone());
    };
    if has_usage && choices_empty {
        return None;
    }
    let removed = json::removal(data, &usage);
    let mut edits = Edits::default();
    edits.replace(offset + removed.start..offset + removed.end, "");
    let shorter = edits.apply(event);
    let data_end = offset + data.len() - removed.len();
    // A chunk that says it twice loses both.
    without_usage(&shorter, &shorter[offset..data_end], offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut Reader, data: &str) -> Glance {
        reader.read(Bytes::from(format!("data: {data}\n\n")))
    }

    fn content(data: &str) -> Glance {
        Glance::Content(Some(Bytes::from(format!("data: {data}\n\n"))))
    }

    #[test]
    fn a_chat_stream_ends_with_done_or_is_completed_after_its_finish() {
        let mut reader = Reader::new(Operation::Chat, false, Some(1));
        let chunk =
            r#"{"choices":[{"delta":{"content":"\"finish_reason\":\"x\""},"finish_reason":null}]}"#;
        assert_eq!(read(&mut reader, chunk), content(chunk));
        assert_eq!(reader.ending(), Ending::Truncated);
        let last = r#"{"choices":[{"delta":{},"finish_reason" : "stop"}]}"#;
        assert_eq!(read(&mut reader, last), content(last));
        assert_eq!(
            reader.ending(),
            Ending::Unterminated(Bytes::from_static(b"data: [DONE]\n\n"))
        );
        assert!(matches!(read(&mut reader, "[DONE]"), Glance::End(_)));
        assert_eq!(reader.ending(), Ending::Clean);
    }

    #[test]
    fn a_stream_of_two_answers_is_whole_when_both_have_finished() {
        let finish = r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#;
        let mut reader = Reader::new(Operation::Chat, false, Some(2));
        read(
            &mut reader,
            r#"{"choices":[{"index":0,"finish_reason":""}]}"#,
        );
        read(&mut reader, finish);
        assert_eq!(reader.ending(), Ending::Truncated);
        read(&mut reader, finish);
        assert_eq!(
            reader.ending(),
            Ending::Unterminated(Bytes::from_static(b"data: [DONE]\n\n"))
        );
        let mut reader = Reader::new(Operation::Completions, false, None);
        read(&mut reader, finish);
        assert_eq!(reader.ending(), Ending::Truncated);
    }

    #[test]
    fn usage_is_read_and_hidden_from_those_who_did_not_ask() {
        let mut reader = Reader::new(Operation::Chat, true, Some(1));
        let with_null = r#"{"choices":[{"delta":{"content":"a \"usage\" b"}}],"usage":null}"#;
        let hidden = r#"{"choices":[{"delta":{"content":"a \"usage\" b"}}]}"#;
        assert_eq!(read(&mut reader, with_null), content(hidden));
        let beside =
            r#"{"usage":{"prompt_tokens":3,"completion_tokens":1},"choices":[{"delta":{}}]}"#;
        assert_eq!(
            read(&mut reader, beside),
            content(r#"{"choices":[{"delta":{}}]}"#)
        );
        let only = r#"{"id":"x","choices": [ ],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        assert_eq!(read(&mut reader, only), Glance::Content(None));
        assert_eq!(
            reader.usage().map(|usage| (usage.input(), usage.output)),
            Some((3, 2))
        );
    }

    #[test]
    fn usage_passes_to_those_who_asked() {
        let mut reader = Reader::new(Operation::Chat, false, Some(1));
        let only = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        assert_eq!(read(&mut reader, only), content(only));
        assert_eq!(reader.usage().unwrap().output, 2);
    }

    #[test]
    fn case_03_comments_are_not_data() {
        let mut reader = Reader::new(Operation::Chat, false, Some(1));
        assert_eq!(
            reader.read(Bytes::from_static(b": OPENROUTER PROCESSING\n\n")),
            Glance::Nothing(Bytes::from_static(b": OPENROUTER PROCESSING\n\n"))
        );
    }

    #[test]
    fn errors_are_seen_and_talk_of_errors_is_not_one() {
        let mut reader = Reader::new(Operation::Chat, false, Some(1));
        for text in [
            r#"{"error":{"message":"x","code":502}}"#,
            r#"{"choices":[],"error":"x"}"#,
        ] {
            let Glance::Error(error) = read(&mut reader, text) else {
                panic!("{text}")
            };
            assert_eq!(error.event, format!("data: {text}\n\n"));
        }
        for text in [
            r#"{"choices":[{"delta":{"content":"error"}}],"error":null}"#,
            r#"{"choices":[{"x":"error"}]}"#,
        ] {
            assert_eq!(read(&mut reader, text), content(text));
        }
        let named = reader.read(Bytes::from_static(
            b"event: error\ndata: {\"message\":\"x\"}\n\n",
        ));
        assert!(matches!(named, Glance::Error(_)));
        assert!(matches!(
            read(&mut reader, r#"{"object":"error","message":"x"}"#),
            Glance::Error(_)
        ));
    }

    #[test]
    fn typed_streams_end_with_their_last_event() {
        let mut reader = Reader::new(Operation::Responses, false, None);
        let event = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
        assert!(matches!(
            reader.read(Bytes::from(event)),
            Glance::Content(_)
        ));
        assert_eq!(reader.ending(), Ending::Truncated);
        let last = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":4,\"output_tokens\":6}}}\n\n";
        assert!(matches!(reader.read(Bytes::from(last)), Glance::End(_)));
        assert_eq!(
            (reader.ending(), reader.usage().unwrap().output),
            (Ending::Clean, 6)
        );
        let mut reader = Reader::new(Operation::Transcription, false, None);
        assert!(matches!(
            read(&mut reader, r#"{"type":"transcript.text.done","text":"x"}"#),
            Glance::End(_)
        ));
    }
}
