//! What attacks look like: words of some classes close together, and marks that no person types.

use crate::lexicon::{Class, Classes, bit};

/// Words of all these classes, each a word of its own, within so many places.
pub struct Feature {
    pub family: &'static str,
    pub classes: &'static [Class],
    /// The same as a set.
    pub set: Classes,
    pub window: u32,
    /// How sure one may be that it is an attack, in what a user says.
    pub weight: f32,
    /// The same in what a tool has read.
    pub indirect: f32,
}

const fn feature(
    family: &'static str,
    classes: &'static [Class],
    window: u32,
    weight: f32,
    indirect: f32,
) -> Feature {
    let mut set = 0;
    let mut nth = 0;
    while nth < classes.len() {
        set |= bit(classes[nth]);
        nth += 1;
    }
    Feature {
        family,
        classes,
        set,
        window,
        weight,
        indirect,
    }
}

use Class::{
    Assistant, Comply, Decode, Execute, Harm, Ignore, Limits, Never, New, Now, Pretend, Prior,
    Prompt, Refuse, Reveal, Rules, Say, Secrets, Send, System, Tell, Unlimited, User, Verbatim,
    Without, You,
};

pub const FEATURES: &[Feature] = &[
    feature("override", &[Ignore, Prior, Rules], 9, 0.85, 0.95),
    feature("override", &[Ignore, System, Rules], 6, 0.75, 0.9),
    feature("override", &[Ignore, Rules, You], 6, 0.55, 0.8),
    feature("override", &[Ignore, Rules, Now], 8, 0.5, 0.7),
    feature("override", &[Ignore, Rules], 3, 0.3, 0.5),
    feature("override", &[Ignore, Prior, New], 9, 0.4, 0.55),
    feature("override", &[Never, Comply, Prior, Rules], 8, 0.5, 0.7),
    feature("exfiltration", &[Reveal, System, Prompt], 8, 0.75, 0.85),
    feature("exfiltration", &[Say, You, System, Prompt], 10, 0.6, 0.75),
    feature(
        "exfiltration",
        &[Say, System, Prompt, Verbatim],
        12,
        0.6,
        0.75,
    ),
    feature("exfiltration", &[Reveal, You, Prompt, Prior], 9, 0.55, 0.7),
    feature(
        "exfiltration",
        &[Reveal, You, Prompt, Verbatim],
        12,
        0.65,
        0.8,
    ),
    feature("exfiltration", &[Reveal, Prior, Verbatim], 8, 0.45, 0.6),
    feature("exfiltration", &[Reveal, You, System, Rules], 8, 0.6, 0.8),
    feature("exfiltration", &[Reveal, You, Rules], 5, 0.25, 0.4),
    feature(
        "jailbreak",
        &[Pretend, Assistant, Without, Limits],
        12,
        0.75,
        0.8,
    ),
    feature("jailbreak", &[Assistant, Without, Limits], 7, 0.45, 0.6),
    feature("jailbreak", &[Assistant, Unlimited], 5, 0.5, 0.6),
    feature("jailbreak", &[Pretend, Unlimited], 8, 0.5, 0.6),
    feature("jailbreak", &[You, Unlimited, Now], 8, 0.6, 0.7),
    feature("jailbreak", &[You, Without, Limits], 6, 0.4, 0.6),
    feature("jailbreak", &[Comply, Without, Limits], 8, 0.5, 0.6),
    feature("jailbreak", &[Ignore, Limits, You], 8, 0.55, 0.7),
    feature("refusal", &[You, Never, Refuse], 6, 0.5, 0.6),
    feature("refusal", &[Never, Refuse, Comply], 10, 0.5, 0.6),
    feature("harm", &[Pretend, Harm], 20, 0.35, 0.35),
    feature("harm", &[Harm, Without, Limits], 12, 0.45, 0.45),
    feature("harm", &[Reveal, Harm, Ignore], 12, 0.4, 0.4),
    feature("action", &[Send, Secrets, Assistant], 14, 0.15, 0.55),
    feature("action", &[Send, Secrets, Never], 14, 0.15, 0.5),
    feature("action", &[Send, Secrets], 10, 0.05, 0.35),
    feature("action", &[Never, Tell, User], 7, 0.5, 0.8),
    feature("action", &[Assistant, Execute], 8, 0.05, 0.45),
    feature("action", &[Assistant, Send], 8, 0.05, 0.3),
    feature("action", &[Execute, Never, Tell], 14, 0.3, 0.5),
    feature("encoded", &[Decode, Comply], 8, 0.5, 0.65),
    feature("encoded", &[Decode, Execute], 8, 0.3, 0.5),
];

/// Words of all these classes as above, in this order.
pub const ORDERED: &[Feature] = &[feature(
    "jailbreak",
    &[Pretend, Without, Limits],
    12,
    0.6,
    0.7,
)];

