//! Texts to vectors, whatever the dialect.

use crate::wire::Usage;

use super::{Loss, Losses, Refused};

/// A request for vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRequest {
    /// The model as the client names it.
    pub model: String,
    pub input: EmbeddingInput,
    /// The client sent one text, not a list of one (Ollama's old endpoint, Gemini's `embedContent`).
    pub is_single: bool,
    pub dimensions: Option<u64>,
    /// The vectors are wanted as base64 of little-endian 32-bit floats; a list of numbers otherwise.
    pub base64: bool,
    /// Too long texts are to be cut (Ollama's `truncate`); `None`: not said.
    pub truncate: Option<bool>,
    /// What the vectors are for (Gemini's `taskType`).
    pub task: Option<String>,
    /// The document's title (Gemini).
    pub title: Option<String>,
    pub user: Option<String>,
}

impl EmbeddingRequest {
    /// The texts, for an upstream that takes nothing else.
    ///
    /// # Errors
    /// For token ids, where that loss is refused.
    pub fn texts(&self, losses: &mut Losses) -> Result<&[String], Refused> {
        match &self.input {
            EmbeddingInput::Texts(texts) => Ok(texts),
            EmbeddingInput::Tokens => {
                losses.note(Loss::TokenPrompt)?;
                Ok(&[])
            }
        }
    }
}

/// What is to be turned into vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    Texts(Vec<String>),
    /// Token ids, which mean something to one model only.
    Tokens,
}

/// Vectors, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingAnswer {
    pub model: String,
    pub vectors: Vec<Vec<f32>>,
    pub usage: Option<Usage>,
}
