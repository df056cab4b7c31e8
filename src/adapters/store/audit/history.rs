//! The records in one open store: the whole check at open, appending, finding.
//!
//! Everything below the expected head must be there, must chain, and must be found by every index; else the store is
//! damaged, whatever it says of itself. What lies beyond the expected head may be there or not: it was never promised.
//!
//! It deliberately repairs nothing but the rest of an unfinished append: a store is whole or it is set aside.

use std::ops::RangeInclusive;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use sled::{Batch, Tree};

use super::engine::{Engine, EngineError};
use super::layout::{self, Prefix};
use super::query::{Order, Page, Query, Select};
use super::{Append, AuditError};
use crate::model::chain::{Agreement, Head, Link, compare_heads};
use crate::model::ids::RecordIndex;

/// How much goes into one sled batch, which holds every sled of the process for its time. Units: bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum Fault {
    /// The store can be used no more.
    Engine(EngineError),
    /// The store is as it was; the request does not fit.
    Refused(AuditError),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// The records of one open store.
pub(super) struct History {
    engine: Engine,
    head: Head,
}

impl History {
    /// Opens the store in a folder and checks all of it.
    pub(super) fn open(folder: &Path, expected: Head) -> Result<Self, EngineError> {
        let engine = Engine::open(folder)?;
        let scan = engine.with("read the history", scan)?.map_err(EngineError::Damaged)?;
        let hash_at =
            |index| engine.with("get", |tree| read(tree, index)).ok().flatten()?.ok().map(|(link, _)| link.hash);
        match compare_heads(scan.head, expected, hash_at) {
            Agreement::Holds { .. } => {}
            how @ (Agreement::TailMissing { .. } | Agreement::Differs { .. }) => {
                let what =
                    format!("it ends in record {} but record {} was promised: {how}", scan.head.index, expected.index);
                return Err(EngineError::Damaged(what));
            }
        }
        for keys in scan.orphans.chunks(1024) {
            let mut batch = Batch::default();
            keys.iter().for_each(|key| batch.remove(key.as_slice()));
            engine.with("remove the rest of an unfinished append", |tree| tree.apply_batch(batch))?;
        }
        Ok(Self { engine, head: scan.head })
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Appends records in order; those that are there already are compared and passed over.
    pub(super) fn append(&mut self, records: &[Append]) -> Result<Head, Fault> {
        let mut writer = Writer { engine: &self.engine, batch: Batch::default(), held_bytes: 0 };
        let mut head = self.head;
        for Append { link, keys } in records {
            if link.index <= head.index {
                self.require_same(link, head)?;
                continue;
            }
            if head.next_index() < link.index {
                return Err(Fault::Refused(AuditError::Gap { head, got: link.index }));
            }
            let next = head.extend(&link.bytes);
            if next.hash != link.hash {
                return Err(Fault::Refused(AuditError::WrongHash { at: link.index }));
            }
            writer.put(link, &keys.prefixes())?;
            head = next;
        }
        writer.write()?;
        self.head = head;
        Ok(head)
    }

    /// Refuses a record that differs from the one under its number; `head` covers those of the same request.
    fn require_same(&self, link: &Link, head: Head) -> Result<(), Fault> {
        let held = if link.index == head.index { Some(head.hash) } else { self.get(link.index)?.map(|held| held.hash) };
        match held {
            Some(hash) if hash == link.hash => Ok(()),
            // Repeats within one request, which nothing of ours sends, land here too and are refused, not lost.
            Some(_) | None => Err(Fault::Refused(AuditError::Conflict { at: link.index })),
        }
    }

    /// Puts everything appended so far on the disk.
    pub(super) fn sync(&self) -> Result<Head, Fault> {
        self.engine.sync()?;
        Ok(self.head)
    }

    pub(super) fn get(&self, index: RecordIndex) -> Result<Option<Link>, Fault> {
        match self.engine.with("get", |tree| read(tree, index))? {
            None => Ok(None),
            Some(Ok((link, _))) => Ok(Some(link)),
            Some(Err(why)) => Err(Fault::Engine(EngineError::Damaged(why))),
        }
    }

    /// Finds records by one of the indexes.
    pub(super) fn find(&self, query: &Query) -> Result<Page, Fault> {
        let wanted = query.limit.records();
        let mut indexes = self.engine.with("find", |tree| indexes(tree, query, self.head, wanted.saturating_add(1)))?;
        let mut more = wanted < indexes.len();
        indexes.truncate(wanted);
        let (mut links, mut taken_bytes) = (Vec::new(), 0_usize);
        for index in indexes {
            if query.limit.bytes() <= taken_bytes {
                more = true;
                break;
            }
            let missing = || EngineError::Damaged(format!("record {index} is in an index but not in the history"));
            let link = self.get(index)?.ok_or_else(missing)?;
            taken_bytes = taken_bytes.saturating_add(link.bytes.len());
            links.push(link);
        }
        Ok(Page { links, more })
    }
}

/// Collects writes into batches; a record's piece 0 is its last write, so a record is there whole or not at all.
struct Writer<'a> {
    engine: &'a Engine,
    batch: Batch,
    held_bytes: usize,
}

