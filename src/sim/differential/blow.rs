//! What a script breaks.

use crate::model::ids::BrokerId;
use crate::sim::kafka::fault::{Fault, FaultKind, Vantage, Way};

/// What to break, always reversible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// SIGKILL; mended by starting the process.
    Kill(BrokerId),
    /// SIGTERM; mended by starting the process.
    Terminate(BrokerId),
    /// SIGSTOP; mended by SIGCONT.
    Stop(BrokerId),
    /// Client listeners reset and refuse.
    ClientCut(BrokerId),
    /// Client listeners are a black hole.
    ClientFreeze(BrokerId),
    /// Nobody hears from the broker's replication listener; it hears from others.
    ReplicationFreeze(BrokerId),
    /// The log folder takes no writes.
    DiskFreeze(BrokerId),
    /// The way to every controller is a black hole.
    ControllerFreeze(BrokerId),
}

impl Blow {
    /// Gives it as the pretended Kafka suffers it; the lab reads the same fault from its text.
    #[must_use]
    pub fn fault(self) -> Fault {
        let (kind, broker) = match self {
            Self::Kill(broker) => (FaultKind::Kill, broker),
            Self::Terminate(broker) => (FaultKind::Terminate, broker),
            Self::Stop(broker) => (FaultKind::Stop, broker),
            Self::ClientCut(broker) => (FaultKind::ClientCut(Vantage::All), broker),
            Self::ClientFreeze(broker) => (FaultKind::ClientFreeze(Vantage::All, Way::Both), broker),
            Self::ReplicationFreeze(broker) => (FaultKind::ReplicationFreeze(Way::Both), broker),
            Self::DiskFreeze(broker) => (FaultKind::DiskFreeze, broker),
            Self::ControllerFreeze(broker) => (FaultKind::ControllerFreeze(Way::Both), broker),
        };
        Fault::at_broker(kind, broker)
    }
}
