//! One process of ours: the production controller and consensus core, a probe, a hand, and what carries events from one to the
//! other in the order in which production's loop and ledger do.
//!
//! Deliberately without any decision, as production's driver: it never looks into what it carries, but where a saboteur does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::consensus::{Input, Output, Peer, Proposal, next_change};
use crate::control::Controller;
use crate::control::event::{Effect, Event, PeerWords, Role};
use crate::control::pace::{OwnPace, TICK};
use crate::control::state::State;
use crate::decide::advice::message;
use crate::model::ids::{NodeId, RaftIndex};
use crate::model::observation::{Fact, Observation};
use crate::model::operator::{Answer, OperatorRequest};
use crate::sim::desk::Desk;
use crate::sim::hand::Hand;
use crate::sim::kafka::talk::Heard;
use crate::sim::probe::Probe;
use crate::sim::stimulus::{Frame, Note, Out, Stimulus};

use super::saboteur::Saboteur;

/// How often a leader compares the members with those of its settings: each second. Units: ticks of the consensus core.
const MEMBERS_EVERY_TICKS: u32 = 20;

/// How often the audit store is made durable, and the log may be cut behind it.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// The lanes from this one on are the hand's.
const HAND_LANE: u8 = 9;

/// The parts of a process.
pub(in crate::sim) struct Parts {
    pub(in crate::sim) peer: Peer,
    pub(in crate::sim) raft_tick: Duration,
    pub(in crate::sim) controller: Controller,
    pub(in crate::sim) probe: Probe,
    pub(in crate::sim) hand: Hand,
    pub(in crate::sim) voters: BTreeSet<NodeId>,
    pub(super) saboteur: Saboteur,
}

/// One process.
pub(in crate::sim) struct Process {
    pub(in crate::sim) peer: Peer,
    pub(in crate::sim) controller: Controller,
    pub(in crate::sim) probe: Probe,
    pub(in crate::sim) hand: Hand,
    saboteur: Saboteur,
    todo: VecDeque<Todo>,
    tickets: BTreeMap<u64, Asker>,
    last_ticket: u64,
    last_token: u64,
    change: Option<u64>,
    /// By the process's own clock.
    pace: OwnPace,
    raft_tick: Duration,
    raft_ticks: u32,
    wanted: BTreeSet<NodeId>,
    kept: RaftIndex,
    ended: Option<String>,
}

/// What is still to be carried, in order.
enum Todo {
    Raft(Input),
    Propose(Vec<Proposal>),
    Control(Event),
    Install(Vec<u8>),
    Freeze(RaftIndex),
    Heard(NodeId, PeerWords),
    /// What a saboteur has made up.
    Invented(Event),
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Here(u64),
    Peer { node: NodeId, ticket: u64 },
}

impl Process {
    /// Starts a process; `first` is what the consensus core wants first.
    pub(in crate::sim) fn start(parts: Parts, first: Vec<Output>, desk: &mut Desk<'_>) -> Self {
        let mut process = Self {
            peer: parts.peer,
            controller: parts.controller,
            probe: parts.probe,
            hand: parts.hand,
            saboteur: parts.saboteur,
            todo: VecDeque::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            last_token: 0,
            change: None,
            pace: OwnPace::beginning(desk.now()),
            raft_tick: parts.raft_tick,
            raft_ticks: 0,
            wanted: parts.voters,
            kept: RaftIndex(0),
            ended: None,
        };
        desk.later(process.raft_tick, Stimulus::RaftTick);
        desk.later(TICK, Stimulus::Tick);
        desk.later(CHECKPOINT_EVERY, Stimulus::Checkpoint);
        process.carry_out_raft(desk, first);
        process.work(desk);
        process
    }

    /// Takes one stimulus and everything that follows from it at once.
    pub(in crate::sim) fn take(&mut self, desk: &mut Desk<'_>, stimulus: Stimulus) {
        match stimulus {
            Stimulus::RaftTick => self.raft_tick(desk),
            Stimulus::Tick => self.tick(desk),
            Stimulus::Frame(from, Frame::Raft(message)) => {
                self.todo.push_back(Todo::Raft(Input::Message { from, message }));
            }
            Stimulus::Frame(from, Frame::Words(words)) => self.todo.push_back(Todo::Heard(from, *words)),
            Stimulus::LinkDown(node) => self.todo.push_back(Todo::Raft(Input::PeerUnreachable(node))),
            Stimulus::DiskDone(token, took) => {
                self.pace.synced(took);
                self.todo.push_back(Todo::Raft(Input::Persisted(token)));
            }
            Stimulus::DiskFailed => self.ended = Some("its log cannot be written".to_owned()),
            Stimulus::Heard(heard) => self.kafka_heard(desk, *heard),
            Stimulus::Look(timer) => self.probe.due(desk, timer),
            Stimulus::Hand(errand, turn) => self.hand.due(desk, errand, turn),
            Stimulus::Advised(case, plan, opinion) => {
                self.todo.push_back(Todo::Control(Event::Advised { case, plan, opinion }));
            }
            Stimulus::PauseFile(file) => self.todo.push_back(Todo::Control(Event::PauseFile(file))),
            Stimulus::Asked(ticket, request) => self.question(desk, ticket, *request),
            Stimulus::Checkpoint => {
                desk.later(CHECKPOINT_EVERY, Stimulus::Checkpoint);
                self.todo.push_back(Todo::Raft(Input::Compact { up_to: self.kept }));
            }
        }
        self.work(desk);
    }

