//! Yes and no to plans: who said it, to what, in time, and on facts that still hold.

use std::time::Duration;

use super::world::{TERM, VICTIM, World};
use crate::control::event::{Event, PauseFile, Role};
use crate::decide::policy::{ActPolicy, Mode, Policy};
use crate::model::ids::{NodeId, Person, RequestId, Term};
use crate::model::operator::{Answer, Ask, NotFound, OperatorRequest, Refusal};
use crate::model::plan::PlanDigest;
use crate::model::record::{Body, Withdrawal};
use crate::model::ruling::Objection;

const STANDS_FOR: Duration = Duration::from_secs(3);

impl World {
    /// An operator asks; the ticket is the request's number.
    pub(super) fn ask(&mut self, id: u64, ask: Ask) {
        self.ask_as("ada", id, ask);
    }

    pub(super) fn ask_as(&mut self, person: &str, id: u64, ask: Ask) {
        let request = OperatorRequest { id: RequestId(id), by: Person(person.to_owned()), ask };
        self.event(Event::Asked { ticket: id, request });
    }
}

fn policy(mode: Mode) -> Policy {
    let act = ActPolicy { approval_expires: STANDS_FOR, ..ActPolicy::default() };
    Policy { mode, act, ..Policy::default() }
}

/// A leader is dead, and the plan that would cure it waits for a person.
fn offering() -> (World, PlanDigest) {
    let mut world = World::leading(policy(Mode::Approve));
    world.kill();
    world.commit();
    assert_eq!(offers(&world), [], "in a moment it has another name");
    world.pass(Duration::from_secs(1));
    world.commit();
    let [plan] = offers(&world)[..] else { panic!("{:?}", world.kinds()) };
    (world, plan)
}

fn offers(world: &World) -> Vec<PlanDigest> {
    world.controller.state().offers.keys().copied().collect()
}

/// The plans that a later round withdrew, having planned nothing in their place.
fn withdrawn(world: &World) -> Vec<PlanDigest> {
    let superseded = Withdrawal::Superseded { by: None };
    let plan = |body: &Body| {
        let Body::Withdrawn { plan, why } = body else { return None };
        (*why == superseded).then_some(*plan)
    };
    world.records.iter().filter_map(|record| plan(&record.body)).collect()
}

fn approve(plan: PlanDigest) -> Ask {
    Ask::Approve { digest: plan.to_string().parse().unwrap() }
}

fn reject(plan: PlanDigest) -> Ask {
    Ask::Reject { digest: plan.to_string().parse().unwrap(), reason: "not today".parse().unwrap() }
}

#[test]
fn a_yes_is_recorded_and_the_plan_is_carried_out() {
    let (mut world, plan) = offering();
    world.ask(1, approve(plan));
    assert!(world.sent.is_empty() && world.answers.is_empty());
    world.commit();
    assert!(matches!(world.answers[..], [(1, Answer::Done { record: Some(_), plan: Some(done) })] if done == plan));
    assert_eq!(world.sent.len(), 1);
    let kinds = world.kinds();
    assert_eq!(kinds.iter().filter(|kind| ["approved", "decided"].contains(kind)).count(), 3, "{kinds:?}");
    assert_eq!(offers(&world), []);
}

#[test]
fn a_plan_whose_time_is_over_is_not_carried_out() {
    let (mut world, plan) = offering();
    // Its end is not recorded yet.
    world.skip(STANDS_FOR);
    world.ask(1, approve(plan));
    world.pass(Duration::from_millis(250));
    world.commit();
    world.ask(2, approve(plan));
    let expired = || Answer::Refused(Refusal::Expired { plan });
    let withdrawn = |body: &Body| matches!(body, Body::Withdrawn { why: Withdrawal::Expired, .. });
    assert!(world.records.iter().any(|record| withdrawn(&record.body)), "{:?}", world.kinds());
    // While the finding stands the same plan may be on offer again: then the yes is to that one.
    match world.answers.as_slice() {
        [(1, first)] => assert_eq!(*first, expired()),
        [(1, first), (2, second)] => assert_eq!((first, second), (&expired(), &expired())),
        other => panic!("{other:?}"),
    }
    assert!(world.sent.is_empty());
}

