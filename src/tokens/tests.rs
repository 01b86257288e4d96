//! Sizes of requests in every dialect, and what the estimate is worth beside a tokenizer.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Texts that the weights were not fitted to: much the same in many languages. (name, text, how far off the estimate may be, in percent)
const CORPUS: [(&str, &str, u64); 18] = [
    ("english", include_str!("corpus/english.txt"), 5),
    ("code", include_str!("corpus/code.txt"), 8),
    ("json", include_str!("corpus/json.txt"), 6),
    ("german", include_str!("corpus/german.txt"), 8),
    ("french", include_str!("corpus/french.txt"), 5),
    ("spanish", include_str!("corpus/spanish.txt"), 5),
    ("polish", include_str!("corpus/polish.txt"), 13),
    ("vietnamese", include_str!("corpus/vietnamese.txt"), 22),
    ("russian", include_str!("corpus/russian.txt"), 16),
    ("greek", include_str!("corpus/greek.txt"), 7),
    ("hebrew", include_str!("corpus/hebrew.txt"), 5),
    ("arabic", include_str!("corpus/arabic.txt"), 5),
    ("hindi", include_str!("corpus/hindi.txt"), 15),
    ("thai", include_str!("corpus/thai.txt"), 18),
    ("chinese", include_str!("corpus/chinese.txt"), 14),
    ("japanese", include_str!("corpus/japanese.txt"), 6),
    ("korean", include_str!("corpus/korean.txt"), 8),
    ("emoji", include_str!("corpus/emoji.txt"), 6),
];

fn weighed(text: &str) -> u64 {
    weight::tokens(weigh(text.as_bytes()))
}

fn size(body: &serde_json::Value) -> RequestSize {
    request_tokens(body.to_string().as_bytes(), Some("application/json"))
}

#[test]
fn estimates_are_near_what_the_tokenizer_of_today_counts() {
    let counter = Counter::shared();
    assert!(counter.load(Family::O200k));
    for (name, text, percent) in CORPUS {
        let counted = counter.count(Family::O200k, text);
        let off = weighed(text).abs_diff(counted) * 100 / counted;
        assert!(off <= percent, "{name}: {} for {counted}", weighed(text));
    }
    // Bytes divided by four, for comparison: twice too many for half of these.
    let naive = CORPUS.iter().filter(|(_, text, _)| {
        let counted = counter.count(Family::O200k, text);
        (text.len() as u64 / 4).abs_diff(counted) * 100 / counted > 20
    });
    assert!(naive.count() >= 8);
}

