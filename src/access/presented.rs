//! The key that a request brings, in whichever slot its client puts it.
//! It must not know whether the key is worth anything.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, header};

use super::denied::Denied;

/// Where clients put keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// `Authorization: Bearer …`
    Bearer,
    /// Anthropic's.
    XApiKey,
    /// Azure's.
    ApiKey,
    /// Google's.
    XGoogApiKey,
    /// Google's `?key=`.
    Query,
}

/// Slots that are headers with nothing but the key in them.
const PLAIN: [(&str, Slot); 3] = [
    ("x-api-key", Slot::XApiKey),
    ("api-key", Slot::ApiKey),
    ("x-goog-api-key", Slot::XGoogApiKey),
];

/// A key as it was sent. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented<'a> {
    pub token: Cow<'a, [u8]>,
    /// The first slot that it was found in.
    pub slot: Slot,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*** in {:?}", self.slot)
    }
}

/// The key of a request; `None` where no slot holds one. An empty slot is none, as some SDKs always send the header. The same
/// key in several slots is one key. `query` is the URL's, not decoded.
///
/// # Errors
/// [`Denied::TwoKeys`].
pub fn presented<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
) -> Result<Option<Presented<'a>>, Denied> {
    let mut found: Option<Presented<'a>> = None;
    let bearer = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = bearer
        .filter_map(|value| bearer_token(value.as_bytes()))
        .map(|token| (Slot::Bearer, Cow::Borrowed(token)));
    let plain = PLAIN.into_iter().flat_map(|(name, slot)| {
        let values = headers.get_all(name).iter();
        values.map(move |value| (slot, Cow::Borrowed(value.as_bytes().trim_ascii())))
    });
    let query = query.into_iter().flat_map(|query| query.split('&'));
    let query = query
        .filter_map(|parameter| parameter.strip_prefix("key="))
        .map(|value| (Slot::Query, percent_decoded(value)));
    for (slot, token) in bearer.chain(plain).chain(query) {
        match &found {
            _ if token.is_empty() => {}
            Some(first) if first.token != token => return Err(Denied::TwoKeys),
            Some(_) => {}
            None => found = Some(Presented { token, slot }),
        }
    }
    Ok(found)
}

/// What follows `Bearer`, in any case (RFC 9110, 11.1); `None` for other schemes, which hold no key of weir's.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii())
}

/// `%XX` decoded. What is no escape stays, and so does `+`: keys hold no spaces, but may hold that.
fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (*byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }

    #[track_caller]
    fn check(
        lines: &[(&str, &str)],
        query: Option<&str>,
        expected: Result<Option<(&str, Slot)>, Denied>,
    ) {
        let headers = headers(lines);
        let found = presented(&headers, query);
        let expected = expected.map(|found| {
            found.map(|(token, slot)| Presented {
                token: Cow::Borrowed(token.as_bytes()),
                slot,
            })
        });
        assert_eq!(found, expected, "{lines:?} {query:?}");
    }

    #[test]
    fn a_key_is_found_in_every_slot() {
        check(&[], None, Ok(None));
        check(
            &[("authorization", "Bearer k")],
            None,
            Ok(Some(("k", Slot::Bearer))),
        );
        check(
            &[("authorization", "bEARER \t k ")],
            None,
            Ok(Some(("k", Slot::Bearer))),
        );
        check(&[("x-api-key", "k")], None, Ok(Some(("k", Slot::XApiKey))));
        check(&[("api-key", " k ")], None, Ok(Some(("k", Slot::ApiKey))));
        check(
            &[("x-goog-api-key", "k")],
            None,
            Ok(Some(("k", Slot::XGoogApiKey))),
        );
        check(&[], Some("key=k"), Ok(Some(("k", Slot::Query))));
        check(
            &[],
            Some("alt=sse&key=a%2Bb%5f+%zz%4"),
            Ok(Some(("a+b_+%zz%4", Slot::Query))),
        );
    }

    #[test]
    fn what_is_empty_or_something_else_is_no_key() {
        for value in ["Bearer", "Bearer ", "", "Basic a2V5", "Bearerk", "Bear k"] {
            check(&[("authorization", value)], None, Ok(None));
        }
        check(
            &[("x-api-key", ""), ("api-key", "  ")],
            Some("key=&monkey=k&KEY=k&key"),
            Ok(None),
        );
        check(
            &[("authorization", "Basic a2V5"), ("x-api-key", "k")],
            None,
            Ok(Some(("k", Slot::XApiKey))),
        );
        check(
            &[("authorization", "Bearer "), ("x-api-key", "k")],
            None,
            Ok(Some(("k", Slot::XApiKey))),
        );
    }

    #[test]
    fn the_same_key_twice_is_one_and_two_keys_are_refused() {
        check(
            &[
                ("authorization", "Bearer k"),
                ("x-api-key", "k"),
                ("api-key", "k"),
                ("x-goog-api-key", "k"),
            ],
            Some("key=%6b"),
            Ok(Some(("k", Slot::Bearer))),
        );
        let two = || Err(Denied::TwoKeys);
        check(
            &[("authorization", "Bearer k"), ("x-api-key", "l")],
            None,
            two(),
        );
        check(
            &[("authorization", "Bearer k"), ("authorization", "Bearer l")],
            None,
            two(),
        );
        check(&[("x-api-key", "k"), ("x-api-key", "K")], None, two());
        check(&[("api-key", "k")], Some("key=l"), two());
        check(&[], Some("key=k&key=l"), two());
    }

    #[test]
    fn nothing_prints_a_key() {
        let headers = headers(&[("x-api-key", "weir_secret")]);
        let shown = format!("{:?}", presented(&headers, None));
        assert!(
            !shown.contains("secret") && shown.contains("XApiKey"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_none(
            values in proptest::collection::vec((0usize..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..5),
            query in proptest::option::of(".{0,60}"),
        ) {
            let names = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
            let mut headers = HeaderMap::new();
            for (name, value) in &values {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(names[*name], value);
                }
            }
            if let Ok(Some(found)) = presented(&headers, query.as_deref()) {
                prop_assert!(!found.token.is_empty());
            }
        }

        #[test]
        fn an_encoded_key_is_the_same_key(token in proptest::collection::vec(1u8..=255, 1..40)) {
            let encoded: String = token.iter().map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("key={encoded}");
            let headers = HeaderMap::new();
            let found = presented(&headers, Some(&query)).unwrap().unwrap();
            prop_assert_eq!(found.token.as_ref(), token.as_slice());
        }
    }
}
