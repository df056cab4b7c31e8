//! The listening end of links: lets in whoever belongs, and passes on what it says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::frame::Frame;
use super::hello::{Reason, Refusal};
use super::stream::{Connection, SET_UP_WITHIN, SILENCE_MAX};
use super::{LinkEvent, Shared, lock};
use crate::model::ids::NodeId;

/// Strangers that are being looked at, at most: others wait in the operating system's queue.
const STRANGERS_MAX: usize = 16;
/// After a failed accept (too many open files) it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever; ending it ends all that it accepted.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut accepted = JoinSet::new();
    loop {
        while accepted.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&strangers).acquire_owned().await else { return };
        let Ok((tcp, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        let serving = async move {
            let met = timeout(SET_UP_WITHIN, meet(&shared, tcp)).await;
            drop(place);
            // A stranger that never said hello is worth no event: anybody can make as many as they like.
            if let Ok(Some((node, connection))) = met {
                hear(&shared, node, connection).await;
            }
        };
        accepted.spawn(serving);
    }
}

async fn meet(shared: &Shared, tcp: TcpStream) -> Option<(NodeId, Connection)> {
    let mut connection = Connection::accept(&shared.security, tcp).await.ok()?;
    let Frame::Hello(hello) = connection.next().await.ok()? else {
        connection.refuse(&Refusal::new(Reason::Malformed, "it did not say hello")).await;
        return None;
    };
    let met = match shared.introduction.check(&hello) {
        // What the transport proves comes before what is remembered of a node.
        Ok(met) => match connection.prove(&shared.security, met.node) {
            Ok(()) => shared.meet(&met).await.map(|()| met.node),
            Err(refusal) => Err(refusal),
        },
        Err(refusal) => Err(refusal),
    };
    match met {
        Ok(node) => {
            connection.send(Frame::Hello(shared.introduction.to_wire(node))).await.ok()?;
            connection.trust();
            Some((node, connection))
        }
        Err(refusal) => {
            connection.refuse(&refusal).await;
            shared.tell(LinkEvent::Refused { node: None, refusal }).await;
            None
        }
    }
}

/// Passes on what a node says, until the connection ends or the node connects anew.
async fn hear(shared: &Arc<Shared>, node: NodeId, connection: Connection) {
    let passing = tokio::spawn(pass_on(Arc::clone(shared), node, connection));
    let task = passing.abort_handle();
    // The last guard against a task that outlives the listener: whoever stops waiting for it stops it.
    let _stops = StopOnDrop(task.clone());
    let before = lock(&shared.incoming).insert(node, task);
    if let Some(before) = before {
        before.abort();
    }
    // However it ended, the dialling end notices and dials again.
    let _ended = passing.await;
}

struct StopOnDrop(tokio::task::AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn pass_on(shared: Arc<Shared>, node: NodeId, mut connection: Connection) -> io::Result<()> {
    loop {
        let frame = timeout(SILENCE_MAX, connection.next()).await.map_err(|_elapsed| io::ErrorKind::TimedOut)??;
        match frame {
            Frame::Keepalive => connection.send(Frame::Keepalive).await?,
            Frame::Peer(frame) => shared.tell(LinkEvent::Frame { from: node, frame }).await,
            Frame::Refusal(refusal) => {
                let refusal = Refusal::from_wire(&refusal);
                shared.tell(LinkEvent::Refused { node: Some(node), refusal }).await;
                return Ok(());
            }
            Frame::Hello(_) => {
                connection.refuse(&Refusal::new(Reason::Malformed, "it says hello twice")).await;
                return Ok(());
            }
        }
    }
}