impl Writer<'_> {
    fn put(&mut self, link: &Link, prefixes: &[Prefix]) -> Result<(), Fault> {
        let too_long = || Fault::Refused(AuditError::TooLong { at: link.index, bytes: link.bytes.len() });
        let value = layout::write_value(link, prefixes).ok_or_else(too_long)?;
        let mut pieces = (0_u32..).zip(value.chunks(layout::PIECE_BYTES));
        let first = pieces.next();
        for (number, piece) in pieces {
            self.insert(layout::piece_key(link.index, number), piece)?;
        }
        for prefix in prefixes {
            self.insert(layout::entry_key(prefix, link.index), &[])?;
        }
        first.map_or(Ok(()), |(number, piece)| self.insert(layout::piece_key(link.index, number), piece))
    }

    fn insert(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), Fault> {
        self.held_bytes = self.held_bytes.saturating_add(key.len() + value.len());
        self.batch.insert(key, value);
        if BATCH_BYTES <= self.held_bytes { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Fault> {
        if self.held_bytes == 0 {
            return Ok(());
        }
        self.held_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        Ok(self.engine.with("append", |tree| tree.apply_batch(batch))?)
    }
}

type Read = Option<Result<(Link, Vec<Prefix>), String>>;

/// Reads one record; none when its piece 0 is not there.
fn read(tree: &Tree, index: RecordIndex) -> sled::Result<Read> {
    let Some(first) = tree.get(layout::piece_key(index, 0))? else { return Ok(None) };
    let cut = || Some(Err(format!("record {index} is cut")));
    let Some(total_bytes) = layout::value_length(&first) else { return Ok(cut()) };
    let mut value = first.to_vec();
    for piece in 1..layout::piece_count(total_bytes) {
        let Some(bytes) = tree.get(layout::piece_key(index, piece))? else { return Ok(cut()) };
        value.extend_from_slice(&bytes);
    }
    Ok(Some(layout::read_value(index, &value).ok_or_else(|| format!("record {index} is not readable"))))
}

/// What a whole pass over the store found.
struct Scan {
    head: Head,
    orphans: Vec<Vec<u8>>,
}

/// Reads everything once: the chain, then what lies beyond it, then the indexes.
fn scan(tree: &Tree) -> sled::Result<Result<Scan, String>> {
    let (mut head, mut entries) = (Head::GENESIS, Entries::default());
    while let Some(found) = read(tree, head.next_index())? {
        let (link, prefixes) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let next = head.extend(&link.bytes);
        if next.hash != link.hash {
            return Ok(Err(format!("record {} was changed", link.index)));
        }
        prefixes.iter().for_each(|prefix| entries.add(&layout::entry_key(prefix, link.index)));
        head = next;
    }
    let mut orphans = Vec::new();
    for pair in tree.range(layout::piece_key(head.next_index(), 0)..vec![layout::RECORDS + 1]) {
        let (key, _) = pair?;
        match layout::read_piece_key(&key) {
            Some((index, piece)) if index == head.next_index() && piece != 0 => orphans.push(key.to_vec()),
            Some(_) => return Ok(Err(format!("record {} was dropped", head.next_index()))),
            None => return Ok(Err("a key is not one of ours".to_owned())),
        }
    }
    let mut held = Entries::default();
    let (before, after) = (tree.range(..vec![layout::RECORDS]), tree.range(vec![layout::RECORDS + 1]..));
    for pair in before.chain(after) {
        let (key, _) = pair?;
        match layout::entry_index(&key) {
            Some(index) if head.index < index => orphans.push(key.to_vec()),
            Some(_) => held.add(&key),
            None => return Ok(Err("a key is not one of ours".to_owned())),
        }
    }
    if held != entries {
        return Ok(Err(format!(
            "the indexes hold {} entries that do not match the {} wanted",
            held.count, entries.count
        )));
    }
    Ok(Ok(Scan { head, orphans }))
}

/// A set of index entries, summed up so that two can be compared in any order and any size.
#[derive(Default, PartialEq, Eq)]
struct Entries {
    count: u64,
    sum: u128,
}

impl Entries {
    fn add(&mut self, key: &[u8]) {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let half = hash.first_chunk::<16>().copied().unwrap_or_default();
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
    }
}

/// Gives the numbers of the records that a query asks for, at most `max` of them, in its order.
fn indexes(tree: &Tree, query: &Query, head: Head, max: usize) -> sled::Result<Vec<RecordIndex>> {
    let within = query.from.max(RecordIndex(1))..=query.to.min(head.index);
    let (from, to) = (*within.start(), *within.end());
    let keys = match query.select {
        Select::All => {
            let all = from.0..=to.0;
            return Ok(match query.order {
                Order::OldestFirst => all.take(max).map(RecordIndex).collect(),
                Order::NewestFirst => all.rev().take(max).map(RecordIndex).collect(),
            });
        }
        Select::Case(case) => span(&layout::case_prefix(case), &layout::case_prefix(case), from, to),
        Select::Broker(broker) => span(&layout::broker_prefix(broker), &layout::broker_prefix(broker), from, to),
        Select::Partition(id) => span(&layout::partition_prefix(id), &layout::partition_prefix(id), from, to),
        Select::LogTime { from: first, to: last } => {
            span(&layout::log_time_prefix(first), &layout::log_time_prefix(last), RecordIndex(0), RecordIndex(u64::MAX))
        }
        Select::Wall { from_ms, to_ms } => {
            span(&layout::wall_prefix(from_ms), &layout::wall_prefix(to_ms), RecordIndex(0), RecordIndex(u64::MAX))
        }
    };
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = tree.range(keys);
    let pairs: Box<dyn Iterator<Item = _>> = match query.order {
        Order::OldestFirst => Box::new(pairs),
        Order::NewestFirst => Box::new(pairs.rev()),
    };
    let found = pairs.map(|pair| pair.map(|(key, _)| layout::entry_index(&key)));
    found
        .filter_map(Result::transpose)
        .filter(|index| index.as_ref().map_or(true, |index| within.contains(index)))
        .take(max)
        .collect()
}

fn span(first: &[u8], last: &[u8], from: RecordIndex, to: RecordIndex) -> RangeInclusive<Vec<u8>> {
    layout::entry_key(first, from)..=layout::entry_key(last, to)
}
