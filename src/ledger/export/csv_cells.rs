//! Cells of CSV that spreadsheets take for what they are.
//! It must not know which column they stand in.
//!
//! Lines are those of RFC 4180. Text that begins with `=`, `+`, `-`, `@`, a tab or a line break would be run as a formula by
//! spreadsheets, and much of it (labels, tags, names of models) can be chosen by callers: it is written behind an apostrophe, as
//! OWASP advises. Numbers and times are made here and written as they are. Exact text is in the JSON form.

use std::borrow::Cow;

/// A cell of text that others have chosen.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_as_a_formula_does() {
        for (written, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(text(written), expected, "{written:?}");
        }
    }
}
