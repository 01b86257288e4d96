//! What an upstream reports of an exchange's use, for every operation: found in a whole answer without parsing the rest.
//! It must not know what is charged for it.

use super::{Dialect, Operation, Usage, json, openai, streams};

/// The use that a whole answer reports; `None` where it reports none, or where the answer cannot be read.
///
/// | operation | dialect or server | what is read |
/// | --- | --- | --- |
/// | chat, completions, responses | OpenAI's | `usage`: input with `cached_tokens`, `cache_write_tokens` (and `ttl_12h_tokens` of it), `audio_tokens`; output with `reasoning_tokens`, `audio_tokens` |
/// | chat | Anthropic | `usage`: input, `cache_read_input_tokens`, `cache_creation_input_tokens` (and `cache_creation.ephemeral_1h_input_tokens` of it), output with `thinking_tokens` |
/// | chat | Gemini | `usageMetadata`: prompt, tools' prompt, cached, candidates, thoughts; audio out of the details by modality |
/// | chat, completions | Ollama | `prompt_eval_count`, `eval_count` |
/// | embeddings | OpenAI's, vLLM, Jina, Voyage | `usage.prompt_tokens`, or `usage.total_tokens` |
/// | embeddings | Ollama; Gemini; Cohere | `prompt_eval_count`; `usageMetadata.promptTokenCount`; `meta.billed_units.input_tokens` |
/// | rerank | vLLM, Jina, Voyage | `usage.total_tokens` |
/// | rerank | Cohere | `meta.billed_units.search_units`, and tokens of `meta.tokens`, or of `meta.billed_units` |
/// | rerank, classify | Text Embeddings Inference | nothing: the answer is a list |
/// | score, classify, pooling | vLLM | `usage.prompt_tokens`, or `usage.total_tokens` |
/// | images | OpenAI's | the entries of `data`; `usage` where the model counts tokens (gpt-image), `image_tokens` of its details; output counts as images where it does not say |
/// | transcription, translation | OpenAI's | `usage` of type `tokens`, or of type `duration` (`seconds`); `duration` of the verbose form |
/// | transcription as text, subtitles | OpenAI's | nothing: the answer is no JSON |
/// | speech | OpenAI's | nothing: the answer is audio; `speech.audio.done` of its event stream has `usage` ([`openai::usage_of`]) |
/// | moderations | OpenAI's | nothing: it costs nothing |
/// | tokenize, count of tokens, models and the like | all | nothing: no model runs. What a count of tokens answers is not used |
///
/// Streams report the same in their events (`streams::Observed`, `streams::Translator`), Realtime in its own. Batches are made of such answers.
pub fn usage_of(operation: Operation, dialect: Dialect, body: &[u8]) -> Option<Usage> {
    let found = match operation {
        Operation::Chat | Operation::Completions | Operation::Responses => {
            return streams::usage_of_whole(dialect, body).ok().flatten();
        }
        Operation::Embeddings => of_embeddings(dialect, body),
        Operation::Rerank => of_rerank(body),
        Operation::Score | Operation::Pooling | Operation::Classify => openai::usage_of(body),
        Operation::ImageGeneration | Operation::ImageEdit | Operation::ImageVariation => {
            of_images(body)
        }
        Operation::Transcription | Operation::Translation => of_transcription(body),
        Operation::Speech
        | Operation::Moderations
        | Operation::Models
        | Operation::Model
        | Operation::Tokenize
        | Operation::Detokenize
        | Operation::Realtime
        | Operation::CountTokens
        | Operation::Show
        | Operation::Running
        | Operation::Version
        | Operation::Alive
        | Operation::Manage
        | Operation::PassThrough => None,
    };
    found.map(Usage::bounded)
}

fn of_embeddings(dialect: Dialect, body: &[u8]) -> Option<Usage> {
    let own = match dialect {
        Dialect::Ollama => count(body, &["prompt_eval_count"]),
        Dialect::Gemini => count(body, &["usageMetadata", "promptTokenCount"]),
        Dialect::Chat | Dialect::Completions | Dialect::Responses | Dialect::Anthropic => None,
    };
    let own = own.or_else(|| count(body, &["meta", "billed_units", "input_tokens"]));
    own.map(Usage::of_input).or_else(|| openai::usage_of(body))
}

fn of_rerank(body: &[u8]) -> Option<Usage> {
    let units = |name| count(body, &["meta", "billed_units", name]);
    let tokens = |name| count(body, &["meta", "tokens", name]).or_else(|| units(name));
    let searches = units("search_units");
    let (input, output) = (tokens("input_tokens"), tokens("output_tokens"));
    if searches.or(input).or(output).is_none() {
        return openai::usage_of(body);
    }
    Some(Usage {
        output: output.unwrap_or(0),
        searches: searches.unwrap_or(0),
        ..Usage::of_input(input.unwrap_or(0))
    })
}