#[test]
fn escapes_weigh_what_they_stand_for() {
    for (name, text, _) in CORPUS {
        let as_they_are = size(&json!({ "prompt": text })).input_estimate;
        let escaped: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        let body = format!(r#"{{"prompt":"{escaped}"}}"#);
        let escaped = request_tokens(body.as_bytes(), None).input_estimate;
        assert_eq!(as_they_are, weighed(text), "{name}");
        assert_eq!(escaped, weighed(text), "{name}");
    }
}

#[test]
fn bounds_and_choices_are_found_where_the_dialects_have_them_and_nowhere_else() {
    let cases = [
        (json!({"max_tokens": 5}), Some(5), 1),
        (
            json!({"max_tokens": null, "max_completion_tokens": 7, "n": 3}),
            Some(7),
            3,
        ),
        (
            json!({"max_tokens": 9, "max_completion_tokens": 7}),
            Some(9),
            1,
        ),
        (json!({"max_output_tokens": 16, "input": "a"}), Some(16), 1),
        (json!({"options": {"num_predict": 20, "n": 9}}), Some(20), 1),
        (json!({"options": {"num_predict": -1}}), None, 1),
        (
            json!({"generationConfig": {"maxOutputTokens": 30, "candidateCount": 2}}),
            Some(30),
            2,
        ),
        (
            json!({"generation_config": {"max_output_tokens": 30}}),
            Some(30),
            1,
        ),
        (
            json!({"prompt": ["a", "b", "c"], "n": 2, "max_tokens": 4}),
            Some(4),
            6,
        ),
        (
            json!({"prompt": [[1, 2], [3]], "max_tokens": 4}),
            Some(4),
            2,
        ),
        (json!({"prompt": [1, 2, 3], "best_of": 4}), None, 4),
        (json!({"max_tokens": 1e3}), Some(1_000), 1),
        (json!({"max_tokens": "5", "n": "2"}), None, 1),
        // Not at their depth.
        (
            json!({"messages": [{"content": "a", "max_tokens": 5, "n": 6}]}),
            None,
            1,
        ),
        (
            json!({"metadata": {"max_tokens": 5}, "num_predict": 4, "maxOutputTokens": 3}),
            None,
            1,
        ),
        (
            json!({"thinking": {"budget_tokens": 5}, "candidateCount": 4}),
            None,
            1,
        ),
        (
            json!({"messages": [{"content": "\"max_tokens\": 5, {\"n\": 3}"}]}),
            None,
            1,
        ),
    ];
    for (body, output_max, choices) in cases {
        let found = size(&body);
        assert_eq!(
            (found.output_max, found.choices),
            (output_max, choices),
            "{body}"
        );
    }
    let escaped = br#"{ "max\u005ftokens" : 5 , "n":99999999999999999999 }"#;
    let found = request_tokens(escaped, None);
    assert_eq!((found.output_max, found.choices), (Some(5), 1 << 40));
    let twice = br#"{"max_tokens":5,"max_tokens":null}"#;
    assert_eq!(
        request_tokens(twice, None).output_max,
        None,
        "the last one counts"
    );
}

#[test]
fn one_text_weighs_the_same_in_every_dialect() {
    let text = CORPUS[0].1;
    let alone = weighed(text);
    let bodies = [
        json!({"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 0.5, "user": "somebody"}),
        json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}], "stop": ["a", "b"]}),
        json!({"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}], "metadata": {"a": text}}),
        json!({"model": "m", "system": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}], "messages": [], "max_tokens": 1}),
        json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH"}]}),
        json!({"model": "m", "prompt": text, "stream": false, "options": {"num_ctx": 1024}}),
        json!({"model": "m", "input": [text], "encoding_format": "float"}),
        json!({"requests": [{"model": "models/m", "content": {"parts": [{"text": text}]}}]}),
    ];
    for body in bodies {
        let found = size(&body).input_estimate;
        assert!(
            (alone..=alone + 5).contains(&found),
            "{found} for {alone}: {body}"
        );
    }
}

#[test]
fn what_a_model_reads_as_json_counts_whole() {
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "enum": [1, 2.5]}}});
    let spelled = weighed(&tool.to_string());
    let bare = size(&json!({"messages": []})).input_estimate;
    let with = size(&json!({"messages": [], "tools": [tool]})).input_estimate;
    assert!(
        (spelled..=spelled + 4).contains(&(with - bare + 1)),
        "{with} for {spelled}"
    );
    let call = json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "f", "input": {"place": "Porto"}}]}]});
    let found = size(&call).input_estimate;
    assert!((8..=14).contains(&found), "{found}");
    // Prompts and texts that are tokens already.
    assert_eq!(
        size(&json!({"input": [[1, 22, 333], [4444]]})).input_estimate,
        4
    );
}

