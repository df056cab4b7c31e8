//! The cluster as the metadata log tells it: records in, topology out.
//!
//! Pure. It believes the log's order; a record about something that is not there means that we lost our place, and is
//! an error rather than a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::records::{MetadataRecord, PartitionChange, PartitionState};
use crate::model::ids::{BrokerId, ClusterId, LeaderEpoch, Offset, PartitionId, Rack, TopicId};
use crate::model::topology::{Partition, Registration, Standing, Topic, Topology};

/// Kafka's numbers for whose setting it is.
const SETTING_OF_TOPIC: i8 = 2;
const SETTING_OF_BROKER: i8 = 4;
const MIN_ISR: &str = "min.insync.replicas";
/// Topics in which Kafka keeps its own books.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A record that contradicts the image: our place in the log is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata log speaks of {0}, which is not there")]
pub(super) struct Lost(String);

/// The image of the metadata log up to some offset.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    topology: Arc<Topology>,
    names: BTreeMap<String, TopicId>,
    moving: BTreeMap<PartitionId, Moving>,
    min_isr: BTreeMap<String, u16>,
    min_isr_default: Option<u16>,
    /// The records of a transaction of the controller that has not ended.
    transaction: Option<Vec<MetadataRecord>>,
    changed: bool,
}

/// Which halves of a reassignment are under way.
#[derive(Debug, Clone, Copy, Default)]
struct Moving {
    adding: bool,
    removing: bool,
}

impl Image {
    /// Begins an empty image of a cluster.
    pub(super) fn of(cluster: ClusterId) -> Self {
        let topology = Topology { cluster, ..Topology::default() };
        Self { topology: Arc::new(topology), changed: true, ..Self::default() }
    }

    /// Gives the topology, shared; and whether it has changed since the last time it was asked for.
    pub(super) fn topology(&mut self, read_to: Offset) -> (Arc<Topology>, bool) {
        let changed = std::mem::take(&mut self.changed);
        if changed {
            Arc::make_mut(&mut self.topology).metadata_offset = Some(read_to);
        }
        (Arc::clone(&self.topology), changed)
    }

    /// Fills in settings that the log does not hold (a broker's static ones).
    pub(super) fn adopt_min_isr(&mut self, known: &BTreeMap<TopicId, u16>) {
        let lacks = |(id, topic): (&TopicId, &Topic)| topic.min_isr.is_none() && known.contains_key(id);
        if self.topology.topics.iter().any(lacks) {
            for (id, topic) in &mut Arc::make_mut(&mut self.topology).topics {
                topic.min_isr = topic.min_isr.or_else(|| known.get(id).copied());
            }
            self.changed = true;
        }
    }

    /// Takes in the next record.
    ///
    /// Errors: [`Lost`] if it does not fit.
    pub(super) fn apply(&mut self, record: MetadataRecord) -> Result<(), Lost> {
        match (record, &mut self.transaction) {
            (MetadataRecord::Begin, _) => self.transaction = Some(Vec::new()),
            (MetadataRecord::Abort, _) => self.transaction = None,
            (MetadataRecord::End, _) => {
                for record in self.transaction.take().unwrap_or_default() {
                    self.take_effect(record)?;
                }
            }
            (record, Some(waiting)) => waiting.push(record),
            (record, None) => self.take_effect(record)?,
        }
        Ok(())
    }

    fn take_effect(&mut self, record: MetadataRecord) -> Result<(), Lost> {
        if record == MetadataRecord::Other {
            return Ok(());
        }
        self.changed = true;
        match record {
            MetadataRecord::Register { broker, epoch, rack, fenced, shutting_down } => {
                let standing = standing(fenced, shutting_down);
                let registration = Registration { rack: rack.map(Rack), epoch: Some(epoch), standing };
                self.shape().brokers.insert(broker, registration);
            }
            MetadataRecord::Unregister { broker } => self.unregister(broker),
            MetadataRecord::RegistrationChange { broker, fenced, shutting_down } => {
                self.change_registration(broker, fenced, shutting_down)?;
            }
            MetadataRecord::Topic { topic, name } => self.add_topic(topic, name),
            MetadataRecord::RemoveTopic { topic } => self.remove_topic(topic),
            MetadataRecord::Partition { partition, state } => self.set_partition(partition, state),
            MetadataRecord::PartitionChange { partition, change } => self.change_partition(partition, change)?,
            MetadataRecord::Setting { kind, whose, name, value } => self.set(kind, &whose, &name, value.as_deref()),
            MetadataRecord::ClearElr { topic } => self.clear_elr(topic.as_deref())?,
            MetadataRecord::Begin | MetadataRecord::End | MetadataRecord::Abort | MetadataRecord::Other => {}
        }
        Ok(())
    }

