//! A connection in use.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::{ClientWrapper, Object};

/// A connection in use. Unless it is [finished](Self::finish) it is closed and not returned: a
/// query that was cancelled or timed out may still be running on it, and its answer would be the
/// next one's.
///
/// The server notices a closed connection only when its statement ends; its own `statement_timeout`
/// bounds that.
#[must_use]
pub struct Lease {
    object: Option<Object>,
    discarded: Arc<AtomicU64>,
}

impl Lease {
    pub(super) const fn new(object: Object, discarded: Arc<AtomicU64>) -> Self {
        Self {
            object: Some(object),
            discarded,
        }
    }

    /// Returns the connection to its pool. Only when every answer has been read to its end.
    pub fn finish(mut self) {
        drop(self.object.take());
    }
}

impl Deref for Lease {
    type Target = ClientWrapper;

    #[expect(
        clippy::expect_used,
        reason = "only `finish` and `drop` take the connection, and both end the lease"
    )]
    fn deref(&self) -> &ClientWrapper {
        self.object.as_deref().expect("the lease has not ended")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            // What is taken out of the pool is closed when it is dropped.
            drop(Object::take(object));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
