//! The dialling end of a link: dials, introduces itself, sends what waits, and begins again when that ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::frame::Frame;
use super::hello::{Reason, Refusal};
use super::outbox::Outbox;
use super::stream::{Connection, KEEPALIVE_EACH, SET_UP_WITHIN, SILENCE_MAX};
use super::{LinkEvent, Shared};
use crate::model::ids::NodeId;

/// The pause before dialling again doubles from the first to the second: short enough that a node that returns is heard
/// within an election, long enough that an absent one costs nothing.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Whoever refused will do so again until a person changes something.
const PAUSE_REFUSED: Duration = Duration::from_secs(2);

/// Why a connection ended.
enum Ended {
    Broken(io::Error),
    Refused(Refusal),
}

/// Keeps the link to one node for ever.
pub(super) async fn keep(shared: Arc<Shared>, node: NodeId, address: String, outbox: Arc<Outbox>) {
    let mut pause = PAUSE_MIN;
    loop {
        let introduced = timeout(SET_UP_WITHIN, introduce(&shared, node, &address));
        let ended = match introduced.await.unwrap_or_else(|_elapsed| Err(Ended::Broken(io::ErrorKind::TimedOut.into())))
        {
            Ok(connection) => {
                pause = PAUSE_MIN;
                outbox.open();
                shared.tell(LinkEvent::Up(node)).await;
                let ended = speak(connection, &outbox).await;
                outbox.close();
                ended
            }
            Err(ended) => ended,
        };
        let why = match ended {
            Ended::Broken(error) => format!("{address}: {error}"),
            Ended::Refused(refusal) => {
                pause = PAUSE_REFUSED;
                let why = format!("{address}: {refusal}");
                shared.tell(LinkEvent::Refused { node: Some(node), refusal }).await;
                why
            }
        };
        shared.tell(LinkEvent::Down { node, why }).await;
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

async fn introduce(shared: &Shared, node: NodeId, address: &str) -> Result<Connection, Ended> {
    let mut connection = Connection::dial(&shared.security, address, node).await.map_err(Ended::Broken)?;
    connection.send(Frame::Hello(shared.introduction.to_wire(node))).await.map_err(Ended::Broken)?;
    let met = match connection.next().await.map_err(Ended::Broken)? {
        Frame::Hello(hello) => shared.introduction.check(&hello),
        Frame::Refusal(refusal) => return Err(Ended::Refused(Refusal::from_wire(&refusal))),
        Frame::Keepalive | Frame::Peer(_) => Err(Refusal::new(Reason::Malformed, "it did not say hello")),
    };
    let met = match met {
        Ok(met) if met.node == node => shared.meet(&met).await,
        Ok(met) => Err(Refusal::new(Reason::WrongNode, format!("{} answers where {node} should be", met.node))),
        Err(refusal) => Err(refusal),
    };
    match met.and_then(|()| connection.prove(&shared.security, node)) {
        Ok(()) => {
            connection.trust();
            Ok(connection)
        }
        Err(refusal) => {
            connection.refuse(&refusal).await;
            Err(Ended::Refused(refusal))
        }
    }
}

/// Sends until the connection ends. The other end only answers keepalives here.
async fn speak(mut connection: Connection, outbox: &Outbox) -> Ended {
    let mut keepalive = interval(KEEPALIVE_EACH);
    keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let silence = sleep(SILENCE_MAX);
    tokio::pin!(silence);
    loop {
        let sent = tokio::select! {
            frames = outbox.take() => connection.send_all(frames).await,
            _ = keepalive.tick() => connection.send(Frame::Keepalive).await,
            heard = connection.next() => match heard {
                Ok(Frame::Keepalive) => { silence.set(sleep(SILENCE_MAX)); Ok(()) }
                Ok(Frame::Refusal(refusal)) => return Ended::Refused(Refusal::from_wire(&refusal)),
                Ok(Frame::Hello(_) | Frame::Peer(_)) => {
                    return Ended::Refused(Refusal::new(Reason::Malformed, "it speaks where it should listen"));
                }
                Err(error) => Err(error),
            },
            () = &mut silence => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was heard for three seconds")),
        };
        if let Err(error) = sent {
            return Ended::Broken(error);
        }
    }
}
