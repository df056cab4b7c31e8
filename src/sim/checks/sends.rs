//! What must hold of a write against what is really so as it is sent: whoever is put first or elected is in sync, and nobody whom
//! Kafka would leave alone is taken out at the price of a partition.
//!
//! Deliberately with the allowance of whoever knows only what it was told. What was so since the step was handed to the hand, or was
//! believed then by a broker that it may have asked, was read in good faith; and who was away lately may still be thought so.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::{BrokerEpoch, BrokerId, NodeId, PartitionId};
use crate::model::plan::{Act, Step};
use crate::model::time::Timestamp;
use crate::model::topology::Standing;
use crate::sim::kafka::talk::Request;

use super::{Checks, ECHOES_FOR, Licence, Scene, Violation};

/// How long an answer may be on its way before nobody waits for it any more.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// A write that is being sent: under which licence, for which of its steps, and since when the hand has had that.
#[derive(Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) request: &'a Request,
    pub(super) licence: &'a Licence,
    pub(super) step: u16,
    pub(super) since: Timestamp,
}

impl Checks {
    /// A write is sent.
    pub(super) fn sends(&mut self, scene: Scene<'_>, node: NodeId, sending: Sending<'_>) -> Result<(), Violation> {
        match sending.request {
            Request::Fence { broker, epoch } => self.fences(scene, node, (*broker, *epoch), sending.licence),
            Request::Unregister(broker) => self.strikes_off(scene, node, *broker, sending.licence),
            Request::Reassign { .. } | Request::Elect { .. } => self.leads_in_sync(scene, node, sending),
            _ => Ok(()),
        }
    }

    /// The last look before the write leaves out whoever has fallen out of sync since the decision. An empty ISR leaves the eligible,
    /// whom the controller alone can tell.
    fn leads_in_sync(&mut self, scene: Scene<'_>, node: NodeId, sending: Sending<'_>) -> Result<(), Violation> {
        self.count("7");
        let truth = scene.kafka.truth();
        let step = sending.licence.plan.steps.iter().find(|step| step.number == sending.step);
        let all = targets(sending.request, step);
        let out = all.into_iter().find(|(id, target)| !truth.was_in_sync(*id, *target, sending.since));
        out.map_or(Ok(()), |(id, target)| {
            scene.deny("7", Some(node), || format!("would have {target} lead {id}, and it is out of sync"))
        })
    }

    /// A fence strikes the life that the plan means. Of another one than the registered Kafka takes no notice.
    fn fences(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        (broker, epoch): (BrokerId, BrokerEpoch),
        licence: &Licence,
    ) -> Result<(), Violation> {
        self.count("8");
        let means =
            |act: &Act| matches!(act, Act::Fence { broker: one, epoch: life } if *one == broker && *life == epoch);
        if !licence.plan.steps.iter().any(|step| means(&step.act)) {
            let short = licence.digest.short();
            scene.deny("8", Some(node), || format!("fences a life of {broker} that plan {short} does not mean"))?;
        }
        let known = scene.kafka.truth().registration(broker);
        let struck = known.is_some_and(|known| known.epoch == epoch && known.standing != Standing::Fenced);
        if struck { spares(scene, node, broker, "fences") } else { Ok(()) }
    }

    /// Kafka compares nothing where a broker is struck off: a life that has been well for as long as anybody may have taken it for the
    /// dead one is another than the plan means.
    fn strikes_off(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        broker: BrokerId,
        licence: &Licence,
    ) -> Result<(), Violation> {
        self.count("8");
        let registered = scene.kafka.truth().registration(broker).map(|known| known.epoch);
        let may_be_it = |life: Option<BrokerEpoch>| life.is_none() || registered.is_none() || life == registered;
        let means = |act: &Act| match act {
            Act::Unregister { broker: one, epoch } => {
                *one == broker && (may_be_it(*epoch) || !is_left_alone(scene, broker))
            }
            _ => false,
        };
        if !licence.plan.steps.iter().any(|step| means(&step.act)) {
            let short = licence.digest.short();
            scene
                .deny("8", Some(node), || format!("strikes off a life of {broker} that plan {short} does not mean"))?;
        }
        spares(scene, node, broker, "strikes off")
    }
}

/// Whom Kafka would leave alone is not taken out of any ISR that has too few without it, or too few already. Whom it would not
/// (dead, hung, or cut off from the controllers) costs what Kafka's own fencing would.
fn spares(scene: Scene<'_>, node: NodeId, broker: BrokerId, does: &str) -> Result<(), Violation> {
    if !is_left_alone(scene, broker) {
        return Ok(());
    }
    let truth = scene.kafka.truth();
    let short = truth.partitions().find(|id| {
        let Some((isr, min_isr)) = truth.isr(*id).zip(truth.min_isr(*id)) else { return false };
        isr.contains(&broker) && isr.len() <= min_isr
    });
    let what =
        |id| format!("{does} {broker}, which works and reads the metadata log, and {id} has too few in sync then");
    short.map_or(Ok(()), |id| scene.deny("8", Some(node), || what(id)))
}

