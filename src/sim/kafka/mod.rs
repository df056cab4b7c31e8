//! A model of Kafka: everything of it that Tanist relies on, deterministic, on a virtual clock.
//!
//! It is asked as Kafka is asked, over lines that are cut, frozen and late like real ones, and answers with Kafka's codes. It
//! keeps its own queue of what happens inside. Deliberately no consumer groups, transactions, tiered storage or share groups.

pub mod code;
pub mod fault;
pub mod plan;
pub mod talk;
pub mod truth;

use crate::model::time::Timestamp;
use fault::{Fault, Impossible};
use plan::KafkaPlan;
use talk::{Call, Heard, Line, Request};
use truth::Truth;

/// A pretended cluster: brokers, controllers, their disks, and the paths that lead to them.
#[derive(Debug)]
pub struct Kafka {
    now: Timestamp,
    heard: Vec<Heard>,
    calls: u64,
}

impl Kafka {
    /// Gives a cluster that has been up for long: everybody registered and level, all replicas in sync.
    #[must_use]
    pub fn new(plan: &KafkaPlan, _seed: u64) -> Self {
        Self { now: plan.start, heard: Vec::new(), calls: 0 }
    }

    /// Tells when something inside happens next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        None
    }

    /// Lets everything happen that is due up to and including `now`, in order.
    ///
    /// Contract: time never runs backwards; an earlier `now` than before changes nothing.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Opens a line: [`talk::News::Opened`] or [`talk::News::Refused`] follows, or silence.
    ///
    /// An open line to the same door on the same lane is closed without a word.
    pub fn connect(&mut self, now: Timestamp, _line: Line) -> Call {
        self.advance(now);
        self.call()
    }

    /// Closes a line on the asker's side: nothing more is heard of it, though what was sent may still have its effect.
    pub fn close(&mut self, now: Timestamp, _line: Line) {
        self.advance(now);
    }

    /// Sends a request over a line, which is opened if it is not open: an answer follows, a close, a refusal, or silence.
    pub fn ask(&mut self, now: Timestamp, _line: Line, _request: Request) -> Call {
        self.advance(now);
        self.call()
    }

    /// Reads the metadata log from a controller from now on: the shape at once, then after each change, as
    /// [`talk::News::Metadata`] of this call. A standby answers [`code::Code::NotLeaderOrFollower`] and ends it; so does a close.
    pub fn observe(&mut self, now: Timestamp, _line: Line) -> Call {
        self.advance(now);
        self.call()
    }

    /// Takes what has become hearable; each with the instant at which it arrives, which may lie ahead.
    #[must_use]
    pub fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// Begins a fault.
    ///
    /// Errors: [`Impossible`] where a target does not exist or cannot suffer it; then nothing is changed.
    pub fn inflict(&mut self, now: Timestamp, _fault: &Fault) -> Result<(), Impossible> {
        self.advance(now);
        Ok(())
    }

    /// Ends a fault: a process starts again or continues, a path opens, a disk thaws.
    ///
    /// Errors: [`Impossible`] where a target does not exist or cannot suffer it; then nothing is changed.
    pub fn heal(&mut self, now: Timestamp, _fault: &Fault) -> Result<(), Impossible> {
        self.advance(now);
        Ok(())
    }

    /// Gives a look at what is really so.
    #[must_use]
    pub fn truth(&self) -> Truth<'_> {
        Truth { kafka: self }
    }

    fn call(&mut self) -> Call {
        self.calls = self.calls.saturating_add(1);
        Call(self.calls)
    }
}
