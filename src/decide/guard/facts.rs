//! What the guard reads of a snapshot about brokers: counted here again, on purpose.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decide::policy::Policy;
use crate::model::ids::{BrokerEpoch, BrokerId, Rack};
use crate::model::observation::{Light, Progress, PulseState, Report, Sighting};
use crate::model::ruling::Objection;
use crate::model::snapshot::Snapshot;
use crate::model::topology::Standing;

/// A snapshot and the policy to read it by.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
}

impl Facts<'_> {
    /// Gives how many votes act: more than half of the trio, and two at least.
    pub(super) fn needed(&self) -> u8 {
        let majority = self.snapshot.voters.len() / 2 + 1;
        u8::try_from(majority).unwrap_or(u8::MAX).max(2)
    }

    /// Every fresh sighting of the broker, with the report's age; nodes that may not vote on it included.
    fn views(&self, broker: BrokerId) -> impl Iterator<Item = (&Report, &Sighting, Duration)> {
        self.snapshot
            .heard
            .iter()
            .filter(|(node, heard)| {
                self.snapshot.voters.contains(node) && heard.age <= self.policy.detect.report_age_max
            })
            .filter_map(move |(_, heard)| {
                heard.report.brokers.get(&broker).map(|sighting| (&heard.report, sighting, heard.age))
            })
    }

    /// Every fresh sighting by a node that may vote on the broker, with the report's age.
    fn sightings(&self, broker: BrokerId) -> impl Iterator<Item = (&Sighting, Duration)> {
        self.views(broker)
            .filter(move |(report, ..)| {
                report.lhm < self.policy.detect.abstain_from && !report.no_vote_on.contains(&broker)
            })
            .map(|(_, sighting, age)| (sighting, age))
    }

    /// Gives the red votes less those that saw a request answered that was sent after the first red.
    pub(super) fn red_votes(&self, broker: BrokerId) -> u8 {
        let red = |(sighting, age): (&Sighting, Duration)| {
            sighting.light.is_red().then(|| sighting.light_for.saturating_add(age))
        };
        let reds: Vec<Duration> = self.sightings(broker).filter_map(red).collect();
        let Some(first) = reds.iter().max() else { return 0 };
        let contradicts = |(sighting, age): &(&Sighting, Duration)| {
            let answers = matches!(sighting.light, Light::Green | Light::Yellow | Light::Recovering);
            answers && sighting.success_sent_ago.is_some_and(|ago| ago.saturating_add(*age) < *first)
        };
        let against = self.sightings(broker).filter(contradicts).count();
        u8::try_from(reds.len().saturating_sub(against)).unwrap_or(u8::MAX)
    }

    /// Gives how many see the broker green.
    pub(super) fn green_votes(&self, broker: BrokerId) -> u8 {
        let green = self.sightings(broker).filter(|(sighting, _)| sighting.light == Light::Green).count();
        u8::try_from(green).unwrap_or(u8::MAX)
    }

    /// Tells whether most red votes met a closed port.
    pub(super) fn mostly_refused(&self, broker: BrokerId) -> bool {
        let lights: Vec<Light> = self.sightings(broker).map(|(sighting, _)| sighting.light).collect();
        let refused = lights.iter().filter(|light| **light == Light::RedRefused).count();
        let silent = lights.iter().filter(|light| **light == Light::RedSilent).count();
        silent < refused
    }

    /// Tells whether some node that sees the broker red also sees it behind, and none that does sees it level at a beat
    /// since then.
    pub(super) fn is_behind(&self, broker: BrokerId) -> bool {
        let red = || self.sightings(broker).map(|(sighting, _)| sighting).filter(|sighting| sighting.light.is_red());
        let alive = |sighting: &Sighting| {
            sighting.pulse.state == PulseState::Level
                && 0 < sighting.pulse.level_beats
                && 0 < sighting.pulse.beats_since_red
        };
        red().any(|sighting| sighting.pulse.state.is_behind()) && !red().any(alive)
    }

    /// Gives how many of the broker's partitions gain records, by whoever sees most.
    pub(super) fn growing(&self, broker: BrokerId) -> u32 {
        let growing = |(sighting, _): (&Sighting, Duration)| match sighting.progress {
            Progress::Growing(partitions) => partitions,
            Progress::Unknown | Progress::None => 0,
        };
        self.sightings(broker).map(growing).max().unwrap_or(0)
    }

    /// Gives the broker's life, where known.
    pub(super) fn epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        self.snapshot.topology.brokers.get(&broker).and_then(|registration| registration.epoch)
    }

    /// Tells whether Kafka accepts the broker in a replica list.
    pub(super) fn is_registered(&self, broker: BrokerId) -> bool {
        let known = self.snapshot.topology.brokers.get(&broker);
        known.is_some_and(|registration| registration.standing != Standing::Unregistered)
    }
}

/// Every broker that enough nodes see red, those in maintenance left out: their absence is wanted.
pub(super) fn red_brokers(facts: &Facts<'_>) -> BTreeSet<BrokerId> {
    wherever(facts, |broker| facts.sightings(broker).filter(|(sighting, _)| sighting.light.is_red()).count())
}

/// The same by every node's eyes, those that doubt themselves too.
pub(super) fn seen_red(facts: &Facts<'_>) -> BTreeSet<BrokerId> {
    wherever(facts, |broker| facts.views(broker).filter(|(_, sighting, _)| sighting.light.is_red()).count())
}

fn wherever(facts: &Facts<'_>, red: impl Fn(BrokerId) -> usize) -> BTreeSet<BrokerId> {
    let brokers = facts.snapshot.topology.brokers.keys().copied();
    brokers
        .filter(|broker| !facts.snapshot.standing.maintenance.contains(broker))
        .filter(|broker| usize::from(facts.needed()) <= red(*broker))
        .collect()
}

/// Too many at once, or in more than one rack: then it is we who are cut off, or worse than one broker's fault.
pub(super) fn blast_radius(red: &BTreeSet<BrokerId>, facts: &Facts<'_>) -> Option<Objection> {
    let brokers = &facts.snapshot.topology.brokers;
    let share = u64::try_from(brokers.len()).unwrap_or(u64::MAX) * u64::from(facts.policy.guard.blast_radius_permille);
    let limit = u32::try_from(share / 1000).unwrap_or(u32::MAX).max(1);
    let racks: BTreeSet<Rack> =
        red.iter().filter_map(|broker| brokers.get(broker).and_then(|known| known.rack.clone())).collect();
    let count = u32::try_from(red.len()).unwrap_or(u32::MAX);
    (limit < count || 1 < racks.len()).then_some(Objection::BlastRadius { red: count, limit, racks })
}
