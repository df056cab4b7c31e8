//! A pretended model server that misbehaves on purpose: refuses, hangs, drips, floods, lies. One thread of TCP per
//! connection, HTTP written by hand, so that nothing corrects what a test wants to be wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How the server treats one request.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Answers with this status line, these headers (each with its line end) and this body.
    Says(&'static str, String, String),
    /// Takes the request and never answers.
    Hangs,
    /// Answers one byte each 50 ms, for ever.
    Drips,
    /// Answers 200 MB; announced where a length is given, else in chunks.
    Floods { announced: bool },
    /// Announces more than it sends, then closes.
    Breaks,
    /// Closes at once.
    Closes,
}

/// Gives a completion whose model said this.
pub(crate) fn said(content: &str) -> Manner {
    completion(json!([{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]))
}

/// Gives a completion with these choices.
pub(crate) fn completion(choices: Value) -> Manner {
    let usage = json!({"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790});
    body(&json!({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage}).to_string())
}

/// Gives a 200 with this body.
pub(crate) fn body(text: &str) -> Manner {
    Manner::Says("200 OK", String::new(), text.to_owned())
}

/// Gives an error status with a body that must never be repeated anywhere.
pub(crate) fn status(line: &'static str, headers: &str) -> Manner {
    Manner::Says(line, headers.to_owned(), json!({"error": {"message": "SERVER-WORDS", "code": 7}}).to_string())
}

/// A running server; it ends with the test's runtime.
pub(crate) struct Mock {
    /// Where its API begins.
    pub(crate) base_url: String,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<(String, Value)>>,
    bytes_sent: AtomicUsize,
}

impl Mock {
    /// Starts a server that treats each request as `manner` says of its body.
    pub(crate) async fn start(manner: impl Fn(&Value) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let (manner, notes) = (Arc::new(manner), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, notes) = (Arc::clone(&manner), Arc::clone(&notes));
                tokio::spawn(async move {
                    // The client may go away in the middle: that is what several tests are about.
                    let _ = serve(stream, &*manner, &notes).await;
                });
            }
        });
        Self { base_url, seen }
    }

    /// Gives the requests so far: head and body.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Gives how many requests came.
    pub(crate) fn hits(&self) -> usize {
        self.requests().len()
    }

    /// Gives how many bytes of floods were taken.
    pub(crate) fn bytes_sent(&self) -> usize {
        self.seen.bytes_sent.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    manner: &(dyn Fn(&Value) -> Manner + Send + Sync),
    seen: &Seen,
) -> std::io::Result<()> {
    let (head, request) = read_request(&mut stream).await?;
    let manner = manner(&request);
    seen.requests.lock().unwrap().push((head, request));
    match manner {
        Manner::Says(status, headers, body) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await?;
        }
        Manner::Hangs => std::future::pending::<()>().await,
        Manner::Drips => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"1\r\n \r\n").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Manner::Floods { announced } => {
            const MEGABYTES: usize = 200;
            let length = if announced {
                format!("content-length: {}", MEGABYTES << 20)
            } else {
                "transfer-encoding: chunked".into()
            };
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n").as_bytes()).await?;
            let mut piece = vec![b' '; 1 << 20];
            if !announced {
                piece = [format!("{:x}\r\n", piece.len()).into_bytes(), piece, b"\r\n".to_vec()].concat();
            }
            for _ in 0..MEGABYTES {
                stream.write_all(&piece).await?;
                seen.bytes_sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
        Manner::Breaks => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\":[").await?,
        Manner::Closes => {}
    }
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, Value)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if length.unwrap_or(0) <= body.len() || read == 0 {
            return Ok((head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null)));
        }
    }
}
