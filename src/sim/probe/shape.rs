//! P2 and the reassignments: the shape from two brokers at a time, the higher leader epoch believed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::control::pace::{SECOND_VIEW_WITHIN, VIEWS};
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::{Blindness, Fact, ProbeKind, TopologyReading, TopologySource};
use crate::model::time::Timestamp;
use crate::model::topology::Topology;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Door, Request};
use crate::sim::stimulus::{ProbeTimer, Stimulus};

use super::{Probe, ROUNDS, SHAPE, What};

/// How often to see whether the topology is known by now, before the rounds begin.
const KNOWN_YET_EVERY: Duration = Duration::from_secs(1);

/// The looks at the shape that are under way.
#[derive(Debug, Default)]
pub(super) struct ShapeDuty {
    looks: Vec<Look>,
    turn: usize,
    busy: Busy,
    /// The newest timer that counts: a look out of turn moves the rhythm.
    next: Option<Timestamp>,
}

/// Whether the look that keeps the rhythm is under way, and whether another was wanted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Busy {
    #[default]
    No,
    Yes,
    AndWantedAgain,
}

/// Whose turn a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The rhythm's.
    Rhythm,
    /// It was asked for.
    Asked,
}

#[derive(Debug)]
struct Look {
    id: u64,
    turn: Turn,
    sent_at: Timestamp,
    waits_for: BTreeSet<BrokerId>,
    views: Vec<(BrokerId, Arc<Topology>)>,
    why: Blindness,
}

impl Probe {
    pub(super) fn shape_due(&mut self, desk: &mut Desk<'_>) {
        // A timer that a look out of turn has overtaken. One that is early by a little was set before the clock changed its pace.
        let early = self.options.rhythm.shape / 10;
        if self.shape.next.is_some_and(|next| desk.now().plus(early) < next) {
            return;
        }
        self.shape_wanted(desk);
    }

    /// A connection has closed, or the rhythm says so: the shape is looked at, once the look under way is over.
    pub(super) fn shape_wanted(&mut self, desk: &mut Desk<'_>) {
        if self.shape.busy != Busy::No {
            self.shape.busy = Busy::AndWantedAgain;
            return;
        }
        self.shape.busy = Busy::Yes;
        self.shape.turn = self.shape.turn.wrapping_add(1);
        self.look_at_shape(desk, (self.shape.turn, &BTreeSet::new()), Turn::Rhythm);
    }

    pub(super) fn look_at_shape(&mut self, desk: &mut Desk<'_>, whom: (usize, &BTreeSet<BrokerId>), turn: Turn) {
        let mut brokers = self.whom_to_ask(whom.0, whom.1);
        brokers.truncate(VIEWS);
        if brokers.is_empty() {
            return self.begin(desk, 0);
        }
        let id = self.next_look();
        let look = Look {
            id,
            turn,
            sent_at: desk.now(),
            waits_for: brokers.iter().copied().collect(),
            views: Vec::new(),
            why: Blindness::NobodyAnswered,
        };
        self.shape.looks.push(look);
        for broker in brokers {
            // Two requests, side by side on one connection.
            self.count(desk.now(), broker);
            self.count(desk.now(), broker);
            let line = desk.line(Door::Broker(broker), SHAPE);
            self.ask(desk, line, Request::Metadata, What::View(id, broker));
        }
    }

    /// Nobody is known yet: asks those that the settings name, one after the other.
    fn begin(&mut self, desk: &mut Desk<'_>, place: usize) {
        let Some(broker) = self.options.bootstrap.get(place).copied() else {
            desk.tell(Fact::Blind { broker: None, probe: ProbeKind::Metadata, why: Blindness::NobodyAnswered });
            return self.rhythm_goes_on(desk);
        };
        let line = desk.line(Door::Broker(broker), SHAPE);
        self.ask(desk, line, Request::Metadata, What::Begin(place));
    }

    pub(super) fn began(&mut self, desk: &mut Desk<'_>, place: usize, reply: Result<Answer, Blindness>) {
        match reply {
            Ok(Answer::Metadata(topology)) => {
                self.learn_brokers(desk, &topology);
                // Now there is somebody to ask for the rest.
                self.shape.busy = Busy::AndWantedAgain;
                self.rhythm_goes_on(desk);
            }
            Ok(_) | Err(_) => self.begin(desk, place.saturating_add(1)),
        }
    }

    pub(super) fn viewed(&mut self, desk: &mut Desk<'_>, id: u64, broker: BrokerId, reply: Result<Answer, Blindness>) {
        let Some(look) = self.shape.looks.iter_mut().find(|look| look.id == id) else { return };
        look.waits_for.remove(&broker);
        match reply {
            Ok(Answer::Metadata(topology)) => {
                look.views.push((broker, Arc::clone(&topology)));
                self.learn_brokers(desk, &topology);
            }
            Ok(_) => look.why = Blindness::Malformed,
            Err(why) => look.why = why,
        }
        let Some(look) = self.shape.looks.iter().find(|look| look.id == id) else { return };
        if look.waits_for.is_empty() {
            self.end_look(desk, id);
        } else if look.views.len() == 1 {
            // Nobody waits long for a second opinion.
            desk.later(SECOND_VIEW_WITHIN, Stimulus::Look(ProbeTimer::SecondView(id)));
        }
    }

