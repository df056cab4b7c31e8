//! Score: who is to lead. Hard rules first, each an `Unfit` with a name; then permille parts, all kept; a total order.
//!
//! Load is counted as the plan grows: ten thousand partitions must not all land on one broker. Parts are rounded down to
//! a step, so that noise changes no choice and equal scores share one line of the record.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::{Policy, PromotionRule, ScorePolicy};
use super::votes;
use crate::model::ids::{BrokerId, PartitionId, Rack};
use crate::model::observation::{Light, LogEnd};
use crate::model::plan::{Candidate, FailedRack, Promotion, Score, Unfit, Verdict};
use crate::model::snapshot::Snapshot;
use crate::model::topology::{Partition, Standing, Topology};

/// The candidates' field: what scoring reads of each broker, and how many leaders each would hold by now.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    at_fault: BrokerId,
    brokers: BTreeMap<BrokerId, Runner>,
    leaders_of_rack: BTreeMap<Rack, u64>,
    even: Even,
    view: View,
}

/// Two brokers' log ends may be asked for this far apart (the slowest pace of P6): what a partition gains meanwhile is no lag.
const READINGS_APART_MS: u64 = 5000;

/// An even share below this is a quiet cluster: who takes in more of it matters to nobody.
const QUIET_BYTES_PER_S: u64 = 1 << 20;

/// What leading a partition takes; 0 where that is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Burden {
    /// Records a second.
    pub records: u64,
    /// Bytes a second.
    pub bytes: u64,
    /// 1 where its leader coordinates groups or transactions, else 0.
    pub coordinates: u64,
}

/// What scoring reads of one broker, the same for every partition.
#[derive(Debug, Clone)]
struct Runner {
    /// The first rule about the broker itself that forbids it, with its place among the rules about the partition.
    unfit: Option<Unfit>,
    promotion: Promotion,
    failed_rack: FailedRack,
    rack: Option<Rack>,
    health_permille: u32,
    leaders: u64,
    bytes_in: Option<u64>,
    coordinates: u64,
}

/// An even share of leaders.
#[derive(Debug, Clone, Default)]
struct Even {
    per_broker: u64,
    bytes_in: u64,
    coordinates: u64,
    per_rack: BTreeMap<Rack, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Fresh,
    Stale,
}

impl<'a> Field<'a> {
    /// Gives the field as it stands before the first choice.
    #[must_use]
    pub fn new(at_fault: BrokerId, snapshot: &'a Snapshot, policy: &'a Policy) -> Self {
        let topology = snapshot.topology.as_ref();
        let brokers: BTreeMap<BrokerId, Runner> =
            topology.brokers.keys().map(|broker| (*broker, runner(*broker, at_fault, snapshot, policy))).collect();
        let mut leaders_of_rack: BTreeMap<Rack, u64> = BTreeMap::new();
        for runner in brokers.values() {
            if let Some(rack) = &runner.rack {
                *leaders_of_rack.entry(rack.clone()).or_default() += runner.leaders;
            }
        }
        let view = if policy.guard.topology_age_max < snapshot.topology_age { View::Stale } else { View::Fresh };
        let even = even(&brokers, topology);
        Self { snapshot, policy, at_fault, brokers, leaders_of_rack, even, view }
    }

