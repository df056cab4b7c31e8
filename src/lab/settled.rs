//! When a trio is ready to be measured or shown: it sees every broker serve, knows the log ends, and no case is open.

use std::time::Duration;

use serde_json::Value;
use tokio::time;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::trio::{NODES, Trio};
use crate::model::observation::Light;
use crate::model::operator::view::{BrokerView, StatusView};
use crate::model::snapshot::Missing;

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Gives how things stand by the first node that runs and answers.
pub(crate) async fn status(trio: &Trio) -> Option<StatusView> {
    for id in NODES.into_iter().filter(|id| trio.pid(*id).is_some()) {
        if let Some(mut answer) = trio.status(id).await {
            let status = answer.get_mut("status").map_or(Value::Null, Value::take);
            return serde_json::from_value(status).ok();
        }
    }
    None
}

/// Waits until at least two nodes of the trio see each of so many brokers green, log ends are known, and no case is open.
///
/// Errors: [`LabError::Late`] with what each node logged last.
pub(crate) async fn await_settled(trio: &Trio, brokers: usize, within: Duration) -> Result<(), LabError> {
    let deadline = clock::now() + within;
    let by_two = |broker: &&BrokerView| 2 <= broker.seen.values().filter(|seen| seen.light == Light::Green).count();
    loop {
        let settled = status(trio).await.is_some_and(|status| {
            status.leader.is_some()
                && status.brokers.iter().filter(by_two).count() == brokers
                && status.cases.is_empty()
                && !status.missing.iter().any(|one| matches!(one, Missing::LogEnds(_)))
        });
        if settled {
            return Ok(());
        }
        if deadline <= clock::now() {
            let awaited = "the trio to see every broker serve, with no case open".to_owned();
            return Err(LabError::Late { awaited, within, last_seen: logs(trio) });
        }
        time::sleep(LOOK_EVERY).await;
    }
}

/// Gives the end of every node's log.
pub(crate) fn logs(trio: &Trio) -> String {
    NODES.iter().map(|id| format!("n{id}:\n{}\n", trio.log_tail(*id))).collect()
}