fn of_images(body: &[u8]) -> Option<Usage> {
    let images = entries(member(body, "data")?);
    let usage = openai::usage_of(body).unwrap_or_default();
    // What is put out here are images; not all servers say so of their tokens.
    let image_output = match usage.image_output {
        0 => usage.output.saturating_sub(usage.reasoning),
        told => told,
    };
    let usage = Usage {
        images,
        image_output,
        ..usage
    };
    (usage != Usage::default()).then_some(usage)
}

fn of_transcription(body: &[u8]) -> Option<Usage> {
    let said = member(body, "usage");
    let seconds = said.and_then(|usage| member(usage, "seconds"));
    // Servers that tell no usage tell the length in the verbose form.
    let seconds = seconds.or_else(|| said.is_none().then(|| member(body, "duration"))?);
    match seconds.and_then(milliseconds) {
        Some(audio_milliseconds) => Some(Usage {
            audio_milliseconds,
            ..Usage::default()
        }),
        None => openai::usage_of(body),
    }
}

/// The text of the last member of that name.
fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    let read = json::members(object, |key, member| {
        if key == name.as_bytes() {
            found = Some(&object[member.value]);
        }
    });
    read.ok().and(found).filter(|value| value != b"null")
}

/// The count at the end of a path of members. Cohere writes counts as fractions.
fn count(object: &[u8], path: &[&str]) -> Option<u64> {
    let value = path.iter().try_fold(object, |at, name| member(at, name))?;
    let text = std::str::from_utf8(value).ok()?;
    let fraction = || text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    text.parse().ok().or_else(|| Some(fraction()? as u64))
}

/// How many values a list has.
fn entries(list: &[u8]) -> u64 {
    let mut at = json::skip_space(list, 1);
    let mut found = 0;
    while list.starts_with(b"[")
        && let Ok(value) = json::value(list, at)
    {
        found += 1;
        at = json::skip_space(list, value.end);
        if list.get(at) != Some(&b',') {
            break;
        }
        at = json::skip_space(list, at + 1);
    }
    found
}

