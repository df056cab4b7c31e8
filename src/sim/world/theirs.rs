//! What befalls Kafka, and what must be found of it in time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decide::policy::DetectPolicy;
use crate::model::ids::{BrokerId, ControllerId};
use crate::sim::checks::{ECHOES_FOR, Signs, signs_of};
use crate::sim::kafka::fault::{Fault, Impossible, Target};
use crate::sim::kafka::talk::{Asker, Door, Line, Request};
use crate::sim::node::Machine;

use super::{World, scene};

/// How long we must have been well where doubt is left: it tells then by how much each of us waits longer, and whatever else delays us is
/// over. A leader stands after 3 s. A node that has just started has learnt nothing, and lacks nothing that it votes by for long: its
/// lines open with its first look at the shape, and it believes the pulse after two beats of half a second. It begins without doubt, and
/// with the tau of a second that the bounds are made for: what it had learnt of silences is gone. What waited for a process that ran
/// slow, or for a disk, is done; while that lasts, no multiple of anything bounds it.
const DOUBTFUL_FOR: Duration = Duration::from_secs(5);

impl World {
    /// Begins a fault of Kafka.
    ///
    /// Errors: a target does not exist or cannot suffer it.
    pub fn inflict(&mut self, fault: &Fault) -> Result<(), Impossible> {
        let struck = self.struck(fault);
        // Only of a fault that strikes one broker and nothing else can it be said by when it must be found.
        let expected = match struck.as_slice() {
            [(broker, Some(signs))] if fault.targets.len() == 1 && self.bound_holds(*broker) => Some((*broker, *signs)),
            _ => None,
        };
        self.kafka.inflict(self.now, fault)?;
        self.listen();
        self.checks.expect_nothing();
        for key in self.keys(fault) {
            let count = self.troubles.under_way.entry(key).or_default();
            *count = count.saturating_add(1);
            let strikes = self.troubles.strikes.entry(key).or_default();
            *strikes = strikes.saturating_add(1);
            self.troubles.touched.insert(key, self.now);
            self.troubles.lasted.remove(&key);
        }
        if let Some((broker, expected)) = expected {
            self.checks.expect(broker, self.now, expected);
        }
        for (broker, signs) in struck {
            self.checks.struck(broker, self.now, signs);
        }
        Ok(())
    }

    /// Ends a fault of Kafka.
    ///
    /// Errors: a target does not exist or cannot suffer it.
    pub fn heal(&mut self, fault: &Fault) -> Result<(), Impossible> {
        self.kafka.heal(self.now, fault)?;
        self.listen();
        self.checks.expect_nothing();
        let keys = self.keys(fault);
        for key in &keys {
            if let Some(count) = self.troubles.under_way.get_mut(key) {
                *count = count.saturating_sub(1);
            }
            let before = self.troubles.touched.insert(*key, self.now);
            self.troubles.lasted.insert(*key, before.map_or(Duration::MAX, |began| self.now.since(began)));
        }
        for broker in keys.into_iter().flatten() {
            self.checks.over(broker, self.now);
        }
        Ok(())
    }

    /// Lets somebody else send requests to a controller, one after the other on a connection of their own: a tool that is called
    /// again does not wait for what an earlier call of it is still waiting for.
    pub fn foreign(&mut self, to: ControllerId, requests: Vec<Request>) {
        self.checks.expect_nothing();
        self.foreigners = self.foreigners.saturating_add(1);
        let line = Line::new(Asker::Operator(self.foreigners), Door::Controller(to));
        for request in requests {
            if let Request::Reassign { orders, .. } = &request {
                // Whatever order these end with is somebody else's doing from now on.
                for order in orders {
                    self.orders.remove(&order.partition);
                }
            }
            let _ = self.kafka.ask(self.now, line, request);
        }
        self.listen();
    }

    /// Tells whether our leader has nothing open about a broker: what is open already is not opened again.
    fn has_no_case_of(&self, broker: BrokerId) -> bool {
        let state = self.leader().and_then(|leader| self.state_of(leader));
        state.is_some_and(|state| !state.cases.values().any(|case| case.finding.broker == broker))
    }

