//! What a scenario may say, as values; each reads back what it prints.

use std::fmt;
use std::time::Duration;

use crate::control::event::PauseFile;
use crate::model::ids::{BrokerId, CaseId, NodeId};
use crate::sim::disk::DiskTrouble;
use crate::sim::kafka::fault::{Fault, parse_span};
use crate::sim::net::{Cut, LinkTrouble};

use super::setting::Setting;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begins the world.
    World(Box<Setting>),
    /// Lets time pass.
    Run(Duration),
    /// Lets time pass until this long after the beginning.
    Until(Duration),
    /// Begins a fault of Kafka.
    Strike(Fault),
    /// Ends a fault of Kafka.
    Heal(Fault),
    /// Does something to a machine of ours.
    Ours(NodeId, Ours),
    /// Changes what is the matter with a link of ours, in one direction.
    Link(NodeId, NodeId, LinkTrouble),
    /// A person asks the trio.
    Person {
        /// Who.
        by: String,
        /// Which node.
        via: NodeId,
        /// What.
        asks: Wish,
    },
    /// Somebody else changes Kafka.
    Foreign(Foreign),
    /// Something must be so now.
    Expect(Expectation),
    /// Everything must have come to its end within this time.
    Converge(Duration),
}

/// What befalls a machine of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// Its process dies.
    Crash,
    /// Its process starts.
    Restart,
    /// Its process is stopped.
    Hold,
    /// It goes on.
    GoOn,
    /// Its disk.
    Disk(Option<DiskTrouble>),
    /// Each stimulus costs it so much; nothing is well.
    Slow(Duration),
    /// Its monotonic clock runs at this many permille of the true rate.
    Rate(u64),
    /// Its clock on the wall jumps. Units: milliseconds.
    Wall(i64),
    /// It is cut off from the others, or joined again.
    Isolate(Cut),
    /// Its pause file.
    PauseFile(PauseFile),
}

/// What a person asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Yes to the newest offer.
    Approve,
    /// No to it.
    Reject,
    /// Automation stops.
    Pause,
    /// Automation goes on.
    Resume,
    /// The order of a case back.
    Undo(CaseId),
}

/// What somebody else does to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// Gives a partition another list of replicas.
    Reassign(u32, Vec<BrokerId>),
    /// Asks for the preferred leader of every partition.
    Elect,
    /// Deletes the topic.
    Delete,
    /// Lets every broker give no more than this to replicas that are not in sync, or as much as it can. Unit: bytes a second.
    Throttle(Option<u64>),
    /// Lets acks=all wait for so many in-sync replicas of the topic (`min.insync.replicas`).
    MinIsr(u16),
}

/// What must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// A broker leads nothing.
    LeadsNothing(BrokerId),
    /// A partition is led by a broker.
    LedBy(u32, BrokerId),
    /// Every partition has a leader that serves acks=all.
    Serving,
    /// A partition takes no record that all are to have.
    Blocked(u32),
    /// Nothing that was acknowledged with acks=all is lost, and nothing that a reader was given.
    NothingLost,
    /// The trio has sent nothing so far.
    Untouched,
    /// One of our nodes leads.
    Leader,
    /// An invariant has been violated, by the sabotage of this world.
    Violation(String),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World(setting) => write!(f, "world {setting}"),
            Self::Run(span) => write!(f, "run {}", Span(*span)),
            Self::Until(span) => write!(f, "until {}", Span(*span)),
            Self::Strike(fault) => fault.fmt(f),
            Self::Heal(fault) => write!(f, "heal {fault}"),
            Self::Ours(node, what) => show_ours(f, *node, *what),
            Self::Link(from, to, trouble) => {
                let cut = if trouble.cut == Cut::Yes { " cut" } else { "" };
                let (loss, twice, late) = (trouble.loss_permille, trouble.twice_permille, Span(trouble.late));
                write!(f, "link {from} {to}{cut} loss={loss} twice={twice} late={late}")
            }
            Self::Person { by, via, asks } => {
                match asks {
                    Wish::Approve => f.write_str("approve")?,
                    Wish::Reject => f.write_str("reject")?,
                    Wish::Pause => f.write_str("pause")?,
                    Wish::Resume => f.write_str("resume")?,
                    Wish::Undo(case) => write!(f, "undo {case}")?,
                }
                write!(f, " by {by} via {via}")
            }
            Self::Foreign(Foreign::Reassign(partition, brokers)) => {
                let list: Vec<String> = brokers.iter().map(ToString::to_string).collect();
                write!(f, "reassign p{partition} to {}", list.join(","))
            }
            Self::Foreign(Foreign::Elect) => f.write_str("elect all"),
            Self::Foreign(Foreign::Delete) => f.write_str("delete-topic"),
            Self::Foreign(Foreign::Throttle(Some(per_s))) => write!(f, "throttle {per_s}"),
            Self::Foreign(Foreign::Throttle(None)) => f.write_str("throttle none"),
            Self::Foreign(Foreign::MinIsr(least)) => write!(f, "min-isr {least}"),
            Self::Expect(what) => write!(f, "expect {what}"),
            Self::Converge(span) => write!(f, "must converge within {}", Span(*span)),
        }
    }
}

