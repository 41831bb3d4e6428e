//! Connections, as they come and with TLS.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::failure;
use super::marks::Marks;
use super::resolve::Lookup;
use crate::health::failure::{Failure, Timing};

/// Connects to the first address of a target that accepts.
pub(super) async fn tcp(lookup: &Lookup, marks: &Marks) -> Result<TcpStream, Failure> {
    let addresses = lookup.clone().addresses(marks).await?;
    TcpStream::connect(&addresses[..]).await.map_err(|e| Failure::of_io(&e, marks.stage()))
}

/// TLS with one target.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// With these application protocols to choose from.
    pub(super) fn new(mut config: ClientConfig, name: ServerName<'static>, alpn: &[&str]) -> Tls {
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Tls { config: Arc::new(config), name }
    }

    /// Connects and shakes hands.
    pub(super) async fn connect(
        &self,
        lookup: &Lookup,
        marks: &Marks,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = tcp(lookup, marks).await?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let shaken = connector.connect(self.name.clone(), stream).await;
        shaken.map_err(|e| failure(&e, marks.stage()))
    }
}

/// The check that is content with a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) tls: Tls,
    pub(super) lookup: Lookup,
}

impl Handshake {
    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        self.tls.connect(&self.lookup, marks).await?;
        marks.connected();
        Ok(marks.timing())
    }
}
