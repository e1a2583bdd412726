//! Listening sockets, bound before anything runs.
//!
//! Promise: a port in use, or an address that is not ours, is one clear error at start; port 0
//! gives a free port whose number is known before the first request; Pingora serves the socket
//! that was bound here and hands it on in a graceful upgrade like any of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;

/// A bound socket.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{what}: cannot listen on {address}: {}", reason(source))]
pub struct BindError {
    /// Which listener.
    what: &'static str,
    /// The address.
    address: SocketAddr,
    /// Why.
    source: io::Error,
}

fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        "the port is in use by another process".to_owned()
    } else {
        error.to_string()
    }
}

impl Bound {
    /// Binds an address.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(what: &'static str, address: SocketAddr) -> Result<Self, BindError> {
        let bound = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound().map_err(|source| BindError {
            what,
            address,
            source,
        })
    }

    /// The address, with the port that was given.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket.
    #[must_use]
    pub fn into_listener(self) -> TcpListener {
        self.listener
    }

    /// A Pingora service that serves this socket. `service` must listen on [`Bound::address`].
    #[must_use]
    pub fn adopt<S: Service>(self, service: S) -> Adopted<S> {
        Adopted {
            service,
            bound: Some(self),
        }
    }
}

/// A service with a socket that was bound before it.
#[derive(Debug)]
pub struct Adopted<S> {
    service: S,
    bound: Option<Bound>,
}

#[async_trait]
impl<S: Service> Service for Adopted<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        if let (Some(fds), Some(bound)) = (&fds, self.bound.take()) {
            let mut table = fds.lock();
            let address = bound.address.to_string();
            // A socket inherited in a graceful upgrade comes first; ours is closed then.
            if table.get(&address).is_none() {
                table.add(address, bound.listener.into_raw_fd());
            }
        }
        self.service
            .start_service(fds, shutdown, listeners_per_fd)
            .await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
