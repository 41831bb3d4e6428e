//! From addresses to running listeners, in two steps: binding may need privileges that serving
//! must not have.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;

use super::Respond;
use super::connections::{self, ConnectionCounts, Connections, Speech};
use super::encrypted::{Encrypted, Listener, ListenerSocket};
use super::hickory::Listeners;
use super::passed::{Idle, Passed};
use super::stream::Limits;
use super::tally::{self, AnswerCounts, QueryCounts};
use super::tcp;
use super::udp::{self, UdpCounts, WorkerSocket, Workers};
use crate::engine::Transport;

/// How often a free port is looked for that is free for UDP and for TCP.
const PORT_TRIES: usize = 32;

/// Sockets on every address, bound and not yet answered from.
///
/// What arrives meanwhile waits in the kernel.
#[derive(Debug)]
pub struct Bound {
    addresses: Vec<SocketAddr>,
    udp: Vec<WorkerSocket>,
    tcp: Vec<TcpListener>,
    encrypted: Vec<Listener>,
    passed: Passed,
}

/// Listeners that answer. Dropping it stops them at once; [`Running::stop`] does so in order.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    udp: Workers,
    connections: Connections,
    encrypted: Vec<(Protocol, SocketAddr)>,
    http3: Listeners,
}

/// Reads what [`Running`] counts.
#[derive(Debug, Clone)]
pub struct Meter {
    udp: udp::Meter,
    connections: connections::Meter,
}

impl Meter {
    /// What the UDP workers did so far.
    pub fn udp_counts(&self) -> UdpCounts {
        self.udp.counts()
    }

    /// How often each UDP worker has come for datagrams: once a second at least, when all is well.
    pub fn udp_rounds(&self) -> Vec<u64> {
        self.udp.rounds()
    }

    /// What became of connections so far, over TCP, TLS, HTTPS and QUIC.
    pub fn connection_counts(&self) -> ConnectionCounts {
        self.connections.counts()
    }

    /// What was asked and answered so far, for each transport. Streams are those of the process.
    pub fn query_counts(&self) -> Vec<QueryCounts> {
        let mut counts = vec![self.udp.queries()];
        counts.append(&mut tally::on_streams());
        counts
    }

    /// What steered names answered so far, and the scopes that were told.
    pub fn answer_counts(&self) -> AnswerCounts {
        tally::answers(self.udp.answers())
    }

    /// Connections that are open now, but for those of HTTP/3.
    pub fn open_connections(&self) -> Vec<(Transport, u64)> {
        self.connections.open()
    }
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({protocol}): {cause}{}", hint(*.address, .cause))]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// For what.
    pub protocol: Protocol,
    /// What the kernel said.
    pub cause: io::Error,
}

/// What an address is listened on for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Protocol {
    Udp,
    Tcp,
    Tls,
    Https,
    Quic,
    Http3,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Udp => "UDP",
            Protocol::Tcp => "TCP",
            Protocol::Tls => "DNS over TLS",
            Protocol::Https => "DNS over HTTPS",
            Protocol::Quic => "DNS over QUIC",
            Protocol::Http3 => "DNS over HTTP/3",
        })
    }
}

impl Bound {
    /// Binds every address for UDP, with one socket for each of `workers`, and for TCP; 0
    /// workers means one for each core. Port 0 takes a port that is free for both.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Bound, BindError> {
        Bound::take(Passed::default(), addresses, workers)
    }

    /// The same, with sockets that were passed in place of new ones where there are any.
    pub fn take(
        passed: Passed,
        addresses: &[SocketAddr],
        workers: usize,
    ) -> Result<Bound, BindError> {
        let workers = match workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let mut bound = Bound {
            addresses: Vec::new(),
            udp: Vec::new(),
            tcp: Vec::new(),
            encrypted: Vec::new(),
            passed,
        };
        for &address in addresses {
            let (actual, udp, tcp) = both(address, workers, &mut bound.passed)?;
            bound.addresses.push(actual);
            bound.udp.extend(udp);
            bound.tcp.push(tcp);
        }
        Ok(bound)
    }

    /// Binds the encrypted transports too, each address for one; port 0 takes a free port.
    pub fn bind_encrypted(&mut self, encrypted: &Encrypted) -> Result<(), BindError> {
        self.encrypted.extend(encrypted.bind(&mut self.passed)?);
        Ok(())
    }

    /// Lets go of the sockets that were passed and that no address wanted, and says which.
    pub fn let_go(&mut self) -> Vec<Idle> {
        std::mem::take(&mut self.passed).into_idle()
    }

    /// The addresses for UDP and TCP in the order given, with the actual ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to answer from whatever engine is in `engine` at each moment.
    ///
    /// Must be called inside a tokio runtime, which serves all but UDP. An engine that was replaced is
    /// let go of by each thread at its next batch, or within a second when it has none: whoever
    /// swaps should keep the old one until nobody else does, so that no thread that answers has
    /// to free it.
    pub fn start<R: Respond>(
        self,
        engine: &Arc<ArcSwap<R>>,
        limits: Limits,
    ) -> io::Result<Running> {
        let mut streams: Vec<_> = self.tcp.into_iter().map(|tcp| (tcp, Speech::Tcp)).collect();
        let (mut quic, mut http3, mut encrypted) = (Vec::new(), Vec::new(), Vec::new());
        for Listener { protocol, address, tls, socket } in self.encrypted {
            encrypted.push((protocol, address));
            match socket {
                ListenerSocket::Tls(socket) => streams.push((socket, Speech::Tls(tls.into()))),
                ListenerSocket::Https(socket) => streams.push((socket, Speech::Https(tls.into()))),
                ListenerSocket::Quic(socket) => quic.push((socket, tls)),
                ListenerSocket::Http3(socket) => http3.push((address, socket, tls)),
            }
        }
        let http3 = Listeners::start(http3, engine, limits.idle)?;
        let connections = Connections::start(streams, quic, engine, limits)?;
        let udp = Workers::start(self.udp, engine)?;
        Ok(Running { addresses: self.addresses, udp, connections, encrypted, http3 })
    }
}

