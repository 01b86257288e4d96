//! Shapes of `listen` and `admin`.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawSource;
use crate::config::TlsVersion;
use crate::config::scalar::{Off, RawAddress, RawTlsVersion};

/// One address, or several.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawListen {
    Address(RawAddress),
    Many(Vec<Option<RawListener>>),
    One(RawListenerObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawListener {
    Address(RawAddress),
    Object(RawListenerObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Listener")]
pub(in crate::config) struct RawListenerObject {
    #[schemars(required)]
    pub address: Option<RawAddress>,
    pub tls: Option<RawListenerTls>,
}

/// Serve TLS (HTTP/2 and HTTP/1.1 by ALPN) in place of cleartext. The certificate is `cert_file` and `key_file`;
/// where there are several, the others (or all) stand under `certificates`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenerTls")]
pub(in crate::config) struct RawListenerTls {
    /// PEM file of the certificate chain, leaf first. Relative to the configuration's folder.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the private key (PKCS#8, PKCS#1 or SEC1). Relative to the configuration's folder.
    pub key_file: Option<PathBuf>,
    /// Further certificates: the name that a client asks for (SNI) chooses among them all. The first serves names that
    /// none is for.
    #[schemars(length(min = 1))]
    pub certificates: Option<Vec<Option<RawCertificate>>>,
    /// PEM file of the CAs that sign the certificates of clients; without it clients are not asked for one.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client without a certificate is refused. Default: `required` where `client_ca_file` is set.
    pub client_auth: Option<RawClientAuth>,
    /// The oldest version of TLS that is spoken: `1.2` or `1.3`.
    #[serde(default = "default_min_version")]
    pub min_version: Option<RawTlsVersion>,
}

/// A certificate and its key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificate")]
pub(in crate::config) struct RawCertificate {
    /// PEM file of the certificate chain, leaf first. Relative to the configuration's folder.
    #[schemars(required)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of the private key (PKCS#8, PKCS#1 or SEC1). Relative to the configuration's folder.
    #[schemars(required)]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum RawClientAuth {
    Required,
    /// One that is shown must be valid.
    Optional,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawAdmin {
    Off(Off),
    Address(RawAddress),
    Object(RawAdminObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Admin")]
pub(in crate::config) struct RawAdminObject {
    #[schemars(required)]
    pub address: Option<RawAddress>,
    /// What callers must show as `Authorization: Bearer <token>`; `/healthz` and `/readyz` are answered without it.
    #[schemars(extend("x-weir-secret" = true))]
    pub token: Option<RawSource>,
}

pub(super) fn default_listen() -> Option<RawListen> {
    let address = RawAddress(SocketAddr::from(([127, 0, 0, 1], 8080)));
    Some(RawListen::Address(address))
}

pub(super) fn default_admin() -> Option<RawAdmin> {
    let address = RawAddress(SocketAddr::from(([127, 0, 0, 1], 9090)));
    Some(RawAdmin::Address(address))
}

fn default_min_version() -> Option<RawTlsVersion> {
    Some(RawTlsVersion(TlsVersion::V1_2))
}
