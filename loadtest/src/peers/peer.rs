//! Who is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A program, configured for one kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// A decision for every request, and everything that is told by default.
    Sidegate,
    /// The same, and a line in the access log for every request.
    SidegateEveryLine,
    /// Pingora that passes everything on.
    BarePingora,
    /// Passes everything on.
    Nginx,
    /// Asks a trivial server about every request.
    NginxAuthRequest,
    /// Passes everything on.
    Haproxy,
    /// Verifies the token of every request.
    HaproxyJwt,
    /// Passes everything on.
    Envoy,
    /// Verifies tokens, each once.
    EnvoyJwt,
    /// The same, and asks a trivial server about every request.
    EnvoyExtAuthz,
}

/// Not the name of a peer.
#[derive(Debug, Error)]
#[error("not one of {}", Peer::ALL.map(Peer::name).join(", "))]
pub struct NoSuchPeer;

/// What has to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Sidegate,
    BarePingora,
    Nginx,
    Haproxy,
    Envoy,
}

impl Peer {
    /// Everybody.
    pub const ALL: [Self; 10] = [
        Self::Sidegate,
        Self::SidegateEveryLine,
        Self::BarePingora,
        Self::Nginx,
        Self::NginxAuthRequest,
        Self::Haproxy,
        Self::HaproxyJwt,
        Self::Envoy,
        Self::EnvoyJwt,
        Self::EnvoyExtAuthz,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sidegate => "sidegate",
            Self::SidegateEveryLine => "sidegate-every-line",
            Self::BarePingora => "bare-pingora",
            Self::Nginx => "nginx",
            Self::NginxAuthRequest => "nginx-auth-request",
            Self::Haproxy => "haproxy",
            Self::HaproxyJwt => "haproxy-jwt",
            Self::Envoy => "envoy",
            Self::EnvoyJwt => "envoy-jwt",
            Self::EnvoyExtAuthz => "envoy-jwt-ext-authz",
        }
    }

    /// What it does with a request.
    #[must_use]
    pub const fn work(self) -> &'static str {
        match self {
            Self::Sidegate => "decides, tells who it is; log of one in a hundred",
            Self::SidegateEveryLine => "the same; every line of the log",
            Self::BarePingora | Self::Nginx | Self::Haproxy | Self::Envoy => "passes it on",
            Self::NginxAuthRequest => "asks a trivial server",
            Self::HaproxyJwt => "verifies the token",
            Self::EnvoyJwt => "verifies the token, once",
            Self::EnvoyExtAuthz => "verifies the token, once; asks a trivial server",
        }
    }

    /// Whether it refuses what has no good token.
    #[must_use]
    pub const fn refuses(self) -> bool {
        match self {
            Self::BarePingora | Self::Nginx | Self::Haproxy | Self::Envoy => false,
            Self::Sidegate
            | Self::SidegateEveryLine
            | Self::NginxAuthRequest
            | Self::HaproxyJwt
            | Self::EnvoyJwt
            | Self::EnvoyExtAuthz => true,
        }
    }

    /// Whether it asks the trivial server.
    pub(super) const fn asks(self) -> bool {
        match self {
            Self::NginxAuthRequest | Self::EnvoyExtAuthz => true,
            Self::Sidegate
            | Self::SidegateEveryLine
            | Self::BarePingora
            | Self::Nginx
            | Self::Haproxy
            | Self::HaproxyJwt
            | Self::Envoy
            | Self::EnvoyJwt => false,
        }
    }

    pub(super) const fn program(self) -> Program {
        match self {
            Self::Sidegate | Self::SidegateEveryLine => Program::Sidegate,
            Self::BarePingora => Program::BarePingora,
            Self::Nginx | Self::NginxAuthRequest => Program::Nginx,
            Self::Haproxy | Self::HaproxyJwt => Program::Haproxy,
            Self::Envoy | Self::EnvoyJwt | Self::EnvoyExtAuthz => Program::Envoy,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Peer {
    type Err = NoSuchPeer;

    fn from_str(text: &str) -> Result<Self, NoSuchPeer> {
        let found = Self::ALL.into_iter().find(|peer| peer.name() == text);
        found.ok_or(NoSuchPeer)
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
