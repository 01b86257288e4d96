//! A stream told anew: the upstream's events read, what was changed for the upstream put back, and written for the client.

use bytes::Bytes;

use crate::wire::neutral::{self, Answer, Event, Request, Unintelligible, replay};
use crate::wire::openai::{self, Reason};
use crate::wire::translate::{Elapsed, Naming, Reader, Restore, Writer, read_answer, write_answer};
use crate::wire::{Dialect, Spoken, Usage, sse};

use super::observed::{error_answer, stream_error};
use super::{Ending, Glance, Tally};

/// Translates one stream.
pub struct Translator {
    from: Dialect,
    to: Dialect,
    reader: Reader,
    restore: Restore,
    telling: Telling,
    ended: bool,
}

/// The client's side: what events are told to.
struct Telling {
    writer: Writer,
    usage: Option<Usage>,
    /// Reasoning and calls, for clients that cannot send the reasoning back.
    remembered: Option<neutral::Collector>,
    /// What was said since the last count, if it is wanted.
    tally: Option<Tally>,
    /// What the answer has come to, as [`ANSWER_BYTES_MAX`] counts it.
    bytes: usize,
    /// What has been read, where others may change it before it is told.
    waiting: Option<Vec<Event<'static>>>,
}

/// A longer answer is none. Of one whose calls come interleaved, or whose writer tells calls whole, all may have to be held.
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What an event takes beside its bytes where it is held, about.
const EVENT_BYTES: usize = 128;

/// Of a longer turn the reasoning is not kept.
const REMEMBERED_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Translator {
    /// From an upstream's dialect to the client's. `remembers`: whether the reasoning of the answer is to be kept.
    pub fn new(
        from: Dialect,
        to: Dialect,
        asked: &Request,
        naming: &Naming,
        restore: Restore,
        remembers: bool,
    ) -> Translator {
        Translator {
            from,
            to,
            reader: Reader::new(from, &naming.seed),
            restore,
            telling: Telling {
                writer: Writer::new(to, asked, naming),
                usage: None,
                remembered: remembers.then(neutral::Collector::default),
                tally: None,
                bytes: 0,
                waiting: None,
            },
            ended: false,
        }
    }

    /// The client wants one JSON array in place of events (Gemini).
    #[must_use]
    pub fn as_array(mut self, is_array: bool) -> Translator {
        self.telling.writer = self.telling.writer.as_array(is_array);
        self
    }

    /// Whether the last event of an answer that has not said why it ends is its end; it is cut otherwise.
    #[must_use]
    pub fn ending_without_reason(mut self, it_may: bool) -> Translator {
        self.reader = self.reader.ending_without_reason(it_may);
        self
    }

    /// Others may change what is read before it is told: [`Translator::read`] tells nothing, and every event waits for
    /// [`Translator::tell`].
    #[must_use]
    pub fn in_two_steps(mut self, is_wanted: bool) -> Translator {
        self.telling.waiting = is_wanted.then(Vec::new);
        self
    }

    /// What has been read and is to be told; empty where it is told at once.
    pub fn take_waiting(&mut self) -> Vec<Event<'static>> {
        let waiting = self.telling.waiting.as_mut();
        waiting.map(std::mem::take).unwrap_or_default()
    }

    /// Tells what others have let pass.
    pub fn tell(&mut self, events: Vec<Event<'_>>, elapsed: Elapsed) -> Glance {
        let mut pass = Pass::new(elapsed);
        for event in events {
            match event {
                Event::Error(error) => pass.error = Some(error),
                event => pass.tell(event, &mut self.telling.writer),
            }
        }
        self.glance(pass, Reason::default())
    }

    /// Keeps what the stream says until it is counted.
    pub fn keep_tally(&mut self) {
        self.telling.tally = Some(Tally::default());
    }

    /// What was said and is in no count, if it was kept.
    pub fn said(&mut self) -> Spoken {
        let tally = self.telling.tally.as_mut();
        tally.map(Tally::take).unwrap_or_default()
    }

    /// Reads one event of the upstream's.
    ///
    /// # Errors
    /// What makes it no event of the upstream's dialect; that the answer is longer than any.
    pub fn read(&mut self, event: &Bytes, elapsed: Elapsed) -> Result<Glance, String> {
        let parsed = match self.from {
            Dialect::Ollama => sse::Event::of_line(event),
            _ => sse::parse(event),
        };
        let data = parsed.data.bytes();
        if data.is_empty() && parsed.name.is_none() {
            return Ok(Glance::Nothing(Bytes::new()));
        }
        let mut pass = Pass::new(elapsed);
        let Translator {
            reader,
            restore,
            telling,
            ..
        } = self;
        telling.bytes += data.len();
        let read = reader.read(parsed.name, data, &mut |event| {
            pass.take(event, restore, telling);
        });
        if let Some(tally) = &mut telling.tally {
            tally.event_over(telling.usage);
        }
        read.map_err(|Unintelligible(what)| what)?;
        if telling.bytes > ANSWER_BYTES_MAX {
            return Err(format!(
                "the answer is longer than {ANSWER_BYTES_MAX} bytes"
            ));
        }
        if self.telling.waiting.is_some() {
            self.ended |= pass.ended;
            return Ok(Glance::Nothing(Bytes::new()));
        }
        let reason = match &pass.error {
            Some(_) => openai::reason_of(data),
            None => Reason::default(),
        };
        Ok(self.glance(pass, reason))
    }

    /// What was told comes to. `reason`: what the words of an error say of its reason.
    fn glance(&mut self, mut pass: Pass, reason: Reason) -> Glance {
        if let Some(error) = pass.error {
            let mut event = std::mem::take(&mut pass.out);
            self.telling.writer.error(&error, pass.elapsed, &mut event);
            let said = Some(error_answer(self.to, &error));
            let error = stream_error(event.into(), &error, reason, said);
            return Glance::Error(Box::new(error));
        }
        self.ended |= pass.ended;
        let out = (!pass.out.is_empty()).then(|| Bytes::from(pass.out));
        match (pass.ended, pass.is_content) {
            (true, _) => Glance::End(out.unwrap_or_default()),
            (false, true) => Glance::Content(out),
            // The beginning of an answer is no answer yet: an error may still follow in its place.
            (false, false) => Glance::Nothing(out.unwrap_or_default()),
        }
    }

    /// How the stream stands, now that its bytes have ended.
    pub fn ending(&mut self, elapsed: Elapsed) -> Ending {
        if self.ended {
            return Ending::Clean;
        }
        let mut pass = Pass::new(elapsed);
        let Translator {
            reader,
            restore,
            telling,
            ..
        } = self;
        reader.end(&mut |event| pass.take(event, restore, telling));
        if pass.ended {
            Ending::Unterminated(pass.out.into())
        } else {
            Ending::Truncated
        }
    }

    pub fn usage(&self) -> Option<Usage> {
        self.telling.usage
    }

    /// An event without content, for a client that has waited long; empty where none may stand.
    pub fn keepalive(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.telling.writer.keepalive(&mut out);
        out.into()
    }

    /// What ends a running stream by an error of weir's own telling.
    pub fn broken_off(&mut self, error: &neutral::Error, elapsed: Elapsed) -> Bytes {
        let mut out = Vec::new();
        self.telling.writer.error(error, elapsed, &mut out);
        out.into()
    }

    /// The media type of what the client gets.
    pub fn content_type(&self) -> &'static str {
        self.telling.writer.content_type()
    }

    /// The turn's reasoning and calls, if they were to be kept.
    pub fn remembered(&mut self) -> Option<Answer> {
        let collector = self.telling.remembered.take()?;
        collector.finish().ok().map(|(answer, _)| answer)
    }
}

