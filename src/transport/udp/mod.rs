//! DNS over UDP: a thread for each (address, worker), each with its own socket.
//!
//! Knows socket options, threads and counters. The kernel spreads clients over the sockets of
//! an address by a hash of the packet's addresses and ports (`SO_REUSEPORT`).

pub mod mmsg;
mod worker;

pub use worker::UdpCounts;
pub(super) use worker::{Meter, Workers};

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Room in the kernel for queries that wait and answers that leave, in octets; the kernel takes
/// it as a wish (`net.core.rmem_max`, `net.core.wmem_max`).
const KERNEL_BUFFER: usize = 1 << 20;

/// How long a worker may sleep before it looks whether its engine was replaced: until then it
/// keeps the old one in memory.
const IDLE: Duration = Duration::from_secs(1);

/// How long a worker waits for a full send queue before it gives up the rest of the batch.
const SEND_WAIT: Duration = Duration::from_millis(100);

/// Opens `workers` sockets on one address; port 0 takes a free port for all of them.
///
/// The port must not be in use by anyone else, not even by another program that sets
/// `SO_REUSEPORT`, as a second instance of this one would: the two would share the queries.
pub(super) fn open(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    // The first socket binds without SO_REUSEPORT, so the kernel refuses a port in use. Set
    // afterwards, the option lets the other workers join.
    let first = socket(address)?;
    first.bind(&address.into())?;
    let first = UdpSocket::from(first);
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    if workers > 1 {
        socket2::SockRef::from(&sockets[0]).set_reuse_port(true)?;
        for _ in 1..workers {
            let next = socket(address)?;
            next.set_reuse_port(true)?;
            next.bind(&address.into())?;
            sockets.push(next.into());
        }
    }
    Ok(sockets)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if address.ip().is_unspecified() {
        mmsg::want_packet_information(&socket, address.ip())?;
    }
    // Wishes: a kernel that does not know them serves all the same.
    let _ = mmsg::ignore_path_mtu(&socket, address.ip());
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.set_read_timeout(Some(IDLE))?;
    socket.set_write_timeout(Some(SEND_WAIT))?;
    Ok(socket)
}
