//! An OpenTelemetry collector as far as OTLP over HTTP goes: it keeps what it is sent, and answers as a test
//! wants it to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::process::PATIENCE;

/// How it behaves.
#[derive(Clone)]
pub(crate) enum Manner {
    /// As it should.
    Takes,
    /// It reads, and never answers.
    Silent,
    /// It sends elsewhere.
    Redirects(SocketAddr),
    /// Its answer has no end.
    Endless,
}

/// One message.
pub(crate) struct Export {
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<Span>,
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Receiver<Export>,
    seen: RefCell<Vec<Export>>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, manner) = (sender.clone(), manner.clone());
                std::thread::spawn(move || serve(stream, &sender, &manner));
            }
        });
        Self {
            address,
            received,
            seen: RefCell::default(),
        }
    }

    /// Waits until `find` finds something in what it was sent so far.
    pub(crate) fn find<T>(&self, find: impl Fn(&[Export]) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.seen.borrow()) {
                return found;
            }
            let export = self.received.recv_timeout(PATIENCE);
            let export = export.expect("the collector is sent what a test waits for");
            self.seen.borrow_mut().push(export);
        }
    }

    /// Waits for the whole of a request: its own span first, then those of its stages.
    pub(crate) fn request(&self, decision_id: &str) -> Vec<Span> {
        self.find(|exports| {
            let spans: Vec<_> = exports.iter().flat_map(|export| &export.spans).collect();
            let of = |span: &&&Span| {
                attribute(span, "sidegate.decision_id").as_deref() == Some(decision_id)
            };
            let request = *spans.iter().find(of)?;
            let is_child = |span: &&&Span| span.parent_span_id == request.span_id;
            let children = spans.iter().filter(is_child).map(|span| (*span).clone());
            Some([request.clone()].into_iter().chain(children).collect())
        })
    }

    /// Everything that it was sent, which is all that there will be.
    pub(crate) fn all(self) -> Vec<Export> {
        let mut all = self.seen.into_inner();
        all.extend(self.received.try_iter());
        all
    }
}

/// An attribute of a span.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    attributes(&span.attributes).remove(key)
}

/// All of them, as texts. None is there twice.
pub(crate) fn attributes(found: &[KeyValue]) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for attribute in found {
        let value = attribute.value.clone().unwrap().value.unwrap();
        let value = if let Value::IntValue(number) = value {
            number.to_string()
        } else if let Value::StringValue(text) = value {
            text
        } else {
            panic!("{value:?}")
        };
        let before = known.insert(attribute.key.clone(), value);
        assert!(before.is_none(), "{} twice", attribute.key);
    }
    known
}

fn serve(stream: TcpStream, sender: &Sender<Export>, manner: &Manner) {
    let mut stream = BufReader::new(stream);
    while let Some(export) = receive(&mut stream) {
        if sender.send(export).is_err() {
            return;
        }
        let answer = match manner {
            Manner::Takes => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Manner::Silent => continue,
            Manner::Redirects(elsewhere) => format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{elsewhere}/v1/traces\r\nContent-Length: 0\r\n\r\n"
            ),
            Manner::Endless => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        };
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
        if matches!(manner, Manner::Endless) {
            let chunk = format!("1000\r\n{}\r\n", "\n".repeat(0x1000));
            while stream.get_mut().write_all(chunk.as_bytes()).is_ok() {}
            return;
        }
    }
}

fn receive(stream: &mut BufReader<TcpStream>) -> Option<Export> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let [of_resource] = request.resource_spans.as_slice() else {
        panic!("{request:?}");
    };
    let [of_scope] = of_resource.scope_spans.as_slice() else {
        panic!("{request:?}");
    };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "sidegate");
    Some(Export {
        resource: attributes(&of_resource.resource.as_ref().unwrap().attributes),
        spans: of_scope.spans.clone(),
        head,
        body,
    })
}
