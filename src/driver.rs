//! The only loop: carries events into the controller and its effects out through the ports.
//!
//! Deliberately without any decision: it never looks into what it carries. Everything that takes time runs beside the loop
//! and comes back as an event, so that no neighbour can hold it up.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::control::event::{Effect, Errand, Event, Kept, PauseFile, Role, StepResult};
use crate::control::pace::{OwnPace, READ_BACK_REST, READ_BACK_WITHIN, TICK};
use crate::control::state::State;
use crate::control::{Controller, Now};
use crate::decide::advice::budget;
use crate::model::chain::Head;
use crate::model::ids::NodeId;
use crate::model::observation::{Fact, LookNow, Observation};
use crate::model::operator::{Answer, OperatorRequest};
use crate::model::plan::Step;
use crate::model::record::{NotSent, Receipt, StepRefusal};
use crate::ports::{Actuator, Adviser, ApplyError, Ledger, LedgerEvent, PeerWords, Probe};

/// An operator's request on its way in.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: OperatorRequest,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// What comes to the driver from the servers of this node.
#[derive(Debug)]
pub struct Inlets {
    /// Operators' requests.
    pub questions: mpsc::Receiver<Question>,
    /// The pause file appeared or went away.
    pub pause_file: mpsc::Receiver<PauseFile>,
    /// The history was damaged and set aside.
    pub rebuilt: mpsc::Receiver<()>,
}

/// What the history of a node is told, in order.
#[derive(Debug)]
pub enum Past {
    /// A record is committed.
    Record(Box<Kept>),
    /// The whole state was replaced: every record up to here is committed, and those that are not held must be had from a peer.
    UpTo(Head),
}

/// The neighbours of one node.
#[derive(Debug)]
pub struct Neighbours<P, A, L, V> {
    /// Looks.
    pub probe: P,
    /// Touches.
    pub hand: Arc<A>,
    /// Where the hand hears which place this node has in the trio.
    pub roles: watch::Sender<Role>,
    /// Orders and keeps.
    pub ledger: L,
    /// Gives opinions.
    pub adviser: Arc<V>,
}

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// It was asked to.
    #[error("stopped as asked")]
    Asked,
    /// The node may not take part any more.
    #[error("this node may not take part any more: {0}")]
    Faulted(String),
    /// The ledger ended without saying why.
    #[error("the log ended; see the messages above")]
    LedgerGone,
}

/// The loop with all that it needs.
#[derive(Debug)]
pub struct Driver<P, A, L, V> {
    controller: Controller,
    neighbours: Neighbours<P, A, L, V>,
    inlets: Inlets,
    keep: mpsc::UnboundedSender<Past>,
    now: fn() -> Now,
    errands: JoinSet<Event>,
    tickets: BTreeMap<u64, Asker>,
    last_ticket: u64,
    pace: OwnPace,
    heads: watch::Sender<BTreeMap<NodeId, Head>>,
}

#[derive(Debug)]
enum Asker {
    Here(oneshot::Sender<Answer>),
    Peer { node: NodeId, ticket: u64 },
}

