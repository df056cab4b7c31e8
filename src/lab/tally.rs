//! Counts requests by their frames: a length of four bytes, most significant first, then as many bytes, as Kafka writes them.
//!
//! It reads lengths and nothing else; bytes that are no such frames are counted wrongly, and nobody asks for their count.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many frames have passed in all.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn add(&self, frames: u64) {
        self.0.fetch_add(frames, Ordering::Relaxed);
    }

    pub(crate) fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where one connection's bytes stand within their frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Bytes of the length that have come.
    length: Vec<u8>,
    /// Bytes of the present frame that are still to come.
    body_left: usize,
}

const LENGTH_BYTES: usize = 4;

impl Frames {
    /// Takes the next bytes of a connection; gives how many frames began in them, by the ends of their lengths.
    pub(crate) fn begun_in(&mut self, bytes: &[u8]) -> u64 {
        let (mut rest, mut begun) = (bytes, 0);
        while !rest.is_empty() {
            if 0 < self.body_left {
                let passed = self.body_left.min(rest.len());
                self.body_left -= passed;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            let (head, tail) = rest.split_at(rest.len().min(LENGTH_BYTES.saturating_sub(self.length.len())));
            self.length.extend_from_slice(head);
            rest = tail;
            if let Ok(length) = <[u8; LENGTH_BYTES]>::try_from(self.length.as_slice()) {
                self.body_left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.length.clear();
                begun += 1;
            }
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let frames: Vec<u8> = [0_u32, 1, 300, 7]
            .iter()
            .flat_map(|length| length.to_be_bytes().into_iter().chain(vec![0xAB; usize::try_from(*length).unwrap()]))
            .collect();
        for cut in 1..frames.len() {
            let mut counting = Frames::default();
            let counted: u64 = frames.chunks(cut).map(|piece| counting.begun_in(piece)).sum();
            assert_eq!(counted, 4, "in pieces of {cut}");
            assert_eq!(counting.body_left, 0);
        }
    }
}
