//! What happens to the world from outside: clients, faults, and the operator who replaces a wiped node.

use std::time::Duration;

use bytes::Bytes;
use tanist::consensus::{Input, Proposal, Recovered};
use tanist::model::ids::NodeId;

use crate::checks::Violation;
use crate::rejoin::Rejoin;
use crate::world::{Chaos, Event, World, millis};

impl World {
    /// A client proposes a record to whoever it happens to reach.
    pub(crate) fn client(&mut self) -> Result<(), Violation> {
        let pause = millis(20 + self.random.below(80));
        self.at(pause, Event::Client);
        if self.chaos == Chaos::None && self.now > Duration::from_secs(20) {
            return Ok(());
        }
        self.tokens += 1;
        let token = self.tokens;
        let filler = usize::try_from(self.random.below(60)).expect("small");
        let bytes = Bytes::from([&token.to_be_bytes()[..], &vec![7; filler][..]].concat());
        let id = self.any_node();
        self.give(id, Input::Propose(Proposal { token, bytes }))
    }

    /// Something bad happens.
    pub(crate) fn mischief(&mut self) -> Result<(), Violation> {
        if self.chaos == Chaos::None {
            return Ok(());
        }
        let pause = millis(100 + self.random.below(1_200));
        self.at(pause, Event::Mischief);
        let (victim, other) = (self.any_node(), self.any_node());
        let span = millis(100 + self.random.below(2_500));
        match self.random.below(6) {
            0 | 1 => {
                self.crash(victim);
                self.at(span, Event::Restart { node: victim });
            }
            2 => {
                self.cut.insert((victim, other));
                self.at(span, Event::Heal { from: victim, to: other });
            }
            3 => {
                self.cut_off(victim);
                for (from, to) in self.cut.clone() {
                    self.at(span, Event::Heal { from, to });
                }
            }
            4 => self.stall_disk(victim, span),
            _ => {
                if let Some(leader) = self.leading() {
                    self.give(leader, Input::TransferLeadership { to: victim })?;
                }
            }
        }
        Ok(())
    }

    /// Wipes a disk once two others are well, then asks whoever leads for the replacement until it is done.
    pub(crate) fn operator(&mut self) -> Result<(), Violation> {
        self.at(millis(300), Event::Operator);
        let all_up = self.nodes.values().all(|node| node.peer.is_some());
        if self.rejoin == Rejoin::NotNeeded && all_up {
            let (gone, new) = (self.any_node(), NodeId(4));
            self.crash(gone);
            self.rejoin = Rejoin::Wanted { gone, new };
            self.add(new, Recovered::waiting_to_be_admitted());
            // What is gone never comes back, not even at the end.
            self.nodes.remove(&gone);
        }
        let Some(leader) = self.leading() else { return Ok(()) };
        self.tokens += 1;
        let wish = self.rejoin.next(self.tokens, &self.nodes[&leader].seen.clone());
        wish.map_or(Ok(()), |wish| self.give(leader, wish))
    }
}
