//! The shape of a chunk and of a whole answer as servers really send them: what is absent, null or of another type than
//! the specification's counts as not said. What the members mean is not known here.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::wire::neutral::Unintelligible;
use crate::wire::parsed::{self, Parsed};

/// Parses a chunk and hands it to `read`.
///
/// # Errors
/// When the bytes are no JSON object, or what `read` finds.
pub fn with_chunk<T>(
    data: &[u8],
    read: impl FnOnce(Chunk<'_>) -> Result<T, Unintelligible>,
) -> Result<T, Unintelligible> {
    if !data.starts_with(b"{") {
        return Err(no_chunk(&"a JSON object is expected"));
    }
    if let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) {
        return read(chunk);
    }
    // A member that stands twice, for one: slower, and more patient.
    let value: Value = serde_json::from_slice(data).map_err(|error| no_chunk(&error))?;
    read(Chunk::deserialize(&value).map_err(|error| no_chunk(&error))?)
}

/// Reads a whole answer and hands it to `read`.
///
/// # Errors
/// When the bytes are no JSON object, or what `read` finds.
pub fn with_whole<T>(
    body: &[u8],
    read: impl FnOnce(Chunk<'_>) -> Result<T, Unintelligible>,
) -> Result<T, Unintelligible> {
    match parsed::parse(body) {
        Ok(Parsed::Object(members)) => read(Chunk::of(members)),
        Ok(_) => Err(no_chunk(&"a JSON object is expected")),
        Err(error) => Err(no_chunk(&error)),
    }
}

fn no_chunk(error: &dyn fmt::Display) -> Unintelligible {
    Unintelligible(format!(
        "the upstream sent what is no chat completion: {error}"
    ))
}

/// A chunk, or a whole answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Words<'a>,
    #[serde(borrow)]
    pub model: Words<'a>,
    /// `error` in the error objects that vLLM sent bare before 0.9.
    #[serde(borrow)]
    pub object: Words<'a>,
    #[serde(borrow)]
    pub choices: Option<Vec<ChunkChoice<'a>>>,
    pub usage: Option<Parsed<'a>>,
    /// Groq puts usage in here.
    pub x_groq: Option<Parsed<'a>>,
    pub error: Option<Value>,
    #[serde(borrow)]
    pub service_tier: Words<'a>,
}

/// One choice of a chunk, or of a whole answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ChunkChoice<'a> {
    pub index: Option<i64>,
    #[serde(borrow)]
    pub delta: Option<Said<'a>>,
    /// Boxed, as are other rarities: chunks are moved about while they are parsed.
    #[serde(borrow)]
    pub message: Option<Box<Said<'a>>>,
    /// Legacy Completions say theirs here.
    #[serde(borrow)]
    pub text: Words<'a>,
    #[serde(borrow)]
    pub finish_reason: Words<'a>,
    /// vLLM: the stop text that was met (or the token, which means nothing to others).
    #[serde(borrow)]
    pub stop_reason: Words<'a>,
    pub logprobs: Option<Value>,
    /// OpenRouter reports the failure of one choice here.
    pub error: Option<Value>,
}

/// What a choice says: `delta` or `message`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Said<'a> {
    #[serde(borrow)]
    pub content: Content<'a>,
    #[serde(borrow)]
    pub reasoning_content: Content<'a>,
    #[serde(borrow)]
    pub reasoning: Content<'a>,
    pub reasoning_details: Option<Vec<Value>>,
    #[serde(borrow)]
    pub refusal: Words<'a>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<CallPiece<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<Box<Function<'a>>>,
    pub annotations: Option<Vec<Value>>,
}

/// A call, or a piece of one.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct CallPiece<'a> {
    pub index: Option<i64>,
    #[serde(borrow)]
    pub id: Words<'a>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
    #[serde(borrow)]
    pub custom: Option<Box<CustomCall<'a>>>,
    /// Gemini's compatible surface signs calls in here.
    pub extra_content: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Words<'a>,
    #[serde(borrow)]
    pub arguments: Arguments<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct CustomCall<'a> {
    #[serde(borrow)]
    pub name: Words<'a>,
    #[serde(borrow)]
    pub input: Arguments<'a>,
}

/// A text; empty where there is none.
#[derive(Debug, Default)]
pub struct Words<'a>(pub Cow<'a, str>);

impl Words<'_> {
    /// The text, if there is one.
    pub fn some(&self) -> Option<&str> {
        Some(&*self.0).filter(|text| !text.is_empty())
    }
}

/// A text, or parts.
#[derive(Debug)]
pub enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Value>),
}

impl Default for Content<'_> {
    fn default() -> Self {
        Content::Text(Cow::Borrowed(""))
    }
}

impl Content<'_> {
    pub fn is_empty(&self) -> bool {
        match self {
            Content::Text(text) => text.is_empty(),
            Content::Parts(parts) => parts.is_empty(),
        }
    }
}

/// Arguments as text, also where a server sends the object itself.
#[derive(Debug, Default)]
pub struct Arguments<'a>(pub Cow<'a, str>);

/// What stands where a text is expected.
enum Loose<'a> {
    Nothing,
    Text(Cow<'a, str>),
    List(Vec<Value>),
    Other(Value),
}

/// Reads whatever stands there; builds values only if `keep` says so.
struct LooseVisitor {
    keep: bool,
}

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose<'de>, E> {
        Ok(Loose::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Loose<'de>, E> {
        Ok(Loose::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Loose<'de>, E> {
        Ok(Loose::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose<'de>, E> {
        Ok(Loose::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose<'de>, A::Error> {
        if self.keep {
            let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
            return Ok(Loose::List(list));
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }

    /// Numbers come this way as well: serde_json keeps their text in a map of one member.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose<'de>, A::Error> {
        if self.keep {
            return Value::deserialize(MapAccessDeserializer::new(map)).map(Loose::Other);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = from.deserialize_any(LooseVisitor { keep: false })?;
        Ok(match found {
            Loose::Text(text) => Words(text),
            Loose::Nothing | Loose::List(_) | Loose::Other(_) => Words::default(),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = from.deserialize_any(LooseVisitor { keep: true })?;
        Ok(match found {
            Loose::Text(text) => Content::Text(text),
            Loose::List(parts) => Content::Parts(parts),
            Loose::Nothing | Loose::Other(_) => Content::default(),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = from.deserialize_any(LooseVisitor { keep: true })?;
        Ok(Arguments(match found {
            Loose::Text(text) => text,
            Loose::Nothing => Cow::Borrowed(""),
            Loose::List(list) => Cow::Owned(Value::Array(list).to_string()),
            Loose::Other(value) => Cow::Owned(value.to_string()),
        }))
    }
}