impl<P, A, L, V> Driver<P, A, L, V>
where
    P: Probe,
    A: Actuator + 'static,
    L: Ledger,
    V: Adviser + 'static,
{
    /// Puts the loop together; `keep` receives what is committed in order, `now` is the clock.
    #[must_use]
    pub fn new(
        controller: Controller,
        neighbours: Neighbours<P, A, L, V>,
        inlets: Inlets,
        keep: mpsc::UnboundedSender<Past>,
        now: fn() -> Now,
    ) -> Self {
        Self {
            controller,
            neighbours,
            inlets,
            keep,
            now,
            errands: JoinSet::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            pace: OwnPace::default(),
            heads: watch::Sender::default(),
        }
    }

    /// Publishes the heads of the chain as this node's state and its peers have them.
    #[must_use]
    pub fn with_heads(self, heads: watch::Sender<BTreeMap<NodeId, Head>>) -> Self {
        Self { heads, ..self }
    }

    /// Runs until `stop` comes or the node may not go on.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Stopped {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.pace = OwnPace::beginning((self.now)().at);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Stopped::Asked,
                event = self.neighbours.ledger.next() => match event {
                    Some(event) => if let Err(stopped) = self.take_ledger_event(event) { return stopped },
                    None => return Stopped::LedgerGone,
                },
                observation = self.neighbours.probe.next() => {
                    if let Some(observation) = observation { self.step(Event::Observed(observation)) }
                }
                Some(done) = self.errands.join_next() => {
                    if let Ok(event) = done { self.step(event) }
                }
                Some(question) = self.inlets.questions.recv() => self.question(question),
                Some(file) = self.inlets.pause_file.recv() => self.step(Event::PauseFile(file)),
                Some(()) = self.inlets.rebuilt.recv() => self.step(Event::HistoryRebuilt),
                _ = ticks.tick() => {
                    let now = (self.now)();
                    let own = self.pace.ticked(now.at);
                    self.step(Event::Observed(Observation { at: now.at, fact: Fact::Own(own) }));
                    self.step(Event::Tick);
                }
            }
        }
    }

    fn take_ledger_event(&mut self, event: LedgerEvent) -> Result<(), Stopped> {
        match event {
            LedgerEvent::Role(role) => {
                // First the hand: a step that is under way ends with its term.
                self.neighbours.roles.send_replace(role);
                self.step(Event::Role(role));
            }
            LedgerEvent::Committed { index, entry } => self.step(Event::Committed { index, entry }),
            LedgerEvent::Dropped => self.step(Event::ProposalDropped),
            LedgerEvent::Install { index, state } => match State::thaw(&state) {
                Ok(state) => {
                    let (me, head) = (self.controller.me(), state.head);
                    for effect in self.controller.install(state) {
                        self.carry_out(effect);
                    }
                    self.neighbours.roles.send_replace(self.controller.role());
                    self.publish(me, head);
                    // The history's own task ends only with the process.
                    let _ = self.keep.send(Past::UpTo(head));
                }
                Err(error) => return Err(Stopped::Faulted(format!("the state at log index {index}: {error}"))),
            },
            LedgerEvent::WantState { index } => match self.controller.state().freeze() {
                Ok(bytes) => self.neighbours.ledger.freeze(index, bytes),
                Err(error) => tracing::error!(%error, "the state cannot be written down: the log is not cut"),
            },
            LedgerEvent::Heard { from, words } => self.heard(from, words),
            LedgerEvent::Synced(took) => self.pace.synced(took),
            LedgerEvent::Faulted(why) => return Err(Stopped::Faulted(why)),
        }
        Ok(())
    }

    fn heard(&mut self, from: NodeId, words: PeerWords) {
        match words {
            PeerWords::Report(report) => {
                let head = report.head;
                self.publish(from, head);
                self.step(Event::Reported { from, report: *report });
            }
            PeerWords::Look(broker) => self.neighbours.probe.look_now(LookNow::Ping(broker)),
            PeerWords::Asked { ticket, request } => {
                let ours = self.ticket(Asker::Peer { node: from, ticket });
                self.step(Event::Asked { ticket: ours, request: *request });
            }
            PeerWords::Answered { ticket, answer } => self.answer(ticket, *answer),
        }
    }

    fn ticket(&mut self, asker: Asker) -> u64 {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        self.tickets.insert(self.last_ticket, asker);
        // Whoever gave up waiting is forgotten.
        self.tickets.retain(|_, asker| match asker {
            Asker::Here(reply) => !reply.is_closed(),
            Asker::Peer { .. } => true,
        });
        self.last_ticket
    }

    /// Reads are answered here; what must be recorded goes to the leader.
    fn question(&mut self, question: Question) {
        let Question { request, reply } = question;
        let ticket = self.ticket(Asker::Here(reply));
        match self.controller.role() {
            Role::Following { leader, .. } if !request.ask.is_read() => {
                self.neighbours.ledger.tell(leader, PeerWords::Asked { ticket, request: Box::new(request) });
            }
            Role::Following { .. } | Role::Leading(_) | Role::Leaderless(_) => {
                self.step(Event::Asked { ticket, request });
            }
        }
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        match self.tickets.remove(&ticket) {
            // An operator who hung up has no use for the answer.
            Some(Asker::Here(reply)) => drop(reply.send(answer)),
            Some(Asker::Peer { node, ticket }) => {
                self.neighbours.ledger.tell(node, PeerWords::Answered { ticket, answer: Box::new(answer) });
            }
            None => {}
        }
    }

    fn publish(&self, node: NodeId, head: Head) {
        self.heads.send_modify(|heads| {
            heads.insert(node, head);
        });
    }

    fn step(&mut self, event: Event) {
        let effects = self.controller.step((self.now)(), event);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Propose(entries) => self.neighbours.ledger.propose(entries),
            Effect::Keep(kept) => {
                let (me, head) = (self.controller.me(), kept.head);
                self.publish(me, head);
                // The history's own task ends only with the process.
                let _ = self.keep.send(Past::Record(kept));
            }
            Effect::Look(look) => self.neighbours.probe.look_now(look),
            Effect::LookToo { to, broker } => self.neighbours.ledger.tell(to, PeerWords::Look(broker)),
            Effect::Report { to, report } => self.neighbours.ledger.tell(to, PeerWords::Report(report)),
            Effect::Apply { errand, step, term, within } => {
                let hand = Arc::clone(&self.neighbours.hand);
                self.errands.spawn(async move {
                    let result = hand.apply(&step, term, within).await;
                    Event::Applied { errand, result: step_result(&step, result) }
                });
            }
            Effect::ReadBack { errand, not } => {
                let hand = Arc::clone(&self.neighbours.hand);
                self.errands.spawn(async move { read_back(hand.as_ref(), errand, &not).await });
            }
            Effect::HandOver { to } => self.neighbours.ledger.hand_over(to),
            Effect::Advise { case, plan, class, brief } => {
                let adviser = Arc::clone(&self.neighbours.adviser);
                let deadline = budget(class, brief.proposal.urgency, Duration::MAX).answer;
                self.errands.spawn(async move {
                    let opinion = Box::new(adviser.advise(&brief, deadline).await);
                    Event::Advised { case, plan, opinion }
                });
            }
            Effect::Answer { ticket, answer } => self.answer(ticket, *answer),
            Effect::Warn(words) => tracing::warn!("{words}"),
        }
    }
}

