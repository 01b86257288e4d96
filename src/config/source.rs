//! Where secrets come from: an environment variable, a file, or the configuration itself. Each is read anew whenever the
//! configuration is. Nothing here may put a secret into a message.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use http::HeaderValue;

use super::Secret;
use super::check::Context;
use super::env::is_variable_name;
use super::path::FieldPath;
use super::raw::{RawClientKey, RawKey, RawMasterKey, RawSource};

/// No credential is longer, and servers refuse longer headers.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Where a secret's text is to come from.
pub(super) struct Source<'s> {
    env: Option<&'s str>,
    file: Option<&'s PathBuf>,
    value: Option<&'s str>,
}

macro_rules! source_of {
    ($raw:ty) => {
        impl<'s> From<&'s $raw> for Source<'s> {
            fn from(raw: &'s $raw) -> Self {
                Self {
                    env: raw.env.as_deref(),
                    file: raw.file.as_ref(),
                    value: raw.value.as_deref(),
                }
            }
        }
    };
}

source_of!(RawSource);
source_of!(RawKey);
source_of!(RawClientKey);
source_of!(RawMasterKey);

/// The secret that the value at `path` names; `None` where it names none, which the schema has refused.
pub(super) fn secret(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    source: &Source<'_>,
) -> Option<Secret> {
    let (key, text) = match source {
        Source {
            env: Some(name), ..
        } => ("env", variable(context, &path.key("env"), name)),
        Source {
            file: Some(name), ..
        } => {
            let file = context.folder.join(name);
            let text = file_text(&file);
            context.files.push(file);
            let about = |problem: String| context.about_file(&path.key("file"), name, &problem);
            ("file", text.map_err(about))
        }
        Source {
            value: Some(text), ..
        } => ("value", Ok((*text).to_owned())),
        Source {
            env: None,
            file: None,
            value: None,
        } => return None,
    };
    text.and_then(|text| sendable(&text))
        .map_err(|message| context.report.value(&path.key(key), message))
        .ok()
}

/// The value of the variable that `env:` names. What looks like a credential in its place is not repeated.
fn variable(context: &Context<'_, '_>, path: &FieldPath, name: &str) -> Result<String, String> {
    if context
        .report
        .written(path)
        .is_some_and(|written| written.contains("${"))
    {
        return Err(
            "takes the variable's name alone, without `${}`; or write `value: ${NAME}`".into(),
        );
    }
    let conventional =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    match (context.environment)(name) {
        Some(text) if is_variable_name(name) => Ok(text),
        _ if name.bytes().all(conventional) && is_variable_name(name) => {
            Err(format!("environment variable {name} is not set"))
        }
        _ if is_variable_name(name) => {
            Err("the environment variable of this name is not set".into())
        }
        _ => Err(
            "is not the name of an environment variable; a credential itself belongs under `value`"
                .into(),
        ),
    }
}

fn file_text(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if file.is_dir() {
        return Err("is a folder; name a file in it".into());
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err("is larger than 64 KiB; is it a credential?".into());
    }
    let text =
        String::from_utf8(bytes).map_err(|_| "is not text; is it a credential?".to_owned())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A text that can be a header's value. The message never holds it.
pub(super) fn sendable(text: &str) -> Result<Secret, String> {
    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    if text.trim() != text {
        return Err("begins or ends with white space; remove it".into());
    }
    match HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok()) {
        true => Ok(Secret::new(text)),
        false => Err(
            "holds a character that no header can carry (a line break, or one outside ASCII)"
                .into(),
        ),
    }
}
