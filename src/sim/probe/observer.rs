//! P5o: the metadata log, read from the active controller; found again where it has moved.
//!
//! The pretended controller pushes each change; that nothing has changed is asked for at the rhythm of Kafka's NoOp, as
//! production's long poll would tell it.

use std::sync::Arc;
use std::time::Duration;

use crate::control::pace::SEARCH_EVERY;
use crate::model::observation::{Blindness, Fact, ProbeKind, TopologyReading, TopologySource};
use crate::model::topology::Topology;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Call, Door, Line, Request};
use crate::sim::stimulus::{ProbeTimer, Stimulus};

use super::{FOLLOW, OBSERVER, Pending, Probe, What};

/// Kafka writes a NoOp each so often; each ends a long poll.
const NO_OP_EVERY: Duration = Duration::from_millis(500);

/// Where the observer stands.
#[derive(Debug, Default)]
pub(super) struct Observer {
    /// The controller that is asked or followed, by its place in the settings.
    place: usize,
    stage: Stage,
    /// Rises with each controller followed: a timer of an earlier one finds nothing to do.
    turn: u32,
    topology: Option<Arc<Topology>>,
    why: Option<Blindness>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Searching,
    Following(Call),
}

impl Probe {
    /// Asks the controllers one by one for the active one.
    pub(super) fn search(&mut self, desk: &mut Desk<'_>) {
        self.observer.place = 0;
        self.observer.why = Some(Blindness::NobodyAnswered);
        self.ask_whether_active(desk);
    }

    fn ask_whether_active(&mut self, desk: &mut Desk<'_>) {
        let Some(controller) = self.options.controllers.get(self.observer.place).copied() else {
            let why = self.observer.why.take().unwrap_or(Blindness::NobodyAnswered);
            return self.parted(desk, why);
        };
        let line = desk.line(Door::Controller(controller), OBSERVER);
        self.ask(desk, line, Request::DescribeQuorum, What::Search);
    }

    pub(super) fn searched(&mut self, desk: &mut Desk<'_>, reply: Result<Answer, Blindness>) {
        match reply {
            Ok(Answer::Quorum(_)) => {
                let Some(line) = self.observed_line(desk, OBSERVER) else { return };
                let call = desk.observe(line);
                self.observer.turn = self.observer.turn.wrapping_add(1);
                self.observer.stage = Stage::Following(call);
                let overdue = desk.now().plus(self.options.rhythm.within);
                self.calls.insert(call, Pending { line, overdue, what: What::Observe });
                desk.later(NO_OP_EVERY, Stimulus::Look(ProbeTimer::Follow(self.observer.turn)));
            }
            Ok(_) | Err(_) => {
                self.observer.why = reply.err();
                self.observer.place = self.observer.place.saturating_add(1);
                self.ask_whether_active(desk);
            }
        }
    }

    fn observed_line(&self, desk: &Desk<'_>, lane: u8) -> Option<Line> {
        let controller = self.options.controllers.get(self.observer.place).copied()?;
        Some(desk.line(Door::Controller(controller), lane))
    }

    /// The log brought a change.
    pub(super) fn observed(&mut self, desk: &mut Desk<'_>, call: Call, topology: Arc<Topology>) {
        if self.observer.stage != Stage::Following(call) {
            return;
        }
        self.calls.remove(&call);
        self.observer.topology = Some(Arc::clone(&topology));
        self.tell_observed(desk, topology);
    }

    fn tell_observed(&mut self, desk: &mut Desk<'_>, topology: Arc<Topology>) {
        self.topology = Some(Arc::clone(&topology));
        let sent_at = desk.now();
        desk.tell(Fact::Topology(TopologyReading { topology, source: TopologySource::Observer, sent_at }));
    }

    /// A NoOp is due: it shows that the controller still is the active one and that nothing has changed.
    pub(super) fn follow(&mut self, desk: &mut Desk<'_>, turn: u32) {
        let follows = matches!(self.observer.stage, Stage::Following(_)) && turn == self.observer.turn;
        let Some(line) = self.observed_line(desk, FOLLOW).filter(|_| follows) else { return };
        self.ask(desk, line, Request::DescribeQuorum, What::Follow(turn));
    }

    pub(super) fn followed(&mut self, desk: &mut Desk<'_>, turn: u32, reply: Result<Answer, Blindness>) {
        let follows = matches!(self.observer.stage, Stage::Following(_)) && turn == self.observer.turn;
        if !follows {
            return;
        }
        match reply {
            Ok(_) => {
                if let Some(topology) = self.observer.topology.clone() {
                    self.tell_observed(desk, topology);
                }
                desk.later(NO_OP_EVERY, Stimulus::Look(ProbeTimer::Follow(turn)));
            }
            Err(why) => self.parted(desk, why),
        }
    }

    /// The log was not given at all.
    pub(super) fn not_observed(&mut self, desk: &mut Desk<'_>, reply: Result<Answer, Blindness>) {
        let why = reply.err().unwrap_or(Blindness::NobodyAnswered);
        self.parted(desk, why);
    }

    pub(super) fn observed_line_closed(&mut self, desk: &mut Desk<'_>, line: Line) {
        if matches!(self.observer.stage, Stage::Following(_)) && self.observed_line(desk, OBSERVER) == Some(line) {
            self.parted(desk, Blindness::NobodyAnswered);
        }
    }

    /// Looks for another controller after a while.
    fn parted(&mut self, desk: &mut Desk<'_>, why: Blindness) {
        for lane in [OBSERVER, FOLLOW] {
            if let Some(line) = self.observed_line(desk, lane) {
                desk.close(line);
                self.calls.retain(|_, pending| pending.line != line);
            }
        }
        self.observer.stage = Stage::Searching;
        self.observer.topology = None;
        desk.tell(Fact::Blind { broker: None, probe: ProbeKind::Observer, why });
        desk.later(SEARCH_EVERY, Stimulus::Look(ProbeTimer::Search));
    }
}
