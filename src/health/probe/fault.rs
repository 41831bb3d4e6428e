//! From an error of HTTP or TLS to what it means.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::health::failure::{Failure, Stage, span};

/// What went wrong, from the most telling error in the chain.
pub(super) fn failure(error: &(dyn Error + 'static), stage: Stage) -> Failure {
    known(error, stage).unwrap_or_else(|| Failure::Protocol(innermost(error)))
}

fn known(error: &(dyn Error + 'static), stage: Stage) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // An io::Error's source is the source of the error within, not that error.
            let within = error.get_ref().and_then(|inner| known(inner, stage));
            return Some(within.unwrap_or_else(|| Failure::of_io(error, stage)));
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(of_tls(error));
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse() {
                return Some(Failure::Protocol(innermost(error)));
            }
            // Cancelled is a request that could not be sent any more.
            if error.is_incomplete_message() || error.is_canceled() {
                return Some(Failure::Closed(stage));
            }
        }
        next = error.source();
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn of_tls(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(error) => Failure::Certificate(of_certificate(error)),
        other => Failure::Tls(other.to_string()),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            format!("expired {} ago", span(time.as_secs().saturating_sub(not_after.as_secs())))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let ahead = not_before.as_secs().saturating_sub(time.as_secs());
            format!("not valid before another {}", span(ahead))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            if presented.is_empty() {
                return format!("not valid for `{expected}`, nor for any other name");
            }
            format!("not valid for `{expected}`, only for {}", presented.join(", "))
        }
        CertificateError::UnknownIssuer => {
            "not signed by an authority this server trusts (see `ca`)".into()
        }
        CertificateError::BadSignature => "not signed by the authority it names".into(),
        other => other.to_string(),
    }
}