#[test]
fn media_count_by_the_piece_or_the_second_and_never_as_text() {
    let png = format!("iVBORw0KGgoAAAANSUhEUg{}", "A".repeat(400_000));
    let wav = format!("UklGRiQAAABXQVZFZm10I{}", "A".repeat(640_000));
    let pdf = format!("JVBERi0xLjcK{}", "A".repeat(160_000));
    let url = format!("data:image/png;base64,{png}");
    let parts = [
        (
            json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}}),
            1_300,
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}),
            1_300,
        ),
        (json!({"type": "input_image", "image_url": url}), 1_300),
        (
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}),
            1_300,
        ),
        (
            json!({"inlineData": {"mimeType": "image/png", "data": png}}),
            1_300,
        ),
        (
            json!({"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a"}}),
            3_000,
        ),
        (json!({"images": [png, png]}), 2_600),
        (
            json!({"type": "input_audio", "input_audio": {"data": wav, "format": "wav"}}),
            320,
        ),
        (
            json!({"type": "document", "source": {"type": "base64", "data": pdf}}),
            3_000,
        ),
        (
            json!({"type": "file", "file": {"file_data": format!("data:application/pdf;base64,{pdf}"), "filename": "a.pdf"}}),
            3_003,
        ),
        (
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": CORPUS[0].1}}),
            118,
        ),
        (json!({"type": "text", "text": url}), 1_300),
        (
            json!({"type": "thinking", "thinking": "", "signature": png}),
            0,
        ),
        (json!({"type": "text", "text": "see data: and base64"}), 6),
    ];
    for (part, expected) in parts {
        let found =
            size(&json!({"messages": [{"role": "user", "content": [part]}]})).input_estimate;
        let said = part.to_string();
        let said = &said[..said.len().min(100)];
        assert!(
            found.abs_diff(expected + 4) <= 6,
            "{found} for {expected}: {said}"
        );
    }
}

#[test]
fn a_query_counts_for_every_document() {
    let document = CORPUS[0].1;
    let one = size(&json!({"query": "what is a proxy?", "documents": [document]})).input_estimate;
    let three = size(
        &json!({"query": "what is a proxy?", "documents": [document, {"text": document}, document]}),
    );
    assert!(
        three.input_estimate.abs_diff(3 * one) <= 3,
        "{three:?} for {one}"
    );
    assert_eq!(three.choices, 1);
}

#[test]
fn forms_count_their_files_by_what_they_are() {
    let body = |head: &str, content: &[u8]| {
        let mut body = format!("--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--B\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nA talk.\r\n--B\r\n{head}\r\n\r\n").into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(
            b"\r\n--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--B--\r\n",
        );
        body
    };
    let content = vec![7; 1_600_000];
    for (head, tokens) in [
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"",
            3_200,
        ),
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: audio/wav",
            1_066,
        ),
        (
            "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\ncontent-type: image/png",
            1_300,
        ),
        (
            "content-disposition: form-data; filename=\"a.bin\"; name=\"file\"",
            40_000,
        ),
    ] {
        let found = request_tokens(
            &body(head, &content),
            Some("multipart/form-data; boundary=B"),
        );
        assert!(
            found.input_estimate.abs_diff(tokens + 3) <= 2,
            "{head}: {found:?}"
        );
        assert_eq!((found.choices, found.output_max), (2, None));
    }
}

#[test]
fn the_tokenizer_counts_as_openai_does() {
    let counter = Counter::shared();
    assert!(counter.load(Family::O200k) && counter.load(Family::Cl100k));
    assert!(!counter.load(Family::Other));
    assert!(counter.is_loaded(Family::O200k) && !counter.is_loaded(Family::Other));
    // OpenAI's cookbook, "How to count tokens with tiktoken".
    for (text, o200k, cl100k) in [
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 8, 9),
        ("", 0, 0),
    ] {
        assert_eq!(counter.count(Family::O200k, text), o200k, "{text}");
        assert_eq!(counter.count(Family::Cl100k, text), cl100k, "{text}");
    }
    // What is beyond the bound counts by what it is.
    let long = CORPUS[0].1.repeat(1_000);
    let once = counter.count(Family::O200k, CORPUS[0].1);
    let counted = counter.count(Family::O200k, &long);
    assert!(counted.abs_diff(once * 1_000) < once * 20, "{counted}");
    let wide = "é".repeat(100_000);
    assert!(counter.count(Family::O200k, &wide) > 10_000);
}