/// Tells whether a broker works and reads the metadata log, as whoever heartbeats does, and has for so long that nobody can have seen
/// it behind and still act on that: every age that a look may have, one after the other. A fault elsewhere, or of its clients' path
/// alone, is no excuse; a new active controller is one, as all brokers have to find it first. Where something is wrong with us, a
/// slow process, disk or link may put off what was heard: for [`ECHOES_FOR`] in all, and no longer. How late it runs a node sees by its own
/// timers, and whoever acts even later on what it heard does the harm that this is about.
fn is_left_alone(scene: Scene<'_>, broker: BrokerId) -> bool {
    let (truth, policy) = (scene.kafka.truth(), scene.policy);
    let ages = [
        policy.guard.topology_age_max,
        policy.detect.pulse_age_max,
        policy.detect.report_age_max,
        policy.act.valid_for,
        ANSWERED_WITHIN,
    ];
    let seen = ages.into_iter().fold(Duration::ZERO, Duration::saturating_add);
    let span = if scene.ours_well_for(seen) { seen } else { seen.max(ECHOES_FOR) };
    truth.works(broker) && truth.reads_for(broker).is_some_and(|reads| span <= reads)
}

/// Gives whom a write puts first or elects, by partition; an election takes whom its step has put first.
fn targets(request: &Request, step: Option<&Step>) -> Vec<(PartitionId, BrokerId)> {
    match request {
        Request::Reassign { orders, .. } => {
            orders.iter().filter_map(|order| Some((order.partition, *order.replicas.as_ref()?.first()?))).collect()
        }
        Request::Elect { partitions: Some(asked), .. } => {
            let asked: BTreeSet<PartitionId> = asked.iter().copied().collect();
            let mut all = Vec::new();
            for one in step.into_iter().flat_map(|step| step.act.moves()) {
                let Some(target) = one.to.first() else { continue };
                all.extend(one.partitions.iter().filter(|id| asked.contains(id)).map(|id| (id, *target)));
            }
            all
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Troubles;
    use super::*;
    use crate::decide::policy::Policy;
    use crate::model::finding::FindingKind;
    use crate::model::ids::{Digest, LeaderEpoch, RecordIndex, Term, TopicId};
    use crate::model::plan::{Class, Move, Origin, Plan, When};
    use crate::sim::chance::Chance;
    use crate::sim::kafka::Kafka;
    use crate::sim::kafka::plan::{KafkaPlan, Version};
    use crate::sim::kafka::talk::{ElectionKind, Order, ReplicaCount};
    use crate::sim::net::Net;
    use crate::sim::readers::Readers;

    const ONE: BrokerId = BrokerId(1);

    /// One partition of three replicas, two of which must be in sync, after half a minute in which all was well.
    struct Stage {
        kafka: Kafka,
        now: Timestamp,
        troubles: Troubles,
    }

    impl Stage {
        fn new() -> Self {
            let kafka = Kafka::new(&KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 1, 3), 1);
            let mut stage = Self { kafka, now: Timestamp(0), troubles: Troubles::default() };
            stage.run(30);
            stage
        }

        fn run(&mut self, seconds: u64) {
            self.now = self.now.plus(Duration::from_secs(seconds));
            self.kafka.advance(self.now);
        }

        fn strike(&mut self, fault: &str, seconds: u64) {
            self.kafka.inflict(self.now, &fault.parse().unwrap()).unwrap();
            self.run(seconds);
        }

        fn heal(&mut self, fault: &str, seconds: u64) {
            self.kafka.heal(self.now, &fault.parse().unwrap()).unwrap();
            self.run(seconds);
        }

        fn epoch(&self) -> BrokerEpoch {
            self.kafka.truth().registrations()[&ONE].epoch
        }

        /// Gives the number that denies a request of a plan of one step.
        fn denied(&self, act: Act, request: &Request, since: Timestamp) -> Option<&'static str> {
            let plan = Plan {
                parent: None,
                origin: Origin::Finding { kind: FindingKind::BrokerCrashed, broker: ONE },
                class: Class::R1,
                steps: vec![Step { number: 1, when: When::AtOnce, act, expects: Vec::new() }],
                undo: Vec::new(),
                collateral: Vec::new(),
                at_risk: Vec::new(),
                choices: Vec::new(),
            };
            let licence = Licence::new(RecordIndex(1), Term(1), self.now, (Digest::default(), &plan));
            let scene = Scene {
                now: self.now,
                machines: &BTreeMap::new(),
                kafka: &self.kafka,
                readers: &Readers::default(),
                net: &Net::new(Chance::new(1)),
                policy: &Policy::default(),
                troubles: &self.troubles,
                muted: None,
            };
            let sending = Sending { request, licence: &licence, step: 1, since };
            Checks::default().sends(scene, NodeId(1), sending).err().map(|violation| violation.number)
        }

        fn fenced(&self, meant: BrokerEpoch, named: BrokerEpoch) -> Option<&'static str> {
            let request = Request::Fence { broker: ONE, epoch: named };
            self.denied(Act::Fence { broker: ONE, epoch: meant }, &request, self.now)
        }

        fn struck_off(&self, meant: Option<BrokerEpoch>) -> Option<&'static str> {
            self.denied(Act::Unregister { broker: ONE, epoch: meant }, &Request::Unregister(ONE), self.now)
        }

        /// The same for broker 1, by a fence and by a striking off that mean its present life.
        fn taken_out(&self) -> [Option<&'static str>; 2] {
            [self.fenced(self.epoch(), self.epoch()), self.struck_off(Some(self.epoch()))]
        }

        fn put_first(&self, to: [i32; 3], since: Timestamp) -> Option<&'static str> {
            let partition = self.kafka.truth().partitions().next().unwrap();
            let order = Order { partition, replicas: Some(to.map(BrokerId).to_vec()) };
            let request = Request::Reassign { orders: vec![order], count: ReplicaCount::Kept };
            self.denied(Act::Reorder { moves: Vec::new() }, &request, since)
        }
    }

    fn id(number: i32) -> PartitionId {
        PartitionId { topic: TopicId([1; 16]), number }
    }

    fn moved(numbers: [i32; 2], to: [i32; 3]) -> Move {
        Move {
            partitions: numbers.into_iter().map(id).collect(),
            leader: Some(ONE),
            leader_epoch: LeaderEpoch(0),
            from: [1, 2, 3].map(BrokerId).to_vec(),
            to: to.map(BrokerId).to_vec(),
        }
    }

    #[test]
    fn whom_kafka_would_leave_alone_is_not_taken_out_at_the_price_of_a_partition() {
        let (fine, wrong) = ([None, None], [Some("8"), Some("8")]);
        let mut stage = Stage::new();
        assert_eq!(stage.taken_out(), fine, "three are in sync");
        stage.strike("kill b3", 15);
        assert_eq!(stage.taken_out(), wrong, "one would be left of two that must be");
        stage.strike("kill b2", 15);
        assert_eq!(stage.taken_out(), wrong, "there are too few already");
        stage.strike("client-cut b1", 1);
        assert_eq!(stage.taken_out(), wrong, "it is its clients' path alone");
        stage.strike("stop b1", 1);
        assert_eq!(stage.taken_out(), fine, "it costs what Kafka's own fencing would");
        stage.heal("stop b1", 5);
        assert_eq!(stage.taken_out(), fine, "somebody may have seen it behind");
        stage.run(10);
        assert_eq!(stage.taken_out(), wrong, "nobody can have");
        stage.troubles.ours = stage.now;
        assert_eq!(stage.taken_out(), fine, "one of us that runs slow may act on it still");
        stage.run(12);
        stage.troubles.ours = stage.now;
        assert_eq!(stage.taken_out(), wrong, "not for ever");
    }

    #[test]
    fn a_life_that_the_plan_does_not_mean_is_left_alone() {
        let stage = Stage::new();
        let (now, before) = (stage.epoch(), BrokerEpoch(stage.epoch().0 - 1));
        assert_eq!(stage.fenced(before, now), Some("8"));
        assert_eq!(stage.fenced(before, before), None, "Kafka takes no notice of it");
        assert_eq!(stage.struck_off(Some(before)), Some("8"));
        assert_eq!(stage.struck_off(None), None, "nobody knew its life");
    }

    #[test]
    fn whoever_is_put_first_was_in_sync_when_the_hand_could_look() {
        let mut stage = Stage::new();
        assert_eq!(stage.put_first([2, 1, 3], stage.now), None);
        // Its session of nine seconds is over from 37 s on, and by 41 s in any case.
        stage.strike("kill b2", 12);
        assert_eq!(stage.put_first([2, 1, 3], stage.now), Some("7"));
        assert_eq!(stage.put_first([2, 1, 3], Timestamp(36_000_000)), None);
        assert_eq!(stage.put_first([3, 1, 2], stage.now), None);
    }

    #[test]
    fn an_order_puts_its_first_replica_first_and_a_cancelled_one_nobody() {
        let order = |number, replicas| Order { partition: id(number), replicas };
        let orders = vec![order(0, Some([2, 1, 3].map(BrokerId).to_vec())), order(1, None)];
        let request = Request::Reassign { orders, count: ReplicaCount::Kept };
        assert_eq!(targets(&request, None), [(id(0), BrokerId(2))]);
    }

    #[test]
    fn an_election_takes_whom_its_step_puts_first_of_those_that_it_names() {
        let moves = vec![moved([0, 1], [2, 3, 1]), moved([2, 3], [3, 2, 1])];
        let step = Step { number: 1, when: When::AtOnce, act: Act::Elect { moves }, expects: Vec::new() };
        let request = Request::Elect { kind: ElectionKind::Preferred, partitions: Some(vec![id(1), id(2)]) };
        assert_eq!(targets(&request, Some(&step)), [(id(1), BrokerId(2)), (id(2), BrokerId(3))]);
        assert!(targets(&request, None).is_empty());
    }
}
