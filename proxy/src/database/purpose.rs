//! What connections are for: six purposes, so that one kind of work cannot starve another.

/// What a connection is for. Each purpose has a pool of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Questions about a resource.
    Authorization,
    /// Questions about a subject alone.
    Authentication,
    /// Looking up service keys.
    ServiceKeys,
    /// Filling caches at start.
    WarmUp,
    /// Reading what changed. Past a pooler, where `feed_url` says so.
    ChangeFeed,
    /// The log's clean-up, and whatever else no request waits for.
    Maintenance,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::Authorization,
        Self::Authentication,
        Self::ServiceKeys,
        Self::WarmUp,
        Self::ChangeFeed,
        Self::Maintenance,
    ];

    /// The name used in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Authentication => "authentication",
            Self::ServiceKeys => "service_keys",
            Self::WarmUp => "warm_up",
            Self::ChangeFeed => "change_feed",
            Self::Maintenance => "maintenance",
        }
    }

    /// Whether a request waits for the answer, so that the short time-outs count.
    #[must_use]
    pub const fn is_for_requests(self) -> bool {
        match self {
            Self::Authorization | Self::Authentication | Self::ServiceKeys => true,
            Self::WarmUp | Self::ChangeFeed | Self::Maintenance => false,
        }
    }
}

/// One thing for each purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PerPurpose<T> {
    authorization: T,
    authentication: T,
    service_keys: T,
    warm_up: T,
    change_feed: T,
    maintenance: T,
}

impl<T> PerPurpose<T> {
    /// Makes them, in order, until one cannot be made.
    pub(super) fn try_new<E>(mut make: impl FnMut(Purpose) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            authorization: make(Purpose::Authorization)?,
            authentication: make(Purpose::Authentication)?,
            service_keys: make(Purpose::ServiceKeys)?,
            warm_up: make(Purpose::WarmUp)?,
            change_feed: make(Purpose::ChangeFeed)?,
            maintenance: make(Purpose::Maintenance)?,
        })
    }

    pub(super) const fn of(&self, purpose: Purpose) -> &T {
        match purpose {
            Purpose::Authorization => &self.authorization,
            Purpose::Authentication => &self.authentication,
            Purpose::ServiceKeys => &self.service_keys,
            Purpose::WarmUp => &self.warm_up,
            Purpose::ChangeFeed => &self.change_feed,
            Purpose::Maintenance => &self.maintenance,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Purpose, &T)> {
        Purpose::ALL
            .into_iter()
            .map(|purpose| (purpose, self.of(purpose)))
    }
}
