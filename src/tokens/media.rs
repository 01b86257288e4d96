//! What images, recordings and documents come to, by what vendors say of them and by their size; nothing of them is decoded but their first bytes.

use memchr::memmem;

use crate::wire::base64;

use super::weight::{TOKEN, Weight};

/// Something that a request holds beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Image,
    Audio,
    /// Audio that is not compressed.
    Samples,
    Video,
    /// A PDF, or something that is not known.
    Document,
    /// Text in a file.
    Text,
}

/// An image of about a megapixel. OpenAI: 765 for 1024 × 1024 (85, and 170 for each of four tiles; "Images and vision", detail high). Anthropic: width × height / 750, so 1,398 for it and about 1,600 at most
/// ("Vision"). Gemini: 258 for each tile of 768 × 768, so 1,032 ("Image understanding").
const IMAGE_TOKENS: u64 = 1_300;

/// Gemini counts 32 tokens for a second ("Audio understanding"; OpenAI counts 10), of 16,000 bytes at 128 kbit/s.
const AUDIO_BYTES_PER_TOKEN: u64 = 500;

/// The same, for 48,000 bytes a second: 16 bits, 24 kHz.
const SAMPLES_BYTES_PER_TOKEN: u64 = 1_500;

/// Gemini counts about 300 tokens for a second ("Video understanding"), of 250,000 bytes at 2 Mbit/s.
const VIDEO_BYTES_PER_TOKEN: u64 = 833;

/// Files of text and few images have some 100 kB a page less their fonts, and Anthropic counts 1,500 to 3,000 tokens a page ("PDF support").
const DOCUMENT_BYTES_PER_TOKEN: u64 = 40;

/// As English text has it.
const TEXT_BYTES_PER_TOKEN: u64 = 4;

/// What is named and not sent: an image is an image, and of the rest the length is not known.
const REMOTE_TOKENS: u64 = 3_000;

/// What is known of a recording that is named: half a minute.
const REMOTE_AUDIO_TOKENS: u64 = 1_000;

/// What is looked at of a text to see what it is.
const HEAD_BYTES: usize = 128;

impl Medium {
    /// By its media type; `None` where that says nothing.
    pub fn of_type(media_type: &str) -> Option<Medium> {
        let is_type = |prefix: &str| {
            let start = media_type.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let samples = [
            "audio/wav",
            "audio/x-wav",
            "audio/pcm",
            "audio/l16",
            "audio/vnd.wave",
        ];
        if samples.into_iter().any(is_type) {
            return Some(Medium::Samples);
        }
        let kinds = [
            ("image/", Medium::Image),
            ("audio/", Medium::Audio),
            ("video/", Medium::Video),
            ("text/", Medium::Text),
            ("application/json", Medium::Text),
            ("application/pdf", Medium::Document),
        ];
        let mut kinds = kinds.into_iter();
        kinds.find_map(|(prefix, medium)| is_type(prefix).then_some(medium))
    }

    /// By the ending of a file's name.
    pub fn of_file(name: &str) -> Option<Medium> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        Some(match ending.as_str() {
            "png" | "jpg" | "jpeg" | "webp" | "gif" => Medium::Image,
            "wav" | "pcm" => Medium::Samples,
            "mp3" | "m4a" | "ogg" | "oga" | "opus" | "flac" | "webm" | "mpga" | "mpeg" | "aac" => {
                Medium::Audio
            }
            "mp4" | "mov" | "mkv" => Medium::Video,
            "txt" | "md" | "json" | "jsonl" | "csv" => Medium::Text,
            "pdf" => Medium::Document,
            _ => return None,
        })
    }

    /// What so many bytes of it come to.
    pub fn weight(self, bytes: u64) -> Weight {
        let by = |bytes_per_token: u64| (bytes * TOKEN / bytes_per_token).max(TOKEN);
        match self {
            Medium::Image => IMAGE_TOKENS * TOKEN,
            Medium::Audio => by(AUDIO_BYTES_PER_TOKEN),
            Medium::Samples => by(SAMPLES_BYTES_PER_TOKEN),
            Medium::Video => by(VIDEO_BYTES_PER_TOKEN),
            Medium::Document => by(DOCUMENT_BYTES_PER_TOKEN),
            Medium::Text => by(TEXT_BYTES_PER_TOKEN),
        }
    }

    /// What it comes to where only its address is sent.
    pub fn weight_of_remote(self) -> Weight {
        TOKEN
            * match self {
                Medium::Image => IMAGE_TOKENS,
                Medium::Audio | Medium::Samples => REMOTE_AUDIO_TOKENS,
                Medium::Video | Medium::Document | Medium::Text => REMOTE_TOKENS,
            }
    }
}

/// Whether a text is an address, or an id that stands for a file.
pub fn is_address(text: &[u8]) -> bool {
    let starts = [
        &b"http://"[..],
        b"https://",
        b"gs://",
        b"s3://",
        b"file-",
        b"file_",
    ];
    starts.into_iter().any(|start| text.starts_with(start))
}

/// Whether a text is base64, by its beginning.
pub fn is_base64(text: &[u8]) -> bool {
    let head = &text[..text.len().min(HEAD_BYTES)];
    if text.starts_with(b"data:") {
        return memmem::find(head, b";base64,").is_some();
    }
    let end = head.iter().position(|byte| *byte == b'"');
    let mut head = head[..end.unwrap_or(head.len())].iter();
    head.all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=\\".contains(byte))
}

/// What a text in base64 comes to: with its media type before it (`data:image/png;base64,…`), or alone. `expected`: what its place says that it is.
pub fn of_base64(text: &[u8], expected: Medium) -> Weight {
    let (said, data) = match text.strip_prefix(b"data:") {
        None => (None, text),
        Some(rest) => {
            // Types are short; what has no comma soon is no data URL.
            let comma = rest.iter().take(HEAD_BYTES).position(|byte| *byte == b',');
            let (head, data) = rest.split_at(comma.unwrap_or(0));
            (std::str::from_utf8(head).ok(), data)
        }
    };
    let start = data.get(..data.len().min(64)).unwrap_or_default();
    let start = std::str::from_utf8(start).unwrap_or_default();
    let medium = said
        .and_then(Medium::of_type)
        .or_else(|| Medium::of_type(base64::media_type_of(start)?))
        .unwrap_or(expected);
    medium.weight(data.len() as u64 / 4 * 3)
}
