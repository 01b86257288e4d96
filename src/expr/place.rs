//! Where in a YAML file the mistake in an expression is. It must not know what the mistake is.

use super::error::CompileError;

/// The line and column (in characters; both from 1) of an error in an expression that stands in a YAML file at `start`, which is
/// where its value begins: at the opening quote, or at the text, also below `|` and `>`. Where the text in the file cannot be
/// followed (escapes, folded lines, anchors, references to the environment), the start is all that can be told.
pub fn place_in_file(
    file: &str,
    start: (usize, usize),
    expression: &str,
    error: &CompileError,
) -> (usize, usize) {
    let (line, column) = start;
    let lines: Vec<&str> = file.lines().skip(line.saturating_sub(1)).collect();
    let rest = lines.first().and_then(|first| from_column(first, column));
    let found = match rest.and_then(|rest| rest.chars().next()) {
        Some(quote @ ('\'' | '"')) => rest
            .and_then(|rest| in_quotes(&rest[1..], quote, expression, error))
            .map(|characters| (line, column + 1 + characters)),
        Some(_) => is_followed(&lines, column, expression, error)
            .then_some((line + error.line - 1, column + error.column - 1)),
        None => None,
    };
    found.unwrap_or(start)
}

/// What is left of a line.
fn from_column(line: &str, column: usize) -> Option<&str> {
    let mut characters = line.char_indices();
    let (offset, _) = characters.nth(column.saturating_sub(1))?;
    line.get(offset..)
}

/// Whether the lines of the file say, from the column on, what the expression says, as far as the error.
fn is_followed(lines: &[&str], column: usize, expression: &str, error: &CompileError) -> bool {
    let says = |(read, written): (&str, &&str)| {
        let rest = from_column(written, column).unwrap_or_default();
        rest.starts_with(read)
    };
    lines.len() >= error.line && expression.lines().zip(lines).take(error.line).all(says)
}

/// Characters from the opening quote to the error. A quote in single quotes is written twice; anything else that is not as it is
/// read ends the search.
fn in_quotes(rest: &str, quote: char, expression: &str, error: &CompileError) -> Option<usize> {
    let mut written = rest.chars();
    let mut count = 0;
    for (offset, character) in expression.char_indices() {
        if offset == error.offset {
            return Some(count);
        }
        let next = written.next()?;
        count += 1;
        if next != character || next == '\\' {
            return None;
        }
        if next == quote {
            (quote == '\'' && written.next()? == quote).then_some(())?;
            count += 1;
        }
    }
    Some(count)
}
