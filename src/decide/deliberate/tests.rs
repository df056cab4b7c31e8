//! Properties of whole decisions over random clusters, and decisions made again from records.

mod doubt;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::decide::assemble::{Gathered, assemble};
use crate::decide::fixture::{PLAIN, REFUSED, parse, partition};
use crate::decide::watch::Watch;
use crate::model::ids::{Listener, NodeId, Offset};
use crate::model::observation::{
    Fact, LineChange, Observation, OffsetsReading, PingOutcome, PulseReading, TopologyReading, TopologySource,
};
use crate::model::plan::{Act, OriginalOrder, When};
use crate::model::time::{LogTime, Timestamp};

/// A random cluster with a random amount of trouble, as fixture text: what proptest shrinks is what a person reads.
fn troubled() -> impl Strategy<Value = String> {
    let brokers = 3_usize..=6;
    brokers.prop_flat_map(|brokers| {
        let one = (
            Just((1..=brokers).collect::<Vec<_>>()).prop_shuffle(),
            1..=brokers.min(4),
            // One bit each: who of the replicas is in sync, and who else is eligible.
            (prop_oneof![3 => Just(0b1111_usize), 2 => 0..16_usize, 1 => Just(0)], 0..16_usize),
            0..5_usize,
            1..=3_u32,
        );
        let partitions = prop::collection::vec(one, 1..12);
        let lights = prop::collection::vec((0..3_usize, 1..=brokers, 0..6_usize, 10..900_u32), 0..8);
        let pulses = prop::collection::vec((0..3_usize, 1..=brokers, 0..4_usize), 0..6);
        let extras = prop::collection::vec(0..10_usize, 0..4);
        (Just(brokers), partitions, lights, pulses, extras).prop_map(write)
    })
}

type Trouble = (
    usize,
    Vec<(Vec<usize>, usize, (usize, usize), usize, u32)>,
    Vec<(usize, usize, usize, u32)>,
    Vec<(usize, usize, usize)>,
    Vec<usize>,
);

fn write((brokers, partitions, lights, pulses, extras): Trouble) -> String {
    let join = |ids: &[usize]| match ids {
        [] => "-".to_owned(),
        ids => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let mut text: String = (1..=brokers).map(|id| format!("broker b{id} rack r{} epoch {id}\n", id % 2)).collect();
    for (number, (order, factor, in_sync, leader, min_isr)) in partitions.iter().enumerate() {
        let replicas = &order[..*factor];
        let chosen = |bits: usize| -> Vec<usize> {
            replicas.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1).map(|(_, id)| *id).collect()
        };
        let isr = chosen(in_sync.0);
        let elr: Vec<usize> = chosen(in_sync.1).into_iter().filter(|id| !isr.contains(id)).collect();
        // Whoever led last is still named where nobody is in sync.
        let leader = isr.get(*leader).or(isr.first()).or(replicas.first()).copied().unwrap_or(1);
        let (all, isr, elr) = (join(replicas), join(&isr), join(&elr));
        text += &format!("p{number} led b{leader} of {all} isr {isr} elr {elr} min {min_isr}\n");
    }
    // Most cases have something to decide: b1 is red for two.
    text += "n1 sees b1 refused 90ms\nn2 sees b1 refused 80ms\n";
    for (node, broker, light, ms) in lights {
        let light = ["green", "yellow", "refused", "silent", "recovering", "denied"][light];
        text += &format!("n{} sees b{broker} {light} {ms}ms sent 950ms\n", node + 1);
    }
    for (node, broker, pulse) in pulses {
        let pulse = ["level beats 0", "level beats 1", "behind 1 beats 1", "missing beats 2"][pulse];
        text += &format!("n{} pulse b{broker} {pulse}\n", node + 1);
    }
    for extra in extras {
        text += [
            "policy fence\n",
            "policy unregister\n",
            "policy approve\n",
            "policy request-max 2\n",
            "paused\n",
            "reassigning p0..p1\n",
            "maintenance b2\n",
            "demoted b3 c-2 9s\n",
            "source metadata\n",
            "case b1 c-4 broker_crashed acted\n",
        ][extra];
    }
    text
}

