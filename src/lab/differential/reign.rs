//! Which controller is active, and making another one so.
//!
//! Each is asked at its own port, past every proxy, and all at once: a dead one refuses, and one that stands still keeps nobody waiting
//! for long.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time;

use super::look::ANSWER_WITHIN;
use super::player::LOOK_EVERY;
use crate::adapters::clock;
use crate::adapters::kafka::wire::Connection;
use crate::lab::LabError;
use crate::lab::admin;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::{BrokerId, ControllerId, Listener};
use crate::sim::differential::Active;
use crate::sim::differential::script::{ELECTED_WITHIN, WHOLE_WITHIN};

/// Ample for a busy machine, where one is active all the time.
pub(super) const FOUND_WITHIN: Duration = Duration::from_secs(10);
/// Each of the two others wins every other time: eight in vain happen once in 256 times.
const TRIES: u32 = 8;

/// Gives the active controller, other than `not`: its id, and a connection to it.
///
/// Errors: [`LabError::Late`] if none says that it is.
pub(super) async fn active(
    cluster: &Cluster,
    not: Option<ControllerId>,
    within: Duration,
) -> Result<(ControllerId, Connection), LabError> {
    let deadline = clock::now() + within;
    loop {
        let all = cluster.controller_ids().into_iter().zip(cluster.controllers(Listener::Clients));
        let others = all.filter(|(id, _)| Some(*id) != not);
        let mut asked: FuturesUnordered<_> = others.map(|(id, address)| ask(id, address)).collect();
        while let Some(answer) = asked.next().await {
            if let Some(active) = answer {
                return Ok(active);
            }
        }
        if deadline <= clock::now() {
            let awaited = match not {
                Some(not) => format!("a controller other than {not} to be active"),
                None => "a controller to be active".to_owned(),
            };
            return Err(LabError::Late { awaited, within, last_seen: "none said that it is".to_owned() });
        }
        time::sleep(LOOK_EVERY).await;
    }
}

async fn ask(id: ControllerId, address: SocketAddr) -> Option<(ControllerId, Connection)> {
    let asking = async {
        let controller = admin::open(address).await.ok()?;
        let quorum = controller.quorum(ANSWER_WITHIN).await.ok()?.body;
        // One that has only just won does not know yet how much of the log is committed, and does nothing until it does.
        quorum.high_watermark.map(|_| (id, controller))
    };
    time::timeout(ANSWER_WITHIN, asking).await.ok().flatten()
}

/// Kills the active controller's process and starts it again until one of those wanted is active: nobody can choose who wins. Every
/// broker lists every broker then.
///
/// Errors: [`LabError::Kafka`] if none of them ever won, and those of the cluster.
pub(super) async fn activate(cluster: &Cluster, wanted: Active) -> Result<Connection, LabError> {
    let mut tries = 0;
    loop {
        let (id, controller) = active(cluster, None, FOUND_WITHIN).await?;
        if wanted.fits(id) {
            return Ok(controller);
        }
        if tries == TRIES {
            let answer = format!("{TRIES} elections were won by others");
            return Err(LabError::Kafka { act: format!("make a controller active: {wanted:?}"), answer });
        }
        tries += 1;
        let node = BrokerId(id.0);
        let kill = Fault::kill(node);
        cluster.inflict(&kill)?;
        active(cluster, Some(id), ELECTED_WITHIN).await?;
        cluster.heal(&kill)?;
        cluster.await_ready(node).await?;
        cluster.await_every_broker(WHOLE_WITHIN).await?;
    }
}
