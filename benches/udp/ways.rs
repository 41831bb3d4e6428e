//! The ways that are compared: a socket with options, and a loop around it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use meridian::transport::udp::mmsg::{ignore_path_mtu, want_packet_information};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery as V4, Ipv6PathMtuDiscovery as V6};
use socket2::{Domain, Socket, Type};

use crate::meter::Meter;
use crate::reflect;

const ONE_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ONE_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Sockets of the load generator.
const CLIENTS: usize = 32;

/// Room in the kernel in octets, as the server wishes for.
const KERNEL_BUFFER: usize = 1 << 20;

/// How long a reflector waits for a datagram before it looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(50);

/// One way to receive and send datagrams.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Whether the ways after it are compared with this one, up to the next such.
    pub(crate) is_measure: bool,
    /// What the socket is bound to.
    listen: IpAddr,
    options: fn(&UdpSocket, IpAddr) -> io::Result<()>,
    /// Sockets that ask.
    pub(crate) clients: usize,
    /// Answers until told to stop.
    pub(crate) reflect: fn(&UdpSocket, &mut Meter<'_>) -> io::Result<()>,
}

impl Way {
    /// What the server does, on one address.
    const fn server(name: &'static str, listen: IpAddr) -> Way {
        let (options, reflect) = (as_server, reflect::server);
        Way { name, is_measure: true, listen, options, clients: CLIENTS, reflect }
    }

    /// The same but for its loop.
    const fn around(
        name: &'static str,
        reflect: fn(&UdpSocket, &mut Meter<'_>) -> io::Result<()>,
    ) -> Way {
        Way { is_measure: false, reflect, ..Way::server(name, ONE_V4) }
    }

    /// The same but for an option of its socket.
    const fn with(
        name: &'static str,
        listen: IpAddr,
        options: fn(&UdpSocket, IpAddr) -> io::Result<()>,
    ) -> Way {
        Way { is_measure: false, options, ..Way::server(name, listen) }
    }

    /// A socket as this way has it, on a free port.
    pub(crate) fn open(&self) -> io::Result<UdpSocket> {
        let address = SocketAddr::new(self.listen, 0);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_read_timeout(Some(IDLE))?;
        let socket = UdpSocket::from(socket);
        (self.options)(&socket, self.listen)?;
        socket2::SockRef::from(&socket).bind(&address.into())?;
        Ok(socket)
    }

    /// Where it is asked.
    pub(crate) fn asked(&self) -> IpAddr {
        if self.listen.is_ipv4() { ONE_V4 } else { ONE_V6 }
    }
}

/// The server's options, but for packet information.
fn as_server(socket: &UdpSocket, listen: IpAddr) -> io::Result<()> {
    ignore_path_mtu(socket, listen)
}

fn with_packet_information(socket: &UdpSocket, listen: IpAddr) -> io::Result<()> {
    as_server(socket, listen)?;
    want_packet_information(socket, listen)
}

/// The path MTU as the system has it.
fn untouched(_: &UdpSocket, _: IpAddr) -> io::Result<()> {
    Ok(())
}

/// `IP_MTU_DISCOVER` or `IPV6_MTU_DISCOVER`; their values are the same numbers.
fn discover<const VALUE: i32>(socket: &UdpSocket, listen: IpAddr) -> io::Result<()> {
    match listen {
        IpAddr::V4(_) => sockopt::set_ip_mtu_discover(socket, V4::from_raw(VALUE))?,
        IpAddr::V6(_) => sockopt::set_ipv6_mtu_discover(socket, V6::from_raw(VALUE))?,
    }
    Ok(())
}

const DONT: i32 = V4::DONT.as_raw();
const DO: i32 = V4::DO.as_raw();
const PROBE: i32 = V4::PROBE.as_raw();
const INTERFACE: i32 = V4::INTERFACE.as_raw();
const OMIT: i32 = V4::OMIT.as_raw();

pub(crate) const BATCHES: &[Way] = &[
    Way::server("the server's loop: 32", ONE_V4),
    Way::around("`recvfrom`, `sendto`", reflect::singly),
    Way::around("1", reflect::batches::<1>),
    Way::around("2", reflect::batches::<2>),
    Way::around("4", reflect::batches::<4>),
    Way::around("8", reflect::batches::<8>),
    Way::around("16", reflect::batches::<16>),
    Way::around("32", reflect::batches::<32>),
    Way::around("64", reflect::batches::<64>),
    Way::around("128", reflect::batches::<128>),
];

pub(crate) const WAITS: &[Way] = &[
    Way::server("`recvmmsg` waits", ONE_V4),
    Way::around("`poll` before each `recvmmsg`", reflect::polled),
    Way::around("`poll` when `recvmmsg` found nothing", reflect::drained),
];

pub(crate) const ADDRESSES: &[Way] = &[
    Way::server("IPv4, a socket for the address", ONE_V4),
    Way::with("wildcard, packet information both ways", ANY_V4, with_packet_information),
    Way { reflect: reflect::unaware, ..Way::with("wildcard without", ANY_V4, as_server) },
    Way::server("IPv6, a socket for the address", ONE_V6),
    Way::with("wildcard, packet information both ways", ANY_V6, with_packet_information),
    Way { reflect: reflect::unaware, ..Way::with("wildcard without", ANY_V6, as_server) },
    Way {
        is_measure: true,
        clients: 1,
        ..Way::around("IPv4, one client, `recvfrom`, `sendto`", reflect::singly)
    },
    Way { clients: 1, ..Way::around("connected, `recv`, `send`", reflect::connected) },
];

pub(crate) const MTU: &[Way] = &[
    Way::server("IPv4, OMIT: the server's", ONE_V4),
    Way::with("as the system has it (WANT)", ONE_V4, untouched),
    Way::with("DONT", ONE_V4, discover::<DONT>),
    Way::with("DO", ONE_V4, discover::<DO>),
    Way::with("PROBE", ONE_V4, discover::<PROBE>),
    Way::with("INTERFACE", ONE_V4, discover::<INTERFACE>),
    Way::server("IPv6, OMIT and 1280: the server's", ONE_V6),
    Way::with("as the system has it (WANT)", ONE_V6, untouched),
    Way::with("DONT", ONE_V6, discover::<DONT>),
    Way::with("DO", ONE_V6, discover::<DO>),
    Way::with("PROBE", ONE_V6, discover::<PROBE>),
    Way::with("INTERFACE", ONE_V6, discover::<INTERFACE>),
    Way::with("OMIT alone", ONE_V6, discover::<OMIT>),
];