/// Text that stands as it is, in lower case. Weights as above.
pub struct Mark {
    pub text: &'static str,
    pub family: &'static str,
    pub weight: f32,
    pub indirect: f32,
    /// Only where a line begins.
    pub line: bool,
}

const fn mark(family: &'static str, text: &'static str, weight: f32, indirect: f32) -> Mark {
    Mark {
        text,
        family,
        weight,
        indirect,
        line: false,
    }
}

const fn line(family: &'static str, text: &'static str, weight: f32, indirect: f32) -> Mark {
    Mark {
        line: true,
        ..mark(family, text, weight, indirect)
    }
}

pub const MARKS: &[Mark] = &[
    // Tokens that frame turns in the templates of models
    mark("template", "<|im_start|>", 0.8, 0.9),
    mark("template", "<|im_end|>", 0.7, 0.85),
    mark("template", "<|system|>", 0.8, 0.9),
    mark("template", "<|user|>", 0.6, 0.8),
    mark("template", "<|assistant|>", 0.6, 0.8),
    mark("template", "<|endoftext|>", 0.5, 0.7),
    mark("template", "<|eot_id|>", 0.75, 0.85),
    mark("template", "<|start_header_id|>", 0.8, 0.9),
    mark("template", "<|begin_of_text|>", 0.6, 0.75),
    mark("template", "<start_of_turn>", 0.7, 0.85),
    mark("template", "<end_of_turn>", 0.7, 0.85),
    mark("template", "<<sys>>", 0.75, 0.85),
    mark("template", "[/inst]", 0.65, 0.8),
    mark("template", "[inst]", 0.55, 0.75),
    mark("template", "<|channel|>", 0.6, 0.75),
    mark("template", "<|start|>", 0.5, 0.7),
    // Turns that somebody makes up
    line("roles", "system:", 0.4, 0.6),
    line("roles", "[system]", 0.55, 0.7),
    line("roles", "### system", 0.55, 0.7),
    line("roles", "### instruction", 0.4, 0.6),
    line("roles", "system prompt:", 0.4, 0.55),
    line("roles", "system message:", 0.5, 0.7),
    line("roles", "(system)", 0.4, 0.6),
    line("roles", "developer:", 0.25, 0.45),
    line("roles", "assistant:", 0.15, 0.3),
    line("roles", "human:", 0.15, 0.3),
    mark("roles", "<system>", 0.5, 0.65),
    mark("roles", "</system>", 0.5, 0.65),
    mark("roles", "<system_prompt>", 0.5, 0.65),
    mark("roles", "[system message]", 0.6, 0.75),
    mark("roles", "[admin]", 0.4, 0.55),
    mark("roles", "\"role\": \"system\"", 0.15, 0.4),
    mark("roles", "\"role\":\"system\"", 0.15, 0.4),
    // Ends of what is no end
    mark("delimiter", "end of user input", 0.55, 0.7),
    mark("delimiter", "end of input", 0.2, 0.35),
    mark("delimiter", "end user input", 0.5, 0.7),
    mark("delimiter", "</user_input>", 0.6, 0.75),
    mark("delimiter", "</user>", 0.35, 0.5),
    mark("delimiter", "</document>", 0.35, 0.5),
    mark("delimiter", "</context>", 0.35, 0.5),
    mark("delimiter", "</instructions>", 0.35, 0.5),
    mark("delimiter", "</tool_result>", 0.55, 0.7),
    mark("delimiter", "end of document", 0.2, 0.45),
    mark("delimiter", "end of context", 0.35, 0.5),
    mark("delimiter", "begin system", 0.5, 0.65),
    mark("delimiter", "[end of", 0.25, 0.4),
    mark("delimiter", "=== new", 0.35, 0.5),
    mark("delimiter", "--- new", 0.25, 0.4),
    mark("delimiter", "# new task", 0.3, 0.5),
    // Text in documents that people are not to see, and answers that carry data away
    mark("hidden", "<!-- ai", 0.3, 0.6),
    mark("hidden", "<!-- instruction", 0.3, 0.6),
    mark("hidden", "<!-- system", 0.3, 0.6),
    mark("hidden", "display:none", 0.05, 0.25),
    mark("hidden", "display: none", 0.05, 0.25),
    mark("hidden", "font-size:0", 0.1, 0.35),
    mark("hidden", "color:white", 0.05, 0.2),
];

/// Words that are known with their inner letters in any order.
pub const SCRAMBLED: &[&str] = &[
    "ignore",
    "disregard",
    "forget",
    "override",
    "bypass",
    "previous",
    "prior",
    "above",
    "instructions",
    "instruction",
    "guidelines",
    "restrictions",
    "system",
    "prompt",
    "reveal",
    "repeat",
    "hidden",
    "safety",
    "filters",
    "unrestricted",
];
