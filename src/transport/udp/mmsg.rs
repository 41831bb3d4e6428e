//! Many datagrams in one system call: `recvmmsg(2)`, `sendmmsg(2)` and packet information.
//!
//! Knows the kernel's structures and nothing of DNS. This is the one file with `unsafe` code;
//! upwards it is a safe [`Batch`] and two socket options.
//!
//! The calls go to the kernel without the C library's wrappers: glibc's are cancellation points,
//! about ninety instructions for a pair of calls, and musl's send one datagram at a time. Even its
//! `syscall(2)` takes forty, a tenth of what a static answer may, so that is left out where it can
//! be.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::{NonNull, null_mut};
use std::slice;

use libc::{c_int, c_long, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, msghdr, socklen_t};

/// Datagrams received and answered by one pair of system calls, at most.
///
/// Under full load the answer of a bare reflector takes 5.15 µs of CPU time with batches of 1, 4.84
/// with 2, 4.71 with 4, the same within 1 % with 8, 16, 32 and 64 (4.55 to 4.58), and 4.62 with 128.
/// A query that comes alone takes the same with 2 to 128. `docs/performance.md` has the comparison.
pub const BATCH: usize = 32;

/// Room for one reply in octets: no answer over UDP is longer. It passes every path whole, and
/// bounds how much more than its query an answer can be.
pub const REPLY: usize = 1232;

/// Octets of the longest datagram that is looked at.
const LONGEST: usize = 1600;

/// Room for one received datagram in octets: more than the longest, so that the length alone tells
/// which one is longer. An odd number of cache lines, so that the starts of the datagrams of a batch
/// do not all fall into one cache set.
const QUERY: usize = 27 * 64;

/// Room for one control message; packet information takes 32 (IPv4) or 40 (IPv6).
const CONTROL: usize = 64;

/// What the kernel reads and writes: headers and the buffers they point to.
///
/// One allocation that is only ever reached through the raw pointer in [`Batch`], because the
/// headers keep pointers into it.
#[repr(C, align(64))]
struct Memory {
    received: [mmsghdr; BATCH],
    replies: [mmsghdr; BATCH],
    received_parts: [iovec; BATCH],
    reply_parts: [iovec; BATCH],
    peers: [Peer; BATCH],
    controls: [Control; BATCH],
    ends: Ends,
    queries: [[u8; QUERY]; BATCH],
    /// The replies stand one after another without gaps.
    answers: [u8; REPLY * BATCH],
}

/// Who sent the datagram in hand, and to which address.
///
/// In one place for all datagrams, since the closure that answers looks at one at a time: handing
/// these on by value took seventy instructions, most of them for families that did not come.
struct Ends {
    peer: SocketAddr,
    local: Option<IpAddr>,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Peer {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// One received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What it holds; may be empty.
    pub octets: &'a [u8],
    /// Who sent it; the port is not 0.
    pub peer: &'a SocketAddr,
    /// The address it was sent to.
    pub local: &'a Option<IpAddr>,
}

/// What became of the replies of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// So many the kernel took.
    pub taken: usize,
    /// And so many it did not.
    pub refused: usize,
}

/// Buffers and headers for up to [`BATCH`] datagrams and their replies, set up once.
///
/// The round is [`receive`](Batch::receive), [`reply`](Batch::reply), [`send`](Batch::send).
/// None of them allocates.
#[derive(Debug)]
pub struct Batch {
    memory: NonNull<Memory>,
    /// Whether the socket is bound to a wildcard, and each datagram says which address it was
    /// sent to.
    packet_information: bool,
    /// How many of `received` the kernel filled last; at most [`BATCH`].
    received: usize,
    /// How many of `replies` wait to be sent.
    queued: usize,
}