    pub(super) fn end_look(&mut self, desk: &mut Desk<'_>, id: u64) {
        let Some(place) = self.shape.looks.iter().position(|look| look.id == id) else { return };
        let look = self.shape.looks.swap_remove(place);
        match merge(&look.views, &self.reassigning) {
            Some(topology) => {
                self.topology = Some(Arc::clone(&topology));
                let source = TopologySource::Metadata(look.views.iter().map(|(from, _)| *from).collect());
                desk.tell(Fact::Topology(TopologyReading { topology, source, sent_at: look.sent_at }));
            }
            None => desk.tell(Fact::Blind { broker: None, probe: ProbeKind::Metadata, why: look.why }),
        }
        if look.turn == Turn::Rhythm {
            self.rhythm_goes_on(desk);
        }
    }

    fn rhythm_goes_on(&mut self, desk: &mut Desk<'_>) {
        let again = self.shape.busy == Busy::AndWantedAgain;
        self.shape.busy = Busy::No;
        let after = if again { Duration::from_micros(100) } else { self.options.rhythm.shape };
        self.shape.next = Some(desk.now().plus(after));
        desk.later(after, Stimulus::Look(ProbeTimer::Shape));
    }

    pub(super) fn rounds_due(&mut self, desk: &mut Desk<'_>) {
        if self.topology.is_none() {
            return desk.later(KNOWN_YET_EVERY, Stimulus::Look(ProbeTimer::Rounds));
        }
        self.rounds_turn = self.rounds_turn.wrapping_add(1);
        let first = self.whom_to_ask(self.rounds_turn, &BTreeSet::new()).into_iter().next();
        let look = self.next_look();
        if let Some(broker) = first {
            self.ask_reassignments(desk, look, broker);
        }
        desk.later(self.options.rhythm.rounds, Stimulus::Look(ProbeTimer::Rounds));
    }

    pub(super) fn look_at_reassignments(&mut self, desk: &mut Desk<'_>, whom: (usize, &BTreeSet<BrokerId>)) {
        let look = self.next_look();
        for broker in self.whom_to_ask(whom.0, whom.1).into_iter().take(VIEWS) {
            self.ask_reassignments(desk, look, broker);
        }
    }

    fn ask_reassignments(&mut self, desk: &mut Desk<'_>, look: u64, broker: BrokerId) {
        self.count(desk.now(), broker);
        let line = desk.line(Door::Broker(broker), ROUNDS);
        let sent_at = desk.now();
        self.ask(desk, line, Request::ListReassignments, What::Reassignments { look, broker, sent_at });
    }

    pub(super) fn reassignments_read(
        &mut self,
        desk: &mut Desk<'_>,
        asked: (u64, BrokerId),
        sent_at: Timestamp,
        reply: Result<Answer, Blindness>,
    ) {
        match reply {
            Ok(Answer::Reassignments(found)) => {
                // The first answer is told; nobody waits for the other one of the same look.
                self.calls
                    .retain(|_, pending| !matches!(pending.what, What::Reassignments { look, .. } if look == asked.0));
                let partitions: BTreeSet<PartitionId> = found.keys().copied().collect();
                self.reassigning.clone_from(&partitions);
                desk.tell(Fact::Reassignments { sent_at, partitions });
            }
            Ok(_) => {}
            Err(why) => {
                desk.tell(Fact::Blind { broker: Some(asked.1), probe: ProbeKind::Reassignments, why });
            }
        }
    }
}

/// Makes one topology of the views; none of no views. Views that are the same are not looked at twice.
fn merge(views: &[(BrokerId, Arc<Topology>)], reassigning: &BTreeSet<PartitionId>) -> Option<Arc<Topology>> {
    let (_, first) = views.first()?;
    let others: Vec<&Arc<Topology>> =
        views.iter().skip(1).map(|(_, view)| view).filter(|view| !Arc::ptr_eq(view, first)).collect();
    let flagged = |id: &PartitionId, flag: bool| reassigning.contains(id) != flag;
    if others.is_empty() && !first.partitions.iter().any(|(id, partition)| flagged(id, partition.reassigning)) {
        return Some(Arc::clone(first));
    }
    let mut whole = (**first).clone();
    for view in others {
        for (id, partition) in &view.partitions {
            if whole.partitions.get(id).is_none_or(|known| known.leader_epoch < partition.leader_epoch) {
                whole.partitions.insert(*id, partition.clone());
            }
        }
        for (id, topic) in &view.topics {
            whole.topics.entry(*id).or_insert_with(|| topic.clone());
        }
        for (id, registration) in &view.brokers {
            whole.brokers.entry(*id).or_insert_with(|| registration.clone());
        }
    }
    for (id, partition) in &mut whole.partitions {
        partition.reassigning = reassigning.contains(id);
    }
    Some(Arc::new(whole))
}
