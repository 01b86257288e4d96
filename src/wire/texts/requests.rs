//! Texts of requests.

use serde_json::Value;

use crate::wire::neutral::Role;
use crate::wire::{Dialect, Operation};

use super::{Found, Text, nothing_else};

/// The texts of a request, in their order. Proofs of reasoning and what is encrypted are no texts.
pub fn of_request(dialect: Dialect, operation: Operation, body: &Value) -> Vec<Text> {
    let mut found = Found::default();
    match operation {
        Operation::Chat
        | Operation::Responses
        | Operation::Completions
        | Operation::CountTokens
        | Operation::Tokenize => match dialect {
            Dialect::Chat => chat(&mut found, body),
            Dialect::Responses => responses(&mut found, body),
            Dialect::Completions => completions(&mut found, body),
            Dialect::Anthropic => anthropic(&mut found, body),
            Dialect::Ollama => ollama(&mut found, body),
            Dialect::Gemini => gemini(&mut found, body),
        },
        // Whatever these ask for, their texts have one of these names.
        _ => others(&mut found, body),
    }
    found.texts
}

fn chat(found: &mut Found, body: &Value) {
    found.each(body, "messages", |found, message| {
        let role = role(message);
        found.content(role, message, "content", |found, part| {
            found.text_member(role, part, "refusal");
            found.text_member(role, part, "thinking");
        });
        for name in ["refusal", "reasoning_content", "reasoning"] {
            found.text_member(role, message, name);
        }
        chat_calls(found, message);
    });
    // Engines take a bare prompt here too.
    found.member(body, "prompt", |found, prompt| {
        found.texts(Role::User, prompt);
    });
}

/// The arguments of calls, as JSON text.
pub(super) fn chat_calls(found: &mut Found, message: &Value) {
    found.each(message, "tool_calls", |found, call| {
        found.member(call, "function", |found, function| {
            found.member(function, "arguments", |found, arguments| {
                found.leaves(Role::Assistant, arguments);
            });
        });
        found.member(call, "custom", |found, custom| {
            found.text_member(Role::Assistant, custom, "input");
        });
    });
    found.member(message, "function_call", |found, call| {
        found.text_member(Role::Assistant, call, "arguments");
    });
}

fn responses(found: &mut Found, body: &Value) {
    found.text_member(Role::System, body, "instructions");
    found.member(body, "input", |found, input| {
        found.text(Role::User, input);
        found.elements(input, &mut |found, item| response_item(found, item));
    });
}

/// One item, of a request or of an answer.
pub(super) fn response_item(found: &mut Found, item: &Value) {
    let kind = item
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("message");
    match kind {
        "reasoning" => {
            found.content(Role::Assistant, item, "summary", nothing_else);
            found.content(Role::Assistant, item, "content", nothing_else);
        }
        _ if kind.ends_with("_output") => {
            found.content(Role::Tool, item, "output", nothing_else);
        }
        _ => {
            let role = role(item);
            found.content(role, item, "content", |found, part| {
                found.text_member(role, part, "refusal");
            });
            found.text_member(Role::Assistant, item, "arguments");
            found.text_member(Role::Assistant, item, "input");
        }
    }
}

fn completions(found: &mut Found, body: &Value) {
    found.member(body, "prompt", |found, prompt| {
        found.texts(Role::User, prompt);
    });
    found.text_member(Role::User, body, "suffix");
}

fn anthropic(found: &mut Found, body: &Value) {
    found.content(Role::System, body, "system", nothing_else);
    found.each(body, "messages", |found, message| {
        let role = role(message);
        found.content(role, message, "content", |found, block| {
            anthropic_block(found, role, block);
        });
    });
}

/// What a block holds beside its `text`. Thoughts that are sent back are signed as they stand.
fn anthropic_block(found: &mut Found, role: Role, block: &Value) {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "tool_use" | "server_tool_use" => found.member(block, "input", |found, input| {
            found.leaves(Role::Assistant, input);
        }),
        _ if kind.ends_with("tool_result") => {
            found.content(Role::Tool, block, "content", |found, part| {
                document(found, Role::Tool, part);
            });
        }
        _ => document(found, role, block),
    }
}

fn document(found: &mut Found, role: Role, block: &Value) {
    found.text_member(role, block, "title");
    found.text_member(role, block, "context");
    found.member(block, "source", |found, source| {
        if source.get("type").and_then(Value::as_str) == Some("text") {
            found.text_member(role, source, "data");
        }
        found.content(role, source, "content", nothing_else);
    });
    // Results of a search.
    if block.get("type").and_then(Value::as_str) == Some("search_result") {
        found.content(role, block, "content", nothing_else);
    }
}

fn ollama(found: &mut Found, body: &Value) {
    found.text_member(Role::System, body, "system");
    found.text_member(Role::User, body, "prompt");
    found.text_member(Role::User, body, "suffix");
    found.each(body, "messages", |found, message| {
        let role = role(message);
        found.text_member(role, message, "content");
        found.text_member(role, message, "thinking");
        chat_calls(found, message);
    });
}

fn gemini(found: &mut Found, body: &Value) {
    for name in ["systemInstruction", "system_instruction"] {
        found.member(body, name, |found, content| {
            gemini_parts(found, Role::System, content);
        });
    }
    found.each(body, "contents", |found, content| {
        gemini_parts(found, role(content), content);
    });
    // What tokens are counted of.
    found.member(body, "generateContentRequest", gemini);
}

pub(super) fn gemini_parts(found: &mut Found, role: Role, content: &Value) {
    found.each(content, "parts", |found, part| {
        found.text_member(role, part, "text");
        for name in ["functionCall", "function_call"] {
            found.member(part, name, |found, call| {
                found.member(call, "args", |found, value| {
                    found.leaves(Role::Assistant, value);
                });
            });
        }
        for name in ["functionResponse", "function_response"] {
            found.member(part, name, |found, response| {
                found.member(response, "response", |found, value| {
                    found.leaves(Role::Tool, value);
                });
            });
        }
    });
}

/// Embeddings, rerank, moderations, images, speech.
fn others(found: &mut Found, body: &Value) {
    for name in [
        "input",
        "prompt",
        "query",
        "text",
        "text_1",
        "text_2",
        "instructions",
    ] {
        found.member(body, name, |found, value| {
            found.texts(Role::User, value);
            found.elements(value, &mut |found, part| {
                found.text_member(Role::User, part, "text");
            });
        });
    }
    found.each(body, "documents", |found, document| {
        found.text(Role::Tool, document);
        found.text_member(Role::Tool, document, "text");
    });
    found.member(body, "content", |found, content| {
        gemini_parts(found, Role::User, content);
    });
    found.each(body, "requests", |found, request| {
        found.member(request, "content", |found, content| {
            gemini_parts(found, Role::User, content);
        });
    });
    found.each(body, "messages", |found, message| {
        found.content(role(message), message, "content", nothing_else);
    });
}

/// Who speaks, by the member `role`; whoever does not say is the user.
fn role(message: &Value) -> Role {
    match message.get("role").and_then(Value::as_str) {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("assistant" | "model") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => Role::User,
    }
}