impl Batch {
    /// Allocates the buffers for a socket bound to `local`. When that is a wildcard, and the socket
    /// was set up with [`want_packet_information`], a reply leaves from the address that was asked.
    // Inline, or the numbers in it would stay in memory.
    #[inline(always)]
    pub fn new(local: IpAddr) -> Batch {
        let packet_information = local.is_unspecified();
        let layout = Layout::new::<Memory>();
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc_zeroed(layout) }.cast::<Memory>();
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let batch = Batch { memory, packet_information, received: 0, queued: 0 };
        let memory = memory.as_ptr();
        let peer = SocketAddr::new(local, 0);
        let local = (!packet_information).then_some(local);
        // SAFETY: `memory` is one live allocation of the right size, and no reference into it
        // exists.
        unsafe { (&raw mut (*memory).ends).write(Ends { peer, local }) };
        for index in 0..BATCH {
            // SAFETY: as above; the memory is zeroed, and zero is a valid value of everything but
            // `ends`. All pointers stored here point into the same allocation and die with it.
            unsafe {
                let part = &raw mut (*memory).received_parts[index];
                (*part).iov_base = (&raw mut (*memory).queries[index]).cast();
                (*part).iov_len = QUERY;
                let header = &raw mut (*memory).received[index].msg_hdr;
                (*header).msg_name = (&raw mut (*memory).peers[index]).cast();
                (*header).msg_namelen = size_of::<Peer>() as socklen_t;
                (*header).msg_iov = part;
                (*header).msg_iovlen = 1;
                if packet_information {
                    (*header).msg_control = (&raw mut (*memory).controls[index]).cast();
                    (*header).msg_controllen = CONTROL as _;
                }
                let header = &raw mut (*memory).replies[index].msg_hdr;
                (*header).msg_iov = &raw mut (*memory).reply_parts[index];
                (*header).msg_iovlen = 1;
            }
        }
        batch
    }

    /// Waits for a datagram, then takes with it what is already there. Returns how many came.
    ///
    /// Errors are the kernel's: `WouldBlock` when the socket's receive timeout ran out,
    /// `Interrupted` by a signal.
    // It waits in the call itself: with `poll` before it a query that comes alone would take 0.73 µs
    // more (15 %), and under load nothing would be gained.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let memory = self.memory.as_ptr();
        (self.received, self.queued) = (0, 0);
        // SAFETY: BATCH headers stand at the pointer; each points to its own name, part and
        // control buffer of the lengths it says, which live as long as `self`.
        let count = unsafe {
            let headers = (&raw mut (*memory).received).cast();
            let flags = libc::MSG_WAITFORONE;
            call(libc::SYS_recvmmsg, socket.as_raw_fd(), headers, BATCH, flags)
        };
        // The kernel never says more than it was asked for.
        self.received = count.count()?.min(BATCH);
        Ok(self.received)
    }

    /// Asks `answer` for a reply to each datagram received, in order. It writes into the buffer
    /// it is given ([`REPLY`] octets) and returns the length, or `None` for no reply.
    ///
    /// Tells `discard` of each datagram that is discarded unasked: longer than 1,600 octets, from
    /// port 0, or without a sender.
    #[inline(always)]
    pub fn reply(
        &mut self,
        mut answer: impl FnMut(Datagram<'_>, &mut [u8]) -> Option<usize>,
        mut discard: impl FnMut(),
    ) {
        let memory = self.memory.as_ptr();
        let mut used = 0;
        self.queued = 0;
        for index in 0..self.received {
            // SAFETY: `index` is under BATCH, and the kernel is done with the header since
            // `receive` returned.
            let header =
                unsafe { &mut *(&raw mut (*memory).received).cast::<mmsghdr>().add(index) };
            if let Some(datagram) = self.datagram(index, header) {
                // SAFETY: each reply queued before took at most REPLY octets, so `used` is at
                // most `index * REPLY` and REPLY more lie inside `answers`. They are
                // initialised (zeroed or written before), disjoint from what `datagram`
                // borrows, and lent out once.
                let room = unsafe {
                    let start = (&raw mut (*memory).answers).cast::<u8>().add(used);
                    slice::from_raw_parts_mut(start, REPLY)
                };
                if let Some(length) = answer(datagram, room)
                    && length <= REPLY
                {
                    self.queue(&header.msg_hdr, used, length);
                    used += length;
                }
            } else {
                if self.packet_information {
                    header.msg_hdr.msg_controllen = CONTROL as _;
                }
                discard();
            }
            // The kernel wrote the lengths it used; it must see the room again. That of control
            // messages was given back with the datagram, or just now.
            header.msg_hdr.msg_namelen = size_of::<Peer>() as socklen_t;
        }
    }

    /// Sends the replies.
    ///
    /// A reply that is refused (a firewall, no route, no buffer) is left out and the others go
    /// on; when the socket's send timeout runs out, the rest of the batch is given up.
    #[inline(always)]
    pub fn send(&mut self, socket: &UdpSocket) -> Sent {
        let queued = std::mem::take(&mut self.queued);
        if queued == 0 {
            return Sent { taken: 0, refused: 0 };
        }
        // SAFETY: headers up to `queued` were written by `queue` and point to buffers that live as
        // long as `self`.
        unsafe {
            let headers = (&raw mut (*self.memory.as_ptr()).replies).cast::<mmsghdr>();
            let first = call(libc::SYS_sendmmsg, socket.as_raw_fd(), headers, queued, 0);
            if first == Returned(queued as isize) {
                return Sent { taken: queued, refused: 0 };
            }
            let taken = send_piecemeal(socket.as_raw_fd(), headers, queued, first);
            Sent { taken, refused: queued - taken }
        }
    }

    /// The datagram that came with the header of this index, one of `received`; a reply to it leaves
    /// from where it was sent to.
    #[inline(always)]
    fn datagram(&self, index: usize, header: &mut mmsghdr) -> Option<Datagram<'_>> {
        let memory = self.memory.as_ptr();
        let length = header.msg_len as usize;
        let header = &mut header.msg_hdr;
        if length > LONGEST {
            return None;
        }
        // SAFETY: `memory` is live; the kernel is done with it since `receive` returned, and while
        // `self` is borrowed only the reply side is written. The header points to its peer; `index` is
        // under BATCH, and the buffer there has at least `length` octets.
        let (peer, octets) = unsafe {
            let octets = (&raw const (*memory).queries).cast::<u8>().add(index * QUERY);
            (&*header.msg_name.cast::<Peer>(), slice::from_raw_parts(octets, length))
        };
        // SAFETY: initialised by `new`, and borrowed by nothing: a datagram is gone before the next.
        let ends = unsafe { &mut (*memory).ends };
        if !peer.tell(header.msg_namelen, &mut ends.peer) {
            return None;
        }
        if self.packet_information {
            ends.local = local(header);
            // SAFETY: `queued` is under BATCH, as in `queue`, and nothing borrows the header.
            unsafe { leave_from(header, &raw mut (*memory).replies[self.queued].msg_hdr) };
            // The kernel must see the room again; nobody looks at what it wrote any more.
            header.msg_controllen = CONTROL as _;
        }
        Some(Datagram { octets, peer: &ends.peer, local: &ends.local })
    }

    /// Puts the reply of `length` octets at `start` of `answers` behind those queued, addressed
    /// to the sender of the datagram that came with the header `from`.
    #[inline(always)]
    fn queue(&mut self, from: &msghdr, start: usize, length: usize) {
        let memory = self.memory.as_ptr();
        // SAFETY: `memory` is live, and `queued` is under BATCH: at most one reply is queued for
        // each datagram received. No reference to what is written exists.
        unsafe {
            let part = (&raw mut (*memory).reply_parts).cast::<iovec>().add(self.queued);
            (*part).iov_base = (&raw mut (*memory).answers).cast::<u8>().add(start).cast();
            (*part).iov_len = length;
            let to = (&raw mut (*memory).replies).cast::<mmsghdr>().add(self.queued);
            (*to).msg_hdr.msg_name = from.msg_name;
            (*to).msg_hdr.msg_namelen = from.msg_namelen;
        }
        self.queued += 1;
    }
}

