//! The adviser's part: asked beside what is done at once, waited for before what is costly, never obeyed in what it may not.

use std::time::Duration;

use super::given::{FOLLOWER, GONE, unregistering};
use super::world::World;
use crate::control::Advice;
use crate::decide::fixture::PLAIN;
use crate::decide::policy::{ActPolicy, Mode, Permission, Policy};
use crate::model::advice::{Alternative, Grounded, Hold, NoOpinion, Outcome, Settled, Verdict, Why};
use crate::model::operator::Ask;
use crate::model::plan::Class;
use crate::model::record::DecisionVerdict;

fn says(verdict: Verdict) -> Outcome {
    let (reasons, risks, missing, dropped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Outcome::Said(Grounded {
        verdict,
        confidence_pct: 50,
        reasons,
        risks,
        missing,
        alternative: Alternative::None,
        dropped,
    })
}

/// A broker that follows is dead: only unregistering it helps, which is of class R2.
fn dead_follower(policy: Policy, advice: Advice) -> World {
    let mut world = World::leading_of(FOLLOWER, policy, advice);
    world.kill();
    world.peers_say(GONE);
    world.pulse();
    world.commit();
    world
}

fn auto(mode: Mode) -> Policy {
    Policy { mode, ..Policy::default() }
}

/// What the newest decision came to.
fn newest(world: &World) -> (&'static str, Option<Settled>) {
    let decision = *world.decisions().last().unwrap();
    let verdict = match &decision.verdict {
        DecisionVerdict::Act { .. } => "act",
        DecisionVerdict::WouldAct => "would",
        DecisionVerdict::Offer { .. } => "offer",
        DecisionVerdict::Nothing(_) => "nothing",
    };
    (verdict, decision.advice)
}

#[test]
fn an_act_that_needs_no_leave_is_sent_in_the_same_breath_as_the_question() {
    let mut world = World::leading_of(PLAIN, auto(Mode::Auto), Advice::On);
    world.kill();
    world.commit_once();
    assert_eq!((world.briefs.len(), world.sent.len()), (1, 1), "{:?}", world.kinds());
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(Why::ClassNeedsNone))));
    world.advise(says(Verdict::Veto));
    world.commit();
    assert_eq!(world.kinds().last(), Some(&"opinion"));
    world.advise(says(Verdict::Veto));
    world.commit();
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "opinion").count(), 1, "{:?}", world.kinds());
}

#[test]
fn without_an_adviser_the_record_says_so() {
    let mut world = World::leading(auto(Mode::Auto));
    world.kill();
    world.commit();
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(Why::NoAdviser))));
    assert_eq!(newest(&dead_follower(unregistering(), Advice::Off)), ("act", Some(Settled::Proceed(Why::NoAdviser))));
}

#[test]
fn a_costly_act_waits_for_the_adviser_and_is_sent_once_it_finds_nothing_against_it() {
    let mut world = dead_follower(unregistering(), Advice::On);
    assert_eq!((world.briefs.len(), world.sent.len(), world.decisions().len()), (1, 0, 0));
    assert_eq!(world.briefs[0].2, Class::R2);
    world.advise(says(Verdict::Approve));
    world.commit();
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(Why::Approved))));
    assert_eq!((world.briefs.len(), world.sent.len()), (1, 1));
}

#[test]
fn a_veto_is_put_before_a_person_until_the_rules_have_confirmed_again() {
    let mut world = dead_follower(unregistering(), Advice::On);
    world.advise(says(Verdict::Veto));
    world.commit();
    assert_eq!(newest(&world), ("offer", Some(Settled::Hold(Hold::Vetoed))));
    assert!(world.kinds().contains(&"attention"), "{:?}", world.kinds());
    world.pass(Duration::from_secs(9));
    world.commit();
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    // The dead broker blocks acks=all all the while.
    world.pass(Duration::from_secs(2));
    world.commit();
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(Why::Overridden(Verdict::Veto)))));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn silence_is_waited_for_and_holds_nothing_back_while_writes_fail() {
    let mut world = dead_follower(unregistering(), Advice::On);
    world.pass(Duration::from_secs(2));
    world.commit();
    assert_eq!((world.decisions().len(), world.sent.len()), (0, 0));
    world.pass(Duration::from_secs(2));
    world.commit();
    let silence = Why::SilenceWhileWritesFail(NoOpinion::Deadline);
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(silence))));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn the_adviser_is_asked_beside_an_offer_and_beside_what_would_be_done() {
    let act = ActPolicy { unregister: Permission::Allowed, ..ActPolicy::default() };
    for (mode, verdict) in [(Mode::Auto, "offer"), (Mode::Approve, "offer"), (Mode::Observe, "would")] {
        let world = dead_follower(Policy { mode, act: act.clone(), ..Policy::default() }, Advice::On);
        assert_eq!(newest(&world), (verdict, None), "{mode:?}");
        assert_eq!((world.briefs.len(), world.sent.len()), (1, 0), "{mode:?}");
    }
}

#[test]
fn whoever_says_yes_before_the_adviser_has_answered_did_not_wait_for_it_and_the_record_says_so() {
    let act = ActPolicy { unregister: Permission::Allowed, ..ActPolicy::default() };
    let mut world = dead_follower(Policy { mode: Mode::Auto, act, ..Policy::default() }, Advice::On);
    let plan = *world.controller.state().offers.keys().next().unwrap();
    world.ask(1, Ask::Approve { digest: plan.to_string().parse().unwrap() });
    world.commit();
    let silence = Why::SilenceWhileWritesFail(NoOpinion::NotAwaited);
    assert_eq!(newest(&world), ("act", Some(Settled::Proceed(silence))));
}
