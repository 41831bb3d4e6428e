//! The TLS configurations of the checks of one checker.

use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::health::credentials::Credentials;
use crate::health::monitor::{Authorities, Trust};

/// Makes TLS configurations; the system's authorities are read once, when first needed.
#[derive(Debug)]
pub(in crate::health) struct Tls {
    provider: Arc<CryptoProvider>,
    system: LazyLock<RootCertStore>,
    /// Those made. Few: one for each `ca` file and client certificate.
    made: Vec<(Wanted, Arc<ClientConfig>)>,
    verifiers: Vec<(Trust, Option<Arc<WebPkiServerVerifier>>)>,
}

/// What a configuration is made for.
type Wanted = (Trust, &'static [&'static [u8]], Option<Credentials>);

impl Tls {
    pub(in crate::health) fn new() -> Tls {
        Tls {
            provider: Arc::new(aws_lc_rs::default_provider()),
            system: LazyLock::new(system_authorities),
            made: Vec::new(),
            verifiers: Vec::new(),
        }
    }

    /// A configuration that believes whom `trust` says, offers these application protocols, and
    /// shows these credentials.
    pub(super) fn config(
        &mut self,
        trust: &Trust,
        protocols: &'static [&'static [u8]],
        credentials: Option<&Credentials>,
    ) -> Result<Arc<ClientConfig>, rustls::Error> {
        let wanted: Wanted = (trust.clone(), protocols, credentials.cloned());
        if let Some((_, config)) = self.made.iter().find(|(made, _)| *made == wanted) {
            return Ok(Arc::clone(config));
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?;
        let builder = match trust {
            Trust::Authorities(extra) => builder.with_root_certificates(self.authorities(extra)?),
            Trust::Anyone => {
                let anyone = Arc::new(Anyone(Arc::clone(&self.provider)));
                builder.dangerous().with_custom_certificate_verifier(anyone)
            }
        };
        let mut config = match credentials {
            Some(credentials) => {
                let certified = credentials.certified();
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // A resumed session shows no certificate, so one that expired would stay unnoticed.
        config.resumption = rustls::client::Resumption::disabled();
        let config = Arc::new(config);
        self.made.push((wanted, Arc::clone(&config)));
        Ok(config)
    }

    /// What judges certificates by `trust`; `None` when nobody is believed, or everybody.
    pub(super) fn verifier(
        &mut self,
        trust: &Trust,
    ) -> Result<Option<Arc<WebPkiServerVerifier>>, rustls::Error> {
        if let Some((_, verifier)) = self.verifiers.iter().find(|(made, _)| made == trust) {
            return Ok(verifier.clone());
        }
        let verifier = match trust {
            Trust::Authorities(extra) => {
                let (roots, provider) = (self.authorities(extra)?, Arc::clone(&self.provider));
                // It cannot be built without an authority.
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().ok()
            }
            Trust::Anyone => None,
        };
        self.verifiers.push((trust.clone(), verifier.clone()));
        Ok(verifier)
    }

    fn authorities(&self, extra: &Authorities) -> Result<RootCertStore, rustls::Error> {
        let mut roots = self.system.clone();
        for certificate in extra.certificates() {
            roots.add(certificate)?;
        }
        Ok(roots)
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
