//! Proposals: records and changes of the members, taken by the leader alone and answered for each token.

use bytes::Bytes;
use raft::{StateRole, eraftpb};

use super::io::{DropReason, Output, Proposal};
use super::members::{self, MemberChange};
use super::peer::{Peer, leader};
use crate::model::ids::{RaftIndex, Term};

impl Peer {
    /// Puts a record into the log, or says why not.
    pub(super) fn propose(&mut self, proposal: Proposal) {
        let Proposal { token, bytes } = proposal;
        let dropped = if bytes.is_empty() {
            Some(DropReason::Empty)
        } else if self.options.record_bytes_max < bytes.len() {
            Some(DropReason::TooLarge)
        } else {
            self.cannot_propose()
        };
        if let Some(why) = dropped {
            self.out.push(Output::Dropped { token, why });
            return;
        }
        let proposed = self.raw.propose(Vec::new(), bytes.to_vec());
        self.proposed(token, proposed.is_ok());
    }

    /// Puts a change of the members into the log, or says why not.
    pub(super) fn change_members(&mut self, token: u64, change: MemberChange) {
        let planned = match self.cannot_propose() {
            Some(why) => Err(why),
            None => members::plan_change(&self.raw.raft, change),
        };
        match planned {
            Err(why) => self.out.push(Output::Dropped { token, why }),
            Ok(body) => {
                let mut entry = eraftpb::Entry::default();
                entry.set_entry_type(eraftpb::EntryType::EntryConfChangeV2);
                entry.data = Bytes::from(body);
                let mut wish = eraftpb::Message::default();
                wish.set_msg_type(eraftpb::MessageType::MsgPropose);
                wish.from = self.options.id.0;
                wish.set_entries(vec![entry].into());
                let proposed = self.raw.raft.step(wish);
                self.proposed(token, proposed.is_ok());
            }
        }
    }

    /// A follower's raft would forward a proposal and never say what became of it.
    fn cannot_propose(&self) -> Option<DropReason> {
        let raft = &self.raw.raft;
        if raft.state != StateRole::Leader {
            return Some(DropReason::NotLeader(leader(raft.leader_id)));
        }
        raft.lead_transferee.map(|_| DropReason::HandingOver)
    }

    fn proposed(&mut self, token: u64, accepted: bool) {
        if !accepted {
            self.out.push(Output::Dropped { token, why: DropReason::Overloaded });
            return;
        }
        let index = RaftIndex(self.raw.raft.raft_log.last_index());
        let term = Term(self.raw.raft.term);
        self.proposals.insert(index, (term, token));
        self.out.push(Output::Proposed { token, index, term });
    }
}
