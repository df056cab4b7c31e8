//! What few worlds have: combined nodes, unregistering, other modes, maintenance, no eligible replicas, an operator, fewer replicas,
//! writers that wait for the leader alone, and a node of ours that is gone in the end.
//!
//! Drawn from streams of their own, so that a world of which none of it is drawn is as it was before there was any.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RandomPlan;
use crate::decide::policy::Mode;
use crate::model::ids::{BrokerId, NodeId};
use crate::sim::chance::Chance;
use crate::sim::kafka::plan::Switch;
use crate::sim::net::Cut;
use crate::sim::sabotage::Sabotage;
use crate::sim::scenario::Ours;

/// What a seed draws of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) unregister: Switch,
    pub(super) combined: Switch,
    pub(super) elr: Switch,
    pub(super) mode: Mode,
    pub(super) maintenance: BTreeSet<BrokerId>,
    pub(super) operator: Option<Duration>,
    pub(super) replication: u16,
    pub(super) min_isr: Option<u16>,
    /// Records a second with acks=1 into each partition.
    pub(super) writes_one: u32,
    /// What befalls one of us when all else is well again: two must be enough from then on.
    pub(super) leaves: Option<(NodeId, Ours)>,
}

/// How often each is drawn. Unit: permille.
const UNREGISTERS: u64 = 100;
const IS_COMBINED: u64 = 100;
const HAS_NO_ELR: u64 = 100;
/// Of worlds in which the trio only looks on.
const IN_MAINTENANCE: u64 = 500;
/// Of worlds in which something is offered to people. In the others nobody answers, and every offer expires.
const HAS_AN_OPERATOR: u64 = 750;

const HAS_TWO_REPLICAS: u64 = 60;
const NEEDS_ONE_IN_SYNC: u64 = 80;
const WRITES_TO_THE_LEADER_ALONE: u64 = 150;
const ENDS_WITH_TWO_OF_US: u64 = 300;

/// How often an operator looks: the least, and one more than the most. Units: seconds.
const LOOKS_EVERY_S: (u64, u64) = (5, 60);

impl Rare {
    /// Draws it for a seed.
    pub(super) fn of(plan: &RandomPlan) -> Self {
        let mut chance = Chance::child(plan.seed, "setting-2");
        let unregister = Switch::from(chance.happens(UNREGISTERS));
        let combined = Switch::from(chance.happens(IS_COMBINED) && 3 <= plan.brokers);
        let elr = Switch::from(!chance.happens(HAS_NO_ELR));
        let mode = match chance.below(1000) {
            0..50 => Mode::Approve,
            50..100 => Mode::Observe,
            _ => Mode::Auto,
        };
        // Whoever does nothing by itself shows no bug of what is done.
        let mode = if plan.sabotage == Sabotage::None { mode } else { Mode::Auto };
        let away = chance.happens(IN_MAINTENANCE);
        let whom = chance.below(u64::from(plan.brokers)).saturating_add(1);
        // Where things are given back, an order that begins with such a broker waits for its maintenance to end, and its case with it.
        let away = away && mode == Mode::Observe;
        let maintenance = away.then(|| BrokerId(i32::try_from(whom).unwrap_or(1))).into_iter().collect();
        let offers = mode == Mode::Approve || (mode == Mode::Auto && unregister == Switch::On);
        let on_duty = chance.happens(HAS_AN_OPERATOR);
        let (least, most) = LOOKS_EVERY_S;
        let every = least.saturating_add(chance.below(most.saturating_sub(least)));
        let operator = (offers && on_duty).then_some(Duration::from_secs(every));
        let mut chance = Chance::child(plan.seed, "setting-3");
        let replicas = if chance.happens(HAS_TWO_REPLICAS) { 2 } else { 3 };
        let min_isr = chance.happens(NEEDS_ONE_IN_SYNC).then_some(1);
        let writes_one = if chance.happens(WRITES_TO_THE_LEADER_ALONE) { 20 } else { 0 };
        let replication = plan.brokers.min(replicas);
        let leaves = chance.happens(ENDS_WITH_TWO_OF_US).then(|| leaves(&mut chance));
        Self { unregister, combined, elr, mode, maintenance, operator, replication, min_isr, writes_one, leaves }
    }
}

fn leaves(chance: &mut Chance) -> (NodeId, Ours) {
    let node = NodeId(chance.below(3).saturating_add(1));
    let how = [Ours::Crash, Ours::Hold, Ours::Isolate(Cut::Yes)];
    (node, chance.one_of(&how).copied().unwrap_or(Ours::Crash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::{Command, Setting, commands_of};

    fn setting(seed: u64, brokers: u16) -> Setting {
        let (span, sabotage) = (Duration::from_secs(600), Sabotage::None);
        RandomPlan { seed, span, brokers, partitions: 24, sabotage }.setting()
    }

    #[test]
    fn every_kind_of_world_is_drawn_by_some_seed_and_most_worlds_are_plain() {
        let all: Vec<Setting> = (1..=400).map(|seed| setting(seed, 5)).collect();
        let count = |is: fn(&Setting) -> bool| all.iter().filter(|one| is(one)).count();
        let counts = [
            count(|one| one.unregister == Switch::On),
            count(|one| one.combined == Switch::On),
            count(|one| one.elr == Switch::Off),
            count(|one| one.mode == Mode::Approve),
            count(|one| one.mode == Mode::Observe),
            count(|one| !one.maintenance.is_empty()),
            count(|one| one.operator.is_some()),
            count(|one| one.replication == 2),
            count(|one| one.min_isr == Some(1)),
            count(|one| 0 < one.writes_one),
        ];
        assert!(counts.iter().all(|drawn| (2..80).contains(drawn)), "{counts:?}");
        assert!(200 < count(|one| one.operator.is_none() && one.mode == Mode::Auto && one.combined == Switch::Off));
    }

    #[test]
    fn what_a_seed_draws_is_read_back_from_its_scenario() {
        for seed in 1..=400 {
            let drawn = setting(seed, 5);
            let read = commands_of(&format!("world {drawn}\n")).unwrap();
            assert_eq!(read, [Command::World(Box::new(drawn))]);
        }
    }

    #[test]
    fn two_brokers_are_no_three_controllers() {
        assert!((1..=400).all(|seed| setting(seed, 2).combined == Switch::Off));
    }
}
