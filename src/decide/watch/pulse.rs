//! The pulse: where each broker stands in the metadata log, beat by beat.
//!
//! A beat is a growth of the highest position that some *other* broker has reached. A broker that reaches it was alive
//! after it; one that lacks what another had reached a lead time ago (90 ms) is behind. Any write is a beat, our own too
//! (the echo). Since a red, only growth beyond the first reading sent after it counts as alive: a position reached
//! between the last reading and the death would otherwise look like life.
//!
//! After a change of the active controller nothing is believed for two beats: its list of brokers fills anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::decide::policy::DetectPolicy;
use crate::model::ids::{BrokerId, ControllerEpoch, ControllerId};
use crate::model::observation::{Pulse, PulseReading, PulseState};
use crate::model::time::Timestamp;

/// Every broker's place in the metadata log.
#[derive(Debug, Clone, Default)]
pub(super) struct PulseWatch {
    controller: Option<(ControllerId, ControllerEpoch)>,
    sent_at: Timestamp,
    arrived_at: Option<Timestamp>,
    /// Beats since the active controller changed.
    beats: u32,
    highest: u64,
    /// What had been reached when, oldest first; the first is the newest that is older than the lead.
    reached: VecDeque<Reached>,
    places: BTreeMap<BrokerId, Place>,
}

/// The two highest positions of one reading: what any broker's *others* had reached.
#[derive(Debug, Clone, Copy)]
struct Reached {
    at: Timestamp,
    first: Option<(u64, BrokerId)>,
    second: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Place {
    pulse: Pulse,
    /// The highest beat that this broker was judged by.
    judged: u64,
    red: Option<Since>,
}

/// Since when a broker is red, and what had been reached in the first reading sent after that.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Timestamp,
    baseline: Option<u64>,
}

impl PulseWatch {
    /// Takes in a reading; one sent before the newest is dropped.
    pub(super) fn note(&mut self, at: Timestamp, reading: &PulseReading, policy: &DetectPolicy) {
        if reading.sent_at < self.sent_at {
            return;
        }
        self.sent_at = reading.sent_at;
        self.arrived_at = Some(at);
        let now = Reached::of(at, reading);
        self.follow_controller(reading, &now);
        if let Some((highest, _)) = now.first
            && self.highest < highest
        {
            self.highest = highest;
            self.beats = self.beats.saturating_add(1);
        }
        self.reached.push_back(now);
        let lead_ago = reading.sent_at.minus(policy.pulse_lead);
        while self.reached.get(1).is_some_and(|next| next.at <= lead_ago) {
            self.reached.pop_front();
        }
        let then = self.reached.front().copied().filter(|oldest| oldest.at <= lead_ago);
        let trusted = policy.pulse_beats_trusted <= self.beats;
        let everyone: BTreeSet<BrokerId> = self.places.keys().chain(reading.brokers.keys()).copied().collect();
        for broker in everyone {
            let place = self.places.entry(broker).or_default();
            let position = reading.brokers.get(&broker).map(|offset| offset.0);
            place.set_baseline(reading.sent_at, &now);
            let others =
                Others { now: now.by_other_than(broker), then: then.and_then(|then| then.by_other_than(broker)) };
            if trusted { place.judge(position, &others) } else { place.forget() }
        }
    }

    fn follow_controller(&mut self, reading: &PulseReading, now: &Reached) {
        let controller = Some((reading.controller, reading.controller_epoch));
        if self.controller == controller {
            return;
        }
        self.controller = controller;
        self.beats = 0;
        self.highest = now.first.map_or(0, |(highest, _)| highest);
        self.reached.clear();
        for place in self.places.values_mut() {
            place.forget();
        }
    }

    /// Takes in that a broker has just turned red.
    pub(super) fn turned_red(&mut self, broker: BrokerId, at: Timestamp) {
        let place = self.places.entry(broker).or_default();
        let behind = place.pulse.state.is_behind();
        place.red = Some(Since { at, baseline: None });
        place.pulse.beats_since_red = u32::from(behind);
        place.pulse.behind_since_red = behind;
    }

