//! The response object: who answers, and the request's settings, which every response repeats. All that never changes is
//! written once.

use serde_json::{Number, Value, json};

use crate::wire::Usage;
use crate::wire::neutral::{Format, Part, Request, Role, Text};
use crate::wire::translate::Naming;
use crate::wire::tree::{Json, Object, push_count};

use super::{tools_out, usage};

/// What a response object says at all times: who asked for what.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub request: &'a Request,
    pub naming: &'a Naming,
    /// The tier that has served the request, where that is known.
    pub tier: Option<&'a str>,
}

/// A stretch of a response object that never changes.
#[derive(Clone, Copy)]
enum Fixed {
    /// Up to the value of `status`.
    Head,
    /// From `instructions` to `model`.
    BeforeOutput,
    /// From `parallel_tool_calls` to `truncation`.
    BeforeUsage,
    /// `user` and `metadata`.
    AfterUsage,
}

/// A response object but for what changes, for streams: they say it several times.
#[derive(Default)]
pub struct Frame {
    created: u64,
    /// In the order of [`Fixed`].
    fixed: [Vec<u8>; 4],
}

/// What a response object says at one point in time.
#[derive(Default)]
pub struct State<'a> {
    pub status: &'static str,
    /// Seconds since the beginning, where it is complete.
    pub took_seconds: Option<u64>,
    /// Code and message.
    pub error: Option<(&'a str, &'a str)>,
    pub incomplete: Option<&'static str>,
    /// The items, without brackets.
    pub output: &'a [u8],
    pub usage: Option<Usage>,
}

impl Frame {
    pub fn new(asked: Asked<'_>) -> Frame {
        let written = |fixed| {
            let mut out = Vec::with_capacity(FIXED_BYTES);
            asked.write(fixed, &mut out);
            out
        };
        Frame {
            created: asked.naming.created,
            fixed: [
                Fixed::Head,
                Fixed::BeforeOutput,
                Fixed::BeforeUsage,
                Fixed::AfterUsage,
            ]
            .map(written),
        }
    }

    /// The object as it is now.
    pub fn write(&self, state: &State<'_>, out: &mut Vec<u8>) {
        let fixed = |fixed: Fixed, out: &mut Vec<u8>| {
            out.extend_from_slice(&self.fixed[fixed as usize]);
        };
        state.write(self.created, fixed, out);
    }
}

/// Most of what never changes has room in this many bytes.
const FIXED_BYTES: usize = 512;

/// What a response takes beside its output and the request's instructions, mostly.
const AROUND_BYTES: usize = 2048;

/// An object that is said once, in one pass.
pub fn whole(asked: Asked<'_>, state: &State<'_>) -> Vec<u8> {
    let instructions = instructions_of(asked.request).unwrap_or_default();
    let room = state.output.len() + instructions.len() + AROUND_BYTES;
    let mut out = Vec::with_capacity(room);
    let fixed = |fixed, out: &mut Vec<u8>| asked.write(fixed, out);
    state.write(asked.naming.created, fixed, &mut out);
    out
}

impl State<'_> {
    /// The object as it is now; `fixed` writes what never changes.
    fn write(&self, created: u64, fixed: impl Fn(Fixed, &mut Vec<u8>), out: &mut Vec<u8>) {
        fixed(Fixed::Head, out);
        out.extend_from_slice(self.status.as_bytes());
        out.extend_from_slice(b"\",\"background\":false,\"completed_at\":");
        match self.took_seconds {
            Some(seconds) => number(created + seconds, out),
            None => out.extend_from_slice(b"null"),
        }
        let error = self.error.map(|(code, message)| {
            let error = Object::default().with("code", code);
            error.with("message", message)
        });
        put("error", error, out);
        let reason = self.incomplete;
        let reason = reason.map(|reason| Object::default().with("reason", reason));
        put("incomplete_details", reason, out);
        fixed(Fixed::BeforeOutput, out);
        out.extend_from_slice(b",\"output\":[");
        out.extend_from_slice(self.output);
        out.push(b']');
        fixed(Fixed::BeforeUsage, out);
        out.extend_from_slice(b",\"usage\":");
        match &self.usage {
            Some(usage) => usage::write(usage, out),
            None => out.extend_from_slice(b"null"),
        }
        fixed(Fixed::AfterUsage, out);
        out.push(b'}');
    }
}