#[test]
fn a_plan_whose_facts_have_moved_is_not_carried_out_and_the_answer_says_what_stands_instead() {
    let (mut world, plan) = offering();
    for partition in world.topology.partitions.values_mut() {
        partition.isr.remove(&crate::model::ids::BrokerId(2));
    }
    world.shape();
    world.ask(1, approve(plan));
    world.commit();
    let [(1, Answer::Superseded { plan: meant, by: Some(by), difference })] = &world.answers[..] else {
        panic!("{:?}", world.answers)
    };
    assert_eq!(*meant, plan);
    assert_ne!(*by, plan);
    assert_eq!(difference.iter().map(|one| one.part.as_str()).collect::<Vec<_>>(), ["steps"]);
    assert!(world.sent.is_empty());
}

#[test]
fn an_offer_falls_with_the_round_that_plans_nothing_in_its_place() {
    let (mut world, plan) = offering();
    for partition in world.topology.partitions.values_mut() {
        partition.isr = [VICTIM].into();
    }
    world.shape();
    world.pass(Duration::from_millis(250));
    world.commit();
    assert_eq!((offers(&world), withdrawn(&world)), (vec![], vec![plan]), "{:?}", world.kinds());
    world.ask(1, approve(plan));
    let [(1, Answer::Superseded { by: None, .. })] = &world.answers[..] else { panic!("{:?}", world.answers) };
    assert!(world.sent.is_empty());
}

/// A plan was approved and carried out, and the broker answers again, as its peers say.
fn moved_with_a_yes(peers: &'static str) -> World {
    let act = ActPolicy { failback_after: Duration::from_secs(2), ..ActPolicy::default() };
    let mut world = World::leading(Policy { mode: Mode::Approve, act, ..Policy::default() });
    world.kill();
    world.pass(Duration::from_secs(1));
    world.commit();
    world.ask(1, approve(offers(&world)[0]));
    world.commit();
    world.live(Duration::from_secs(1));
    assert_eq!(world.outcomes().len(), 1, "{:?}", world.kinds());
    world.revive_as(peers);
    world
}

/// The peers have not seen the broker green for long.
const UNSTABLE: &str = "n2 sees b1 green 100ms\nn3 sees b1 green 100ms\n";

#[test]
fn an_offer_to_give_leadership_back_falls_when_it_has_to_be_waited_for_again() {
    let mut world = moved_with_a_yes("");
    world.live(Duration::from_secs(15));
    let [plan] = offers(&world)[..] else { panic!("{:?}", world.kinds()) };
    assert_eq!(withdrawn(&world), []);
    world.revive_as(UNSTABLE);
    world.pass(Duration::from_millis(250));
    world.commit();
    assert_eq!((offers(&world), withdrawn(&world)), (vec![], vec![plan]), "{:?}", world.kinds());
}

#[test]
fn what_a_person_asked_for_stays_on_offer_whatever_rounds_plan() {
    let mut world = moved_with_a_yes(UNSTABLE);
    let case = *world.controller.state().cases.keys().next().unwrap();
    world.ask(2, Ask::Undo { case });
    world.commit();
    assert!(matches!(world.answers[1], (2, Answer::Offered { .. })), "{:?}", world.answers);
    world.live(Duration::from_secs(1));
    assert_eq!((offers(&world).len(), withdrawn(&world)), (1, vec![]), "{:?}", world.kinds());
}

#[test]
fn a_held_plan_is_refused_with_the_objections() {
    let (mut world, plan) = offering();
    world.event(Event::PauseFile(PauseFile::Present));
    world.commit();
    world.ask(1, approve(plan));
    world.commit();
    assert_eq!(world.answers, [(1, Answer::Refused(Refusal::Held(vec![Objection::Paused])))]);
    assert!(world.sent.is_empty());
}