async fn read_back<A: Actuator>(
    hand: &A,
    errand: Errand,
    not: &std::collections::BTreeSet<crate::model::ids::BrokerId>,
) -> Event {
    let views = hand.read_back(not, READ_BACK_WITHIN).await;
    if !views.is_complete() {
        tracing::debug!(answered = views.shapes.len(), wanted = views.wanted, "reading back");
        tokio::time::sleep(READ_BACK_REST).await;
    }
    Event::ReadBack { errand, views }
}

/// Turns what the hand says into the receipt that is recorded, with words for the log.
fn step_result(step: &Step, result: Result<Receipt, ApplyError>) -> StepResult {
    let receipt = match &result {
        Ok(receipt) => receipt.clone(),
        Err(ApplyError::Stale(_)) => Receipt::Refused(StepRefusal::Stale),
        Err(ApplyError::Refused(why)) => Receipt::Refused(*why),
        Err(ApplyError::Unreachable(_)) => Receipt::NotSent(NotSent::Unreachable),
        Err(ApplyError::Unanswered(_)) => Receipt::Unanswered,
        Err(ApplyError::Expired) => Receipt::NotSent(NotSent::Expired),
        Err(ApplyError::Deposed(_)) => Receipt::NotSent(NotSent::Deposed),
    };
    let said = result.err().map(|error| format!("{} was not carried out: {error}", step.act.name()));
    StepResult { receipt, said }
}
