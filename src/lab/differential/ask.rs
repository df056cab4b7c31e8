//! What a script asks of the active controller, asked of a real one.

use super::player::CALL_WITHIN;
use super::truth::Truth;
use crate::adapters::kafka::wire::{
    Configured, Connection, ElectionKind, ErrorCode, NewTopic, Order, PartitionOutcome, ReplicaCount, TopicPartition,
    WireError,
};
use crate::model::ids::BrokerId;
use crate::sim::differential::Deed;
use crate::sim::differential::deed::{Election, Life, Size};

/// How far off a life is that has never been.
const FAR: i64 = 1_000_000;

/// Sends one deed about the topic of that name; gives `ok`, an error's name, or what kept the answer away.
pub(super) async fn send(controller: &Connection, truth: &Truth, name: String, deed: &Deed) -> String {
    let partition = TopicPartition::new(name.clone(), 0);
    match deed {
        Deed::Elect(election) => {
            let kind = match election {
                Election::Preferred => ElectionKind::Preferred,
                Election::Unclean => ElectionKind::Unclean,
            };
            outcome(controller.elect(kind, &[partition], CALL_WITHIN).await.map(|answer| answer.body))
        }
        Deed::Reassign { replicas, size } => {
            let replicas = replicas.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
            let count = match size {
                Size::Kept => ReplicaCount::Kept,
                Size::Free => ReplicaCount::Free,
            };
            let order = Order { partition, replicas };
            outcome(controller.reassign(&[order], count, CALL_WITHIN).await.map(|answer| answer.body))
        }
        Deed::CreateTopic(replicas) => {
            let replicas = vec![replicas.iter().map(|id| id.0).collect()];
            let settings = vec![("min.insync.replicas".to_owned(), "2".to_owned())];
            let made = controller.create_topics(&[NewTopic { name, replicas, settings }], CALL_WITHIN).await;
            word(made.map(|answer| answer.body.first().and_then(|outcome| outcome.error)))
        }
        Deed::DeleteTopic => {
            let deleted = controller.delete_topics(&[name], CALL_WITHIN).await;
            word(deleted.map(|answer| answer.body.first().and_then(|outcome| outcome.error)))
        }
        Deed::Fence(broker, life) => fence(controller, truth, *broker, *life).await,
        Deed::CountCopies => {
            let sides = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
            alter(controller, &Configured::Topic(name), &sides.map(|side| (side, Some("*")))).await
        }
        Deed::Rate(broker, per_s) => {
            let per_s = per_s.map(|per_s| per_s.to_string());
            let rate = [("leader.replication.throttled.rate", per_s.as_deref())];
            alter(controller, &Configured::Broker(broker.0), &rate).await
        }
        Deed::Unregister(broker) => word(controller.unregister(broker.0, CALL_WITHIN).await.map(|_| None)),
    }
}

async fn alter(controller: &Connection, of: &Configured, settings: &[(&str, Option<&str>)]) -> String {
    let altered = controller.alter(of, settings, CALL_WITHIN).await;
    word(altered.map(|answer| answer.body.first().and_then(|outcome| outcome.error)))
}

async fn fence(controller: &Connection, truth: &Truth, broker: BrokerId, life: Life) -> String {
    let present = truth.life(broker).unwrap_or_default();
    let epoch = match life {
        Life::Present => present,
        Life::Older => present - 1,
        Life::Newer => present + FAR,
    };
    let offset = match controller.quorum(CALL_WITHIN).await {
        Ok(quorum) => quorum.body.high_watermark.unwrap_or_default(),
        Err(error) => return word(Err(error)),
    };
    word(controller.fence(broker.0, epoch, offset, CALL_WITHIN).await.map(|_| None))
}

fn outcome(answer: Result<Vec<PartitionOutcome>, WireError>) -> String {
    word(answer.map(|outcomes| outcomes.first().and_then(|outcome| outcome.error)))
}

fn word(answer: Result<Option<ErrorCode>, WireError>) -> String {
    match answer {
        Ok(None) => "ok".to_owned(),
        Ok(Some(code)) => code.name().to_owned(),
        Err(error) => error.code().map_or_else(|| "no answer".to_owned(), |code| code.name().to_owned()),
    }
}
