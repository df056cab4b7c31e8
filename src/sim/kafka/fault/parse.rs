//! Reads faults from their line of text. An error names the word that does not fit and what should stand there.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use super::{Fault, FaultError, FaultKind, NAMES, Path, Target, Vantage, Way};
use crate::model::ids::{BrokerId, ControllerId, NodeId};

impl FromStr for Target {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = || wrong(text, "a broker (b1), a controller (k101) or a Tanist node (t1)");
        if let Some(digits) = text.strip_prefix('b') {
            return digits.parse().map(|id| Self::Broker(BrokerId(id))).map_err(|_| bad());
        }
        if let Some(digits) = text.strip_prefix('k') {
            return digits.parse().map(|id| Self::Controller(ControllerId(id))).map_err(|_| bad());
        }
        let digits = text.strip_prefix('t').ok_or_else(bad)?;
        digits.parse().map(|id| Self::Tanist(NodeId(id))).map_err(|_| bad())
    }
}

impl FromStr for Path {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        if text == "clients" {
            return Ok(Self::Clients);
        }
        let digits = text.strip_prefix("tanist").and_then(|digits| digits.parse().ok());
        digits.map(|id| Self::Tanist(NodeId(id))).ok_or_else(|| wrong(text, "a listener: tanist1 or clients"))
    }
}

/// Keeps what a word says, once.
fn keep<T>(place: &mut Option<T>, new: T, word: &str) -> Result<(), FaultError> {
    if place.replace(new).is_some() {
        return Err(wrong(word, "each of listener, direction and span once"));
    }
    Ok(())
}

/// Reads the targets of a fault, each once.
fn parse_targets(text: &str) -> Result<BTreeSet<Target>, FaultError> {
    let mut targets = BTreeSet::new();
    for word in text.split(',') {
        if !targets.insert(word.parse()?) {
            return Err(wrong(word, "each target once"));
        }
    }
    Ok(targets)
}

/// The words after a fault's targets.
#[derive(Default)]
struct Words<'a> {
    from: Option<Path>,
    way: Option<(Way, &'a str)>,
    span: Option<(Duration, &'a str)>,
}

impl<'a> Words<'a> {
    fn read(mut words: impl Iterator<Item = &'a str>) -> Result<Self, FaultError> {
        let mut read = Self::default();
        while let Some(word) = words.next() {
            match word {
                "from" => keep(&mut read.from, words.next().unwrap_or_default().parse()?, word)?,
                "inbound" => keep(&mut read.way, (Way::Inbound, word), word)?,
                "outbound" => keep(&mut read.way, (Way::Outbound, word), word)?,
                span => {
                    let span = parse_span(span)
                        .ok_or_else(|| wrong(word, "from LISTENER, inbound, outbound or a span such as 200ms"))?;
                    keep(&mut read.span, (span, word), word)?;
                }
            }
        }
        Ok(read)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let targets = words.next().ok_or_else(|| wrong("", "a target, such as b1"))?;
        let targets = parse_targets(targets)?;
        let read = Words::read(words)?;
        let vantage = read.from.map_or(Vantage::All, Vantage::Only);
        let way = read.way.map_or(Way::Both, |(way, _)| way);
        let span = || read.span.map(|(span, _)| span).ok_or_else(|| wrong("", "a span, such as 200ms"));
        let kind = match name {
            "kill" => FaultKind::Kill,
            "terminate" => FaultKind::Terminate,
            "stop" => FaultKind::Stop,
            "client-cut" => FaultKind::ClientCut(vantage),
            "client-freeze" => FaultKind::ClientFreeze(vantage, way),
            "client-delay" => FaultKind::ClientDelay(vantage, span()?),
            "client-deny" => FaultKind::ClientDeny(vantage),
            "alter-deny" => FaultKind::AlterDeny(vantage),
            "client-throttle" => FaultKind::ClientThrottle(vantage, span()?),
            "client-cap" => FaultKind::ClientCap(vantage),
            "replication-freeze" => FaultKind::ReplicationFreeze(way),
            "controller-freeze" => FaultKind::ControllerFreeze(way),
            "controller-cut" => FaultKind::ControllerCut,
            "disk-freeze" => FaultKind::DiskFreeze,
            "disk-stall" => FaultKind::DiskStall,
            "disk-fail" => FaultKind::DiskFail,
            other => return Err(wrong(other, &format!("a fault: {NAMES}"))),
        };
        // A fault that ignored half its text would break something else than was asked.
        let (vantage_kept, way_kept, span_kept) = kind.details();
        if read.from.is_some() && vantage_kept == Vantage::All {
            return Err(wrong("from", &format!("nothing: {name} is felt by everybody")));
        }
        match (read.way, read.span) {
            (Some((way, word)), _) if way != way_kept => Err(wrong(word, &format!("nothing: {name} has no direction"))),
            (_, Some((_, word))) if span_kept.is_none() => Err(wrong(word, &format!("nothing: {name} takes no span"))),
            _ => Ok(Self { kind, targets }),
        }
    }
}

fn wrong(word: &str, expected: &str) -> FaultError {
    FaultError { word: word.to_owned(), expected: expected.to_owned() }
}

/// Reads `200ms`, `9s` or `2m`.
pub(in crate::sim) fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.get(digits.len()..)? {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}