impl Asked<'_> {
    fn write(self, fixed: Fixed, out: &mut Vec<u8>) {
        match fixed {
            Fixed::Head => self.write_head(out),
            Fixed::BeforeOutput => {
                let asked = self.request;
                put("instructions", instructions_of(asked), out);
                put("max_output_tokens", asked.output_tokens_max, out);
                put("max_tool_calls", extra(asked, "max_tool_calls"), out);
                put("model", &asked.model, out);
            }
            Fixed::BeforeUsage => write_settings(self.request, self.tier, out),
            Fixed::AfterUsage => {
                put("user", Json::Null, out);
                let metadata = extra(self.request, "metadata");
                put("metadata", metadata.unwrap_or_else(empty), out);
            }
        }
    }

    fn write_head(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"resp_");
        out.extend_from_slice(self.naming.seed.as_bytes());
        out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        number(self.naming.created, out);
        out.extend_from_slice(b",\"status\":\"");
    }
}

/// The first turn's text, where it is what `instructions` says.
pub fn instructions_of(asked: &Request) -> Option<&str> {
    let first = asked.messages.first()?;
    match (first.role, first.parts.as_slice()) {
        (
            Role::System,
            [
                Part::Text(Text {
                    text,
                    cache: None,
                    citations,
                }),
            ],
        ) if citations.is_empty() => Some(text),
        _ => None,
    }
}

fn write_settings(asked: &Request, served: Option<&str>, out: &mut Vec<u8>) {
    let tools = asked.tools.iter();
    let tools = tools.filter_map(|tool| tools_out::write_tool(tool, true));
    let sampling = &asked.sampling;
    let parallel = asked.parallel_calls.unwrap_or(true);
    put("parallel_tool_calls", parallel, out);
    put("previous_response_id", Json::Null, out);
    put("prompt_cache_key", asked.cache_key.as_ref(), out);
    put("reasoning", reasoning(asked), out);
    put("safety_identifier", asked.user.as_ref(), out);
    let tier = tier(served.or(asked.service_tier.as_deref()));
    put("service_tier", tier, out);
    put("store", false, out);
    put("temperature", sampled(sampling.temperature.as_ref()), out);
    put("text", text(asked), out);
    put("tool_choice", choice(asked), out);
    put("tools", tools.map(Json::from).collect::<Vec<_>>(), out);
    let logprobs = u64::from(asked.logprobs.unwrap_or(0));
    put("top_logprobs", logprobs, out);
    put("top_p", sampled(sampling.top_p.as_ref()), out);
    let truncation = extra(asked, "truncation");
    put(
        "truncation",
        truncation.unwrap_or_else(|| "disabled".into()),
        out,
    );
}

/// What was said, or what the vendor samples with.
fn sampled(number: Option<&Number>) -> Json<'_> {
    number.map_or_else(|| json!(1.0).into(), Json::from)
}

fn reasoning(asked: &Request) -> Object<'_> {
    let thinking = &asked.thinking;
    let mut reasoning = Object::default()
        .with("effort", thinking.effort.map(|effort| effort.name()))
        .with("summary", thinking.summary.as_ref());
    let rest = asked.extras.get("reasoning").and_then(Value::as_object);
    reasoning.extend(rest.into_iter().flatten());
    reasoning
}

/// Tiers that the vendor's types know.
pub const TIERS: [&str; 7] = [
    "auto",
    "default",
    "flex",
    "scale",
    "priority",
    "fast",
    "ultrafast",
];

fn tier(said: Option<&str>) -> &str {
    said.filter(|tier| TIERS.contains(tier))
        .unwrap_or("default")
}

fn text(asked: &Request) -> Object<'_> {
    let text = Object::default().with("format", format_of(&asked.format));
    text.with_some("verbosity", asked.verbosity.as_ref())
}

/// The form of the answer's text, as requests and responses say it.
pub fn format_of(format: &Format) -> Object<'_> {
    match format {
        Format::Text => Object::typed("text"),
        Format::Json => Object::typed("json_object"),
        Format::Schema(schema) => Object::typed("json_schema")
            .with("name", schema.name.as_deref().unwrap_or("response"))
            .with("schema", &schema.schema)
            .with_some("description", schema.description.as_ref())
            .with_some("strict", schema.strict),
    }
}

fn choice(asked: &Request) -> Json<'_> {
    let written = || tools_out::write_choice(asked).map(Json::from);
    let said = extra(asked, "tool_choice").or_else(written);
    said.unwrap_or_else(|| "auto".into())
}

/// A member that only this dialect has.
fn extra<'a>(asked: &'a Request, name: &str) -> Option<Json<'a>> {
    let said = asked.extras.get(name).filter(|value| !value.is_null());
    said.map(Json::from)
}

fn empty<'a>() -> Json<'a> {
    Object::default().into()
}

/// `,"name":value`; the name needs no escapes.
fn put<'a>(name: &str, value: impl Into<Json<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    value.into().write(out);
}

/// JSON of a value. Writing to memory does not fail, and values have string keys only.
pub fn value<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("memory takes all");
}

pub fn number(number: u64, out: &mut Vec<u8>) {
    push_count(number, out);
}
