//! Every bound holds, and its refusal says it.

use serde_json::json;

use super::{condition, exchange, failure};
use crate::expr::bounds::*;
use crate::expr::{Expression, Kind, Scope};

#[track_caller]
fn refusal(text: &str) -> String {
    match Expression::compile(text, Kind::Value, Scope::Outcome) {
        Ok(_) => panic!("{} bytes are accepted", text.len()),
        Err(error) => error.message,
    }
}

#[test]
fn texts_are_bounded() {
    let long = format!("'{}'", "x".repeat(TEXT_BYTES_MAX));
    assert!(refusal(&long).contains("an expression may have 4096"));
    let literal = format!("'{}'", "x".repeat(LITERAL_BYTES_MAX + 1));
    assert!(refusal(&literal).contains("it may have 1024"));
    let list = format!("[{}]", vec!["1"; ITEMS_MAX + 1].join(","));
    assert!(refusal(&list).contains("a list or map may have 256"));
    let list = format!("[{}]", vec!["1"; 200].join(","));
    let parts = format!("[{}]", [list.as_str(); PARTS_MAX / 200].join(","));
    assert!(
        refusal(&parts).contains("more than 1000 parts"),
        "{}",
        refusal(&parts)
    );
}

#[test]
fn nesting_is_bounded_before_it_is_parsed() {
    let deep = DEPTH_MAX + 1;
    for text in [
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1{}", "[".repeat(2000), "]".repeat(2000)),
        "{".repeat(4000),
        format!("{}true", "!".repeat(deep)),
        format!("{}1", "-".repeat(deep)),
        format!("req{}", ".a".repeat(2000)),
        vec!["1"; 2000].join("+"),
        vec!["true ? 1"; 300].join(" : "),
        vec!["1"; 1000].join(" < "),
    ] {
        assert!(refusal(&text).contains("nests more than 40 deep"), "{text}");
    }
    let wide = vec!["req.model == 'x'"; 90].join(" || ");
    assert_eq!(condition(&wide).holds(&exchange()), Ok(false));
    let chosen = ["req.model == 'x' ? 1 : "; 10].concat() + "2";
    Expression::compile(&chosen, Kind::Value, Scope::Request).expect("ten choices are few");
}

#[test]
fn loops_are_bounded_together() {
    let nested = "req.body.xs.exists(a, req.body.xs.exists(b, req.body.xs.exists(c, a == c)))";
    assert!(refusal(nested).contains("loops are more than 2 deep"));
    let mut long = exchange();
    long.body = Some(json!({"xs": vec![1; 200]}));
    for text in [
        "req.body.xs.all(a, req.body.xs.all(b, a == b))",
        "req.body.xs.exists(a, req.body.xs.exists(b, a != b))",
        "req.body.xs.map(a, req.body.xs.map(b, a + b))",
        "req.body.xs.map(a, a > 0, req.body.xs.filter(b, b > a))",
        "req.body.xs.exists_one(a, req.body.xs.exists_one(b, a == b))",
    ] {
        assert_eq!(
            failure(text, &long),
            "takes more than 10000 rounds of its loops",
            "{text}"
        );
    }
    // As many rounds as may be, but for the outer ones.
    long.body = Some(json!({"xs": vec![1; 99]}));
    let text = "req.body.xs.all(a, req.body.xs.all(b, a == b))";
    assert_eq!(condition(text).holds(&long), Ok(true));
    let gathered = condition("size(req.body.xs.map(a, a + 1)) == 99");
    assert_eq!(gathered.holds(&long), Ok(true));
}

#[test]
fn results_are_bounded() {
    let mut long = exchange();
    long.body =
        Some(json!({"xs": vec![1; RESULT_VALUES_MAX], "text": "x".repeat(RESULT_BYTES_MAX + 1)}));
    assert!(failure("req.body.xs", &long).contains("more than 1000 values"));
    assert!(failure("req.body.text", &long).contains("65536 bytes"));
    let text = Expression::compile("req.body.text", Kind::Text, Scope::Request);
    let text = text.expect("it may be text").evaluate_text(&long);
    assert!(
        text.expect_err("it is long")
            .message
            .contains("it may have 4096")
    );
    let mut deep = json!(1);
    for _ in 0..=RESULT_DEPTH_MAX {
        deep = json!([deep]);
    }
    long.body = Some(deep);
    assert!(failure("req.body", &long).contains("16 levels"));
}

#[test]
fn patterns_that_are_no_literals_are_kept_up_to_a_bound() {
    let mut patterns = exchange();
    let names: Vec<String> = (0..3 * PATTERNS_KEPT_MAX)
        .map(|n| format!("^m{n}$"))
        .collect();
    patterns.body = Some(json!({"patterns": names, "model": "m20"}));
    let expression = condition("req.body.patterns.exists(p, req.body.model.matches(p))");
    for _ in 0..3 {
        assert_eq!(expression.holds(&patterns), Ok(true));
    }
}