fn show_ours(f: &mut fmt::Formatter<'_>, node: NodeId, what: Ours) -> fmt::Result {
    match what {
        Ours::Crash => write!(f, "crash {node}"),
        Ours::Restart => write!(f, "restart {node}"),
        Ours::Hold => write!(f, "hold {node}"),
        Ours::GoOn => write!(f, "go-on {node}"),
        Ours::Disk(None) => write!(f, "disk {node} good"),
        Ours::Disk(Some(DiskTrouble::Stalled)) => write!(f, "disk {node} stalls"),
        Ours::Disk(Some(DiskTrouble::Slow(more))) => write!(f, "disk {node} slow {}", Span(more)),
        Ours::Disk(Some(DiskTrouble::Full)) => write!(f, "disk {node} full"),
        Ours::Disk(Some(DiskTrouble::SyncFails)) => write!(f, "disk {node} fails"),
        Ours::Disk(Some(DiskTrouble::Rotten)) => write!(f, "disk {node} rots"),
        Ours::Slow(each) => write!(f, "slow {node} {}", Span(each)),
        Ours::Rate(permille) => write!(f, "clock {node} rate {permille}"),
        Ours::Wall(by) => write!(f, "clock {node} jumps {by}ms"),
        Ours::Isolate(Cut::Yes) => write!(f, "cut {node}"),
        Ours::Isolate(Cut::No) => write!(f, "join {node}"),
        Ours::PauseFile(PauseFile::Present) => write!(f, "pause-file {node}"),
        Ours::PauseFile(PauseFile::Unreadable) => write!(f, "unreadable-pause-file {node}"),
        Ours::PauseFile(PauseFile::Absent) => write!(f, "no-pause-file {node}"),
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeadsNothing(broker) => write!(f, "{broker} leads nothing"),
            Self::LedBy(partition, broker) => write!(f, "p{partition} led by {broker}"),
            Self::Serving => f.write_str("all serve"),
            Self::Blocked(partition) => write!(f, "p{partition} blocked"),
            Self::NothingLost => f.write_str("nothing lost"),
            Self::Untouched => f.write_str("nothing sent"),
            Self::Leader => f.write_str("a leader"),
            Self::Violation(number) => write!(f, "violation {number}"),
        }
    }
}

/// A span as scenarios write it: `250ms`, `9s`, `5m`, `2h`.
#[derive(Debug, Clone, Copy)]
pub(in crate::sim) struct Span(pub(in crate::sim) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            0 => f.write_str("0s"),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms.is_multiple_of(1000) => write!(f, "{}s", ms / 1000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

impl Span {
    /// Reads a span.
    pub(in crate::sim) fn read(text: &str) -> Option<Duration> {
        let hours = || text.strip_suffix('h')?.parse::<u64>().ok()?.checked_mul(3600).map(Duration::from_secs);
        parse_span(text).or_else(hours)
    }
}
