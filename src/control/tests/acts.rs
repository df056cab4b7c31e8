//! What is sent to Kafka, and above all what is not.

use std::time::Duration;

use super::given::{FOLLOWER, GONE, unregistering};
use super::world::{TERM, VICTIM, World};
use crate::control::Advice;
use crate::control::event::{Event, PauseFile, Role, Views};
use crate::decide::fixture::PLAIN;
use crate::decide::policy::{ActPolicy, GuardPolicy, Mode, Permission, Policy};
use crate::model::ids::{BrokerId, NodeId, Term};
use crate::model::plan::{Act, Candidate, Unfit, Verdict};
use crate::model::record::{Attention, Body, DecisionVerdict, End, Inaction, Receipt, Stage, StepRefusal};
use crate::model::ruling::Objection;
use crate::model::snapshot::CoolDown;
use crate::model::topology::Topology;

fn policy(mode: Mode) -> Policy {
    Policy { mode, ..Policy::default() }
}

fn fencing() -> Policy {
    let act = ActPolicy { fence_heartbeat: Permission::Allowed, ..ActPolicy::default() };
    Policy { act, ..policy(Mode::Auto) }
}

#[test]
fn a_dead_leader_opens_a_case_and_nothing_is_sent_before_the_intent_is_committed() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    assert!(!world.proposed.is_empty());
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    world.commit();
    let [sent] = world.sent.as_slice() else { panic!("{:?}", world.sent) };
    assert_eq!((sent.term, sent.step.number), (TERM, 1));
    assert!(matches!(sent.step.act, Act::Elect { .. }), "{:?}", sent.step.act);
    assert!(sent.within <= ActPolicy::default().valid_for);
    assert_eq!(world.kinds(), ["led", "policy", "founded", "opened", "decided"]);
    let state = world.controller.state();
    assert_eq!(state.cases.values().map(|case| case.finding.broker).collect::<Vec<_>>(), [VICTIM]);
    assert_eq!((state.intents.len(), state.first_orders.len()), (1, 6));
}

#[test]
fn what_was_done_is_read_back_and_recorded_as_done() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit();
    world.done();
    assert_eq!(world.read_backs.len(), 1);
    world.read_back();
    world.commit();
    let ends: Vec<End> = world.outcomes().iter().map(|outcome| outcome.end).collect();
    assert_eq!(ends, [End::Done]);
    assert!(!world.kinds().contains(&"attention"), "{:?}", world.kinds());
    assert!(world.controller.state().intents.is_empty());
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn what_reading_back_does_not_show_is_not_recorded_as_done() {
    let end = |unmoved: usize| {
        let mut world = World::leading(policy(Mode::Auto));
        world.kill();
        world.commit();
        world.done_but_for(unmoved);
        world.read_back_for(Duration::from_secs(6));
        let outcome = world.outcomes()[0].clone();
        let Receipt::Done { done, not } = &outcome.steps[0].receipt else { panic!("{:?}", outcome.steps) };
        let failed = |body: &Body| {
            let Body::Attention { what } = body else { return false };
            matches!(what, Attention::PlanFailed { .. } | Attention::UnknownOutcome { .. })
        };
        let told = world.records.iter().any(|record| failed(&record.body));
        let not = not.iter().map(|(why, set)| (*why, set.len())).collect::<Vec<_>>();
        (outcome.end, done.len(), not, told)
    };
    assert_eq!(end(0), (End::Done, 6, vec![], false));
    assert_eq!(end(2), (End::Partly, 4, vec![(StepRefusal::NotSeen, 2)], true));
    assert_eq!(end(6), (End::Unknown, 0, vec![(StepRefusal::NotSeen, 6)], true));
}

/// A plan is carried out, and every read-back brings the views that `views` makes of the shape before and the present one; for so
/// long, from when the first came. Gives the ends and the last stages of what was recorded.
fn read_back_as(views: fn(&Topology, &Topology) -> Views, span: Duration) -> Vec<(End, Option<Stage>)> {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit();
    let before = world.topology.clone();
    world.done();
    for _ in 0..=span.as_millis() / 250 {
        while let Some(errand) = world.read_backs.pop() {
            let views = views(&before, &world.topology);
            world.event(Event::ReadBack { errand, views });
        }
        world.commit();
        world.pass(Duration::from_millis(250));
        world.commit();
    }
    world.outcomes().iter().map(|one| (one.end, one.timeline.last().map(|mark| mark.stage))).collect()
}

#[test]
fn a_move_that_one_of_two_brokers_shows_is_not_verified_yet() {
    let second = Duration::from_secs(1);
    let one_lags = |before: &Topology, now: &Topology| Views { shapes: vec![now.clone(), before.clone()], wanted: 2 };
    assert_eq!(read_back_as(one_lags, second), []);
    let both = |_: &Topology, now: &Topology| Views { shapes: vec![now.clone(), now.clone()], wanted: 2 };
    assert_eq!(read_back_as(both, second), [(End::Done, Some(Stage::Verified))]);
    // After all patience what one of them does not show is not there.
    assert_eq!(read_back_as(one_lags, second * 6)[0], (End::Unknown, Some(Stage::Answered(1))));
}

