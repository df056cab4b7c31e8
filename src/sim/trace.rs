//! The trace of a run as one number: equal seeds give equal numbers, in any process and any build.

use std::fmt;

/// What has happened so far, folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    high: u64,
    low: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { high: 0x243f_6a88_85a3_08d3, low: 0x1319_8a2e_0370_7344 }
    }
}

impl Trace {
    /// Folds a number in.
    pub(in crate::sim) fn fold(&mut self, word: u64) {
        // Two multiply-rotate lanes: what differs once differs for good. Nobody attacks it.
        self.high = (self.high ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.low = self.low.wrapping_add(word ^ self.high).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
    }

    /// Folds bytes in.
    pub(in crate::sim) fn fold_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.fold(u64::from_le_bytes(word));
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}
