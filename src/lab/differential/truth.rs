//! What is true: the committed metadata log, read from its beginning, with every change in between.
//!
//! Sampling would miss what comes and goes between two looks (a fence undone by the next heartbeat); the log misses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::adapters::kafka::probe::observer::records::{self, MetadataRecord};
use crate::adapters::kafka::wire::{Connection, FetchFrom, METADATA_TOPIC_ID, WireError, batches};
use crate::lab::LabError;
use crate::lab::admin::chain;
use crate::model::ids::{BrokerId, PartitionId, TopicId};
use crate::model::topology::Standing;
use crate::sim::differential::reading::{Partition, PartitionState, Registered};

/// The cluster as the log tells it, and what has changed since somebody asked.
#[derive(Debug, Default)]
pub(super) struct Truth {
    next: i64,
    last_epoch: i32,
    names: BTreeMap<TopicId, String>,
    partitions: BTreeMap<PartitionId, Place>,
    registered: BTreeMap<BrokerId, Registered>,
    /// The last life of a broker, also of one that is not registered any more.
    lives: BTreeMap<BrokerId, i64>,
    /// By topic, as only partition 0 exists.
    paths: BTreeMap<String, Vec<Partition>>,
    registrations: BTreeMap<BrokerId, Vec<Registered>>,
}

/// A partition and whether it is on the move.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) state: PartitionState,
    adding: bool,
    removing: bool,
}

impl Place {
    /// Tells whether it is led, wholly in sync and at rest.
    pub(super) fn is_whole(&self) -> bool {
        let in_sync = self.state.isr.len() == self.state.replicas.len();
        self.state.leader.is_some() && in_sync && !self.adding && !self.removing
    }
}

/// How long one call to the controller may take.
const CALL_WITHIN: Duration = Duration::from_secs(5);
const FETCH_BYTES: i32 = 4 << 20;

impl Truth {
    /// Reads on to what is committed now.
    ///
    /// Errors: [`LabError::Kafka`].
    pub(super) async fn catch_up(&mut self, controller: &Connection) -> Result<(), LabError> {
        let failed =
            |error: WireError| LabError::Kafka { act: "read the metadata log".to_owned(), answer: chain(&error) };
        let lost = |why: &dyn std::error::Error| LabError::Kafka {
            act: "understand the metadata log".to_owned(),
            answer: chain(why),
        };
        let quorum = controller.quorum(CALL_WITHIN).await.map_err(failed)?.body;
        let committed = quorum.high_watermark.unwrap_or_default();
        while self.next < committed {
            let from = FetchFrom {
                cluster_id: None,
                topic_id: METADATA_TOPIC_ID,
                partition: 0,
                offset: self.next,
                leader_epoch: Some(quorum.leader_epoch),
                last_fetched_epoch: Some(self.last_epoch),
                bytes_max: FETCH_BYTES,
                wait: Duration::from_millis(100),
            };
            let fetched = controller.fetch(&from, CALL_WITHIN).await.map_err(failed)?.body;
            if fetched.error.is_some() || fetched.snapshot.is_some() || fetched.diverging.is_some() {
                let answer = format!("{:?} {:?} {:?}", fetched.error, fetched.snapshot, fetched.diverging);
                return Err(LabError::Kafka { act: "read the metadata log from its beginning".to_owned(), answer });
            }
            for batch in batches(fetched.records).map_err(|malformed| lost(&malformed))? {
                if !batch.control {
                    for value in batch.records.into_iter().filter_map(|record| record.value) {
                        self.apply(records::read(value).map_err(|malformed| lost(&malformed))?);
                    }
                }
                self.next = batch.next_offset;
                self.last_epoch = batch.leader_epoch;
            }
        }
        Ok(())
    }

    /// Gives the registrations by now.
    pub(super) fn registered(&self) -> &BTreeMap<BrokerId, Registered> {
        &self.registered
    }

    /// Gives a broker's last life.
    pub(super) fn life(&self, broker: BrokerId) -> Option<i64> {
        self.lives.get(&broker).copied()
    }

    /// Gives a topic's one partition, if the topic exists.
    pub(super) fn place(&self, topic: &str) -> Option<&Place> {
        let id = self.names.iter().find(|(_, name)| *name == topic).map(|(id, _)| *id)?;
        self.partitions.get(&PartitionId { topic: id, number: 0 })
    }

    /// Takes out how a topic's partition has changed since the last time.
    pub(super) fn take_path(&mut self, topic: &str) -> Vec<Partition> {
        self.paths.remove(topic).unwrap_or_default()
    }

