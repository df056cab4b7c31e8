//! The hand: the only code that changes Kafka. It re-reads the facts just before it writes, sends once, and says what it did.
//!
//! Deliberately without any judgement: which step, and whether, was decided and committed before it comes here. Kafka has no
//! compare-and-set for orders and elections, so each act is one that is harmless when late, and nothing is sent once the
//! step's time is over or another term has begun.

mod contacts;
mod mandate;
mod shape;
#[cfg(test)]
mod tests;
mod unregister;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::adapters::clock;
use crate::adapters::kafka::wire::{
    Connection, ElectionKind, Endpoint, ErrorCode, Order, PartitionOutcome, ReplicaCount, Sent, TopicFilter,
    TopicPartition, WireError,
};
use crate::control::event::{Role, Views};
use crate::control::pace::{RECHECK_FOR, VIEWS};
use crate::decide::fit::{Checked, Ready, avoided, is_patient, merged, receipt, sort_moves};
use crate::model::ids::{BrokerEpoch, BrokerId, PartitionId, Term};
use crate::model::plan::{Act, Intention, Move, Step};
use crate::model::record::{Receipt, StepRefusal};
use crate::model::topology::Topology;
use crate::ports::{Actuator, ApplyError};

pub use contacts::HandOptions;
use contacts::{Contacts, Whom, is_elsewhere};
use mandate::Mandate;
pub use shape::to_model;

/// Changes Kafka, over warm connections of its own.
#[derive(Debug)]
pub struct KafkaHand {
    contacts: Contacts,
    role: watch::Receiver<Role>,
}

/// What of a step was sent when its next request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halfway {
    NothingSent,
    /// The new orders: whatever comes of the election, the step is no longer one of which nothing was sent.
    Reordered,
}

impl Halfway {
    fn said(self, error: ApplyError) -> ApplyError {
        match (self, error) {
            (Self::NothingSent, error) | (Self::Reordered, error @ ApplyError::Unanswered(_)) => error,
            (Self::Reordered, error) => ApplyError::Unanswered(format!("reordered, but not elected: {error}")),
        }
    }
}

/// A partition that may be written, under the name that Kafka's requests need.
#[derive(Debug, Clone)]
struct Named {
    id: PartitionId,
    name: TopicPartition,
    to: Vec<BrokerId>,
    ordered: bool,
}

impl Named {
    fn of(one: Ready, fresh: &Topology) -> Option<Self> {
        let topic = fresh.topics.get(&one.id.topic)?;
        let name = TopicPartition::new(topic.name.clone(), one.id.number);
        Some(Self { id: one.id, name, to: one.to, ordered: one.ordered })
    }
}

impl KafkaHand {
    /// Gives a hand that knows where the cluster is, and hears which place this node has in the trio; nothing is opened yet.
    #[must_use]
    pub fn new(options: HandOptions, role: watch::Receiver<Role>) -> Self {
        Self { contacts: Contacts::new(options), role }
    }

    /// Opens what is not open and learns names, so that an act in need waits for nothing. Call it every few seconds.
    pub async fn warm(&self) {
        self.contacts.warm().await;
    }

    async fn order(&self, step: &Step, mandate: Mandate<'_>) -> Result<Receipt, ApplyError> {
        let moves = step.act.moves();
        let mut whom = Whom { not: avoided(&step.act), heard: Vec::new() };
        let intention = step.act.intention();
        let fresh = self.fresh(moves, &mut whom, mandate).await?;
        let Checked { ready, already, mut left_out } = sort_moves(moves, intention, &fresh);
        let mut ready: Vec<Named> = ready.into_iter().filter_map(|one| Named::of(one, &fresh)).collect();
        if is_patient(step) {
            let within = mandate.left()?.min(RECHECK_FOR);
            let Some(moving) = self.contacts.reassignments(&whom, within).await else {
                return Err(ApplyError::Unreachable("no broker said in time what is being reassigned".to_owned()));
            };
            leave_to_others(&mut ready, &mut left_out, &moving);
        }
        if ready.is_empty() && already.is_empty() {
            return Err(ApplyError::Stale(StepRefusal::Stale));
        }
        let mut done = already;
        let mut halfway = Halfway::NothingSent;
        if !matches!(step.act, Act::Prefer { .. }) {
            let to_reorder: Vec<&Named> = ready.iter().filter(|one| !one.ordered).collect();
            let refused = self.reorder(&to_reorder, &whom, mandate).await?;
            left_out.extend(refused);
            if !to_reorder.is_empty() {
                halfway = Halfway::Reordered;
            }
        }
        let mut standing: Vec<&Named> =
            ready.iter().filter(|one| !left_out.iter().any(|(_, id)| *id == one.id)).collect();
        if intention == Intention::OrderAndLeader {
            let refused = self.prefer(&standing, &whom, mandate).await.map_err(|error| halfway.said(error))?;
            standing.retain(|one| !refused.iter().any(|(_, id)| *id == one.id));
            left_out.extend(refused);
        }
        done.extend(standing.iter().map(|one| one.id));
        Ok(receipt(&done, &left_out))
    }

