//! A peer that is told nonsense, in every standing: it refuses or bears it, and never panics.

use bytes::Bytes;
use tanist::consensus::wire::{LogEntry, Members as WireMembers, PeerMessage, Snapshot};
use tanist::consensus::{Input, Members, Output};
use tanist::model::ids::NodeId;

use crate::lonely::{Lonely, follower, leader, message, said, trio};
use crate::random::Random;

/// Numbers that are nearly right are worse than wild ones.
fn number(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => u64::MAX,
        1 => 1 << 52,
        2 => random.next(),
        _ => random.below(14),
    }
}

fn entry(random: &mut Random, index: u64) -> LogEntry {
    let data = match random.below(4) {
        0 => Bytes::new(),
        1 => Bytes::from(vec![0xff; 3]),
        // A change of members: one voter with a small id added or removed.
        2 => Bytes::from(vec![0x12, 4, 8, u8::try_from(random.below(3)).unwrap(), 16, 3]),
        _ => Bytes::from_static(b"record"),
    };
    let index = if random.chance(900) { index } else { number(random) };
    LogEntry { kind: i32::try_from(random.below(4)).unwrap(), term: number(random), index, data }
}

fn any_message(random: &mut Random) -> PeerMessage {
    let index = number(random);
    let count = random.below(4);
    let ids = |random: &mut Random| (0..random.below(4)).map(|_| random.below(6)).collect::<Vec<_>>();
    let members = WireMembers {
        voters: ids(random),
        learners: ids(random),
        voters_outgoing: ids(random),
        learners_next: ids(random),
        auto_leave: random.chance(500),
    };
    let snapshot = Snapshot {
        index: number(random),
        term: number(random),
        members: Some(members),
        state: Bytes::from_static(b"s"),
    };
    PeerMessage {
        kind: i32::try_from(random.below(13)).unwrap() - 1,
        to: if random.chance(950) { 1 } else { number(random) },
        from: 2 + random.below(2),
        term: number(random),
        log_term: number(random),
        index,
        entries: (1..=count).map(|n| entry(random, index.saturating_add(n))).collect(),
        commit: number(random),
        commit_term: number(random),
        snapshot: random.chance(150).then_some(snapshot),
        reject: random.chance(300),
        reject_hint: number(random),
        transfer: random.chance(100),
    }
}

#[test]
fn nonsense_never_makes_a_peer_panic() {
    let mut refused = 0;
    let mut borne = 0;
    for seed in 0..crate::seeds() * 4 {
        let mut random = Random(seed);
        let mut lonely = match seed % 4 {
            0 => follower(),
            1 => leader(),
            2 => Lonely::new(trio()),
            _ => Lonely::new(Members::voters([NodeId(1)])),
        };
        for _ in 0..60 {
            let message = any_message(&mut random);
            let before = lonely.refused();
            lonely.give(Input::Message { from: NodeId(message.from), message: Box::new(message) });
            if random.chance(200) {
                lonely.give(Input::Tick);
            }
            if lonely.refused() > before {
                refused += 1;
            } else {
                borne += 1;
            }
            if lonely.peer.status().fault.is_some() {
                break;
            }
        }
    }
    assert!(refused > 1_000 && borne > 1_000, "{refused} refused, {borne} borne: the nonsense is of one kind only");
}

#[test]
fn a_heartbeat_that_counts_on_lost_entries_stops_the_node_for_good() {
    let mut lonely = follower();
    lonely.give(said(PeerMessage { commit: 40, ..message(6, 2, 0, 0) }));
    let fault = lonely.peer.status().fault.expect("a fault");
    assert!(lonely.outputs.contains(&Output::Faulted(fault)), "it is said");
    let told = fault.to_string();
    assert!(told.contains("up to 40") && told.contains("only 9") && told.contains("rejoin"), "{told}");
    assert_eq!(lonely.peer.step(Input::Tick), [], "a faulted peer says nothing more");
}
