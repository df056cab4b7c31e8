//! A certificate authority for one test.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tanist::adapters::peers::tls::certificate_name;
use tanist::adapters::peers::{LinkSecurity, TlsFiles};
use tanist::model::ids::NodeId;

/// An authority, with the files of what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("room");
        Self { issuer: Issuer::new(params, key), dir }
    }

    /// Gives what a node needs, freshly signed.
    pub(crate) fn security(&self, node: NodeId) -> LinkSecurity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![certificate_name(node)]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |kind: &str| self.dir.path().join(format!("{node}-{kind}.pem"));
        std::fs::write(path("certificate"), certificate.pem()).expect("room");
        std::fs::write(path("key"), key.serialize_pem()).expect("room");
        LinkSecurity::Tls(TlsFiles {
            ca: self.dir.path().join("ca.pem"),
            certificate: path("certificate"),
            key: path("key"),
        })
    }
}
