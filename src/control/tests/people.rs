//! What people order, and what they are answered.

use std::time::Duration;

use super::given::GONE;
use super::world::World;
use crate::control::event::{Event, PauseFile, Role};
use crate::control::state::State;
use crate::decide::policy::{Mode, Policy};
use crate::model::ids::{NodeId, Term};
use crate::model::operator::{Answer, Ask, Refusal};
use crate::model::record::DecisionVerdict;

fn auto() -> World {
    World::leading(Policy { mode: Mode::Auto, ..Policy::default() })
}

fn pause() -> Ask {
    Ask::Pause { reason: "a drill".parse().unwrap() }
}

#[test]
fn an_order_is_answered_once_its_record_is_committed_and_a_repeated_one_is_recognised() {
    let mut world = auto();
    world.ask(7, pause());
    assert!(world.answers.is_empty(), "{:?}", world.answers);
    world.commit();
    assert!(matches!(world.answers[..], [(7, Answer::Done { record: Some(_), .. })]), "{:?}", world.answers);
    let (head, records) = (world.controller.state().head, world.records.len());
    world.ask(7, pause());
    world.commit();
    assert!(matches!(world.answers[1], (7, Answer::Done { record: None, .. })), "{:?}", world.answers);
    assert_eq!((world.controller.state().head, world.records.len()), (head, records));
    world.ask(8, pause());
    world.commit();
    assert_eq!(world.records.len(), records + 1);
}

#[test]
fn a_pause_holds_until_somebody_resumes() {
    let mut world = auto();
    world.ask(1, pause());
    world.commit();
    world.kill();
    world.commit();
    world.pass(Duration::from_secs(1));
    world.commit();
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    assert!(world.decisions().iter().all(|one| matches!(one.verdict, DecisionVerdict::Nothing(_))));
    world.ask(2, Ask::Resume);
    world.commit();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
}

#[test]
fn whoever_waits_when_leading_ends_is_told_that_it_is_not_known() {
    let mut deposed = auto();
    deposed.ask(1, pause());
    deposed.event(Event::Role(Role::Following { leader: NodeId(2), term: Term(4) }));
    assert!(matches!(deposed.answers[..], [(1, Answer::Unanswered)]), "{:?}", deposed.answers);

    let mut replaced = auto();
    replaced.ask(1, pause());
    replaced.install(State::default());
    assert!(matches!(replaced.answers[..], [(1, Answer::Unanswered)]), "{:?}", replaced.answers);
    assert!(matches!(replaced.controller.role(), Role::Leaderless(_)));
}

#[test]
fn a_follower_names_the_leader_to_whoever_orders() {
    let mut world = auto();
    world.event(Event::Role(Role::Following { leader: NodeId(2), term: Term(4) }));
    world.ask(1, pause());
    assert!(matches!(world.answers[..], [(1, Answer::NotLeader { leader: NodeId(2), .. })]), "{:?}", world.answers);
}

#[test]
fn a_pause_file_is_recorded_and_holds_until_its_own_node_takes_it_back() {
    for file in [PauseFile::Present, PauseFile::Unreadable] {
        let mut world = auto();
        world.files.insert(NodeId(3), file);
        world.pass(Duration::from_millis(250));
        world.commit();
        assert_eq!(world.kinds().last(), Some(&"pause file"));
        assert_eq!(world.controller.state().pause_files, [(NodeId(3), file)].into());
        // Longer than a report is kept.
        world.silent.insert(NodeId(3));
        world.kill();
        world.peers_say(GONE);
        world.pass(Duration::from_secs(15));
        world.commit();
        world.ask(1, Ask::Resume);
        let refusal = Answer::Refused(Refusal::PausedByFile { node: NodeId(3) });
        assert_eq!(world.answers, [(1, refusal)]);
        assert!(world.sent.is_empty(), "{:?}", world.sent);
        world.silent.clear();
        world.files.clear();
        world.pass(Duration::from_millis(500));
        world.commit();
        assert_eq!(world.kinds().iter().filter(|kind| **kind == "pause file").count(), 2);
        assert!(world.controller.state().pause_files.is_empty());
        assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    }
}
