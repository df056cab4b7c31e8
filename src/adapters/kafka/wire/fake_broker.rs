//! A peer for tests: a TCP server in the process whose every byte the test decides.

use std::future::Future;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Api, Endpoint};

/// A listening fake; its tasks end with it.
pub(in crate::adapters::kafka) struct FakeBroker {
    pub(in crate::adapters::kafka) endpoint: Endpoint,
    task: JoinHandle<()>,
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeBroker {
    /// Listens, and treats every connection as `script` says.
    pub(in crate::adapters::kafka) async fn start<S, F>(script: S) -> Self
    where
        S: Fn(Peer) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script(Peer { stream }));
            }
        });
        Self { endpoint, task }
    }
}

/// A request as the fake saw it.
#[derive(Debug, Clone)]
pub(in crate::adapters::kafka) struct Seen {
    pub(in crate::adapters::kafka) key: i16,
    pub(in crate::adapters::kafka) version: i16,
    pub(in crate::adapters::kafka) correlation: i32,
    /// The whole request, header included.
    pub(in crate::adapters::kafka) bytes: Bytes,
}

/// The fake's end of one connection.
pub(in crate::adapters::kafka) struct Peer {
    pub(in crate::adapters::kafka) stream: TcpStream,
}

impl Peer {
    /// Reads one request; `None` once the client has closed.
    pub(in crate::adapters::kafka) async fn request(&mut self) -> Option<Seen> {
        let length = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        let word = |at: usize| i16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
        let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        let (key, version) = (word(0), word(2));
        Some(Seen { key, version, correlation, bytes: frame.into() })
    }

    /// Answers as Kafka frames it: length, correlation id, body (header tags included by the caller).
    pub(in crate::adapters::kafka) async fn answer(&mut self, correlation: i32, body: &[u8]) {
        self.stream.write_all(&frame(correlation, body)).await.unwrap();
    }

    /// Answers `ApiVersions` with every request Tanist speaks.
    pub(in crate::adapters::kafka) async fn negotiate(&mut self) {
        let seen = self.request().await.unwrap();
        self.answer(seen.correlation, &all_versions()).await;
    }

    /// Closes with RST instead of FIN.
    pub(in crate::adapters::kafka) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
        drop(self.stream);
    }

    /// Stays silent until the client closes.
    pub(in crate::adapters::kafka) async fn hang(mut self) {
        let mut ignored = [0; 256];
        while self.stream.read(&mut ignored).await.is_ok_and(|read| 0 < read) {}
    }
}

/// Gives one framed answer.
pub(in crate::adapters::kafka) fn frame(correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len() + 4).unwrap());
    frame.put_i32(correlation);
    frame.put_slice(body);
    frame.to_vec()
}

/// The body of an `ApiVersions` answer, version 3, that offers exactly what Tanist speaks.
pub(in crate::adapters::kafka) fn all_versions() -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_i16(0);
    body.put_u8(u8::try_from(Api::ALL.len() + 1).unwrap());
    for api in Api::ALL {
        body.put_i16(api.key());
        body.put_i16(api.versions().min);
        body.put_i16(api.versions().max);
        body.put_u8(0);
    }
    body.put_i32(0);
    body.put_u8(0);
    body.to_vec()
}
