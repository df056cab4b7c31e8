//! The rows of the table: in which trouble a cluster is when something is asked of it.
//!
//! Broker 1 is always the one in trouble, and leads; what is broken and how it is mended stands in `script`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is the matter before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing.
    Healthy,
    /// The leader's process was killed and the controllers do not know it yet.
    Killed,
    /// The leader's process stands still and the controllers do not know it yet.
    Stopped,
    /// The leader was asked to end and did (controlled shutdown).
    Terminated,
    /// The leader refuses all clients.
    ClientCut,
    /// The leader is silent to all clients.
    ClientFrozen,
    /// Followers cannot fetch from the leader; nobody has left the ISR yet.
    ReplicationFrozen,
    /// The same, after the leader has thrown its followers out of the ISR.
    Shrunk,
    /// The leader's log folder takes no writes, without an error.
    DiskStalled,
    /// The leader reaches no controller; they do not know it yet.
    ControllerCut,
    /// The leader's process stands still and it is fenced.
    Fenced,
    /// The leader was unregistered while it ran: a zombie.
    Unregistered,
    /// The only member of the ISR is dead; the other replicas live.
    Leaderless,
    /// A replica is being added that cannot catch up, another would go.
    Reassigning,
    /// The leader alone is in sync, and two must be.
    UnderMinIsr,
    /// There is one replica, and its broker is dead.
    SoleReplica,
    /// The topic has been deleted.
    Deleted,
    /// Broker 3 lives and lacks much; a throttle keeps it from getting it.
    Throttled,
    /// The leader's process, whose controller was the active one, was killed; another is active, and does not know yet that the broker
    /// is dead.
    CombinedKilled,
    /// The same process stands still; another is active, and does not know yet that the broker stands still.
    CombinedStopped,
    /// The same process was asked to end and did: it has handed both roles over.
    CombinedTerminated,
    /// The leader's process, whose controller was not the active one, was killed; the active one does not know yet that the broker is dead.
    CombinedStandbyKilled,
}

impl State {
    /// Every state, in the order of the table.
    pub const ALL: [Self; 22] = [
        Self::Healthy,
        Self::Killed,
        Self::Stopped,
        Self::Terminated,
        Self::ClientCut,
        Self::ClientFrozen,
        Self::ReplicationFrozen,
        Self::Shrunk,
        Self::DiskStalled,
        Self::ControllerCut,
        Self::Fenced,
        Self::Unregistered,
        Self::Leaderless,
        Self::Reassigning,
        Self::UnderMinIsr,
        Self::SoleReplica,
        Self::Deleted,
        Self::Throttled,
        Self::CombinedKilled,
        Self::CombinedStopped,
        Self::CombinedTerminated,
        Self::CombinedStandbyKilled,
    ];

    /// Gives the cluster that the state is made in.
    ///
    /// Kafka's own times where it would otherwise act before the last observation; tuned ones wherever its acting is awaited
    /// anyway or never comes, because they are shorter. All combined nodes share one ground.
    #[must_use]
    pub fn ground(self) -> Ground {
        match self {
            Self::Killed | Self::Stopped | Self::ControllerCut | Self::Throttled => Ground::Stock,
            Self::DiskStalled => Ground::TunedFreezable,
            Self::CombinedKilled | Self::CombinedStopped | Self::CombinedTerminated | Self::CombinedStandbyKilled => {
                Ground::Combined
            }
            Self::Healthy
            | Self::Terminated
            | Self::ClientCut
            | Self::ClientFrozen
            | Self::ReplicationFrozen
            | Self::Shrunk
            | Self::Fenced
            | Self::Unregistered
            | Self::Leaderless
            | Self::Reassigning
            | Self::UnderMinIsr
            | Self::SoleReplica
            | Self::Deleted => Ground::Tuned,
        }
    }

    /// Gives the state's name as recordings write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
            Self::ClientCut => "client-cut",
            Self::ClientFrozen => "client-frozen",
            Self::ReplicationFrozen => "replication-frozen",
            Self::Shrunk => "shrunk",
            Self::DiskStalled => "disk-stalled",
            Self::ControllerCut => "controller-cut",
            Self::Fenced => "fenced",
            Self::Unregistered => "unregistered",
            Self::Leaderless => "leaderless",
            Self::Reassigning => "reassigning",
            Self::UnderMinIsr => "under-min-isr",
            Self::SoleReplica => "sole-replica",
            Self::Deleted => "deleted",
            Self::Throttled => "throttled",
            Self::CombinedKilled => "combined-killed",
            Self::CombinedStopped => "combined-stopped",
            Self::CombinedTerminated => "combined-terminated",
            Self::CombinedStandbyKilled => "combined-standby-killed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What kind of cluster a state is made in: three brokers, three controllers in processes of their own unless said otherwise, two of three
/// in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// Session 3 s, heartbeat 0.5 s, replica lag 5 s.
    Tuned,
    /// The same, on disks that can stall.
    TunedFreezable,
    /// Kafka's own times: session 9 s, heartbeat 2 s, replica lag 30 s.
    Stock,
    /// The same times; each process is a broker and a controller (combined nodes).
    Combined,
}

impl Ground {
    /// Every kind, in the order in which they are played.
    pub const ALL: [Self; 4] = [Self::Tuned, Self::TunedFreezable, Self::Stock, Self::Combined];
}