/// Somebody takes the replicas on the broker away that is dead.
fn without_the_victim(now: &Topology) -> Topology {
    let mut taken = now.clone();
    for partition in taken.partitions.values_mut() {
        partition.replicas.retain(|broker| *broker != VICTIM);
        partition.isr.remove(&VICTIM);
    }
    taken
}

#[test]
fn what_somebody_else_gives_other_replicas_meanwhile_is_theirs_at_once() {
    let second = Duration::from_secs(1);
    let both = |_: &Topology, now: &Topology| Views { shapes: vec![without_the_victim(now); 2], wanted: 2 };
    assert_eq!(read_back_as(both, second), [(End::Done, Some(Stage::Verified))]);
    let one = |_: &Topology, now: &Topology| Views { shapes: vec![without_the_victim(now), now.clone()], wanted: 2 };
    assert_eq!(read_back_as(one, second), [], "one broker alone may tell what is long past");
}

#[test]
fn what_one_broker_shows_counts_and_is_recorded_so_once_no_second_one_answers() {
    let second = Duration::from_secs(1);
    let one_of_two = |_: &Topology, now: &Topology| Views { shapes: vec![now.clone()], wanted: 2 };
    assert_eq!(read_back_as(one_of_two, second), []);
    let by_one = [(End::Done, Some(Stage::VerifiedByOne))];
    assert_eq!(read_back_as(one_of_two, second * 6), by_one);
    let the_only_one = |_: &Topology, now: &Topology| Views { shapes: vec![now.clone()], wanted: 1 };
    assert_eq!(read_back_as(the_only_one, second), by_one);
    let nobody = |_: &Topology, _: &Topology| Views { shapes: Vec::new(), wanted: 2 };
    assert_eq!(read_back_as(nobody, second * 6)[0].0, End::Unknown);
}

#[test]
fn nothing_is_planned_on_a_shape_that_was_read_before_the_last_act_ended() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit();
    world.done();
    world.skip(Duration::from_millis(50));
    world.read_back_alone();
    world.commit();
    let acts = |world: &World| {
        world.decisions().iter().filter(|one| matches!(one.verdict, DecisionVerdict::Act { .. })).count()
    };
    assert_eq!((world.outcomes().len(), acts(&world)), (1, 1));
    world.skip(Duration::from_millis(300));
    world.event(Event::Tick);
    world.commit();
    assert_eq!(acts(&world), 1, "the old shape still shows the victim leading");
    world.pass(Duration::from_secs(2));
    world.commit();
    assert_eq!(acts(&world), 1, "the new one shows that it was done");
    assert!(1 < world.decisions().len(), "and decisions go on: {:?}", world.kinds());
}

#[test]
fn an_intent_is_proposed_in_auto_only() {
    let verdict = |mode| {
        let mut world = World::leading(policy(mode));
        world.kill();
        world.commit();
        world.pass(Duration::from_secs(2));
        world.commit();
        (world.decisions()[0].verdict.clone(), world.sent.len(), world.controller.state().intents.len())
    };
    let (auto, sent, intents) = verdict(Mode::Auto);
    assert!(matches!(auto, DecisionVerdict::Act { .. }), "{auto:?}");
    assert_eq!((sent, intents), (1, 1));
    let (approve, sent, intents) = verdict(Mode::Approve);
    assert!(matches!(approve, DecisionVerdict::Offer { people: 1, .. }), "{approve:?}");
    assert_eq!((sent, intents), (0, 0));
    let (observe, sent, intents) = verdict(Mode::Observe);
    assert!(matches!(observe, DecisionVerdict::WouldAct), "{observe:?}");
    assert_eq!((sent, intents), (0, 0));
}

#[test]
fn whoever_was_deposed_sends_nothing_though_its_intent_commits() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.event(Event::Role(Role::Following { leader: NodeId(2), term: Term(4) }));
    world.commit();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.controller.state().intents.len(), 1);
    assert!(world.sent.is_empty(), "{:?}", world.sent);
}

#[test]
fn a_leader_of_a_later_term_reads_an_open_intent_back_and_does_not_send_it_again() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit_once();
    let sent = world.sent.len();
    world.event(Event::Role(Role::Leaderless(Term(4))));
    world.proposed.clear();
    world.event(Event::Role(Role::Leading(Term(5))));
    assert_eq!(world.read_backs.len(), 1);
    world.commit();
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn a_fence_is_sent_once_the_echo_finds_the_broker_behind() {
    let mut world = World::leading(fencing());
    world.kill();
    world.commit();
    assert!(matches!(world.sent[0].step.act, Act::Reorder { .. }), "{:?}", world.sent);
    world.done();
    world.skip(Duration::from_millis(100));
    world.peers_say(GONE);
    world.pulse();
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    assert!(matches!(world.sent[1].step.act, Act::Fence { broker: VICTIM, .. }), "{:?}", world.sent);
    assert_eq!(world.sent[1].within, ActPolicy::default().valid_for - Duration::from_millis(100));
}

