//! What this server shows to a target that asks who it is: a client certificate and its key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A client certificate, those that signed it, and its key.
#[derive(Clone)]
pub struct Credentials(Arc<CertifiedKey>);

/// A certificate and a key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No certificate, or a damaged one.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// No private key, a damaged one, or of a kind that TLS does not know.
    #[error("the private key cannot be read: {0}")]
    Key(String),
    /// Each is right, and they do not belong together.
    #[error("the key is not that of the certificate")]
    Unlike,
}

impl Credentials {
    /// From two PEM texts.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Credentials, CredentialsError> {
        let unread = |reason: String| CredentialsError::Certificate(reason);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|e| unread(e.to_string()))?;
        if chain.is_empty() {
            return Err(unread("no `-----BEGIN CERTIFICATE-----` in it".into()));
        }
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|e| CredentialsError::Key(e.to_string()))?;
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|e| CredentialsError::Key(e.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Credentials(Arc::new(certified)))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::Unlike),
            Err(other) => Err(unread(other.to_string())),
        }
    }

    /// For a TLS configuration.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// The same certificate; its key is the same then, too.
impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Credentials {}

/// Neither the key, which must not be shown, nor the certificate: a monitor's fingerprint is made
/// of this, and what is known of a target stays true when a certificate is renewed.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
