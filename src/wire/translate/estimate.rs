//! How many tokens a request holds, by estimate: for dialects that tell the input before the upstream has counted it. Cheap and rough: no tokenizer is at hand, and none is
//! right for every model. Never a basis for billing or for cutting anything.

use serde_json::Value;

use crate::wire::neutral::{Message, Part, Request, Source, Tool, ToolKind, ToolResult};

/// Bytes of ASCII text to a token; common tokenizers take about four of English and three of code.
const ASCII_BYTES_PER_TOKEN: u64 = 4;

/// Characters of other alphabets, two bytes each (Cyrillic, Greek, Arabic, …), to a token.
const TWO_BYTE_CHARACTERS_PER_TOKEN: u64 = 2;

/// The roles and marks around a turn.
const MESSAGE_TOKENS: u64 = 4;

/// The marks around a call, a result, or a tool's definition.
const TOOL_TOKENS: u64 = 8;

/// What vendors' tables say of an image of about a megapixel.
const IMAGE_TOKENS: u64 = 1_300;

/// A recording of half a minute, where its length is not known.
const AUDIO_TOKENS: u64 = 1_000;

/// Bytes of a PDF to a token, by the size of files of text and few images.
const DOCUMENT_BYTES_PER_TOKEN: u64 = 40;

/// A document that is not in the request.
const DOCUMENT_TOKENS: u64 = 3_000;

/// Tokens of input by estimate; at least 1.
pub fn input_tokens(request: &Request) -> u64 {
    let messages: u64 = request.messages.iter().map(of_message).sum();
    let tools: u64 = request.tools.iter().map(of_tool).sum();
    let suffix = request.suffix.as_deref().map_or(0, of_text);
    (messages + tools + suffix).max(1)
}

fn of_message(message: &Message) -> u64 {
    MESSAGE_TOKENS + message.parts.iter().map(of_part).sum::<u64>()
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => of_text(&text.text),
        Part::Refusal(text) => of_text(text),
        Part::Image(_) => IMAGE_TOKENS,
        Part::Audio(_) => AUDIO_TOKENS,
        Part::Document(media) => of_document(&media.source),
        Part::Reasoning(reasoning) => of_text(&reasoning.text),
        Part::Call(call) => TOOL_TOKENS + of_text(&call.name) + of_text(&call.arguments),
        Part::Result(result) => of_result(result),
        Part::Opaque { value, .. } => of_value(value),
    }
}

fn of_result(result: &ToolResult) -> u64 {
    // Results hold no results; what is deeper than that counts for nothing.
    let parts = result
        .parts
        .iter()
        .filter(|it| !matches!(it, Part::Result(_)));
    TOOL_TOKENS + parts.map(of_part).sum::<u64>()
}

fn of_document(source: &Source) -> u64 {
    match source {
        Source::Text(text) => of_text(text),
        // Base64 has four bytes for three.
        Source::Base64 { data, .. } => data.len() as u64 * 3 / 4 / DOCUMENT_BYTES_PER_TOKEN,
        Source::Url { .. } | Source::File { .. } => DOCUMENT_TOKENS,
    }
}

fn of_tool(tool: &Tool) -> u64 {
    let said = of_text(&tool.name) + tool.description.as_deref().map_or(0, of_text);
    let form = match &tool.kind {
        ToolKind::Function { parameters, .. } => parameters.as_ref().map_or(0, of_value),
        ToolKind::Custom(custom) => custom.format.as_ref().map_or(0, of_value),
        ToolKind::Namespace(tools) => tools.iter().map(of_tool).sum(),
        ToolKind::WebSearch { .. } | ToolKind::Hosted { .. } => 0,
    };
    TOOL_TOKENS + said + form
}

/// As the text that it is in the prompt, without writing it.
fn of_value(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + of_text(text),
        Value::Array(entries) => 1 + entries.iter().map(of_value).sum::<u64>(),
        Value::Object(members) => {
            let members = members.iter();
            1 + members
                .map(|(name, value)| of_text(name) + of_value(value))
                .sum::<u64>()
        }
    }
}

/// One pass over the bytes. Han, kana and hangul come to about a token for each character; so do emoji.
fn of_text(text: &str) -> u64 {
    // Most texts; looked at many bytes at a time.
    if text.is_ascii() {
        return u64::div_ceil(text.len() as u64, ASCII_BYTES_PER_TOKEN);
    }
    let (mut ascii, mut two_bytes, mut longer) = (0, 0, 0);
    for byte in text.bytes() {
        match byte {
            0x00..=0x7f => ascii += 1,
            0xc0..=0xdf => two_bytes += 1,
            0xe0..=0xff => longer += 1,
            // The rest of a character.
            0x80..=0xbf => {}
        }
    }
    u64::div_ceil(ascii, ASCII_BYTES_PER_TOKEN)
        + u64::div_ceil(two_bytes, TWO_BYTE_CHARACTERS_PER_TOKEN)
        + longer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;
    use crate::wire::neutral::{Media, Role, Text};
    use serde_json::{Map, json};

    fn request(parts: Vec<Part>) -> Request {
        let message = Message {
            role: Role::User,
            parts,
            name: None,
        };
        Request {
            messages: vec![message],
            ..Request::new(Dialect::Chat, "m")
        }
    }

    fn text(text: &str) -> Part {
        Part::Text(Text {
            text: text.to_owned(),
            ..Text::default()
        })
    }

    #[test]
    fn texts_count_by_their_alphabet() {
        // (text, tokens that tokenizers of today give it, at least and at most)
        let cases = [
            ("", 0, 0),
            ("The quick brown fox jumps over the lazy dog.", 9, 14),
            ("Съешь же ещё этих мягких французских булок", 10, 30),
            ("床前明月光,疑是地上霜", 8, 20),
            ("🎉🎉🎉", 3, 9),
        ];
        for (said, least, most) in cases {
            let tokens = input_tokens(&request(vec![text(said)])) - MESSAGE_TOKENS;
            assert!((least..=most).contains(&tokens), "{said}: {tokens}");
        }
    }

    #[test]
    fn images_count_by_the_piece_and_not_by_their_bytes() {
        let source = Source::Base64 {
            media_type: "image/png".into(),
            data: "A".repeat(1 << 20),
        };
        let media = Media {
            source,
            name: None,
            detail: None,
            cache: None,
            own: Map::new(),
        };
        let tokens = input_tokens(&request(vec![Part::Image(media)]));
        assert_eq!(tokens, IMAGE_TOKENS + MESSAGE_TOKENS);
    }

    #[test]
    fn tools_and_results_count() {
        let bare = input_tokens(&request(vec![text("hi")]));
        let mut more = request(vec![text("hi")]);
        more.tools.push(Tool {
            name: "get_weather".into(),
            description: Some("The weather at a place.".into()),
            kind: ToolKind::Function {
                parameters: Some(
                    json!({"type": "object", "properties": {"place": {"type": "string"}}}),
                ),
                strict: None,
            },
            cache: None,
            own: Map::new(),
        });
        let tokens = input_tokens(&more) - bare;
        assert!((20..=60).contains(&tokens), "{tokens}");
    }

    #[test]
    fn there_is_always_something() {
        assert_eq!(input_tokens(&Request::new(Dialect::Ollama, "m")), 1);
    }
}
