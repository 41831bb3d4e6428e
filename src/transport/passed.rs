//! Sockets that whoever started the process had opened before it: socket activation.
//!
//! Knows which they are and whose addresses they have. They live on without the process, so what
//! arrives while one program takes the place of another waits in the kernel. For this they must
//! never be shut down: that would reach whoever holds them next.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;

/// Sockets that were passed and that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Passed {
    udp: Vec<(SocketAddr, UdpSocket)>,
    tcp: Vec<(SocketAddr, TcpListener)>,
    /// What is wrong with the others.
    unusable: Vec<io::Error>,
}

/// A socket that was passed for nothing.
#[derive(Debug)]
pub enum Idle {
    /// It is for UDP, and nothing is to listen on its address.
    Udp(SocketAddr),
    /// The same for TCP.
    Tcp(SocketAddr),
    /// It is neither.
    Unusable(io::Error),
}

impl Passed {
    /// Those that `LISTEN_FDS` speaks of (`sd_listen_fds(3)`). To be called once, before there
    /// are threads: it takes the variable out of the environment.
    pub fn from_environment() -> Passed {
        let mut all = ListenFd::from_env();
        let mut passed = Passed::default();
        for index in 0..all.len() {
            if let Err(error) = passed.sort_in(&mut all, index) {
                passed.unusable.push(error);
            }
        }
        passed
    }

    fn sort_in(&mut self, all: &mut ListenFd, index: usize) -> io::Result<()> {
        if let Ok(Some(socket)) = all.take_udp_socket(index) {
            self.udp.push((socket.local_addr()?, socket));
        } else if let Some(socket) = all.take_tcp_listener(index)? {
            socket.set_nonblocking(true)?;
            self.tcp.push((socket.local_addr()?, socket));
        }
        Ok(())
    }

    /// Those for UDP on this address: none, or one or more that share it.
    pub(super) fn udp(&mut self, address: SocketAddr) -> Vec<UdpSocket> {
        self.udp.extract_if(.., |(own, _)| *own == address).map(|(_, socket)| socket).collect()
    }

    /// The one for TCP on this address.
    pub(super) fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.tcp.iter().position(|(own, _)| *own == address)?;
        Some(self.tcp.swap_remove(index).1)
    }

    /// What is left.
    pub(super) fn into_idle(self) -> Vec<Idle> {
        let udp = self.udp.into_iter().map(|(address, _)| Idle::Udp(address));
        let tcp = self.tcp.into_iter().map(|(address, _)| Idle::Tcp(address));
        udp.chain(tcp).chain(self.unusable.into_iter().map(Idle::Unusable)).collect()
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, address) = match self {
            Idle::Udp(address) => ("UDP", address),
            Idle::Tcp(address) => ("TCP", address),
            Idle::Unusable(error) => {
                return write!(f, "a socket was passed that cannot be used: {error}");
            }
        };
        write!(
            f,
            "a socket for {address} ({protocol}) was passed, and nobody answers on it: name the \
             address in the configuration, or take it out of the socket unit"
        )
    }
}
