//! What reaches a process of ours and what it wants of the world: everything that a socket, a disk and a timer would carry.

use std::time::Duration;

use crate::consensus::wire::PeerMessage;
use crate::consensus::{Persist, PersistToken};
use crate::control::event::{Errand, Kept, PauseFile, PeerWords, Role};
use crate::model::advice::{Brief, Opinion};
use crate::model::ids::{BrokerId, CaseId, NodeId, Term};
use crate::model::operator::{Answer, OperatorRequest};
use crate::model::plan::{PlanDigest, Step};
use crate::model::record::Receipt;
use crate::model::time::Timestamp;

use super::kafka::talk::{Call, Heard, Request};

/// Something that reaches a process.
#[derive(Debug, Clone)]
pub(in crate::sim) enum Stimulus {
    /// The consensus core's tick.
    RaftTick,
    /// The controller's tick.
    Tick,
    /// A frame of another node.
    Frame(NodeId, Frame),
    /// The link to a node went down: its process is gone.
    LinkDown(NodeId),
    /// The disk is done; syncing took so long (no time where no sync was asked for).
    DiskDone(PersistToken, Duration),
    /// The disk refused.
    DiskFailed,
    /// Kafka was heard.
    Heard(Box<Heard>),
    /// A timer of the probe.
    Look(ProbeTimer),
    /// A timer of the hand.
    Hand(Errand, u32),
    /// The adviser is done.
    Advised(CaseId, PlanDigest, Box<Opinion>),
    /// The pause file was seen to have changed.
    PauseFile(PauseFile),
    /// A person asks.
    Asked(u64, Box<OperatorRequest>),
    /// The audit store is durable up to what was kept: the log may be cut.
    Checkpoint,
}

/// A frame between nodes.
#[derive(Debug, Clone)]
pub(in crate::sim) enum Frame {
    /// Of the consensus core.
    Raft(Box<PeerMessage>),
    /// Beside the log.
    Words(Box<PeerWords>),
}

/// A timer of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum ProbeTimer {
    /// The line to a broker has something due, unless it has moved on since.
    Line(BrokerId, u32),
    /// The next look at the shape.
    Shape,
    /// A look at the shape waits no longer for its second view.
    SecondView(u64),
    /// The next pulse.
    Pulse,
    /// A look at the pulse asks the next one beside the first.
    Hedge(u64),
    /// The next look at a broker's log ends.
    Offsets(BrokerId),
    /// The next look at a broker's log dirs.
    LogDirs(BrokerId),
    /// The next look at the reassignments.
    Rounds,
    /// The observer looks for the active controller.
    Search,
    /// The observer asks whether its controller is still the active one.
    Follow(u32),
}

/// Something that a process wants.
#[derive(Debug)]
pub(in crate::sim) enum Out {
    /// A frame sent.
    Send(NodeId, Frame),
    /// A write to the disk.
    Persist(Persist),
    /// A stimulus of its own, later.
    Later(Timestamp, Stimulus),
    /// The adviser asked, with the words that it is sent.
    Advise(CaseId, PlanDigest, Box<Brief>, String),
    /// A person answered.
    Answer(u64, Box<Answer>),
    /// Something that the world's checks want to know.
    Note(Note),
    /// The process ends: it may not take part any more.
    End(String),
}

/// What checks want to know of a process.
#[derive(Debug)]
pub(in crate::sim) enum Note {
    /// Its place changed.
    Became(Role),
    /// A record was kept.
    Kept(Box<Kept>),
    /// A step was handed to the hand.
    Applies {
        /// Which errand.
        errand: Errand,
        /// The step.
        step: Box<Step>,
        /// In which term.
        term: Term,
        /// How long it may be sent, by its own clock.
        within: Duration,
    },
    /// The hand sent a request that changes Kafka.
    Touches {
        /// For which errand.
        errand: Errand,
        /// By which call its answer is known.
        call: Call,
        /// What.
        request: Box<Request>,
    },
    /// A call of the hand was turned away: nothing was done.
    TurnedAway(Call),
    /// The hand is done with an errand.
    Did(Errand, Box<Receipt>),
    /// Its people were warned.
    Warned(String),
}
