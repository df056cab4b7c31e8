//! P5: every broker's position in the metadata log, from the active controller where it can be reached, else through brokers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::control::pace::HEDGE_AFTER;
use crate::model::ids::{BrokerId, ControllerId, Offset};
use crate::model::observation::{Blindness, Fact, ProbeKind, PulseReading};
use crate::model::time::Timestamp;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Door, Quorum, Request};
use crate::sim::stimulus::{ProbeTimer, Stimulus};

use super::{PULSE, Probe, What};

/// How urgent a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// At its rhythm: not if a broker has been asked much already.
    Routine,
    /// Asked for: at once.
    Now,
}

/// Whom the pulse was asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Controller(usize),
    Broker,
}

/// The looks at the pulse that are under way.
#[derive(Debug, Default)]
pub(super) struct PulseDuty {
    looks: Vec<Look>,
    /// The controller that was active when last asked.
    active: usize,
    turn: usize,
}

#[derive(Debug)]
struct Look {
    id: u64,
    urgency: Urgency,
    not: BTreeSet<BrokerId>,
    began: Timestamp,
    sent_at: Timestamp,
    /// Controllers not asked yet, by place.
    controllers: VecDeque<usize>,
    /// Brokers not asked yet; none while controllers are being asked.
    brokers: Option<VecDeque<BrokerId>>,
    under_way: usize,
    why: Option<Blindness>,
}

impl Probe {
    pub(super) fn pulse_due(&mut self, desk: &mut Desk<'_>) {
        self.look_at_pulse(desk, BTreeSet::new(), Urgency::Routine);
    }

    pub(super) fn look_at_pulse(&mut self, desk: &mut Desk<'_>, not: BTreeSet<BrokerId>, urgency: Urgency) {
        if self.brokers.is_empty() {
            // Whose positions they are cannot be told yet: every broker would seem to be missing.
            if urgency == Urgency::Routine {
                desk.later(self.options.rhythm.pulse, Stimulus::Look(ProbeTimer::Pulse));
            }
            return;
        }
        let id = self.next_look();
        let places = self.options.controllers.len();
        let controllers =
            (0..places).map(|next| self.pulse.active.wrapping_add(next).checked_rem(places).unwrap_or(0)).collect();
        let now = desk.now();
        self.pulse.looks.push(Look {
            id,
            urgency,
            not,
            began: now,
            sent_at: now,
            controllers,
            brokers: None,
            under_way: 0,
            why: None,
        });
        self.ask_next(desk, id);
    }

    /// The one asked is slow: the next is asked beside it.
    pub(super) fn hedge(&mut self, desk: &mut Desk<'_>, id: u64) {
        self.ask_next(desk, id);
    }

    fn ask_next(&mut self, desk: &mut Desk<'_>, id: u64) {
        let Some(look) = self.pulse.looks.iter_mut().find(|look| look.id == id) else { return };
        if look.brokers.is_none() {
            if let Some(place) = look.controllers.pop_front() {
                look.under_way = look.under_way.saturating_add(1);
                look.sent_at = desk.now();
                let Some(controller) = self.options.controllers.get(place).copied() else { return };
                let more = !look.controllers.is_empty();
                let line = desk.line(Door::Controller(controller), PULSE);
                self.ask(desk, line, Request::DescribeQuorum, What::Pulse(id, Way::Controller(place)));
                if more {
                    desk.later(HEDGE_AFTER, Stimulus::Look(ProbeTimer::Hedge(id)));
                }
                return;
            }
            if 0 < look.under_way {
                return;
            }
            self.turn_to_brokers(id);
        }
        self.ask_next_broker(desk, id);
    }

    fn turn_to_brokers(&mut self, id: u64) {
        self.pulse.turn = self.pulse.turn.wrapping_add(1);
        let turn = self.pulse.turn;
        let not = self.pulse.looks.iter().find(|look| look.id == id).map(|look| look.not.clone()).unwrap_or_default();
        let brokers = self.whom_to_ask(turn, &not);
        if let Some(look) = self.pulse.looks.iter_mut().find(|look| look.id == id) {
            look.why = brokers.is_empty().then_some(Blindness::NobodyAnswered);
            look.brokers = Some(brokers.into());
        }
    }

