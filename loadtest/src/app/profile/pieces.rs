//! A body that is sent in pieces, over a while.
//!
//! Promises: the first piece at once, the last when the time is over, whatever happens to the ones between;
//! a body of one byte is its last piece. The length is known before. Does not: send an empty body; there is no
//! piece of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// What is left of it.
pub(super) struct Pieces {
    rest: Bytes,
    /// Pieces that are left.
    left: usize,
    /// When the last piece was due, and between two of them.
    due: Instant,
    gap: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    /// `whole`, from now on over this time.
    pub(super) fn new(whole: Bytes, time: Duration) -> Self {
        let left = whole.len().clamp(1, PIECES);
        let gaps = u32::try_from(left.saturating_sub(1)).unwrap_or(u32::MAX);
        let due = Instant::now();
        Self {
            rest: whole,
            left,
            due,
            gap: time.checked_div(gaps).unwrap_or_default(),
            pause: (gaps == 0).then(|| Box::pin(sleep_until(due + time))),
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        let length = self.rest.len().div_ceil(self.left.max(1));
        let piece = self.rest.split_to(length);
        self.left = self.left.saturating_sub(1);
        let due = self.due + self.gap;
        self.due = due;
        self.pause = Some(Box::pin(sleep_until(due)));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

/// Few: each is a write of the application, and a read and a write of whoever is between.
const PIECES: usize = 4;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_arrives_whole_and_not_before_its_time() {
        let time = Duration::from_millis(5);
        for whole in ["x", "xy", "a longer body than that"] {
            let begun = Instant::now();
            let pieces = Pieces::new(Bytes::from_static(whole.as_bytes()), time);
            let arrived = pieces.collect().await.unwrap().to_bytes();
            assert_eq!(arrived, whole);
            assert!(begun.elapsed() >= time);
        }
    }
}