    /// Gives every replica of a partition, with its log ends and how fast it grows, and its score or the first rule that
    /// forbids it to lead.
    pub fn candidates<'c>(
        &'c self,
        id: &PartitionId,
        partition: &'c Partition,
        ends: &'c [(BrokerId, LogEnd)],
        burden: Burden,
    ) -> impl Iterator<Item = Candidate> {
        let longest = ends.iter().map(|(_, end)| end).filter(|end| comparable(end, partition));
        let longest = longest.map(|end| end.offset.0).max().unwrap_or_default();
        let moving = partition.reassigning || self.snapshot.reassigning.contains(id);
        let judge = move |(position, broker): (usize, &BrokerId)| {
            let end = ends.iter().find(|(told, _)| told == broker).map(|(_, end)| end);
            let verdict = match (self.unfit(*broker, partition, end, moving), self.brokers.get(broker), end) {
                (None, Some(runner), Some(end)) => {
                    let lag = comparable(end, partition).then(|| longest.saturating_sub(end.offset.0));
                    Verdict::Score(self.score(runner, lag, burden, position))
                }
                (unfit, _, _) => Verdict::Unfit(unfit.unwrap_or(Unfit::NotActive)),
            };
            Candidate { broker: *broker, verdict }
        };
        partition.replicas.iter().enumerate().map(judge)
    }

    /// Counts a broker as the leader of one more partition, which grows this fast.
    pub fn take(&mut self, broker: BrokerId, burden: Burden) {
        let Some(runner) = self.brokers.get_mut(&broker) else { return };
        runner.leaders += 1;
        runner.coordinates += burden.coordinates;
        runner.bytes_in = runner.bytes_in.map(|held| held.saturating_add(burden.bytes));
        if let Some(rack) = &runner.rack {
            *self.leaders_of_rack.entry(rack.clone()).or_default() += 1;
        }
    }

    /// Gives whom Kafka would choose by itself once the broker at fault is fenced: the first in its list that is in sync
    /// and active (`PartitionChangeBuilder.electAnyLeader`).
    #[must_use]
    pub fn kafka_would(&self, partition: &Partition) -> Option<BrokerId> {
        let active = |broker: &BrokerId| {
            let standing = self.snapshot.topology.brokers.get(broker).map(|known| known.standing);
            matches!(standing, Some(Standing::Active | Standing::Unknown))
        };
        partition
            .replicas
            .iter()
            .find(|broker| **broker != self.at_fault && in_sync(**broker, partition) && active(broker))
            .copied()
    }

    /// The rules in their order: those about broker and partition interleave as `judgement.md` §2 lists them.
    fn unfit(&self, broker: BrokerId, partition: &Partition, end: Option<&LogEnd>, moving: bool) -> Option<Unfit> {
        if broker == self.at_fault {
            return Some(Unfit::AtFault);
        }
        if !in_sync(broker, partition) {
            return Some(Unfit::OutOfIsr);
        }
        let Some(end) = end else { return Some(Unfit::LogEndSilent) };
        let known = self.brokers.get(&broker);
        if let Some(unfit) = known.map_or(Some(Unfit::NotActive), |runner| runner.unfit) {
            return Some(unfit);
        }
        if moving {
            return Some(Unfit::Reassigning);
        }
        // A replica that has applied a later epoch knows of an election that we have not seen.
        let overtaken = end.leader_epoch.is_some_and(|epoch| partition.leader_epoch < epoch);
        (overtaken || self.view == View::Stale).then_some(Unfit::StaleView)
    }

    /// Scores one fit replica. `lag` is none where its log end cannot be compared: then it is taken as far behind.
    fn score(&self, runner: &Runner, lag: Option<u64>, burden: Burden, position: usize) -> Score {
        let policy = &self.policy.score;
        let lag_permille = lag.map_or(1000, |lag| permille(lag, policy.lag_records_max));
        let (bytes, time) = lag.map_or((0, 0), |lag| (lag_bytes(lag, burden), lag_ms(lag, burden)));
        let time_max = u64::try_from(policy.lag_time_max.as_millis()).unwrap_or(u64::MAX);
        let bytes_in_permille = runner.bytes_in.map_or(0, |held| {
            excess_permille(held.saturating_add(burden.bytes), self.even.bytes_in.max(QUIET_BYTES_PER_S), policy)
        });
        let coordinates_permille = match burden.coordinates {
            0 => 0,
            more => excess_permille(runner.coordinates + more, self.even.coordinates, policy),
        };
        let load_permille = excess_permille(runner.leaders + 1, self.even.per_broker, policy);
        let rack_permille = runner.rack.as_ref().map_or(0, |rack| {
            let held = self.leaders_of_rack.get(rack).copied().unwrap_or_default();
            excess_permille(held + 1, self.even.per_rack.get(rack).copied().unwrap_or_default(), policy)
        });
        let step = |part: u32| part - part % policy.step_permille.max(1);
        let mut score = Score {
            promotion: runner.promotion,
            shares_failed_rack: runner.failed_rack,
            lag_permille: step(lag_permille),
            lag_bytes_permille: step(permille(bytes, policy.lag_bytes_max)),
            lag_time_permille: step(permille(time, time_max)),
            rack_permille: step(rack_permille),
            load_permille: step(load_permille),
            bytes_in_permille: step(bytes_in_permille),
            coordinates_permille: step(coordinates_permille),
            health_permille: step(runner.health_permille),
            weighted_permille: 0,
            position: u16::try_from(position).unwrap_or(u16::MAX),
        };
        score.weighted_permille = weighted(&score, policy);
        score
    }
}

/// Tells whether a replica may lead cleanly: in the ISR, or in the ELR of an empty one.
fn in_sync(broker: BrokerId, partition: &Partition) -> bool {
    partition.isr.contains(&broker) || (partition.isr.is_empty() && partition.elr.contains(&broker))
}

/// Log ends compare only under the current leader epoch; where a broker does not tell it, the benefit of the doubt.
fn comparable(end: &LogEnd, partition: &Partition) -> bool {
    end.leader_epoch.is_none_or(|epoch| epoch == partition.leader_epoch)
}

/// A lag in bytes, by what the partition's records weigh on average.
fn lag_bytes(lag: u64, burden: Burden) -> u64 {
    let bytes = u128::from(lag) * u128::from(burden.bytes) / u128::from(burden.records.max(1));
    if burden.records == 0 { 0 } else { u64::try_from(bytes).unwrap_or(u64::MAX) }
}

/// A lag in time, by how fast the partition grows, less what two readings may lie apart.
fn lag_ms(lag: u64, burden: Burden) -> u64 {
    let ms = u128::from(lag) * 1000 / u128::from(burden.records.max(1));
    if burden.records == 0 { 0 } else { u64::try_from(ms).unwrap_or(u64::MAX).saturating_sub(READINGS_APART_MS) }
}