    fn raft_tick(&mut self, desk: &mut Desk<'_>) {
        desk.later(self.raft_tick, Stimulus::RaftTick);
        self.raft_ticks = self.raft_ticks.wrapping_add(1);
        self.todo.push_back(Todo::Raft(Input::Tick));
        if self.raft_ticks.checked_rem(MEMBERS_EVERY_TICKS) == Some(0) {
            self.tend_members();
        }
    }

    fn tend_members(&mut self) {
        if !matches!(self.controller.role(), Role::Leading(_)) || !self.saboteur.tends_members() {
            return;
        }
        if let Some(change) = next_change(&self.peer.status().members, &self.wanted) {
            self.last_token = self.last_token.wrapping_add(1);
            self.change = Some(self.last_token);
            self.todo.push_back(Todo::Raft(Input::ChangeMembers { token: self.last_token, change }));
        }
    }

    fn tick(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now();
        let own = self.pace.ticked(now);
        desk.later(TICK, Stimulus::Tick);
        self.probe.sweep(desk);
        self.todo.push_back(Todo::Control(Event::Observed(Observation { at: now, fact: Fact::Own(own) })));
        self.todo.push_back(Todo::Control(Event::Tick));
    }

    fn kafka_heard(&mut self, desk: &mut Desk<'_>, heard: Heard) {
        if heard.line.lane < HAND_LANE {
            return self.probe.heard(desk, heard);
        }
        if heard.turned_away() {
            desk.note(Note::TurnedAway(heard.call));
        }
        self.hand.heard(desk, heard);
    }

    /// Carries everything on until nothing is left.
    fn work(&mut self, desk: &mut Desk<'_>) {
        loop {
            let at = desk.now();
            let facts = std::mem::take(&mut desk.facts);
            self.todo.extend(facts.into_iter().map(|fact| Todo::Control(Event::Observed(Observation { at, fact }))));
            for done in self.hand.take_done() {
                if let Event::Applied { errand, result } = &done {
                    desk.note(Note::Did(*errand, Box::new(result.receipt.clone())));
                }
                self.todo.push_back(Todo::Control(done));
            }
            let Some(next) = self.todo.pop_front() else { break };
            match next {
                Todo::Raft(input) => {
                    let outputs = self.peer.step(input);
                    self.carry_out_raft(desk, outputs);
                }
                Todo::Propose(proposals) => {
                    let outputs = self.peer.propose_all(proposals);
                    self.carry_out_raft(desk, outputs);
                }
                Todo::Control(event) if self.saboteur.is_idle() => self.step(desk, event),
                Todo::Control(event) => {
                    for event in self.saboteur.hears(event) {
                        self.step(desk, event);
                    }
                }
                Todo::Invented(event) => self.step(desk, event),
                Todo::Install(state) => self.install(desk, &state),
                Todo::Freeze(index) => self.freeze(index),
                Todo::Heard(from, words) => self.words(desk, from, words),
            }
        }
        if let Some(why) = self.ended.take() {
            desk.out.push(Out::End(why));
        }
    }

