//! Faults of the pretended Kafka as values: the lab's faults under the lab's names, and those that only a model can do at will.
//!
//! A fault has one line of text (`client-freeze b1,b2 from tanist2 inbound`), which scenarios and messages share.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::combined::Harm;
use super::talk::Asker;
use crate::model::ids::{BrokerId, ControllerId, NodeId};

mod parse;

pub(in crate::sim) use parse::parse_span;

/// Something to break at one or several targets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// To whom; never empty.
    pub targets: BTreeSet<Target>,
}

/// What a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A broker, `b1`.
    Broker(BrokerId),
    /// A controller, `k101`.
    Controller(ControllerId),
    /// A Tanist node's own way to the controllers, `t2`.
    Tanist(NodeId),
}

/// Whose listener it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// The listener of one Tanist node, `tanist2`.
    Tanist(NodeId),
    /// The listener of clients and operators, `clients`.
    Clients,
}

/// From where a fault of the client path is felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vantage {
    /// By everybody.
    All,
    /// By the users of one listener only.
    Only(Path),
}

/// Which direction of a path is struck, named from the process that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// What is sent to the target vanishes.
    Inbound,
    /// What the target sends vanishes: a request has its effect and no answer.
    Outbound,
    /// Both.
    Both,
}

/// What is done to each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// SIGKILL. Healed by starting the process again.
    Kill,
    /// SIGTERM: the controlled shutdown. Healed by starting the process again.
    Terminate,
    /// SIGSTOP. Healed by SIGCONT.
    Stop,
    /// Client listeners reset what exists and refuse what comes.
    ClientCut(Vantage),
    /// Client listeners are a black hole.
    ClientFreeze(Vantage, Way),
    /// Everything on client listeners is late by this much, each way.
    ClientDelay(Vantage, Duration),
    /// Whoever asks has no right to: every request but `ApiVersions` is refused.
    ClientDeny(Vantage),
    /// Whoever asks may look and not touch: the right ALTER is missing.
    AlterDeny(Vantage),
    /// Every answer tells of a quota exceeded by so much.
    ClientThrottle(Vantage, Duration),
    /// A connection is accepted and closed at once: too many are open.
    ClientCap(Vantage),
    /// Nobody hears from the target's replication listener: followers cannot fetch from it, it can fetch from them.
    ReplicationFreeze(Way),
    /// The target's way to every controller is a black hole.
    ControllerFreeze(Way),
    /// The target's way to every controller resets and refuses.
    ControllerCut,
    /// The file system under the log dir is frozen: writers block at once.
    DiskFreeze,
    /// The block device under the log dir stops answering: writers block at the next flush.
    DiskStall,
    /// The log dir answers with an I/O error: the broker halts, as it has no other.
    DiskFail,
}

/// Says why a fault cannot be inflicted or healed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} is impossible: {why}")]
pub struct Impossible {
    /// The fault as text.
    pub fault: String,
    /// Why.
    pub why: String,
}

/// Says why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?}: expected {expected}")]
pub struct FaultError {
    /// The word that does not fit; empty where one is missing.
    pub word: String,
    /// What should stand there.
    pub expected: String,
}

/// Every fault's name, for messages.
pub const NAMES: &str = "kill, terminate, stop, client-cut, client-freeze, client-delay, client-deny, alter-deny, \
                         client-throttle, client-cap, replication-freeze, controller-freeze, controller-cut, disk-freeze, disk-stall, \
                         disk-fail";

impl Fault {
    /// Gives a fault of this kind at one target.
    #[must_use]
    pub fn at(kind: FaultKind, target: Target) -> Self {
        Self { kind, targets: BTreeSet::from([target]) }
    }

    /// Gives a fault of this kind at one broker.
    #[must_use]
    pub fn at_broker(kind: FaultKind, broker: BrokerId) -> Self {
        Self::at(kind, Target::Broker(broker))
    }
}

impl Path {
    /// Gives the listener that an asker uses.
    #[must_use]
    pub fn of(asker: Asker) -> Self {
        match asker {
            Asker::Node(node) => Self::Tanist(node),
            Asker::Client(_) | Asker::Operator(_) | Asker::Reader(_) => Self::Clients,
        }
    }
}

impl Vantage {
    /// Tells whether the users of `path` feel it.
    #[must_use]
    pub fn covers(self, path: Path) -> bool {
        match self {
            Self::All => true,
            Self::Only(one) => one == path,
        }
    }
}

