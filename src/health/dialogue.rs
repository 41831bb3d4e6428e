//! One question to a name server and its answer, over UDP or TCP (RFC 7766), as octets.
//!
//! Knows sockets, and nothing of what is asked. For how long it waits is its caller's to say.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Sends a datagram and waits for one that `read` makes something of; it gives `None` for what is
/// not the answer.
///
/// # Errors
///
/// The system's; `ConnectionRefused` where nobody listens.
pub async fn over_udp<T>(
    server: SocketAddr,
    message: &[u8],
    mut read: impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<T> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A port of its own for each question, and connected: nobody else's datagrams come in, and a
    // refusal does.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut octets = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut octets).await?;
        if let Some(answer) = read(&octets[..length]) {
            return Ok(answer);
        }
    }
}

/// Sends a message on a connection of its own and takes the one that comes back.
///
/// # Errors
///
/// The system's; `InvalidInput` when the message is longer than a length can say.
pub async fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(server).await?;
    // In one segment, as RFC 7766 section 8 wants it.
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