    /// Tells whether everything has been well for long (of ourselves: for long enough that doubt, where there is any, tells the rest), and
    /// nothing is open about a broker: then a bound holds, times one more than the highest doubt among us. Where too few may vote none
    /// does.
    fn bound_holds(&self, broker: BrokerId) -> bool {
        let scene = scene!(self);
        let doubts = scene.doubts();
        let ours = if doubts.highest == 0 { ECHOES_FOR } else { DOUBTFUL_FOR };
        scene.ours_well_for(ours)
            && doubts.quorum_votes()
            && self.troubles.all_calm(self.now, ECHOES_FOR)
            && self.has_no_case_of(broker)
    }

    /// Gives each broker that a fault strikes, with what it must be found to be: nothing of one that led nothing, or was sick already,
    /// and nothing in time where the active controller goes with it, by whom a broker's place in the metadata log is known.
    fn struck(&self, fault: &Fault) -> Vec<(BrokerId, Option<Signs>)> {
        let signs = signs_of(fault.kind);
        let of = |broker: BrokerId| {
            let (sick, truth) = (self.troubles.is_under_way(Some(broker)), self.kafka.truth());
            let controller = truth.controller_struck(fault.kind, broker);
            let active = controller.is_some() && controller == truth.active_controller();
            let told = !signs.is_empty() && !sick && !active && truth.works(broker) && truth.leads(broker);
            (broker, told.then(|| (signs, self.learnt_of(broker))))
        };
        self.keys(fault).into_iter().flatten().map(of).collect()
    }

    /// Gives whom a fault strikes, as troubles are counted: a broker, and Kafka as a whole where a controller or its way is struck.
    fn keys(&self, fault: &Fault) -> BTreeSet<Option<BrokerId>> {
        let truth = self.kafka.truth();
        let of = |target: &Target| {
            let broker = truth.broker_named(*target);
            let whole = broker.is_none_or(|broker| truth.controller_struck(fault.kind, broker).is_some());
            [broker].into_iter().chain(whole.then_some(None))
        };
        fault.targets.iter().flat_map(of).collect()
    }

    /// Gives by how much a broker's own pauses have raised its tau, at whichever node they have raised it most. Nothing may have
    /// raised that of a broker that nothing befell, but pauses of our own of which we are still in doubt.
    fn learnt_of(&self, broker: BrokerId) -> Duration {
        if !self.troubles.touched.contains_key(&Some(broker)) && scene!(self).doubts().highest == 0 {
            return Duration::ZERO;
        }
        let tau = |machine: &Machine| {
            let watch = machine.process.as_ref()?.controller.watch();
            Some(watch.metrics(broker, machine.clock.local(self.now))?.tau)
        };
        let most = self.machines.values().filter_map(tau).max().unwrap_or_default();
        most.saturating_sub(DetectPolicy::default().tau_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::{Light, PulseState, Sighting};
    use crate::sim::kafka::plan::{KafkaPlan, Version};
    use crate::sim::world::{ControllerAccess, WorldPlan};

    /// Tells whether somebody leads, and each of us has seen every broker and knows its place in the metadata log.
    fn all_know(world: &World) -> bool {
        let told = |one: &Sighting| !matches!(one.light, Light::Unknown(_)) && one.pulse.state != PulseState::Unknown;
        let knows = |machine: &Machine| {
            let watch = machine.process.as_ref().expect("it runs").controller.watch();
            let brokers = watch.report(machine.clock.local(world.now)).brokers;
            brokers.len() == 4 && brokers.values().all(told)
        };
        world.leader().is_some() && world.machines.values().all(knows)
    }

    #[test]
    fn whoever_has_just_started_knows_what_it_votes_by_once_doubt_alone_bounds() {
        for controllers in [ControllerAccess::Direct, ControllerAccess::ThroughBrokers] {
            let kafka = KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 6, 3);
            let mut world = World::new(&WorldPlan { controllers, ..WorldPlan::new(7, kafka) });
            assert!(!all_know(&world));
            world.run_for(DOUBTFUL_FOR).unwrap();
            assert!(all_know(&world), "{controllers:?}");
            let leader = world.leader().unwrap();
            world.crash(leader).unwrap();
            world.run_for(Duration::from_secs(1)).unwrap();
            world.start(leader).unwrap();
            assert!(!all_know(&world));
            world.run_for(DOUBTFUL_FOR).unwrap();
            assert!(all_know(&world), "{controllers:?}, started again");
        }
    }
}
