//! One peer: takes an input, lets raft-rs work, gives out what follows.
//!
//! The peer never has more than one persist outstanding. While it waits it queues: a node whose disk stalls sends no
//! heartbeats and loses its leadership, instead of leading on without being able to keep anything.

use std::collections::{BTreeMap, VecDeque};

use raft::{RawNode, StateRole, eraftpb};

use super::check::{self, Rejected};
use super::convert;
use super::election::ElectionTimer;
use super::io::{DropReason, Fault, Input, Output, PersistToken, Proposal, Role, Standing};
use super::log::MemLog;
use super::members::Members;
use super::ready::Pending;
use super::start::{PeerOptions, Recovered, StartError};
use super::wire::{MessageKind, PeerMessage};
use crate::model::ids::{NodeId, RaftIndex, Term};

/// A member of the trio as a state machine.
pub struct Peer {
    pub(super) options: PeerOptions,
    pub(super) raw: RawNode<MemLog>,
    pub(super) timer: ElectionTimer,
    pub(super) inbox: VecDeque<Input>,
    pub(super) pending: Option<Pending>,
    pub(super) out: Vec<Output>,
    /// Everything up to here has been given out as committed.
    pub(super) applied: RaftIndex,
    /// Own proposals by their place, until that place is committed.
    pub(super) proposals: BTreeMap<RaftIndex, (Term, u64)>,
    /// Members by the index that made them so, for snapshots that lie between.
    pub(super) members_since: BTreeMap<RaftIndex, Members>,
    /// Nodes to which a snapshot is under way, with the ticks for which it has been.
    pub(super) snapshots_out: BTreeMap<NodeId, usize>,
    pub(super) growth: Growth,
    role: Role,
    last_token: u64,
    /// Where the log on the disk begins, as far as this peer asked for it.
    pub(super) cut_asked: RaftIndex,
    fault: Option<Fault>,
}

/// How much the log has grown since the newest snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) asked: bool,
}

/// What can be told about a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// This node.
    pub id: NodeId,
    /// Its role.
    pub role: Role,
    /// The members as of `applied`.
    pub members: Members,
    /// What it knows to be committed.
    pub commit: RaftIndex,
    /// What it has given out as committed.
    pub applied: RaftIndex,
    /// The end of its log.
    pub last: RaftIndex,
    /// Its newest snapshot.
    pub snapshot: RaftIndex,
    /// On the leader: how far each member's log is known to agree.
    pub matched: BTreeMap<NodeId, RaftIndex>,
    /// Inputs that wait for the disk.
    pub queued_inputs: usize,
    /// Why it takes no part any more.
    pub fault: Option<Fault>,
}

impl Peer {
    /// Starts a peer from what its store read back, and gives the first outputs: the state to begin from, the members, and
    /// whatever was committed behind that state.
    ///
    /// Errors: [`StartError`] where raft-rs would panic.
    pub fn start(options: PeerOptions, recovered: Recovered) -> Result<(Self, Vec<Output>), StartError> {
        options.check()?;
        let recovered = recovered.with_commit_raised();
        recovered.check()?;
        let Recovered { hard_state, snapshot, cut, entries } = recovered;
        let applied = snapshot.index;
        // Checked above: no entry is of an unspecified kind, so none is left out.
        let log =
            MemLog::new(hard_state, snapshot.clone(), cut, entries.into_iter().filter_map(convert::entry_to_raft));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw =
            RawNode::new(&options.to_raft(applied), log, &logger).map_err(|why| StartError::Raft(why.to_string()))?;
        let seed = options.seed ^ options.id.0.rotate_left(32);
        let timer = ElectionTimer::new(seed, options.election_ticks, options.election_ticks.saturating_mul(2));
        let mut peer = Self {
            options,
            raw,
            timer,
            inbox: VecDeque::new(),
            pending: None,
            out: Vec::new(),
            applied,
            proposals: BTreeMap::new(),
            members_since: BTreeMap::new(),
            snapshots_out: BTreeMap::new(),
            growth: Growth::default(),
            role: Role::default(),
            last_token: 0,
            cut_asked: cut.index,
            fault: None,
        };
        if RaftIndex(0) < applied {
            peer.out.push(Output::InstallSnapshot { index: applied, state: snapshot.state });
        }
        peer.out.push(Output::MembersChanged(snapshot.members));
        let outputs = peer.run();
        Ok((peer, outputs))
    }

