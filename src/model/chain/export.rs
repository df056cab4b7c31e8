//! The export of the audit history: NDJSON that anyone can check with a hash function and this page.
//!
//! The rule: every line ends in one newline and is canonical JSON (see `canon`). The first line is the header
//! `{"after":{"hash":H,"index":N},"cluster":ID,"format":"tanist-audit-1","genesis":Z}`: the records below follow record `N`
//! whose hash is `H` (0 and `Z` for a whole history), and `Z` is 64 zeros. Every other line is
//! `{"hash":H,"index":N,"record":R}`: the bytes of the record stand inline and unchanged, so they are what lies between
//! `"record":` and the last `}` of the line; `H` is the record's hash by the rule in `chain`.
//!
//! It deliberately neither opens files nor knows what a record means.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::chunk::{ENTRY_BYTES_MAX, PIECES_MAX};
use super::{Agreement, GENESIS_HASH, Head, Link, Verdict, compare_heads, verify};
use crate::model::canon::{CanonError, from_canonical_bytes, require_canonical, to_canonical_bytes};
use crate::model::ids::{Digest, RecordIndex};

/// The only format there is; a reader refuses any other.
pub const FORMAT: &str = "tanist-audit-1";

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the records below follow; [`Head::GENESIS`] in a whole history.
    pub after: Head,
    /// Id of the Kafka cluster that the history is about.
    pub cluster: String,
    /// Always [`FORMAT`].
    pub format: String,
    /// What stands before record 1: 64 zeros.
    pub genesis: Digest,
}

impl Header {
    /// Gives the header of an export about `cluster` whose first record follows `after`.
    #[must_use]
    pub fn new(cluster: &str, after: Head) -> Self {
        Self { after, cluster: cluster.to_owned(), format: FORMAT.to_owned(), genesis: GENESIS_HASH }
    }

    /// Gives the line, without its newline.
    ///
    /// Errors: none of its fields can be refused, but the type does not show it.
    pub fn to_line(&self) -> Result<Vec<u8>, CanonError> {
        to_canonical_bytes(self)
    }
}

/// Gives the line of one record, without its newline.
#[must_use]
pub fn to_line(link: &Link) -> Vec<u8> {
    let mut line = format!("{{\"hash\":\"{}\",\"index\":{},\"record\":", link.hash, link.index).into_bytes();
    line.extend_from_slice(&link.bytes);
    line.push(b'}');
    line
}

/// Reads the line of one record.
///
/// Errors: the first thing that the rule does not allow.
pub fn from_line(line: &[u8]) -> Result<Link, LineError> {
    let rest = line.strip_prefix(b"{\"hash\":\"").ok_or(LineError("it does not open with a hash"))?;
    let (hash, rest) = rest.split_at_checked(64).ok_or(LineError("its hash is cut off"))?;
    let hash =
        std::str::from_utf8(hash).ok().and_then(|hash| hash.parse().ok()).ok_or(LineError("its hash is no hash"))?;
    let rest = rest.strip_prefix(b"\",\"index\":").ok_or(LineError("it has no index after the hash"))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (index, rest) = rest.split_at_checked(digits).ok_or(LineError("its index is cut off"))?;
    let index: u64 = std::str::from_utf8(index)
        .ok()
        .and_then(|index| index.parse().ok())
        .ok_or(LineError("its index is no number"))?;
    let rest = rest.strip_prefix(b",\"record\":").ok_or(LineError("it has no record after the index"))?;
    let bytes = rest.strip_suffix(b"}").ok_or(LineError("it is cut off"))?;
    if require_canonical(bytes).is_err() {
        return Err(LineError("its record is not canonical JSON"));
    }
    let link = Link { index: RecordIndex(index), bytes: bytes.to_vec(), hash };
    // Leading zeros and upper-case digits read as the same values; only one spelling is the documented one.
    if to_line(&link) == line { Ok(link) } else { Err(LineError("its hash or index is spelt in another way")) }
}

/// Why a line is not the line of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LineError(&'static str);

/// What a check of an export found.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportVerdict {
    /// The export is an unbroken chain and holds the head that was asked for, if one was.
    Good {
        /// The header, for the reader to compare the cluster.
        header: Header,
        /// Where the chain ends.
        head: Head,
    },
    /// The first line is not a header of this format.
    BadHeader(String),
    /// The chain breaks at a record.
    Broken(Verdict),
    /// A line is no record; the one that belongs there is named.
    BadLine {
        /// Number of the record that belongs there.
        at: RecordIndex,
        /// Number of the line in the file, from 1.
        line: u64,
        /// What is wrong with the line.
        why: LineError,
    },
    /// The chain is whole, but it is not the one with the head that was asked for.
    AnotherHead {
        /// Where the chain ends.
        head: Head,
        /// How it compares with the head that was asked for.
        how: Agreement,
    },
}

