//! Certificate and key to the encrypted transports.

use std::path::PathBuf;

use crate::config::diagnostic::Diagnostic;
use crate::config::source::Located;
use crate::config::{self, Config};
use crate::server::build::{Origin, shown};
use crate::server::certificate::Certificate;
use crate::transport::{Encrypted, Identity, IdentityError};

/// The encrypted transports, and the files of their certificate; neither when nothing is
/// encrypted.
type Built = (Option<Encrypted>, Option<Certificate>);

/// Reads the files of `[tls]`. `None` when there are mistakes, which are in `found`.
pub(super) fn build(
    config: &Config,
    origin: Origin<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Built> {
    let config = config.encrypted.as_ref().filter(|_| !origin.is_elsewhere());
    let Some(config) = config else { return Some((None, None)) };
    let mut read = |path: &Located<PathBuf>| {
        let octets = origin.files().read_secret(&path.value);
        octets
            .map_err(|error| {
                found.push(Diagnostic::unreadable(&path.value, &error).at(&path.span, ""));
            })
            .ok()
    };
    let (certificate, key) = (read(&config.certificate), read(&config.key));
    let (certificate, key) = (certificate?, key?);
    let identity = match Identity::from_pem(&certificate, &key) {
        Ok(identity) => identity,
        Err(error) => {
            found.push(unfit(config, &error));
            return None;
        }
    };
    let files = (!matches!(origin, Origin::Embedded(_))).then(|| {
        let paths = [&config.certificate.value, &config.key.value];
        Certificate::new(paths[0], paths[1], [&certificate, &key], identity.clone())
    });
    let config::Encrypted { dot, doh, doq, doh3, .. } = config.clone();
    Some((Some(Encrypted { identity, dot, doh, doq, doh3 }), files))
}

/// What is wrong with the files, at the path that was written.
fn unfit(config: &config::Encrypted, error: &IdentityError) -> Diagnostic {
    let (certificate, key) = (&config.certificate, &config.key);
    let at = |code, path: &Located<PathBuf>| {
        let message = format!("{}: {error}", shown(&path.value));
        Diagnostic::error(code, message).at(&path.span, "")
    };
    match error {
        IdentityError::Certificate(_) => at("bad-certificate", certificate).help(
            "give a PEM file: the server's certificate first, then those that lead to its \
             authority",
        ),
        IdentityError::Key(_) => at("bad-key", key)
            .help("give a PEM file with the private key, not encrypted: PKCS #8, PKCS #1 or SEC 1"),
        IdentityError::Mismatch => at("key-mismatch", key)
            .and(&certificate.span, "the certificate")
            .help("give the key that the first certificate of the file was made for"),
    }
}
