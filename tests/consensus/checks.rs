//! The invariants, looked at after every event. They know every node's outputs and nothing of its insides.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use tanist::consensus::{Committed, Role, Standing};
use tanist::model::ids::{NodeId, RaftIndex, Term};

/// An invariant that does not hold.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A state machine: the chain of all records applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Machine {
    /// Everything up to here is applied.
    pub(crate) applied: RaftIndex,
    /// The chain's head.
    pub(crate) head: [u8; 32],
}

impl Machine {
    /// Gives the whole state as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.applied.0.to_be_bytes()[..], &self.head[..]].concat()
    }

    /// Reads a state back; none is the state at the beginning.
    pub(crate) fn from_bytes(bytes: &[u8], applied: RaftIndex) -> Self {
        if bytes.is_empty() {
            return Self { applied, head: [0; 32] };
        }
        let (number, head) = bytes.split_at(8);
        let machine =
            Self { applied: RaftIndex(u64::from_be_bytes(number.try_into().unwrap())), head: head.try_into().unwrap() };
        assert_eq!(machine.applied, applied, "a snapshot's state is of the index it names");
        machine
    }

    fn apply(&mut self, index: RaftIndex, bytes: &[u8]) {
        self.head = Sha256::new()
            .chain_update(self.head)
            .chain_update(index.0.to_be_bytes())
            .chain_update(bytes)
            .finalize()
            .into();
        self.applied = index;
    }
}

/// What all nodes together have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    leaders: BTreeMap<Term, NodeId>,
    committed: BTreeMap<RaftIndex, (Term, Vec<u8>)>,
    heads: BTreeMap<RaftIndex, [u8; 32]>,
    acknowledged: BTreeMap<u64, RaftIndex>,
}

impl Checks {
    /// At most one node leads in a term, and it has applied everything that earlier leaders committed.
    pub(crate) fn role(&mut self, node: NodeId, role: Role, machine: &Machine) -> Result<(), Violation> {
        match role.standing {
            Standing::Follower | Standing::Candidate => return Ok(()),
            Standing::Elected | Standing::Leading => {}
        }
        let first = *self.leaders.entry(role.term).or_insert(node);
        if first != node {
            return Err(Violation(format!("{first} and {node} both lead in term {}", role.term)));
        }
        let missed = self.committed.iter().find(|(index, (term, _))| *term < role.term && machine.applied < **index);
        match missed {
            Some((index, _)) if role.standing == Standing::Leading => Err(Violation(format!(
                "{node} leads in term {} but has applied only up to {}: it misses {index}",
                role.term, machine.applied
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Every node gives out the same records at the same places, in order, and reaches the same state.
    pub(crate) fn committed(
        &mut self,
        node: NodeId,
        given: &Committed,
        machine: &mut Machine,
    ) -> Result<(), Violation> {
        for record in &given.records {
            if record.index <= machine.applied {
                return Err(Violation(format!("{node} gives {} out again", record.index)));
            }
            let mine = (record.term, record.bytes.to_vec());
            let first = self.committed.entry(record.index).or_insert_with(|| mine.clone());
            if *first != mine {
                return Err(Violation(format!("{node} gives out another record at {} than others did", record.index)));
            }
            machine.apply(record.index, &record.bytes);
        }
        if given.up_to < machine.applied {
            return Err(Violation(format!("{node} goes back from {} to {}", machine.applied, given.up_to)));
        }
        machine.applied = given.up_to;
        self.state(node, machine)
    }

    /// Two states at the same index are equal.
    pub(crate) fn state(&mut self, node: NodeId, machine: &Machine) -> Result<(), Violation> {
        let first = *self.heads.entry(machine.applied).or_insert(machine.head);
        if first == machine.head {
            Ok(())
        } else {
            Err(Violation(format!("{node} has another state at {} than others had", machine.applied)))
        }
    }

    /// A proposal's fate is known: it is at this place for good.
    pub(crate) fn acknowledged(&mut self, token: u64, index: RaftIndex) {
        self.acknowledged.insert(token, index);
    }

    /// At the end a node holds everything that was ever committed, and everything that was ever acknowledged.
    pub(crate) fn complete(&self, node: NodeId, machine: &Machine) -> Result<(), Violation> {
        let mut whole = Machine::default();
        for (index, (_, bytes)) in &self.committed {
            whole.apply(*index, bytes);
        }
        if whole.head != machine.head {
            return Err(Violation(format!("{node} ends with another state than all that was committed gives")));
        }
        let held = |token: &u64, index: &RaftIndex| {
            self.committed.get(index).is_some_and(|(_, bytes)| bytes.get(..8) == Some(&token.to_be_bytes()[..]))
        };
        match self.acknowledged.iter().find(|(token, index)| !held(token, index)) {
            Some((token, index)) => Err(Violation(format!("acknowledged proposal {token} is not at {index}"))),
            None => Ok(()),
        }
    }

    /// How many records were committed.
    pub(crate) fn committed_records(&self) -> u64 {
        u64::try_from(self.committed.len()).unwrap()
    }
}