impl ExportVerdict {
    /// Says whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }
}

impl fmt::Display for ExportVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { header, head } => {
                let records = head.index.0.saturating_sub(header.after.index.0);
                write!(f, "whole: {records} records of cluster {}, head {head}", header.cluster)
            }
            Self::BadHeader(why) => write!(f, "not an audit export: {why}"),
            Self::Broken(verdict) => write!(f, "{verdict}"),
            Self::BadLine { at, line, why } => write!(f, "broken: record {at} should stand in line {line}, but {why}"),
            Self::AnotherHead { head, how: Agreement::TailMissing { records } } => {
                write!(f, "broken: record {} was dropped, the last {records} records are missing", head.next_index())
            }
            Self::AnotherHead { head, how } => write!(f, "broken: the chain ends in {head}, which {how}"),
        }
    }
}

/// Length of the longest line that is read: the longest record and what stands around it. Units: bytes.
const LINE_BYTES_MAX: usize = PIECES_MAX as usize * ENTRY_BYTES_MAX + 256;

/// Gives the lines of anything that can be read, newlines taken off; a line beyond any record is cut, and so refused later.
pub fn read_lines(mut from: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        match from.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                line.pop_if(|byte| *byte == b'\n');
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

/// Checks the lines of an export, and where `wanted` is given that the chain holds that head.
///
/// Errors: those of reading the lines; nothing is known of the export then.
/// Contract: nothing but a comparison with a head kept elsewhere can show that the last records were cut off.
pub fn verify_export(
    lines: impl IntoIterator<Item = io::Result<Vec<u8>>>,
    wanted: Option<Head>,
) -> io::Result<ExportVerdict> {
    let mut lines = lines.into_iter();
    let header = match lines.next().transpose()?.map(|line| read_header(&line)) {
        None => return Ok(ExportVerdict::BadHeader("it is empty".to_owned())),
        Some(Err(why)) => return Ok(ExportVerdict::BadHeader(why)),
        Some(Ok(header)) => header,
    };
    let mut stop = Ok(None);
    let mut hash_at_wanted = None;
    let links = (2_u64..).zip(lines).map_while(|(line, bytes)| {
        let read = bytes.map(|bytes| from_line(&bytes));
        match read {
            Ok(Ok(link)) => {
                hash_at_wanted =
                    wanted.filter(|wanted| wanted.index == link.index).map(|_| link.hash).or(hash_at_wanted);
                return Some(link);
            }
            Ok(Err(why)) => stop = Ok(Some((line, why))),
            Err(error) => stop = Err(error),
        }
        None
    });
    let verdict = verify(header.after, links);
    let head = match (verdict, stop?) {
        (broken @ Verdict::Broken { .. }, _) => return Ok(ExportVerdict::Broken(broken)),
        (Verdict::Whole(head), Some((line, why))) => {
            return Ok(ExportVerdict::BadLine { at: head.next_index(), line, why });
        }
        (Verdict::Whole(head), None) => head,
    };
    let hash_at = |index| if index == header.after.index { Some(header.after.hash) } else { hash_at_wanted };
    Ok(match wanted.map(|wanted| compare_heads(head, wanted, hash_at)) {
        None | Some(Agreement::Holds { .. }) => ExportVerdict::Good { header, head },
        Some(how @ (Agreement::TailMissing { .. } | Agreement::Differs { .. })) => {
            ExportVerdict::AnotherHead { head, how }
        }
    })
}

fn read_header(line: &[u8]) -> Result<Header, String> {
    let header = from_canonical_bytes::<Header>(line).map_err(|error| error.to_string())?;
    if header.format != FORMAT {
        return Err(format!("its format is {:?}, not {FORMAT:?}", header.format));
    }
    if header.genesis != GENESIS_HASH {
        return Err("its genesis is not 64 zeros".to_owned());
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chain::sha256;

    fn export(records: u64) -> (Vec<Vec<u8>>, Vec<Head>) {
        let mut heads = vec![Head::GENESIS];
        let mut lines = vec![Header::new("cluster-1", Head::GENESIS).to_line().expect("canonical")];
        for n in 1..=records {
            let bytes = format!("{{\"n\":{n},\"what\":\"élan}}\"}}").into_bytes();
            let head = heads[heads.len() - 1].extend(&bytes);
            heads.push(head);
            lines.push(to_line(&Link { index: head.index, bytes, hash: head.hash }));
        }
        (lines, heads)
    }

    /// Through the bytes of a file, as a person would.
    fn judge(lines: Vec<Vec<u8>>, wanted: Option<Head>) -> ExportVerdict {
        let file: Vec<u8> = lines.into_iter().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
        verify_export(read_lines(file.as_slice()), wanted).expect("memory reads")
    }

    fn check(edit: impl FnOnce(&mut Vec<Vec<u8>>), wanted: Option<usize>, expected: &str) {
        let (mut lines, heads) = export(7);
        let wanted = wanted.map(|index| heads[index]);
        edit(&mut lines);
        let text = judge(lines, wanted).to_string();
        assert!(text.starts_with(expected), "{text}, expected {expected}");
    }

    fn replace(line: &mut Vec<u8>, from: &str, to: &str) {
        *line = String::from_utf8(line.clone()).expect("utf-8").replace(from, to).into_bytes();
    }

    #[test]
    fn a_good_export_is_accepted() {
        check(|_| {}, None, "whole: 7 records of cluster cluster-1, head 7:");
        check(|_| {}, Some(7), "whole: 7 records");
        check(|_| {}, Some(3), "whole: 7 records");
        check(|lines| lines.truncate(1), Some(0), "whole: 0 records");
    }

    #[test]
    fn an_export_may_start_after_any_record() {
        let (lines, heads) = export(7);
        let mut part = vec![Header::new("cluster-1", heads[4]).to_line().expect("canonical")];
        part.extend_from_slice(&lines[5..]);
        assert!(judge(part.clone(), Some(heads[7])).is_good());
        assert!(judge(part.clone(), Some(heads[4])).is_good());
        part[0] = lines[0].clone();
        assert_eq!(judge(part, None).to_string(), "broken: record 1 was dropped");
    }

    #[test]
    fn tampering_is_named_with_the_index() {
        check(|lines| replace(&mut lines[4], "élan", "elan"), None, "broken: record 4 was changed");
        check(|lines| drop(lines.remove(4)), None, "broken: record 4 was dropped");
        check(|lines| lines.insert(4, lines[6].clone()), None, "broken: record 4 was re-ordered");
        check(|lines| lines.insert(6, lines[2].clone()), None, "broken: record 2 was inserted");
        check(|lines| lines.swap(4, 5), None, "broken: record 4 was re-ordered");
    }

    #[test]
    fn a_cut_tail_shows_beside_a_head_only() {
        check(|lines| lines.truncate(6), None, "whole: 5 records");
        check(|lines| lines.truncate(6), Some(7), "broken: record 6 was dropped, the last 2 records are missing");
        check(|lines| lines.truncate(6), Some(5), "whole: 5 records");
    }

    #[test]
    fn a_history_with_another_head_is_refused() {
        let (lines, _) = export(7);
        let forged = Head { index: RecordIndex(3), hash: sha256(b"forged") };
        let text = judge(lines, Some(forged)).to_string();
        assert!(text.contains("differs at or before record 3"), "{text}");
    }

    #[test]
    fn lines_that_are_no_records_are_named() {
        check(
            |lines| replace(&mut lines[4], "{\"n\":4,", "{\"n\":4, "),
            None,
            "broken: record 4 should stand in line 5, but its record is not canonical",
        );
        check(|lines| lines[4].truncate(90), None, "broken: record 4 should stand in line 5");
        check(|lines| lines[7].truncate(100), None, "broken: record 7 should stand in line 8");
        check(
            |lines| replace(&mut lines[4], "\"index\":4", "\"index\":04"),
            None,
            "broken: record 4 should stand in line 5, but its hash or index is spelt in another way",
        );
        check(|lines| lines.insert(3, Vec::new()), None, "broken: record 3 should stand in line 4");
    }

    #[test]
    fn another_format_is_refused() {
        check(|lines| replace(&mut lines[0], "audit-1", "audit-2"), None, "not an audit export: its format is");
        check(|lines| drop(lines.remove(0)), None, "not an audit export");
        check(|lines| lines.clear(), None, "not an audit export: it is empty");
    }
}
