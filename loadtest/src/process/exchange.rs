//! One request to an admin listener, and its whole answer, as text.
//!
//! Promises: whoever does not answer for a while is an error that names the address. Does not: look at the status.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) async fn get(admin: &str, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    exchange(admin, &request).await
}

pub(super) async fn post(admin: &str, path: &str, body: &str) -> io::Result<String> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    exchange(admin, &request).await
}

async fn exchange(admin: &str, request: &str) -> io::Result<String> {
    within(PATIENCE, admin, request).await
}

async fn within(patience: Duration, admin: &str, request: &str) -> io::Result<String> {
    let exchanged = timeout(patience, Box::pin(whole(admin, request))).await;
    exchanged.unwrap_or_else(|_elapsed| {
        let line = request.lines().next().unwrap_or_default();
        let why = format!("{admin} does not answer within {patience:?}: {line}");
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

async fn whole(admin: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Under valgrind a scrape takes more than a second.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_does_not_answer_is_named() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = silent.local_addr().unwrap().to_string();
        let asked = within(
            Duration::from_millis(1),
            &admin,
            "GET /metrics HTTP/1.1\r\n\r\n",
        );
        let found = asked.await.unwrap_err().to_string();
        let wanted = format!("{admin} does not answer within 1ms: GET /metrics HTTP/1.1");
        assert_eq!(found, wanted);
    }
}
