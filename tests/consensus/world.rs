//! The virtual world: a clock, a network, three disks and a client, all from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tanist::consensus::wire::PeerMessage;
use tanist::consensus::{
    Fault, Input, Members, Output, Peer, PeerOptions, PersistToken, Recovered, Rejected, Standing,
};
use tanist::model::ids::{NodeId, RaftIndex, Term};

use crate::checks::{Checks, Machine, Violation};
use crate::disk::{Disk, Honesty, Torn};
use crate::random::Random;
use crate::rejoin::Rejoin;

/// How bad the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chaos {
    /// Nothing happens by itself.
    None,
    /// Loss, delay, reordering, duplicates, partitions, crashes with torn writes, stalled disks.
    Full,
    /// All that, and one disk is wiped.
    FullWithWipe,
}

#[derive(Debug)]
pub(crate) enum Event {
    Tick { node: NodeId, life: u64 },
    Deliver { to: NodeId, from: NodeId, message: Box<PeerMessage> },
    DiskDone { node: NodeId, life: u64, token: PersistToken },
    Client,
    Mischief,
    Restart { node: NodeId },
    Heal { from: NodeId, to: NodeId },
    Operator,
}

/// One machine.
pub(crate) struct Node {
    pub(crate) peer: Option<Peer>,
    disk: Disk,
    machine: Machine,
    life: u64,
    /// Proposals under way on this life: place and term by token.
    proposed: BTreeMap<RaftIndex, (Term, u64)>,
    stalled_until: Duration,
    pub(crate) seen: Members,
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) random: Random,
    pub(crate) chaos: Chaos,
    honesty: Honesty,
    queue: BTreeMap<(Duration, u64), Event>,
    events: u64,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    pub(crate) tokens: u64,
    trace: Sha256,
    /// The invariants.
    pub(crate) checks: Checks,
    /// The replacement of the wiped node.
    pub(crate) rejoin: Rejoin,
    /// Snapshots that came over the network.
    pub(crate) snapshots_installed_by_leader: u64,
}

