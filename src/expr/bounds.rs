//! Bounds of expressions, and the one that must be kept before the parser, which recurses, sees a text.
//! It must not know what an expression means.

use super::error::CompileError;

/// Length of a text, in bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// How deep a text nests: brackets, and operators and members that follow one another.
pub const DEPTH_MAX: usize = 40;
/// Parts of an expression, macros expanded.
pub const PARTS_MAX: usize = 1000;
/// `all`, `exists`, `exists_one`, `map` and `filter` inside one another.
pub const LOOPS_NESTED_MAX: usize = 2;
/// Items of a list or mapping that is written out.
pub const ITEMS_MAX: usize = 256;
/// Length of one text in quotes, in bytes.
pub const LITERAL_BYTES_MAX: usize = 1024;
/// Memory of one compiled pattern of `matches`, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Compiled patterns that an expression keeps whose pattern is no literal.
pub const PATTERNS_KEPT_MAX: usize = 8;
/// Rounds of all loops of one evaluation together.
pub const ROUNDS_MAX: u32 = 10_000;
/// Length of the text that a text expression gives, in bytes.
pub const RESULT_TEXT_BYTES_MAX: usize = 4096;
/// Values within what a value expression gives, nested ones counted.
pub const RESULT_VALUES_MAX: usize = 1000;
/// All text within what a value expression gives, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// Nesting of what a value expression gives.
pub const RESULT_DEPTH_MAX: usize = 16;

/// Looks at a text before it is parsed.
///
/// # Errors
/// Where it is too long or nests too deep.
pub(super) fn check_text(text: &str) -> Result<(), CompileError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "is {} bytes long; an expression may have {TEXT_BYTES_MAX}",
            text.len()
        );
        return Err(CompileError::at(text, 0, message));
    }
    if text.trim().is_empty() {
        return Err(CompileError::at(text, 0, "is empty"));
    }
    match too_deep(text) {
        Some(offset) => Err(CompileError::at(
            text,
            offset,
            format!("nests more than {DEPTH_MAX} deep; split it with `&&` or `||`"),
        )),
        None => Ok(()),
    }
}

/// Where a text nests too deep. Every mark that could open a level of the syntax tree counts, until a comma, a colon,
/// `&&` or `||` ends what it belongs to; these the parser keeps flat.
fn too_deep(text: &str) -> Option<usize> {
    // For each open bracket, and the text around all, the depth at which its next part begins.
    let mut begins = vec![0usize];
    let mut depth = 0usize;
    let mut rest = text.char_indices().peekable();
    while let Some((offset, mark)) = rest.next() {
        match mark {
            '"' | '\'' => skip_quoted(&mut rest, mark),
            '/' if rest.peek().is_some_and(|(_, next)| *next == '/') => {
                while rest.next().is_some_and(|(_, next)| next != '\n') {}
            }
            '(' | '[' | '{' => {
                depth += 1;
                begins.push(depth);
            }
            ')' | ']' | '}' if begins.len() > 1 => depth = begins.pop().unwrap_or(depth),
            ',' | '&' | '|' | ':' => depth = begins.last().copied().unwrap_or(0),
            // Both branches stand below the condition.
            '?' => {
                if let Some(next) = begins.last_mut() {
                    *next += 1;
                    depth = *next;
                }
            }
            '.' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' => depth += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(offset);
        }
    }
    None
}

/// To the end of a quoted text. That three quotes begin another kind of text does not matter here: what is inside then counts as
/// quoted, or as nesting, and the parser itself bounds its recursion too.
fn skip_quoted(rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>, quote: char) {
    while let Some((_, character)) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            other if other == quote => return,
            _ => {}
        }
    }
}
