//! What few worlds have: combined nodes, unregistering, other modes, maintenance, no eligible replicas, an operator.
//!
//! Drawn from a stream of its own, so that a world of which none of it is drawn is as it was before there was any.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RandomPlan;
use crate::decide::policy::Mode;
use crate::model::ids::BrokerId;
use crate::sim::chance::Chance;
use crate::sim::kafka::plan::Switch;
use crate::sim::sabotage::Sabotage;

/// What a seed draws of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) unregister: Switch,
    pub(super) combined: Switch,
    pub(super) elr: Switch,
    pub(super) mode: Mode,
    pub(super) maintenance: BTreeSet<BrokerId>,
    pub(super) operator: Option<Duration>,
}

/// How often each is drawn. Unit: permille.
const UNREGISTERS: u64 = 100;
const IS_COMBINED: u64 = 100;
const HAS_NO_ELR: u64 = 100;
/// Of worlds in which the trio only looks on.
const IN_MAINTENANCE: u64 = 500;
/// Of worlds in which something is offered to people. In the others nobody answers, and every offer expires.
const HAS_AN_OPERATOR: u64 = 750;

/// How often an operator looks: the least, and one more than the most. Units: seconds.
const LOOKS_EVERY_S: (u64, u64) = (5, 60);

/// Worlds that last no longer have nothing of it: `make test` plays a thousand of them, and what a rare world shows is looked into at
/// leisure (`make soak-sim`), not in the middle of somebody's change.
const SHORT: Duration = Duration::from_secs(600);

impl Rare {
    /// Draws it for a seed.
    pub(super) fn of(plan: &RandomPlan) -> Self {
        if plan.span <= SHORT {
            return Self {
                unregister: Switch::Off,
                combined: Switch::Off,
                elr: Switch::On,
                mode: Mode::Auto,
                maintenance: BTreeSet::new(),
                operator: None,
            };
        }
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
        Self { unregister, combined, elr, mode, maintenance, operator }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::{Command, Setting, commands_of};

    fn setting(seed: u64, brokers: u16) -> Setting {
        let (span, sabotage) = (SHORT * 6, Sabotage::None);
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
    fn a_short_world_is_plain() {
        for seed in 1..=400 {
            let drawn =
                RandomPlan { seed, span: SHORT, brokers: 5, partitions: 24, sabotage: Sabotage::None }.setting();
            let plain = (Switch::Off, Switch::Off, Mode::Auto, None);
            assert_eq!((drawn.unregister, drawn.combined, drawn.mode, drawn.operator), plain, "seed {seed}");
        }
    }

    #[test]
    fn two_brokers_are_no_three_controllers() {
        assert!((1..=400).all(|seed| setting(seed, 2).combined == Switch::Off));
    }
}
