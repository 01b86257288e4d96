//! The name of a model within a path.

/// A model's id or ARN as one label of a path: all but RFC 3986's unreserved characters is encoded, the slashes and colons of an ARN
/// too, as the service's model has it for labels that are not greedy.
pub fn label(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                // Writing into a text cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_arns_become_one_label() {
        assert_eq!(
            label("us.anthropic.claude-haiku-4-5-20251001-v1:0"),
            "us.anthropic.claude-haiku-4-5-20251001-v1%3A0"
        );
        assert_eq!(
            label("arn:aws:bedrock:us-east-1:123456789012:inference-profile/p~1"),
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fp~1"
        );
        assert_eq!(label("ä %"), "%C3%A4%20%25");
    }
}