    /// The topology, to be changed: copied once if somebody still reads the last one.
    fn shape(&mut self) -> &mut Topology {
        Arc::make_mut(&mut self.topology)
    }

    fn unregister(&mut self, broker: BrokerId) {
        let shape = self.shape();
        let named = shape.partitions.values().any(|partition| partition.replicas.contains(&broker));
        match shape.brokers.get_mut(&broker) {
            Some(registration) if named => {
                registration.epoch = None;
                registration.standing = Standing::Unregistered;
            }
            Some(_) | None => {
                shape.brokers.remove(&broker);
            }
        }
    }

    fn change_registration(&mut self, broker: BrokerId, fenced: Option<bool>, leaving: bool) -> Result<(), Lost> {
        let registration = self.shape().brokers.get_mut(&broker).ok_or_else(|| Lost(broker.to_string()))?;
        let was_fenced = registration.standing == Standing::Fenced;
        let was_leaving = registration.standing == Standing::ShuttingDown;
        registration.standing = standing(fenced.unwrap_or(was_fenced), leaving || was_leaving);
        Ok(())
    }

    fn add_topic(&mut self, topic: TopicId, name: String) {
        let min_isr = self.min_isr.get(&name).copied().or(self.min_isr_default);
        let internal = INTERNAL.contains(&name.as_str());
        self.shape().topics.insert(topic, Topic { name: name.clone(), internal, min_isr });
        self.names.insert(name, topic);
    }

    fn remove_topic(&mut self, topic: TopicId) {
        let shape = self.shape();
        shape.partitions.retain(|id, _| id.topic != topic);
        let removed = shape.topics.remove(&topic);
        self.moving.retain(|id, _| id.topic != topic);
        if let Some(removed) = removed {
            self.names.remove(&removed.name);
            self.min_isr.remove(&removed.name);
        }
    }

    fn set_partition(&mut self, id: PartitionId, state: PartitionState) {
        let moving = Moving { adding: state.adding, removing: state.removing };
        self.moving.insert(id, moving);
        let partition = Partition {
            leader: state.leader,
            leader_epoch: LeaderEpoch(state.leader_epoch),
            replicas: state.replicas,
            isr: set(state.isr),
            elr: set(state.elr),
            reassigning: moving.adding || moving.removing,
        };
        self.shape().partitions.insert(id, partition);
    }

    fn change_partition(&mut self, id: PartitionId, change: PartitionChange) -> Result<(), Lost> {
        let moving = self.moving.entry(id).or_default();
        moving.adding = change.adding.unwrap_or(moving.adding);
        moving.removing = change.removing.unwrap_or(moving.removing);
        let reassigning = moving.adding || moving.removing;
        let partition = self.shape().partitions.get_mut(&id).ok_or_else(|| Lost(format!("partition {id}")))?;
        partition.reassigning = reassigning;
        if let Some(leader) = change.leader {
            partition.leader = leader;
            partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
        }
        if let Some(isr) = change.isr {
            partition.isr = set(isr);
        }
        if let Some(replicas) = change.replicas {
            partition.replicas = replicas;
        }
        if let Some(elr) = change.elr {
            partition.elr = set(elr);
        }
        Ok(())
    }

    fn set(&mut self, kind: i8, whose: &str, name: &str, value: Option<&str>) {
        if name != MIN_ISR {
            return;
        }
        let value = value.and_then(|text| text.parse().ok());
        if kind == SETTING_OF_TOPIC {
            match value {
                Some(value) => self.min_isr.insert(whose.to_owned(), value),
                None => self.min_isr.remove(whose),
            };
        } else if kind == SETTING_OF_BROKER && whose.is_empty() {
            self.min_isr_default = value;
        }
        let (by_topic, default) = (&self.min_isr, self.min_isr_default);
        for topic in Arc::make_mut(&mut self.topology).topics.values_mut() {
            topic.min_isr = by_topic.get(&topic.name).copied().or(default);
        }
    }

    fn clear_elr(&mut self, topic: Option<&str>) -> Result<(), Lost> {
        let only = match topic {
            None => None,
            Some(name) => Some(*self.names.get(name).ok_or_else(|| Lost("the topic of a cleared ELR".to_owned()))?),
        };
        for (id, partition) in &mut self.shape().partitions {
            if only.is_none_or(|topic| topic == id.topic) {
                partition.elr.clear();
            }
        }
        Ok(())
    }
}

fn standing(fenced: bool, shutting_down: bool) -> Standing {
    match (fenced, shutting_down) {
        (true, _) => Standing::Fenced,
        (false, true) => Standing::ShuttingDown,
        (false, false) => Standing::Active,
    }
}

fn set(ids: Vec<BrokerId>) -> BTreeSet<BrokerId> {
    ids.into_iter().collect()
}