fn check(
    text: &str,
    property: impl Fn(&Snapshot, &Policy, &Deliberation) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (snapshot, policy) = parse(text);
    deliberate(&snapshot, &policy).iter().try_for_each(|each| property(&snapshot, &policy, each))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_names_a_leader_outside_the_isr_or_another_set_of_replicas(text in troubled()) {
        check(&text, |snapshot, _, each| {
            let Some((plan, _)) = &each.plan else { return Ok(()) };
            for moved in plan.steps.iter().flat_map(|step| step.act.moves()) {
                for id in moved.partitions.iter() {
                    let known = &snapshot.topology.partitions[&id];
                    let clean = known.isr.contains(&moved.to[0]) || (known.isr.is_empty() && known.elr.contains(&moved.to[0]));
                    prop_assert!(clean, "{id} to {:?}", moved.to);
                    let set = |list: &[BrokerId]| list.iter().copied().collect::<BTreeSet<_>>();
                    prop_assert_eq!(set(&moved.to), set(&known.replicas));
                    prop_assert_eq!(moved.to.len(), known.replicas.len());
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn whoever_a_fence_leaves_next_in_line_is_who_was_chosen_and_in_sync(text in troubled()) {
        check(&text, |snapshot, _, each| {
            let Some((plan, _)) = &each.plan else { return Ok(()) };
            let fenced = plan.steps.iter().any(|step| matches!(step.act, Act::Fence { .. }));
            let orders: BTreeMap<PartitionId, Vec<BrokerId>> = plan
                .steps
                .iter()
                .filter(|step| step.when == When::AtOnce)
                .flat_map(|step| step.act.moves())
                .flat_map(|one| one.partitions.iter().map(|id| (id, one.to.clone())))
                .collect();
            for choice in plan.choices.iter().filter(|choice| fenced && choice.chosen.is_some()) {
                for id in choice.partitions.iter() {
                    let known = &snapshot.topology.partitions[&id];
                    let clean = |broker: &&BrokerId| {
                        known.isr.contains(broker) || (known.isr.is_empty() && known.elr.contains(broker))
                    };
                    let order = orders.get(&id).unwrap_or(&known.replicas);
                    let next = order.iter().filter(|broker| **broker != each.finding.broker).find(clean);
                    prop_assert_eq!(next, choice.chosen.as_ref(), "{}", id);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_guard_allows_nothing_that_costs_min_isr_beyond_what_kafka_would_do(text in troubled()) {
        check(&text, |snapshot, policy, each| {
            let (Some((plan, _)), Some(Ruling::Allowed | Ruling::NeedsApproval { .. })) = (&each.plan, &each.ruling) else {
                return Ok(());
            };
            for step in &plan.steps {
                let (Act::Fence { broker, .. } | Act::Unregister { broker, .. }) = step.act else { continue };
                let behind = snapshot.heard.values().any(|heard| heard.report.brokers[&broker].pulse.state.is_behind());
                let native = behind || step.when == When::EchoBehind;
                let harmed = snapshot.topology.partitions.iter().filter(|(id, known)| {
                    let min = snapshot.topology.topics[&id.topic].min_isr.map_or(1, usize::from).min(known.replicas.len());
                    let left = known.isr.iter().filter(|member| **member != broker).count();
                    known.leader != Some(broker) && known.isr.contains(&broker) && min <= known.isr.len() && left < min
                });
                prop_assert!(native || harmed.count() == 0, "{:?} under {:?}", step.act, policy.act);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_pruned_snapshot_decides_the_same(text in troubled()) {
        check(&text, |snapshot, policy, each| {
            let pruned = prune(snapshot, each);
            let again = deliberate_one(each.finding.broker, &pruned, policy);
            prop_assert_eq!(again.as_ref(), Some(each));
            Ok(())
        })?;
    }

    #[test]
    fn a_record_read_back_from_its_bytes_decides_the_same(text in troubled()) {
        check(&text, |snapshot, policy, each| {
            let decision = recorded(snapshot, each);
            let bytes = crate::model::canon::to_canonical_bytes(&decision).expect("canonical");
            let read: Decision = crate::model::canon::from_canonical_bytes(&bytes).expect("readable");
            prop_assert_eq!(&read, &decision);
            prop_assert_eq!(replay(&read, policy), Replayed::Same);
            Ok(())
        })?;
    }

    #[test]
    fn an_allowed_plan_is_allowed_again_step_by_step_in_an_unchanged_world(text in troubled()) {
        check(&text, |snapshot, policy, each| {
            if let (Some((plan, _)), Some(Ruling::Allowed)) = (&each.plan, &each.ruling) {
                for step in plan.steps.iter().filter(|step| step.when == When::AtOnce) {
                    prop_assert_eq!(crate::decide::guard::recheck(step, plan, snapshot, policy), []);
                }
            }
            Ok(())
        })?;
    }
}

fn recorded(snapshot: &Snapshot, each: &Deliberation) -> Decision {
    Decision {
        finding: Some(each.finding.clone()),
        snapshot: Box::new(prune(snapshot, each)),
        plan: each.plan.as_ref().map(|(plan, _)| plan.clone()),
        digest: each.plan.as_ref().map(|(_, digest)| *digest),
        ruling: each.ruling.clone(),
        advice: None,
        verdict: each.inaction.clone().map_or(DecisionVerdict::WouldAct, DecisionVerdict::Nothing),
    }
}

fn staged() -> (Snapshot, Policy, Decision) {
    let (snapshot, policy) = parse(&format!("{PLAIN}{REFUSED}policy fence\n"));
    let decision = recorded(&snapshot, &deliberate(&snapshot, &policy)[0]);
    (snapshot, policy, decision)
}

#[test]
fn a_record_that_was_changed_is_seen_to_differ() {
    let (_, policy, decision) = staged();
    assert_eq!(replay(&decision, &policy), Replayed::Same);
    let differs = |change: &dyn Fn(&mut Decision)| {
        let mut changed = decision.clone();
        change(&mut changed);
        match replay(&changed, &policy) {
            Replayed::Differs { what } => what,
            Replayed::Same => "same".to_owned(),
        }
    };
    assert!(differs(&|d| d.plan.as_mut().expect("a plan").steps.truncate(1)).starts_with("the plan"));
    assert!(differs(&|d| d.ruling = Some(Ruling::Held(Vec::new()))).starts_with("the ruling"));
    assert!(differs(&|d| d.finding.as_mut().expect("a finding").leads = 99).starts_with("the finding"));
    assert!(
        differs(&|d| d.verdict = DecisionVerdict::Nothing(Inaction::OnlyWarns(FindingKind::Zombie)))
            .starts_with("the reason")
    );
    assert!(differs(&|d| d.snapshot.standing.paused = true).starts_with("the ruling"));
    let mut other = policy.clone();
    other.act.fence_heartbeat = crate::decide::policy::Permission::Forbidden;
    assert!(matches!(replay(&decision, &other), Replayed::Differs { .. }));
}

#[test]
fn a_failback_replays_from_the_order_that_its_plan_carries() {
    let fixture = "broker b1 epoch 1\nbroker b2 epoch 2\nbroker b3 epoch 3\np0..p99 led b2 of 2,3,1 isr 1,2,3\np100..p200 led b3 of 3,2,1 isr 1,2,3\n";
    let (snapshot, policy) = parse(fixture);
    let undo = [OriginalOrder {
        partitions: (0..=99).map(partition).collect(),
        replicas: [1, 2, 3].map(BrokerId).to_vec(),
        leader: Some(BrokerId(1)),
    }];
    let plan = plan_failback(BrokerId(1), crate::model::ids::CaseId(5), &undo, &snapshot, &policy).expect("a plan");
    let pruned = prune_to_plan(&snapshot, &plan);
    assert_eq!(pruned.topology.partitions.len(), 100);
    let decision = Decision {
        finding: None,
        digest: Some(digest(&plan)),
        ruling: Some(guard(&plan, None, &snapshot, &policy)),
        plan: Some(plan),
        snapshot: Box::new(pruned),
        advice: None,
        verdict: DecisionVerdict::WouldAct,
    };
    assert_eq!(decision.ruling, Some(Ruling::Allowed));
    assert_eq!(replay(&decision, &policy), Replayed::Same);
}

/// The same facts, told in orders that chance gives, must come to the same.
#[test]
fn one_thousand_shuffled_orders_give_one_digest() {
    let calm = format!("{}{REFUSED}policy fence\n", PLAIN.replace("p0..p5", "p0..p19"));
    let mut runner = TestRunner::deterministic();
    let drawn = (0..400).map(|_| troubled().new_tree(&mut runner).unwrap().current());
    let (mut chance, mut planned) = (42_u64, 0);
    for text in std::iter::once(calm).chain(drawn) {
        let (snapshot, policy) = parse(&text);
        let mut told = BTreeSet::from([told_in_order_of(&mut chance, &snapshot, &policy)]);
        // Only clusters that call for a plan have a digest to compare.
        if !told.iter().any(|one| one.contains("Some(")) {
            continue;
        }
        told.extend((1..50).map(|_| told_in_order_of(&mut chance, &snapshot, &policy)));
        assert_eq!(told.len(), 1, "{text}{told:#?}");
        planned += 1;
        if planned == 20 {
            return;
        }
    }
    panic!("only {planned} clusters had anything to plan");
}

/// What follows from a snapshot's facts: two sources of its shape that lag each other, log ends, beats and lines, each source
/// in its own order, and all of them mixed.
fn told_in_order_of(chance: &mut u64, snapshot: &Snapshot, policy: &Policy) -> String {
    let now = Timestamp(60_000_000);
    let ago = |ms: u64| now.minus(std::time::Duration::from_millis(ms));
    let mut streams: Vec<Vec<Fact>> = Vec::new();
    let shape = |topology, source, sent_at| vec![Fact::Topology(TopologyReading { topology, source, sent_at })];
    streams.push(shape(Arc::clone(&snapshot.topology), TopologySource::Observer, ago(40)));
    for (broker, late, ahead) in [(2, 90, 0), (3, 60, 1)] {
        let source = TopologySource::Metadata([BrokerId(broker)].into());
        streams.push(shape(Arc::new(seen_by_a_broker(&snapshot.topology, ahead)), source, ago(late)));
    }
    let mut watch = Watch::new(NodeId(1), policy, Listener("CLIENTS".to_owned()), BTreeSet::new());
    for broker in snapshot.topology.brokers.keys() {
        for id in snapshot.topology.partitions.keys() {
            let Some(end) = snapshot.log_ends.get(id, *broker) else { continue };
            let log_ends = [(*id, end)].into();
            streams.push(vec![Fact::Offsets(OffsetsReading { broker: *broker, sent_at: ago(40), log_ends })]);
        }
        streams.push(line_of(*broker, snapshot, ago(70)));
    }
    let brokers = |end| snapshot.topology.brokers.keys().map(|broker| (*broker, Offset(end))).collect();
    let beat = |(end, late): (u64, u64)| Fact::Pulse(PulseReading::of(9, ago(late), Offset(end), brokers(end)));
    streams.push([(48, 1540), (49, 1040), (50, 540), (51, 40)].map(beat).into());
    while let Some(fact) = one_of(chance, &mut streams) {
        let _ = watch.note(&Observation { at: now, fact });
    }
    let mut heard: Vec<_> = snapshot.heard.iter().filter(|(node, _)| **node != NodeId(1)).collect();
    shuffle(chance, &mut heard);
    let mut reports: BTreeMap<_, _> =
        heard.into_iter().map(|(node, heard)| (*node, (now, heard.report.clone()))).collect();
    reports.insert(NodeId(1), (now, watch.report(now)));
    let gathered = Gathered {
        now,
        log_time: LogTime(1_000_000),
        me: NodeId(1),
        voters: &snapshot.voters,
        reports: &reports,
        readings: watch.readings(),
        standing: &snapshot.standing,
    };
    let decided = deliberate(&assemble(&gathered, policy), policy);
    let gist = decided.iter().map(|one| (one.finding.kind, one.finding.broker, one.plan.as_ref().map(|plan| plan.1)));
    format!("{:?}", gist.collect::<Vec<_>>())
}

/// The shape as a broker tells it: behind for some partitions, ahead for others.
fn seen_by_a_broker(topology: &Topology, ahead: i32) -> Topology {
    let mut seen = topology.clone();
    for (id, partition) in &mut seen.partitions {
        let elected_later = id.number % 3 == ahead;
        partition.leader_epoch.0 += if elected_later { 1 } else { -1 };
        partition.leader = partition.isr.iter().nth(usize::from(elected_later)).copied().or(partition.leader);
        partition.elr.clear();
    }
    seen
}

/// What the node's own line to a broker met: closed and refused twice where the snapshot has it red, else an answer.
fn line_of(broker: BrokerId, snapshot: &Snapshot, sent_at: Timestamp) -> Vec<Fact> {
    let path = || Listener("CLIENTS".to_owned());
    let line = |change| Fact::Line { broker, path: path(), change };
    let seen = snapshot.heard[&NodeId(1)].report.brokers.get(&broker);
    let answered = PingOutcome::Answered { rtt: std::time::Duration::from_millis(1) };
    let mut facts = vec![line(LineChange::Opened), Fact::Ping { broker, path: path(), sent_at, outcome: answered }];
    if seen.is_some_and(|seen| seen.light.is_red()) {
        facts.extend([LineChange::Closed, LineChange::Refused, LineChange::Refused].map(line));
    }
    facts
}

/// Gives the next fact of a source that chance picks.
fn one_of(chance: &mut u64, streams: &mut Vec<Vec<Fact>>) -> Option<Fact> {
    streams.retain(|facts| !facts.is_empty());
    let picked = pick(chance, streams.len())?;
    Some(streams[picked].remove(0))
}

fn pick(chance: &mut u64, count: usize) -> Option<usize> {
    *chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*chance >> 33).unwrap().checked_rem(count)
}

/// Fisher and Yates, by a linear congruential generator: enough for an order.
fn shuffle<T>(chance: &mut u64, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, pick(chance, last + 1).unwrap());
    }
}
