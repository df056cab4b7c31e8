//! L2: what each fault must be found to be, and within which time, where everything else has been well for long.
//!
//! Deliberately without an entry for what cannot be told yet, or is nobody's fault: a replication path that is cut needs the
//! canary (P3, P4); a broker that refuses rights, throttles or caps connections is well, and only we are kept from seeing it.

use std::time::Duration;

use crate::model::finding::FindingKind;
use crate::model::finding::FindingKind as K;
use crate::sim::kafka::fault::{FaultKind, Path, Vantage};

/// One of these findings, within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) struct Sign {
    /// Any of these will do.
    pub(in crate::sim) kinds: &'static [FindingKind],
    /// Since the fault began.
    pub(in crate::sim) within: Duration,
    pub(in crate::sim) told_by: ToldBy,
}

/// What a fault must be found to be, and by how much the broker's own pauses have raised its tau.
pub(in crate::sim) type Signs = (&'static [Sign], Duration);

/// What tells of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum ToldBy {
    /// Something is heard.
    Word,
    /// Nothing is heard: of a broker that has paused before, and was well, that takes longer.
    Silence,
}

const fn sign(kinds: &'static [FindingKind], ms: u64) -> Sign {
    Sign { kinds, within: Duration::from_millis(ms), told_by: ToldBy::Word }
}

const fn silence(kinds: &'static [FindingKind], ms: u64) -> Sign {
    Sign { kinds, within: Duration::from_millis(ms), told_by: ToldBy::Silence }
}

impl Sign {
    /// Since the fault began, where the broker's own pauses have raised its tau by `learnt`.
    pub(super) fn within(&self, learnt: Duration) -> Duration {
        match self.told_by {
            ToldBy::Word => self.within,
            ToldBy::Silence => self.within.saturating_add(learnt),
        }
    }
}

/// Refused: found in half a second. What it is follows from its place in the metadata log, which tau (a beat, 500 ms, and a
/// round) tells, plus 2 s.
const CRASHED: &[Sign] = &[sign(&[K::LeaderNotServing, K::BrokerCrashed], 500), sign(&[K::BrokerCrashed], 3000)];
const CUT: &[Sign] = &[sign(&[K::LeaderNotServing, K::ClientPathCut], 500), sign(&[K::ClientPathCut], 3000)];

/// Silent: tau is 1 s, or 0.5 s for a broker that is behind as well.
const SILENT: &[Sign] = &[silence(&[K::LeaderNotServing, K::BrokerSilent], 2000), silence(&[K::BrokerSilent], 3000)];
const MUTE: &[Sign] = &[silence(&[K::LeaderNotServing, K::ClientPathCut], 2000), silence(&[K::ClientPathCut], 3000)];

/// A stop in good order is over within a second, and a fresh shape (every second) tells it from a crash.
const STOPPED: &[Sign] = &[sign(&[K::BrokerStopped], 4000)];

/// Four beats behind are two seconds, plus 2 s. A stalled block device hides behind the page cache for 5 s more.
const BEHIND: &[Sign] = &[sign(&[K::CutOrStalled], 4500)];
const BEHIND_LATE: &[Sign] = &[sign(&[K::CutOrStalled], 9500)];

/// One node alone is silent after 1 s, contradicted for 1 s, and given 2 s to be a flap.
const SPLIT: &[Sign] = &[silence(&[K::Conflict], 5000)];

/// Gives what a fault must be found to be, in this order.
pub(in crate::sim) fn signs_of(kind: FaultKind) -> &'static [Sign] {
    match kind {
        FaultKind::Kill | FaultKind::DiskFail => CRASHED,
        FaultKind::ClientCut(Vantage::All) => CUT,
        FaultKind::Stop => SILENT,
        FaultKind::ClientFreeze(Vantage::All, _) => MUTE,
        FaultKind::ClientCut(Vantage::Only(Path::Tanist(_)))
        | FaultKind::ClientFreeze(Vantage::Only(Path::Tanist(_)), _) => SPLIT,
        FaultKind::Terminate => STOPPED,
        FaultKind::DiskFreeze | FaultKind::ControllerFreeze(_) | FaultKind::ControllerCut => BEHIND,
        FaultKind::DiskStall => BEHIND_LATE,
        FaultKind::ClientCut(Vantage::Only(Path::Clients))
        | FaultKind::ClientFreeze(Vantage::Only(Path::Clients), _)
        | FaultKind::ClientDelay(..)
        | FaultKind::ClientDeny(_)
        | FaultKind::ClientThrottle(..)
        | FaultKind::ClientCap(_)
        | FaultKind::ReplicationFreeze(_) => &[],
    }
}
