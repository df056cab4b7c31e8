//! What a process of ours has at hand: its clock, its lines to Kafka, and the way out for what it wants.
//!
//! Deliberately the only way from a process to the world: the true time stays behind it.

use std::time::Duration;

use crate::control::Now;
use crate::model::ids::NodeId;
use crate::model::observation::Fact;
use crate::model::time::Timestamp;

use super::clock::Clock;
use super::kafka::Kafka;
use super::kafka::talk::{Asker, Call, Door, Line, Request};
use super::stimulus::{Note, Out, Stimulus};

/// What a process has at hand for one stimulus.
#[derive(Debug)]
pub(in crate::sim) struct Desk<'a> {
    pub(in crate::sim) me: NodeId,
    /// The true time.
    pub(in crate::sim) world: Timestamp,
    pub(in crate::sim) clock: Clock,
    pub(in crate::sim) kafka: &'a mut Kafka,
    pub(in crate::sim) out: &'a mut Vec<Out>,
    /// What the probe has learnt.
    pub(in crate::sim) facts: Vec<Fact>,
}

impl Desk<'_> {
    /// Gives what the process's own clock shows.
    pub(in crate::sim) fn now(&self) -> Timestamp {
        self.clock.local(self.world)
    }

    /// Gives the present as the controller is told it.
    pub(in crate::sim) fn present(&self) -> Now {
        Now { at: self.now(), wall_ms: self.clock.wall_ms(self.world) }
    }

    /// Gives one of this process's lines to a door.
    pub(in crate::sim) fn line(&self, to: Door, lane: u8) -> Line {
        Line { from: Asker::Node(self.me), to, lane }
    }

    /// Sends a request; the line is opened where it is not.
    pub(in crate::sim) fn ask(&mut self, line: Line, request: Request) -> Call {
        self.kafka.ask(self.world, line, request)
    }

    /// Opens a line.
    pub(in crate::sim) fn connect(&mut self, line: Line) -> Call {
        self.kafka.connect(self.world, line)
    }

    /// Closes a line.
    pub(in crate::sim) fn close(&mut self, line: Line) {
        self.kafka.close(self.world, line);
    }

    /// Reads the metadata log.
    pub(in crate::sim) fn observe(&mut self, line: Line) -> Call {
        self.kafka.observe(self.world, line)
    }

    /// Sets a timer by the process's own clock.
    pub(in crate::sim) fn later(&mut self, after: Duration, what: Stimulus) {
        let at = self.world.plus(self.clock.worldly(after));
        self.out.push(Out::Later(at, what));
    }

    /// Tells a fact to the controller.
    pub(in crate::sim) fn tell(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Tells something to the checks.
    pub(in crate::sim) fn note(&mut self, note: Note) {
        self.out.push(Out::Note(note));
    }
}
