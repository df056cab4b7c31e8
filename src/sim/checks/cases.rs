//! What must hold of cases: opened in time, moved little, ended, and everything put back.

use std::time::Duration;

use crate::model::finding::FindingKind;
use crate::model::ids::{BrokerId, CaseId, PartitionId};
use crate::model::plan::Origin;
use crate::model::record::{Body, Record};
use crate::model::time::Timestamp;
use crate::model::topology::Standing;

use super::signs::Doubts;
use super::{Checks, ECHOES_FOR, Expected, Scene, Signs, Violation};

/// An intent is closed after so long.
const OPEN_MAX: Duration = Duration::from_secs(60);

/// Moves for one fault and partition, and failbacks.
const MOVES_MAX: u32 = 2;
const FAILBACKS_MAX: u32 = 1;

/// How often a partition was moved in one case, away from its broker and back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    away: u32,
    back: u32,
}

fn strikes(scene: Scene<'_>, broker: BrokerId) -> u32 {
    scene.troubles.strikes.get(&Some(broker)).copied().unwrap_or_default()
}

/// Tells whether the controllers take a broker for active.
fn is_active(scene: Scene<'_>, broker: BrokerId) -> bool {
    scene.kafka.truth().registration(broker).is_some_and(|known| known.standing == Standing::Active)
}

/// Tells whether nothing has befallen a broker for long, nor Kafka as a whole, nor us. One that the controllers have fenced is away: a
/// shutdown that a sick disk elsewhere held up ends long after it was begun.
fn is_well(scene: Scene<'_>, broker: BrokerId) -> bool {
    is_active(scene, broker) && scene.troubles.calm(broker, scene.now, ECHOES_FOR) && scene.ours_well_for(ECHOES_FOR)
}

impl Checks {
    /// A fault begins that must be found for what it is; `learnt` is by how much the broker's own pauses have raised its tau.
    pub(in crate::sim) fn expect(&mut self, broker: BrokerId, began: Timestamp, (signs, learnt): Signs) {
        self.expected.insert(broker, Expected { began, signs, learnt, doubt: 0 });
    }

    /// A fault of a broker begins, whatever else is wrong; none is one that nobody can tell.
    pub(in crate::sim) fn struck(&mut self, broker: BrokerId, began: Timestamp, signs: Option<Signs>) {
        match signs {
            Some((signs, learnt)) => self.finds.struck(broker, Expected { began, signs, learnt, doubt: 0 }),
            None => self.finds.forget(broker),
        }
    }

    /// A fault of a broker is over.
    pub(in crate::sim) fn over(&mut self, broker: BrokerId, now: Timestamp) {
        self.finds.over(broker, now);
    }

    pub(super) fn look_at_unfound(&mut self, scene: Scene<'_>) {
        self.finds.retain_active(|broker| is_active(scene, broker));
    }

    /// Whatever was expected is not any more: something else has gone wrong, or has ended.
    pub(in crate::sim) fn expect_nothing(&mut self) {
        self.expected.clear();
    }

    pub(super) fn opened(&mut self, scene: Scene<'_>, record: &Record) {
        let (Body::Opened(finding) | Body::Reclassified { to: finding, .. }) = &record.body else { return };
        if let (Body::Opened(_), Some(case)) = (&record.body, record.case) {
            self.struck.insert(case, (finding.broker, strikes(scene, finding.broker)));
        }
        self.finds.found(finding.broker, finding.kind, scene.now);
        // That nothing is known of a broker, as where most are gone and each node doubts itself, is no statement about it.
        if finding.kind != FindingKind::Unknown && is_well(scene, finding.broker) {
            self.finds.wrong();
        }
        let Some(expected) = self.expected.get_mut(&finding.broker) else { return };
        // Whoever knows more at once has found the earlier signs as well.
        let found = expected.signs.iter().rposition(|sign| sign.kinds.contains(&finding.kind));
        let left = found.and_then(|place| expected.signs.get(place.saturating_add(1)..));
        expected.signs = left.unwrap_or(expected.signs);
        if expected.signs.is_empty() {
            self.expected.remove(&finding.broker);
        }
        if left.is_some() {
            self.count("L2");
        }
    }

    pub(super) fn look_at_expected(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        if self.expected.is_empty() && self.finds.is_empty() {
            return Ok(());
        }
        let doubts = scene.doubts();
        self.finds.doubted(doubts);
        self.go_on_expecting(scene, doubts);
        let late = self.expected.iter().find_map(|(broker, expected)| {
            let sign = expected.signs.first()?;
            let within = expected.within(sign);
            (expected.began.plus(within) < scene.now).then_some((broker, sign, within))
        });
        let Some((broker, sign, within)) = late else { return Ok(()) };
        let names = || sign.kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        scene.deny("L2", None, || format!("{broker} was not found to be {} within {:?}", names(), within))
    }

