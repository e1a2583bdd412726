//! One keep-alive connection: sends a request, reads the whole answer, reopens when closed.
//!
//! Promises: a request that reached the wire is never sent twice; one that did not (the server
//! closed between two requests) is sent once more on a new connection. Every failure has exactly
//! one class. Content is counted and dropped, so an answer of any size takes no memory.
//!
//! Does not: keep time; a caller that gives up on an exchange calls [`Connection::close`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::target::Origin;

/// A connection to one origin; closed at first.
#[derive(Debug)]
pub(crate) struct Connection {
    origin: Origin,
    /// Where it comes from, if that is not left to the system.
    source: Option<Ipv4Addr>,
    sender: Option<SendRequest<Empty<Bytes>>>,
    /// The task that moves the bytes; ends with this struct.
    driver: JoinSet<()>,
    opened: u64,
}

/// What an answer leaves behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) bytes: u64,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("not HTTP/1.1 as it should be")]
    Protocol(#[source] hyper::Error),
    #[error("closed before the answer was complete")]
    Closed(#[source] hyper::Error),
}

impl Connection {
    pub(crate) fn new(origin: Origin) -> Self {
        Self::coming_from(None, origin)
    }

    pub(crate) fn coming_from(source: Option<Ipv4Addr>, origin: Origin) -> Self {
        Self {
            origin,
            source,
            sender: None,
            driver: JoinSet::new(),
            opened: 0,
        }
    }

    /// Connects, in place of an earlier connection if there was one.
    pub(crate) async fn open(&mut self) -> Result<(), ExchangeError> {
        self.close();
        let stream = self.connect().await.map_err(ExchangeError::Connect)?;
        stream.set_nodelay(true).map_err(ExchangeError::Connect)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ExchangeError::from_hyper)?;
        // An error of the driver reaches the request in flight; an idle end needs no report.
        self.driver.spawn(async move { drop(driver.await) });
        self.sender = Some(sender);
        self.opened = self.opened.saturating_add(1);
        Ok(())
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.origin.addresses().first().copied();
        let (Some(source), Some(address @ SocketAddr::V4(_))) = (self.source, first) else {
            return TcpStream::connect(self.origin.addresses()).await;
        };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        socket.connect(address).await
    }

    /// Drops the connection, whatever it is doing.
    pub(crate) fn close(&mut self) {
        self.sender = None;
        self.driver = JoinSet::new();
    }

    /// Sends `request` and reads the answer to its end.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<Empty<Bytes>>,
    ) -> Result<Answer, ExchangeError> {
        let (head, mut body) = self.begin(request).await?.into_parts();
        let mut bytes: u64 = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(ExchangeError::from_hyper)?;
            let length = frame.data_ref().map_or(0, Buf::remaining);
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(Answer {
            status: head.status,
            bytes,
        })
    }

    /// Sends `request`, and hands back its answer while that arrives. The connection is in use until it is whole.
    pub(crate) async fn begin(
        &mut self,
        request: &Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        if let Some(answer) = self.try_send(request).await? {
            return Ok(answer);
        }
        self.open().await?;
        let sender = self.sender.as_mut();
        match sender.map(|sender| sender.send_request(request.clone())) {
            Some(sent) => sent.await.map_err(ExchangeError::from_hyper),
            // `open` has just set it.
            None => Err(ExchangeError::Connect(io::ErrorKind::NotConnected.into())),
        }
    }

    /// `None` when nothing of the request was sent, because there is no open connection.
    async fn try_send(
        &mut self,
        request: &Request<Empty<Bytes>>,
    ) -> Result<Option<Response<Incoming>>, ExchangeError> {
        let Some(sender) = self.sender.as_mut() else {
            return Ok(None);
        };
        // Waits until the end of the last answer is known: then it is either free or closed.
        if sender.ready().await.is_err() {
            return Ok(None);
        }
        match sender.try_send_request(request.clone()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.message().is_some() => Ok(None),
            Err(error) => Err(ExchangeError::from_hyper(error.into_error())),
        }
    }

    /// How often a connection was opened again after the first time.
    pub(crate) fn reconnects(&self) -> u64 {
        self.opened.saturating_sub(1)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|sender| !sender.is_closed())
    }
}

impl ExchangeError {
    fn from_hyper(error: hyper::Error) -> Self {
        // A reset arrives as an I/O error below hyper's own.
        let io =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<io::Error>);
        if io || error.is_closed() || error.is_canceled() || error.is_incomplete_message() {
            Self::Closed(error)
        } else {
            Self::Protocol(error)
        }
    }
}
