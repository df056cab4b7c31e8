//! What a peer answers to those who want something of it.

use bytes::Bytes;
use tanist::consensus::wire::{MessageKind, PeerMessage};
use tanist::consensus::{DropReason, Input, MemberChange, Output, Peer, PeerOptions, Proposal, Recovered, Standing};
use tanist::model::ids::{NodeId, RaftIndex, Term};

use crate::lonely::{Lonely, asks_for_vote, follower, leader, message, record, said, sent_message, trio};

const TOKEN: u64 = 77;

fn proposal(bytes: &'static [u8]) -> Input {
    Input::Propose(Proposal { token: TOKEN, bytes: Bytes::from_static(bytes) })
}

fn change(change: MemberChange) -> Input {
    Input::ChangeMembers { token: TOKEN, change }
}

/// Gives the input, and what came of its token.
fn answer(lonely: &mut Lonely, input: Input) -> Result<(RaftIndex, Term), DropReason> {
    lonely.outputs.clear();
    lonely.give(input);
    let answers = lonely.outputs.iter().filter_map(|output| {
        if let Output::Proposed { token: TOKEN, index, term } = output {
            return Some(Ok((*index, *term)));
        }
        if let Output::Dropped { token: TOKEN, why } = output { Some(Err(*why)) } else { None }
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 1, "one answer: {:?}", lonely.outputs);
    answers[0]
}

/// The other two hold everything that the leader holds.
fn acknowledge(lonely: &mut Lonely) {
    let status = lonely.peer.status();
    for from in [2, 3] {
        let acknowledged = PeerMessage { from, ..message(2, status.role.term.0, status.last.0, 0) };
        lonely.give(Input::Message { from: NodeId(from), message: Box::new(acknowledged) });
    }
}

/// Gives after how many ticks it asks the others for their votes.
fn ticks_until_it_asks(lonely: &mut Lonely) -> usize {
    lonely.outputs.clear();
    let asks = |output: &Output| sent_message(output).is_some_and(asks_for_vote);
    let mut ticks = 0;
    while !lonely.outputs.iter().any(asks) {
        lonely.give(Input::Tick);
        ticks += 1;
    }
    ticks
}

#[test]
fn whoever_was_not_elected_asks_again_before_another_whole_timeout() {
    let mut lonely = follower();
    let whole = PeerOptions::new(NodeId(1), 0).election_ticks;
    assert!(whole <= ticks_until_it_asks(&mut lonely), "the first time it must not be sooner");
    for _ in 0..50 {
        let again = ticks_until_it_asks(&mut lonely);
        assert!((2..whole).contains(&again), "asked again after {again} ticks");
    }
}

#[test]
fn a_follower_takes_nothing_and_names_the_leader() {
    let mut lonely = follower();
    assert_eq!(answer(&mut lonely, proposal(b"x")), Err(DropReason::NotLeader(Some(NodeId(2)))));
    let learner = change(MemberChange::AddLearner(NodeId(4)));
    assert_eq!(answer(&mut lonely, learner), Err(DropReason::NotLeader(Some(NodeId(2)))));
    lonely.outputs.clear();
    lonely.give(Input::TransferLeadership { to: NodeId(1) });
    assert!(lonely.outputs.is_empty(), "a wish for another leader is not forwarded");
}

#[test]
fn a_record_that_is_empty_or_too_large_is_dropped() {
    let mut lonely = leader();
    assert_eq!(answer(&mut lonely, proposal(b"")), Err(DropReason::Empty));
    let limit = PeerOptions::new(NodeId(1), 0).record_bytes_max;
    let large = Input::Propose(Proposal { token: TOKEN, bytes: Bytes::from(vec![1; limit + 1]) });
    assert_eq!(answer(&mut lonely, large), Err(DropReason::TooLarge));
}

#[test]
fn a_leader_that_hands_over_takes_nothing_until_that_is_done() {
    let mut lonely = leader();
    lonely.give(Input::TransferLeadership { to: NodeId(2) });
    assert_eq!(answer(&mut lonely, proposal(b"x")), Err(DropReason::HandingOver));
}

#[test]
fn too_much_uncommitted_is_refused() {
    let mut lonely = leader();
    let limit = PeerOptions::new(NodeId(1), 0).record_bytes_max;
    let outcome = (0..200).find_map(|_| {
        let large = Input::Propose(Proposal { token: TOKEN, bytes: Bytes::from(vec![1; limit]) });
        answer(&mut lonely, large).err()
    });
    assert_eq!(outcome, Some(DropReason::Overloaded));
}

#[test]
fn leading_is_announced_only_after_an_own_entry_is_applied() {
    let mut lonely = leader();
    let standings = |lonely: &Lonely| {
        let became = |output: &Output| if let Output::Became(role) = output { Some(role.standing) } else { None };
        lonely.outputs.iter().filter_map(became).collect::<Vec<_>>()
    };
    assert!(standings(&lonely).contains(&Standing::Elected));
    assert!(!standings(&lonely).contains(&Standing::Leading));
    acknowledge(&mut lonely);
    assert_eq!(standings(&lonely).last(), Some(&Standing::Leading));
    let at = |wanted: fn(&Output) -> bool| lonely.outputs.iter().position(wanted).unwrap();
    let led = at(|o| matches!(o, Output::Became(role) if role.standing == Standing::Leading));
    assert!(at(|o| matches!(o, Output::Committed(_))) < led, "what it applied comes first");
}

#[test]
fn a_proposal_whose_place_another_leader_took_is_said_to_be_lost() {
    let mut lonely = leader();
    acknowledge(&mut lonely);
    let (index, term) = answer(&mut lonely, proposal(b"x")).unwrap();
    lonely.outputs.clear();
    let newer = PeerMessage {
        commit: index.0,
        entries: vec![record(index.0, term.0 + 1)],
        ..message(1, term.0 + 1, index.0 - 1, term.0)
    };
    lonely.give(said(newer));
    let lost = Output::Dropped { token: TOKEN, why: DropReason::Superseded };
    assert!(lonely.outputs.contains(&lost), "{:?}", lonely.outputs);
    assert!(matches!(lonely.outputs.first(), Some(Output::Became(role)) if role.standing == Standing::Follower));
}

#[test]
fn impossible_changes_of_the_members_are_refused() {
    let mut lonely = leader();
    let learner = change(MemberChange::AddLearner(NodeId(4)));
    acknowledge(&mut lonely);
    for (wish, why) in [
        (MemberChange::AddLearner(NodeId(2)), DropReason::ImpossibleChange),
        (MemberChange::AddLearner(NodeId(0)), DropReason::ImpossibleChange),
        (MemberChange::Remove(NodeId(1)), DropReason::WouldRemoveLeader),
        (MemberChange::Remove(NodeId(9)), DropReason::ImpossibleChange),
        (MemberChange::Replace { learner: NodeId(4), gone: NodeId(3) }, DropReason::ImpossibleChange),
        (MemberChange::Replace { learner: NodeId(4), gone: NodeId(1) }, DropReason::WouldRemoveLeader),
    ] {
        assert_eq!(answer(&mut lonely, change(wish)), Err(why), "{wish:?}");
    }
    assert!(answer(&mut lonely, learner).is_ok());
    assert_eq!(answer(&mut lonely, change(MemberChange::AddLearner(NodeId(5)))), Err(DropReason::ChangePending));
    acknowledge(&mut lonely);
    assert!(lonely.peer.status().members.learners.contains(&NodeId(4)));
    let replace = change(MemberChange::Replace { learner: NodeId(4), gone: NodeId(3) });
    assert_eq!(answer(&mut lonely, replace), Err(DropReason::LearnerBehind), "it has acknowledged nothing");
}

#[test]
fn while_the_disk_is_busy_inputs_wait_and_too_many_are_dropped() {
    let options = PeerOptions { queue_inputs_max: 3, ..PeerOptions::new(NodeId(1), 5) };
    let (mut peer, _) = Peer::start(options, Recovered::first_members(trio())).unwrap();
    let append = PeerMessage { entries: vec![record(2, 2)], ..message(1, 2, 1, 1) };
    let outputs = peer.step(said(append));
    let token = outputs.iter().find_map(|o| if let Output::Persist(p) = o { Some(p.token) } else { None }).unwrap();
    assert!(outputs.iter().filter_map(sent_message).next().is_none(), "nothing is acknowledged before it is kept");
    for _ in 0..3 {
        assert_eq!(peer.step(Input::Tick), []);
    }
    assert_eq!(peer.step(proposal(b"x")), [Output::Dropped { token: TOKEN, why: DropReason::Overloaded }]);
    let outputs = peer.step(Input::Persisted(token));
    let acknowledged = outputs.iter().filter_map(sent_message).next().expect("an acknowledgement");
    assert_eq!((acknowledged.kind, acknowledged.index), (2, 2));
    assert_eq!(peer.status().queued_inputs, 0);
}

#[test]
fn of_the_heartbeats_that_wait_for_the_disk_the_newest_is_answered() {
    let (mut peer, _) = Peer::start(PeerOptions::new(NodeId(1), 5), Recovered::first_members(trio())).unwrap();
    let append = PeerMessage { entries: vec![record(2, 2)], ..message(1, 2, 1, 1) };
    let outputs = peer.step(said(append));
    let token = outputs.iter().find_map(|o| if let Output::Persist(p) = o { Some(p.token) } else { None }).unwrap();
    let beat = i32::from(MessageKind::Heartbeat);
    for commit in [1, 1, 2] {
        assert_eq!(peer.step(said(PeerMessage { commit, ..message(beat, 2, 0, 0) })), []);
        assert_eq!(peer.status().queued_inputs, 1);
    }
    let mut lonely = Lonely { peer, outputs: Vec::new() };
    lonely.give(Input::Persisted(token));
    let answer = i32::from(MessageKind::HeartbeatResponse);
    assert_eq!(lonely.outputs.iter().filter_map(sent_message).filter(|sent| sent.kind == answer).count(), 1);
    assert_eq!(lonely.peer.status().commit, RaftIndex(2), "what the newest says counts");
}
