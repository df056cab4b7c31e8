//! Mutual TLS between nodes: our own CA, certificates on both ends, and the node's id in its certificate as `node-<id>`.
//!
//! Without certificates, connections between loopback addresses only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::extensions::GeneralName;

use crate::model::ids::NodeId;

/// How connections between nodes are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSecurity {
    /// Not at all: between loopback addresses only.
    LoopbackPlaintext,
    /// Mutual TLS.
    Tls(TlsFiles),
}

/// Where the PEM files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signs nodes' certificates, and nothing else.
    pub ca: PathBuf,
    /// This node's certificate, with the DNS name `node-<id>`, good for both ends of a connection.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {} for links between nodes", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {wanted} in PEM form", .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The files do not go together.
    #[error("the certificate, key and CA for links between nodes cannot be used together")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Certificates, read and checked.
pub(super) enum Prepared {
    LoopbackPlaintext,
    Tls { connector: TlsConnector, acceptor: TlsAcceptor },
}

impl Prepared {
    /// Reads the files.
    pub(super) fn new(security: &LinkSecurity) -> Result<Self, TlsError> {
        let files = match security {
            LinkSecurity::LoopbackPlaintext => return Ok(Self::LoopbackPlaintext),
            LinkSecurity::Tls(files) => files,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate).map_err(unusable)?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
            .map_err(|_error| TlsError::NotPem { path: files.key.clone(), wanted: "private key" })?;
        // One provider, named: an automatic choice fails as soon as another part of the binary links a second one.
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(unusable)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().map_err(unusable)?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        Ok(Self::Tls { connector: Arc::new(client).into(), acceptor: Arc::new(server).into() })
    }

    pub(super) fn is_plaintext(&self) -> bool {
        matches!(self, Self::LoopbackPlaintext)
    }
}

/// Gives the name that a node's certificate must carry.
#[must_use]
pub fn certificate_name(node: NodeId) -> String {
    format!("node-{}", node.0)
}

pub(super) fn server_name(node: NodeId) -> Result<ServerName<'static>, String> {
    ServerName::try_from(certificate_name(node)).map_err(|error| error.to_string())
}

/// Says whether a certificate that the CA has signed names this node.
pub(super) fn names_node(certificate: &CertificateDer<'_>, node: NodeId) -> bool {
    let wanted = certificate_name(node);
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(found) if *found == wanted))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem { path: path.to_owned(), wanted: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(not_pem)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Unusable(Box::new(error))
}
