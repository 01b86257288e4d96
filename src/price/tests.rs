//! The table, held against what its source says, and the order in which prices count.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::terms::{Money, Price, Tier};

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

#[track_caller]
fn of(kind: &str, model: &str) -> Price {
    built_in(kind, model).unwrap_or_else(|| panic!("{kind}/{model} is in the table"))
}

#[test]
fn every_line_is_a_price_stands_once_and_in_order() {
    let rows = &table::TABLE[table::ROWS_START..];
    let mut before = "";
    for line in rows.lines() {
        let (name, columns) = line.split_once('\t').unwrap();
        assert!(before.as_bytes() < name.as_bytes(), "{before} and {name}");
        before = name;
        let price = table::price(columns).unwrap_or_else(|| panic!("{line}"));
        assert!(columns.split('\t').count() <= 16, "{line}");
        assert_eq!(name, name.to_ascii_lowercase());
        let (kind, model) = name.split_once('/').unwrap();
        assert_eq!(built_in(kind, model).as_ref(), Some(&price), "{name}");
        let bounds: Vec<u64> = price.tiers.iter().map(|tier| tier.above).collect();
        assert!(bounds.is_sorted(), "{line}");
    }
    assert!(rows.lines().count() > 1_000);
    assert!(table::TABLE.len() < 200 << 10);
    assert!(table::TABLE.contains("Permission is hereby granted"));
    assert!(
        table::TABLE.contains("litellm 1."),
        "the source and its date"
    );
}

#[test]
fn well_known_prices_are_as_the_source_has_them() {
    // (kind, model, input, output, cache read), in dollars for a million tokens
    let cases = [
        ("openai", "gpt-4o", "2.5", "10", "1.25"),
        ("openai", "gpt-4o-mini", "0.15", "0.6", "0.075"),
        ("openai", "gpt-4.1", "2", "8", "0.5"),
        ("openai", "gpt-5.1", "1.25", "10", "0.125"),
        ("openai", "o3", "2", "8", "0.5"),
        ("azure", "gpt-4o", "2.5", "10", "1.25"),
        ("anthropic", "claude-opus-4-5", "5", "25", "0.5"),
        ("anthropic", "claude-sonnet-4-5", "3", "15", "0.3"),
        ("anthropic", "claude-haiku-4-5", "1", "5", "0.1"),
        ("gemini", "gemini-2.5-pro", "1.25", "10", "0.125"),
        ("gemini", "gemini-2.5-flash", "0.3", "2.5", "0.03"),
        ("mistral", "mistral-large-latest", "0.5", "1.5", "0.05"),
        ("deepseek", "deepseek-chat", "0.28", "0.42", "0.028"),
        ("xai", "grok-4.3", "1.25", "2.5", "0.2"),
        ("groq", "openai/gpt-oss-120b", "0.15", "0.6", "0.075"),
    ];
    for (kind, model, input, output, cache_read) in cases {
        let price = of(kind, model);
        assert_eq!(price.input, money(input), "{model}");
        assert_eq!(price.output, money(output), "{model}");
        assert_eq!(price.cache_read, Some(money(cache_read)), "{model}");
    }
}

#[test]
fn parts_and_pieces_have_their_own_prices() {
    let sonnet = of("anthropic", "claude-sonnet-4-5");
    assert_eq!(sonnet.cache_write, Some(money("3.75")));
    assert_eq!(sonnet.cache_write_1h, Some(money("6")));
    assert_eq!(sonnet.batch_percent, Some(50));
    let gemini = of("gemini", "gemini-2.5-pro");
    let long = Tier {
        above: 200_000,
        input: Some(money("2.5")),
        output: Some(money("15")),
        cache_read: Some(money("0.25")),
        cache_write: None,
        cache_write_1h: None,
    };
    assert_eq!(gemini.tiers, [long]);
    assert_eq!(
        of("gemini", "gemini-2.5-flash").audio_input,
        Some(money("1"))
    );
    let drawing = of("gemini", "gemini-2.5-flash-image");
    assert_eq!(
        (drawing.output, drawing.image_output),
        (money("2.5"), Some(money("30")))
    );
    let spoken = of("openai", "gpt-realtime");
    assert_eq!(spoken.audio_input, Some(money("32")));
    assert_eq!(spoken.audio_output, Some(money("64")));
    let image = of("openai", "gpt-image-1");
    assert_eq!(
        (image.output, image.image_input),
        (money("40"), Some(money("10")))
    );
    let haiku = &of("anthropic", "claude-haiku-5-5").tiers[0];
    assert_eq!(haiku.cache_write_1h, Some(money("1")));
    assert_eq!(of("cohere", "rerank-v3.5").request, Some(money("0.002")));
    assert_eq!(of("openai", "text-embedding-3-small").input, money("0.02"));
    assert_eq!(of("dashscope", "qwen3-max").tiers.len(), 2);
    assert!(of("openai", "omni-moderation-latest").is_free());
    assert_eq!(
        of("openai", "whisper-1").audio_second,
        Some(money("0.0001"))
    );
    assert_eq!(of("openai", "tts-1").characters, Some(money("15")));
    assert_eq!(
        built_in("gemini", "lyria-3-pro-preview"),
        None,
        "sold by the piece"
    );
}

