//! How large a request is, and how large its answer may be, before either is known: what a reservation is made of.

use super::weight::{self, Weight};
use super::{form, scan};
use crate::wire::multipart;

/// The sizes that a request speaks of, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestSize {
    /// What the model will read, by estimate; at least 1. [`super::Calibration`] makes it a model's own.
    pub input_estimate: u64,
    /// What one answer may have at most; `None` where the request sets no bound.
    pub output_max: Option<u64>,
    /// How many answers are asked for, all prompts together; at least 1.
    pub choices: u64,
}

/// No request asks for more answers, or bounds them by more tokens, than this; what is beyond it is a mistake, and sums stay numbers.
const COUNT_MAX: u64 = 1 << 40;

/// The sizes of a request, read in one pass over its bytes; nothing is parsed or copied. Takes any bytes: what cannot be read counts for little.
///
/// Text counts by its characters ([`super::weigh`]), with its escapes understood; images, recordings and documents count by what vendors say of them and not as the text that their base64 is; settings,
/// names of members and ids count for nothing, but for tools, schemas and arguments, which a model reads as they are.
/// `content_type` is the header's value; a body without one counts as JSON.
pub fn request_tokens(body: &[u8], content_type: Option<&str>) -> RequestSize {
    let found = match content_type.and_then(multipart::boundary) {
        Some(boundary) => form::scanned(body, boundary),
        None => scan::scanned(body),
    };
    RequestSize {
        input_estimate: weight::tokens(found.weight).clamp(1, COUNT_MAX),
        output_max: found.output_max.map(|count| count.min(COUNT_MAX)),
        choices: found
            .choices
            .saturating_mul(found.prompts)
            .clamp(1, COUNT_MAX),
    }
}

/// What a pass over a body finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub weight: Weight,
    pub output_max: Option<u64>,
    pub choices: u64,
    pub prompts: u64,
}

impl Default for Found {
    fn default() -> Found {
        Found {
            weight: 0,
            output_max: None,
            choices: 1,
            prompts: 1,
        }
    }
}
