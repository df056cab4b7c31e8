//! The proof that nothing acknowledged was lost: every partition read to its end, and compared with what was acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::adapters::kafka::wire::{Connection, FetchFrom, TopicView, batches};
use crate::lab::LabError;
use crate::lab::admin::{self, chain};
use crate::lab::cluster::Cluster;
use crate::lab::names::{BrokerId, Listener};

/// What the final read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRead {
    /// How many records with an id were read.
    pub read: usize,
    /// The ids that were acknowledged with acks=all and are in no partition.
    pub lost: Vec<u64>,
}

const FETCH_BYTES: i32 = 1 << 20;
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// Reads every partition of `topic` from its leader to its end and gives which of `acknowledged` are missing.
///
/// Errors: [`LabError::Kafka`] if a partition cannot be read now; heal and wait for a leader first.
pub async fn final_read(cluster: &Cluster, topic: &str, acknowledged: &BTreeSet<u64>) -> Result<FinalRead, LabError> {
    let view = cluster.topic(topic).await?;
    let mut read = BTreeSet::new();
    let leaders: BTreeSet<i32> = view.partitions.iter().filter_map(|one| one.leader).collect();
    if let Some(orphan) = view.partitions.iter().find(|one| one.leader.is_none()) {
        return Err(LabError::Kafka {
            act: format!("read {topic}"),
            answer: format!("partition {} has no leader", orphan.index),
        });
    }
    for leader in leaders {
        let failed = |answer: String| LabError::Kafka { act: format!("read {topic} from b{leader}"), answer };
        let address = cluster
            .broker_behind_proxy(BrokerId(leader), Listener::Clients)
            .ok_or_else(|| failed("no such broker".to_owned()))?;
        let connection = admin::open(address).await.map_err(|error| failed(chain(&error)))?;
        for partition in view.partitions.iter().filter(|one| one.leader == Some(leader)) {
            read_partition(&connection, &view, partition.index, &mut read).await?;
        }
    }
    let lost = acknowledged.difference(&read).copied().collect();
    Ok(FinalRead { read: read.len(), lost })
}

async fn read_partition(
    connection: &Connection,
    topic: &TopicView,
    partition: i32,
    read: &mut BTreeSet<u64>,
) -> Result<(), LabError> {
    let failed =
        |answer: String| LabError::Kafka { act: format!("read partition {partition} of {}", topic.name), answer };
    let mut offset = 0;
    loop {
        let from = FetchFrom {
            cluster_id: None,
            topic_id: topic.id,
            partition,
            offset,
            leader_epoch: None,
            last_fetched_epoch: None,
            bytes_max: FETCH_BYTES,
            wait: Duration::ZERO,
        };
        let fetched = connection.fetch(&from, FETCH_WITHIN).await.map_err(|error| failed(chain(&error)))?.body;
        if let Some(error) = fetched.error {
            return Err(failed(format!("{error:?}")));
        }
        let end = fetched.high_watermark.ok_or_else(|| failed("no high watermark".to_owned()))?;
        let batches = batches(fetched.records).map_err(|error| failed(chain(&error)))?;
        let Some(next) = batches.last().map(|batch| batch.next_offset) else {
            // An empty answer before the end would make the read a proof of nothing.
            return if end <= offset { Ok(()) } else { Err(failed(format!("nothing at offset {offset} of {end}"))) };
        };
        let values = batches.iter().flat_map(|batch| &batch.records).filter_map(|record| record.value.as_ref());
        read.extend(values.filter_map(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok()));
        offset = next;
    }
}
