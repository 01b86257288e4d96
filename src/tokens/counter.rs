//! Exact counts for the models whose tokenizers are public. They are large, so each is read when it is first wanted, on a thread of its own; until then, estimates stand in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tiktoken_rs::CoreBPE;

use super::calibration::Calibration;
use super::weight;

/// Bytes that are counted; what is beyond them counts by what they were, so that no text takes long (64 KiB take 8 ms).
const COUNTED_BYTES_MAX: usize = 64 << 10;

/// Which tokenizer a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// OpenAI's since GPT-4o: 46 MiB in memory once loaded.
    O200k,
    /// GPT-4, GPT-3.5 and the embeddings of their time: 24 MiB.
    Cl100k,
    /// None that is known: the estimate counts.
    Other,
}

impl Family {
    /// By a model's name, with or without what hosts put around it (`openai/gpt-4o`, `gpt-oss:20b`, `ft:gpt-4o:…`).
    pub fn of_model(model: &str) -> Family {
        let model = model.strip_prefix("ft:").unwrap_or(model);
        let model = model.rsplit('/').next().unwrap_or(model);
        let begins = |names: &[&str]| {
            names.iter().any(|name| {
                let start = model.as_bytes().get(..name.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        let is_o_series = matches!(model.as_bytes(), [b'o' | b'O', b'1'..=b'9', rest @ ..] if rest.first().is_none_or(|byte| *byte == b'-'));
        if is_o_series
            || begins(&[
                "gpt-4o",
                "gpt-4.1",
                "gpt-4.5",
                "gpt-5",
                "gpt-6",
                "gpt-oss",
                "chatgpt-4o",
                "codex-mini",
            ])
        {
            Family::O200k
        } else if begins(&[
            "gpt-4",
            "gpt-3.5",
            "gpt-35",
            "text-embedding-3",
            "text-embedding-ada-002",
        ]) {
            Family::Cl100k
        } else {
            Family::Other
        }
    }
}

/// The tokenizers of the process.
#[derive(Default)]
pub struct Counter {
    o200k: Tokenizer,
    cl100k: Tokenizer,
}

#[derive(Default)]
struct Tokenizer {
    loaded: OnceLock<CoreBPE>,
    is_wanted: AtomicBool,
}

impl Counter {
    /// The one of the process: tokenizers are never given back.
    pub fn shared() -> &'static Counter {
        static SHARED: OnceLock<Counter> = OnceLock::new();
        SHARED.get_or_init(Counter::default)
    }

    pub fn for_model(&self, model: &str) -> Family {
        Family::of_model(model)
    }

    /// How many tokens a text is, for a model of which something may have been learnt: where no tokenizer counts, the estimate is
    /// made the model's own.
    pub fn count_for(
        &'static self,
        family: Family,
        text: &str,
        learnt: &Calibration,
        model: &str,
    ) -> u64 {
        let counted = self.count_exactly(family, text);
        counted.unwrap_or_else(|| learnt.estimate(model, text.as_bytes()))
    }

    /// How many tokens a text is. Exact where the family's tokenizer has been loaded; an estimate until then and for other families. Never waits: the first call for a family has its
    /// tokenizer loaded, by a thread that is named `tokenizer` and ends with that.
    pub fn count(&'static self, family: Family, text: &str) -> u64 {
        let counted = self.count_exactly(family, text);
        counted.unwrap_or_else(|| weight::tokens(weight::weigh(text.as_bytes())))
    }

    /// `None` where there is no tokenizer, or none yet.
    fn count_exactly(&'static self, family: Family, text: &str) -> Option<u64> {
        let tokenizer = self.tokenizer(family)?;
        if let Some(loaded) = tokenizer.loaded.get() {
            return Some(counted(loaded, text));
        }
        if !tokenizer.is_wanted.swap(true, Ordering::Relaxed) {
            let thread = std::thread::Builder::new().name("tokenizer".into());
            // Where there are no more threads, estimates stay.
            let _ = thread.spawn(move || self.load(family));
        }
        None
    }

    /// Loads a family's tokenizer and waits for it: about 0.2 s of work, for a thread that may block. Whether the family has one.
    pub fn load(&self, family: Family) -> bool {
        let Some(tokenizer) = self.tokenizer(family) else {
            return false;
        };
        tokenizer.is_wanted.store(true, Ordering::Relaxed);
        if tokenizer.loaded.get().is_none() {
            let read = match family {
                Family::O200k => tiktoken_rs::o200k_base(),
                Family::Cl100k | Family::Other => tiktoken_rs::cl100k_base(),
            };
            match read {
                // Another thread may have been quicker; both read the same.
                Ok(read) => drop(tokenizer.loaded.set(read)),
                Err(error) => {
                    tracing::warn!(%error, ?family, "a tokenizer cannot be read; estimates stay")
                }
            }
        }
        tokenizer.loaded.get().is_some()
    }

    /// Whether counts of the family are exact.
    pub fn is_loaded(&self, family: Family) -> bool {
        let tokenizer = self.tokenizer(family);
        tokenizer.is_some_and(|tokenizer| tokenizer.loaded.get().is_some())
    }

    fn tokenizer(&self, family: Family) -> Option<&Tokenizer> {
        match family {
            Family::O200k => Some(&self.o200k),
            Family::Cl100k => Some(&self.cl100k),
            Family::Other => None,
        }
    }
}

fn counted(tokenizer: &CoreBPE, text: &str) -> u64 {
    let mut end = text.len().min(COUNTED_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let tokens = tokenizer.count_ordinary(head) as u64;
    if head.len() == text.len() {
        return tokens;
    }
    let (of_head, of_all) = (
        weight::weigh(head.as_bytes()),
        weight::weigh(text.as_bytes()),
    );
    let all = u128::from(tokens) * u128::from(of_all) / u128::from(of_head.max(1));
    u64::try_from(all).unwrap_or(u64::MAX)
}
