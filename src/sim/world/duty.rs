//! The operator on duty: looks now and then, says yes to whatever is on offer, and restarts what runs unregistered, if told of it.
//!
//! Deliberately without judgement: nothing that is offered may do harm to one who says yes to everything. It knows what our leader
//! shows, and whether a broker runs and is registered, which Kafka's own tools tell.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::BrokerId;
use crate::model::operator::{Ask, DigestPrefix};
use crate::model::record::Attention;
use crate::model::time::Timestamp;
use crate::sim::kafka::fault::{Fault, FaultKind};

use super::World;

/// What the operator signs with.
const NAME: &str = "olga";

/// Nobody looks more often: time must pass between two looks.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// When the operator looks next, and what is down for a restart meanwhile.
#[derive(Debug)]
pub(super) struct Duty {
    every: Duration,
    next: Timestamp,
    down: BTreeSet<BrokerId>,
}

impl Duty {
    /// Gives an operator who looks so often from now on.
    pub(super) fn new(every: Duration, now: Timestamp) -> Self {
        let every = every.max(EVERY_MIN);
        Self { every, next: now.plus(every), down: BTreeSet::new() }
    }
}

impl World {
    /// Gives when the operator looks next, if that is up to and including `end`.
    pub(super) fn next_look(&self, end: Timestamp) -> Option<Timestamp> {
        self.duty.as_ref().map(|duty| duty.next).filter(|next| *next <= end)
    }

    /// The operator looks.
    pub(super) fn look_on_duty(&mut self) {
        let Some(duty) = self.duty.as_mut() else { return };
        duty.next = self.now.plus(duty.every);
        let down = std::mem::take(&mut duty.down);
        for broker in down {
            // Whoever started it meanwhile has done the same.
            let _ = self.heal(&Fault::at_broker(FaultKind::Kill, broker));
        }
        self.approve_all();
        for broker in self.zombies_told() {
            if self.inflict(&Fault::at_broker(FaultKind::Kill, broker)).is_ok()
                && let Some(duty) = self.duty.as_mut()
            {
                duty.down.insert(broker);
            }
        }
    }

    fn approve_all(&mut self) {
        let Some((leader, state)) = self.leader().and_then(|leader| Some((leader, self.state_of(leader)?))) else {
            return;
        };
        let offers: Vec<DigestPrefix> =
            state.offers.keys().filter_map(|digest| digest.to_string().parse().ok()).collect();
        for digest in offers {
            self.ask(leader, NAME, Ask::Approve { digest });
        }
    }

    /// Gives the brokers that serve and are not registered, of those that a person was told about.
    fn zombies_told(&self) -> BTreeSet<BrokerId> {
        let Some(state) = self.leader().and_then(|leader| self.state_of(leader)) else { return BTreeSet::new() };
        let truth = self.kafka.truth();
        let told = state.attentions.values().filter_map(|told| about(&told.what));
        told.filter(|broker| truth.works(*broker) && truth.registration(*broker).is_none()).collect()
    }
}

fn about(what: &Attention) -> Option<BrokerId> {
    match what {
        Attention::Finding { broker, .. } | Attention::Zombie { broker, .. } => Some(*broker),
        Attention::UnknownOutcome { .. }
        | Attention::PlanFailed { .. }
        | Attention::ApprovalWanted { .. }
        | Attention::AuditRebuilt { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::Permission;
    use crate::sim::kafka::plan::{KafkaPlan, Version};
    use crate::sim::world::WorldPlan;

    const BROKER: BrokerId = BrokerId(1);

    /// A world in which b1 is stopped for twenty seconds.
    fn after_a_stop(operator: Option<Duration>) -> World {
        let kafka = KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 6, 3);
        let mut plan = WorldPlan::new(7, kafka);
        plan.policy.act.unregister = Permission::Allowed;
        plan.operator = operator;
        let mut world = World::new(&plan);
        let stop = Fault::at_broker(FaultKind::Stop, BROKER);
        run(&mut world, 30);
        world.inflict(&stop).expect("b1 lives");
        run(&mut world, 20);
        world.heal(&stop).expect("b1 is stopped");
        world
    }

    fn run(world: &mut World, seconds: u64) {
        world.run_for(Duration::from_secs(seconds)).unwrap_or_else(|violation| panic!("{violation}"));
    }

    fn is_registered(world: &World) -> bool {
        world.kafka().truth().registration(BROKER).is_some()
    }

    #[test]
    fn what_is_on_offer_is_approved_and_a_zombie_is_restarted() {
        let mut world = after_a_stop(Some(Duration::from_secs(5)));
        assert!(!is_registered(&world), "a yes was said to that");
        run(&mut world, 120);
        assert!(is_registered(&world) && world.kafka().truth().works(BROKER));
    }

    #[test]
    fn where_nobody_is_on_duty_what_needs_a_yes_is_not_done() {
        let world = after_a_stop(None);
        assert!(is_registered(&world));
    }
}
