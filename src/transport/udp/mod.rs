//! DNS over UDP: a thread for each (address, worker), each with its own socket.
//!
//! Knows socket options, threads and counters. The kernel spreads clients over the sockets of
//! an address by a hash of the packet's addresses and ports (`SO_REUSEPORT`).

pub mod mmsg;
mod worker;

pub use worker::UdpCounts;
pub(super) use worker::{Meter, Workers};

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// Room in the kernel for queries that wait and answers that leave, in octets; the kernel takes
/// it as a wish (`net.core.rmem_max`, `net.core.wmem_max`).
const KERNEL_BUFFER: usize = 1 << 20;

/// How long a worker may sleep before it looks whether its engine was replaced: until then it
/// keeps the old one in memory.
const IDLE: Duration = Duration::from_secs(1);

/// The same on a socket that must not be shut down, where nothing else wakes a worker that is to
/// stop.
const IDLE_ON_PASSED: Duration = Duration::from_millis(50);

/// How long a worker waits for a full send queue before it gives up the rest of the batch.
const SEND_WAIT: Duration = Duration::from_millis(100);

/// What one worker reads from.
#[derive(Debug)]
pub(super) struct WorkerSocket {
    pub(super) socket: UdpSocket,
    /// Whether it lives on after the process.
    is_passed: bool,
}

/// Makes sockets that were passed, which share an address, ready for `workers` threads or for as
/// many as there are sockets. Threads that have none of their own share one.
pub(super) fn take(passed: Vec<UdpSocket>, workers: usize) -> io::Result<Vec<WorkerSocket>> {
    for socket in &passed {
        socket.set_nonblocking(false)?;
        let address = socket.local_addr()?;
        set_up(&SockRef::from(socket), address.ip(), IDLE_ON_PASSED)?;
    }
    let of_threads = (0..workers.max(passed.len())).map(|thread| {
        let socket = passed[thread % passed.len()].try_clone()?;
        Ok(WorkerSocket { socket, is_passed: true })
    });
    of_threads.collect()
}

/// Opens `workers` sockets on one address; port 0 takes a free port for all of them.
///
/// The port must not be in use by anyone else, not even by another program that sets
/// `SO_REUSEPORT`, as a second instance of this one would: the two would share the queries.
pub(super) fn open(address: SocketAddr, workers: usize) -> io::Result<Vec<WorkerSocket>> {
    // The first socket binds without SO_REUSEPORT, so the kernel refuses a port in use. Set
    // afterwards, the option lets the other workers join.
    let first = socket(address)?;
    first.bind(&address.into())?;
    let first = UdpSocket::from(first);
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    if workers > 1 {
        SockRef::from(&sockets[0]).set_reuse_port(true)?;
        for _ in 1..workers {
            let next = socket(address)?;
            next.set_reuse_port(true)?;
            next.bind(&address.into())?;
            sockets.push(next.into());
        }
    }
    let own = |socket| WorkerSocket { socket, is_passed: false };
    Ok(sockets.into_iter().map(own).collect())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Wishes: a kernel that grants less serves all the same.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    set_up(&socket, address.ip(), IDLE)?;
    Ok(socket)
}

/// What a worker needs of a socket for `ip`, whoever opened it.
fn set_up(socket: &Socket, ip: IpAddr, idle: Duration) -> io::Result<()> {
    if ip.is_unspecified() {
        mmsg::want_packet_information(socket, ip)?;
    }
    // A wish: a kernel that does not know it serves all the same.
    let _ = mmsg::ignore_path_mtu(socket, ip);
    socket.set_read_timeout(Some(idle))?;
    socket.set_write_timeout(Some(SEND_WAIT))
}
