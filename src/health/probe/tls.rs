//! The TLS configurations of the checks of one checker.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::health::monitor::{Authorities, Trust};

/// Makes TLS configurations; the system's authorities are read once, when first needed.
#[derive(Debug)]
pub(in crate::health) struct Tls {
    provider: Arc<CryptoProvider>,
    system: LazyLock<RootCertStore>,
    /// One for checks without TLS: reqwest wants one, and would look for authorities by itself.
    none: Option<ClientConfig>,
    /// Those made, by what they trust. Few: one for each `ca` file.
    made: Vec<(Trust, ClientConfig)>,
}

impl Tls {
    pub(in crate::health) fn new() -> Tls {
        Tls {
            provider: Arc::new(aws_lc_rs::default_provider()),
            system: LazyLock::new(system_authorities),
            none: None,
            made: Vec::new(),
        }
    }

    /// A configuration for checks that do not speak TLS: it believes nobody.
    pub(super) fn unused(&mut self) -> Result<ClientConfig, rustls::Error> {
        if let Some(config) = &self.none {
            return Ok(config.clone());
        }
        let config = self.believing(RootCertStore::empty())?;
        self.none = Some(config.clone());
        Ok(config)
    }

    /// A configuration that believes whom `trust` says, and speaks HTTP.
    pub(super) fn config(&mut self, trust: &Trust) -> Result<ClientConfig, rustls::Error> {
        if let Some((_, config)) = self.made.iter().find(|(made, _)| made == trust) {
            return Ok(config.clone());
        }
        let mut config = match trust {
            Trust::Authorities(extra) => self.believing(self.authorities(extra)?)?,
            Trust::Anyone => self.believing_anyone()?,
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A resumed session shows no certificate, so one that expired would stay unnoticed.
        config.resumption = rustls::client::Resumption::disabled();
        self.made.push((trust.clone(), config.clone()));
        Ok(config)
    }

    fn authorities(&self, extra: &Authorities) -> Result<RootCertStore, rustls::Error> {
        let mut roots = self.system.clone();
        for certificate in extra.certificates() {
            roots.add(certificate)?;
        }
        Ok(roots)
    }

    fn believing(&self, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
        Ok(ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    fn believing_anyone(&self) -> Result<ClientConfig, rustls::Error> {
        Ok(ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(Arc::clone(&self.provider))))
            .with_no_client_auth())
    }
}

/// The authorities the system trusts. A machine may have none: then no certificate is valid but
/// those signed by a monitor's own.
fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            "this system has no certificate authorities; checks over TLS fail unless their monitor \
             gives some or does not verify",
        );
    }
    tracing::debug!(added, ignored, "certificate authorities of the system");
    roots
}

/// Believes every certificate (`verify_tls = false`), but still that the peer holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