#[test]
fn names_are_seen_through_by_rule_and_never_by_likeness() {
    let cases = [
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-4o-2099-01-01", "gpt-4o"),
        (
            "anthropic",
            "claude-sonnet-4-5-20990101",
            "claude-sonnet-4-5",
        ),
        (
            "anthropic",
            "claude-sonnet-4-5@20990101",
            "claude-sonnet-4-5",
        ),
        ("anthropic", "claude-sonnet-4-5-latest", "claude-sonnet-4-5"),
        ("gemini", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        (
            "openai",
            "ft:gpt-4o-2024-08-06:team::8x",
            "ft:gpt-4o-2024-08-06",
        ),
    ];
    for (kind, spelling, plain) in cases {
        assert_eq!(of(kind, spelling), of(kind, plain), "{spelling}");
    }
    assert_ne!(
        of("openai", "gpt-4o-2024-05-13"),
        of("openai", "gpt-4o"),
        "a dated one that differs"
    );
    for (kind, unknown) in [
        ("openai", ""),
        ("openai", "gpt-4o-mine"),
        ("openai", "gpt-"),
        ("openai", "my-gpt-4o"),
        ("openai", "gpt-4o:free"),
        ("openai", "-latest"),
        ("openai", "claude-opus-4-5"),
        ("", "gpt-4o"),
        ("vllm", "gpt-4o"),
        ("openai", &"é".repeat(200)),
    ] {
        assert_eq!(built_in(kind, unknown), None, "{kind}/{unknown}");
    }
}

fn flat(input: &str) -> Price {
    Price {
        input: money(input),
        ..Price::default()
    }
}

fn entry(upstream: Option<&str>, model: Option<&str>, input: &str) -> PriceEntry {
    PriceEntry {
        upstream: upstream.map(str::to_owned),
        model: model.map(str::to_owned),
        price: flat(input),
    }
}

#[test]
fn the_closest_price_decides_and_what_is_set_live_comes_first() {
    let named = Named {
        kind: Some("openai"),
        upstream: "main",
        upstream_model: "gpt-4o",
        public_model: "best",
    };
    let input = |book: &PriceBook| book.price(&named).unwrap().input.to_string();
    let mut configured = Vec::new();
    let mut asked = |add: Option<PriceEntry>| {
        configured.extend(add);
        input(&PriceBook::new(Prices::new(configured.clone()).unwrap()))
    };
    // Each comes before those above it.
    assert_eq!(asked(None), "2.5", "the table");
    assert_eq!(asked(Some(entry(None, None, "11"))), "11");
    assert_eq!(asked(Some(entry(Some("main"), None, "12"))), "12");
    assert_eq!(asked(Some(entry(None, Some("gpt-4o"), "13"))), "13");
    assert_eq!(asked(Some(entry(None, Some("best"), "14"))), "14");
    assert_eq!(asked(Some(entry(Some("main"), Some("best"), "15"))), "15");
    assert_eq!(asked(Some(entry(Some("main"), Some("gpt-4o"), "16"))), "16");
    assert_eq!(
        asked(Some(entry(Some("other"), Some("gpt-4o"), "17"))),
        "16"
    );

    let book = PriceBook::new(Prices::new(configured.clone()).unwrap());
    let before = book.version();
    book.set(Some("main"), None, flat("20")).unwrap();
    assert_eq!(input(&book), "16", "what is for the model is closer");
    book.set(None, Some("best"), flat("21")).unwrap();
    assert_eq!(input(&book), "21");
    assert_ne!(book.version(), before);
    book.configure(Prices::default());
    assert_eq!(input(&book), "21");
    assert!(book.remove(None, Some("best")) && !book.remove(None, Some("best")));
    assert_eq!(input(&book), "20");
    assert!(book.remove(Some("main"), None));
    assert_eq!(input(&book), "2.5");
    assert!(book.live().is_empty());
    let nobody = Named {
        kind: None,
        ..named
    };
    assert_eq!(book.price(&nobody), None);
}

#[test]
fn entries_are_kept_as_they_were_written_and_are_bounded() {
    let entries = [
        entry(None, None, "1"),
        entry(None, Some("m"), "2"),
        entry(Some("u"), None, "3"),
        entry(Some("u"), Some("m"), "4"),
    ];
    let mut prices = Prices::new(entries.clone()).unwrap();
    assert_eq!(prices.entries(), entries);
    let json = serde_json::to_string(&entries[2]).unwrap();
    assert_eq!(json, r#"{"upstream":"u","price":{"input":3,"output":0}}"#);
    assert_eq!(
        serde_json::from_str::<PriceEntry>(&json).unwrap(),
        entries[2]
    );
    for count in prices.len()..scope::PRICES_MAX {
        let name = format!("m{count}");
        prices.set(None, Some(&name), Price::default()).unwrap();
    }
    assert_eq!(prices.set(None, Some("x"), flat("1")), Err(TooManyPrices));
    assert_eq!(
        prices.set(None, Some("m"), flat("9")),
        Ok(()),
        "it is known"
    );
    assert!(prices.remove(Some("u"), Some("m")));
    assert_eq!(prices.set(None, Some("x"), flat("1")), Ok(()));
}

#[test]
fn parts_are_taken_out_of_their_wholes() {
    let usage = Usage {
        input_uncached: 100,
        cache_read: 20,
        cache_write: 30,
        output: 50,
        reasoning: 10,
        cache_write_1h: 5,
        audio_input: 40,
        audio_output: 25,
        images: 0,
        searches: 3,
        audio_milliseconds: 1500,
        image_input: 8,
        image_output: 5,
        characters: 9,
    };
    let expected = Used {
        input: 52,
        cache_read: 20,
        cache_write: 25,
        cache_write_1h: 5,
        output: 10,
        reasoning: 10,
        audio_input: 40,
        audio_output: 25,
        image_input: 8,
        image_output: 5,
        audio_milliseconds: 1500,
        characters: 9,
        images: 2,
        requests: 3,
        milliseconds: 7,
        is_batch: true,
    };
    assert_eq!(used(&usage, 7, 2, true), expected);
    let made = Usage {
        images: 1,
        ..Usage::default()
    };
    assert_eq!(used(&made, 0, 2, false).images, 1);
    assert_eq!(used(&made, 0, 2, false).requests, 1);
}

/// One answer of Claude's with everything in it, by hand: 60 × 3 + 20 × 0.30 + 25 × 3.75 + 5 × 6 + 50 × 15 millionths.
#[test]
fn an_exchange_costs_what_its_parts_cost() {
    let usage = Usage {
        input_uncached: 60,
        cache_read: 20,
        cache_write: 30,
        cache_write_1h: 5,
        output: 50,
        reasoning: 10,
        ..Usage::default()
    };
    let price = of("anthropic", "claude-sonnet-4-5");
    let cost = price.cost(&used(&usage, 0, 0, false));
    assert_eq!(cost, money("0.00105975"));
}

proptest! {
    #[test]
    fn any_name_may_be_asked_for(kind in "[a-z]{0,8}", name in "\\PC{0,40}", noise in "[-.:/@a-z0-9]{0,40}") {
        let _ = built_in(&kind, &name);
        let _ = built_in("openai", &noise);
    }

    #[test]
    fn what_is_used_adds_up(input in any::<u64>(), audio in any::<u64>(), output in any::<u64>(), reasoning in any::<u64>()) {
        let usage = Usage {
            input_uncached: input,
            audio_input: audio,
            output,
            reasoning,
            audio_output: audio,
            ..Usage::default()
        };
        let bounded = usage.bounded();
        let used = used(&usage, 0, 0, false);
        prop_assert_eq!(used.input + used.audio_input, bounded.input_uncached);
        prop_assert_eq!(used.output + used.reasoning + used.audio_output, bounded.output);
    }
}

#[test]
fn a_price_is_shared_and_not_copied() {
    let book = PriceBook::new(Prices::new([entry(None, Some("m"), "1")]).unwrap());
    let named = Named {
        public_model: "m",
        ..Named::default()
    };
    assert!(Arc::ptr_eq(
        &book.price(&named).unwrap(),
        &book.price(&named).unwrap()
    ));
}