impl Drop for Batch {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, not freed since; nothing in it needs
        // dropping.
        unsafe { dealloc(self.memory.as_ptr().cast(), Layout::new::<Memory>()) }
    }
}

impl Peer {
    /// Tells the address in it, of which the kernel wrote `length` octets; whether there is one that
    /// can be replied to.
    #[inline(always)]
    fn tell(&self, length: socklen_t, address: &mut SocketAddr) -> bool {
        // SAFETY: the family is the first field of both; every bit pattern is a valid value of
        // both structures.
        let v4 = unsafe { self.v4 };
        if c_int::from(v4.sin_family) != libc::AF_INET {
            return self.tell_v6(length, address);
        }
        let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
        let port = u16::from_be(v4.sin_port);
        *address = SocketAddrV4::new(ip, port).into();
        // An address of IPv4 comes whole: the length is only looked at for the other family.
        port != 0
    }

    /// The same for what is not an IPv4 address.
    #[inline(never)]
    fn tell_v6(&self, length: socklen_t, address: &mut SocketAddr) -> bool {
        // SAFETY: as above.
        let v6 = unsafe { self.v6 };
        let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
        let port = u16::from_be(v6.sin6_port);
        *address = SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into();
        port != 0
            && c_int::from(v6.sin6_family) == libc::AF_INET6
            && length as usize >= size_of::<libc::sockaddr_in6>()
    }
}

