//! What an errand of the hand consists of, and how far it has come.
//!
//! Nouns only; what is done in a stage stands in the files named after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::control::event::Views;
use crate::decide::fit::Ready;
use crate::model::ids::{BrokerId, PartitionId, Term};
use crate::model::plan::Step;
use crate::model::record::StepRefusal;
use crate::model::time::Timestamp;
use crate::model::topology::Topology;
use crate::sim::kafka::talk::{Call, Door, Line};

/// One errand.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    /// By the process's own clock.
    pub(super) deadline: Timestamp,
    pub(super) stage: Stage,
    /// Rises with each stage: a timer of an earlier one finds nothing to do.
    pub(super) turn: u32,
}

#[derive(Debug)]
pub(super) enum Work {
    Apply(Box<Applying>),
    ReadBack,
}

/// A step on its way.
#[derive(Debug)]
pub(super) struct Applying {
    pub(super) step: Step,
    /// The term in which it was committed.
    pub(super) term: Term,
    /// Who is not to be asked: the leaders that are to lose, or whoever is to be struck off.
    pub(super) avoid: BTreeSet<BrokerId>,
    /// Who has just answered.
    pub(super) heard: Vec<Door>,
    pub(super) ready: Vec<Ready>,
    pub(super) done: Vec<PartitionId>,
    pub(super) left_out: Vec<(StepRefusal, PartitionId)>,
    pub(super) halfway: Halfway,
}

/// What of a step was sent when its next request failed; production's own distinction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halfway {
    NothingSent,
    /// The new orders: whatever comes of the election, the step is no longer one of which nothing was sent.
    Reordered,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The facts are being read again.
    Fresh { asked: BTreeMap<Call, Door>, answers: Vec<Arc<Topology>> },
    /// A broker is asked for a list.
    Listing { round: Round, door: Door, call: Call },
    /// A broker that is to be struck off is called over a line of its own.
    Calling { line: Line, call: Call },
    /// A line to the next peer is being opened.
    Knocking { what: Sending, peers: VecDeque<Door>, door: Door, call: Call },
    /// The request is out.
    Sent { what: Sending, peers: VecDeque<Door>, door: Door, call: Call },
    /// The shape is being read back.
    Reading { asked: BTreeMap<Call, Door>, answers: Vec<Arc<Topology>>, wanted: usize },
    /// A read-back that brought too little rests before it is given back.
    Telling(Views),
    /// Nothing is under way: a stage that was taken out to be looked at.
    Resting,
}

/// A list that brokers are asked for one after the other, until one of them gives it.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) list: List,
    /// Who is asked next.
    pub(super) peers: VecDeque<Door>,
    /// How long each of them may take.
    pub(super) within: Duration,
}

/// What is looked up before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Registered,
    Reassigning,
}

/// A request that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Reorder,
    Prefer,
    Fence,
    Unregister,
}

/// Why a step was not applied; the words of the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    Stale,
    Unreachable,
    Unanswered,
    Refused(StepRefusal),
    Deposed,
    Expired,
}
