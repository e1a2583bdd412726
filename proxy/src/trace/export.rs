//! The thread that sends spans.
//!
//! Promise: it alone waits for the collector: one message is under way at a time, each try has the time that
//! the settings give it, and there are three at most. Whatever the collector does, a request only finds the
//! queue full. When nobody can put a request into the queue any more, or at the end of the process, what waits
//! is sent once and the thread ends. There is one line in the log a minute at the most while it fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::collector::{Collector, ExportError};
use super::span::{Anchor, Finished, text};
use super::tally::{SpanEnd, Tally};

/// The most requests in one message: some 1,800 spans, or a quarter of a megabyte.
const BATCH: usize = 256;
/// How long the first request of a message waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How soon a message that was not taken is sent again; after the last time it is given up.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// The pause between two lines about failures.
const SILENCE: Duration = Duration::from_secs(60);

/// Sends what is in the queue.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: mpsc::Receiver<Finished>,
    stop: watch::Receiver<bool>,
    collector: Collector,
    resource: Resource,
    tally: Arc<Tally>,
    complaint: Complaint,
}

impl Exporter {
    pub(super) fn new(
        queue: mpsc::Receiver<Finished>,
        stop: watch::Receiver<bool>,
        collector: Collector,
        service_name: &str,
        tally: Arc<Tally>,
    ) -> Self {
        let attributes = vec![
            text("service.name", service_name),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", Uuid::new_v4()),
        ];
        Self {
            queue,
            stop,
            collector,
            resource: Resource {
                attributes,
                ..Resource::default()
            },
            tally,
            complaint: Complaint::default(),
        }
    }

    /// Until there is nothing more to come.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.fill(&mut batch).await;
            if batch.is_empty() {
                return;
            }
            self.deliver(&batch).await;
            batch.clear();
        }
    }

    /// Takes the next requests; none: there are no more to come.
    async fn fill(&mut self, batch: &mut Vec<Finished>) {
        tokio::select! {
            _ = self.queue.recv_many(batch, BATCH) => {}
            () = stopped(&mut self.stop) => {}
        }
        let full = Instant::now() + LINGER;
        while batch.len() < BATCH && !self.is_stopped() {
            let more = self.queue.recv_many(batch, BATCH - batch.len());
            tokio::select! {
                more = timeout_at(full, more) => match more {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return,
                },
                () = stopped(&mut self.stop) => {}
            }
        }
        while batch.len() < BATCH
            && let Ok(finished) = self.queue.try_recv()
        {
            batch.push(finished);
        }
    }

    /// Sends one message, again if it may be taken then.
    async fn deliver(&mut self, batch: &[Finished]) {
        let message = self.message(batch);
        let spans: usize = batch.iter().map(Finished::count).sum();
        let mut pauses = PAUSES.iter();
        let failed = loop {
            let error = match self.collector.send(message.clone()).await {
                Ok(rejected) => {
                    self.complaint.settle();
                    break rejected.min(spans);
                }
                Err(error) => error,
            };
            self.complaint.say(error);
            match pauses.next() {
                Some(pause) if error.is_temporary() && !self.is_stopped() => {
                    tokio::select! {
                        () = sleep(*pause) => {}
                        () = stopped(&mut self.stop) => {}
                    }
                }
                Some(_) | None => break spans,
            }
        };
        self.tally.add(SpanEnd::Exported, spans - failed);
        self.tally.add(SpanEnd::Failed, failed);
    }

    fn message(&self, batch: &[Finished]) -> Bytes {
        let anchor = Anchor::now();
        let mut spans = Vec::new();
        for finished in batch {
            finished.spans(anchor, &mut spans);
        }
        let scope = InstrumentationScope {
            name: "sidegate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let of_scope = ScopeSpans {
            scope: Some(scope),
            spans,
            ..ScopeSpans::default()
        };
        let of_resource = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![of_scope],
            ..ResourceSpans::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![of_resource],
        };
        request.encode_to_vec().into()
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Waits for the end: it was said, or nobody is left to say it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Either way there is no more to wait for.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What was said about failures.
#[derive(Debug, Default)]
struct Complaint {
    /// When something was said last.
    said: Option<Instant>,
    /// Whether somebody waits to hear that it is over.
    is_open: bool,
}

impl Complaint {
    fn say(&mut self, error: ExportError) {
        if self.said.is_none_or(|said| said.elapsed() >= SILENCE) {
            self.said = Some(Instant::now());
            self.is_open = true;
            tracing::warn!(%error, "spans cannot be sent: requests go on without");
        }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.is_open) {
            tracing::info!("spans are sent again");
        }
    }
}
