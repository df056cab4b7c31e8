//! How the history lies in sled: keys, values and what each record's index entries are. Pure; no file is touched here.
//!
//! One tree, one letter first in each key, numbers most significant byte first, so that sled's order is ours:
//!
//! ```text
//! r | record index (8) | piece (4)            -> piece of the record's value
//! c | case (8)                     | index (8) -> nothing
//! b | broker (4)                   | index (8) -> nothing
//! p | topic id (16) | partition (4)| index (8) -> nothing
//! t | log time in ms (8)           | index (8) -> nothing
//! w | wall time in ms (8)          | index (8) -> nothing
//! ```
//!
//! The value of a record is `total length (4) | hash (32) | number of index entries (4) | per entry its length (1) and its
//! key without the record's index | canonical bytes`, cut into pieces of [`PIECE_BYTES`]. Piece 0 is written last, in the
//! batch of the index entries' end: a record is there when its piece 0 is.
//!
//! It deliberately stores the keys with the record: at open the entries that should exist are compared with those that do.

use std::collections::BTreeSet;

use crate::model::chain::Link;
use crate::model::ids::{BrokerId, CaseId, Digest, PartitionId, RecordIndex};
use crate::model::time::LogTime;

/// Length of a piece of a record's value.
///
/// Units: bytes. Why 2026-11: sled splits a leaf beyond 16 entries, and a leaf of more than 128 KiB goes to a file under
/// `blobs/` that is never synced. Seventeen pieces and their keys stay below that; seventeen values of 48 KiB would not.
pub(super) const PIECE_BYTES: usize = 4096;

/// What a record can be found by, besides its number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexKeys {
    /// The case that it belongs to.
    pub case: Option<CaseId>,
    /// The brokers that it is about.
    pub brokers: BTreeSet<BrokerId>,
    /// The partitions that it is about.
    pub partitions: BTreeSet<PartitionId>,
    /// Its log time.
    pub at: LogTime,
    /// Its wall time. Units: milliseconds since 1970-01-01 UTC.
    pub wall_ms: u64,
}

/// The part of an index entry's key that stands before the record's index.
pub(super) type Prefix = Vec<u8>;

pub(super) fn case_prefix(case: CaseId) -> Prefix {
    tagged(b'c', &case.0.to_be_bytes())
}

pub(super) fn broker_prefix(broker: BrokerId) -> Prefix {
    tagged(b'b', &broker.0.to_be_bytes())
}

pub(super) fn partition_prefix(partition: PartitionId) -> Prefix {
    let mut prefix = tagged(b'p', &partition.topic.0);
    prefix.extend_from_slice(&partition.number.to_be_bytes());
    prefix
}

pub(super) fn log_time_prefix(at: LogTime) -> Prefix {
    tagged(b't', &at.0.to_be_bytes())
}

pub(super) fn wall_prefix(wall_ms: u64) -> Prefix {
    tagged(b'w', &wall_ms.to_be_bytes())
}

fn tagged(tag: u8, rest: &[u8]) -> Prefix {
    let mut key = vec![tag];
    key.extend_from_slice(rest);
    key
}

impl IndexKeys {
    /// Gives the prefix of every index entry of a record.
    pub(super) fn prefixes(&self) -> Vec<Prefix> {
        let case = self.case.into_iter().map(case_prefix);
        let brokers = self.brokers.iter().copied().map(broker_prefix);
        let partitions = self.partitions.iter().copied().map(partition_prefix);
        let times = [log_time_prefix(self.at), wall_prefix(self.wall_ms)];
        case.chain(brokers).chain(partitions).chain(times).collect()
    }
}

/// Gives the key of an index entry.
pub(super) fn entry_key(prefix: &[u8], index: RecordIndex) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&index.0.to_be_bytes());
    key
}

/// Reads the record's index from the key of an index entry; none when it is no such key.
pub(super) fn entry_index(key: &[u8]) -> Option<RecordIndex> {
    let (head, index) = key.split_last_chunk::<8>()?;
    let wanted = match head.first()? {
        b'b' => 5,
        b'c' | b't' | b'w' => 9,
        b'p' => 21,
        _ => return None,
    };
    (head.len() == wanted).then(|| RecordIndex(u64::from_be_bytes(*index)))
}

/// The first letter of every record piece's key.
pub(super) const RECORDS: u8 = b'r';

