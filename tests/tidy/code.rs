//! Reads Rust as far as the rules need it: what is code and not comment or text, and where a word stands in it.

#[test]
fn code_is_what_is_neither_comment_nor_text() {
    let cases = [
        ("a // b\nc", "a \nc"),
        ("a /* b /* c */ d */ e", "a  e"),
        ("f(\"b // \\\" c\") d", "f(\"\") d"),
        ("r\"\\\" x", "r\"\" x"),
        ("r#\"a\" b\"# c", "r\"\" c"),
        ("b\"x\" y", "b\"\" y"),
        ("'\"' a '\\'' b 'x' c", "'' a '' b '' c"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("\"http://x\" y", "\"\" y"),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text), expected, "{text}");
    }
}

/// The text without comments and without what stands in quotes. Line ends of comments stay, so that lines keep their numbers
/// as long as no text in quotes runs over several.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let is_after_name =
            out.ends_with(|before: char| is_name(before)) && !out.ends_with(['b', 'r']);
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_text(rest).filter(|_| !is_after_name) {
            out.push_str("r\"\"");
            length
        } else if character == '"' {
            out.push_str("\"\"");
            quoted(rest, '"')
        } else if character == '\'' && is_character(rest) {
            out.push_str("''");
            quoted(rest, '\'')
        } else {
            out.push(character);
            character.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of `r#"…"#`, if that is what stands here.
fn raw_text(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let open = 1 + hashes + 1;
    Some(
        text[open..]
            .find(&end)
            .map_or(text.len(), |at| open + at + end.len()),
    )
}

/// The length of text in quotes, with its escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a character stands here, and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => true,
        (_, Some(second)) => second == '\'',
        _ => false,
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where `word` stands as a word of its own, and what stands before it.
pub fn words<'t>(code: &'t str, word: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    code.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let stands_alone = !before.ends_with(is_name) && !after.starts_with(is_name);
        stands_alone.then_some((at, before))
    })
}

/// The first names of all paths that begin with `crate::`, those in braces included.
pub fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in words(code, "crate") {
        let Some(rest) = after_colons(&code[at + "crate".len()..]) else {
            continue;
        };
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_names(group)),
            None => found.push(name_at(rest).to_owned()),
        }
    }
    found
}

/// The names that the parts of `a::b, c::{d, e}, f}` begin with.
fn group_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut expects_name) = (0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            _ if expects_name && !character.is_whitespace() => {
                names.push(name_at(&group[at..]).to_owned());
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

/// Whether a path begins with the crate's name, or a `use` takes all of it.
pub fn uses_crate(code: &str, name: &str) -> bool {
    words(code, name).any(|(at, before)| {
        let after = &code[at + name.len()..];
        let begins_a_path = !before.ends_with("::")
            || before
                .trim_end_matches("::")
                .ends_with(|character: char| !is_name(character));
        let is_path = after_colons(after).is_some();
        let is_used = before.trim_end().ends_with("use")
            && (after.starts_with(';') || after.starts_with(" as "));
        begins_a_path && (is_path || is_used)
    })
}

/// What follows `::`, with white space around it.
fn after_colons(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix("::").map(str::trim_start)
}

fn name_at(text: &str) -> &str {
    let end = text
        .find(|character| !is_name(character))
        .unwrap_or(text.len());
    &text[..end]
}

pub fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
