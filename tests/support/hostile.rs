//! A small server that fails in every way a server can fail.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What the server does with each connection.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Reads the request, sends this, closes.
    Reply(Vec<u8>),
    /// Reads the request, sends this, and is silent until the client goes.
    ReplyThenHang(Vec<u8>),
    /// Reads the request, sends this, and resets the connection.
    ReplyThenReset(Vec<u8>),
    /// Reads the request, sends the first part, then the second over and over, so often.
    ReplyThenRepeat(Vec<u8>, Vec<u8>, Duration),
    /// Sends this before it is asked, and is silent then.
    Greet(Vec<u8>),
    /// Accepts and says nothing.
    Hang,
    /// Accepts and closes.
    Close,
    /// Speaks HTTP/2 from the start, and answers 200 to everything.
    Http2,
}

impl Behaviour {
    /// A response with the length of its body.
    pub fn status(status: u16, body: &str) -> Behaviour {
        Behaviour::with_headers(status, "", body)
    }

    /// A response with headers, each ending in CRLF.
    pub fn with_headers(status: u16, headers: &str, body: &str) -> Behaviour {
        let length = body.len();
        Behaviour::Reply(
            format!("HTTP/1.1 {status} So\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
                .into_bytes(),
        )
    }

    /// 200.
    pub fn good() -> Behaviour {
        Behaviour::status(200, "ok")
    }
}

/// A server on a loopback port of its own; it ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    tls: Option<TlsAcceptor>,
    requests: Mutex<Vec<String>>,
    names: Mutex<Vec<Option<String>>>,
    full_handshakes: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Server {
    /// A server in clear text.
    pub async fn start(behaviour: Behaviour) -> Server {
        Server::serve("127.0.0.1:0", behaviour, None).await
    }

    /// A server in clear text on an address of the loopback network.
    pub async fn start_on(address: &str, behaviour: Behaviour) -> Server {
        Server::serve(address, behaviour, None).await
    }

    /// A server over TLS.
    pub async fn start_tls(behaviour: Behaviour, config: ServerConfig) -> Server {
        Server::serve("127.0.0.1:0", behaviour, Some(Arc::new(config).into())).await
    }

    async fn serve(address: &str, behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_loopback());
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            tls,
            requests: Mutex::default(),
            names: Mutex::default(),
            full_handshakes: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Server { address, shared, task }
    }

    /// Behaves otherwise from the next connection on.
    pub fn now(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The names TLS clients asked for (SNI) so far.
    pub fn names(&self) -> Vec<Option<String>> {
        self.shared.names.lock().unwrap().clone()
    }

    /// TLS handshakes in which a certificate was shown.
    pub fn full_handshakes(&self) -> usize {
        self.shared.full_handshakes.load(SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    /// The most connections that were open at the same time.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(SeqCst)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address of the loopback network where a port is taken but nobody listens.
pub struct Refusing {
    pub address: SocketAddr,
    _socket: TcpSocket,
}

impl Refusing {
    pub fn new() -> Refusing {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Refusing { address: socket.local_addr().unwrap(), _socket: socket }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let open = Open::new(&shared);
                connections.spawn(async move {
                    // What goes wrong here is the client's to see.
                    let _ = connection(stream, &open.0).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts a connection while it is open.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Open {
        shared.accepted.fetch_add(1, SeqCst);
        let now = shared.open.fetch_add(1, SeqCst) + 1;
        shared.most_open.fetch_max(now, SeqCst);
        Open(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

async fn connection(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let behaviour = shared.behaviour.lock().unwrap().clone();
    if let Behaviour::ReplyThenReset(_) = behaviour {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    match &shared.tls {
        Some(tls) if !matches!(behaviour, Behaviour::Hang | Behaviour::Close) => {
            let stream = tls.accept(stream).await?;
            let (_, session) = stream.get_ref();
            shared.names.lock().unwrap().push(session.server_name().map(str::to_owned));
            if session.handshake_kind() != Some(rustls::HandshakeKind::Resumed) {
                shared.full_handshakes.fetch_add(1, SeqCst);
            }
            if session.alpn_protocol() == Some(b"h2") {
                return http2(stream, shared).await.map_err(io::Error::other);
            }
            behave(stream, behaviour, shared).await
        }
        _ => behave(stream, behaviour, shared).await,
    }
}

async fn behave(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: Behaviour,
    shared: &Shared,
) -> io::Result<()> {
    match behaviour {
        Behaviour::Close => {}
        Behaviour::Http2 => http2(stream, shared).await.map_err(io::Error::other)?,
        Behaviour::Hang => hang(&mut stream).await?,
        Behaviour::Greet(greeting) => {
            stream.write_all(&greeting).await?;
            hang(&mut stream).await?;
        }
        Behaviour::Reply(reply) => {
            request(&mut stream, shared).await?;
            stream.write_all(&reply).await?;
            stream.shutdown().await?;
            hang(&mut stream).await?;
        }
        Behaviour::ReplyThenHang(reply) => {
            request(&mut stream, shared).await?;
            stream.write_all(&reply).await?;
            stream.flush().await?;
            hang(&mut stream).await?;
        }
        Behaviour::ReplyThenReset(reply) => {
            request(&mut stream, shared).await?;
            stream.write_all(&reply).await?;
        }
        Behaviour::ReplyThenRepeat(reply, again, pause) => {
            request(&mut stream, shared).await?;
            stream.write_all(&reply).await?;
            loop {
                stream.write_all(&again).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    Ok(())
}

/// Reads a request's head and notes it.
async fn request(stream: &mut (impl AsyncRead + Unpin), shared: &Shared) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    shared.requests.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    Ok(())
}

/// Waits until the client has closed.
async fn hang(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// Answers every request over HTTP/2 with 200 and `ok`.
async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let seen = format!("{} {} {:?}", request.method(), request.uri(), request.version());
        shared.requests.lock().unwrap().push(seen);
        let mut body = respond.send_response(axum::http::Response::new(()), false)?;
        body.send_data("ok".into(), true)?;
    }
    Ok(())
}