    /// Reads the partitions of the moves again, from brokers that are not to lose them, and notes who told them.
    async fn fresh(&self, moves: &[Move], whom: &mut Whom, mandate: Mandate<'_>) -> Result<Topology, ApplyError> {
        let topics = moves.iter().flat_map(|one| one.partitions.iter()).map(|id| id.topic).collect::<BTreeSet<_>>();
        let names = self.contacts.names(&topics).await;
        let within = mandate.left()?.min(RECHECK_FOR);
        let named: Vec<String> = names.values().cloned().collect();
        let filter = if names.len() == topics.len() { TopicFilter::Named(&named) } else { TopicFilter::All };
        // A broker that is cut off from the controllers answers with what was so before: two views, the newer one believed.
        let answers = self.contacts.ask_brokers(&whom.not, filter, VIEWS, within).await;
        if answers.is_empty() {
            return Err(ApplyError::Unreachable("no broker gave the facts again in time".to_owned()));
        }
        for (_, answer) in &answers {
            self.contacts.learn(answer).await;
        }
        whom.heard = answers.iter().map(|(peer, _)| peer.clone()).collect();
        Ok(merged(answers.iter().map(|(_, answer)| to_model(answer))))
    }

    async fn reorder(
        &self,
        ready: &[&Named],
        whom: &Whom,
        mandate: Mandate<'_>,
    ) -> Result<Vec<(StepRefusal, PartitionId)>, ApplyError> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let orders: Vec<Order> = ready
            .iter()
            .map(|one| Order { partition: one.name.clone(), replicas: Some(one.to.iter().map(|id| id.0).collect()) })
            .collect();
        let outcomes = self
            .send(whom, mandate, |connection, within| {
                let orders = orders.clone();
                async move { Ok(connection.reassign(&orders, ReplicaCount::Kept, within).await?.body) }
            })
            .await?;
        refusals(ready, &outcomes, |_| None)
    }

    async fn prefer(
        &self,
        ready: &[&Named],
        whom: &Whom,
        mandate: Mandate<'_>,
    ) -> Result<Vec<(StepRefusal, PartitionId)>, ApplyError> {
        let partitions: Vec<TopicPartition> = ready.iter().map(|one| one.name.clone()).collect();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self
            .send(whom, mandate, |connection, within| {
                let partitions = partitions.clone();
                async move { Ok(connection.elect(ElectionKind::Preferred, &partitions, within).await?.body) }
            })
            .await?;
        // "Not needed" says that the wanted one leads already.
        refusals(ready, &outcomes, |code| (code == ErrorCode::ElectionNotNeeded).then_some(()))
    }

    /// Sends the heartbeat that asks to be fenced. The position in the metadata log that it names is one of the last seconds, or the
    /// beginning: Kafka looks at it where a broker is to be let in or to shut down, and the broker's own next heartbeat names its own.
    async fn fence(&self, broker: BrokerId, epoch: BrokerEpoch, mandate: Mandate<'_>) -> Result<Receipt, ApplyError> {
        if !self.contacts.has_controllers() {
            return Err(ApplyError::Unreachable("fencing needs \"bootstrap.controllers\"; none is set".to_owned()));
        }
        let anybody = Whom::default();
        let offset = self.contacts.committed().await.unwrap_or_default();
        let fenced = self
            .send(&anybody, mandate, |connection, within| async move {
                Ok(connection.fence(broker.0, epoch.0, offset, within).await?.body.fenced)
            })
            .await;
        match fenced {
            Ok(true) => Ok(receipt(&[], &[])),
            Ok(false) => {
                Err(ApplyError::Unanswered(format!("the controller took the heartbeat but did not fence {broker}")))
            }
            Err(ApplyError::Refused(StepRefusal::Kafka(code))) if code == ErrorCode::StaleBrokerEpoch.number() => {
                Err(ApplyError::Refused(StepRefusal::NewIncarnation))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one request to the active controller (or through a broker, where no controller listener is known): once, unless
    /// it is certain that nothing was done.
    async fn send<T, F, A>(&self, whom: &Whom, mandate: Mandate<'_>, ask: F) -> Result<T, ApplyError>
    where
        F: Fn(Arc<Connection>, Duration) -> A + Send,
        A: Future<Output = Result<T, WireError>> + Send,
    {
        let mut last = "nobody to send it to is known".to_owned();
        for peer in self.contacts.doors(whom).await {
            let within = mandate.left()?;
            let connection = match tokio::time::timeout(within.min(RECHECK_FOR), self.contacts.to(&peer)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => {
                    last = error.to_string();
                    self.contacts.note_unanswered(&peer).await;
                    continue;
                }
                Err(_) => {
                    last = format!("{peer} did not take a connection within {RECHECK_FOR:?}");
                    self.contacts.note_unanswered(&peer).await;
                    continue;
                }
            };
            // The last look at the clock and at who leads before the write.
            let within = mandate.left()?;
            match ask(connection, within).await {
                Ok(answer) => {
                    self.contacts.note_answered(&peer).await;
                    return Ok(answer);
                }
                Err(error) if is_elsewhere(&error) => {
                    last = error.to_string();
                    self.contacts.note_heard(&peer).await;
                }
                Err(error) => {
                    if error.sent() == Sent::No {
                        last = error.to_string();
                        self.contacts.forget(&peer).await;
                    } else {
                        let judged = self.judged(&peer, error).await;
                        if matches!(judged, ApplyError::Unanswered(_)) {
                            self.contacts.note_unanswered(&peer).await;
                        }
                        return Err(judged);
                    }
                }
            }
        }
        Err(ApplyError::Unreachable(last))
    }

    async fn judged(&self, peer: &Endpoint, error: WireError) -> ApplyError {
        match &error {
            WireError::Denied { .. } => ApplyError::Refused(StepRefusal::Denied),
            // Kafka gave up waiting for itself: what was asked may be done all the same, and is read back.
            WireError::Refused { code: ErrorCode::RequestTimedOut, .. } => ApplyError::Unanswered(error.to_string()),
            WireError::Refused { code, .. } => ApplyError::Refused(StepRefusal::Kafka(code.number())),
            WireError::Unreachable { .. }
            | WireError::ConnectionCapped { .. }
            | WireError::Unanswered { .. }
            | WireError::Closed { .. }
            | WireError::Unsupported { .. }
            | WireError::Malformed { .. }
            | WireError::ReadOnly { .. }
            | WireError::Unsendable { .. } => {
                self.contacts.forget(peer).await;
                ApplyError::Unanswered(error.to_string())
            }
        }
    }
}

impl Actuator for KafkaHand {
    async fn apply(&self, step: &Step, term: Term, within: Duration) -> Result<Receipt, ApplyError> {
        let mandate = Mandate { until: clock::now() + within, term, role: &self.role };
        match &step.act {
            Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => self.order(step, mandate).await,
            Act::Fence { broker, epoch } => self.fence(*broker, *epoch, mandate).await,
            Act::Unregister { broker, .. } => self.unregister(*broker, mandate).await,
        }
    }

    async fn read_back(&self, not: &BTreeSet<BrokerId>, within: Duration) -> Views {
        // A lone survivor is believed: nobody else is left to ask.
        let wanted = self.contacts.brokers(not).await.len().clamp(1, 2);
        let answers = self.contacts.ask_brokers(not, TopicFilter::All, wanted, within).await;
        for (_, answer) in &answers {
            self.contacts.learn(answer).await;
        }
        Views { shapes: answers.iter().map(|(_, answer)| to_model(answer)).collect(), wanted }
    }
}

/// Leaves out the partitions that somebody is reassigning: a new order would cancel that.
fn leave_to_others(
    ready: &mut Vec<Named>,
    left_out: &mut Vec<(StepRefusal, PartitionId)>,
    moving: &BTreeSet<TopicPartition>,
) {
    left_out.extend(ready.iter().filter(|one| moving.contains(&one.name)).map(|one| (StepRefusal::Stale, one.id)));
    ready.retain(|one| !moving.contains(&one.name));
}

/// Sorts out the partitions that Kafka refused; `fine` names codes that are as good as done.
///
/// Errors: [`ApplyError::Unanswered`] where one of them timed out inside Kafka: it may have been done all the same.
fn refusals(
    ready: &[&Named],
    outcomes: &[PartitionOutcome],
    fine: impl Fn(ErrorCode) -> Option<()>,
) -> Result<Vec<(StepRefusal, PartitionId)>, ApplyError> {
    if outcomes.iter().any(|outcome| outcome.error == Some(ErrorCode::RequestTimedOut)) {
        return Err(ApplyError::Unanswered("Kafka gave up waiting for it, which may be done all the same".to_owned()));
    }
    let refusal = |outcome: &PartitionOutcome| {
        let code = outcome.error.filter(|code| fine(*code).is_none())?;
        let id = ready.iter().find(|one| one.name == outcome.partition)?.id;
        Some((refused_with(code), id))
    };
    Ok(outcomes.iter().filter_map(refusal).collect())
}

/// Gives what an error code of one partition means for its step.
fn refused_with(code: ErrorCode) -> StepRefusal {
    if code == ErrorCode::PreferredLeaderNotAvailable {
        StepRefusal::PreferredNotAvailable
    } else if matches!(code, ErrorCode::ClusterAuthorizationFailed | ErrorCode::TopicAuthorizationFailed) {
        StepRefusal::Denied
    } else if code == ErrorCode::UnknownTopicOrPartition {
        StepRefusal::Stale
    } else {
        StepRefusal::Kafka(code.number())
    }
}