/// What one event of the upstream's comes to.
struct Pass {
    elapsed: Elapsed,
    out: Vec<u8>,
    error: Option<Box<neutral::Error>>,
    is_content: bool,
    ended: bool,
}

impl Pass {
    fn new(elapsed: Elapsed) -> Pass {
        Pass {
            elapsed,
            out: Vec::new(),
            error: None,
            is_content: false,
            ended: false,
        }
    }

    fn take(&mut self, event: Event<'_>, restore: &mut Restore, telling: &mut Telling) {
        if let Some(tally) = &mut telling.tally {
            say(&event, tally.spoken());
        }
        match event {
            Event::Error(error) => match &mut telling.waiting {
                Some(waiting) => waiting.push(Event::Error(error)),
                None => self.error = Some(error),
            },
            _ if restore.is_empty() => self.write(event, telling),
            _ => restore.event(event, &mut |event| self.write(event, telling)),
        }
    }

    fn write(&mut self, event: Event<'_>, telling: &mut Telling) {
        if let Event::Usage(told) = &event {
            telling.usage = Some(*told);
        }
        telling.remember(&event);
        telling.bytes += EVENT_BYTES;
        match &mut telling.waiting {
            Some(waiting) => {
                self.ended |= matches!(event, Event::End);
                waiting.push(event.into_owned());
            }
            None => self.tell(event, &mut telling.writer),
        }
    }

    fn tell(&mut self, event: Event<'_>, writer: &mut Writer) {
        match &event {
            Event::End => self.ended = true,
            // Some upstreams count before they have said anything, and an error may still follow.
            Event::Usage(_) | Event::Start { .. } => {}
            _ => self.is_content = true,
        }
        writer.write(event, self.elapsed, &mut self.out);
    }
}

/// What the model says with an event.
fn say(event: &Event<'_>, spoken: &mut Spoken) {
    match event {
        Event::Text { text, .. }
        | Event::Refusal { text, .. }
        | Event::Reasoning { text, .. }
        | Event::CallArguments { text, .. } => spoken.say(text),
        Event::Start { .. }
        | Event::ReasoningEnd { .. }
        | Event::CallStart { .. }
        | Event::CallEnd { .. }
        | Event::Citation { .. }
        | Event::Logprobs { .. }
        | Event::Opaque { .. }
        | Event::Usage(_)
        | Event::Finish { .. }
        | Event::Error(_)
        | Event::End => {}
    }
}

