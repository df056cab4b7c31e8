//! One peer alone with a perfect disk, and messages written by hand: for what a whole world would hide.

use bytes::Bytes;
use tanist::consensus::wire::{LogEntry, MessageKind, PeerMessage};
use tanist::consensus::{Input, Members, Output, Peer, PeerOptions, Proposal, Recovered, Standing};
use tanist::model::ids::{NodeId, RaftIndex};

/// A peer whose disk is perfect.
pub(crate) struct Lonely {
    pub(crate) peer: Peer,
    pub(crate) outputs: Vec<Output>,
}

impl Lonely {
    pub(crate) fn new(members: Members) -> Self {
        let (peer, outputs) = Peer::start(PeerOptions::new(NodeId(1), 5), Recovered::first_members(members)).unwrap();
        Self { peer, outputs }
    }

    pub(crate) fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.peer.step(input) {
                if let Output::Persist(persist) = &output {
                    inputs.push(Input::Persisted(persist.token));
                }
                self.outputs.push(output);
            }
        }
    }

    pub(crate) fn refused(&self) -> usize {
        self.outputs.iter().filter(|output| matches!(output, Output::Rejected { .. })).count()
    }
}

pub(crate) fn trio() -> Members {
    Members::voters([NodeId(1), NodeId(2), NodeId(3)])
}

/// A follower with a log of its own term and a commit index in its middle.
pub(crate) fn follower() -> Lonely {
    let mut lonely = Lonely::new(trio());
    let entries = (2..=9).map(|index| record(index, 2)).collect();
    let append = PeerMessage { commit: 5, entries, ..message(1, 2, 1, 1) };
    lonely.give(said(append));
    assert_eq!(lonely.peer.status().applied, RaftIndex(5), "the follower took the entries");
    lonely
}

/// A leader of three with records that nobody has acknowledged.
pub(crate) fn leader() -> Lonely {
    let mut lonely = Lonely::new(trio());
    while lonely.peer.status().role.standing != Standing::Elected {
        lonely.give(Input::Tick);
        let mut sent = lonely.outputs.iter().rev().filter_map(sent_message);
        let asked = sent.find(|sent| sent.to == 2 && asks_for_vote(sent)).cloned();
        if let Some(asked) = asked {
            let granted = PeerMessage { kind: asked.kind + 1, term: asked.term, ..message(4, 1, 0, 0) };
            lonely.give(said(granted));
        }
    }
    for token in 0..5 {
        lonely.give(Input::Propose(Proposal { token, bytes: Bytes::from_static(b"record") }));
    }
    lonely
}

pub(crate) fn sent_message(output: &Output) -> Option<&PeerMessage> {
    if let Output::Send { message, .. } = output { Some(message) } else { None }
}

/// Tells whether a message asks for a vote, or whether there would be one.
pub(crate) fn asks_for_vote(message: &PeerMessage) -> bool {
    matches!(message.kind(), MessageKind::RequestVote | MessageKind::RequestPreVote)
}

pub(crate) fn said(message: PeerMessage) -> Input {
    Input::Message { from: NodeId(2), message: Box::new(message) }
}

pub(crate) fn message(kind: i32, term: u64, index: u64, log_term: u64) -> PeerMessage {
    PeerMessage { kind, from: 2, to: 1, term, index, log_term, ..PeerMessage::default() }
}

pub(crate) fn record(index: u64, term: u64) -> LogEntry {
    LogEntry { kind: 1, term, index, data: Bytes::from_static(b"record") }
}
