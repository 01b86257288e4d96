//! Texts of whole answers.

use serde_json::Value;

use crate::wire::neutral::Role;
use crate::wire::{Dialect, Operation};

use super::requests::{chat_calls, gemini_parts, response_item};
use super::{Found, Text, nothing_else};

/// The texts of a whole answer in the client's dialect, in their order; what tells of errors is not among them.
pub fn of_answer(dialect: Dialect, operation: Operation, body: &Value) -> Vec<Text> {
    let mut found = Found::default();
    match operation {
        Operation::Chat | Operation::Responses | Operation::Completions => {
            generated(&mut found, dialect, body);
        }
        Operation::Transcription | Operation::Translation => {
            found.text_member(Role::Assistant, body, "text");
            found.each(body, "segments", |found, segment| {
                found.text_member(Role::Assistant, segment, "text");
            });
            found.each(body, "words", |found, word| {
                found.text_member(Role::Assistant, word, "word");
            });
        }
        _ => {}
    }
    found.texts
}

fn generated(found: &mut Found, dialect: Dialect, body: &Value) {
    match dialect {
        Dialect::Chat | Dialect::Completions => chat(found, body),
        Dialect::Responses => {
            found.each(body, "output", response_item);
            // Engines put it beside the items too.
            found.text_member(Role::Assistant, body, "output_text");
        }
        Dialect::Anthropic => {
            found.content(Role::Assistant, body, "content", |found, block| {
                found.text_member(Role::Assistant, block, "thinking");
                found.member(block, "input", |found, input| {
                    found.leaves(Role::Assistant, input);
                });
            });
        }
        Dialect::Ollama => {
            found.text_member(Role::Assistant, body, "response");
            found.text_member(Role::Assistant, body, "thinking");
            found.member(body, "message", |found, message| {
                found.text_member(Role::Assistant, message, "content");
                found.text_member(Role::Assistant, message, "thinking");
                chat_calls(found, message);
            });
        }
        Dialect::Gemini => found.each(body, "candidates", |found, candidate| {
            found.member(candidate, "content", |found, content| {
                gemini_parts(found, Role::Assistant, content);
            });
        }),
    }
}

fn chat(found: &mut Found, body: &Value) {
    found.each(body, "choices", |found, choice| {
        found.text_member(Role::Assistant, choice, "text");
        found.member(choice, "message", |found, message| {
            found.content(Role::Assistant, message, "content", nothing_else);
            for name in ["refusal", "reasoning_content", "reasoning"] {
                found.text_member(Role::Assistant, message, name);
            }
            chat_calls(found, message);
        });
    });
}
