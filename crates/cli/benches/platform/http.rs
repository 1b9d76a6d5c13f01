//! The leanest client there is: requests prepared as bytes, one keep-alive connection each, answers read by length.
//! The client shares the cores with the server, so what it saves the server has.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Connection { stream, buffer: Vec::with_capacity(4_096) }
    }

    pub async fn send(&mut self, request: &[u8]) -> Answer {
        self.stream.write_all(request).await.expect("the server reads");
        self.buffer.clear();
        loop {
            let mut chunk = [0u8; 4_096];
            let read = self.stream.read(&mut chunk).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&self.buffer));
            self.buffer.extend_from_slice(&chunk[..read]);
            if let Some(answer) = self.complete() {
                return answer;
            }
        }
    }

    fn complete(&self) -> Option<Answer> {
        let end = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.buffer[..end]).expect("headers are text");
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        })?;
        let body = &self.buffer[end + 4..];
        (body.len() >= length).then(|| Answer { status, body: body[..length].to_vec() })
    }
}

/// A POST with a JSON body.
pub fn post(path: &str, token: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}
