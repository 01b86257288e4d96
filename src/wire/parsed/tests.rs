//! The borrowing tree beside serde_json's: what each takes, refuses and says.

use proptest::prelude::*;
use serde_json::Value;

use super::{Parsed, parse, parser};

/// Both read it alike, or neither reads it.
fn check(body: &[u8]) {
    let expected = serde_json::from_slice::<Value>(body);
    if let Some(parsed) = parser::parse(body) {
        let shown = String::from_utf8_lossy(body);
        let expected = expected
            .as_ref()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(&Value::from(parsed), expected, "{shown}");
    }
    match (parse(body), expected) {
        (Ok(parsed), Ok(expected)) => {
            assert_eq!(Value::from(parsed.clone()), expected);
            assert_eq!(Value::from(Parsed::from(expected.clone())), expected);
        }
        (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected.to_string()),
        (parsed, expected) => panic!("{parsed:?}, and is {expected:?}"),
    }
}

#[test]
fn what_is_common_is_read_and_borrowed() {
    let body = br#" {"a": "plain", "b": [1, -2.50, 3e+7, 0, -0], "c": {"d": null, "e": [], "f": {}}, "g": [true, false], "h": "a\"\u00e9\n"} "#;
    let parsed = parser::parse(body).unwrap();
    assert!(matches!(
        &parsed["a"],
        Parsed::String(std::borrow::Cow::Borrowed("plain"))
    ));
    assert_eq!(parsed["h"].as_str(), Some("a\"é\n"));
    assert_eq!(parsed["b"].as_array().unwrap()[0].as_u64(), Some(1));
    assert!(parsed["c"]["d"].is_null() && parsed["x"]["y"].is_null());
    check(body);
}

#[test]
fn what_is_odd_is_read_as_serde_json_reads_it() {
    let long: String = (0..100).map(|at| format!("\"k{at}\":{at},")).collect();
    let depths = [126, 127, 128, 129, 5000];
    let nested = depths.map(|depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
    let objects = depths.map(|depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)));
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[]",
        "{}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "nul",
        "nulll",
        "tru",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1E400",
        "1e5",
        "+1",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\u{7f}\"",
        "\"a\tb\"",
        "{} {}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":0,\"\\u0061\":2}",
        "[1 2]",
        "{\"a\" :\n1\t}",
        "\"\\",
        "[\"\\\\\"]",
        "1 ",
        "NaN",
        "\u{feff}1",
    ];
    for text in texts {
        check(text.as_bytes());
    }
    for text in nested.iter().chain(&objects) {
        check(text.as_bytes());
    }
    check(format!("{{{long}\"z\":0}}").as_bytes());
    check(format!("{{{long}\"k7\":0}}").as_bytes());
    check(b"\"\xff\"");
    check(b"{\"\xc3\":1}");
}

proptest! {
    #[test]
    fn no_text_is_read_in_another_way(text in "[\\[\\]{}:,\"\\\\0-9.eE+a-fu \\n-]{0,40}") {
        check(text.as_bytes());
    }

    #[test]
    fn cut_and_changed_bodies_are_read_alike(at in 0..120_usize, byte: u8) {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"a \"b\" \u00e9"}],"n":1.5e3,"x":[true,null]}"#;
        let mut body = body.to_vec();
        let at = at % body.len();
        body[at] = byte;
        check(&body);
        check(&body[..at]);
    }
}
