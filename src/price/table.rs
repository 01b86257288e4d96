//! The table of known prices: text that is sorted, so that a lookup halves it where it stands. Nothing of it is parsed or kept before it is asked for.

use std::cmp::Ordering;

use memchr::memrchr;

use crate::terms::{Money, Price, Tier};

/// One line for each model; the columns are described in its head. Written by `scripts/prices.py`.
pub(super) const TABLE: &str = include_str!("table.tsv");

/// Longer names are none of the table's. In bytes.
const NAME_BYTES_MAX: usize = 256;

/// What a vendor asks for a model; `None` where that is not known. `kind` is a kind of upstream, or a vendor of the table (`cohere`, `moonshot`, …).
///
/// The name counts as a whole, in any case of letters; then without what stands around it, by these rules and no others:
/// without `models/` before it (Gemini); a fine-tuned model (`ft:gpt-4o-2024-08-06:…`) as the one that it is made of; a date at the end
/// (`-20251101`, `@20251101`, `-2025-11-01`) or `-latest` is left out. A name that merely begins like another has no price.
pub fn built_in(kind: &str, model: &str) -> Option<Price> {
    let model = model.strip_prefix("models/").unwrap_or(model);
    if kind.is_empty() || model.is_empty() || model.len() > NAME_BYTES_MAX {
        return None;
    }
    let model = model.to_ascii_lowercase();
    let base = without_tuning(&model);
    let undated = without_date(base);
    [model.as_str(), base, undated]
        .into_iter()
        .find_map(|name| find(&format!("{kind}/{name}")))
        .and_then(price)
}

/// `ft:gpt-4o-2024-08-06:team::id` is sold as `ft:gpt-4o-2024-08-06`.
fn without_tuning(model: &str) -> &str {
    let named = |rest: &str| rest.find(':').map(|end| "ft:".len() + end);
    let end = model.strip_prefix("ft:").and_then(named);
    &model[..end.unwrap_or(model.len())]
}

fn without_date(model: &str) -> &str {
    if let Some(before) = model.strip_suffix("-latest") {
        return before;
    }
    let cut = |digits: &str, bytes: usize| -> Option<usize> {
        let (before, date) = model.split_at_checked(model.len().checked_sub(bytes)?)?;
        let fits = |(byte, pattern): (u8, u8)| match pattern {
            b'0' => byte.is_ascii_digit(),
            b'-' => byte == b'-',
            b'@' => byte == b'-' || byte == b'@',
            _ => byte == pattern,
        };
        let is_date = date.bytes().zip(digits.bytes()).all(fits);
        (is_date && !before.is_empty()).then_some(before.len())
    };
    let end = cut("@20000000", 9).or_else(|| cut("-2000-00-00", 11));
    &model[..end.unwrap_or(model.len())]
}

/// The columns after the name.
fn find(name: &str) -> Option<&'static str> {
    let (mut low, mut high) = (ROWS_START, TABLE.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = memrchr(b'\n', &TABLE.as_bytes()[low..middle]).map_or(low, |at| low + at + 1);
        let line = TABLE[start..].lines().next()?;
        let (key, columns) = line.split_once('\t')?;
        match key.as_bytes().cmp(name.as_bytes()) {
            Ordering::Equal => return Some(columns),
            Ordering::Less => low = start + line.len() + 1,
            Ordering::Greater => high = start,
        }
    }
    None
}

/// Where the head ends.
pub(super) const ROWS_START: usize = {
    let text = TABLE.as_bytes();
    let mut at = 0;
    while at < text.len() && text[at] == b'#' {
        while at < text.len() && text[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    at
};

/// A row's price; `None` where it is of another form, which a test holds none to be.
pub(super) fn price(columns: &str) -> Option<Price> {
    let mut columns = columns.split('\t');
    let mut next = || maybe(columns.next().unwrap_or_default());
    let mut price = Price {
        input: next()?.unwrap_or_default(),
        output: next()?.unwrap_or_default(),
        cache_read: next()?,
        cache_write: next()?,
        cache_write_1h: next()?,
        reasoning: next()?,
        audio_input: next()?,
        audio_output: next()?,
        image: next()?,
        request: next()?,
        ..Price::default()
    };
    price.batch_percent = match columns.next().unwrap_or_default() {
        "" => None,
        percent => Some(percent.parse().ok()?),
    };
    let tiers = columns.next().unwrap_or_default().split(';');
    for said in tiers.filter(|said| !said.is_empty()) {
        price.tiers.push(tier(said)?);
    }
    let mut next = || maybe(columns.next().unwrap_or_default());
    price.image_input = next()?;
    price.image_output = next()?;
    price.audio_second = next()?;
    price.characters = next()?;
    Some(price)
}

fn tier(said: &str) -> Option<Tier> {
    let (above, prices) = said.split_once(':')?;
    let mut prices = prices.split(',').map(maybe);
    Some(Tier {
        above: above.parse().ok()?,
        input: prices.next()??,
        output: prices.next()??,
        cache_read: prices.next()??,
        cache_write: prices.next()??,
        // Few have it, and it is not written where they have none.
        cache_write_1h: prices.next().unwrap_or(Some(None))?,
    })
}

fn maybe(column: &str) -> Option<Option<Money>> {
    match column {
        "" => Some(None),
        amount => amount.parse().ok().map(Some),
    }
}
