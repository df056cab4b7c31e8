//! Faults as values: what is broken, at which targets, felt from where, and when.
//!
//! A fault has one line of text (`client-freeze b1,b2 from tanist2 inbound`), which the command line, result files and error messages
//! share. Breaking and healing is done by `inflict`.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lab::LabError;
use crate::lab::link::Way;
use crate::lab::names::{BrokerId, Target, Vantage};

/// Something to break at one or several targets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// To whom; never empty.
    pub targets: BTreeSet<Target>,
}

/// What is done to each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// SIGKILL. Healed by starting the process again.
    Kill,
    /// SIGTERM: Kafka's controlled shutdown. Healed by starting the process again.
    Terminate,
    /// SIGSTOP. Healed by SIGCONT (`Continue`).
    Stop,
    /// Client listeners reset what exists and refuse what comes, as a firewall that rejects.
    ClientCut(Vantage),
    /// Client listeners are a black hole.
    ClientFreeze(Vantage, Way),
    /// Every byte of client listeners is late by this much, each way.
    ClientDelay(Vantage, Duration),
    /// Each client connection carries at most this many bytes a second, each way.
    ClientLimit(Vantage, NonZeroU64),
    /// Nobody hears from the target's replication listener: followers cannot fetch from it, it can fetch from them.
    ReplicationFreeze(Way),
    /// The target's way to every controller is a black hole.
    ControllerFreeze(Way),
    /// The target's way to every controller resets and refuses.
    ControllerCut,
    /// The file system under the log folder is frozen (`fsfreeze`): writers block at once.
    DiskFreeze,
    /// The block device under the log folder stops answering: writers block once the page cache is full or flushed.
    DiskStall,
}

impl Fault {
    /// Gives a fault of this kind at one target.
    #[must_use]
    pub fn at(kind: FaultKind, target: impl Into<Target>) -> Self {
        Self { kind, targets: BTreeSet::from([target.into()]) }
    }

    /// Gives the fault of a broker's process killed with SIGKILL.
    #[must_use]
    pub fn kill(broker: BrokerId) -> Self {
        Self::at(FaultKind::Kill, broker)
    }

    /// Gives the fault of a broker's process stopped with SIGSTOP.
    #[must_use]
    pub fn stop(broker: BrokerId) -> Self {
        Self::at(FaultKind::Stop, broker)
    }

    /// Gives the fault of a broker that refuses all clients.
    #[must_use]
    pub fn client_cut(broker: BrokerId) -> Self {
        Self::at(FaultKind::ClientCut(Vantage::All), broker)
    }

    /// Gives the fault of a broker that is silent to all clients.
    #[must_use]
    pub fn client_freeze(broker: BrokerId) -> Self {
        Self::at(FaultKind::ClientFreeze(Vantage::All, Way::Both), broker)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Stop => "stop",
            Self::ClientCut(_) => "client-cut",
            Self::ClientFreeze(..) => "client-freeze",
            Self::ClientDelay(..) => "client-delay",
            Self::ClientLimit(..) => "client-limit",
            Self::ReplicationFreeze(_) => "replication-freeze",
            Self::ControllerFreeze(_) => "controller-freeze",
            Self::ControllerCut => "controller-cut",
            Self::DiskFreeze => "disk-freeze",
            Self::DiskStall => "disk-stall",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        write!(f, "{} {}", self.kind, targets.join(","))?;
        let (vantage, way, amount) = self.kind.details();
        if let Vantage::Only(listener) = vantage {
            write!(f, " from {listener}")?;
        }
        match way {
            Way::Both => {}
            Way::Inbound => f.write_str(" inbound")?,
            Way::Outbound => f.write_str(" outbound")?,
        }
        amount.map_or(Ok(()), |amount| write!(f, " {amount}"))
    }
}

impl FaultKind {
    fn details(self) -> (Vantage, Way, Option<String>) {
        match self {
            Self::ClientCut(vantage) => (vantage, Way::Both, None),
            Self::ClientFreeze(vantage, way) => (vantage, way, None),
            Self::ClientDelay(vantage, delay) => (vantage, Way::Both, Some(format!("{}ms", delay.as_millis()))),
            Self::ClientLimit(vantage, limit) => (vantage, Way::Both, Some(format!("{limit}B/s"))),
            Self::ReplicationFreeze(way) | Self::ControllerFreeze(way) => (Vantage::All, way, None),
            Self::Kill | Self::Terminate | Self::Stop | Self::ControllerCut | Self::DiskFreeze | Self::DiskStall => {
                (Vantage::All, Way::Both, None)
            }
        }
    }
}

/// The words after a fault's targets.
#[derive(Debug, Default)]
struct Words {
    from: Option<Vantage>,
    way: Option<Way>,
    delay: Option<Duration>,
    limit: Option<NonZeroU64>,
}