impl Telling {
    /// Keeps what leads to calls, and the calls.
    fn remember(&mut self, event: &Event<'_>) {
        let leads = match event {
            Event::Reasoning { .. }
            | Event::ReasoningEnd { .. }
            | Event::CallStart { .. }
            | Event::CallArguments { .. } => true,
            Event::Start { .. }
            | Event::Text { .. }
            | Event::Refusal { .. }
            | Event::CallEnd { .. }
            | Event::Citation { .. }
            | Event::Logprobs { .. }
            | Event::Opaque { .. }
            | Event::Usage(_)
            | Event::Finish { .. }
            | Event::Error(_)
            | Event::End => false,
        };
        if !leads {
            return;
        }
        if self.bytes > REMEMBERED_BYTES_MAX {
            self.remembered = None;
        } else if let Some(collector) = &mut self.remembered {
            collector.push(event.clone());
        }
    }
}

/// A whole answer told anew, as a whole; what it used stands in it.
///
/// # Errors
/// What makes it no answer of the upstream's dialect.
pub fn whole(
    from: Dialect,
    body: &[u8],
    asked: &Request,
    naming: &Naming,
    restore: &Restore,
    elapsed: Elapsed,
) -> Result<(Vec<u8>, Answer), Unintelligible> {
    let mut answer = read_answer(from, body, &naming.seed)?;
    restore.answer(&mut answer);
    let written = write_answer(asked.dialect, &answer, asked, naming, elapsed);
    Ok((written, answer))
}

/// A whole answer told as a stream, for a client that asked for one and an upstream that did not give it.
///
/// # Errors
/// What makes it no answer of the upstream's dialect.
pub fn whole_as_stream(
    from: Dialect,
    body: &[u8],
    mut writer: Writer,
    seed: &str,
    restore: &Restore,
    elapsed: Elapsed,
) -> Result<(Vec<u8>, Answer), Unintelligible> {
    let mut answer = read_answer(from, body, seed)?;
    restore.answer(&mut answer);
    let mut out = Vec::new();
    replay(&answer, &mut |event| writer.write(event, elapsed, &mut out));
    Ok((out, answer))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::neutral::Part;

    fn translator(from: Dialect, to: Dialect, remembers: bool) -> Translator {
        let naming = Naming {
            seed: "x".into(),
            created: 0,
            input_tokens_estimate: 1,
        };
        let asked = Request::new(to, "m");
        Translator::new(from, to, &asked, &naming, Restore::default(), remembers)
    }

    fn read(translator: &mut Translator, data: &Value) -> Result<Glance, String> {
        let event = Bytes::from(format!("data: {data}\n\n"));
        translator.read(&event, Elapsed::ZERO)
    }

    #[test]
    fn counts_alone_are_no_content() {
        let mut chat = translator(Dialect::Anthropic, Dialect::Chat, false);
        let start = json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}});
        let glance = read(&mut chat, &start).unwrap();
        assert!(matches!(glance, Glance::Nothing(_)), "{glance:?}");
        assert_eq!(chat.usage().unwrap().input(), 3);
        let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
        let glance = read(&mut chat, &overloaded).unwrap();
        assert!(matches!(glance, Glance::Error(_)), "{glance:?}");
    }

    #[test]
    fn only_what_leads_to_calls_is_remembered() {
        let mut ollama = translator(Dialect::Anthropic, Dialect::Ollama, true);
        let block = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let delta = |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let stop = |index: u32| json!({"type": "content_block_stop", "index": index});
        let events = [
            json!({"type": "message_start", "message": {"id": "msg_1", "model": "m"}}),
            block(0, json!({"type": "thinking", "thinking": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, json!({"type": "signature_delta", "signature": "S"})),
            stop(0),
            block(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "said"})),
            stop(1),
            block(
                2,
                json!({"type": "tool_use", "id": "a", "name": "f", "input": {}}),
            ),
            stop(2),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
            json!({"type": "message_stop"}),
        ];
        for event in &events {
            read(&mut ollama, event).unwrap();
        }
        let parts = ollama.remembered().unwrap().choices.remove(0).parts;
        assert!(
            matches!(&parts[..], [Part::Reasoning(known), Part::Call(call)]
            if known.text == "hm" && known.signature.is_some() && call.id == "a"),
            "{parts:?}"
        );
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        let mut chat = translator(Dialect::Chat, Dialect::Anthropic, false);
        let text = "x".repeat(4 * 1024 * 1024);
        let chunk = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        let read = (0..40).find_map(|_| read(&mut chat, &chunk).err());
        assert_eq!(read.unwrap(), "the answer is longer than 134217728 bytes");
    }
}
