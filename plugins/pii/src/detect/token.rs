//! Keys that their vendor's prefix gives away, and JSON Web Tokens.

use crate::text::{Text, VALUE_BYTES_MAX, is_alnum, is_digit};

/// What a key is made of after its prefix.
#[derive(Clone, Copy)]
enum Tail {
    /// Letters and digits.
    Alnum,
    /// Upper case and digits.
    Upper,
    /// Letters, digits, `_` and `-`.
    Url,
    /// As `Url`, and `.`.
    Dotted,
    /// As `Dotted`, and `/`.
    Path,
}

struct Vendor {
    prefix: &'static [u8],
    tail: Tail,
    tail_bytes_min: usize,
    /// Some prefixes are words of a language: what follows must look drawn by lot.
    random: bool,
}

const fn vendor(prefix: &'static str, tail: Tail, tail_bytes_min: usize) -> Vendor {
    Vendor {
        prefix: prefix.as_bytes(),
        tail,
        tail_bytes_min,
        random: false,
    }
}

const fn random(prefix: &'static str, tail: Tail, tail_bytes_min: usize) -> Vendor {
    Vendor {
        random: true,
        ..vendor(prefix, tail, tail_bytes_min)
    }
}

/// The prefixes as their vendors document them. Longer ones stand before those that they begin with.
const VENDORS: &[Vendor] = &[
    // Anthropic, OpenAI, OpenRouter, DeepSeek and those that copy them
    random("sk-", Tail::Url, 20),
    random("sk_live_", Tail::Alnum, 16),
    random("sk_test_", Tail::Alnum, 16),
    random("rk_live_", Tail::Alnum, 16),
    random("rk_test_", Tail::Alnum, 16),
    random("whsec_", Tail::Alnum, 24),
    random("sess-", Tail::Alnum, 32),
    // AWS
    vendor("AKIA", Tail::Upper, 16),
    vendor("ASIA", Tail::Upper, 16),
    vendor("ABIA", Tail::Upper, 16),
    vendor("ACCA", Tail::Upper, 16),
    vendor("ABSK", Tail::Alnum, 60),
    // GitHub, GitLab
    vendor("ghp_", Tail::Alnum, 36),
    vendor("gho_", Tail::Alnum, 36),
    vendor("ghu_", Tail::Alnum, 36),
    vendor("ghs_", Tail::Alnum, 36),
    vendor("ghr_", Tail::Alnum, 36),
    vendor("github_pat_", Tail::Url, 40),
    vendor("glpat-", Tail::Dotted, 20),
    // Google
    vendor("AIza", Tail::Url, 35),
    vendor("ya29.", Tail::Url, 20),
    vendor("GOCSPX-", Tail::Url, 24),
    // Slack
    vendor("xoxb-", Tail::Url, 10),
    vendor("xoxp-", Tail::Url, 10),
    vendor("xoxa-", Tail::Url, 10),
    vendor("xoxr-", Tail::Url, 10),
    vendor("xoxs-", Tail::Url, 10),
    vendor("xoxe-", Tail::Url, 10),
    vendor("xapp-", Tail::Url, 20),
    vendor("hooks.slack.com/services/", Tail::Path, 20),
    // Models
    vendor("hf_", Tail::Alnum, 30),
    vendor("gsk_", Tail::Alnum, 40),
    vendor("xai-", Tail::Alnum, 40),
    vendor("r8_", Tail::Alnum, 36),
    vendor("pplx-", Tail::Alnum, 40),
    vendor("nvapi-", Tail::Url, 40),
    random("tvly-", Tail::Url, 20),
    random("fw_", Tail::Alnum, 20),
    random("jina_", Tail::Url, 40),
    // Packages, clouds, mail, shops
    vendor("npm_", Tail::Alnum, 36),
    vendor("pypi-AgE", Tail::Url, 50),
    vendor("dckr_pat_", Tail::Url, 20),
    vendor("dop_v1_", Tail::Alnum, 40),
    vendor("SG.", Tail::Dotted, 50),
    vendor("shpat_", Tail::Alnum, 32),
    vendor("shpss_", Tail::Alnum, 32),
    vendor("lin_api_", Tail::Alnum, 32),
    vendor("ATATT3", Tail::Url, 40),
    vendor("sntrys_", Tail::Url, 40),
    vendor("hvs.", Tail::Url, 24),
    random("wk_", Tail::Url, 24),
];

/// The vendors whose prefix begins with this byte, by their places.
pub fn beginning_with(byte: u8) -> Vec<u8> {
    let all = (0u8..).zip(VENDORS);
    all.filter(|(_, vendor)| vendor.prefix[0] == byte)
        .map(|(place, _)| place)
        .collect()
}

/// The end of a key that begins at `from`, of one of these vendors.
pub fn find(text: &Text, from: usize, vendors: &[u8]) -> Option<usize> {
    vendors
        .iter()
        .map(|place| &VENDORS[usize::from(*place)])
        .filter(|vendor| text.is(from, vendor.prefix))
        .find_map(|vendor| tail(text, from + vendor.prefix.len(), vendor))
}

fn tail(text: &Text, from: usize, vendor: &Vendor) -> Option<usize> {
    let is_tail = |byte| accepts(vendor.tail, byte);
    let probe = text.run(from, PROBE_BYTES, is_tail);
    if vendor.random && !looks_random(text.slice(from, probe)) {
        return None;
    }
    let end = text.run(probe, VALUE_BYTES_MAX - PROBE_BYTES, is_tail);
    // A full stop, or a dash, that ends a sentence.
    let end = from + trimmed(text.slice(from, end)).len();
    (end - from >= vendor.tail_bytes_min).then_some(end)
}

/// What is looked at to tell a key from words. A text may be full of prefixes, so that little may be read after each.
const PROBE_BYTES: usize = 128;

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let Some((b'.' | b'-' | b'/', rest)) = bytes.split_last() {
        bytes = rest;
    }
    bytes
}

fn accepts(tail: Tail, byte: u8) -> bool {
    match tail {
        Tail::Alnum => is_alnum(byte),
        Tail::Upper => byte.is_ascii_uppercase() || is_digit(byte),
        Tail::Url => is_alnum(byte) || matches!(byte, b'_' | b'-'),
        Tail::Dotted => is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.'),
        Tail::Path => is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.' | b'/'),
    }
}

/// Not a name of words and dashes: digits among the letters, or cases mixed inside of words.
fn looks_random(bytes: &[u8]) -> bool {
    let digits = bytes.iter().filter(|b| is_digit(**b)).count();
    let mixed = bytes
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        .count();
    digits >= 2 || mixed >= 3
}

/// Less than this is no part of a token.
const JWT_PART_BYTES_MIN: usize = 8;

/// The end of a JSON Web Token (or encrypted one) that begins at `from`: `{"` in base64, and two to four more parts.
pub fn find_jwt(text: &Text, from: usize) -> Option<usize> {
    if !text.is(from, b"eyJ") {
        return None;
    }
    let limit = from + VALUE_BYTES_MAX;
    let part = |at: usize| text.run(at, limit.saturating_sub(at), |b| accepts(Tail::Url, b));
    let head = part(from);
    if head - from < JWT_PART_BYTES_MIN || text.at(head) != b'.' {
        return None;
    }
    let mut end = part(head + 1);
    if end - head <= JWT_PART_BYTES_MIN {
        return None;
    }
    // The signature of an unsigned token is empty.
    for _ in 0..3 {
        if text.at(end) != b'.' {
            break;
        }
        let next = part(end + 1);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    Some(end)
}
