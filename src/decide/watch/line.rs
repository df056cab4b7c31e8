//! One broker over one path: its answers, refusals and silences become a light.
//!
//! Deliberately sticky: red ends with an answer only, and green comes back only after a stretch of answers.

use std::time::Duration;

use super::tail::StallTail;
use crate::decide::policy::DetectPolicy;
use crate::model::observation::{Blindness, Light};
use crate::model::time::Timestamp;

/// Refused fresh connects that make a broker red at once: one may meet a restart's backlog, two do not.
const REFUSED_RED: u32 = 2;

/// The usual gap is an average over about this many answers.
const GAP_MEMORY: u32 = 8;

/// One broker as seen over one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    light: Light,
    since: Timestamp,
    /// Silence counts from here: the last answer, or the last time that we were told why there is none.
    silent_from: Timestamp,
    answered_at: Option<Timestamp>,
    answer_sent_at: Option<Timestamp>,
    usual_gap: Duration,
    refused: u32,
    /// Whether the connection was interrupted since the last answer: such a gap is no pause of the broker.
    interrupted: Interruption,
    /// The start of the stretch of answers after a red; none while not red lately or while it has not begun.
    answers_since: Option<Timestamp>,
    owes: Owes,
    tail: StallTail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    None,
    Closed,
}

/// What a broker owes before it is green again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owes {
    Nothing,
    /// It was red: a stretch of answers.
    Stretch,
}

impl Line {
    /// Gives a line of which nothing is known yet.
    pub(super) fn new(now: Timestamp, policy: &DetectPolicy) -> Self {
        Self {
            light: Light::Unknown(Blindness::NotTried),
            since: now,
            silent_from: now,
            answered_at: None,
            answer_sent_at: None,
            usual_gap: policy.ping_interval,
            refused: 0,
            interrupted: Interruption::None,
            answers_since: None,
            owes: Owes::Nothing,
            tail: StallTail::default(),
        }
    }

    pub(super) fn light(&self) -> Light {
        self.light
    }

    /// Since when the light stands; for red, since the first red.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) fn answered_at(&self) -> Option<Timestamp> {
        self.answered_at
    }

    pub(super) fn answer_sent_at(&self) -> Option<Timestamp> {
        self.answer_sent_at
    }

    pub(super) fn usual_gap(&self) -> Duration {
        self.usual_gap
    }

    pub(super) fn tail(&self) -> &StallTail {
        &self.tail
    }

    /// Takes in an answer to a request sent at `sent_at`, where that is known. `doubt` is the node's in itself.
    pub(super) fn answered(&mut self, at: Timestamp, sent_at: Option<Timestamp>, doubt: u8, policy: &DetectPolicy) {
        if let (Some(last), Interruption::None) = (self.answered_at, self.interrupted) {
            let gap = at.since(last);
            // An outage must not make the next one seem usual.
            self.usual_gap = (self.usual_gap * (GAP_MEMORY - 1) + gap.min(policy.tau_min)) / GAP_MEMORY;
            if doubt == 0 {
                self.tail.note(gap, policy);
            }
        }
        self.answered_at = Some(at);
        self.answer_sent_at = self.answer_sent_at.max(sent_at);
        self.silent_from = at;
        self.refused = 0;
        self.interrupted = Interruption::None;
        if self.owes == Owes::Nothing {
            return self.turn(Light::Green, at);
        }
        let from = *self.answers_since.get_or_insert(at);
        if policy.green_after <= at.since(from) {
            self.owes = Owes::Nothing;
            self.answers_since = None;
            self.turn(Light::Green, at);
        } else {
            self.turn(Light::Recovering, at);
        }
    }

    /// Takes in that the other end closed the persistent connection.
    pub(super) fn closed(&mut self, at: Timestamp) {
        self.interrupted = Interruption::Closed;
        self.refused = 0;
        self.answers_since = None;
        if self.light == Light::Green {
            self.turn(Light::Yellow, at);
        }
    }

    /// Takes in a refused fresh connect.
    pub(super) fn refused(&mut self, at: Timestamp) {
        self.interrupted = Interruption::Closed;
        self.answers_since = None;
        self.refused = self.refused.saturating_add(1);
        if REFUSED_RED <= self.refused {
            self.turn_red(Light::RedRefused, at);
        }
    }

    /// Takes in that a ping or a fresh connect was not answered in its time.
    pub(super) fn unanswered(&mut self, at: Timestamp, tau: Duration) {
        self.refused = 0;
        self.answers_since = None;
        match self.light {
            Light::Green | Light::Unknown(_) => self.turn(Light::Yellow, at),
            Light::Yellow | Light::Recovering | Light::RedRefused | Light::RedSilent => {}
        }
        self.silence(at, tau);
    }

    /// Takes in that the broker could not be asked, and why: that is not silence.
    pub(super) fn blind(&mut self, at: Timestamp, why: Blindness) {
        self.silent_from = at;
        self.refused = 0;
        self.answers_since = None;
        self.turn(Light::Unknown(why), at);
    }

    /// Lets time pass: silence has no observation. `tau` includes the node's doubt.
    pub(super) fn tick(&mut self, now: Timestamp, tau: Duration, policy: &DetectPolicy) {
        let late = self.usual_gap.max(policy.ping_interval) * policy.yellow_permille / 1000;
        if late < now.since(self.silent_from) {
            self.answers_since = None;
            if self.light == Light::Green {
                self.turn(Light::Yellow, now);
            }
        }
        self.silence(now, tau);
    }

    fn silence(&mut self, now: Timestamp, tau: Duration) {
        let silent = tau < now.since(self.silent_from);
        match self.light {
            Light::Yellow | Light::Recovering if silent => self.turn_red(Light::RedSilent, now),
            // No longer refused but swallowed: still red, and since the same instant.
            Light::RedRefused if silent && self.refused < REFUSED_RED => self.turn_red(Light::RedSilent, now),
            Light::Green | Light::Yellow | Light::Recovering => {}
            Light::RedRefused | Light::RedSilent | Light::Unknown(_) => {}
        }
    }

    fn turn_red(&mut self, light: Light, at: Timestamp) {
        self.owes = Owes::Stretch;
        self.answers_since = None;
        self.turn(light, at);
    }

    fn turn(&mut self, light: Light, at: Timestamp) {
        if light != self.light && !(light.is_red() && self.light.is_red()) {
            self.since = at;
        }
        self.light = light;
    }
}
