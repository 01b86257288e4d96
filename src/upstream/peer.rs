//! What connections to an upstream are made with: names, certificates, protocol and waits, for any of its addresses.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};

use crate::config::{CertificateFiles, HttpVersion, Upstream};

/// Makes peers, each for one address.
pub struct PeerTemplate {
    upstream: Arc<Upstream>,
    ca: Option<Arc<CaType>>,
    /// What weir shows a server that asks for a certificate.
    identity: Option<Arc<CertKey>>,
    /// Tells apart upstreams, and what stood in their files, so that none uses a connection that was made for another.
    group: u64,
}

impl PeerTemplate {
    /// # Errors
    /// When a certificate file cannot be used; the text names it.
    pub fn new(upstream: &Arc<Upstream>) -> Result<PeerTemplate, String> {
        let mut group = DefaultHasher::new();
        upstream.name.hash(&mut group);
        let ca_file = upstream.tls.ca_file.as_deref();
        let ca = ca_file
            .map(|path| authorities(path, &mut group))
            .transpose()?;
        let identity = upstream.tls.identity.as_ref();
        let identity = identity.map(|files| identity_of(files, &mut group));
        Ok(PeerTemplate {
            upstream: upstream.clone(),
            ca,
            identity: identity.transpose()?,
            group: group.finish(),
        })
    }

    /// Whether the files that it was made of said the same.
    pub fn is_same(&self, other: &PeerTemplate) -> bool {
        self.group == other.group
    }

    pub fn peer(&self, address: SocketAddr) -> HttpPeer {
        let upstream = &self.upstream;
        let own_name = upstream.tls.server_name.as_ref();
        let name = own_name.unwrap_or(&upstream.base.host);
        let mut peer = HttpPeer::new(address, upstream.base.tls, name.clone());
        peer.group_key = self.group;
        peer.client_cert_key = self.identity.clone();
        let options = &mut peer.options;
        options.connection_timeout = Some(upstream.timeouts.connect);
        options.total_connection_timeout = Some(upstream.timeouts.connect);
        options.write_timeout = Some(upstream.timeouts.idle);
        options.idle_timeout = Some(upstream.idle_connection);
        options.verify_cert = upstream.tls.verify;
        options.verify_hostname = upstream.tls.verify;
        options.max_h2_streams = upstream.http2_streams;
        options.ca = self.ca.clone();
        options.alpn = match upstream.http {
            // Without TLS there is no negotiation.
            HttpVersion::Auto if upstream.base.tls => ALPN::H2H1,
            HttpVersion::Auto | HttpVersion::Http1 => ALPN::H1,
            HttpVersion::Http2 => ALPN::H2,
        };
        peer
    }
}

fn identity_of(
    files: &CertificateFiles,
    group: &mut DefaultHasher,
) -> Result<Arc<CertKey>, String> {
    let identity = crate::tls::read_identity(files)
        .map_err(|problem| format!("tls.client_cert_file: {problem}"))?;
    identity.key().hash(group);
    identity.leaf().borrow_raw_cert().hash(group);
    Ok(identity)
}

fn authorities(path: &Path, group: &mut DefaultHasher) -> Result<Arc<CaType>, String> {
    let certificates =
        crate::tls::read_authorities(path).map_err(|problem| format!("tls.ca_file {problem}"))?;
    let wrapped = certificates.iter().map(|certificate| {
        certificate.hash(group);
        WrappedX509::new(certificate.to_vec(), parse_x509)
    });
    Ok(wrapped.collect::<Vec<_>>().into())
}
