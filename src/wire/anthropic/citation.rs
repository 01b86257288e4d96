//! Citations: those of the web have a neutral form, the others only their own.

use serde_json::Value;

use crate::wire::Dialect;
use crate::wire::neutral::Citation;
use crate::wire::tree::{Json, Object};

/// A citation as the vendor or the client wrote it.
pub(super) fn read(value: Value) -> Citation {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    // Search results of a client's own name their source freely; some of them are addresses.
    let source = text("source").filter(|source| source.starts_with("http"));
    Citation {
        url: text("url").or(source),
        title: text("title").or_else(|| text("document_title")),
        quote: text("cited_text"),
        span: None,
        own: Some((Dialect::Anthropic, value)),
    }
}

/// What is written of a citation in an answer: its own form, or that of a page of the web. Nothing where there is no address.
pub(super) fn written(citation: &Citation) -> Option<Json<'_>> {
    if let Some(own) = own(citation) {
        return Some(own.into());
    }
    let url = citation.url.as_deref()?;
    let found = Object::typed("web_search_result_location")
        .with("cited_text", citation.quote.as_deref().unwrap_or(""))
        .with("url", url)
        .with(
            "title",
            citation.title.as_deref().map_or(Json::Null, Json::from),
        )
        // The vendor's own handle on the page; what others found has none.
        .with("encrypted_index", "");
    Some(found.into())
}

/// The citation as this dialect once wrote it: the only form that an upstream takes back.
pub(super) fn own(citation: &Citation) -> Option<&Value> {
    match &citation.own {
        Some((Dialect::Anthropic, value)) => Some(value),
        Some(_) | None => None,
    }
}