    /// Takes in that a broker is no longer red.
    pub(super) fn turned_well(&mut self, broker: BrokerId) {
        if let Some(place) = self.places.get_mut(&broker) {
            place.red = None;
            place.pulse.behind_since_red = false;
        }
    }

    pub(super) fn heard_at(&self) -> Option<Timestamp> {
        self.arrived_at
    }

    /// Gives how many readings are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.reached.len()
    }

    /// Gives a broker's pulse; unknown where the newest reading is too old.
    pub(super) fn of(&self, broker: BrokerId, now: Timestamp, policy: &DetectPolicy) -> Pulse {
        let mut pulse = self.places.get(&broker).map(|place| place.pulse).unwrap_or_default();
        if self.arrived_at.is_none_or(|at| policy.pulse_age_max < now.since(at)) {
            pulse.state = PulseState::Unknown;
        }
        pulse
    }
}

/// What other brokers had reached, now and a lead time ago.
struct Others {
    now: Option<u64>,
    then: Option<u64>,
}

impl Place {
    fn forget(&mut self) {
        self.pulse.state = PulseState::Unknown;
        self.pulse.level_beats = 0;
        if let Some(since) = &mut self.red {
            since.baseline = None;
        }
    }

    fn set_baseline(&mut self, sent_at: Timestamp, now: &Reached) {
        if let Some(since) = &mut self.red
            && since.baseline.is_none()
            && since.at <= sent_at
        {
            since.baseline = now.first.map(|(highest, _)| highest);
        }
    }

    fn judge(&mut self, position: Option<u64>, others: &Others) {
        self.pulse.state = match (position, others.now, others.then) {
            (_, None, _) => PulseState::Unknown,
            (None, Some(_), _) => PulseState::Missing,
            (Some(_), Some(_), None) => PulseState::Unknown,
            (Some(position), Some(_), Some(then)) if position < then => PulseState::Behind(then - position),
            (Some(_), Some(_), Some(_)) => PulseState::Level,
        };
        if self.pulse.state.is_behind() {
            self.beat_behind(others.then.or(others.now).unwrap_or_default());
        } else if let (Some(position), Some(now)) = (position, others.now)
            && now <= position
        {
            self.beat_level(now);
        }
    }

    fn beat_behind(&mut self, beat: u64) {
        self.pulse.level_beats = 0;
        let first_since_red = self.red.is_some() && self.pulse.beats_since_red == 0;
        if self.judged < beat || first_since_red {
            self.judged = self.judged.max(beat);
            self.pulse.beats_since_red = self.pulse.beats_since_red.saturating_add(1);
        }
        self.pulse.behind_since_red |= self.red.is_some();
    }

    fn beat_level(&mut self, beat: u64) {
        if beat <= self.judged {
            return;
        }
        self.judged = beat;
        let counts = match self.red {
            None => true,
            Some(since) => since.baseline.is_some_and(|baseline| baseline < beat),
        };
        if counts {
            self.pulse.beats_since_red = self.pulse.beats_since_red.saturating_add(1);
            self.pulse.level_beats = self.pulse.level_beats.saturating_add(1);
        }
    }
}

impl Reached {
    fn of(at: Timestamp, reading: &PulseReading) -> Self {
        let mut highest: Vec<(u64, BrokerId)> =
            reading.brokers.iter().map(|(broker, offset)| (offset.0, *broker)).collect();
        highest.sort_unstable_by(|a, b| b.cmp(a));
        Self { at, first: highest.first().copied(), second: highest.get(1).map(|(offset, _)| *offset) }
    }

    fn by_other_than(&self, broker: BrokerId) -> Option<u64> {
        match self.first {
            Some((_, first)) if first == broker => self.second,
            Some((offset, _)) => Some(offset),
            None => None,
        }
    }
}
