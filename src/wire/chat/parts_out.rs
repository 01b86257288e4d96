//! Parts of messages for upstreams.

use std::borrow::Cow;

use crate::wire::Dialect;
use crate::wire::neutral::{CacheMark, Loss, Losses, Media, Part, Refused, Source};
use crate::wire::tree::{Json, Object};

use super::messages_out::Out;

/// The part; `None` where the target has no form for it, or it is not said with parts.
pub fn part_value<'a>(
    out: &Out<'a>,
    part: &'a Part,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    match part {
        Part::Text(text) => {
            let value = Object::typed("text").with("text", &text.text);
            Ok(Some(marked(out, value, text.cache.as_ref())))
        }
        Part::Refusal(text) => Ok(Some(plain_text(text))),
        Part::Image(media) => image(out, media, losses).map(Some),
        Part::Audio(media) => audio(out, media, losses).map(Some),
        Part::Document(media) => document(out, media, losses).map(Some),
        Part::Opaque { dialect, value } => {
            // Members of the message are not parts of its content.
            let is_part = value.get("type").is_some();
            if *dialect != Dialect::Chat || out.quirks.strict_members {
                losses.note(Loss::OpaqueBlock)?;
                return Ok(None);
            }
            Ok(is_part.then(|| value.into()))
        }
        Part::Reasoning(_) | Part::Call(_) | Part::Result(_) => Ok(None),
    }
}

/// A text without anything beside it.
pub fn plain_text<'a>(text: impl Into<Cow<'a, str>>) -> Json<'a> {
    Object::typed("text").with("text", text.into()).into()
}

/// Adds a cache mark in the form that the target knows.
fn marked<'a>(out: &Out<'a>, mut value: Object<'a>, cache: Option<&'a CacheMark>) -> Json<'a> {
    if let Some((name, mark)) = cache.and_then(|cache| out.cache_mark(cache)) {
        value.put(name, mark);
    }
    value.into()
}

fn image<'a>(out: &Out<'a>, media: &'a Media, losses: &mut Losses) -> Result<Json<'a>, Refused> {
    let url = match &media.source {
        Source::Base64 { media_type, data } => Cow::Owned(data_url(media_type, data)),
        Source::Url { url, .. } => {
            let is_data = url.starts_with("data:");
            losses.note_if(!out.quirks.image_urls && !is_data, Loss::ImageUrl)?;
            Cow::Borrowed(url.as_str())
        }
        Source::File { id, .. } => return Err(foreign_file(id)),
        Source::Text(_) => {
            let place = Some("an image of text".to_owned());
            return Err(Refused {
                loss: Loss::Image,
                place,
            });
        }
    };
    let mut inner = own_members(out, media);
    inner.put("url", url);
    inner.put_some("detail", media.detail.as_ref());
    let value = Object::typed("image_url").with("image_url", inner);
    Ok(marked(out, value, media.cache.as_ref()))
}

fn audio<'a>(out: &Out<'a>, media: &'a Media, losses: &mut Losses) -> Result<Json<'a>, Refused> {
    let Source::Base64 { media_type, data } = &media.source else {
        losses.note_at(
            Loss::Audio,
            Some("sound by its URL; send it in base64".to_owned()),
        )?;
        return Ok(plain_text("[audio]"));
    };
    let format = match media_type.strip_prefix("audio/").unwrap_or(media_type) {
        "mpeg" | "mpeg3" | "x-mpeg-3" => "mp3",
        "wave" | "x-wav" | "vnd.wave" => "wav",
        other => other,
    };
    let mut inner = own_members(out, media);
    inner.put("data", data);
    inner.put("format", format);
    let value = Object::typed("input_audio").with("input_audio", inner);
    Ok(marked(out, value, media.cache.as_ref()))
}

fn document<'a>(out: &Out<'a>, media: &'a Media, losses: &mut Losses) -> Result<Json<'a>, Refused> {
    let mut inner = own_members(out, media);
    match &media.source {
        Source::Text(text) => {
            let text = document_text(media.name.as_deref(), text);
            let value = Object::typed("text").with("text", text);
            return Ok(marked(out, value, media.cache.as_ref()));
        }
        Source::Base64 { media_type, data } => {
            inner.put("file_data", data_url(media_type, data));
            let name = media.name.as_deref().unwrap_or(match media_type.as_str() {
                "application/pdf" => "document.pdf",
                _ => "document",
            });
            inner.put("filename", name);
        }
        Source::Url { url, .. } => {
            let place = Some(format!("a file by its URL, {url}; send its content"));
            let is_own = out.request.dialect == Dialect::Chat;
            if !is_own {
                losses.note_at(Loss::Document, place)?;
            }
            inner.put("file_url", url);
        }
        // OpenAI has one store of files for both its APIs.
        Source::File {
            dialect: Dialect::Chat | Dialect::Responses,
            id,
        } => {
            inner.put("file_id", id);
        }
        Source::File { id, .. } => return Err(foreign_file(id)),
    }
    let value = Object::typed("file").with("file", inner);
    Ok(marked(out, value, media.cache.as_ref()))
}

/// A document of plain text, headed by its title.
pub fn document_text<'a>(title: Option<&str>, text: &'a str) -> Cow<'a, str> {
    match title {
        Some(title) => Cow::Owned(format!("{title}\n\n{text}")),
        None => Cow::Borrowed(text),
    }
}

/// Members that only this dialect knows.
fn own_members<'a>(out: &Out<'a>, media: &'a Media) -> Object<'a> {
    let mut members = Object::default();
    if out.request.dialect == Dialect::Chat && !out.quirks.strict_members {
        members.fill(&media.own);
    }
    members
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn foreign_file(id: &str) -> Refused {
    Refused {
        loss: Loss::FileId,
        place: Some(id.to_owned()),
    }
}
