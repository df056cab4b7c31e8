//! P5: every broker's position in the metadata log, from the active controller: directly where this node sees the
//! controllers, through a broker elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::lane::Lane;
use super::shared::{Broker, Shared, blindness};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{Answer, ErrorCode, Quorum, QuorumReplica, WireError};
use crate::control::pace::HEDGE_AFTER;
use crate::model::ids::{BrokerId, ControllerEpoch, ControllerId, Offset};
use crate::model::observation::{Blindness, Fact, ProbeKind, PulseReading};

/// The ways to the active controller.
pub(super) struct Pulse {
    shared: Arc<Shared>,
    controllers: Vec<Lane>,
    /// The controller that was active when last asked.
    active: AtomicUsize,
    turn: AtomicUsize,
}

/// How urgent a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// At its rhythm: not if a broker has been asked much already.
    Routine,
    /// Asked for: at once.
    Now,
}

impl Pulse {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let wire = shared.wire();
        let controllers = shared.options.controllers.iter().map(|peer| Lane::new(peer.clone(), wire.clone())).collect();
        Self { shared, controllers, active: AtomicUsize::new(0), turn: AtomicUsize::new(0) }
    }

    /// Reads at its rhythm until the probe ends.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut ticks = interval(self.shared.options.rhythm.pulse);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(&BTreeSet::new(), Urgency::Routine).await;
        }
    }

    /// Reads once, through brokers other than `not`, and tells it.
    pub(super) async fn look(&self, not: &BTreeSet<BrokerId>, urgency: Urgency) {
        if self.shared.brokers().is_empty() {
            // Whose positions they are cannot be told yet: every broker would seem to be missing.
            return;
        }
        let (answer, as_changes_go) = match self.ask_controllers().await {
            Some(answer) => (Ok(answer), true),
            None => (self.ask_brokers(not, urgency).await, self.controllers.is_empty()),
        };
        match answer {
            Ok(answer) => match self.reading(&answer, as_changes_go) {
                Some(reading) => self.shared.tell(Fact::Pulse(reading)).await,
                None => self.blind(Blindness::NobodyAnswered).await,
            },
            Err(Some(why)) => self.blind(why).await,
            // Nobody may be asked again so soon.
            Err(None) => {}
        }
    }

    async fn blind(&self, why: Blindness) {
        self.shared.tell(Fact::Blind { broker: None, probe: ProbeKind::Pulse, why }).await;
    }

    /// Asks the controllers, the one that was active first; none if no one answers as the active one.
    async fn ask_controllers(&self) -> Option<Answer<Quorum>> {
        let places = self.controllers.len();
        let first = self.active.load(Ordering::Relaxed);
        let mut asked = FuturesUnordered::new();
        let mut next = 0;
        let limit = self.shared.options.rhythm.within;
        let began = clock::now();
        loop {
            if next < places {
                let place = first.wrapping_add(next).checked_rem(places).unwrap_or(0);
                if let Some(lane) = self.controllers.get(place) {
                    asked.push(async move { (place, self.ask(lane).await) });
                }
                next = next.saturating_add(1);
            }
            let left = limit.saturating_sub(clock::now().duration_since(began));
            let patience = if next < places { HEDGE_AFTER.min(left) } else { left };
            match timeout(patience, asked.next()).await {
                Ok(Some((place, Ok(answer)))) => {
                    self.active.store(place, Ordering::Relaxed);
                    return Some(answer);
                }
                // A standby says so at once, and a dead one is refused: on to the next.
                Ok(Some((_, Err(_)))) => {}
                Ok(None) if places <= next => return None,
                Err(_) if left.is_zero() => return None,
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Asks one broker, and a second one beside it if the first is slow.
    async fn ask_brokers(
        &self,
        not: &BTreeSet<BrokerId>,
        urgency: Urgency,
    ) -> Result<Answer<Quorum>, Option<Blindness>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let brokers = self.shared.whom_to_ask(turn, not);
        let mut waiting = brokers.iter().filter(|broker| {
            let routine = urgency == Urgency::Routine;
            if !routine {
                broker.count();
            }
            !routine || broker.may_ask()
        });
        let mut asked = FuturesUnordered::new();
        let mut why = if brokers.is_empty() { Some(Blindness::NobodyAnswered) } else { None };
        loop {
            let fresh: Option<&Arc<Broker>> = waiting.next();
            let more = fresh.is_some();
            asked.extend(fresh.map(|broker| self.ask(&broker.pulse)));
            let patience = if more { HEDGE_AFTER } else { self.shared.options.rhythm.within };
            match timeout(patience, asked.next()).await {
                Ok(Some(Ok(answer))) => return Ok(answer),
                Ok(Some(Err(error))) => why = Some(blindness(&error)),
                Ok(None) if !more => return Err(why),
                Err(_) if !more => return Err(Some(Blindness::NobodyAnswered)),
                Ok(None) | Err(_) => {}
            }
        }
    }

    async fn ask(&self, lane: &Lane) -> Result<Answer<Quorum>, WireError> {
        let connection = lane.connection().await?;
        let answer = connection.quorum(self.shared.options.rhythm.within).await;
        if let Err(error) = &answer
            && error.code() != Some(ErrorCode::NotLeaderOrFollower)
        {
            tracing::debug!(%error, "no pulse");
        }
        lane.settle(answer).await
    }

    /// Makes a reading of an answer; none if it does not say who leads, or how far the log goes.
    fn reading(&self, answer: &Answer<Quorum>, as_changes_go: bool) -> Option<PulseReading> {
        let quorum = &answer.body;
        let leader = quorum.leader?;
        let known: BTreeSet<i32> = self.shared.brokers().iter().map(|broker| broker.id.0).collect();
        let everybody = || quorum.voters.iter().chain(&quorum.observers);
        let end = |replica: &QuorumReplica| replica.log_end_offset.and_then(offset);
        // A combined node is a voter and a broker; a standby controller is an observer and no broker.
        let brokers: BTreeMap<BrokerId, Offset> = everybody()
            .filter(|replica| known.contains(&replica.id))
            .filter_map(|replica| Some((BrokerId(replica.id), end(replica)?)))
            .collect();
        Some(PulseReading {
            sent_at: clock::timestamp_of(answer.asked_at),
            controller: ControllerId(leader),
            controller_epoch: ControllerEpoch(quorum.leader_epoch),
            high_watermark: quorum.high_watermark.and_then(offset)?,
            controller_log_end: everybody().find(|replica| replica.id == leader).and_then(end)?,
            brokers,
            as_changes_go,
        })
    }
}

fn offset(raw: i64) -> Option<Offset> {
    u64::try_from(raw).ok().map(Offset)
}
