//! Chance as a child of the seed: one child per purpose, so that a draw more in one place changes nothing in another.

use std::time::Duration;

/// A source of chance that belongs to one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Gives the source of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Gives the source for one purpose; equal purposes of equal seeds draw equally, whatever was drawn before.
    #[must_use]
    pub fn child(seed: u64, purpose: &str) -> Self {
        // FNV-1a: spreads short names; the generator's own mix does the rest.
        let name = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut parent = Self { state: seed ^ name };
        Self { state: parent.draw() }
    }

    /// Draws 64 bits: `SplitMix64` (Steele, Lea, Flood 2014).
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below `limit`; 0 where the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw().checked_rem(limit).unwrap_or(0)
    }

    /// Draws a span from the range, both ends included.
    pub fn span(&mut self, range: (Duration, Duration)) -> Duration {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (least, most) = (micros(range.0), micros(range.1));
        let width = most.saturating_sub(least).saturating_add(1);
        Duration::from_micros(least.saturating_add(self.below(width)))
    }

    /// Tells whether something happens that happens this often in a thousand.
    pub fn happens(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// Draws one of several; none of none.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(things.len()).unwrap_or(u64::MAX);
        things.get(usize::try_from(self.below(count)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_one_seed_draw_apart_and_equal_ones_alike() {
        let draws = |seed, purpose| {
            let mut chance = Chance::child(seed, purpose);
            (0..8).map(|_| chance.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7, "disk"), draws(7, "disk"));
        assert_ne!(draws(7, "disk"), draws(7, "network"));
        assert_ne!(draws(7, "disk"), draws(8, "disk"));
    }

    #[test]
    fn spans_stay_in_their_range_and_reach_both_ends() {
        let mut chance = Chance::new(3);
        let range = (Duration::from_micros(5), Duration::from_micros(8));
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| chance.span(range).as_micros()).collect();
        assert_eq!(drawn, (5..=8).collect());
    }
}