/// The packet information in a header's control data.
enum Information {
    V4(*mut in_pktinfo),
    V6(*mut in6_pktinfo),
}

/// Finds packet information, which we ask for alone and which so is the first control message.
///
/// SAFETY: `header.msg_control` must be null or point to `msg_controllen` live octets.
unsafe fn information(header: *const msghdr) -> Option<Information> {
    // SAFETY: by the caller; CMSG_FIRSTHDR is null when no whole control header fits, and its
    // `cmsg_len` is checked before the data behind it is pointed at.
    unsafe {
        let control: *mut cmsghdr = libc::CMSG_FIRSTHDR(header);
        if control.is_null() {
            return None;
        }
        let holds =
            |size: usize| (*control).cmsg_len as usize >= libc::CMSG_LEN(size as _) as usize;
        match ((*control).cmsg_level, (*control).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if holds(size_of::<in_pktinfo>()) => {
                Some(Information::V4(libc::CMSG_DATA(control).cast()))
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if holds(size_of::<in6_pktinfo>()) => {
                Some(Information::V6(libc::CMSG_DATA(control).cast()))
            }
            _ => None,
        }
    }
}

/// The address a datagram was sent to.
#[inline(never)]
fn local(header: &msghdr) -> Option<IpAddr> {
    // SAFETY: the header was filled by the kernel and points to its own control buffer.
    unsafe {
        match information(header)? {
            Information::V4(info) => {
                let address = info.read_unaligned().ipi_spec_dst.s_addr;
                Some(Ipv4Addr::from(address.to_ne_bytes()).into())
            }
            Information::V6(info) => {
                Some(Ipv6Addr::from(info.read_unaligned().ipi6_addr.s6_addr).into())
            }
        }
    }
}

/// Lets a reply leave from where its query was sent to, as what came with that says.
///
/// SAFETY: `from` must be a header that the kernel filled, `to` one of a reply.
#[inline(never)]
unsafe fn leave_from(from: &msghdr, to: *mut msghdr) {
    let usable = from.msg_flags & libc::MSG_CTRUNC == 0;
    // SAFETY: by the caller.
    unsafe {
        (*to).msg_control = if usable { from.msg_control } else { null_mut() };
        (*to).msg_controllen = if usable { from.msg_controllen } else { 0 };
        free_interface(to);
    }
}

/// Lets routing choose the interface of a reply: it need not be the one the query came in by.
/// Only a link-local source address means nothing without its interface.
///
/// SAFETY: as for [`information`].
unsafe fn free_interface(header: *const msghdr) {
    // SAFETY: by the caller; `information` points inside the control data.
    unsafe {
        match information(header) {
            Some(Information::V4(info)) => (&raw mut (*info).ipi_ifindex).write_unaligned(0),
            Some(Information::V6(info)) => {
                let address = Ipv6Addr::from(info.read_unaligned().ipi6_addr.s6_addr);
                if !address.is_unicast_link_local() {
                    (&raw mut (*info).ipi6_ifindex).write_unaligned(0);
                }
            }
            None => {}
        }
    }
}

/// What a call returned: a count or a negated error number, which is small. Looked into where it
/// is not what was hoped for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Returned(isize);

impl Returned {
    #[inline(always)]
    fn count(self) -> io::Result<usize> {
        usize::try_from(self.0).map_err(|_| io::Error::from_raw_os_error(-self.0 as i32))
    }
}

/// Goes on with the replies whose `queued` headers stand at `headers`, after a first call that did not
/// take them all; says how many the kernel took.
///
/// SAFETY: as for [`call`].
#[cold]
unsafe fn send_piecemeal(
    fd: RawFd,
    headers: *mut mmsghdr,
    queued: usize,
    mut returned: Returned,
) -> usize {
    let (mut next, mut sent) = (0, 0);
    loop {
        match returned.count() {
            Ok(count) => {
                next += count;
                sent += count;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return sent,
                _ => next += 1,
            },
        }
        if next >= queued {
            return sent;
        }
        // SAFETY: by the caller; `next` is under `queued`.
        returned = unsafe { call(libc::SYS_sendmmsg, fd, headers.add(next), queued - next, 0) };
    }
}

/// `recvmmsg(2)` without a timeout, or `sendmmsg(2)`: how many of the `count` messages whose headers
/// stand at `headers` were received or sent.
///
/// SAFETY: the headers must be valid for the call, and everything they point to.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn call(
    number: c_long,
    fd: RawFd,
    headers: *mut mmsghdr,
    count: usize,
    flags: c_int,
) -> Returned {
    let result: isize;
    // SAFETY: the call reads and writes the headers and what they point to, which is the caller's
    // to allow, and no other memory of this program; besides the result it changes the two
    // registers named here.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") fd as isize,
            in("rsi") headers,
            in("rdx") count,
            in("r10") flags as isize,
            in("r8") 0_isize,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    Returned(result)
}

