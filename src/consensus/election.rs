//! Election timeouts from our own seed, instead of the thread's random source that raft-rs draws from.
//!
//! A timeout is drawn anew when the term, the role or the leader changes and when an election starts, and never otherwise:
//! a draw at every tick would press all timeouts towards the minimum, and elections would split their votes.
//!
//! An election that split its votes all the same is begun again sooner than raft would: nobody hears a leader by then, so what
//! keeps the first timeout long (an intent's time, which must be over before another leads) has nothing left to wait for.

use std::ops::Range;

use raft::{Raft, SoftState, StateRole, Storage};

/// Draws election timeouts and puts them into raft.
#[derive(Debug)]
pub(super) struct ElectionTimer {
    state: u64,
    ticks_min: usize,
    ticks_max: usize,
    drawn: usize,
    drawn_for: Option<(u64, SoftState)>,
    /// How many ticks votes are waited for.
    asks_again_after: usize,
}

impl ElectionTimer {
    /// Gives a timer that draws from `ticks_min` (included) to `ticks_max` (excluded).
    pub(super) fn new(seed: u64, ticks_min: usize, ticks_max: usize) -> Self {
        Self { state: seed, ticks_min, ticks_max, drawn: ticks_min, drawn_for: None, asks_again_after: 0 }
    }

    /// Tells, once a tick, whether this node has waited long enough for votes and is to ask again. Raft counts the
    /// ticks, from where it asked.
    pub(super) fn asks_again<T: Storage>(&mut self, raft: &Raft<T>) -> bool {
        let asking = matches!(raft.state, StateRole::PreCandidate | StateRole::Candidate) && raft.promotable();
        if asking && raft.election_elapsed == 1 {
            self.asks_again_after = self.draw_from(self.ticks_min / 5..self.ticks_min / 5 * 4);
        }
        asking && self.asks_again_after < raft.election_elapsed
    }

    /// Makes the next [`Self::enforce`] draw a new timeout.
    pub(super) fn election_started(&mut self) {
        self.drawn_for = None;
    }

    /// Overwrites whatever timeout raft has chosen; to be called after everything that may have changed raft's state.
    pub(super) fn enforce<T: Storage>(&mut self, raft: &mut Raft<T>) {
        let present = (raft.term, raft.soft_state());
        if self.drawn_for.as_ref() != Some(&present) {
            self.drawn = self.draw();
            self.drawn_for = Some(present);
        }
        raft.set_randomized_election_timeout(self.drawn);
    }

    /// The options were checked: the range is not empty, which raft's setter asserts.
    fn draw(&mut self) -> usize {
        self.draw_from(self.ticks_min..self.ticks_max)
    }

    fn draw_from(&mut self, ticks: Range<usize>) -> usize {
        let width = u64::try_from(ticks.len()).unwrap_or(1).max(1);
        let offset = usize::try_from(self.next() % width).unwrap_or(0);
        ticks.start.saturating_add(offset)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix, good enough to keep three nodes apart.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_and_reach_all_of_it() {
        let mut timer = ElectionTimer::new(7, 10, 20);
        let drawn: std::collections::BTreeSet<_> = (0..500).map(|_| timer.draw()).collect();
        assert_eq!(drawn, (10..20).collect());
    }

    #[test]
    fn equal_seeds_draw_equally_and_others_do_not() {
        let draws = |seed| {
            let mut timer = ElectionTimer::new(seed, 10, 20);
            (0..32).map(|_| timer.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}
