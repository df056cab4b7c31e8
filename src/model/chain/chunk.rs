//! Chunks: how a record that is too large for one Raft entry travels through the log.
//!
//! The rule: a record of at most [`ENTRY_BYTES_MAX`] bytes is one entry, its canonical bytes as they are, so the first byte
//! of such an entry is `{`. A longer one is cut into pieces of [`ENTRY_BYTES_MAX`] bytes (the last may be shorter), each an
//! entry of its own: the byte 0x01, the SHA-256 of the whole record, the piece's number from 1 and the number of pieces
//! (each two bytes, most significant first), then the piece. The record is committed with its last piece and only then
//! gets its number in the chain: the chain knows records, not chunks.
//!
//! It deliberately keeps at most one unfinished record: the pieces of one record are proposed in a row by one leader, so a
//! first piece that meets an unfinished record means that its leader is gone, and the rest will never come.

use thiserror::Error;

use super::sha256;
use crate::model::ids::Digest;

/// The longest record that travels as one entry, and the length of a full piece.
///
/// Units: bytes. 48 KiB leaves room for the framing of peers below 64 KiB.
pub const ENTRY_BYTES_MAX: usize = 48 * 1024;

/// The largest number of pieces of one record.
///
/// 512 pieces are 24 MiB: a plan over 200,000 partitions takes about 20 MiB; a larger record is refused when it is proposed.
pub const PIECES_MAX: u16 = 512;

const CHUNK_TAG: u8 = 0x01;
const FRAME_BYTES: usize = 1 + 32 + 2 + 2;

/// One numbered piece of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// SHA-256 of the whole record, which names it before it has a number, and proves the joined pieces.
    pub of: Digest,
    /// Number of this piece, from 1.
    pub number: u16,
    /// Number of pieces.
    pub total: u16,
    /// The piece.
    pub bytes: Vec<u8>,
}

/// Why a record cannot be cut, or why an entry does not continue the record at hand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// The record is longer than all pieces together may be; record less, or in several records.
    #[error("the record has {bytes} bytes, at most {max} fit into {PIECES_MAX} pieces", max = usize::from(PIECES_MAX) * ENTRY_BYTES_MAX)]
    TooLong {
        /// Length of the record.
        bytes: usize,
    },
    /// The entry is neither a record nor a chunk.
    #[error("the entry is neither a record nor a chunk: {0}")]
    Malformed(&'static str),
    /// A piece was skipped, or came twice.
    #[error("piece {got} of {total} came where piece {wanted} belongs")]
    OutOfTurn {
        /// The piece that came.
        got: u16,
        /// The piece that was due.
        wanted: u16,
        /// How many pieces there are.
        total: u16,
    },
    /// A piece of another record came in between, or a piece without its first.
    #[error("a piece of record {got} came, which is not the one at hand")]
    AnotherRecord {
        /// The record that the piece belongs to.
        got: Digest,
    },
    /// The joined pieces are not the record that they were cut from.
    #[error("the joined pieces are not record {of}")]
    WrongDigest {
        /// What the pieces claim to be.
        of: Digest,
    },
}

/// Cuts the bytes of a record into the entries of the Raft log that carry it.
///
/// Errors: [`ChunkError::TooLong`], before anything is proposed.
pub fn to_entries(record: Vec<u8>) -> Result<Vec<Vec<u8>>, ChunkError> {
    if record.len() <= ENTRY_BYTES_MAX {
        return Ok(vec![record]);
    }
    Ok(cut(&record)?.iter().map(Chunk::encode).collect())
}

/// Cuts the bytes of a record into chunks, one when it is short.
///
/// Errors: [`ChunkError::TooLong`].
pub fn cut(record: &[u8]) -> Result<Vec<Chunk>, ChunkError> {
    let too_long = ChunkError::TooLong { bytes: record.len() };
    let total = u16::try_from(record.len().div_ceil(ENTRY_BYTES_MAX).max(1)).map_err(|_| too_long.clone())?;
    if PIECES_MAX < total {
        return Err(too_long);
    }
    let of = sha256(record);
    let pieces: Vec<&[u8]> = if record.is_empty() { vec![record] } else { record.chunks(ENTRY_BYTES_MAX).collect() };
    Ok((1..=total).zip(pieces).map(|(number, piece)| Chunk { of, number, total, bytes: piece.to_vec() }).collect())
}

