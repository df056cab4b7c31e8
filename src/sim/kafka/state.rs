//! What the pretended cluster consists of: brokers, controllers, partitions, replicas, connections.
//!
//! Nouns only; what happens to them stands in the files named after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::change::State;
use super::fault::{Path, Way};
use super::log::Log;
use super::plan::Flow;
use super::talk::{Answer, Call, RecordId, Request, Throttled};
use super::throttle::Quotas;
use crate::model::ids::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionId, Rack, TopicId};
use crate::model::time::Timestamp;
use crate::model::topology::{Standing, Topology};

/// Where a partition stands in the list of all; never used again after its topic is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) usize);

/// Names a process from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life(pub(super) u64);

/// One connection, as both ends know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket(pub(super) u64);

/// Records that a leader acknowledged before anybody else had them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alone {
    /// The leader's.
    pub(super) epoch: LeaderEpoch,
    /// The first offset.
    pub(super) from: u64,
    /// The first offset after them.
    pub(super) to: u64,
}

/// A broker: its process, disk and links, and what it knows.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) rack: Option<Rack>,
    pub(super) process: Process,
    pub(super) life: Life,
    pub(super) phase: Phase,
    /// The epoch that it was registered with.
    pub(super) epoch: Option<BrokerEpoch>,
    pub(super) ended: Ended,
    pub(super) disk: Disk,
    pub(super) replication: Option<Way>,
    pub(super) controllers: Gate,
    /// A heartbeat is owed: the link was shut, or nobody was active.
    pub(super) owes_heartbeat: Owed,
    /// Since when it reads the metadata log; none while it cannot.
    pub(super) reads_since: Option<Timestamp>,
    /// Up to where it had read when it last began or stopped.
    pub(super) read_to: u64,
    pub(super) fetched_at: Timestamp,
    /// Counts how often it began to read anew.
    pub(super) reading: u64,
    /// Changes it has not applied yet.
    pub(super) queue: VecDeque<Arc<Batch>>,
    pub(super) busy_until: Timestamp,
    /// What it believes, where that is behind, and since when it has.
    pub(super) view: Option<Arc<Topology>>,
    pub(super) view_since: Timestamp,
    pub(super) hosted: BTreeSet<Place>,
    /// Partitions that it leads and whose ISR it wants changed.
    pub(super) to_alter: BTreeSet<Place>,
    /// Requests that wait for the disk.
    pub(super) blocked: Vec<Socket>,
    pub(super) quotas: Quotas,
}

/// How a broker's last process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// In order.
    Cleanly,
    /// Not.
    Uncleanly,
}

/// Whether a heartbeat is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    Yes,
    No,
}

/// A process as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Running,
    Stopped,
    Dead,
}

/// How far a broker's process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It recovers its log and registers.
    Starting,
    /// It is registered and reads the metadata log.
    CatchingUp,
    /// It serves.
    Up,
    /// It shuts down in order.
    Leaving,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Fine,
    /// Its device answers no more, but nobody has noticed.
    Stalling,
    /// Writers hang.
    Blocked,
}

/// A link as a broker or an asker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Gate {
    #[default]
    Open,
    Cut,
    Frozen(Way),
}

/// What is done to one listener of a broker, or to a node's way to the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Passage {
    pub(super) gate: Gate,
    pub(super) delay: std::time::Duration,
    pub(super) throttle: Option<std::time::Duration>,
    pub(super) denied: Option<Denied>,
    pub(super) capped: Option<Capped>,
}

/// What whoever comes this way has no right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Everything but `ApiVersions`.
    All,
    /// Changes.
    Changes,
}

impl Denied {
    pub(super) fn concerns(self, request: &Request) -> bool {
        match self {
            Self::All => *request != Request::ApiVersions,
            Self::Changes => request.changes_something(),
        }
    }
}

/// Whoever comes this way is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capped;

/// Which passage a socket goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// A client listener of a broker.
    Client(BrokerId, Path),
    /// Somebody's way to every controller.
    Controllers(Path),
}

/// A controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) process: Process,
    pub(super) life: u64,
    /// Whether it has followed the quorum since its start.
    pub(super) since: Option<Timestamp>,
}

/// A broker as the metadata log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) epoch: BrokerEpoch,
    pub(super) life: Life,
    pub(super) fenced: Fence,
    pub(super) leaving: Leaving,
    /// When it was last heard, on the active controller's clock; none counts as a session that is over.
    pub(super) contact: Option<Timestamp>,
    /// How far it had read the metadata log when it last said so.
    pub(super) read_to: u64,
}

/// Whether a broker is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    Up,
    Down,
}

/// Whether a broker is in controlled shutdown, and from which offset on others have to have read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    Since(u64),
}

