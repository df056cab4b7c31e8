//! Record batches (format v2), read with the same bounds as everything else.
//!
//! Compressed batches are refused: the metadata log never compresses, and the lab's producers do not.

use bytes::Bytes;

use super::reader::{Malformed, Reader};

/// What precedes a batch's own length.
const OFFSET_AND_LENGTH_BYTES: usize = 12;
/// Attribute bits: how the records are compressed.
const COMPRESSION_MASK: i16 = 0x07;
/// Attribute bit: Kafka's own control records.
const CONTROL_BIT: i16 = 0x20;

/// One batch of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// The offset that follows it.
    pub next_offset: i64,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: i32,
    /// Whether it holds Kafka's own control records.
    pub control: bool,
    /// Its records.
    pub records: Vec<Record>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
}

/// Reads every whole batch; a last one that was cut off is left away, as Kafka's own clients do.
///
/// Errors: [`Malformed`] for a wrong checksum, an unknown format, compression, or lengths that contradict each other.
pub fn batches(bytes: Bytes) -> Result<Vec<Batch>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut batches = Vec::new();
    while OFFSET_AND_LENGTH_BYTES <= reader.remaining() {
        let base_offset = reader.i64()?;
        let length = reader.i32()?;
        let length = usize::try_from(length).map_err(|_negative| reader.malformed("a batch of negative length"))?;
        if reader.remaining() < length {
            break;
        }
        batches.push(batch(base_offset, Reader::new(reader.take(length)?))?);
    }
    Ok(batches)
}

fn batch(base_offset: i64, mut reader: Reader) -> Result<Batch, Malformed> {
    let leader_epoch = reader.i32()?;
    if reader.i8()? != 2 {
        return Err(reader.malformed("a record batch of another format than 2"));
    }
    let checksum = reader.u32()?;
    if crc32c::crc32c(reader.rest()) != checksum {
        return Err(reader.malformed("a record batch with a wrong checksum"));
    }
    let attributes = reader.i16()?;
    if attributes & COMPRESSION_MASK != 0 {
        return Err(reader.malformed("a compressed record batch"));
    }
    let last_offset_delta = reader.i32()?;
    let (_base_time, _max_time) = (reader.i64()?, reader.i64()?);
    let (_producer, _producer_epoch, _sequence) = (reader.i64()?, reader.i16()?, reader.i32()?);
    let count = reader.i32()?;
    let count = usize::try_from(count).map_err(|_negative| reader.malformed("a negative number of records"))?;
    // A record takes at least its length, attributes, two deltas, two lengths and a count: one byte each.
    let records = reader.elements(count, 7, |r| record(r, base_offset))?;
    reader.end()?;
    let next_offset = offset_after(base_offset, last_offset_delta).and_then(|last| last.checked_add(1));
    let next_offset = next_offset.ok_or_else(|| reader.malformed("an offset beyond 63 bits"))?;
    Ok(Batch { base_offset, next_offset, leader_epoch, control: attributes & CONTROL_BIT != 0, records })
}

fn record(outer: &mut Reader, base_offset: i64) -> Result<Record, Malformed> {
    let length = outer.varint()?;
    let length = usize::try_from(length).map_err(|_negative| outer.malformed("a record of negative length"))?;
    let mut reader = Reader::new(outer.take(length)?);
    let _attributes = reader.i8()?;
    let _time_delta = reader.varlong()?;
    let offset = offset_after(base_offset, reader.varint()?);
    let offset = offset.ok_or_else(|| reader.malformed("an offset beyond 63 bits"))?;
    let key = varint_bytes(&mut reader)?;
    let value = varint_bytes(&mut reader)?;
    let headers = reader.varint()?;
    for _ in 0..headers {
        varint_bytes(&mut reader)?;
        varint_bytes(&mut reader)?;
    }
    reader.end()?;
    Ok(Record { offset, key, value })
}

fn offset_after(base: i64, delta: i32) -> Option<i64> {
    base.checked_add(i64::from(delta)).filter(|offset| 0 <= *offset)
}

fn varint_bytes(reader: &mut Reader) -> Result<Option<Bytes>, Malformed> {
    let length = reader.varint()?;
    match usize::try_from(length) {
        Ok(length) => reader.take(length).map(Some),
        Err(_negative) => Ok(None),
    }
}
