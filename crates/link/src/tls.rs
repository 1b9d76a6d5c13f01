//! Who is who: each end has one key pair and one self-signed certificate, and knows the other by that certificate's
//! fingerprint alone. No authority signs, no name and no date in a certificate means anything. TLS 1.3, ring.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use sha2::{Digest, Sha256};

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate.as_ref()).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;
    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseFingerprintError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(ParseFingerprintError);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Fingerprint(bytes))
    }
}

/// A key pair and its certificate. The key never leaves the machine where it was made.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("{path}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} holds no PEM that can be read")]
    Pem { path: String },
    #[error("a key pair cannot be made")]
    Make(#[source] rcgen::Error),
    #[error("the key and the certificate do not go together")]
    Mismatch(#[source] rustls::Error),
}

impl Identity {
    /// The identity in the two files, or a new one (Ed25519) that is written to them; the key with mode 0600.
    /// `name` is for people who look into the certificate.
    ///
    /// # Errors
    /// [`IdentityError`]; one file without the other is an error too.
    pub fn load_or_make(key: &Path, certificate: &Path, name: &str) -> Result<Identity, IdentityError> {
        if !key.exists() && !certificate.exists() {
            make(key, certificate, name)?;
        }
        Identity::load(key, certificate)
    }

    /// # Errors
    /// [`IdentityError::File`], [`IdentityError::Pem`].
    pub fn load(key: &Path, certificate: &Path) -> Result<Identity, IdentityError> {
        let pem = |path: &Path| {
            let file = |source| IdentityError::File { path: path.display().to_string(), source };
            std::fs::read(path).map_err(file)
        };
        let bad = |path: &Path| IdentityError::Pem { path: path.display().to_string() };
        Ok(Identity {
            certificate: CertificateDer::from_pem_slice(&pem(certificate)?).map_err(|_| bad(certificate))?,
            key: PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|_| bad(key))?,
        })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Takes in whoever proves to have a key; who that is, its fingerprint says.
    pub(crate) fn server(&self) -> Result<ServerConfig, IdentityError> {
        let provider = provider();
        let verifier = Arc::new(AnyKey(provider.clone()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(IdentityError::Mismatch)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(IdentityError::Mismatch)?;
        // Connections last for days; nothing is resumed.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// Talks to nobody but the server with the fingerprint `pin`. The second value tells whom it met instead.
    pub(crate) fn client(&self, pin: Fingerprint) -> Result<(ClientConfig, Met), IdentityError> {
        let provider = provider();
        let met = Met::default();
        let verifier = Arc::new(OneKey { provider: provider.clone(), pin, met: met.clone() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(IdentityError::Mismatch)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(IdentityError::Mismatch)?;
        Ok((config, met))
    }
}

fn make(key: &Path, certificate: &Path, name: &str) -> Result<(), IdentityError> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(IdentityError::Make)?;
    let mut params = rcgen::CertificateParams::new(vec!["headworks".to_owned()]).map_err(IdentityError::Make)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let signed = params.self_signed(&pair).map_err(IdentityError::Make)?;
    // The certificate first: a cut in between leaves a file whose key is missing, which is told and not used.
    for (path, text, mode) in [(certificate, signed.pem(), 0o644), (key, pair.serialize_pem(), 0o600)] {
        write(path, &text, mode).map_err(|source| IdentityError::File { path: path.display().to_string(), source })?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The fingerprint of a server that was not the pinned one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met(Arc<Mutex<Option<Fingerprint>>>);

impl Met {
    pub fn instead(&self) -> Option<Fingerprint> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct OneKey {
    provider: Arc<CryptoProvider>,
    pin: Fingerprint,
    met: Met,
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Fingerprint::of(certificate);
        if found == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        *self.met.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
        let first = Identity::load_or_make(&key, &certificate, "here").unwrap();
        let again = Identity::load_or_make(&key, &certificate, "there").unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        first.server().unwrap();
        std::fs::remove_file(&key).unwrap();
        assert!(matches!(Identity::load_or_make(&key, &certificate, "x"), Err(IdentityError::File { .. })));
        std::fs::write(&key, "nonsense").unwrap();
        assert!(matches!(Identity::load(&key, &certificate), Err(IdentityError::Pem { .. })));
    }

    #[test]
    fn fingerprints_are_read_as_they_are_written() {
        let print = Fingerprint([0xa5; 32]);
        assert_eq!(print.to_string().parse(), Ok(print));
        for bad in ["", "a5", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(ParseFingerprintError), "{bad}");
        }
    }
}
