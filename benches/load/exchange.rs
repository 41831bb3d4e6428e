//! Many datagrams on a connected socket in one system call, from the client's side.
#![allow(unsafe_code)]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::{null_mut, slice_from_raw_parts_mut};

use libc::{iovec, mmsghdr, pollfd};

/// Datagrams in one system call, at most.
pub(crate) const BATCH: usize = 32;

/// Room for one datagram in octets.
const ROOM: usize = 4096 + 64;

/// Buffers and headers, set up once: half for sending, half for receiving.
pub(crate) struct Exchange {
    headers: Box<[mmsghdr]>,
    parts: Box<[iovec]>,
    /// `2 * BATCH` times [`ROOM`] octets; owned, and reached through this pointer alone,
    /// because the parts keep pointers into it.
    octets: *mut [u8],
}

impl Exchange {
    pub(crate) fn new() -> Exchange {
        let octets = Box::into_raw(vec![0; 2 * BATCH * ROOM].into_boxed_slice());
        let mut parts: Box<[iovec]> = (0..2 * BATCH)
            .map(|index| iovec {
                // SAFETY: inside the allocation just made.
                iov_base: unsafe { octets.cast::<u8>().add(index * ROOM) }.cast(),
                iov_len: ROOM,
            })
            .collect();
        let first = parts.as_mut_ptr();
        let headers = (0..2 * BATCH)
            .map(|index| {
                // SAFETY: zero is a valid value of every field.
                let mut header: mmsghdr = unsafe { std::mem::zeroed() };
                // SAFETY: inside `parts`, which lives and stays in place as long as `self`.
                header.msg_hdr.msg_iov = unsafe { first.add(index) };
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Exchange { headers, parts, octets }
    }

    /// Puts a message with an id into place `index`, under [`BATCH`], to be sent. A message
    /// longer than 4096 octets is cut.
    pub(crate) fn write(&mut self, index: usize, message: &[u8], id: u16) {
        let octets = &mut self.place(index)[..message.len().min(ROOM)];
        octets.copy_from_slice(&message[..octets.len()]);
        octets[..2].copy_from_slice(&id.to_be_bytes());
        let length = octets.len();
        // SAFETY: the place was checked, and `parts` has one part for each.
        unsafe { (*self.headers[index].msg_hdr.msg_iov).iov_len = length };
    }

    /// Sends the first `count` places and returns how many went.
    pub(crate) fn send(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let count = count.min(BATCH);
        // SAFETY: that many headers stand there, pointing to parts and octets that live as long
        // as `self`.
        let sent =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count as _, 0) };
        usize::try_from(sent).unwrap_or(0)
    }

    /// Sends the first `count` places as one datagram that the kernel cuts, on a socket that
    /// [`segment`] was called for, and returns how many went: all or none.
    pub(crate) fn send_segments(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let count = count.min(BATCH);
        // SAFETY: zero is a valid value of every field.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.headers[0].msg_hdr.msg_iov;
        header.msg_iovlen = count as _;
        // SAFETY: that many parts stand there one after another, pointing to octets that live as
        // long as `self`.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
        if sent < 0 { 0 } else { count }
    }

    /// Takes what has come, without waiting, and returns how many datagrams that are.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> usize {
        let headers = self.headers[BATCH..].as_mut_ptr();
        // SAFETY: BATCH headers stand there, pointing to parts and octets that live as long as
        // `self`; they have no room for names or control data that would need a reset.
        let received = unsafe {
            let flags = libc::MSG_DONTWAIT;
            libc::recvmmsg(socket.as_raw_fd(), headers, BATCH as _, flags as _, null_mut())
        };
        usize::try_from(received).unwrap_or(0)
    }

    /// A datagram that came with the last [`Exchange::receive`].
    pub(crate) fn read(&mut self, index: usize) -> &[u8] {
        let length = self.headers[BATCH + index].msg_len as usize;
        &self.place(BATCH + index)[..length.min(ROOM)]
    }

    fn place(&mut self, index: usize) -> &mut [u8] {
        assert!(index < self.parts.len());
        // SAFETY: inside the allocation, borrowed with `self`, and the kernel is not at it.
        unsafe {
            let start = self.octets.cast::<u8>().add(index * ROOM);
            &mut *slice_from_raw_parts_mut(start, ROOM)
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw` in `new`, and not freed since.
        drop(unsafe { Box::from_raw(self.octets) });
    }
}

/// Lets the kernel cut what is sent on a socket into datagrams of so many octets (`udp(7)`,
/// UDP_SEGMENT): one way through its layers for many queries.
pub(crate) fn segment(socket: &UdpSocket, octets: usize) -> io::Result<()> {
    let octets = octets as libc::c_int;
    let (fd, length) = (socket.as_raw_fd(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: `octets` is a live integer of the length given.
    let result = unsafe {
        let value = (&raw const octets).cast();
        libc::setsockopt(fd, libc::SOL_UDP, libc::UDP_SEGMENT, value, length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until one of the sockets has something to read, for `milliseconds` at most.
pub(crate) fn wait(sockets: &mut [pollfd], milliseconds: i32) -> io::Result<()> {
    // SAFETY: the pointer and the count are those of the slice.
    let ready = unsafe { libc::poll(sockets.as_mut_ptr(), sockets.len() as _, milliseconds) };
    if ready < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What [`wait`] wants to know of a socket.
pub(crate) fn readable(socket: &UdpSocket) -> pollfd {
    pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}