impl Chunk {
    /// Gives the entry that carries this chunk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAME_BYTES + self.bytes.len());
        out.push(CHUNK_TAG);
        out.extend_from_slice(&self.of.0);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.total.to_be_bytes());
        out.extend_from_slice(&self.bytes);
        out
    }

    /// Reads a chunk from the entry that carries it.
    ///
    /// Errors: [`ChunkError::Malformed`] for anything that [`cut`] cannot have written.
    pub fn decode(entry: &[u8]) -> Result<Self, ChunkError> {
        let short = ChunkError::Malformed("shorter than the frame of a chunk");
        let (tag, rest) = entry.split_first().ok_or(short.clone())?;
        let (of, rest) = rest.split_first_chunk::<32>().ok_or(short.clone())?;
        let (number, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
        let (total, bytes) = rest.split_first_chunk::<2>().ok_or(short)?;
        let chunk = Self {
            of: Digest(*of),
            number: u16::from_be_bytes(*number),
            total: u16::from_be_bytes(*total),
            bytes: bytes.to_vec(),
        };
        let last = chunk.number == chunk.total;
        match () {
            () if *tag != CHUNK_TAG => Err(ChunkError::Malformed("unknown first byte")),
            () if chunk.number == 0 || chunk.total < chunk.number => {
                Err(ChunkError::Malformed("piece number beyond the total"))
            }
            () if PIECES_MAX < chunk.total => Err(ChunkError::Malformed("too many pieces")),
            () if ENTRY_BYTES_MAX < bytes.len() => Err(ChunkError::Malformed("a piece longer than a piece may be")),
            () if !last && bytes.len() != ENTRY_BYTES_MAX => {
                Err(ChunkError::Malformed("a short piece before the last"))
            }
            () => Ok(chunk),
        }
    }
}

/// Joins the entries of the log into records; part of the replicated state, so equal entries give equal records anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assembler {
    unfinished: Option<Unfinished>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Unfinished {
    of: Digest,
    total: u16,
    wanted: u16,
    joined: Vec<u8>,
}

impl Assembler {
    /// Takes the next entry of the log and gives the bytes of the record that it completes, if it does.
    ///
    /// Errors: an entry that does not continue what is at hand is refused; what is at hand stays, so a piece that comes
    /// twice costs nothing. Only a joined record with a wrong digest is thrown away.
    pub fn push_entry(&mut self, entry: &[u8]) -> Result<Option<Vec<u8>>, ChunkError> {
        if entry.first() != Some(&b'{') {
            return self.push(Chunk::decode(entry)?);
        }
        if ENTRY_BYTES_MAX < entry.len() {
            return Err(ChunkError::Malformed("a record longer than an entry may be"));
        }
        // A whole record between two pieces can only come from a later leader.
        self.unfinished = None;
        Ok(Some(entry.to_vec()))
    }

    /// Takes the next chunk and gives the bytes of the record that it completes, if it does.
    ///
    /// Errors: as [`Self::push_entry`].
    pub fn push(&mut self, chunk: Chunk) -> Result<Option<Vec<u8>>, ChunkError> {
        if chunk.number == 1 {
            let Chunk { of, total, bytes, .. } = chunk;
            self.unfinished = Some(Unfinished { of, total, wanted: 2, joined: bytes });
        } else {
            let at_hand =
                self.unfinished.as_mut().filter(|at_hand| at_hand.of == chunk.of && at_hand.total == chunk.total);
            let at_hand = at_hand.ok_or(ChunkError::AnotherRecord { got: chunk.of })?;
            if chunk.number != at_hand.wanted {
                let (got, wanted, total) = (chunk.number, at_hand.wanted, at_hand.total);
                return Err(ChunkError::OutOfTurn { got, wanted, total });
            }
            at_hand.joined.extend_from_slice(&chunk.bytes);
            at_hand.wanted = at_hand.wanted.saturating_add(1);
        }
        let done = self.unfinished.take_if(|at_hand| at_hand.total < at_hand.wanted);
        match done {
            Some(done) if sha256(&done.joined) == done.of => Ok(Some(done.joined)),
            Some(done) => Err(ChunkError::WrongDigest { of: done.of }),
            None => Ok(None),
        }
    }