#[test]
fn a_no_is_recorded_and_the_same_plan_is_not_offered_again() {
    let (mut world, plan) = offering();
    world.ask(1, reject(plan));
    world.commit();
    world.pass(Duration::from_secs(2));
    world.commit();
    assert!(matches!(world.answers[..], [(1, Answer::Done { record: Some(_), .. })]), "{:?}", world.answers);
    assert!(!offers(&world).contains(&plan), "a plan on newer facts is another one: {:?}", offers(&world));
    world.ask(2, approve(plan));
    assert!(matches!(world.answers[1], (2, Answer::NotFound(NotFound::Plan(_)))), "{:?}", world.answers);
}

#[test]
fn in_observe_nothing_can_be_approved() {
    let mut world = World::leading(policy(Mode::Observe));
    world.ask(1, Ask::Approve { digest: "abcdef".parse().unwrap() });
    assert_eq!(world.answers, [(1, Answer::Refused(Refusal::ObserveOnly))]);
}

/// The same offer, which two people must say yes to.
fn needing_two() -> (World, PlanDigest) {
    let (mut world, plan) = offering();
    let mut state = world.controller.state().clone();
    state.offers.get_mut(&plan).unwrap().people = 2;
    world.install(state);
    world.event(Event::Role(Role::Following { leader: NodeId(2), term: Term(TERM.0 + 1) }));
    world.event(Event::Role(Role::Leading(Term(TERM.0 + 2))));
    world.commit();
    assert_eq!(offers(&world), [plan], "{:?}", world.kinds());
    (world, plan)
}

#[test]
fn a_plan_for_two_people_takes_two_different_ones() {
    let (mut world, plan) = needing_two();
    world.ask_as("ada", 1, approve(plan));
    world.commit();
    assert_eq!(world.answers, [(1, Answer::NeedsMore { plan, people: 1 })]);
    world.ask_as("ada", 2, approve(plan));
    let again = Refusal::AlreadyApproved { by: Person("ada".to_owned()) };
    assert_eq!(world.answers[1], (2, Answer::Refused(again)));
    assert!(world.sent.is_empty());
    world.ask_as("bob", 3, approve(plan));
    world.commit();
    assert!(matches!(world.answers[2], (3, Answer::Done { .. })), "{:?}", world.answers);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn two_people_who_say_yes_at_once_are_heard_one_after_the_other() {
    let (mut two, plan) = needing_two();
    two.ask_as("ada", 1, approve(plan));
    two.ask_as("bob", 2, approve(plan));
    two.commit();
    assert!(matches!(two.answers[..], [(1, Answer::NeedsMore { .. }), (2, Answer::Done { .. })]), "{:?}", two.answers);
    assert_eq!(two.sent.len(), 1);

    let (mut one, plan) = offering();
    one.ask_as("ada", 1, approve(plan));
    one.ask_as("bob", 2, approve(plan));
    one.commit();
    assert_eq!((one.sent.len(), one.answers.len()), (1, 2), "{:?}", one.answers);
    assert!(matches!(one.answers[0], (1, Answer::Done { .. })), "{:?}", one.answers);
    assert!(!matches!(one.answers[1], (2, Answer::Done { .. })), "{:?}", one.answers);
}

#[test]
fn an_order_that_still_waits_when_leading_ends_is_answered_too() {
    let (mut world, plan) = offering();
    world.ask_as("ada", 1, reject(plan));
    world.ask_as("bob", 2, approve(plan));
    world.event(Event::Role(Role::Leaderless(Term(TERM.0 + 1))));
    let mut answers = world.answers.clone();
    answers.sort_by_key(|(ticket, _)| *ticket);
    assert_eq!(answers, [(1, Answer::Unanswered), (2, Answer::Unanswered)]);
}

#[test]
fn nobody_is_told_that_it_is_done_because_of_somebody_elses_record() {
    let pause = || Ask::Pause { reason: "a drill".parse().unwrap() };
    let mut world = World::leading(policy(Mode::Auto));
    world.ask_as("bob", 1, pause());
    let bobs = std::mem::take(&mut world.proposed);
    // Given up, as it is not committed for long, and on its way all the same.
    world.pass(Duration::from_secs(11));
    world.proposed.clear();
    world.ask_as("ada", 2, pause());
    world.proposed = bobs;
    world.commit_once();
    assert!(matches!(world.answers[..], [(1, Answer::Done { .. }), (2, Answer::Unanswered)]), "{:?}", world.answers);
}
