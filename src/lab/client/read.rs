//! The proof that nothing acknowledged was lost: every partition read to its end, and compared with what was acknowledged.
//!
//! Where something is missing every replica is read as well, followers included (since KIP-392 a broker serves a consumer from any
//! replica), so that the report tells a copy that lost records from a leader that should not lead, or a reader that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::adapters::kafka::wire::{Connection, FetchFrom, PartitionView, TopicView, batches};
use crate::lab::LabError;
use crate::lab::admin::{self, chain};
use crate::lab::cluster::Cluster;
use crate::lab::names::{BrokerId, Listener};

/// Where a record was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// Its offset; none where the broker only said that it had the record already.
    pub offset: Option<i64>,
}

/// What the final read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRead {
    /// How many records with an id were read.
    pub read: usize,
    /// The ids that were acknowledged with acks=all and are not where they were acknowledged.
    pub lost: Vec<u64>,
    /// What every replica of a partition that lost something holds, for people.
    pub evidence: Vec<String>,
}

/// One replica's log as a consumer sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Copy {
    log_start: Option<i64>,
    high_watermark: Option<i64>,
    /// First offset, the offset that follows, and the epoch of the leader that wrote it.
    batches: Vec<(i64, i64, i32)>,
    /// Every offset of each id: a producer may rightly write a record twice whose first acknowledgement it never saw.
    ids: BTreeMap<u64, BTreeSet<i64>>,
}

const FETCH_BYTES: i32 = 1 << 20;
const FETCH_WITHIN: Duration = Duration::from_secs(10);
/// How many batches of a damaged partition's head are shown.
const BATCHES_SHOWN: usize = 6;

/// Reads every partition of `topic` from its leader to its end and gives which of `acknowledged` are missing.
///
/// Errors: [`LabError::Kafka`] if a partition cannot be read now; heal and wait for a leader first.
pub async fn final_read(
    cluster: &Cluster,
    topic: &str,
    acknowledged: &BTreeMap<u64, Place>,
) -> Result<FinalRead, LabError> {
    let view = cluster.topic(topic).await?;
    let (mut read, mut lost, mut evidence) = (0, Vec::new(), Vec::new());
    for partition in &view.partitions {
        let Some(leader) = partition.leader else {
            return Err(LabError::Kafka {
                act: format!("read {topic}"),
                answer: format!("partition {} has no leader", partition.index),
            });
        };
        let copy = read_copy(cluster, &view, partition.index, leader).await?;
        read += copy.ids.len();
        let missing: Vec<(u64, Place)> = acknowledged
            .iter()
            .filter(|(id, place)| place.partition == partition.index && !copy.holds(**id, **place))
            .map(|(id, place)| (*id, *place))
            .collect();
        if !missing.is_empty() {
            evidence.extend(witnesses(cluster, &view, partition, &missing).await);
        }
        lost.extend(missing.into_iter().map(|(id, _)| id));
    }
    lost.sort_unstable();
    Ok(FinalRead { read, lost, evidence })
}

impl Copy {
    fn holds(&self, id: u64, place: Place) -> bool {
        self.ids.get(&id).is_some_and(|at| place.offset.is_none_or(|offset| at.contains(&offset)))
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log_start, high_watermark, batches, ids } = self;
        write!(f, "log start {log_start:?}, high watermark {high_watermark:?}, {} ids", ids.len())?;
        for (base, next, epoch) in batches.iter().take(BATCHES_SHOWN) {
            write!(f, "; {base}..{next} of epoch {epoch}")?;
        }
        let mut expected = 0;
        for (base, next, epoch) in batches {
            if *base != expected {
                write!(f, "; HOLE {expected}..{base} before epoch {epoch}")?;
            }
            expected = *next;
        }
        Ok(())
    }
}

/// Says what each replica holds of the records that are missing.
async fn witnesses(
    cluster: &Cluster,
    topic: &TopicView,
    partition: &PartitionView,
    missing: &[(u64, Place)],
) -> Vec<String> {
    let name = format!("{}-{}", topic.name, partition.index);
    let mut lines = vec![format!(
        "{name}: led by {:?} in epoch {:?}, in sync {:?}; missing, with the place of their acknowledgement: {missing:?}",
        partition.leader, partition.leader_epoch, partition.isr
    )];
    for replica in partition.replicas.iter().copied().collect::<BTreeSet<_>>() {
        let said = match read_copy(cluster, topic, partition.index, replica).await {
            Ok(copy) => {
                let held: Vec<_> = missing.iter().filter_map(|(id, _)| Some((*id, copy.ids.get(id)?))).collect();
                format!("{copy}; holds of the missing (id, offset): {held:?}")
            }
            Err(error) => chain(&error),
        };
        lines.push(format!("{name} on b{replica}: {said}"));
    }
    lines
}

async fn read_copy(cluster: &Cluster, topic: &TopicView, partition: i32, broker: i32) -> Result<Copy, LabError> {
    let failed = |answer: String| LabError::Kafka {
        act: format!("read partition {partition} of {} from b{broker}", topic.name),
        answer,
    };
    let address = cluster
        .broker_behind_proxy(BrokerId(broker), Listener::Clients)
        .ok_or_else(|| failed("no such broker".to_owned()))?;
    let connection = admin::open(address).await.map_err(|error| failed(chain(&error)))?;
    read_to_its_end(&connection, topic, partition).await.map_err(failed)
}

async fn read_to_its_end(connection: &Connection, topic: &TopicView, partition: i32) -> Result<Copy, String> {
    let mut copy = Copy::default();
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
        let fetched = connection.fetch(&from, FETCH_WITHIN).await.map_err(|error| chain(&error))?.body;
        if let Some(error) = fetched.error {
            return Err(format!("{error:?}"));
        }
        let end = fetched.high_watermark.ok_or("no high watermark")?;
        (copy.log_start, copy.high_watermark) = (fetched.log_start, Some(end));
        let batches = batches(fetched.records).map_err(|error| chain(&error))?;
        let Some(next) = batches.last().map(|batch| batch.next_offset) else {
            // An empty answer before the end would make the read a proof of nothing.
            return if end <= offset { Ok(copy) } else { Err(format!("nothing at offset {offset} of {end}")) };
        };
        for batch in &batches {
            copy.batches.push((batch.base_offset, batch.next_offset, batch.leader_epoch));
            for record in &batch.records {
                let value = record.value.as_ref().and_then(|value| std::str::from_utf8(value).ok());
                if let Some(id) = value.and_then(|text| text.parse().ok()) {
                    copy.ids.entry(id).or_default().insert(record.offset);
                }
            }
        }
        offset = next;
    }
}
