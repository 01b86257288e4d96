//! Whatever is written, nothing panics, and what is accepted is evaluated within its bounds.

use proptest::prelude::*;

use super::exchange;
use crate::expr::{Expression, Field, Kind, Scope};

/// Pieces that expressions are made of, thrown together.
fn piece() -> impl Strategy<Value = String> {
    let fields: Vec<String> = Field::all().map(Field::path).collect();
    let words = [
        "&&",
        "||",
        "!",
        "==",
        "!=",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ".?",
        "[?",
        "in",
        "'a'",
        "\"b\"",
        "'''",
        "1",
        "2.5",
        "3u",
        "true",
        "null",
        "b'x'",
        "r'\\d'",
        "x",
        "has(",
        "size(",
        ".exists(x,",
        ".map(x,",
        ".filter(x,",
        ".all(x,",
        ".matches(",
        ".startsWith(",
        "inCidr(",
        "duration('1s')",
        "timestamp(",
        "//",
        "\n",
        "`",
        "@0",
        "@result",
        "optional.of(",
        ".orValue(",
        "Thing{",
        "-9223372036854775808",
        "1e999",
        "\\",
        "ü",
        "\u{0}",
    ];
    prop_oneof![
        prop::sample::select(fields),
        prop::sample::select(words.map(str::to_owned).to_vec()),
    ]
}

fn compile_and_evaluate(text: &str) {
    for kind in [Kind::Condition, Kind::Text, Kind::Value] {
        match Expression::compile(text, kind, Scope::Outcome) {
            Ok(expression) => {
                let _ = expression.holds(&exchange());
                let _ = expression.evaluate_text(&exchange());
                let _ = expression.evaluate_json(&exchange());
            }
            Err(error) => {
                assert!(error.offset <= text.len() && text.is_char_boundary(error.offset));
                assert!(!error.message.is_empty() && error.line > 0 && error.column > 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_or_evaluated(text in "\\PC{0,200}") {
        compile_and_evaluate(&text);
    }

    #[test]
    fn any_pieces_are_refused_or_evaluated(pieces in prop::collection::vec(piece(), 0..30)) {
        compile_and_evaluate(&pieces.concat());
        compile_and_evaluate(&pieces.join(" "));
    }

    /// Comparisons of members with texts always fit.
    #[test]
    fn comparisons_are_accepted(model in "[a-z0-9.-]{0,20}", number in any::<i64>()) {
        let text = format!("req.model == '{model}' || req.prompt_tokens > {number}");
        let expression = Expression::compile(&text, Kind::Condition, Scope::Request);
        let holds = expression.expect("it fits").holds(&exchange());
        prop_assert_eq!(holds, Ok(model == "gpt-5" || 1200 > number));
    }
}
