//! Loops that answer every datagram with itself and QR set.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use meridian::transport::udp::mmsg::{Batch, Datagram, Sent};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::meter::{Meter, cpu_time};

/// Room for one datagram in octets, as in the server.
const ROOM: usize = 27 * 64;

/// Calls to learn what preparing headers takes.
const PREPARED: u32 = 2000;

/// The server's loop.
pub(crate) fn server(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    let mut batch = Batch::new(socket.local_addr()?.ip());
    around(&mut batch, socket, meter, |batch| batch.receive(socket))
}

/// The same, as if the socket was not bound to a wildcard: a reply leaves from whichever address
/// routing chooses.
pub(crate) fn unaware(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    let local: IpAddr = match socket.local_addr()?.ip() {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    around(&mut Batch::new(local), socket, meter, |batch| batch.receive(socket))
}

/// The server's loop, with `poll` before each batch.
pub(crate) fn polled(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    let mut batch = Batch::new(socket.local_addr()?.ip());
    around(&mut batch, socket, meter, |batch| {
        wait(socket)?;
        batch.receive(socket)
    })
}

/// The server's loop on a socket that never waits, with `poll` when nothing is there.
pub(crate) fn drained(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut batch = Batch::new(socket.local_addr()?.ip());
    around(&mut batch, socket, meter, |batch| match batch.receive(socket) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            wait(socket)?;
            batch.receive(socket)
        }
        result => result,
    })
}

/// Waits for a datagram, but not for long.
fn wait(socket: &UdpSocket) -> io::Result<()> {
    let idle = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&idle))?;
    Ok(())
}

fn around(
    batch: &mut Batch,
    socket: &UdpSocket,
    meter: &mut Meter<'_>,
    receive: impl Fn(&mut Batch) -> io::Result<usize>,
) -> io::Result<()> {
    loop {
        let mut sent = Sent { taken: 0, refused: 0 };
        if came(receive(batch))?.is_some() {
            batch.reply(turned, || ());
            sent = batch.send(socket);
            meter.unsent += sent.refused as u64;
        }
        if !meter.goes_on(sent.taken) {
            return Ok(());
        }
    }
}

fn turned(datagram: Datagram<'_>, out: &mut [u8]) -> Option<usize> {
    let out = out.get_mut(..datagram.octets.len())?;
    out.copy_from_slice(datagram.octets);
    *out.get_mut(2)? |= 0x80;
    Some(out.len())
}

/// A system call for each datagram and each reply.
pub(crate) fn singly(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    let mut memory = [0; ROOM];
    loop {
        let mut sent = 0;
        if let Some((length, peer)) = came(socket.recv_from(&mut memory))? {
            memory[2] |= 0x80;
            socket.send_to(&memory[..length], peer)?;
            sent = 1;
        }
        if !meter.goes_on(sent) {
            return Ok(());
        }
    }
}

/// The same on a socket connected to the first that asks, so that the kernel keeps its route.
pub(crate) fn connected(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    let mut memory = [0; ROOM];
    let first = loop {
        if let Some((_, peer)) = came(socket.peek_from(&mut memory))? {
            break peer;
        }
        if !meter.goes_on(0) {
            return Ok(());
        }
    };
    socket.connect(first)?;
    loop {
        let mut sent = 0;
        if let Some(length) = came(socket.recv(&mut memory))? {
            memory[2] |= 0x80;
            socket.send(&memory[..length])?;
            sent = 1;
        }
        if !meter.goes_on(sent) {
            return Ok(());
        }
    }
}

/// Batches of up to `N` datagrams, over IPv4.
pub(crate) fn batches<const N: usize>(socket: &UdpSocket, meter: &mut Meter<'_>) -> io::Result<()> {
    meter.preparing = {
        let empty = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let took = |most| Received::<N>::new().took(&empty, most);
        took(N)?.saturating_sub(took(1)?)
    };
    let mut received = Received::<N>::new();
    let mut headers = MultiHeaders::preallocate(N, None);
    loop {
        let count = came(received.receive(socket, N, MsgFlags::MSG_WAITFORONE))?.unwrap_or(0);
        if count > 0 {
            let replies = received.memory.iter_mut().zip(&received.lengths).take(count);
            let replies: Vec<_> = replies
                .map(|(octets, &length)| {
                    octets[2] |= 0x80;
                    [IoSlice::new(&octets[..length])]
                })
                .collect();
            let peers = &received.peers[..count];
            let flags = MsgFlags::empty();
            // It does not say how many went: a queue that is full makes it wait.
            sendmmsg(socket.as_raw_fd(), &mut headers, &replies, peers, [], flags)?;
        }
        if !meter.goes_on(count) {
            return Ok(());
        }
    }
}

/// Room for up to `N` datagrams, and who sent them.
struct Received<const N: usize> {
    headers: MultiHeaders<SockaddrIn>,
    memory: Vec<[u8; ROOM]>,
    lengths: [usize; N],
    peers: [Option<SockaddrIn>; N],
}

impl<const N: usize> Received<N> {
    fn new() -> Received<N> {
        let headers = MultiHeaders::preallocate(N, None);
        Received { headers, memory: vec![[0; ROOM]; N], lengths: [0; N], peers: [None; N] }
    }

    /// Takes up to `most` datagrams; how many came.
    fn receive(&mut self, socket: &UdpSocket, most: usize, flags: MsgFlags) -> io::Result<usize> {
        let memory = self.memory.iter_mut().take(most);
        let mut parts: Vec<_> = memory.map(|octets| [IoSliceMut::new(octets)]).collect();
        let came = recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut parts, flags, None)?;
        let mut count = 0;
        for message in came {
            (self.lengths[count], self.peers[count]) = (message.bytes, message.address);
            count += 1;
        }
        Ok(count)
    }

    /// CPU time of a call with `most` headers that finds nothing.
    fn took(&mut self, empty: &UdpSocket, most: usize) -> io::Result<Duration> {
        let begin = cpu_time();
        for _ in 0..PREPARED {
            came(self.receive(empty, most, MsgFlags::MSG_DONTWAIT))?;
        }
        Ok((cpu_time() - begin) / PREPARED)
    }
}

/// What was received, if anything was there in time.
fn came<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(came) => Ok(Some(came)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        },
    }
}