    /// Gives the bytes held of an unfinished record.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |at_hand| at_hand.joined.len())
    }

    /// Gives the entries that put another assembler into this state; a state snapshot carries them.
    #[must_use]
    pub fn to_entries(&self) -> Vec<Vec<u8>> {
        let Some(Unfinished { of, total, joined, .. }) = &self.unfinished else { return Vec::new() };
        let pieces = (1..).zip(joined.chunks(ENTRY_BYTES_MAX));
        pieces.map(|(number, piece)| Chunk { of: *of, number, total: *total, bytes: piece.to_vec() }.encode()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(bytes: usize, salt: u8) -> Vec<u8> {
        let mut record: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap_or(0) ^ salt).collect();
        record[0] = b'{';
        record
    }

    fn join(entries: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, ChunkError> {
        let mut assembler = Assembler::default();
        entries.iter().filter_map(|entry| assembler.push_entry(entry).transpose()).collect()
    }

    #[test]
    fn a_record_of_the_limit_is_one_entry_and_one_byte_more_is_two() {
        let whole = record(ENTRY_BYTES_MAX, 0);
        assert_eq!(to_entries(whole.clone()), Ok(vec![whole]));
        let entries = to_entries(record(ENTRY_BYTES_MAX + 1, 0)).expect("cut");
        assert_eq!(entries.iter().map(Vec::len).collect::<Vec<_>>(), [ENTRY_BYTES_MAX + FRAME_BYTES, 1 + FRAME_BYTES]);
    }

    #[test]
    fn a_record_beyond_all_pieces_is_refused_before_it_is_proposed() {
        let max = usize::from(PIECES_MAX) * ENTRY_BYTES_MAX;
        assert_eq!(cut(&vec![b'{'; max]).map(|chunks| chunks.len()), Ok(usize::from(PIECES_MAX)));
        assert_eq!(cut(&vec![b'{'; max + 1]), Err(ChunkError::TooLong { bytes: max + 1 }));
    }

    #[test]
    fn gaps_repeats_and_strangers_are_refused_and_cost_nothing() {
        let ours = record(3 * ENTRY_BYTES_MAX, 1);
        let mine = cut(&ours).expect("cut");
        let theirs = cut(&record(3 * ENTRY_BYTES_MAX, 2)).expect("cut");
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(mine[1].clone()), Err(ChunkError::AnotherRecord { got: mine[1].of }));
        assert_eq!(assembler.push(mine[0].clone()), Ok(None));
        assert_eq!(assembler.push(mine[2].clone()), Err(ChunkError::OutOfTurn { got: 3, wanted: 2, total: 3 }));
        assert_eq!(assembler.push(theirs[1].clone()), Err(ChunkError::AnotherRecord { got: theirs[1].of }));
        assert_eq!(assembler.push(mine[1].clone()), Ok(None));
        assert_eq!(assembler.push(mine[1].clone()), Err(ChunkError::OutOfTurn { got: 2, wanted: 3, total: 3 }));
        assert_eq!(assembler.push(mine[2].clone()), Ok(Some(ours)));
        assert_eq!(assembler.held_bytes(), 0);
    }

    #[test]
    fn the_record_of_a_lost_leader_gives_way_to_the_next() {
        let lost = to_entries(record(3 * ENTRY_BYTES_MAX, 1)).expect("cut");
        let next = record(2 * ENTRY_BYTES_MAX, 2);
        let small = record(100, 3);
        let mut entries = vec![lost[0].clone(), lost[1].clone()];
        entries.extend(to_entries(next.clone()).expect("cut"));
        assert_eq!(join(&entries), Ok(vec![next]));
        assert_eq!(join(&[lost[0].clone(), small.clone()]), Ok(vec![small]));
    }

    #[test]
    fn joined_pieces_with_another_digest_are_thrown_away() {
        let mut chunks = cut(&record(2 * ENTRY_BYTES_MAX, 1)).expect("cut");
        chunks[1].bytes[7] ^= 1;
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(chunks[0].clone()), Ok(None));
        assert_eq!(assembler.push(chunks[1].clone()), Err(ChunkError::WrongDigest { of: chunks[1].of }));
        assert_eq!(assembler, Assembler::default());
    }

    #[test]
    fn the_state_travels_in_a_snapshot() {
        let whole = record(3 * ENTRY_BYTES_MAX, 1);
        let entries = to_entries(whole.clone()).expect("cut");
        let mut here = Assembler::default();
        assert_eq!(here.push_entry(&entries[0]).and(here.push_entry(&entries[1])), Ok(None));
        let mut there = Assembler::default();
        for entry in here.to_entries() {
            assert_eq!(there.push_entry(&entry), Ok(None));
        }
        assert_eq!(there, here);
        assert_eq!(there.push_entry(&entries[2]), Ok(Some(whole)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_cut_is_joined(bytes in 1_usize..200_000, salt in any::<u8>()) {
            let whole = record(bytes, salt);
            prop_assert_eq!(join(&to_entries(whole.clone()).expect("cut")), Ok(vec![whole]));
        }

        #[test]
        fn no_entry_panics_and_none_grows_beyond_its_bound(entries in prop::collection::vec(prop::collection::vec(0_u8..4, 0..64), 0..32)) {
            let mut assembler = Assembler::default();
            for entry in &entries {
                let _refused_or_taken = assembler.push_entry(entry);
                prop_assert!(assembler.held_bytes() <= usize::from(PIECES_MAX) * ENTRY_BYTES_MAX);
            }
        }
    }
}
