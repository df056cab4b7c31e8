//! The task that feeds the consensus core and carries out what it wants, in the order in which it wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::disk::{Disk, Done};
use super::{Command, LedgerStatus, store_note};
use crate::adapters::peers::{LinkEvent, PeerFrame, PeerLinks, Sent};
use crate::consensus::{Input, Output, Peer, Proposal, Standing, next_change};
use crate::model::ids::NodeId;
use crate::ports::{LedgerEvent, PeerWords};

/// How often a leader compares the members with those of its settings.
const MEMBERS_EVERY: Duration = Duration::from_secs(1);

/// The consensus core with its neighbours.
pub(super) struct Task {
    peer: Peer,
    disk: Disk,
    links: PeerLinks,
    events: mpsc::UnboundedSender<LedgerEvent>,
    history: mpsc::Sender<(NodeId, PeerFrame)>,
    refusals: BTreeMap<NodeId, String>,
    /// The members that the settings name.
    wanted: BTreeSet<NodeId>,
    /// The token of the newest wish for other members.
    change: Option<u64>,
    last_token: u64,
    /// Whom a Raft message could not be sent to.
    unreachable: BTreeSet<NodeId>,
    faulted: bool,
}

impl Task {
    pub(super) fn new(
        peer: Peer,
        disk: Disk,
        links: PeerLinks,
        (events, history): (mpsc::UnboundedSender<LedgerEvent>, mpsc::Sender<(NodeId, PeerFrame)>),
        wanted: BTreeSet<NodeId>,
    ) -> Self {
        Self {
            wanted,
            change: None,
            peer,
            disk,
            links,
            events,
            history,
            refusals: BTreeMap::new(),
            last_token: 0,
            unreachable: BTreeSet::new(),
            faulted: false,
        }
    }

    pub(super) async fn run(
        mut self,
        first: Vec<Output>,
        tick: Duration,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut inbound: mpsc::Receiver<LinkEvent>,
    ) {
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = tokio::time::interval(MEMBERS_EVERY);
        changes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.carry_out(first);
        while !self.faulted {
            tokio::select! {
                biased;
                Some(done) = self.disk.done.recv() => self.disk_done(done),
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(event) = inbound.recv() => self.linked(event),
                _ = ticks.tick() => self.step(Input::Tick),
                _ = changes.tick() => self.tend_members(),
            }
            for node in std::mem::take(&mut self.unreachable) {
                self.step(Input::PeerUnreachable(node));
            }
        }
    }

    fn step(&mut self, input: Input) {
        let outputs = self.peer.step(input);
        self.carry_out(outputs);
    }

    /// Wishes for the next change towards the members that the settings name; only a leader's wish counts.
    fn tend_members(&mut self) {
        let status = self.peer.status();
        if status.role.standing != Standing::Leading {
            return;
        }
        if let Some(change) = next_change(&status.members, &self.wanted) {
            tracing::warn!(?change, "the settings name other members than the trio has");
            self.last_token = self.last_token.wrapping_add(1);
            self.change = Some(self.last_token);
            self.step(Input::ChangeMembers { token: self.last_token, change });
        }
    }

