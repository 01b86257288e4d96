//! The path of a value inside the configuration, as people write it: `upstreams[1].keys[0].env`.
//! It knows nothing of files, lines or schemas.

use std::fmt;

/// Longest key that a path shows, in characters; the rest is cut.
const SHOWN_KEY_CHARS_MAX: usize = 60;

/// Where a value is in the configuration. The root is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldPath(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl FieldPath {
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// The path of the entry `key` below this one.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// The path of the list item `index` (from 0) below this one.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The path of the list or mapping around it; the root's is the root.
    pub(super) fn parent(&self) -> Self {
        let around = self.0.len().saturating_sub(1);
        Self(self.0[..around].to_vec())
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => write!(f, "[\"{}\"]", printable(key))?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// Model names hold dots, slashes and colons; between bare dots they could not be told from the path.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= SHOWN_KEY_CHARS_MAX
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Text of the file, cut and with control characters escaped, so that it can neither fill nor forge a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN_KEY_CHARS_MAX) {
        match character.is_control() || character == '"' {
            true => shown.extend(character.escape_debug()),
            false => shown.push(character),
        }
    }
    if text.chars().nth(SHOWN_KEY_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let root = FieldPath::root();
        let cases = [
            (root.clone(), ""),
            (
                root.key("upstreams").index(1).key("url"),
                "upstreams[1].url",
            ),
            (
                root.key("models").key("llama3.2:3b").key("policy"),
                "models[\"llama3.2:3b\"].policy",
            ),
            (root.key("a\u{1b}[31m\"b"), "[\"a\\u{1b}[31m\\\"b\"]"),
        ];
        for (path, expected) in cases {
            assert_eq!(path.to_string(), expected);
        }
    }
}