/// Thousandths of the seconds that a JSON number says (verbose answers of old servers have it as text).
fn milliseconds(seconds: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(seconds).ok()?.trim_matches('"');
    let seconds: f64 = text.parse().ok()?;
    (seconds >= 0.0).then_some((seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::{neutral, translate};
    use Operation::{
        Chat, Embeddings, ImageGeneration, Moderations, Pooling, Rerank, Score, Transcription,
    };

    #[track_caller]
    fn check(operation: Operation, dialect: Dialect, body: &str, expected: Option<Usage>) {
        assert_eq!(
            usage_of(operation, dialect, body.as_bytes()),
            expected,
            "{body}"
        );
    }

    fn input(tokens: u64) -> Option<Usage> {
        Some(Usage::of_input(tokens))
    }

    #[test]
    fn vectors_and_scores_count_their_input() {
        for (dialect, body) in [
            (
                Dialect::Chat,
                r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#,
            ),
            (
                Dialect::Ollama,
                r#"{"model":"m","embeddings":[[0.1]],"prompt_eval_count":4}"#,
            ),
            (
                Dialect::Gemini,
                r#"{"embedding":{"values":[]},"usageMetadata":{"promptTokenCount":4}}"#,
            ),
            (
                Dialect::Chat,
                r#"{"embeddings":{},"meta":{"billed_units":{"input_tokens":4.0}}}"#,
            ),
        ] {
            check(Embeddings, dialect, body, input(4));
        }
        let scores = r#"{"data":[{"score":1}],"usage":{"prompt_tokens":9,"total_tokens":9}}"#;
        check(Score, Dialect::Chat, scores, input(9));
        check(Pooling, Dialect::Chat, scores, input(9));
        check(Embeddings, Dialect::Chat, r#"{"data":[]}"#, None);
    }

    #[test]
    fn rerankers_count_tokens_or_searches() {
        check(
            Rerank,
            Dialect::Chat,
            r#"{"results":[],"usage":{"total_tokens":38}}"#,
            input(38),
        );
        let cohere = r#"{"results":[],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":2},"tokens":{"input_tokens":77.0}}}"#;
        let expected = Usage {
            searches: 2,
            ..Usage::of_input(77)
        };
        check(Rerank, Dialect::Chat, cohere, Some(expected));
        check(Rerank, Dialect::Chat, r#"[{"index":0,"score":0.9}]"#, None);
        check(
            Rerank,
            Dialect::Chat,
            r#"{"meta":{"billed_units":null}}"#,
            None,
        );
    }

    #[test]
    fn images_count_by_the_piece_and_by_their_tokens() {
        let plain = r#"{"created":1,"data":[{"url":"a]["} , {"b64_json":"AA=="}]}"#;
        let two = Usage {
            images: 2,
            ..Usage::default()
        };
        check(ImageGeneration, Dialect::Chat, plain, Some(two));
        let counted = r#"{"data":[{"b64_json":""}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}"#;
        let expected = Usage {
            images: 1,
            output: 50,
            image_input: 40,
            image_output: 50,
            ..Usage::of_input(50)
        };
        check(ImageGeneration, Dialect::Chat, counted, Some(expected));
        check(ImageGeneration, Dialect::Chat, r#"{"data":[]}"#, None);
    }

    #[test]
    fn speech_to_text_counts_tokens_or_time() {
        let tokens = r#"{"text":"a","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":10,"audio_tokens":4},"output_tokens":101,"total_tokens":115}}"#;
        let expected = Usage {
            output: 101,
            audio_input: 4,
            ..Usage::of_input(14)
        };
        check(Transcription, Dialect::Chat, tokens, Some(expected));
        let time = |audio_milliseconds| {
            Some(Usage {
                audio_milliseconds,
                ..Usage::default()
            })
        };
        let duration = r#"{"text":"a","duration":8.47,"usage":{"type":"duration","seconds":9}}"#;
        check(Transcription, Dialect::Chat, duration, time(9_000));
        let verbose = r#"{"task":"transcribe","duration":8.470000267028809,"text":"a"}"#;
        check(Transcription, Dialect::Chat, verbose, time(8_471));
        check(Transcription, Dialect::Chat, "1\n00:00 --> 00:01\na", None);
    }

    #[test]
    fn chats_count_in_their_dialects_words() {
        let claude = r#"{"id":"i","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"cache_read_input_tokens":2,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":4}}"#;
        let expected = Usage {
            cache_read: 2,
            cache_write: 30,
            cache_write_1h: 20,
            output: 4,
            ..Usage::of_input(1)
        };
        check(Chat, Dialect::Anthropic, claude, Some(expected));
        let gemini = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":60},{"modality":"AUDIO","tokenCount":40}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":5}],"candidatesTokenCount":30,"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":30}],"totalTokenCount":130}}"#;
        let expected = Usage {
            cache_read: 10,
            audio_input: 35,
            output: 30,
            audio_output: 30,
            ..Usage::of_input(90)
        };
        check(Chat, Dialect::Gemini, gemini, Some(expected));
        let openai = r#"{"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":20,"total_tokens":70,"prompt_tokens_details":{"audio_tokens":8,"cached_tokens":2,"cache_write_tokens":7,"cache_write_tokens_details":{"ttl_30m_tokens":4,"ttl_12h_tokens":3}},"completion_tokens_details":{"audio_tokens":15,"reasoning_tokens":1}}}"#;
        let expected = Usage {
            cache_read: 2,
            cache_write: 7,
            cache_write_1h: 3,
            audio_input: 8,
            output: 20,
            audio_output: 15,
            reasoning: 1,
            ..Usage::of_input(41)
        };
        for dialect in [Dialect::Chat, Dialect::Completions] {
            check(Chat, dialect, openai, Some(expected));
        }
    }

    #[test]
    fn what_runs_no_model_uses_nothing() {
        let body = r#"{"input_tokens":7,"usage":{"total_tokens":9}}"#;
        check(Operation::CountTokens, Dialect::Anthropic, body, None);
        check(Moderations, Dialect::Chat, body, None);
    }
    /// Every dialect's writer puts each count where its reader, and its clients, look for it, as far as it has a place.
    #[test]
    fn what_is_written_for_a_client_is_read_again() {
        let all = Usage {
            input_uncached: 100,
            cache_read: 20,
            cache_write: 30,
            output: 50,
            reasoning: 10,
            cache_write_1h: 5,
            audio_input: 40,
            audio_output: 25,
            ..Usage::default()
        };
        let without_writes = Usage {
            input_uncached: 130,
            cache_write: 0,
            cache_write_1h: 0,
            ..all
        };
        let without_audio = Usage {
            audio_input: 0,
            audio_output: 0,
            ..all
        };
        for (dialect, expected) in [
            (Dialect::Chat, all),
            (Dialect::Completions, all),
            (Dialect::Responses, all),
            (Dialect::Anthropic, without_audio),
            (Dialect::Gemini, without_writes),
        ] {
            let body = written(dialect, all);
            check(Chat, dialect, &body, Some(expected));
        }
    }

    fn written(dialect: Dialect, usage: Usage) -> String {
        let said = neutral::Part::Text(neutral::Text {
            text: "hm".into(),
            ..neutral::Text::default()
        });
        let answer = neutral::Answer {
            choices: vec![neutral::Choice {
                parts: vec![said],
                finish: Some(neutral::Finish::Stop),
                logprobs: None,
            }],
            usage: Some(usage),
            ..neutral::Answer::default()
        };
        let naming = translate::Naming {
            seed: "s".into(),
            created: 7,
            input_tokens_estimate: 1,
        };
        let asked = neutral::Request::new(dialect, "m");
        let body = translate::write_answer(dialect, &answer, &asked, &naming, Duration::ZERO);
        String::from_utf8(body).unwrap()
    }
}
