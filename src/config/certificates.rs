//! Checks the files of certificates and their keys, of listeners and towards upstreams.
//! It must not read what is in them.

use std::path::PathBuf;

use super::CertificateFiles;
use super::check::Context;
use super::path::FieldPath;
use super::raw::RawCertificate;

/// The certificate and the key that stand at `path` under these names: both, or (the inner `None`) neither.
pub(super) fn pair(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    [cert_name, key_name]: [&str; 2],
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Option<Option<CertificateFiles>> {
    if cert_file.is_none() && key_file.is_none() {
        return Some(None);
    }
    let mut readable = |name: &str, other: &str, file: Option<PathBuf>| match file {
        Some(file) => context.readable_file(&path.key(name), &file),
        None => {
            let message = format!("is missing; `{other}` is of no use without it");
            context.report.value(&path.key(name), message);
            None
        }
    };
    let cert_file = readable(cert_name, key_name, cert_file);
    let key_file = readable(key_name, cert_name, key_file);
    Some(Some(CertificateFiles {
        cert_file: cert_file?,
        key_file: key_file?,
    }))
}

/// The certificates of a list.
pub(super) fn list(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawCertificate>>,
) -> Option<Vec<CertificateFiles>> {
    let names = ["cert_file", "key_file"];
    let raw = raw.into_iter().enumerate();
    let certificates: Vec<_> = raw
        .map(|(index, raw)| {
            let raw = raw?;
            pair(
                context,
                &path.index(index),
                names,
                raw.cert_file,
                raw.key_file,
            )?
        })
        .collect();
    certificates.into_iter().collect()
}