impl Registered {
    /// Tells whether it may lead and be in sync.
    pub(super) fn active(&self) -> bool {
        self.fenced == Fence::Down && self.leaving == Leaving::No
    }

    /// Gives where it stands: whoever is fenced is out, however it came to that.
    pub(super) fn standing(&self) -> Standing {
        match (self.fenced, self.leaving) {
            (Fence::Up, _) => Standing::Fenced,
            (Fence::Down, Leaving::Since(_)) => Standing::ShuttingDown,
            (Fence::Down, Leaving::No) => Standing::Active,
        }
    }
}

/// Changes that were appended to the metadata log together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) changes: Vec<(Place, Arc<State>)>,
    pub(super) gone: Vec<Place>,
}

/// A topic.
#[derive(Debug, Clone, Default)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) min_isr: Option<u16>,
    pub(super) throttled: Throttled,
    pub(super) partitions: Vec<Place>,
}

/// A partition, with everything that its replicas hold.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: PartitionId,
    pub(super) standing: Existence,
    pub(super) state: Arc<State>,
    pub(super) replicas: Vec<Replica>,
    /// The log up to the last record that was acknowledged as written by all.
    pub(super) acked: Log,
    /// What was acknowledged with acks=1 and not everybody in sync has.
    pub(super) alone: Vec<Alone>,
    /// Clients' single records, by where they were written.
    pub(super) records: BTreeMap<(u64, LeaderEpoch), RecordId>,
    pub(super) flow: Flow,
    pub(super) flowed_to: Timestamp,
    /// Parts of records that flowed, in millionths: acks=all, acks=1.
    pub(super) carried: (u64, u64),
}

/// Whether a partition is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    Exists,
    Deleted,
}

/// A replica on a broker's disk, and what the broker's process makes of it.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) broker: BrokerId,
    pub(super) log: Log,
    pub(super) high_watermark: u64,
    /// The partition as its broker has applied it.
    pub(super) view: Arc<State>,
    pub(super) leading: Option<Box<Leading>>,
    pub(super) following: Following,
    /// When it last had everything that its leader had; none if not since that one leads.
    pub(super) level_at: Option<Timestamp>,
}

/// What a follower does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Following {
    /// Nothing: no leader to fetch from, or no way.
    Not,
    /// It fetches and will be level then.
    Until(Timestamp),
    /// It lacks something, and a quota lets it fetch on then.
    Throttled(Timestamp),
    /// It has everything, and gets whatever comes.
    Level,
}

/// What a leader knows.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) epoch: LeaderEpoch,
    /// Of the newest change that it knows: an older one says nothing.
    pub(super) partition_epoch: u32,
    pub(super) isr: Vec<BrokerId>,
    pub(super) waiting: Vec<Waiting>,
    /// Whether in-sync followers are about to have the newest.
    pub(super) replicating: bool,
}

/// A produce request that waits for the followers.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) socket: Socket,
    pub(super) call: Call,
    pub(super) offset: u64,
}

/// A connection from an asker to a door.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) line: super::talk::Line,
    pub(super) opened_by: Call,
    pub(super) state: Stage,
    /// On the way to the server, or held up there.
    pub(super) sent: VecDeque<(Call, Request)>,
    /// At the server, not begun.
    pub(super) inbox: VecDeque<(Call, Request)>,
    pub(super) serving: Option<(Call, Request)>,
    /// Sent by the server and held up.
    pub(super) held: Vec<(Call, Answer)>,
    pub(super) last_arrival: Timestamp,
    pub(super) last_heard: Timestamp,
    /// The call that observes the metadata log, and the version of the shape it was told last.
    pub(super) observing: Option<(Call, u64)>,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The asker dials, and wants to know.
    Dialling,
    /// The same for the sake of a request: only a refusal is told.
    DiallingToAsk,
    /// Both ends know each other.
    Open,
    /// The asker has closed its end.
    Deaf,
    /// The server's end is gone, but a frozen path keeps that from the asker.
    Broken,
}

/// What a client wrote, for [`super::truth::Truth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The partition.
    pub partition: PartitionId,
    /// The first acknowledged acks=all offset that the new leader does not have.
    pub from: u64,
    /// The end of what was acknowledged.
    pub to: u64,
    /// When that leader was elected.
    pub at: Timestamp,
}

/// The topics and partitions by their names.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) topics: BTreeMap<TopicId, Topic>,
    pub(super) places: BTreeMap<PartitionId, Place>,
}

impl Partition {
    pub(super) fn replica(&self, broker: BrokerId) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.broker == broker)
    }

    pub(super) fn replica_mut(&mut self, broker: BrokerId) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.broker == broker)
    }
}