    fn carry_out_raft(&mut self, desk: &mut Desk<'_>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { to, message } => desk.out.push(Out::Send(to, Frame::Raft(Box::new(message)))),
                Output::Persist(persist) => desk.out.push(Out::Persist(persist)),
                Output::Committed(committed) => {
                    for record in committed.records {
                        let (index, entry) = (record.index, record.bytes.to_vec());
                        self.todo.push_back(Todo::Control(Event::Committed { index, entry }));
                    }
                }
                // A wish for other members that cannot be had now is wished for again; no record is lost by it.
                Output::Dropped { token, .. } if self.change == Some(token) => {}
                Output::Dropped { .. } => self.todo.push_back(Todo::Control(Event::ProposalDropped)),
                Output::Became(place) => {
                    let role = place.told_by(self.controller.me());
                    self.todo.push_back(Todo::Control(Event::Role(role)));
                }
                Output::InstallSnapshot { state, .. } if state.is_empty() => {}
                Output::InstallSnapshot { state, .. } => self.todo.push_back(Todo::Install(state.to_vec())),
                Output::NeedSnapshot { applied } => self.todo.push_back(Todo::Freeze(applied)),
                Output::Faulted(fault) => self.ended = Some(fault.to_string()),
                Output::SnapshotTooLarge { bytes, .. } => {
                    desk.note(Note::Warned(format!("the state has {bytes} bytes: too large to be sent")));
                }
                Output::Proposed { .. } | Output::MembersChanged(_) | Output::Rejected { .. } => {}
            }
        }
    }

    fn step(&mut self, desk: &mut Desk<'_>, event: Event) {
        if let Event::Role(role) = &event {
            desk.note(Note::Became(*role));
            self.hand.became(*role);
            if let Some(state) = self.saboteur.forgets(*role, self.controller.state()) {
                let effects = self.controller.install(state);
                self.carry_out(desk, effects);
            }
        }
        let effects = self.controller.step(desk.present(), event);
        if self.saboteur.is_idle() {
            return self.carry_out(desk, effects);
        }
        let effects = self.saboteur.wants(effects, self.controller.role(), desk.now());
        self.todo.extend(self.saboteur.take_invented().into_iter().map(Todo::Invented));
        self.carry_out(desk, effects);
    }

    fn carry_out(&mut self, desk: &mut Desk<'_>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Propose(entries) => {
                    self.todo.push_back(Todo::Propose(Proposal::batch(entries, &mut self.last_token)));
                }
                Effect::Keep(kept) => {
                    self.kept = kept.raft;
                    desk.note(Note::Kept(kept));
                }
                Effect::Look(look) => self.probe.look(desk, look),
                Effect::LookToo { to, broker } => {
                    desk.out.push(Out::Send(to, Frame::Words(Box::new(PeerWords::Look(broker)))));
                }
                Effect::Report { to, report } => {
                    self.todo.extend(self.saboteur.invents_reports(&report).into_iter().map(Todo::Invented));
                    desk.out.push(Out::Send(to, Frame::Words(Box::new(PeerWords::Report(report)))));
                }
                Effect::Apply { errand, step, term, within } => {
                    desk.note(Note::Applies { errand, step: step.clone(), term, within });
                    self.hand.apply(desk, errand, *step, (term, within));
                }
                Effect::ReadBack { errand, not } => self.hand.read_back(desk, errand, not),
                Effect::HandOver { to } => self.todo.push_back(Todo::Raft(Input::TransferLeadership { to })),
                Effect::Advise { case, plan, brief, .. } => {
                    let prompt = self.saboteur.adds_to(message(&brief));
                    desk.out.push(Out::Advise(case, plan, brief, prompt));
                }
                Effect::Answer { ticket, answer } => self.answer(desk, ticket, answer),
                Effect::Warn(words) => desk.note(Note::Warned(words)),
            }
        }
    }

    fn install(&mut self, desk: &mut Desk<'_>, state: &[u8]) {
        match State::thaw(state) {
            Ok(state) => {
                let effects = self.controller.install(state);
                self.carry_out(desk, effects);
            }
            Err(error) => self.ended = Some(error.to_string()),
        }
    }

    fn freeze(&mut self, index: RaftIndex) {
        if let Ok(bytes) = self.controller.state().freeze() {
            self.todo.push_back(Todo::Raft(Input::Snapshotted { index, state: Bytes::from(bytes) }));
        }
    }

    fn words(&mut self, desk: &mut Desk<'_>, from: NodeId, words: PeerWords) {
        match words {
            PeerWords::Report(report) => {
                self.todo.push_back(Todo::Control(Event::Reported { from, report: *report }));
            }
            PeerWords::Look(broker) => self.probe.look(desk, crate::model::observation::LookNow::Ping(broker)),
            PeerWords::Asked { ticket, request } => {
                let ours = self.ticket(Asker::Peer { node: from, ticket });
                self.todo.push_back(Todo::Control(Event::Asked { ticket: ours, request: *request }));
            }
            PeerWords::Answered { ticket, answer } => self.answer(desk, ticket, answer),
        }
    }

    fn ticket(&mut self, asker: Asker) -> u64 {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        self.tickets.insert(self.last_ticket, asker);
        self.last_ticket
    }

    /// Reads are answered here; what must be recorded goes to the leader.
    fn question(&mut self, desk: &mut Desk<'_>, person: u64, request: OperatorRequest) {
        let ticket = self.ticket(Asker::Here(person));
        match self.controller.role() {
            Role::Following { leader, .. } if !request.ask.is_read() => {
                let words = PeerWords::Asked { ticket, request: Box::new(request) };
                desk.out.push(Out::Send(leader, Frame::Words(Box::new(words))));
            }
            Role::Following { .. } | Role::Leading(_) | Role::Leaderless(_) => {
                self.todo.push_back(Todo::Control(Event::Asked { ticket, request }));
            }
        }
    }

    fn answer(&mut self, desk: &mut Desk<'_>, ticket: u64, answer: Box<Answer>) {
        match self.tickets.remove(&ticket) {
            Some(Asker::Here(person)) => desk.out.push(Out::Answer(person, answer)),
            Some(Asker::Peer { node, ticket }) => {
                let words = PeerWords::Answered { ticket, answer };
                desk.out.push(Out::Send(node, Frame::Words(Box::new(words))));
            }
            None => {}
        }
    }
}