    /// Takes out how registrations have changed since the last time; the present one is always there.
    pub(super) fn take_registrations(&mut self) -> BTreeMap<BrokerId, Vec<Registered>> {
        let mut taken = std::mem::take(&mut self.registrations);
        for (id, registered) in &self.registered {
            taken.entry(*id).or_insert_with(|| vec![*registered]);
        }
        taken
    }

    fn apply(&mut self, record: MetadataRecord) {
        match record {
            MetadataRecord::Register { broker, epoch, fenced, shutting_down, .. } => {
                self.register(broker, Registered { standing: standing(fenced, shutting_down), epoch: Some(epoch.0) });
            }
            MetadataRecord::Unregister { broker } => {
                self.register(broker, Registered { standing: Standing::Unregistered, epoch: None });
            }
            MetadataRecord::RegistrationChange { broker, fenced, shutting_down } => {
                let Some(was) = self.registered.get(&broker).copied() else { return };
                let fenced = fenced.unwrap_or(was.standing == Standing::Fenced);
                let leaving = shutting_down || was.standing == Standing::ShuttingDown;
                self.register(broker, Registered { standing: standing(fenced, leaving), ..was });
            }
            MetadataRecord::Topic { topic, name } => {
                self.names.insert(topic, name);
            }
            MetadataRecord::RemoveTopic { topic } => {
                self.partitions.retain(|id, _| id.topic != topic);
                if let Some(name) = self.names.remove(&topic) {
                    self.paths.entry(name).or_default().push(Partition::Gone);
                }
            }
            MetadataRecord::Partition { partition, state } => {
                let is = PartitionState {
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    partition_epoch: 0,
                    replicas: state.replicas,
                    isr: state.isr.into_iter().collect(),
                    elr: state.elr.into_iter().collect(),
                };
                self.place_is(partition, Place { state: is, adding: state.adding, removing: state.removing });
            }
            MetadataRecord::PartitionChange { partition, change } => self.change(partition, change),
            MetadataRecord::ClearElr { topic } => self.clear_elr(topic.as_deref()),
            MetadataRecord::Setting { .. }
            | MetadataRecord::Begin
            | MetadataRecord::End
            | MetadataRecord::Abort
            | MetadataRecord::Other => {}
        }
    }

    fn change(&mut self, partition: PartitionId, change: records::PartitionChange) {
        let Some(mut place) = self.partitions.get(&partition).cloned() else { return };
        place.state.partition_epoch = place.state.partition_epoch.saturating_add(1);
        if let Some(leader) = change.leader {
            place.state.leader = leader;
            place.state.leader_epoch = place.state.leader_epoch.saturating_add(1);
        }
        if let Some(isr) = change.isr {
            place.state.isr = isr.into_iter().collect();
        }
        if let Some(elr) = change.elr {
            place.state.elr = elr.into_iter().collect();
        }
        if let Some(replicas) = change.replicas {
            place.state.replicas = replicas;
        }
        place.adding = change.adding.unwrap_or(place.adding);
        place.removing = change.removing.unwrap_or(place.removing);
        self.place_is(partition, place);
    }

    fn clear_elr(&mut self, topic: Option<&str>) {
        let cleared: Vec<(PartitionId, Place)> = self
            .partitions
            .iter()
            .filter(|(id, place)| {
                let named = topic.is_none_or(|topic| self.names.get(&id.topic).is_some_and(|name| name == topic));
                named && !place.state.elr.is_empty()
            })
            .map(|(id, place)| (*id, place.clone()))
            .collect();
        for (id, mut place) in cleared {
            place.state.elr.clear();
            self.place_is(id, place);
        }
    }

    fn place_is(&mut self, partition: PartitionId, place: Place) {
        if partition.number == 0
            && let Some(name) = self.names.get(&partition.topic)
        {
            self.paths.entry(name.clone()).or_default().push(Partition::Is(place.state.clone()));
        }
        self.partitions.insert(partition, place);
    }

    fn register(&mut self, broker: BrokerId, registered: Registered) {
        if let Some(epoch) = registered.epoch {
            self.lives.insert(broker, epoch);
        }
        self.registered.insert(broker, registered);
        self.registrations.entry(broker).or_default().push(registered);
    }
}

fn standing(fenced: bool, shutting_down: bool) -> Standing {
    match (fenced, shutting_down) {
        (true, _) => Standing::Fenced,
        (false, true) => Standing::ShuttingDown,
        (false, false) => Standing::Active,
    }
}
