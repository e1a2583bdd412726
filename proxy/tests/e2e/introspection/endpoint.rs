//! An introspection endpoint that says what a test wants.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use crate::process::ALICE;

/// The endpoint. What it was not told about a token it answers with `active: false`.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

/// One question, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) form: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, String>>,
    questions: Mutex<Vec<Question>>,
    is_away: Mutex<bool>,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Endpoint {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&endpoint.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || state.serve(stream));
            }
        });
        endpoint
    }

    /// A token is Alice's from now on, with these changes of what is said about it.
    pub(crate) fn activate(&self, token: &str, changes: Value) {
        let mut answer = json!({ "active": true, "sub": ALICE, "aud": "api" });
        let members = answer.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        self.say(token, "200 OK", &answer.to_string());
    }

    pub(crate) fn revoke(&self, token: &str) {
        self.say(token, "200 OK", r#"{"active":false}"#);
    }

    /// Answers a question about this token so.
    pub(crate) fn say(&self, token: &str, status: &str, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        self.state.answers.lock().insert(token.to_owned(), answer);
    }

    /// Closes every connection on which it is asked, or does so no longer.
    pub(crate) fn be_away(&self, is_away: bool) {
        *self.state.is_away.lock() = is_away;
    }

    /// Answers nobody until it is released.
    pub(crate) fn hold(&self, is_held: bool) {
        *self.state.is_held.lock() = is_held;
        self.state.released.notify_all();
    }

    /// Every question so far, those without an answer included.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.state.questions.lock().clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.state.questions.lock().len()
    }
}

impl Question {
    pub(crate) fn token(&self) -> &str {
        let token = self.form.iter().find(|(name, _)| name == "token");
        token.map(|(_, token)| token.as_str()).unwrap_or_default()
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(question) = receive(&mut stream) {
            let answer = self.answers.lock().get(question.token()).cloned();
            self.questions.lock().push(question);
            let mut is_held = self.is_held.lock();
            while *is_held {
                self.released.wait(&mut is_held);
            }
            drop(is_held);
            if *self.is_away.lock() {
                return;
            }
            let inactive = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"active\":false}";
            let answer = answer.unwrap_or_else(|| inactive.to_owned());
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn receive(stream: &mut BufReader<TcpStream>) -> Option<Question> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        stream
            .read_line(&mut header)
            .ok()
            .filter(|read| *read > 0)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    let form = form_urlencoded::parse(&body).into_owned().collect();
    Some(Question {
        line: line.trim_end().to_owned(),
        headers,
        form,
    })
}