fn weighted(score: &Score, policy: &ScorePolicy) -> u32 {
    let parts = [
        // One lag and one load, in three measures each: counted once, by the worst.
        (score.lag_permille.max(score.lag_bytes_permille).max(score.lag_time_permille), policy.lag_weight),
        (score.rack_permille, policy.rack_weight),
        (score.load_permille.max(score.bytes_in_permille).max(score.coordinates_permille), policy.load_weight),
        (score.health_permille, policy.health_weight),
    ];
    let weight: u32 = parts.iter().map(|(_, weight)| weight).sum();
    parts.iter().map(|(part, weight)| part * weight).sum::<u32>() / weight.max(1)
}

fn permille(part: u64, whole: u64) -> u32 {
    u32::try_from((u128::from(part) * 1000 / u128::from(whole.max(1))).min(1000)).unwrap_or(1000)
}

/// How far `held` exceeds an even share, against the excess that is worth 1000.
fn excess_permille(held: u64, even: u64, policy: &ScorePolicy) -> u32 {
    let limit = even.max(1).saturating_mul(policy.load_excess_max_permille.into()) / 1000;
    permille(held.saturating_sub(even), limit)
}

fn even(brokers: &BTreeMap<BrokerId, Runner>, topology: &Topology) -> Even {
    let runners: Vec<&Runner> = brokers.values().filter(|runner| runner.unfit.is_none()).collect();
    let total = u64::try_from(topology.partitions.len()).unwrap_or(u64::MAX);
    // Leaders counted over the whole cluster: the snapshot may hold the affected partitions only.
    let total = total.max(brokers.values().map(|runner| runner.leaders).sum());
    let count = u64::try_from(runners.len()).unwrap_or(u64::MAX).max(1);
    let mut per_rack: BTreeMap<Rack, u64> = BTreeMap::new();
    for rack in runners.iter().filter_map(|runner| runner.rack.as_ref()) {
        *per_rack.entry(rack.clone()).or_default() += 1;
    }
    for members in per_rack.values_mut() {
        *members = (*members * total).div_ceil(count);
    }
    let bytes_in = brokers.values().filter_map(|runner| runner.bytes_in).fold(0, u64::saturating_add);
    let coordinates: u64 = brokers.values().map(|runner| runner.coordinates).sum();
    let share = |of: u64| of.div_ceil(count);
    Even { per_broker: share(total), bytes_in: share(bytes_in), coordinates: share(coordinates), per_rack }
}

fn runner(broker: BrokerId, at_fault: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Runner {
    let rack = snapshot.topology.brokers.get(&broker).and_then(|known| known.rack.clone());
    let failed = snapshot.topology.brokers.get(&at_fault).and_then(|known| known.rack.clone());
    let rule = policy.score.promotion.get(&broker).copied().unwrap_or(PromotionRule::Neutral);
    Runner {
        unfit: unfit_anywhere(broker, at_fault, snapshot, policy),
        promotion: match rule {
            PromotionRule::Prefer => Promotion::Prefer,
            PromotionRule::Neutral => Promotion::Neutral,
            PromotionRule::PreferNot | PromotionRule::Never => Promotion::PreferNot,
        },
        failed_rack: if rack.is_some() && rack == failed { FailedRack::Yes } else { FailedRack::No },
        rack,
        health_permille: health_permille(broker, snapshot, policy),
        leaders: snapshot.loads.get(&broker).map_or(0, |load| load.leads.into()),
        coordinates: snapshot.loads.get(&broker).map_or(0, |load| load.coordinates.into()),
        bytes_in: snapshot.loads.get(&broker).and_then(|load| load.bytes_in),
    }
}

/// The rules about the broker itself, in their order.
fn unfit_anywhere(broker: BrokerId, at_fault: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Option<Unfit> {
    let standing = snapshot.topology.brokers.get(&broker).map_or(Standing::Unregistered, |known| known.standing);
    let orders = &snapshot.standing;
    if broker == at_fault {
        Some(Unfit::AtFault)
    } else if !votes::tally(broker, snapshot, policy).well() {
        Some(Unfit::NotGreen)
    } else if !matches!(standing, Standing::Active | Standing::Unknown) {
        Some(Unfit::NotActive)
    } else if policy.score.promotion.get(&broker) == Some(&PromotionRule::Never) {
        Some(Unfit::Never)
    } else if orders.maintenance.contains(&broker) {
        Some(Unfit::Maintenance)
    } else if snapshot.cordoned.contains(&broker) {
        Some(Unfit::Cordoned)
    } else if orders.demoted.get(&broker).is_some_and(|until| snapshot.taken_at < until.until) {
        Some(Unfit::DemotedLately)
    } else {
        None
    }
}

/// The worst silence against tau among the nodes that do not see it green; 0 where all do.
fn health_permille(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> u32 {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    votes::sightings(broker, snapshot, policy)
        .filter(|sighting| sighting.light != Light::Green)
        .map(|sighting| sighting.silent_for.map_or(1000, |silent| permille(millis(silent), millis(sighting.tau))))
        .max()
        .unwrap_or(0)
}
