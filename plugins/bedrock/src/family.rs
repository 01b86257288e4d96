//! Whose model it is, by its id: what Converse leaves to models is said in their own words.

/// What a model takes beside Converse's own members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Claude that thinks when it is given a budget (up to 4.5).
    ClaudeByBudget,
    /// Claude that thinks as it sees fit, by effort (4.6).
    ClaudeByEffort,
    /// The same, without sampling parameters (from 4.7 on).
    ClaudeUnsampled,
    /// Claude that does not think (3 and 3.5).
    ClaudeOfOld,
    /// Amazon's Nova of the second generation, which can think.
    Nova2,
    Nova,
    /// Models of OpenAI's.
    Openai,
    Cohere,
    Mistral,
    /// Nothing is known of it: Converse's own members alone.
    Other,
}

impl Family {
    /// The family of a model, by its id. ARNs of inference profiles that an account has made do not say it.
    pub fn of(model: &str) -> Family {
        let model = model.to_ascii_lowercase();
        let last = model.rsplit('/').next().unwrap_or(&model);
        let is = |maker: &str| last.contains(maker);
        if is("claude") {
            claude(last)
        } else if is("nova-2") {
            Family::Nova2
        } else if is("amazon.nova") {
            Family::Nova
        } else if is("openai.") {
            Family::Openai
        } else if is("cohere.") {
            Family::Cohere
        } else if is("mistral.") {
            Family::Mistral
        } else {
            Family::Other
        }
    }

    /// The family of that name in the configuration.
    pub fn parse(name: &str) -> Option<Family> {
        Family::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, family)| *family)
    }

    pub const NAMES: [(&'static str, Family); 10] = [
        ("claude", Family::ClaudeUnsampled),
        ("claude-4-6", Family::ClaudeByEffort),
        ("claude-budget", Family::ClaudeByBudget),
        ("claude-3", Family::ClaudeOfOld),
        ("nova-2", Family::Nova2),
        ("nova", Family::Nova),
        ("openai", Family::Openai),
        ("cohere", Family::Cohere),
        ("mistral", Family::Mistral),
        ("other", Family::Other),
    ];

    pub fn is_claude(self) -> bool {
        matches!(
            self,
            Family::ClaudeByBudget
                | Family::ClaudeByEffort
                | Family::ClaudeUnsampled
                | Family::ClaudeOfOld
        )
    }
}

/// The generation stands behind the size (`claude-opus-4-5-…`) or, of old, before it (`claude-3-7-sonnet-…`).
fn claude(model: &str) -> Family {
    let (_, name) = model.split_once("claude").unwrap_or_default();
    let mut numbers = name
        .split(['-', '.', ':', '@'])
        // Longer numbers are dates.
        .filter(|part| part.len() <= 2)
        .filter_map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next(), numbers.next().unwrap_or(0));
    match (major, minor) {
        (Some(0..=2), _) | (Some(3), 0..=6) => Family::ClaudeOfOld,
        (Some(3), _) | (Some(4), 0..=5) => Family::ClaudeByBudget,
        (Some(4), 6) => Family::ClaudeByEffort,
        // One without a number is newer than this table.
        (Some(_) | None, _) => Family::ClaudeUnsampled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_ids() {
        let cases = [
            (
                "anthropic.claude-3-5-sonnet-20241022-v2:0",
                Family::ClaudeOfOld,
            ),
            (
                "anthropic.claude-3-haiku-20240307-v1:0",
                Family::ClaudeOfOld,
            ),
            (
                "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                Family::ClaudeByBudget,
            ),
            (
                "anthropic.claude-opus-4-20250514-v1:0",
                Family::ClaudeByBudget,
            ),
            (
                "global.anthropic.claude-haiku-4-5-20251001-v1:0",
                Family::ClaudeByBudget,
            ),
            ("anthropic.claude-opus-4-6-v1", Family::ClaudeByEffort),
            ("anthropic.claude-opus-4-7", Family::ClaudeUnsampled),
            ("anthropic.claude-sonnet-5", Family::ClaudeUnsampled),
            ("amazon.nova-lite-v1:0", Family::Nova),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("openai.gpt-oss-120b-1:0", Family::Openai),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/mistral.mistral-large-2402-v1:0",
                Family::Mistral,
            ),
            ("meta.llama3-3-70b-instruct-v1:0", Family::Other),
            (
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
                Family::Other,
            ),
        ];
        for (model, family) in cases {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