    /// Takes in how much we doubt ourselves, and gives up what no bound holds for any more.
    fn go_on_expecting(&mut self, scene: Scene<'_>, doubts: Doubts) {
        self.expected.retain(|broker, expected| {
            expected.doubted(doubts);
            let next = |kind: FindingKind| expected.signs.first().is_some_and(|sign| sign.kinds == [kind]);
            // What has befallen us since (our leader died with it) takes as long as it takes: L1 says how long.
            let undisturbed = scene.troubles.ours < expected.began;
            // Of whoever the controllers have fenced meanwhile there is nothing left to warn.
            let pointless = next(FindingKind::CutOrStalled) && !is_active(scene, *broker);
            let unsaid = next(FindingKind::Conflict) && !doubts.all_vote();
            undisturbed && doubts.quorum_votes() && !pointless && !unsaid
        });
    }

    pub(super) fn look_at_open(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        if self.open.is_empty() {
            return Ok(());
        }
        self.count("L4");
        let old = self.open.iter().find(|(_, since)| OPEN_MAX < scene.now.since(**since));
        let Some((digest, since)) = old else { return Ok(()) };
        // Whatever is wrong with Kafka: what cannot be read back is closed as unknown.
        if !self.core_well_for(scene, OPEN_MAX) {
            return Ok(());
        }
        let what = || format!("{} has been open for {:?}", digest.short(), scene.now.since(*since));
        scene.deny("L4", None, what)
    }

    pub(super) fn look_at_losses(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let truth = scene.kafka.truth();
        let (lost, missed) = (truth.lost(), scene.readers.missed());
        let found = lost.len().saturating_add(missed.len());
        if self.lost_before < found {
            self.lost_before = found;
            let newest = lost.last().map(|one| format!("acknowledged acks=all records are lost: {one:?}"));
            let newest = newest.or_else(|| missed.last().map(ToString::to_string));
            return scene.deny("S3", None, || newest.unwrap_or_default());
        }
        Ok(())
    }

    pub(super) fn moved(
        &mut self,
        scene: Scene<'_>,
        case: CaseId,
        origin: &Origin,
        partition: PartitionId,
    ) -> Result<(), Violation> {
        self.count("L6");
        let faults = self.faults_of(scene, case);
        let moved = self.moved.entry((case, partition)).or_default();
        let (count, most) = match origin {
            Origin::Finding { .. } => (&mut moved.away, MOVES_MAX),
            Origin::Failback { .. } => (&mut moved.back, FAILBACKS_MAX),
            // People may ask as often as they like.
            Origin::Undo { .. } => return Ok(()),
        };
        *count = count.saturating_add(1);
        let (count, most) = (*count, most.saturating_mul(faults));
        if most < count {
            return scene.deny("L6", None, || format!("case {case} moved {partition} {count} times, at most {most}"));
        }
        Ok(())
    }

    /// Gives how many faults a case is about: the one that opened it, and each that struck its broker before it was closed.
    fn faults_of(&self, scene: Scene<'_>, case: CaseId) -> u32 {
        let Some((broker, before)) = self.struck.get(&case) else { return 1 };
        strikes(scene, *broker).saturating_sub(*before).saturating_add(1)
    }

    /// Gives what has not come to its end, although everything has been well for long.
    pub(in crate::sim) fn unfinished(&self, scene: Scene<'_>) -> Option<Violation> {
        let open = self.open.iter().next().and_then(|(digest, since)| {
            scene.found("L4", || format!("{} has been open for {:?}", digest.short(), scene.now.since(*since)))
        });
        if open.is_some() {
            return open;
        }
        let core = scene.core();
        let leader =
            self.leading.iter().filter(|(id, _)| core.contains(id)).max_by_key(|(_, term)| **term).map(|(id, _)| id);
        let process = leader.and_then(|id| scene.machines.get(id)).and_then(|machine| machine.process.as_ref());
        let Some(process) = process else { return scene.found("L1", || "nobody leads".to_owned()) };
        let case = process.controller.state().cases.iter().next();
        case.and_then(|(id, case)| {
            let what = || format!("case {id} ({} of {}) stays open", case.finding.kind, case.finding.broker);
            scene.found("L3", what)
        })
    }
}
