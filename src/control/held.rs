//! A non-decision that goes on: what of it is written down, and how often.
//!
//! Deliberately each reason at once when it is new, and then seldom: two reasons that take turns every other second (a view that comes
//! and goes) would fill the audit store with what a person has read already.

use std::time::Duration;

use crate::model::record::Inaction;
use crate::model::time::Timestamp;

/// How often a non-decision that goes on is written down again.
const STILL_HELD_EVERY: Duration = Duration::from_secs(60);

/// After how long a reason that was written down a moment ago, before another one took its place, is written down once more: then it is
/// the one that stays.
const STAYS_AFTER: Duration = Duration::from_secs(10);

/// A reason that was not the present one for so long has passed.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// What one leader remembers of a case that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    why: Inaction,
    /// Since when it has been this reason without a break.
    since: Timestamp,
    /// Rounds since something was last written, when that was, and the newest of them.
    rounds: u64,
    written: Timestamp,
    seen: Timestamp,
    /// What was written in the last minute, by kind, the newest last.
    said: Vec<(Inaction, Timestamp)>,
    /// Since when each reason has come back again and again, and when it was last the present one.
    turns: Vec<(Inaction, Timestamp, Timestamp)>,
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// The reason, as a new one.
    Anew,
    /// That it goes on: so many rounds, over so long.
    Still { rounds: u64, over: Duration },
    /// Nothing: that was said.
    Nothing,
}

impl Held {
    pub(super) fn new(now: Timestamp, why: &Inaction) -> Self {
        Self { why: why.clone(), since: now, rounds: 0, written: now, seen: now, said: Vec::new(), turns: Vec::new() }
    }

    /// Counts a round that was held; `stands` is whether the newest record of the case says the same.
    pub(super) fn note(&mut self, now: Timestamp, why: &Inaction, stands: bool) -> Say {
        if !self.why.same_kind(why) {
            (self.why, self.since) = (why.clone(), now);
        }
        (self.rounds, self.seen) = (self.rounds.saturating_add(1), now);
        self.take_turn(now);
        self.said.retain(|(_, at)| now.since(*at) < STILL_HELD_EVERY);
        let known = self.said.iter().any(|(said, _)| said.same_kind(why));
        if !stands && (!known || STAYS_AFTER <= self.lasted(now)) {
            self.say(now);
            return Say::Anew;
        }
        let over = now.since(self.written);
        if over < STILL_HELD_EVERY {
            return Say::Nothing;
        }
        let rounds = self.rounds;
        self.say(now);
        Say::Still { rounds, over }
    }

    /// Tells whether this was the last that was written.
    pub(super) fn says(&self, why: &Inaction) -> bool {
        self.said.last().is_some_and(|(said, _)| said.same_kind(why))
    }

    /// Gives for how long it has been the present reason.
    pub(super) fn lasted(&self, now: Timestamp) -> Duration {
        now.since(self.since)
    }

    /// Tells whether this reason has taken turns with others for so long that it is no passing one.
    pub(super) fn takes_turns(&self, now: Timestamp) -> bool {
        let mine = self.turns.iter().find(|(why, ..)| why.same_kind(&self.why));
        mine.is_some_and(|(_, since, _)| STAYS_AFTER <= now.since(*since))
    }

    fn take_turn(&mut self, now: Timestamp) {
        self.turns.retain(|(.., last)| now.since(*last) < TURN_WITHIN);
        match self.turns.iter_mut().find(|(why, ..)| why.same_kind(&self.why)) {
            Some((.., last)) => *last = now,
            None => self.turns.push((self.why.clone(), now, now)),
        }
    }

    /// Gives what has not been written yet of a case that ends: why, how many rounds, and over how long.
    pub(super) fn unwritten(self) -> (Inaction, u64, Duration) {
        let over = self.seen.since(self.written);
        (self.why, self.rounds, over)
    }

    fn say(&mut self, now: Timestamp) {
        (self.rounds, self.written) = (0, now);
        self.said.retain(|(said, _)| !said.same_kind(&self.why));
        self.said.push((self.why.clone(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::FindingKind;
    use crate::model::record::NoPlan;

    const ONE: Inaction = Inaction::NoPlan(NoPlan::NoFence);
    const OTHER: Inaction = Inaction::NothingToDo(FindingKind::Recovering);

    fn after(ms: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_millis(ms))
    }

    /// Plays reasons, a round each 250 ms; gives when each record is written and whether it says that something goes on.
    fn written(reason: impl Fn(u64) -> Inaction, seconds: u64) -> Vec<(u64, bool)> {
        let mut held = Held::new(after(0), &reason(0));
        let mut stands: Option<Inaction> = None;
        let mut records = Vec::new();
        for ms in (0..seconds * 1000).step_by(250) {
            let why = reason(ms);
            let said = held.note(after(ms), &why, stands.as_ref().is_some_and(|stands| stands.same_kind(&why)));
            if said == Say::Anew {
                stands = Some(why);
            }
            if said != Say::Nothing {
                records.push((ms, said != Say::Anew));
            }
        }
        records
    }

    #[test]
    fn a_reason_is_written_at_once_and_then_every_minute() {
        assert_eq!(written(|_| ONE, 130), [(0, false), (60_000, true), (120_000, true)]);
    }

    #[test]
    fn two_reasons_that_take_turns_are_written_once_each_and_then_every_minute() {
        let turns = |ms: u64| if (ms / 2000).is_multiple_of(2) { ONE } else { OTHER };
        let records = written(turns, 180);
        assert_eq!(records[..2], [(0, false), (2000, false)]);
        assert!(records.len() <= 6, "{records:?}");
    }

    #[test]
    fn a_reason_that_comes_back_and_stays_is_written_again() {
        let reason = |ms: u64| if (5000..8000).contains(&ms) { OTHER } else { ONE };
        assert_eq!(written(reason, 30), [(0, false), (5000, false), (18_000, false)]);
    }

    #[test]
    fn a_reason_that_keeps_coming_back_is_no_passing_one() {
        let takes_turns = |other_for: u64| {
            let mut held = Held::new(after(0), &ONE);
            let reason = |ms: u64| if ms % (other_for + 1000) < 1000 { ONE } else { OTHER };
            (0..30_000).step_by(250).find(|ms| {
                held.note(after(*ms), &reason(*ms), false);
                held.takes_turns(after(*ms))
            })
        };
        assert_eq!(takes_turns(1000), Some(10_000));
        assert_eq!(takes_turns(20_000), Some(11_000), "the other one lasts");
        let mut held = Held::new(after(0), &ONE);
        let third = Inaction::TriedEnough;
        for ms in (0..60_000).step_by(250) {
            held.note(after(ms), [&ONE, &OTHER, &third][usize::try_from(ms / 3000 % 3).unwrap()], false);
            assert!(!held.takes_turns(after(ms)), "each has passed for six seconds");
        }
    }

    #[test]
    fn what_another_leader_wrote_is_not_written_again() {
        let mut held = Held::new(after(0), &ONE);
        assert_eq!(held.note(after(0), &ONE, true), Say::Nothing);
        assert_eq!(held.note(after(250), &OTHER, false), Say::Anew);
        let (why, rounds, over) = held.unwritten();
        assert_eq!((why, rounds, over), (OTHER, 0, Duration::ZERO));
    }
}