/// Gives the key of a piece of a record.
pub(super) fn piece_key(index: RecordIndex, piece: u32) -> Vec<u8> {
    let mut key = tagged(RECORDS, &index.0.to_be_bytes());
    key.extend_from_slice(&piece.to_be_bytes());
    key
}

/// Reads record index and piece from the key of a piece; none when it is no such key.
pub(super) fn read_piece_key(key: &[u8]) -> Option<(RecordIndex, u32)> {
    let (tag, rest) = key.split_first()?;
    let (index, piece) = rest.split_first_chunk::<8>()?;
    let piece: &[u8; 4] = piece.try_into().ok()?;
    (*tag == RECORDS).then(|| (RecordIndex(u64::from_be_bytes(*index)), u32::from_be_bytes(*piece)))
}

/// Gives the value of a record, to be cut into pieces.
pub(super) fn write_value(link: &Link, prefixes: &[Prefix]) -> Option<Vec<u8>> {
    let keys_bytes: usize = prefixes.iter().map(|prefix| prefix.len() + 1).sum();
    let total = 4 + 32 + 4 + keys_bytes + link.bytes.len();
    let mut value = Vec::with_capacity(total);
    value.extend_from_slice(&u32::try_from(total).ok()?.to_be_bytes());
    value.extend_from_slice(&link.hash.0);
    value.extend_from_slice(&u32::try_from(prefixes.len()).ok()?.to_be_bytes());
    for prefix in prefixes {
        value.push(u8::try_from(prefix.len()).ok()?);
        value.extend_from_slice(prefix);
    }
    value.extend_from_slice(&link.bytes);
    Some(value)
}

/// Reads the total length of a record's value from its piece 0.
pub(super) fn value_length(piece_0: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*piece_0.first_chunk::<4>()?)).ok()
}

/// Gives the number of pieces of a value of this length.
pub(super) fn piece_count(value_bytes: usize) -> u32 {
    // A value is shorter than 4 GiB, by its own length field.
    u32::try_from(value_bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX)
}

/// Reads a record and the prefixes of its index entries from its joined value; none when it is not one.
pub(super) fn read_value(index: RecordIndex, value: &[u8]) -> Option<(Link, Vec<Prefix>)> {
    if value_length(value)? != value.len() {
        return None;
    }
    let (hash, rest) = value.get(4..)?.split_first_chunk::<32>()?;
    let (entries, mut rest) = rest.split_first_chunk::<4>()?;
    let mut prefixes = Vec::new();
    for _ in 0..u32::from_be_bytes(*entries) {
        let (length, tail) = rest.split_first()?;
        let (prefix, tail) = tail.split_at_checked(usize::from(*length))?;
        prefixes.push(prefix.to_vec());
        rest = tail;
    }
    Some((Link { index, bytes: rest.to_vec(), hash: Digest(*hash) }, prefixes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TopicId;
    use proptest::prelude::*;

    fn keys() -> IndexKeys {
        IndexKeys {
            case: Some(CaseId(7)),
            brokers: BTreeSet::from([BrokerId(2), BrokerId(3)]),
            partitions: BTreeSet::from([PartitionId { topic: TopicId([9; 16]), number: 4 }]),
            at: LogTime(1000),
            wall_ms: 5,
        }
    }

    #[test]
    fn a_value_reads_back_and_a_cut_one_does_not() {
        let link = Link { index: RecordIndex(3), bytes: b"{\"a\":1}".to_vec(), hash: Digest([7; 32]) };
        let value = write_value(&link, &keys().prefixes()).expect("short");
        assert_eq!(read_value(RecordIndex(3), &value), Some((link, keys().prefixes())));
        assert!((0..value.len()).all(|length| read_value(RecordIndex(3), &value[..length]).is_none()));
    }

    #[test]
    fn every_entry_key_names_its_record() {
        assert_eq!(keys().prefixes().len(), 6);
        for prefix in keys().prefixes() {
            assert_eq!(entry_index(&entry_key(&prefix, RecordIndex(300))), Some(RecordIndex(300)));
        }
        assert_eq!(entry_index(b"x12345678"), None);
        assert_eq!(entry_index(&entry_key(b"c1", RecordIndex(1))), None);
        assert_eq!(read_piece_key(&piece_key(RecordIndex(300), 2)), Some((RecordIndex(300), 2)));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..256)) {
            let _read_or_none = read_value(RecordIndex(1), &value);
            let _read_or_none = (entry_index(&value), read_piece_key(&value));
        }
    }
}
