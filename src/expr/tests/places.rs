//! Places of errors inside YAML files.

use crate::expr::{Kind, RawExpression, Scope, place_in_file};

#[track_caller]
fn check(file: &str, value_at: (usize, usize), read: &str, expected: (usize, usize)) {
    let raw = RawExpression(read.to_owned());
    let error = raw
        .compile(Kind::Condition, Scope::Request)
        .expect_err(read);
    assert_eq!(
        place_in_file(file, value_at, read, &error),
        expected,
        "{file}"
    );
}

const READ: &str = "req.stream && req.modle == 'x'";

/// The places of values are those that the configuration's own reader tells: below `|` and `>` that of the text.
#[test]
fn errors_are_found_where_they_stand_in_the_file() {
    let below = "req.stream && req.modle == 'x'\n";
    for (file, value_at, read, expected) in [
        (
            "when: req.stream && req.modle == 'x' # why\n",
            (1, 7),
            READ,
            (1, 24),
        ),
        (
            "when: \"req.stream && req.modle == 'x'\"\n",
            (1, 7),
            READ,
            (1, 25),
        ),
        (
            "when: 'req.stream && req.modle == ''x'''\n",
            (1, 7),
            READ,
            (1, 25),
        ),
        (
            "when: '\"ü'' \" == req.modle'\n",
            (1, 7),
            "\"ü' \" == req.modle",
            (1, 21),
        ),
        (
            "when:\n  req.stream && req.modle == 'x'\n",
            (2, 3),
            READ,
            (2, 20),
        ),
        (
            "when: |\n  req.stream && req.modle == 'x'\n",
            (2, 3),
            below,
            (2, 20),
        ),
        (
            "when: |-\n  req.stream &&\n  req.modle == 'x'\n",
            (2, 3),
            "req.stream &&\nreq.modle == 'x'",
            (3, 6),
        ),
        (
            "when: >\n  req.stream && req.modle == 'x'\n",
            (2, 3),
            below,
            (2, 20),
        ),
    ] {
        check(file, value_at, read, expected);
    }
}

#[test]
fn where_the_text_cannot_be_followed_the_value_is_the_place() {
    for (file, value_at) in [
        ("when: >\n  req.stream &&\n  req.modle == 'x'\n", (2, 3)),
        ("when: \"req.stream \\x26& req.modle == 'x'\"\n", (1, 7)),
        ("when: ${WHEN}\n", (1, 7)),
        ("when: &anchor req.stream && req.modle == 'x'\n", (1, 7)),
        ("when: x\n", (9, 9)),
        ("when: ü\n", (1, 9)),
        ("", (0, 0)),
    ] {
        check(file, value_at, READ, value_at);
    }
}

#[test]
fn a_raw_expression_is_a_text_of_the_file() {
    let raw: RawExpression = serde_json::from_str("\"req.stream\"").expect("it is text");
    assert_eq!(raw.0, "req.stream");
    assert!(raw.compile(Kind::Condition, Scope::Request).is_ok());
    let schema = schemars::schema_for!(RawExpression);
    let format = schema.get("format").and_then(|format| format.as_str());
    assert_eq!(format, Some("weir-expression"));
}
