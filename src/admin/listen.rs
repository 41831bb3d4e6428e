//! The control socket and the TCP address: bound early, served by a thread of their own.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use axum::Router;
use tokio::sync::watch;

use super::access::Peer;
use super::api::{self, Office};
use super::history::History;
use super::line::Line;
use super::metrics::Counts;

/// Sockets that are bound and not yet served from. What arrives meanwhile waits in the kernel.
#[derive(Debug)]
pub struct Bound {
    socket: Option<(UnixListener, PathBuf)>,
    tcp: Option<TcpListener>,
    address: Option<SocketAddr>,
}

/// The API could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server listens on the socket.
    #[error("{} is in use: another server runs with this state; stop it, or give this one \
             another `socket` in [admin]", .0.display())]
    SocketInUse(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen on {}: {cause}; set `socket` in [admin]", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics and control: {cause}; set `listen` in \
             [admin] to another address, or to \"\""
    )]
    Address {
        /// Which.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The thread that serves could not be started.
    #[error("cannot start the thread of the control API: {0}")]
    Thread(io::Error),
}

impl Bound {
    /// Binds the Unix socket and the TCP address, as far as they are wanted. Only its owner may
    /// open the socket. One that a server left behind which is gone is replaced.
    ///
    /// # Errors
    ///
    /// When another server listens there, or the kernel refuses.
    pub fn bind(socket: Option<&Path>, listen: Option<SocketAddr>) -> Result<Bound, OpenError> {
        let tcp = match listen {
            Some(address) => Some(
                TcpListener::bind(address)
                    .and_then(|tcp| tcp.set_nonblocking(true).map(|()| tcp))
                    .map_err(|cause| OpenError::Address { address, cause })?,
            ),
            None => None,
        };
        let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let socket = match socket {
            Some(path) => Some((bind_socket(path)?, path.to_owned())),
            None => None,
        };
        Ok(Bound { socket, tcp, address })
    }

    /// The TCP address with its actual port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The path of the control socket.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(|(_, path)| path.as_path())
    }

    /// Begins to answer. What needs the server is refused until [`Running::open`].
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(
        self,
        history: Arc<History>,
        token_file: Option<PathBuf>,
    ) -> Result<Running, OpenError> {
        let office = Arc::new(Office::new(history, token_file));
        let router = api::router(Arc::clone(&office));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let socket = self.socket.as_ref().map(|(_, path)| path.clone());
        let address = self.address;
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve(self, router, stopped)) {
                    tracing::error!("the control API ends: {error}");
                }
                // A request may wait for an answer of the server.
                runtime.shutdown_background();
            })
            .map_err(OpenError::Thread)?;
        Ok(Running { office, socket, address, stop, thread: Some(thread) })
    }
}

/// The API at work, until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    office: Arc<Office>,
    socket: Option<PathBuf>,
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// From now on the server is ready, and answers through `line`.
    pub fn open(&self, line: Line, counts: impl Fn() -> Counts + Send + Sync + 'static) {
        self.office.open(line, Box::new(counts));
    }

    /// The TCP address with its actual port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The path of the control socket.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Ends it; connections are closed.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop.send_replace(true);
        // An error would be a panic of the thread; there is no one left to hand it to.
        let _ = thread.join();
        if let Some(socket) = &self.socket {
            // Left behind it would do no harm: the next server replaces it.
            let _ = fs::remove_file(socket);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(bound: Bound, router: Router, stop: watch::Receiver<bool>) -> io::Result<()> {
    let on_socket = async {
        let Some((socket, _)) = bound.socket else { return std::future::pending().await };
        let socket = tokio::net::UnixListener::from_std(socket)?;
        let service = router.clone().into_make_service_with_connect_info::<Peer>();
        axum::serve(socket, service).await
    };
    let on_tcp = async {
        let Some(tcp) = bound.tcp else { return std::future::pending().await };
        let tcp = tokio::net::TcpListener::from_std(tcp)?;
        let service = router.clone().into_make_service_with_connect_info::<Peer>();
        axum::serve(tcp, service).await
    };
    let mut stop = stop;
    tokio::select! {
        done = on_socket => done,
        done = on_tcp => done,
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    }
}

/// Binds beside `path` and moves the socket there, so that it never has other permissions than
/// its own.
fn bind_socket(path: &Path) -> Result<UnixListener, OpenError> {
    let failed = |cause| OpenError::Socket { path: path.to_owned(), cause };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            let cause =
                io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of this name");
            return Err(failed(cause));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(OpenError::SocketInUse(path.to_owned()));
        }
        _ => {}
    }
    let new = path.with_extension("sock.new");
    let bound = || -> io::Result<UnixListener> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixListener::bind(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
        fs::rename(&new, path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    bound().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_may_open_the_socket_and_a_stale_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/meridian.sock");
        let first = Bound::bind(Some(&path), None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = Bound::bind(Some(&path), None).unwrap_err();
        assert!(matches!(error, OpenError::SocketInUse(_)), "{error}");
        // As after a kill: the file stays, nobody listens.
        drop(first);
        assert!(path.exists());
        Bound::bind(Some(&path), None).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "text").unwrap();
        let error = Bound::bind(Some(&path), None).unwrap_err();
        assert!(error.to_string().contains("a file of this name"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }
}
