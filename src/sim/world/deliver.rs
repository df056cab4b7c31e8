//! How stimuli reach processes, and how what they want reaches the world.

use crate::control::event::{PeerWords, Role};
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::sim::checks::Violation;
use crate::sim::desk::Desk;
use crate::sim::disk::Due;
use crate::sim::kafka::talk::Asker;
use crate::sim::node::Hold;
use crate::sim::stimulus::{Frame, Note, Out, Stimulus};

use super::{Arrival, Told, World, scene};

impl World {
    /// Passes on what Kafka has made hearable.
    pub(super) fn listen(&mut self) {
        if let Some(watch) = self.watch.as_mut() {
            let at = self.now;
            self.told.extend(watch.look(&self.kafka).into_iter().map(|changed| (at, Told::Changed(changed))));
        }
        for heard in self.kafka.take_heard() {
            match heard.line.from {
                Asker::Node(to) => self.later(to, heard.at, Stimulus::Heard(Box::new(heard))),
                Asker::Reader(_) => self.readers.hear(heard),
                Asker::Client(_) | Asker::Operator(_) => {}
            }
        }
    }

    /// Lets a stimulus reach the process that it is meant for, if that still lives. A slow one takes what comes in the order in which it
    /// came, whatever time it was put down for.
    pub(super) fn deliver(&mut self, arrival: Arrival) -> Result<(), Violation> {
        let Arrival { to, life, what } = arrival;
        let Some(machine) = self.machines.get_mut(&to).filter(|machine| machine.life == life) else { return Ok(()) };
        if machine.process.is_none() {
            return Ok(());
        }
        if let Some(Stimulus::DiskDone(token, _)) = &what {
            // The disk has done it, whether or not the process can be told yet.
            machine.disk.done(*token);
        }
        if machine.hold == Hold::Stopped {
            machine.waits.extend(what);
            return Ok(());
        }
        let (alone, busy) = (machine.waits.is_empty(), self.now < machine.busy_until);
        machine.waits.extend(what);
        let next = if busy { None } else { machine.waits.pop_front() };
        if next.is_some() {
            machine.busy_until = self.now.plus(machine.slow);
        }
        // Of those that wait the first is called when the process is free, and calls the next one.
        if !machine.waits.is_empty() && (next.is_some() || alone) {
            let at = machine.busy_until;
            self.agenda.put(at, Arrival { to, life, what: None });
        }
        next.map_or(Ok(()), |what| self.give(to, what))
    }

    /// Gives a stimulus to a process and carries out what it wants.
    pub(super) fn give(&mut self, to: NodeId, what: Stimulus) -> Result<(), Violation> {
        let mut out = Vec::new();
        let Some(machine) = self.machines.get_mut(&to) else { return Ok(()) };
        let clock = machine.clock;
        let Some(process) = machine.process.as_mut() else { return Ok(()) };
        self.statistics.node_steps = self.statistics.node_steps.saturating_add(1);
        self.trace.fold(self.now.0);
        self.trace.fold(to.0 << 8 | kind(&what));
        let mut desk =
            Desk { me: to, world: self.now, clock, kafka: &mut self.kafka, out: &mut out, facts: Vec::new() };
        process.take(&mut desk, what);
        self.carry_out(to, out)?;
        self.listen();
        self.check(&[to])
    }

    pub(super) fn carry_out(&mut self, from: NodeId, out: Vec<Out>) -> Result<(), Violation> {
        self.trace.fold(u64::try_from(out.len()).unwrap_or(u64::MAX));
        for one in out {
            match one {
                Out::Send(to, frame) => self.send(from, to, frame),
                Out::Persist(persist) => self.persist(from, persist),
                Out::Later(at, what) => self.later(from, at, what),
                Out::Advise(case, plan, brief, prompt) => {
                    self.checks.asked(scene!(self), from, &prompt)?;
                    let (after, opinion) = self.setup.adviser.opinion(&brief, &mut self.chances.adviser);
                    self.checks.advised(case, &opinion);
                    self.later(from, self.now.plus(after), Stimulus::Advised(case, plan, Box::new(opinion)));
                }
                Out::Answer(ticket, answer) => {
                    self.told.push((self.now, Told::Answered(ticket, answer.clone())));
                    self.answers.insert(ticket, *answer);
                }
                Out::Note(note) => self.note(from, note)?,
                Out::End(why) => {
                    self.told.push((self.now, Told::Ended(from, why.clone())));
                    self.end(from, Some(why));
                }
            }
        }
        Ok(())
    }