    /// Takes one input and gives what follows from it, in order.
    ///
    /// Contract: equal inputs after an equal start give equal outputs.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        if self.fault.is_some() {
            return Vec::new();
        }
        if let Input::Persisted(token) = input {
            self.persisted(token);
        } else {
            self.enqueue(input);
        }
        self.run()
    }

    /// Takes records that belong together, in this order, and gives what follows: a leader writes them to its disk at once.
    ///
    /// Contract: as [`Peer::step`].
    pub fn propose_all(&mut self, proposals: impl IntoIterator<Item = Proposal>) -> Vec<Output> {
        if self.fault.is_some() {
            return Vec::new();
        }
        for proposal in proposals {
            self.enqueue(Input::Propose(proposal));
        }
        self.run()
    }

    /// Gives what can be told about this peer.
    #[must_use]
    pub fn status(&self) -> PeerStatus {
        let raft = &self.raw.raft;
        let leads = raft.state == StateRole::Leader;
        let matched = raft.prs().iter().filter(|_| leads).map(|(id, p)| (NodeId(*id), RaftIndex(p.matched))).collect();
        PeerStatus {
            id: self.options.id,
            role: self.role,
            members: convert::members_from_raft(&raft.prs().conf().to_conf_state()),
            commit: RaftIndex(raft.raft_log.committed),
            applied: self.applied,
            last: RaftIndex(raft.raft_log.last_index()),
            snapshot: self.raw.store().newest_snapshot().index,
            matched,
            queued_inputs: self.inbox.len(),
            fault: self.fault,
        }
    }

    /// Works until nothing is left to do or the disk must answer first; gives what follows from it.
    #[must_use]
    fn run(&mut self) -> Vec<Output> {
        while self.pending.is_none() && self.fault.is_none() {
            self.timer.enforce(&mut self.raw.raft);
            self.announce();
            if self.raw.store().take_newer_wanted() {
                self.need_snapshot();
            }
            if self.raw.has_ready() {
                self.take_ready();
            } else if let Some(input) = self.inbox.pop_front() {
                self.take(input);
            } else {
                break;
            }
        }
        std::mem::take(&mut self.out)
    }

    fn enqueue(&mut self, input: Input) {
        if let Some(newest) = beat(&input) {
            // Behind a disk that stalls for minutes hundreds would wait, and all be answered at once; the newest says what they said.
            self.inbox.retain(|waiting| beat(waiting) != Some(newest));
        }
        if self.inbox.len() < self.options.queue_inputs_max {
            self.inbox.push_back(input);
            return;
        }
        // Raft bears losing messages and ticks; whoever proposed must hear of it.
        match input {
            Input::Propose(Proposal { token, .. }) | Input::ChangeMembers { token, .. } => {
                self.out.push(Output::Dropped { token, why: DropReason::Overloaded });
            }
            Input::Message { from, .. } => self.out.push(Output::Rejected { from, why: Rejected::Overloaded }),
            Input::Snapshotted { .. } => self.growth.asked = false,
            Input::Tick
            | Input::Persisted(_)
            | Input::Compact { .. }
            | Input::PeerUnreachable(_)
            | Input::TransferLeadership { .. } => {}
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tick => self.tick(),
            Input::Message { from, message } => self.message(from, *message),
            Input::Propose(proposal) => {
                self.propose(proposal);
                // Proposals that waited together share one write.
                while let Some(Input::Propose(_)) = self.inbox.front() {
                    if let Some(Input::Propose(proposal)) = self.inbox.pop_front() {
                        self.propose(proposal);
                    }
                }
            }
            Input::Persisted(_) => {}
            Input::Snapshotted { index, state } => self.snapshotted(index, state),
            Input::Compact { up_to } => self.compact(up_to),
            Input::PeerUnreachable(node) => {
                self.raw.report_unreachable(node.0);
                self.snapshot_lost(node);
            }
            Input::ChangeMembers { token, change } => self.change_members(token, change),
            Input::TransferLeadership { to } => {
                // A follower would forward the wish; ours never leave the node.
                if self.raw.raft.state == StateRole::Leader {
                    self.raw.transfer_leader(to.0);
                }
            }
        }
    }

    fn tick(&mut self) {
        self.give_up_lost_snapshots();
        let fired = self.raw.tick();
        if fired && self.raw.raft.state != StateRole::Leader {
            self.timer.election_started();
        } else if self.timer.asks_again(&self.raw.raft) && self.raw.campaign().is_ok() {
            // Raft counts on where it only asks whether it might be elected.
            self.raw.raft.election_elapsed = 0;
            self.timer.election_started();
        }
    }

    fn message(&mut self, from: NodeId, message: PeerMessage) {
        if let Err(why) = check::check(&self.raw.raft, from, &message) {
            self.out.push(Output::Rejected { from, why });
            if let Rejected::CommitBeyondLog { commit, last } = why {
                // A leader commits on a follower only what that follower has acknowledged.
                let fault = Fault::LostAcknowledged { acknowledged: commit, held: last };
                self.fault = Some(fault);
                self.out.push(Output::Faulted(fault));
            }
            return;
        }
        let stepped = convert::message_to_raft(message).map(|message| self.raw.step(message));
        match stepped {
            None => self.out.push(Output::Rejected { from, why: Rejected::Kind }),
            Some(Err(raft::Error::StepPeerNotFound)) => {
                self.out.push(Output::Rejected { from, why: Rejected::NotAMember });
            }
            // Every other error is about proposals and snapshots that a message of a checked kind does not carry.
            Some(Ok(()) | Err(_)) => {}
        }
    }

    pub(super) fn next_token(&mut self) -> PersistToken {
        self.last_token = self.last_token.saturating_add(1);
        PersistToken(self.last_token)
    }

    pub(super) fn send(&mut self, messages: Vec<eraftpb::Message>) {
        for message in messages {
            let to = NodeId(message.to);
            // What has no form of ours never leaves a node; raft-rs makes none, since nothing is forwarded.
            if let Some(message) = convert::message_from_raft(message) {
                self.out.push(Output::Send { to, message });
            }
        }
    }

    /// Tells the role if it is another than last told.
    pub(super) fn announce(&mut self) {
        let raft = &self.raw.raft;
        let applied_in_term = raft.raft_log.term(self.applied.0).is_ok_and(|term| term == raft.term);
        let standing = match raft.state {
            StateRole::Leader if applied_in_term => Standing::Leading,
            StateRole::Leader => Standing::Elected,
            StateRole::Candidate | StateRole::PreCandidate => Standing::Candidate,
            StateRole::Follower => Standing::Follower,
        };
        let role = Role { term: Term(raft.term), leader: leader(raft.leader_id), standing };
        if role != self.role {
            self.role = role;
            self.out.push(Output::Became(role));
        }
    }
}

/// Gives whose heartbeat this is, or whose answer to one; nothing of any other input.
fn beat(input: &Input) -> Option<(NodeId, MessageKind)> {
    let Input::Message { from, message } = input else { return None };
    let kind = message.kind();
    matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse).then_some((*from, kind))
}

/// Gives the node that raft-rs names, if it names one.
pub(super) fn leader(id: u64) -> Option<NodeId> {
    (id != raft::INVALID_ID).then_some(NodeId(id))
}