impl World {
    /// Gives a trio that has just been set up.
    pub(crate) fn new(seed: u64, chaos: Chaos, honesty: Honesty) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            random: Random(seed),
            chaos,
            honesty,
            queue: BTreeMap::new(),
            events: 0,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            tokens: 0,
            trace: Sha256::new(),
            checks: Checks::default(),
            rejoin: Rejoin::NotNeeded,
            snapshots_installed_by_leader: 0,
        };
        let trio = [NodeId(1), NodeId(2), NodeId(3)];
        for id in trio {
            world.add(id, Recovered::first_members(Members::voters(trio)));
        }
        world.at(millis(1), Event::Client);
        if chaos != Chaos::None {
            world.at(millis(500), Event::Mischief);
        }
        if chaos == Chaos::FullWithWipe {
            world.at(millis(4_000), Event::Operator);
        }
        world
    }

    /// Lets the world run.
    pub(crate) fn run_for(&mut self, span: Duration) -> Result<(), Violation> {
        let end = self.now + span;
        while let Some(first) = self.queue.first_entry() {
            let (at, _) = *first.key();
            if end < at {
                break;
            }
            let event = first.remove();
            self.now = at;
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    /// Ends all mischief; then within half a minute somebody leads and all members hold everything.
    pub(crate) fn calm_down(&mut self) -> Result<(), Violation> {
        self.chaos = Chaos::None;
        self.cut.clear();
        let down: Vec<NodeId> = self.nodes.iter().filter(|(_, node)| node.peer.is_none()).map(|(id, _)| *id).collect();
        for id in down {
            self.start(id)?;
        }
        for _ in 0..60 {
            self.run_for(millis(500))?;
            if self.settled() {
                return self
                    .members()
                    .into_iter()
                    .try_for_each(|id| self.checks.complete(id, &self.nodes[&id].machine));
            }
        }
        let states: Vec<_> = self
            .nodes
            .values()
            .filter_map(|node| node.peer.as_ref())
            .map(|peer| format!("\n  {:?}", peer.status()))
            .collect();
        Err(Violation(format!("no agreement half a minute after all was well again: {}", states.concat())))
    }

    /// Every member runs, holds the same log to its end, and has the same state.
    fn settled(&self) -> bool {
        let member = |id: &NodeId| {
            let node = self.nodes.get(id)?;
            let status = node.peer.as_ref()?.status();
            (status.applied == status.last).then_some((status.last, node.machine.head))
        };
        let ends: BTreeSet<_> = self.members().iter().map(member).collect();
        let agreed = ends.len() == 1 && !ends.contains(&None);
        agreed && self.leading().is_some() && !matches!(self.rejoin, Rejoin::Wanted { .. })
    }

    fn members(&self) -> BTreeSet<NodeId> {
        let newest = self.nodes.values().filter(|node| node.peer.is_some()).max_by_key(|node| node.machine.applied);
        newest.map(|node| node.seen.all()).unwrap_or_default()
    }

    /// Gives who leads, by its own account; the one of the newest term if two say so.
    pub(crate) fn leading(&self) -> Option<NodeId> {
        self.nodes
            .iter()
            .filter_map(|(id, node)| node.peer.as_ref().map(|peer| (peer.status().role, *id)))
            .filter(|(role, _)| role.standing == Standing::Leading)
            .max_by_key(|(role, id)| (role.term, *id))
            .map(|(_, id)| id)
    }

    /// The same, but only somebody whom another node follows.
    pub(crate) fn leading_with_quorum(&self) -> Option<NodeId> {
        self.leading().filter(|leader| {
            let follows =
                |node: &Node| node.peer.as_ref().is_some_and(|peer| peer.status().role.leader == Some(*leader));
            self.nodes.iter().any(|(id, node)| id != leader && follows(node))
        })
    }

    /// Says whether a node believes that it leads.
    pub(crate) fn leading_by_own_account(&self, id: NodeId) -> Option<bool> {
        Some(self.nodes.get(&id)?.peer.as_ref()?.status().role.standing == Standing::Leading)
    }

    /// Gives what became of writes that a crash tore.
    pub(crate) fn torn(&self) -> Torn {
        self.nodes
            .values()
            .map(|node| node.disk.torn)
            .fold(Torn::default(), |sum, one| Torn { taken: sum.taken + one.taken, refused: sum.refused + one.refused })
    }

    /// Kills a node; a prefix of its unsynced writes survives, and a part of the next.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let share = self.random.next();
        if let Some(node) = self.nodes.get_mut(&id)
            && node.peer.take().is_some()
        {
            node.life += 1;
            node.disk.crash(share);
            node.proposed.clear();
        }
    }

    /// Lets nothing through between a node and all others.
    pub(crate) fn cut_off(&mut self, id: NodeId) {
        for other in self.nodes.keys().copied().filter(|other| *other != id).collect::<Vec<_>>() {
            self.cut.extend([(id, other), (other, id)]);
        }
    }

    /// Lets a disk answer nothing for a while.
    pub(crate) fn stall_disk(&mut self, id: NodeId, span: Duration) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.stalled_until = self.now + span;
        }
    }

    /// Gives a digest of everything that every node put out.
    pub(crate) fn trace(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    pub(crate) fn add(&mut self, id: NodeId, recovered: Recovered) {
        let node = Node {
            peer: None,
            disk: Disk::new(recovered, self.honesty),
            machine: Machine::default(),
            life: 0,
            proposed: BTreeMap::new(),
            stalled_until: Duration::ZERO,
            seen: Members::default(),
        };
        self.nodes.insert(id, node);
        self.start(id).expect("a fresh node starts");
    }

    fn start(&mut self, id: NodeId) -> Result<(), Violation> {
        let seed = self.random.next();
        let options = PeerOptions {
            message_bytes_max: 200,
            appends_in_flight_max: 8,
            keep_entries: 10,
            keep_bytes: 2_000,
            snapshot_each_entries: 15,
            ..PeerOptions::new(id, seed)
        };
        let (tick, first_tick) = (options.tick, millis(self.random.below(50)));
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        node.machine = Machine::default();
        let (peer, outputs) = Peer::start(options, node.disk.read_back())
            .map_err(|why| Violation(format!("{id} does not start: {why}")))?;
        assert_eq!(tick, millis(50), "the world ticks as production does");
        node.peer = Some(peer);
        let life = node.life;
        self.at(first_tick, Event::Tick { node: id, life });
        self.carry_out(id, outputs)
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Tick { node, life } => {
                if self.lives(node, life) {
                    self.at(millis(50), Event::Tick { node, life });
                    self.give(node, Input::Tick)?;
                }
            }
            Event::Deliver { to, from, message } => self.give(to, Input::Message { from, message })?,
            Event::DiskDone { node, life, token } => {
                if self.lives(node, life) {
                    let lie = self.random.chance(900);
                    self.nodes.get_mut(&node).expect("it lives").disk.done(token, lie);
                    self.give(node, Input::Persisted(token))?;
                }
            }
            Event::Client => self.client()?,
            Event::Mischief => self.mischief()?,
            Event::Restart { node } => {
                if self.nodes.get(&node).is_some_and(|node| node.peer.is_none()) {
                    self.start(node)?;
                }
            }
            Event::Heal { from, to } => {
                self.cut.remove(&(from, to));
            }
            Event::Operator => self.operator()?,
        }
        Ok(())
    }

    fn lives(&self, id: NodeId, life: u64) -> bool {
        self.nodes.get(&id).is_some_and(|node| node.peer.is_some() && node.life == life)
    }

    pub(crate) fn give(&mut self, id: NodeId, input: Input) -> Result<(), Violation> {
        let outputs = match self.nodes.get_mut(&id).and_then(|node| node.peer.as_mut()) {
            Some(peer) => peer.step(input),
            None => return Ok(()),
        };
        self.carry_out(id, outputs)
    }

    fn carry_out(&mut self, id: NodeId, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in outputs {
            self.trace.update(format!("{:?} {id} {output:?}", self.now));
            self.carry_out_one(id, output)?;
        }
        Ok(())
    }

    fn carry_out_one(&mut self, id: NodeId, output: Output) -> Result<(), Violation> {
        let now = self.now;
        let slow = self.random.chance(5) && self.chaos != Chaos::None;
        let disk_delay = millis(if slow { self.random.below(1_500) } else { self.random.below(8) });
        let node = self.nodes.get_mut(&id).expect("it has just put something out");
        match output {
            Output::Send { to, message } => self.send(id, to, message),
            Output::Persist(persist) => {
                let (token, life) = (persist.token, node.life);
                node.disk.write(persist);
                let delay = disk_delay.max(node.stalled_until.saturating_sub(now));
                self.at(delay, Event::DiskDone { node: id, life, token });
            }
            Output::Committed(committed) => {
                self.checks.committed(id, &committed, &mut node.machine)?;
                let known: Vec<RaftIndex> = node.proposed.range(..=committed.up_to).map(|(index, _)| *index).collect();
                for index in known {
                    let (term, token) = node.proposed.remove(&index).expect("it is there");
                    if committed.records.iter().any(|record| record.index == index && record.term == term) {
                        self.checks.acknowledged(token, index);
                    }
                }
            }
            Output::Proposed { token, index, term } => {
                node.proposed.insert(index, (term, token));
            }
            Output::Became(role) => self.checks.role(id, role, &node.machine)?,
            Output::InstallSnapshot { index, state } => {
                self.snapshots_installed_by_leader += u64::from(RaftIndex(1) < node.machine.applied);
                node.machine = Machine::from_bytes(&state, index);
                self.checks.state(id, &node.machine.clone())?;
            }
            Output::NeedSnapshot { applied: index } => {
                let state = Bytes::from(node.machine.to_bytes());
                self.give(id, Input::Snapshotted { index, state })?;
                self.give(id, Input::Compact { up_to: index })?;
            }
            Output::MembersChanged(members) => node.seen = members,
            Output::Rejected { why: Rejected::NotAMember | Rejected::NotFromLeader | Rejected::Overloaded, .. }
            | Output::Dropped { .. } => {}
            Output::Rejected { from, why } => return Err(Violation(format!("{id} refuses {from}: {why}"))),
            Output::Faulted(fault @ Fault::LostAcknowledged { .. }) => return Err(Violation(format!("{id}: {fault}"))),
            Output::SnapshotTooLarge { .. } => return Err(Violation(format!("{id}: a small snapshot is too large"))),
        }
        Ok(())
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: PeerMessage) {
        let bad = self.chaos != Chaos::None;
        if self.cut.contains(&(from, to)) || (bad && self.random.chance(30)) {
            return;
        }
        let copies = if bad && self.random.chance(20) { 2 } else { 1 };
        for _ in 0..copies {
            let late = bad && self.random.chance(20);
            let delay = millis(1 + if late { self.random.below(1_200) } else { self.random.below(12) });
            self.at(delay, Event::Deliver { to, from, message: Box::new(message.clone()) });
        }
    }

    pub(crate) fn any_node(&mut self) -> NodeId {
        let at = usize::try_from(self.random.below(self.nodes.len() as u64)).expect("small");
        *self.nodes.keys().nth(at).expect("below the count")
    }

    pub(crate) fn at(&mut self, delay: Duration, event: Event) {
        self.events += 1;
        self.queue.insert((self.now + delay, self.events), event);
    }
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