    /// Puts a stimulus down for the present life of a process.
    pub(super) fn later(&mut self, to: NodeId, at: Timestamp, what: Stimulus) {
        let Some(life) = self.machines.get(&to).map(|machine| machine.life) else { return };
        self.agenda.put(at.max(self.now), Arrival { to, life, what: Some(what) });
    }

    fn send(&mut self, from: NodeId, to: NodeId, frame: Frame) {
        self.statistics.frames = self.statistics.frames.saturating_add(1);
        if let Frame::Words(words) = &frame
            && let PeerWords::Report(report) = words.as_ref()
        {
            self.checks.said(scene!(self), from, report);
        }
        if self.machines.get(&to).is_none_or(|machine| machine.process.is_none()) {
            return;
        }
        let [first, second] = self.net.send(self.now, from, to);
        if let Some(at) = second {
            self.later(to, at, Stimulus::Frame(from, frame.clone()));
        }
        if let Some(at) = first {
            self.later(to, at, Stimulus::Frame(from, frame));
        }
    }

    fn persist(&mut self, node: NodeId, persist: crate::consensus::Persist) {
        let (token, synced) = (persist.token, persist.must_sync);
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&node) else { return };
        match machine.write(now, persist, &mut self.chances.disks) {
            Due::At(at) => {
                let took = if synced { at.since(now) } else { std::time::Duration::ZERO };
                self.later(node, at, Stimulus::DiskDone(token, took));
            }
            Due::WhenItGoesOn => machine.stalled.push((token, synced.then_some(now))),
            Due::Failed => self.later(node, now, Stimulus::DiskFailed),
        }
    }

    fn note(&mut self, node: NodeId, note: Note) -> Result<(), Violation> {
        self.checks.note(scene!(self), node, &note)?;
        match note {
            Note::Became(Role::Leading(term)) => self.told.push((self.now, Told::Leads(node, term))),
            Note::Became(Role::Following { .. } | Role::Leaderless(_))
            | Note::Applies { .. }
            | Note::TurnedAway(_)
            | Note::Did(..) => {}
            Note::Kept(kept) => {
                self.trace.fold_bytes(&kept.head.hash.0);
                if self.newest < kept.head.index {
                    self.newest = kept.head.index;
                    self.told.push((self.now, Told::Recorded(kept.head.index, Box::new(kept.record))));
                }
            }
            Note::Touches { request, .. } => {
                self.statistics.touches = self.statistics.touches.saturating_add(1);
                self.told.push((self.now, Told::Touched(node, request)));
            }
            Note::Warned(words) => self.told.push((self.now, Told::Warned(node, words))),
        }
        Ok(())
    }
}

/// Gives a number for a kind of stimulus, for the trace.
fn kind(what: &Stimulus) -> u64 {
    match what {
        Stimulus::RaftTick => 1,
        Stimulus::Tick => 2,
        Stimulus::Frame(_, Frame::Raft(_)) => 3,
        Stimulus::Frame(_, Frame::Words(_)) => 4,
        Stimulus::LinkDown(_) => 5,
        Stimulus::DiskDone(..) => 6,
        Stimulus::DiskFailed => 7,
        Stimulus::Heard(_) => 8,
        Stimulus::Look(_) => 9,
        Stimulus::Hand(..) => 10,
        Stimulus::Advised(..) => 11,
        Stimulus::PauseFile(_) => 12,
        Stimulus::Asked(..) => 13,
        Stimulus::Checkpoint => 14,
    }
}
