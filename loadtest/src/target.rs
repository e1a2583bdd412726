//! A parsed target: where requests go and what their start line and `Host` say.
//!
//! Promises: the name is resolved once, before the run; under [`Reach::LoopbackOnly`] every
//! address it resolved to is a loopback address, and the connections go to exactly these.
//!
//! Does not: connect, or speak anything but plain `http`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use thiserror::Error;

/// One URL of the load.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    origin: Origin,
    host: HeaderValue,
    path: PathAndQuery,
}

/// How far the load may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine: a typing error must not send load to someone else's service.
    LoopbackOnly,
    /// Any address; the caller answers for it.
    Anywhere,
}

/// Why a URL is not a target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("{url}: not an absolute URL")]
    Syntax {
        /// The URL as given.
        url: String,
        /// What the parser says, where it says more.
        #[source]
        source: Option<http::Error>,
    },
    /// Not plain `http`.
    #[error("{0}: only http:// is spoken")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("{0}: credentials in a URL are not sent; use --header")]
    Credentials(String),
    /// The name has no address.
    #[error("{url}: the host has no address")]
    Unresolved {
        /// The URL as given.
        url: String,
        /// What the resolver says, where it says more.
        #[source]
        source: Option<io::Error>,
    },
    /// An address outside this machine, under [`Reach::LoopbackOnly`].
    #[error("{url}: {address} is not a loopback address (--allow-remote permits it)")]
    Remote {
        /// The URL as given.
        url: String,
        /// The offending address.
        address: SocketAddr,
    },
}

impl Target {
    /// Parses `url`, resolves its host, and holds the result against `reach`.
    ///
    /// # Errors
    ///
    /// One [`TargetError`] per way in which the URL is no target.
    pub async fn resolve(url: &str, reach: Reach) -> Result<Self, TargetError> {
        let syntax = |source| TargetError::Syntax {
            url: url.to_owned(),
            source,
        };
        let uri: Uri = url
            .parse()
            .map_err(|error| syntax(Some(http::Error::from(error))))?;
        let authority = uri.authority().ok_or_else(|| syntax(None))?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(TargetError::Scheme(url.to_owned()));
        }
        if authority.as_str().contains('@') {
            return Err(TargetError::Credentials(url.to_owned()));
        }
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|error| syntax(Some(http::Error::from(error))))?;
        let path = uri
            .path_and_query()
            .cloned()
            .unwrap_or(PathAndQuery::from_static("/"));
        let name = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let origin = Origin::resolve(url, name, authority.port_u16().unwrap_or(80)).await?;
        match reach {
            Reach::Anywhere => {}
            Reach::LoopbackOnly => origin.require_loopback(url)?,
        }
        Ok(Self {
            url: url.to_owned(),
            origin,
            host,
            path,
        })
    }

    /// The URL as given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        &self.path
    }
}

/// The addresses of one host and port, in the resolver's order. Never empty.
///
/// Two targets with equal origins share connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin(Arc<[SocketAddr]>);

impl Origin {
    async fn resolve(url: &str, name: &str, port: u16) -> Result<Self, TargetError> {
        let unresolved = |source| TargetError::Unresolved {
            url: url.to_owned(),
            source,
        };
        let addresses: Arc<[SocketAddr]> = tokio::net::lookup_host((name, port))
            .await
            .map_err(|error| unresolved(Some(error)))?
            .collect();
        if addresses.is_empty() {
            return Err(unresolved(None));
        }
        Ok(Self(addresses))
    }

    fn require_loopback(&self, url: &str) -> Result<(), TargetError> {
        // to_canonical: ::ffff:192.0.2.1 is remote, ::ffff:127.0.0.1 is not.
        let remote = self
            .0
            .iter()
            .find(|address| !address.ip().to_canonical().is_loopback());
        match remote {
            None => Ok(()),
            Some(address) => Err(TargetError::Remote {
                url: url.to_owned(),
                address: *address,
            }),
        }
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_allowed() {
        for url in [
            "http://127.0.0.1:81/a?b=c",
            "http://[::1]/",
            "http://localhost:81",
        ] {
            Target::resolve(url, Reach::LoopbackOnly).await.expect(url);
        }
    }

    #[tokio::test]
    async fn remote_is_refused_unless_allowed() {
        for url in [
            "http://192.0.2.1/",
            "http://[2001:db8::1]:80/",
            "http://[::ffff:192.0.2.1]/",
        ] {
            let refused = Target::resolve(url, Reach::LoopbackOnly).await;
            assert!(
                matches!(refused, Err(TargetError::Remote { .. })),
                "{url}: {refused:?}"
            );
            Target::resolve(url, Reach::Anywhere).await.expect(url);
        }
    }

    #[tokio::test]
    async fn what_is_no_target_is_refused() {
        for url in [
            "/path",
            "127.0.0.1",
            "https://127.0.0.1/",
            "http://a:b@127.0.0.1/",
            "http://",
        ] {
            assert!(
                Target::resolve(url, Reach::Anywhere).await.is_err(),
                "{url}"
            );
        }
    }

    #[tokio::test]
    async fn the_request_gets_path_query_and_host() {
        let target = Target::resolve("http://127.0.0.1:81/a?b=c", Reach::LoopbackOnly).await;
        let target = target.expect("a target");
        assert_eq!(
            (target.path().as_str(), target.host().as_bytes()),
            ("/a?b=c", &b"127.0.0.1:81"[..])
        );
    }
}
