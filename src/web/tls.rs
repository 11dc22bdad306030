//! TLS 1.3 of a page that speaks it itself, and whose keys sign in.
//!
//! As everywhere in haima no certificate authority is trusted: what counts of a browser's certificate
//! is its public key, which has to be among those that were given when the page was started; names,
//! dates and issuers are ignored. A browser without a certificate, or with another key, is a stranger
//! and gets what strangers get, the form for the token ([`super::gate`]). It is not refused in the
//! handshake: a browser would show a fault instead of the page, and remember a wrong choice.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use haima_crypto::encode::Digest;
use haima_smpc_node::{keyfile, tls};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection,
    SignatureScheme,
};
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// Bytes of a file of certificates.
const MOST_BYTES: u64 = 1 << 20;

/// The key that a browser has proven to hold, by its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown(Digest);

impl Shown {
    /// The key of a connection whose handshake is done; none where no certificate was shown.
    pub(super) fn of(connection: &ServerConnection) -> Option<Self> {
        let certificate = connection.peer_certificates()?.first()?;
        tls::pin_of_der("browser", certificate).ok().map(Self)
    }
}

/// TLS of a page, with the keys whose holders need no token.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    keys: BTreeSet<Shown>,
}

impl Tls {
    /// Reads the page's certificate (PEM, with its chain where it has one) and private key, and the
    /// certificates of those whose keys sign in (PEM, one after the other); without these the token
    /// alone does.
    ///
    /// # Errors
    /// When a file cannot be read, holds something else, or the key is not the certificate's.
    pub fn read(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, Error> {
        let chain = certificates(certificate)?;
        let pem = keyfile::read_private(key)?;
        let private = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| Error::key(key, "not a private key in PEM form"))?;
        let keys = clients.map(pins).transpose()?.unwrap_or_default();
        let fault = |error: rustls::Error| Error::key(certificate, error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(fault)?;
        let config = if keys.is_empty() {
            config.with_no_client_auth()
        } else {
            config.with_client_cert_verifier(Arc::new(Holder { provider }))
        };
        let mut config = config.with_single_cert(chain, private).map_err(fault)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), keys })
    }

    /// Those whose holders need no token.
    pub(super) fn keys(&self) -> impl Iterator<Item = Shown> {
        self.keys.iter().copied()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// The keys of a file's certificates.
fn pins(path: &Path) -> Result<BTreeSet<Shown>, Error> {
    let name = path.display().to_string();
    let pin = |certificate: &CertificateDer<'_>| {
        Ok::<_, Error>(Shown(tls::pin_of_der(&name, certificate)?))
    };
    certificates(path)?.iter().map(pin).collect()
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| Error::file(path, e))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut pem).map_err(|e| Error::file(path, e))?;
    if pem.len() as u64 > MOST_BYTES {
        return Err(Error::key(path, format!("over {MOST_BYTES} bytes; certificates take less")));
    }
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Error::key(path, "holds no certificates in PEM form")),
    }
}

/// Takes any certificate whose key the browser proves to hold; who that is, the gate decides.
#[derive(Debug)]
struct Holder {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Holder {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: any name of an issuer here would make browsers hold back certificates of others.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bad = |_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        tls::pin_of_der("browser", end_entity).map_err(bad)?;
        Ok(ClientCertVerified::assertion())
    }

    /// TLS 1.2 is not offered, so this is never asked; it refuses all the same.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use haima_smpc_node::tls::TlsIdentity;

    use super::*;

    fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = TlsIdentity::generate(name).unwrap();
        let paths = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&paths.0, certificate).unwrap();
        keyfile::write_private(&paths.1, key.as_bytes()).unwrap();
        paths
    }

    #[test]
    fn every_certificate_of_the_file_lets_its_key_in_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (page, key) = pair(folder.path(), "page");
        let both = folder.path().join("both.crt");
        let text = ["a", "b"].map(|name| std::fs::read_to_string(pair(folder.path(), name).0));
        std::fs::write(&both, text.map(Result::unwrap).concat()).unwrap();
        let tls = Tls::read(&page, &key, Some(&both)).unwrap();
        assert_eq!(tls.keys().count(), 2);
        let own = certificates(&page).unwrap();
        let own = Shown(tls::pin_of_der("page", &own[0]).unwrap());
        assert!(tls.keys().all(|pinned| pinned != own), "the page's own key signs nobody in");
        assert_eq!(Tls::read(&page, &key, None).unwrap().keys().count(), 0);
    }

    #[test]
    fn files_that_hold_something_else_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (page, key) = pair(folder.path(), "page");
        let (other, _) = pair(folder.path(), "other");
        let empty = folder.path().join("empty.crt");
        std::fs::write(&empty, "no certificate").unwrap();
        for (certificate, key, clients, named) in [
            (&other, &key, None, "other.crt"),
            (&empty, &key, None, "empty.crt"),
            (&page, &page, None, "page.crt"),
            (&page, &key, Some(empty.as_path()), "empty.crt"),
            (&page, &key, Some(key.as_path()), "page.key"),
        ] {
            let said = Tls::read(certificate, key, clients).unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
    }
}