impl Words {
    fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Self, LabError> {
        let mut read = Self::default();
        while let Some(word) = words.next() {
            match word {
                "from" => read.from = Some(Vantage::Only(words.next().unwrap_or_default().parse()?)),
                "inbound" => read.way = Some(Way::Inbound),
                "outbound" => read.way = Some(Way::Outbound),
                amount => match amount.strip_suffix("B/s") {
                    Some(digits) => read.limit = Some(digits.parse().map_err(|_| no_word(amount))?),
                    None => read.delay = Some(humantime::parse_duration(amount).map_err(|_| no_word(amount))?),
                },
            }
        }
        Ok(read)
    }

    /// Refuses words that the fault does not take: a fault that ignored half its text would break something else than was asked.
    fn fits(&self, kind: FaultKind) -> Result<(), LabError> {
        let from = matches!(
            kind,
            FaultKind::ClientCut(_)
                | FaultKind::ClientFreeze(..)
                | FaultKind::ClientDelay(..)
                | FaultKind::ClientLimit(..)
        );
        let way = matches!(
            kind,
            FaultKind::ClientFreeze(..) | FaultKind::ReplicationFreeze(_) | FaultKind::ControllerFreeze(_)
        );
        let delay = matches!(kind, FaultKind::ClientDelay(..));
        let limit = matches!(kind, FaultKind::ClientLimit(..));
        let misplaced = [
            ("from", self.from.is_some() && !from),
            ("inbound or outbound", self.way.is_some() && !way),
            ("a delay", self.delay.is_some() && !delay),
            ("a limit", self.limit.is_some() && !limit),
        ];
        match misplaced.iter().find(|(_, wrong)| *wrong) {
            Some((word, _)) => Err(LabError::Usage(format!("{kind} takes no {word}"))),
            None => Ok(()),
        }
    }
}

fn no_word(word: &str) -> LabError {
    LabError::Usage(format!(
        "{word:?} is no part of a fault: from LISTENER, inbound, outbound, a delay (200ms), a limit (4096B/s)"
    ))
}

impl FromStr for Fault {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let targets = words
            .next()
            .ok_or_else(|| LabError::Usage(format!("{text:?} names no target: {name} b1")))?
            .split(',')
            .map(str::parse)
            .collect::<Result<BTreeSet<Target>, _>>()?;
        let read = Words::read(words)?;
        let from = read.from.unwrap_or(Vantage::All);
        let way = read.way.unwrap_or(Way::Both);
        let wants = |what: &str| LabError::Usage(format!("{name} wants {what}"));
        let kind = match name {
            "kill" => FaultKind::Kill,
            "terminate" => FaultKind::Terminate,
            "stop" => FaultKind::Stop,
            "client-cut" => FaultKind::ClientCut(from),
            "client-freeze" => FaultKind::ClientFreeze(from, way),
            "client-delay" => FaultKind::ClientDelay(from, read.delay.ok_or_else(|| wants("a delay, such as 200ms"))?),
            "client-limit" => {
                FaultKind::ClientLimit(from, read.limit.ok_or_else(|| wants("a limit, such as 4096B/s"))?)
            }
            "replication-freeze" => FaultKind::ReplicationFreeze(way),
            "controller-freeze" => FaultKind::ControllerFreeze(way),
            "controller-cut" => FaultKind::ControllerCut,
            "disk-freeze" => FaultKind::DiskFreeze,
            "disk-stall" => FaultKind::DiskStall,
            other => return Err(LabError::Usage(format!("no fault {other:?}: {NAMES}"))),
        };
        read.fits(kind)?;
        Ok(Self { kind, targets })
    }
}

/// Every fault's name, for messages.
pub const NAMES: &str = "kill, terminate, stop, client-cut, client-freeze, client-delay, client-limit, replication-freeze, \
                         controller-freeze, controller-cut, disk-freeze, disk-stall";

impl TryFrom<String> for Fault {
    type Error = LabError;

    fn try_from(text: String) -> Result<Self, LabError> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

/// What happens at one moment of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The fault begins.
    Inflict(Fault),
    /// The fault ends: a process starts again or continues, a link opens, a disk thaws.
    Heal(Fault),
}

/// One moment of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// When, counted from the schedule's start.
    pub after: Duration,
    /// What.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_back_as_it_is_written() {
        for text in [
            "kill b1",
            "terminate b1,b2",
            "stop k101",
            "client-cut b1",
            "client-cut b1 from tanist2",
            "client-freeze b1,b3 from clients inbound",
            "client-freeze b1 outbound",
            "client-delay b1 from tanist1 200ms",
            "client-limit b2 4096B/s",
            "replication-freeze b1",
            "replication-freeze b1 inbound",
            "controller-freeze t2",
            "controller-cut b1",
            "disk-freeze b1",
            "disk-stall b1",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault, "through JSON");
        }
    }

    #[test]
    fn a_text_that_is_no_fault_says_what_is_wrong_with_it() {
        for (text, complaint) in [
            ("maim b1", "no fault"),
            ("kill", "no target"),
            ("kill x1", "no target \"x1\""),
            ("kill b1 from tanist1", "takes no from"),
            ("client-cut b1 inbound", "takes no inbound"),
            ("client-delay b1", "wants a delay"),
            ("client-limit b1 0B/s", "no part of a fault"),
            ("client-freeze b1 from tanist9", "no listener"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