#[test]
fn nothing_is_sent_once_the_intents_time_is_over_until_a_further_commit_lets_the_rest_be() {
    let mut world = World::leading(fencing());
    world.kill();
    world.commit();
    world.done();
    world.skip(ActPolicy::default().valid_for);
    world.peers_say(GONE);
    world.pulse();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    // What was done is verified first.
    world.read_back();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    world.commit();
    assert!(matches!(world.sent[1].step.act, Act::Fence { broker: VICTIM, .. }), "{:?}", world.sent);
    assert!(world.kinds().contains(&"continued"), "{:?}", world.kinds());
}

#[test]
fn an_order_and_its_election_are_not_begun_with_less_time_than_those_before_them_took() {
    let act = ActPolicy { max_partitions_per_request: 3, ..ActPolicy::default() };
    let mut world = World::leading(Policy { act, ..policy(Mode::Auto) });
    world.kill();
    world.commit();
    assert!(matches!(world.sent[0].step.act, Act::Elect { .. }), "{:?}", world.sent);
    world.skip(ActPolicy::default().valid_for / 2 + Duration::from_millis(50));
    world.done();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    // What was done is verified first.
    world.read_back();
    world.commit();
    assert!(matches!(world.sent[1].step.act, Act::Elect { .. }), "{:?}", world.sent);
    assert_eq!(world.sent[1].within, ActPolicy::default().valid_for);
}

#[test]
fn each_act_starts_the_cool_downs_of_the_policy() {
    let guard = GuardPolicy {
        broker_cool_down: Duration::from_secs(7),
        cluster_cool_down: Duration::from_secs(70),
        demoted_for: Duration::from_secs(700),
        ..GuardPolicy::default()
    };
    let ends = |shape: &'static str, policy: Policy| {
        let mut world = World::leading_of(shape, Policy { guard: guard.clone(), ..policy }, Advice::Off);
        world.kill();
        world.peers_say(GONE);
        world.pulse();
        world.commit();
        assert_eq!(world.sent.len(), 1, "{:?}", world.kinds());
        let (state, taken_at) = (world.controller.state(), world.decisions()[0].snapshot.taken_at);
        let after = |cool_down: Option<&CoolDown>| cool_down.map(|one| one.until.since(taken_at).as_secs());
        let broker = (after(state.cool_downs.get(&VICTIM)), after(state.demoted.get(&VICTIM)));
        (broker.0, broker.1, after(state.cluster_cool_down.as_ref()))
    };
    assert_eq!(ends(PLAIN, policy(Mode::Auto)), (Some(7), Some(700), None));
    assert_eq!(ends(FOLLOWER, unregistering()), (Some(7), Some(700), Some(70)));
}

#[test]
fn nothing_is_done_about_a_broker_in_maintenance_and_nobody_is_to_lead_there() {
    let maintained = |broker: BrokerId| {
        let guard = GuardPolicy { maintenance: [broker].into(), ..GuardPolicy::default() };
        let mut world = World::leading(Policy { guard, ..policy(Mode::Auto) });
        world.kill();
        world.commit();
        world
    };
    let own = maintained(VICTIM);
    assert!(own.sent.is_empty(), "{:?}", own.sent);
    let held = DecisionVerdict::Nothing(Inaction::Held(vec![Objection::Maintenance(VICTIM)]));
    assert_eq!(own.decisions()[0].verdict, held);
    let target = maintained(BrokerId(2));
    let to: Vec<_> = target.sent[0].step.act.moves().iter().map(|one| one.to[0]).collect();
    assert_eq!(to, [BrokerId(3)]);
    let choices = &target.decisions()[0].plan.as_ref().unwrap().choices;
    let unfit = |one: &Candidate| one.broker == BrokerId(2) && one.verdict == Verdict::Unfit(Unfit::Maintenance);
    assert!(choices.iter().all(|choice| choice.candidates.iter().any(unfit)), "{choices:?}");
}

#[test]
fn a_pause_file_on_any_node_holds_what_would_be_sent() {
    let mut world = World::leading(policy(Mode::Auto));
    world.event(Event::PauseFile(PauseFile::Present));
    world.kill();
    world.commit();
    world.pass(Duration::from_secs(2));
    world.commit();
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    assert!(matches!(world.decisions()[0].verdict, DecisionVerdict::Nothing(_)));
    world.event(Event::PauseFile(PauseFile::Absent));
    world.pass(Duration::from_millis(500));
    world.commit();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
}
