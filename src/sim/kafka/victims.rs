//! Which targets a fault can strike: the one rule for whoever reads a fault and for whoever inflicts it.

use std::fmt;

use super::fault::{FaultKind, Target};

/// Which targets a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Victims {
    /// Brokers alone.
    Brokers,
    /// Processes of Kafka: brokers and controllers.
    Processes,
    /// Whoever has a way to the controllers: brokers and Tanist nodes.
    Callers,
}

impl Victims {
    /// Tells whether a target is one of them.
    pub(in crate::sim) fn include(self, target: Target) -> bool {
        match target {
            Target::Broker(_) => true,
            Target::Controller(_) => self == Self::Processes,
            Target::Tanist(_) => self == Self::Callers,
        }
    }
}

impl FaultKind {
    /// Gives the targets that it can strike.
    pub(in crate::sim) fn victims(self) -> Victims {
        match self {
            Self::Kill | Self::Terminate | Self::Stop => Victims::Processes,
            Self::ControllerFreeze(_) | Self::ControllerCut => Victims::Callers,
            Self::ClientCut(_)
            | Self::ClientFreeze(..)
            | Self::ClientDelay(..)
            | Self::ClientDeny(_)
            | Self::AlterDeny(_)
            | Self::ClientThrottle(..)
            | Self::ClientCap(_)
            | Self::ReplicationFreeze(_)
            | Self::DiskFreeze
            | Self::DiskStall
            | Self::DiskFail => Victims::Brokers,
        }
    }
}

impl fmt::Display for Victims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brokers => "a broker, such as b1",
            Self::Processes => "a broker or a controller, such as b1 or k101",
            Self::Callers => "a broker or a Tanist node, such as b1 or t1",
        })
    }
}
