//! An identity provider that does what a test wants, and keys to sign with.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::process::{ALICE, ISSUER};

/// An identity provider: answers each path with what a test says, or not at all.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    pub(crate) answers: Arc<Mutex<Vec<(String, String)>>>,
    pub(crate) fetches: Arc<AtomicUsize>,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::default(),
            fetches: Arc::default(),
        };
        let (answers, fetches) = (Arc::clone(&provider.answers), Arc::clone(&provider.fetches));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let mut head = String::new();
                if stream.read_line(&mut line).is_err() {
                    continue;
                }
                while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
                fetches.fetch_add(1, Ordering::SeqCst);
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = answers
                    .lock()
                    .iter()
                    .find(|(known, _)| *known == path)
                    .cloned();
                // Without an answer the connection is just closed.
                if let Some((_, answer)) = answer {
                    let _ = stream.get_mut().write_all(answer.as_bytes());
                }
            }
        });
        provider
    }

    pub(crate) fn answer(&self, path: &str, status: &str, body: &str) {
        let text = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut answers = self.answers.lock();
        answers.retain(|(known, _)| known != path);
        answers.push((path.to_owned(), text));
    }

    pub(crate) fn keys(&self, keys: &[&Signer]) {
        let keys: Vec<_> = keys.iter().map(|signer| &signer.jwk).collect();
        self.answer("/jwks", "200 OK", &json!({ "keys": keys }).to_string());
    }

    pub(crate) fn die(&self) {
        self.answers.lock().clear();
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

pub(crate) struct Signer {
    pub(crate) key: EncodingKey,
    pub(crate) jwk: Value,
    pub(crate) kid: &'static str,
}

impl Signer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .unwrap();
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        Self {
            key,
            jwk: serde_json::to_value(jwk).unwrap(),
            kid,
        }
    }

    pub(crate) fn token(&self) -> String {
        self.token_for(60)
    }

    pub(crate) fn token_for(&self, seconds: i64) -> String {
        self.sign(ISSUER, seconds)
    }

    /// A token that names this issuer.
    pub(crate) fn token_of(&self, issuer: &str) -> String {
        self.sign(issuer, 60)
    }

    fn sign(&self, issuer: &str, seconds: i64) -> String {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let now = i64::try_from(now).unwrap();
        let claims = json!({ "iss": issuer, "aud": "api", "sub": ALICE, "iat": now - 3600, "exp": now + seconds });
        let header = Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}