    fn ask_next_broker(&mut self, desk: &mut Desk<'_>, id: u64) {
        loop {
            let Some(look) = self.pulse.looks.iter_mut().find(|look| look.id == id) else { return };
            let urgency = look.urgency;
            let Some(broker) = look.brokers.as_mut().and_then(VecDeque::pop_front) else {
                if look.under_way == 0 {
                    self.end_pulse(desk, id, None);
                }
                return;
            };
            match urgency {
                Urgency::Now => self.count(desk.now(), broker),
                Urgency::Routine if !self.may_ask(desk.now(), broker) => continue,
                Urgency::Routine => {}
            }
            if let Some(look) = self.pulse.looks.iter_mut().find(|look| look.id == id) {
                look.under_way = look.under_way.saturating_add(1);
                look.sent_at = desk.now();
            }
            let line = desk.line(Door::Broker(broker), PULSE);
            self.ask(desk, line, Request::DescribeQuorum, What::Pulse(id, Way::Broker));
            return desk.later(HEDGE_AFTER, Stimulus::Look(ProbeTimer::Hedge(id)));
        }
    }

    pub(super) fn pulsed(&mut self, desk: &mut Desk<'_>, id: u64, way: Way, reply: Result<Answer, Blindness>) {
        let Some(look) = self.pulse.looks.iter_mut().find(|look| look.id == id) else { return };
        look.under_way = look.under_way.saturating_sub(1);
        match reply {
            Ok(Answer::Quorum(quorum)) => {
                if let Way::Controller(place) = way {
                    self.pulse.active = place;
                }
                self.end_pulse(desk, id, Some((way, quorum)));
            }
            Ok(_) => self.ask_next(desk, id),
            // A standby says so at once, and a dead one is refused: on to the next.
            Err(why) => {
                if way == Way::Broker {
                    look.why = Some(why);
                }
                self.ask_next(desk, id);
            }
        }
    }

    fn end_pulse(&mut self, desk: &mut Desk<'_>, id: u64, quorum: Option<(Way, Quorum)>) {
        let Some(place) = self.pulse.looks.iter().position(|look| look.id == id) else { return };
        let look = self.pulse.looks.swap_remove(place);
        match (quorum, look.why) {
            (Some((way, quorum)), _) => {
                let reading = self.reading(&quorum, way, look.sent_at);
                desk.tell(Fact::Pulse(reading));
            }
            (None, Some(why)) => desk.tell(Fact::Blind { broker: None, probe: ProbeKind::Pulse, why }),
            // Nobody may be asked again so soon.
            (None, None) => {}
        }
        if look.urgency == Urgency::Routine {
            let rest = self.options.rhythm.pulse.saturating_sub(desk.now().since(look.began));
            desk.later(rest, Stimulus::Look(ProbeTimer::Pulse));
        }
    }

    fn reading(&self, quorum: &Quorum, way: Way, sent_at: Timestamp) -> PulseReading {
        let voters = quorum.voters.iter().map(|(ControllerId(id), position)| (BrokerId(*id), position.log_end));
        // A combined node is a voter and a broker.
        let everybody = quorum.brokers.iter().map(|(id, position)| (*id, position.log_end)).chain(voters);
        let leader = (BrokerId(quorum.leader.0), quorum.log_end);
        let brokers: BTreeMap<BrokerId, Offset> =
            everybody.chain([leader]).filter(|(id, _)| self.brokers.contains_key(id)).collect();
        PulseReading {
            sent_at,
            controller: quorum.leader,
            controller_epoch: quorum.epoch,
            high_watermark: quorum.high_watermark,
            controller_log_end: quorum.log_end,
            brokers,
            as_changes_go: way != Way::Broker || self.options.controllers.is_empty(),
        }
    }
}
