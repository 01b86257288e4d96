//! docs/expressions.md has every variable, function and bound.

use crate::expr::Field;
use crate::expr::bounds::*;
use crate::expr::functions::FUNCTIONS;

const DOCUMENT: &str = include_str!("../../../docs/expressions.md");

#[test]
fn every_field_has_its_row() {
    for field in Field::all() {
        let row = format!(
            "| `{}` | {} | {} |",
            field.path(),
            field.type_name(),
            field.about()
        );
        assert!(DOCUMENT.contains(&row), "this row is missing:\n{row}");
    }
    let rows = DOCUMENT
        .lines()
        .take_while(|line| *line != "## What can be written")
        .filter(|line| line.starts_with("| `req.") || line.starts_with("| `caller."));
    let fields = Field::all().filter(|field| matches!(field.root(), "req" | "caller"));
    assert_eq!(rows.count(), fields.count());
}

#[test]
fn every_function_is_named() {
    for function in FUNCTIONS {
        let name = format!("`{}", function.name);
        let call = format!("{}(", function.name);
        assert!(
            DOCUMENT.contains(&name) || DOCUMENT.contains(&call),
            "{} is missing",
            function.name
        );
    }
}

#[test]
fn every_bound_has_its_row() {
    let bounds = [
        TEXT_BYTES_MAX,
        DEPTH_MAX,
        PARTS_MAX,
        LOOPS_NESTED_MAX,
        ITEMS_MAX,
        LITERAL_BYTES_MAX,
        PATTERN_BYTES_MAX / 1024,
        PATTERNS_KEPT_MAX,
        ROUNDS_MAX as usize,
        RESULT_TEXT_BYTES_MAX,
        RESULT_VALUES_MAX,
        RESULT_BYTES_MAX / 1024,
        RESULT_DEPTH_MAX,
    ];
    let rows: Vec<&str> = DOCUMENT
        .lines()
        .skip_while(|line| *line != "## Bounds")
        .collect();
    for bound in bounds {
        let cell = format!("| {bound}");
        assert!(
            rows.iter().any(|row| row.contains(&cell)),
            "no row has {bound}"
        );
    }
}