/// The same for other processors, by the C library.
///
/// SAFETY: the same.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn call(
    number: c_long,
    fd: RawFd,
    headers: *mut mmsghdr,
    count: usize,
    flags: c_int,
) -> Returned {
    // SAFETY: by the caller.
    let result = unsafe {
        libc::syscall(
            number,
            c_long::from(fd),
            headers,
            count as c_long,
            c_long::from(flags),
            null_mut::<libc::timespec>(),
        )
    };
    match usize::try_from(result) {
        Ok(_) => Returned(result as isize),
        Err(_) => Returned(-(io::Error::last_os_error().raw_os_error().unwrap_or(0) as isize)),
    }
}

/// Asks the kernel to say with each datagram which address it was sent to (RFC 3542 section 6;
/// `ip(7)`).
///
/// For wildcards alone: with it an answer takes 0.11 µs more of CPU time over IPv4 (2.6 %) and 0.36
/// over IPv6 (8 %) than on a socket for the address, which needs none of it.
pub fn want_packet_information(socket: &impl AsRawFd, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => set(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        IpAddr::V6(_) => set(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Makes a socket deaf to path MTU news.
///
/// A forged "fragmentation needed" would make the kernel send answers in small fragments, and
/// the second fragment is where a cache is poisoned: so it does over IPv4 as the system has it (WANT)
/// and with DONT, and with DO it sends no answer. Over IPv6 one fits the minimum MTU, whatever is
/// forged; `IPV6_MTU` says so again.
///
/// With PROBE it goes by no such message, but believes it for the sockets of others. With OMIT and
/// INTERFACE it does not, and with OMIT an answer leaves even by an interface that is too narrow for
/// it. Cost does not decide: against OMIT an answer takes 1.4 % more CPU time over IPv4 with WANT and
/// 2.2 % less with PROBE; over IPv6 1.6 % more, and the same. `docs/performance.md` has it all.
pub fn ignore_path_mtu(socket: &impl AsRawFd, address: IpAddr) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    match address {
        IpAddr::V4(_) => set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
        IpAddr::V6(_) => {
            let level = libc::IPPROTO_IPV6;
            set(fd, level, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)?;
            set(fd, level, libc::IPV6_MTU, 1280)
        }
    }
}

fn set(fd: RawFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as socklen_t;
    // SAFETY: `value` is a live integer of the length given.
    match unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Batch {
    /// As if the first datagram had come from port 0.
    fn forget_first_port(&mut self) {
        // SAFETY: the kernel is done with the batch; the port stands at the same place for both
        // families.
        unsafe { (*self.memory.as_ptr()).peers[0].v4.sin_port = 0 };
    }

    /// Room for the control messages of the first datagram. Its type differs between C libraries.
    fn first_control_room(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        // SAFETY: the kernel is done with the batch.
        unsafe { (*self.memory.as_ptr()).received[0].msg_hdr.msg_controllen }
    }
}