impl Running {
    /// The addresses for UDP and TCP in the order given, with the actual ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of encrypted transports with the actual ports: TLS, HTTPS, QUIC, HTTP/3,
    /// each in the order given.
    pub fn encrypted(&self) -> &[(Protocol, SocketAddr)] {
        &self.encrypted
    }

    /// What the UDP workers did so far.
    pub fn udp_counts(&self) -> UdpCounts {
        self.udp.counts()
    }

    /// What became of connections so far, over TCP, TLS, HTTPS and QUIC.
    pub fn connection_counts(&self) -> ConnectionCounts {
        self.connections.counts()
    }

    /// Reads the counts from anywhere, also after the stop.
    pub fn meter(&self) -> Meter {
        Meter { udp: self.udp.meter(), connections: self.connections.meter() }
    }

    /// Stops taking queries, lets answers in hand be sent, and waits until all is closed: UDP
    /// for the batch in hand, connections for a second at most. Connections of HTTP/3 are closed
    /// at once.
    pub async fn stop(mut self) {
        self.udp.stop();
        tokio::join!(self.connections.stop(), self.http3.stop());
    }
}

/// Binds one address for both protocols.
fn both(
    address: SocketAddr,
    workers: usize,
    passed: &mut Passed,
) -> Result<(SocketAddr, Vec<WorkerSocket>, TcpListener), BindError> {
    let failed = |protocol| move |cause| BindError { address, protocol, cause };
    let (udp, tcp) = (passed.udp(address), passed.tcp(address));
    if !udp.is_empty() || tcp.is_some() {
        let udp = match udp.is_empty() {
            true => udp::open(address, workers),
            false => udp::take(udp, workers),
        };
        let tcp = tcp.map_or_else(|| tcp::open(address), Ok);
        let udp = udp.map_err(failed(Protocol::Udp))?;
        return Ok((address, udp, tcp.map_err(failed(Protocol::Tcp))?));
    }
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let udp = udp::open(address, workers).map_err(failed(Protocol::Udp))?;
        let actual = udp[0].socket.local_addr().map_err(failed(Protocol::Udp))?;
        match tcp::open(actual) {
            Ok(tcp) => return Ok((actual, udp, tcp)),
            // The kernel chose a port that is free for UDP only.
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(cause) => return Err(failed(Protocol::Tcp)(cause)),
        }
    }
}

/// What to do about it, where we know.
fn hint(address: SocketAddr, cause: &io::Error) -> String {
    let port = address.port();
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; another program uses it: `ss -lntup 'sport = :{port}'` shows which")
        }
        io::ErrorKind::PermissionDenied if port < 1024 => "; ports below 1024 need root or the \
             capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)"
            .to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            "; no interface of this machine has this address: `ip address` shows those it has"
                .to_owned()
        }
        _ if cause.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            "; this machine has this address family switched off: leave the address out".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn port_0_takes_one_port_for_both_protocols_and_says_which() {
        let addresses = ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"].map(local);
        let bound = Bound::bind(&addresses, 3).unwrap();
        assert_eq!(bound.udp.len(), 9);
        for (index, address) in bound.addresses().iter().enumerate() {
            assert_ne!(address.port(), 0);
            assert_eq!(address.ip(), addresses[index].ip());
            assert_eq!(bound.tcp[index].local_addr().unwrap(), *address);
            for socket in &bound.udp[3 * index..3 * index + 3] {
                assert_eq!(socket.socket.local_addr().unwrap(), *address);
            }
        }
    }

    #[test]
    fn a_second_server_on_the_same_port_is_told_so() {
        for workers in [1, 4] {
            let first = Bound::bind(&[local("127.0.0.1:0")], workers).unwrap();
            let address = first.addresses()[0];
            let error = Bound::bind(&[address], workers).unwrap_err();
            assert_eq!((error.address, error.protocol), (address, Protocol::Udp));
            let text = error.to_string();
            assert!(text.starts_with(&format!("cannot listen on {address} (UDP): ")), "{text}");
            assert!(text.contains("ss -lntup"), "{text}");
            drop(first);
            Bound::bind(&[address], workers).unwrap();
        }
    }

    #[test]
    fn a_port_taken_for_tcp_alone_is_reported_as_such() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Bound::bind(&[taken.local_addr().unwrap()], 2).unwrap_err();
        assert_eq!(error.protocol, Protocol::Tcp);
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_address_of_another_machine_is_reported_with_a_hint() {
        let error = Bound::bind(&[local("192.0.2.1:0")], 1).unwrap_err();
        assert!(error.to_string().contains("no interface of this machine"), "{error}");
    }

    #[test]
    fn a_privileged_port_says_which_privilege() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(hint(local("127.0.0.1:53"), &cause).contains("CAP_NET_BIND_SERVICE"));
        assert_eq!(hint(local("127.0.0.1:5300"), &cause), "");
    }
}
