//! L2: what each fault must be found to be, and within which time, where everything else has been well for long: times one more than
//! the highest doubt (LHM) among us.
//!
//! Deliberately without an entry for what cannot be told yet, or is nobody's fault: a replication path that is cut needs the
//! canary (P3, P4); a broker that refuses rights, throttles or caps connections is well, and only we are kept from seeing it.

use std::time::Duration;

use crate::model::finding::FindingKind;
use crate::model::finding::FindingKind as K;
use crate::sim::kafka::fault::{FaultKind, Path, Vantage};
use crate::sim::node::Machine;

use super::{Expected, Scene};

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
    /// Since the fault began, where the broker's own pauses have raised its tau by `learnt`, and one of us doubts itself so much.
    fn within(&self, learnt: Duration, doubt: u8) -> Duration {
        let undoubted = match self.told_by {
            ToldBy::Word => self.within,
            ToldBy::Silence => self.within.saturating_add(learnt),
        };
        undoubted.saturating_mul(u32::from(doubt).saturating_add(1))
    }
}

impl Expected {
    /// Takes in how much we doubt ourselves: the highest doubt since the fault began counts, as far as it was looked at.
    pub(super) fn doubted(&mut self, doubts: Doubts) {
        self.doubt = self.doubt.max(doubts.highest);
    }

    /// Gives how long after the fault began a sign may take.
    pub(super) fn within(&self, sign: &Sign) -> Duration {
        sign.within(self.learnt, self.doubt)
    }
}

/// How much those of us that run doubt themselves (LHM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::sim) struct Doubts {
    /// Whoever does most: each waits its tau times one more than that, and a bound that holds for it holds for the others.
    pub(in crate::sim) highest: u8,
    voting: usize,
    abstaining: usize,
}

impl Doubts {
    /// Gives them of each node's; from `abstain_from` on a node does not vote.
    pub(super) fn of(each: impl Iterator<Item = u8>, abstain_from: u8) -> Self {
        let mut all = Self::default();
        for lhm in each {
            all.highest = all.highest.max(lhm);
            let side = if lhm < abstain_from { &mut all.voting } else { &mut all.abstaining };
            *side = side.saturating_add(1);
        }
        all
    }

    /// Tells whether enough of us vote for anything to be found.
    pub(in crate::sim) fn quorum_votes(self) -> bool {
        2 <= self.voting
    }

    /// Tells whether all do: what one node alone sees is told by no other.
    pub(super) fn all_vote(self) -> bool {
        self.abstaining == 0
    }
}

impl Scene<'_> {
    /// Gives how much those of us that run doubt themselves.
    pub(in crate::sim) fn doubts(&self) -> Doubts {
        let lhm = |machine: &Machine| Some(machine.process.as_ref()?.controller.watch().lhm());
        Doubts::of(self.machines.values().filter_map(lhm), self.policy.detect.abstain_from)
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
        | FaultKind::AlterDeny(_)
        | FaultKind::ClientThrottle(..)
        | FaultKind::ClientCap(_)
        | FaultKind::ReplicationFreeze(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_grows_by_what_was_learnt_of_silence_and_is_multiplied_by_doubt() {
        let (word, quiet) = (sign(&[K::BrokerCrashed], 500), silence(&[K::BrokerSilent], 2000));
        let within = |sign: Sign, learnt, doubt| sign.within(Duration::from_millis(learnt), doubt).as_millis();
        assert_eq!((within(word, 300, 0), within(quiet, 300, 0)), (500, 2300));
        assert_eq!((within(word, 300, 3), within(quiet, 300, 3)), (2000, 9200));
    }

    #[test]
    fn the_highest_doubt_counts_and_two_must_vote() {
        let of = |each: &[u8]| Doubts::of(each.iter().copied(), 4);
        let told = |each: &[u8]| (of(each).highest, of(each).quorum_votes(), of(each).all_vote());
        assert_eq!(told(&[0, 0, 0]), (0, true, true));
        assert_eq!(told(&[1, 3, 0]), (3, true, true));
        assert_eq!(told(&[0, 8, 1]), (8, true, false));
        assert_eq!(told(&[4, 8, 1]), (8, false, false));
        assert_eq!(told(&[0]), (0, false, true));
    }
}
