//! Certificates: how those of members are judged, and which one members are shown.
//!
//! The same for every kind that speaks TLS.

use std::path::PathBuf;

use crate::config::reader::Reader;
use crate::config::source::Located;
use crate::config::spec::Spanned;
use crate::config::spec::monitor::OnExpirySpec;

/// How TLS is spoken with a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Whether its certificate must be valid.
    pub verify: bool,
    /// PEM file of certificate authorities trusted besides the public ones.
    pub ca: Option<Located<PathBuf>>,
    /// What is shown to a member that asks for it.
    pub client: Option<ClientCertificate>,
    /// How long its certificate must still be valid.
    pub expiry: Option<Expiry>,
}

/// A client certificate: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that signed it.
    pub certificate: Located<PathBuf>,
    /// Its private key.
    pub key: Located<PathBuf>,
}

/// How long a certificate must still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Days: 1 to 1000.
    pub days: u16,
    /// Whether less is a failure and not just a warning.
    pub is_failure: bool,
}

/// The keys about certificates, as they are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) verify: Option<&'a Spanned<bool>>,
    pub(super) ca: Option<&'a Spanned<String>>,
    pub(super) client_certificate: Option<&'a Spanned<String>>,
    pub(super) client_key: Option<&'a Spanned<String>>,
    pub(super) days: Option<&'a Spanned<i64>>,
    pub(super) on_expiry: Option<&'a Spanned<OnExpirySpec>>,
}

impl Tls {
    pub(super) fn resolve(keys: Keys<'_>, reader: &mut Reader<'_>) -> Tls {
        let verify = keys.verify.is_none_or(|verify| verify.value);
        if let (false, Some(ca)) = (verify, keys.ca) {
            let help = "remove `ca`, or set `verify_tls` to true";
            reader.invalid(&ca.range, "`ca` is not used when `verify_tls` is false", help);
        }
        Tls {
            verify,
            ca: keys.ca.map(|ca| pem("ca", ca, reader)),
            client: ClientCertificate::resolve(keys, reader),
            expiry: Expiry::resolve(keys, verify, reader),
        }
    }
}

/// Reports keys about certificates of `what`, which has none.
pub(super) fn refuse(keys: Keys<'_>, what: &str, help: &str, reader: &mut Reader<'_>) {
    let unverified = keys.verify.filter(|verify| !verify.value);
    let judged = [
        ("verify_tls", unverified.map(|verify| &verify.range)),
        ("ca", keys.ca.map(|ca| &ca.range)),
        ("client_certificate", keys.client_certificate.map(|file| &file.range)),
        ("client_key", keys.client_key.map(|file| &file.range)),
    ];
    let expires = [
        ("certificate_days", keys.days.map(|days| &days.range)),
        ("on_expiry", keys.on_expiry.map(|word| &word.range)),
    ];
    // Of each group the first is enough: with it the others go.
    for group in [&judged[..], &expires[..]] {
        let mut written = group.iter().filter_map(|(key, range)| Some((key, (*range)?)));
        if let Some((key, range)) = written.next() {
            reader.invalid(range, format!("`{key}` has no meaning for {what}"), help);
        }
    }
}

impl ClientCertificate {
    fn resolve(keys: Keys<'_>, reader: &mut Reader<'_>) -> Option<ClientCertificate> {
        match (keys.client_certificate, keys.client_key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate {
                certificate: pem("client_certificate", certificate, reader),
                key: pem("client_key", key, reader),
            }),
            (None, None) => None,
            (Some(alone), None) => {
                reader.invalid(&alone.range, "a certificate needs its key", "add `client_key`");
                None
            }
            (None, Some(alone)) => {
                let help = "add `client_certificate`";
                reader.invalid(&alone.range, "a key needs its certificate", help);
                None
            }
        }
    }
}

impl Expiry {
    fn resolve(keys: Keys<'_>, verify: bool, reader: &mut Reader<'_>) -> Option<Expiry> {
        let Some(days) = keys.days else {
            if let Some(word) = keys.on_expiry {
                let help = "add `certificate_days`";
                reader.invalid(&word.range, "`on_expiry` needs a number of days", help);
            }
            return None;
        };
        if !verify {
            let message = "certificates are not looked at when `verify_tls` is false";
            let help = "remove `verify_tls`, and name the authority with `ca`";
            reader.invalid(&days.range, message, help);
        }
        let number = reader.integer("certificate_days", Some(days), 1..=1000, 1);
        let is_failure = keys.on_expiry.is_some_and(|word| word.value == OnExpirySpec::Fail);
        Some(Expiry { days: u16::try_from(number).unwrap_or(1), is_failure })
    }
}

fn pem(key: &str, file: &Spanned<String>, reader: &mut Reader<'_>) -> Located<PathBuf> {
    if file.value.is_empty() {
        let message = format!("`{key}` is empty");
        reader.invalid(&file.range, message, "write the path of a PEM file");
    }
    Located { value: reader.path(&file.value), span: reader.span(&file.range) }
}
