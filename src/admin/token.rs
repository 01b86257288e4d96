//! Whether a caller knows the admin token. It takes as long to say no as to say yes, so that the token cannot be guessed
//! piece by piece.

use std::hint::black_box;

use crate::config::Secret;

/// Whether the value of `Authorization` shows `token`.
pub(super) fn is_shown(authorization: Option<&[u8]>, token: &Secret) -> bool {
    let shown = authorization.and_then(credentials);
    shown.is_some_and(|shown| is_same(shown, token.expose().as_bytes()))
}

/// What follows `Bearer `; the scheme's case is of no account (RFC 9110, 11.1).
fn credentials(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.split_at_checked("Bearer ".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
    is_bearer.then(|| rest.trim_ascii())
}

/// How long it takes depends on what was shown alone.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().enumerate().fold(0, |differing, (at, byte)| {
        let expected = token.get(at).copied().unwrap_or_default();
        differing | black_box(byte ^ expected)
    });
    // Both are always looked at.
    black_box(differing == 0) & (shown.len() == token.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let token = Secret::new("letmein-0123");
        let cases = [
            (Some("Bearer letmein-0123"), true),
            (Some("bearer  letmein-0123 "), true),
            (Some("Bearer letmein-012"), false),
            (Some("Bearer letmein-01234"), false),
            (Some("Bearer letmein-0124"), false),
            (Some("Bearer letmein-0123\0"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic letmein-0123"), false),
            (Some("letmein-0123"), false),
            (Some(""), false),
            (None, false),
        ];
        for (authorization, expected) in cases {
            let shown = is_shown(authorization.map(str::as_bytes), &token);
            assert_eq!(shown, expected, "{authorization:?}");
        }
    }
}