impl FaultKind {
    /// Gives from where it is felt.
    pub(in crate::sim) fn vantage(self) -> Vantage {
        let (vantage, _, _) = self.details();
        vantage
    }

    /// Tells whether whatever it strikes is dead from then on.
    pub(in crate::sim) fn ends_life(self) -> bool {
        Harm::of(self) == Some(Harm::Death)
    }

    /// Tells whether only what lives can suffer it.
    pub(in crate::sim) fn takes_life(self) -> bool {
        matches!(Harm::of(self), Some(Harm::Death | Harm::Stop | Harm::Leave))
    }

    /// Tells whether it and another one decide about the same: who gets through to a listener, how late, with which right, over how many
    /// connections; the way to followers, to the controllers, to the disk.
    pub(in crate::sim) fn decides_with(self, other: Self) -> bool {
        let (mine, theirs) = (self.vantage(), other.vantage());
        let meet = mine == theirs || mine == Vantage::All || theirs == Vantage::All;
        meet && self.thing().is_some_and(|thing| Some(thing) == other.thing())
    }

    /// What it decides about, by the name of the first fault that does.
    fn thing(self) -> Option<&'static str> {
        match self {
            Self::Kill | Self::Terminate | Self::Stop | Self::DiskFail => None,
            Self::ClientCut(_) | Self::ClientFreeze(..) => Some("client-cut"),
            Self::ClientDeny(_) | Self::AlterDeny(_) => Some("client-deny"),
            Self::ControllerCut | Self::ControllerFreeze(_) => Some("controller-cut"),
            Self::DiskFreeze | Self::DiskStall => Some("disk-freeze"),
            Self::ClientDelay(..) | Self::ClientThrottle(..) | Self::ClientCap(_) | Self::ReplicationFreeze(_) => {
                Some(self.name())
            }
        }
    }

    /// Gives its name, as scenarios write it.
    pub(in crate::sim) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Stop => "stop",
            Self::ClientCut(_) => "client-cut",
            Self::ClientFreeze(..) => "client-freeze",
            Self::ClientDelay(..) => "client-delay",
            Self::ClientDeny(_) => "client-deny",
            Self::AlterDeny(_) => "alter-deny",
            Self::ClientThrottle(..) => "client-throttle",
            Self::ClientCap(_) => "client-cap",
            Self::ReplicationFreeze(_) => "replication-freeze",
            Self::ControllerFreeze(_) => "controller-freeze",
            Self::ControllerCut => "controller-cut",
            Self::DiskFreeze => "disk-freeze",
            Self::DiskStall => "disk-stall",
            Self::DiskFail => "disk-fail",
        }
    }

    fn details(self) -> (Vantage, Way, Option<Duration>) {
        match self {
            Self::ClientCut(vantage)
            | Self::ClientDeny(vantage)
            | Self::AlterDeny(vantage)
            | Self::ClientCap(vantage) => (vantage, Way::Both, None),
            Self::ClientFreeze(vantage, way) => (vantage, way, None),
            Self::ClientDelay(vantage, span) | Self::ClientThrottle(vantage, span) => (vantage, Way::Both, Some(span)),
            Self::ReplicationFreeze(way) | Self::ControllerFreeze(way) => (Vantage::All, way, None),
            Self::Kill
            | Self::Terminate
            | Self::Stop
            | Self::ControllerCut
            | Self::DiskFreeze
            | Self::DiskStall
            | Self::DiskFail => (Vantage::All, Way::Both, None),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        write!(f, "{} {}", self.kind.name(), targets.join(","))?;
        let (vantage, way, span) = self.kind.details();
        if let Vantage::Only(path) = vantage {
            write!(f, " from {path}")?;
        }
        match way {
            Way::Both => {}
            Way::Inbound => f.write_str(" inbound")?,
            Way::Outbound => f.write_str(" outbound")?,
        }
        span.map_or(Ok(()), |span| write!(f, " {}ms", span.as_millis()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(broker) => broker.fmt(f),
            Self::Controller(controller) => controller.fmt(f),
            Self::Tanist(node) => write!(f, "t{}", node.0),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tanist(node) => write!(f, "tanist{}", node.0),
            Self::Clients => f.write_str("clients"),
        }
    }
}