#[test]
fn models_have_the_tokenizers_of_their_families() {
    let cases = [
        ("gpt-4o-2024-08-06", Family::O200k),
        ("openai/gpt-5.1", Family::O200k),
        ("o3-mini", Family::O200k),
        ("o1", Family::O200k),
        ("gpt-oss:20b", Family::O200k),
        ("ft:gpt-4.1-mini:team::x", Family::O200k),
        ("gpt-4-turbo", Family::Cl100k),
        ("gpt-35-turbo", Family::Cl100k),
        ("text-embedding-3-small", Family::Cl100k),
        ("claude-opus-4-5", Family::Other),
        ("llama-3.1-8b", Family::Other),
        ("olmo-2", Family::Other),
        ("o", Family::Other),
        ("", Family::Other),
    ];
    for (model, family) in cases {
        assert_eq!(Counter::shared().for_model(model), family, "{model}");
    }
}

#[test]
fn a_family_without_a_tokenizer_is_estimated() {
    let text = CORPUS[0].1;
    assert_eq!(Counter::shared().count(Family::Other, text), weighed(text));
}

/// Whatever is cut, nested or repeated: each byte is looked at a bounded number of times, and nothing panics.
#[test]
fn bodies_that_are_broken_count_for_something() {
    let whole = json!({"messages": [{"role": "user", "content": "a\"\\\n\u{e9}☃🎉"}], "tools": [{"a": [1, null]}], "max_tokens": 5}).to_string();
    for end in 0..whole.len() {
        let found = request_tokens(&whole.as_bytes()[..end], None);
        assert!((1..100).contains(&found.input_estimate), "{end}: {found:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(request_tokens(deep.as_bytes(), None).input_estimate > 10_000);
    let quotes = "\"".repeat(1 << 20);
    let _ = request_tokens(quotes.as_bytes(), None);
    let escapes = format!("{{\"prompt\":\"{}", "\\".repeat(1 << 20));
    let _ = request_tokens(escapes.as_bytes(), None);
    let closed = "]}".repeat(1 << 10);
    assert_eq!(request_tokens(closed.as_bytes(), None).input_estimate, 1);
}

proptest! {
    #[test]
    fn any_bytes_may_come(body in prop::collection::vec(any::<u8>(), 0..300), text in "[\\[\\]{}:,\"\\\\a-z0-9 u.-]{0,80}") {
        for form in [None, Some("multipart/form-data; boundary=a")] {
            let _ = request_tokens(&body, form);
            let _ = request_tokens(text.as_bytes(), form);
        }
    }

    #[test]
    fn a_text_weighs_what_its_pieces_weigh(text in "\\PC{0,60}", times in 1..4_usize) {
        let once = weigh(text.as_bytes());
        prop_assert_eq!(weigh(text.repeat(times).as_bytes()), once * times as u64);
        let by_byte: u64 = text.bytes().map(weight::of_byte).sum();
        prop_assert_eq!(once, by_byte);
        let (of_string, bytes) = weight::weigh_string(text.as_bytes());
        let end = text.find(['"', '\\']).unwrap_or(text.len());
        prop_assert_eq!((of_string, bytes), (weigh(&text.as_bytes()[..end]), end));
        let by_unit: u64 = text.encode_utf16().map(weight::of_unit).sum();
        prop_assert_eq!(once, by_unit);
    }
}

#[test]
fn what_no_tokenizer_counts_is_counted_as_the_model_has_been_seen_to_count() {
    let (counter, learnt) = (Counter::shared(), Calibration::default());
    let text = "How is the flow over a weir measured, and how exact is that?".repeat(20);
    let plain = counter.count(Family::Other, &text);
    assert_eq!(counter.count_for(Family::Other, &text, &learnt, "m"), plain);
    learnt.learn("m", 1_000, 1_500);
    let counted = counter.count_for(Family::Other, &text, &learnt, "m");
    assert!(
        (plain * 3 / 2 - 1..=plain * 3 / 2 + 1).contains(&counted),
        "{counted}, {plain}"
    );
    // A tokenizer knows better.
    assert!(counter.load(Family::O200k));
    learnt.learn("gpt-4o", 1_000, 3_000);
    let exact = counter.count(Family::O200k, &text);
    assert_eq!(
        counter.count_for(Family::O200k, &text, &learnt, "gpt-4o"),
        exact
    );
}
