//! What encrypted listeners need before they serve: a certificate, TLS settings, sockets.
//!
//! Knows PEM, rustls and binding. Does not know who serves on the sockets, nor when a certificate
//! is replaced.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use socket2::{Domain, Socket, Type};

use super::passed::Passed;
use super::{BindError, Protocol, tcp};

/// The encrypted transports of a server: where, and as whom.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// What the server shows to clients.
    pub identity: Identity,
    /// DNS over TLS (RFC 7858) on each.
    pub dot: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484) on each.
    pub doh: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250) on each.
    pub doq: Vec<SocketAddr>,
    /// DNS over HTTP/3 on each.
    pub doh3: Vec<SocketAddr>,
}

/// A certificate, the certificates that lead to its authority, and its private key. A clone is
/// the same identity: what replaces one replaces all.
#[derive(Debug, Clone)]
pub struct Identity(Arc<ArcSwap<CertifiedKey>>);

/// Two files are no certificate and key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate's file has none, or what it has cannot be read.
    #[error("there is no certificate that can be read: {0}")]
    Certificate(String),
    /// The key's file has none, or what it has cannot be read or used.
    #[error("there is no private key that can be used: {0}")]
    Key(String),
    /// The key is that of another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

/// Octets of packets that may wait for a QUIC endpoint.
const KERNEL_BUFFER: usize = 1 << 20;

/// A socket for one encrypted transport, bound and not yet served.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) protocol: Protocol,
    /// With the actual port.
    pub(super) address: SocketAddr,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) socket: ListenerSocket,
}

/// The socket, by what is spoken on it.
#[derive(Debug)]
pub(super) enum ListenerSocket {
    Tls(TcpListener),
    Https(TcpListener),
    Quic(UdpSocket),
    Http3(UdpSocket),
}

impl Identity {
    /// Reads PEM files: the server's certificate first, then those that lead to its authority;
    /// and its private key in PKCS #8, PKCS #1 or SEC 1 form, not encrypted.
    ///
    /// # Errors
    ///
    /// Says which of the two is at fault. Whether clients believe the certificate (its name, its
    /// dates, its authority) is not looked at.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| IdentityError::Certificate(shown(&error, "CERTIFICATE")))?;
        if chain.is_empty() {
            let none = shown(&pem::Error::NoItemsFound, "CERTIFICATE");
            return Err(IdentityError::Certificate(none));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| IdentityError::Key(shown(&error, "PRIVATE KEY")))?;
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| IdentityError::Key(error.to_string()))?;
        let identity = CertifiedKey::new(chain, key);
        match identity.keys_match() {
            // A key that cannot tell its public half is found out by the first client.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Identity(Arc::new(ArcSwap::from_pointee(identity))))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(IdentityError::Mismatch),
            Err(error) => Err(IdentityError::Certificate(error.to_string())),
        }
    }

    /// Shows the certificate of `newer` from the next handshake on.
    pub fn replace(&self, newer: &Identity) {
        self.0.store(newer.0.load_full());
    }

    /// TLS as this identity for one application protocol. 0-RTT stays off: a replayed query
    /// cannot be told from a new one.
    fn tls(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[u8],
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![alpn.to_vec()];
        // Sessions are kept by clients, sealed, rather than by us.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Encrypted {
    /// Takes sockets that were passed, and binds all others; port 0 takes a free port for each.
    pub(super) fn bind(&self, passed: &mut Passed) -> Result<Vec<Listener>, BindError> {
        let mut listeners = Vec::new();
        for (speech, addresses) in
            [(&DOT, &self.dot), (&DOH, &self.doh), (&DOQ, &self.doq), (&DOH3, &self.doh3)]
        {
            for &address in addresses {
                let bound = Listener::bind(speech, address, &self.identity, passed);
                let protocol = speech.protocol;
                listeners.push(bound.map_err(|cause| BindError { address, protocol, cause })?);
            }
        }
        Ok(listeners)
    }
}

/// How an encrypted transport is begun.
struct Speech {
    protocol: Protocol,
    /// The name it has in a TLS handshake.
    alpn: &'static [u8],
    versions: &'static [&'static SupportedProtocolVersion],
    open: fn(SocketAddr, &mut Passed) -> io::Result<ListenerSocket>,
}

const ANY_VERSION: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

const DOT: Speech = Speech {
    protocol: Protocol::Tls,
    alpn: b"dot",
    versions: ANY_VERSION,
    open: |address, passed| open_tcp(address, passed).map(ListenerSocket::Tls),
};

const DOH: Speech = Speech {
    protocol: Protocol::Https,
    alpn: b"h2",
    versions: ANY_VERSION,
    open: |address, passed| open_tcp(address, passed).map(ListenerSocket::Https),
};

const DOQ: Speech = Speech {
    protocol: Protocol::Quic,
    alpn: b"doq",
    // QUIC is TLS 1.3 or nothing (RFC 9001 section 4.2).
    versions: &[&rustls::version::TLS13],
    open: |address, passed| open_quic(address, passed).map(ListenerSocket::Quic),
};

const DOH3: Speech = Speech {
    protocol: Protocol::Http3,
    alpn: b"h3",
    versions: &[&rustls::version::TLS13],
    open: |address, passed| open_quic(address, passed).map(ListenerSocket::Http3),
};

impl Listener {
    fn bind(
        speech: &Speech,
        address: SocketAddr,
        identity: &Identity,
        passed: &mut Passed,
    ) -> io::Result<Listener> {
        let tls = identity.tls(speech.versions, speech.alpn).map_err(io::Error::other)?;
        let socket = (speech.open)(address, passed)?;
        let address = socket.local_addr()?;
        Ok(Listener { protocol: speech.protocol, address, tls, socket })
    }
}

impl ListenerSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            ListenerSocket::Tls(socket) | ListenerSocket::Https(socket) => socket.local_addr(),
            ListenerSocket::Quic(socket) | ListenerSocket::Http3(socket) => socket.local_addr(),
        }
    }
}

/// What is wrong with a PEM file, in words for whoever wrote its path.
fn shown(error: &pem::Error, label: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("the file has no part `-----BEGIN {label}-----`"),
        error => error.to_string(),
    }
}

fn open_tcp(address: SocketAddr, passed: &mut Passed) -> io::Result<TcpListener> {
    passed.tcp(address).map_or_else(|| tcp::open(address), Ok)
}

/// A UDP socket of its own: QUIC sets the options it needs.
fn open_quic(address: SocketAddr, passed: &mut Passed) -> io::Result<UdpSocket> {
    if let Some(socket) = passed.udp(address).pop() {
        socket.set_nonblocking(true)?;
        return Ok(socket);
    }
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A wish: handshakes that all begin at once wait in the kernel, and are not lost.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
