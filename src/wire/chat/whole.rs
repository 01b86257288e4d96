//! A whole answer as a chunk: from the tree that it was read into. What has another type than it should counts as not said.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::parsed::{Fields, Parsed};

use super::chunk::{
    Arguments, CallPiece, Chunk, ChunkChoice, Content, CustomCall, Function, Said, Words,
};

impl<'a> Chunk<'a> {
    pub fn of(members: Fields<'a>) -> Chunk<'a> {
        let mut chunk = Chunk::default();
        for (name, value) in members {
            match &*name {
                "id" => chunk.id = words(value),
                "model" => chunk.model = words(value),
                "object" => chunk.object = words(value),
                "choices" => chunk.choices = list(value, ChunkChoice::of),
                "usage" => chunk.usage = said(value),
                "x_groq" => chunk.x_groq = said(value),
                "error" => chunk.error = said(value).map(Value::from),
                "service_tier" => chunk.service_tier = words(value),
                _ => {}
            }
        }
        chunk
    }
}

impl<'a> ChunkChoice<'a> {
    fn of(members: Fields<'a>) -> ChunkChoice<'a> {
        let mut choice = ChunkChoice::default();
        for (name, value) in members {
            match &*name {
                "index" => choice.index = value.as_i64(),
                "delta" => choice.delta = object(value).map(Said::of),
                "message" => choice.message = object(value).map(Said::of).map(Box::new),
                "text" => choice.text = words(value),
                "finish_reason" => choice.finish_reason = words(value),
                "stop_reason" => choice.stop_reason = words(value),
                "logprobs" => choice.logprobs = said(value).map(Value::from),
                "error" => choice.error = said(value).map(Value::from),
                _ => {}
            }
        }
        choice
    }
}

impl<'a> Said<'a> {
    fn of(members: Fields<'a>) -> Said<'a> {
        let mut said = Said::default();
        for (name, value) in members {
            match &*name {
                "content" => said.content = content(value),
                "reasoning_content" => said.reasoning_content = content(value),
                "reasoning" => said.reasoning = content(value),
                "reasoning_details" => said.reasoning_details = values(value),
                "refusal" => said.refusal = words(value),
                "tool_calls" => said.tool_calls = list(value, CallPiece::of),
                "function_call" => {
                    said.function_call = object(value).map(Function::of).map(Box::new);
                }
                "annotations" => said.annotations = values(value),
                _ => {}
            }
        }
        said
    }
}

impl<'a> CallPiece<'a> {
    fn of(members: Fields<'a>) -> CallPiece<'a> {
        let mut call = CallPiece::default();
        for (name, value) in members {
            match &*name {
                "index" => call.index = value.as_i64(),
                "id" => call.id = words(value),
                "function" => call.function = object(value).map(Function::of),
                "custom" => call.custom = object(value).map(CustomCall::of).map(Box::new),
                "extra_content" => call.extra_content = said(value).map(Value::from),
                _ => {}
            }
        }
        call
    }
}

impl<'a> Function<'a> {
    fn of(members: Fields<'a>) -> Function<'a> {
        let mut function = Function::default();
        for (name, value) in members {
            match &*name {
                "name" => function.name = words(value),
                "arguments" => function.arguments = arguments(value),
                _ => {}
            }
        }
        function
    }
}

impl<'a> CustomCall<'a> {
    fn of(members: Fields<'a>) -> CustomCall<'a> {
        let mut call = CustomCall::default();
        for (name, value) in members {
            match &*name {
                "name" => call.name = words(value),
                "input" => call.input = arguments(value),
                _ => {}
            }
        }
        call
    }
}

/// What is not null.
fn said(value: Parsed<'_>) -> Option<Parsed<'_>> {
    Some(value).filter(|value| !value.is_null())
}

fn object(value: Parsed<'_>) -> Option<Fields<'_>> {
    match value {
        Parsed::Object(members) => Some(members),
        _ => None,
    }
}

/// The objects of a list, read one by one.
fn list<'a, T>(value: Parsed<'a>, read: impl Fn(Fields<'a>) -> T) -> Option<Vec<T>> {
    match value {
        Parsed::Array(list) => Some(list.into_iter().filter_map(object).map(read).collect()),
        _ => None,
    }
}

fn values(value: Parsed<'_>) -> Option<Vec<Value>> {
    match value {
        Parsed::Array(list) => Some(list.into_iter().map(Value::from).collect()),
        _ => None,
    }
}

fn words(value: Parsed<'_>) -> Words<'_> {
    match value {
        Parsed::String(text) => Words(text),
        _ => Words::default(),
    }
}

fn content(value: Parsed<'_>) -> Content<'_> {
    match value {
        Parsed::String(text) => Content::Text(text),
        Parsed::Array(list) => Content::Parts(list.into_iter().map(Value::from).collect()),
        _ => Content::default(),
    }
}

/// As text, also where a server sends the object itself.
fn arguments(value: Parsed<'_>) -> Arguments<'_> {
    match value {
        Parsed::String(text) => Arguments(text),
        Parsed::Array(_) | Parsed::Object(_) => {
            Arguments(Cow::Owned(value.into_value().to_string()))
        }
        Parsed::Null | Parsed::Bool(_) | Parsed::Number(_) => Arguments::default(),
    }
}