    fn tell(&self, event: LedgerEvent) {
        // The driver is gone only when the process ends.
        let _ = self.events.send(event);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Propose(entries) => {
                let proposals = Proposal::batch(entries, &mut self.last_token);
                let outputs = self.peer.propose_all(proposals);
                self.carry_out(outputs);
            }
            Command::Tell(to, words) => match serde_json::to_vec(&words) {
                Ok(bytes) => self.send(to, PeerFrame::Words(Bytes::from(bytes))),
                Err(error) => tracing::error!(%error, "words for {to} cannot be written"),
            },
            Command::Freeze { index, state } => {
                self.step(Input::Snapshotted { index, state: Bytes::from(state) });
            }
            Command::Checkpoint(checkpoint) => self.disk.checkpoint(checkpoint),
            Command::ReadCheckpoint(reply) => self.disk.read_checkpoint(reply),
            Command::Send(to, frame) => self.send(to, frame),
            Command::Status(reply) => {
                let (peer, links) = (self.peer.status(), self.links.status());
                drop(reply.send(LedgerStatus { peer, links, refusals: self.refusals.clone() }));
            }
            Command::Transfer(to) => self.step(Input::TransferLeadership { to }),
        }
    }

    fn disk_done(&mut self, done: Done) {
        match done {
            Done::Persisted(token, took) => {
                if let Some(took) = took {
                    self.tell(LedgerEvent::Synced(took));
                }
                self.step(Input::Persisted(token));
            }
            Done::Checkpointed(checkpoint) => self.step(Input::Compact { up_to: checkpoint.raft }),
            Done::Noted => {}
            Done::Failed(error) => self.fault(format!("its log cannot be written: {error}")),
        }
    }

    fn fault(&mut self, why: String) {
        self.faulted = true;
        self.tell(LedgerEvent::Faulted(why));
    }

    /// Sends, and notes where that failed at once: the core is told when it has said all it wanted.
    fn send(&mut self, to: NodeId, frame: PeerFrame) {
        let raft = matches!(frame, PeerFrame::Raft(_));
        match self.links.send(to, frame) {
            Sent::Queued | Sent::QueuedInsteadOfOthers => {}
            Sent::NoLink | Sent::TooLarge => {
                if raft {
                    self.unreachable.insert(to);
                }
            }
        }
    }

    fn linked(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Frame { from, frame } => self.heard(from, frame),
            LinkEvent::Up(node) => {
                self.refusals.remove(&node);
                tracing::info!("the link to {node} stands");
            }
            LinkEvent::Down { node, why } => {
                tracing::debug!(%why, "no link to {node}");
                self.step(Input::PeerUnreachable(node));
            }
            LinkEvent::Introduced { node, store_id } => self.disk.note(store_note(node), store_id.to_vec()),
            LinkEvent::Refused { node, refusal } => {
                tracing::warn!("{refusal}");
                if let Some(node) = node {
                    self.refusals.insert(node, refusal.to_string());
                }
            }
        }
    }

    fn heard(&mut self, from: NodeId, frame: PeerFrame) {
        match frame {
            PeerFrame::Raft(message) => self.step(Input::Message { from, message }),
            PeerFrame::HistoryRequest(_) | PeerFrame::HistoryChunk(_) => {
                // A full queue drops it: the asker asks again.
                let _ = self.history.try_send((from, frame));
            }
            PeerFrame::Words(bytes) => match serde_json::from_slice::<PeerWords>(&bytes) {
                Ok(words) => self.tell(LedgerEvent::Heard { from, words }),
                Err(error) => {
                    tracing::warn!(%error, "{from} said something that cannot be read; is it of another version?")
                }
            },
        }
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { to, message } => self.send(to, PeerFrame::Raft(Box::new(message))),
                Output::Persist(persist) => self.disk.persist(persist),
                Output::Committed(committed) => {
                    for record in committed.records {
                        self.tell(LedgerEvent::Committed { index: record.index, entry: record.bytes.to_vec() });
                    }
                }
                Output::Proposed { .. } => {}
                // A wish for other members that cannot be had now is wished for again; no record is lost by it.
                Output::Dropped { token, .. } if self.change == Some(token) => {}
                Output::Dropped { why, .. } => {
                    tracing::warn!(?why, "a proposal was dropped");
                    self.tell(LedgerEvent::Dropped);
                }
                Output::Became(place) => self.tell(LedgerEvent::Role(place.told_by(self.peer.status().id))),
                Output::InstallSnapshot { index, state } => {
                    if !state.is_empty() {
                        self.tell(LedgerEvent::Install { index, state: state.to_vec() });
                    }
                }
                Output::NeedSnapshot { applied } => self.tell(LedgerEvent::WantState { index: applied }),
                Output::SnapshotTooLarge { bytes, bytes_max } => {
                    tracing::error!(bytes, bytes_max, "the state is too large to be sent to a peer; the log grows");
                }
                Output::MembersChanged(members) => tracing::info!(?members, "members of the trio"),
                Output::Rejected { from, why } => tracing::warn!(?why, "a message of {from} was refused"),
                Output::Faulted(fault) => self.fault(fault.to_string()),
            }
        }
    }
}
