//! TLS over a connection, and the check that is content with it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ClientConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::failure;
use super::judge;
use super::marks::Marks;
use super::resolve::Lookup;
use super::success::Success;
use super::tls::Tls;
use crate::health::failure::Failure;
use crate::health::kinds::Security;
use crate::health::monitor::Expiry;

/// What TLS with one target needs.
pub(super) struct Secured {
    connector: TlsConnector,
    /// The name in the certificate, and in SNI unless it is an address.
    name: ServerName<'static>,
    /// Looks at certificates as they will be after this time.
    foresight: Option<(Arc<WebPkiServerVerifier>, Duration)>,
}

impl Secured {
    /// With a target of this name, and with these application protocols to choose from.
    pub(super) fn new(
        name: ServerName<'static>,
        security: &Security,
        protocols: &'static [&'static [u8]],
        tls: &mut Tls,
    ) -> Result<Secured, rustls::Error> {
        let Security { trust, expiry, credentials } = security;
        Ok(Secured {
            connector: tls.config(trust, protocols, credentials.as_ref())?.into(),
            name,
            foresight: match expiry {
                Some(expiry) => tls.verifier(trust)?.map(|verifier| (verifier, expiry.ahead())),
                None => None,
            },
        })
    }

    /// Shakes hands, and notes in `marks` when it is done and whether the certificate expires too
    /// soon.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        marks: &Marks,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        at_once(&stream);
        let stream = self.connector.connect(self.name.clone(), stream).await;
        let stream = stream.map_err(|e| failure(&e, marks.stage()))?;
        marks.connected();
        marks.expiring(self.expiring(stream.get_ref().1));
        Ok(stream)
    }

    /// When a certificate of the chain expires, if that is too soon.
    fn expiring(&self, session: &ClientConnection) -> Option<SystemTime> {
        let (verifier, ahead) = self.foresight.as_ref()?;
        let (first, others) = session.peer_certificates()?.split_first()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let then = UnixTime::since_unix_epoch(now + *ahead);
        match verifier.verify_server_cert(first, others, &self.name, &[], then) {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext {
                not_after,
                ..
            })) => UNIX_EPOCH.checked_add(Duration::from_secs(not_after.as_secs())),
            _ => None,
        }
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secured").field(&self.name).finish()
    }
}

/// The check that is content with a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) lookup: Lookup,
    pub(super) secured: Secured,
    pub(super) expiry: Option<Expiry>,
}

impl Handshake {
    pub(super) async fn run(&self, marks: &Marks) -> Result<Success, Failure> {
        let stream = self.lookup.clone().connect(marks).await?;
        self.secured.shake(stream, marks).await?;
        judge::expiry(self.expiry, marks.expires())?;
        Ok(Success::from_marks(marks))
    }
}

/// Small parts are sent when they are there: waiting for more would cost a delayed acknowledgement
/// (40 ms) where two of them follow each other.
pub(super) fn at_once(stream: &TcpStream) {
    // Without it a check is slower, and no less right.
    let _ = stream.set_nodelay(true);
}
