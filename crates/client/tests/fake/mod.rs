//! A server of one answer per request, for tests: listens on a free port, hands out scripted answers, keeps what it was asked.
//! Speaks just enough HTTP/1.1: one request per connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What arrived.
#[derive(Clone, Debug, Default)]
#[allow(dead_code)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head, in lower case.
    pub head: String,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What is sent back: a whole HTTP answer, or `None` to hang up without one.
pub type Reply = Option<String>;

pub fn json(status: &str, body: &str) -> Reply {
    Some(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}
/// A body that ends with its connection.
#[allow(dead_code)]
pub fn stream(body: &str) -> Reply {
    Some(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}"))
}

pub struct Fake {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// `answer` gets each request and how many came before it.
    pub async fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let request = loop {
                    let mut piece = [0; 4096];
                    match socket.read(&mut piece).await {
                        Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
                        _ => break None,
                    }
                    if let Some(request) = parse(&bytes) {
                        break Some(request);
                    }
                };
                let Some(request) = request else { continue };
                let before = kept.lock().unwrap().len();
                let reply = answer(&request, before);
                kept.lock().unwrap().push(request);
                if let Some(reply) = reply {
                    let _ = socket.write_all(reply.as_bytes()).await;
                    let _ = socket.shutdown().await;
                }
            }
        });
        Fake { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn parse(bytes: &[u8]) -> Option<Asked> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (first, _) = head.split_once("\r\n")?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
    let asked = Asked { method, target, head: head.to_lowercase(), body: body.to_string() };
    let length: usize = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    (body.len() >= length).then_some(asked)
}
