//! Documents: their formats, and names that Bedrock takes, of which no two may be the same in one request.

use serde_json::Value;
use weir_openai::{DataUrl, Refused, object};

/// Media types, endings and formats.
const FORMATS: [(&str, &str, &str); 10] = [
    ("application/pdf", "pdf", "pdf"),
    ("text/csv", "csv", "csv"),
    ("application/msword", "doc", "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls", "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        "xlsx",
    ),
    ("text/html", "html", "html"),
    ("text/plain", "txt", "txt"),
    ("text/markdown", "md", "md"),
    ("text/x-markdown", "markdown", "md"),
];

/// As the service's model has it.
const NAME_MAX: usize = 200;
/// What a number behind a name takes.
const NUMBER_MAX: usize = 12;

/// The documents of one request.
#[derive(Debug, Default)]
pub struct Documents {
    names: Vec<String>,
}

impl Documents {
    /// The block of a file.
    ///
    /// # Errors
    /// When its format is none of Bedrock's.
    pub fn block(&mut self, name: Option<&str>, data: DataUrl) -> Result<Value, Refused> {
        let ending = name
            .and_then(|name| name.rsplit_once('.'))
            .map(|(_, ending)| ending);
        let ending = ending.unwrap_or_default().to_ascii_lowercase();
        let by_type = FORMATS.iter().find(|(kind, _, _)| *kind == data.media_type);
        let by_name = FORMATS.iter().find(|(_, known, _)| *known == ending);
        let Some((_, _, format)) = by_type.or(by_name) else {
            let shown = name.unwrap_or("a file");
            let kind = &data.media_type;
            return Err(format!(
                "{shown} is of the type {kind:?}; Bedrock takes pdf, csv, doc, docx, xls, xlsx, html, txt and md"
            ));
        };
        let name = self.name(name.unwrap_or("document"));
        let source = object([("bytes", data.data.into())]);
        let (format, name) = ((*format).into(), name.into());
        Ok(object([
            ("format", format),
            ("name", name),
            ("source", source),
        ]))
    }

    /// Letters, digits, single spaces, hyphens, parentheses and square brackets, without the ending.
    fn name(&mut self, given: &str) -> String {
        let stem = given.rsplit_once('.').map_or(given, |(stem, _)| stem);
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
        let words = stem
            .split(|letter| !fits(letter))
            .filter(|word| !word.is_empty());
        let plain = words.collect::<Vec<_>>().join(" ");
        let plain: String = plain.chars().take(NAME_MAX - NUMBER_MAX).collect();
        let plain = match plain.trim() {
            "" => "document",
            plain => plain,
        };
        let count = self.names.iter().filter(|known| *known == plain).count();
        self.names.push(plain.to_owned());
        match count {
            0 => plain.to_owned(),
            count => format!("{plain} [{}]", count + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_stay_apart() {
        let mut documents = Documents::default();
        let names = ["a_b  c.v2.pdf", "a_b  c.v2.pdf", "…", "Q3 (final).xlsx"];
        let names = names.map(|name| documents.name(name));
        assert_eq!(
            names,
            ["a b c v2", "a b c v2 [2]", "document", "Q3 (final)"]
        );
    }
}
