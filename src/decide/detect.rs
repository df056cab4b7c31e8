//! Detect: from a snapshot to findings, one per broker that is not plainly well.
//!
//! The classification table of `judgement.md` §1 stands in [`TABLE`], in its order; later parts add rows. A broker that is
//! seen red but cannot be told apart yet (no majority, no pulse, no fresh shape) is no finding until patience ends.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use super::policy::Policy;
use super::votes::{self, Tally};
use crate::model::finding::{Echo, Finding, FindingKind};
use crate::model::ids::BrokerId;
use crate::model::observation::{PulseState, TopologySource};
use crate::model::snapshot::{Load, OpenCase, Snapshot};
use crate::model::topology::Standing;

/// All that the rows of the table read about one broker.
struct Facts<'a> {
    tally: Tally,
    echo: Echo,
    /// Whether it is level at a beat since enough of us see it red.
    is_level: bool,
    load: Load,
    standing: Standing,
    shape: ShapeAge,
    policy: &'a Policy,
}

/// Kafka itself fences nobody so soon after the last heartbeat: who is out of every ISR by then has left them in good order, and whoever
/// told us first had not heard of it yet (before 4.0 brokers hear of a change up to half a second late).
const UNFENCED_FOR: Duration = Duration::from_secs(2);

/// Whether the shape of the cluster is known to be younger than the first red.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShapeAge {
    /// It is, or it is pushed, or patience is over.
    AfterRed,
    /// A stop in good order may not show in it yet.
    BeforeRed,
}

/// One row of the classification table.
struct Row {
    kind: FindingKind,
    matches: fn(&Facts<'_>) -> bool,
}

/// The classification: the first row that matches names the finding.
const TABLE: &[Row] = &[
    Row { kind: FindingKind::Recovering, matches: is_recovering },
    Row { kind: FindingKind::BrokerStopped, matches: is_stopped },
    Row { kind: FindingKind::LeaderNotServing, matches: is_not_serving },
    Row { kind: FindingKind::BrokerCrashed, matches: is_crashed },
    Row { kind: FindingKind::BrokerSilent, matches: is_silent },
    Row { kind: FindingKind::ClientPathCut, matches: is_path_cut },
    Row { kind: FindingKind::CutOrStalled, matches: is_cut_or_stalled },
    Row { kind: FindingKind::Zombie, matches: is_zombie },
    Row { kind: FindingKind::Conflict, matches: is_conflict },
    Row { kind: FindingKind::Unknown, matches: is_unknown },
];

/// Refused, yet level again in the metadata log after having been behind or fenced: it is starting.
fn is_recovering(facts: &Facts<'_>) -> bool {
    facts.refused() && facts.was_away() && facts.echo.state == PulseState::Level && 2 <= facts.echo.level_beats
}

/// Refused, and it had handed everything over before.
fn is_stopped(facts: &Facts<'_>) -> bool {
    let handed_over = facts.load.leads == 0 && facts.load.in_isr_with_others == 0;
    facts.refused() && handed_over && facts.shape == ShapeAge::AfterRed
}

/// A leader that does not serve, and nothing is known yet but that.
fn is_not_serving(facts: &Facts<'_>) -> bool {
    facts.red() && 0 < facts.load.leads && !facts.echo.state.is_behind() && !facts.is_level
}

fn is_crashed(facts: &Facts<'_>) -> bool {
    facts.red() && facts.tally.mostly_refused() && facts.echo.state.is_behind()
}

fn is_silent(facts: &Facts<'_>) -> bool {
    facts.red() && !facts.tally.mostly_refused() && facts.echo.state.is_behind()
}

/// Level all along: whoever was away and is level at one beat may just as well be starting, which the next beat tells.
fn is_path_cut(facts: &Facts<'_>) -> bool {
    facts.red() && facts.is_level && !(facts.was_away() && facts.echo.level_beats < 2)
}

/// Answers, but the metadata log passes it by; without a canary it cannot be told why.
fn is_cut_or_stalled(facts: &Facts<'_>) -> bool {
    let far_behind = match facts.echo.state {
        PulseState::Behind(records) => facts.policy.detect.cut_or_stalled_behind_min <= records,
        PulseState::Missing => true,
        PulseState::Unknown | PulseState::Level => false,
    };
    // Kafka fences it after its session: it answers on, and a broker that starts answers nobody before it is let in.
    let registered = matches!(facts.standing, Standing::Active | Standing::Fenced | Standing::Unknown);
    facts.tally.well() && far_behind && registered
}

fn is_zombie(facts: &Facts<'_>) -> bool {
    facts.tally.well() && facts.standing == Standing::Unregistered
}

fn is_conflict(facts: &Facts<'_>) -> bool {
    0 < facts.tally.red && 0 < facts.tally.serves && facts.policy.detect.patience <= facts.tally.red_for
}

/// Red for some, and after all patience still no row above; or a majority cannot tell: it tried and cannot see it, or doubts
/// itself.
fn is_unknown(facts: &Facts<'_>) -> bool {
    let red_for_long = 0 < facts.tally.red && facts.policy.detect.patience <= facts.tally.red_for;
    red_for_long || facts.tally.needed <= facts.tally.blind + facts.tally.abstaining
}

impl Facts<'_> {
    /// Red for an uncontradicted majority; a refused one only once the shape is known that tells a stop from a crash.
    fn red(&self) -> bool {
        self.tally.confirmed() && (!self.tally.mostly_refused() || self.shape == ShapeAge::AfterRed)
    }

    /// It was fenced, or behind, since it turned red.
    fn was_away(&self) -> bool {
        self.standing == Standing::Fenced || self.echo.behind_since_red
    }

    fn refused(&self) -> bool {
        self.tally.confirmed() && self.tally.mostly_refused()
    }
}

/// Gives one finding per broker that is not plainly well, in the order of their ids.
#[must_use]
pub fn detect(snapshot: &Snapshot, policy: &Policy) -> Vec<Finding> {
    let red_brokers = votes::red_brokers(snapshot, policy);
    brokers(snapshot).into_iter().filter_map(|broker| find(broker, red_brokers, snapshot, policy)).collect()
}

/// Gives the finding about one broker, if it is not plainly well.
#[must_use]
pub fn detect_one(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Option<Finding> {
    find(broker, votes::red_brokers(snapshot, policy), snapshot, policy)
}

/// Tells whether a broker is red for an uncontradicted majority.
#[must_use]
pub fn is_red(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> bool {
    votes::tally(broker, snapshot, policy).confirmed()
}

/// Tells whether a broker is green for a majority: a case ends, and a failback may begin.
#[must_use]
pub fn is_green(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> bool {
    votes::tally(broker, snapshot, policy).well()
}

/// Gives the brokers that some nodes see red and others see serving: all are to look again at once, and together.
#[must_use]
pub fn contradicted(snapshot: &Snapshot, policy: &Policy) -> Vec<BrokerId> {
    let split = |broker: &BrokerId| {
        let tally = votes::tally(*broker, snapshot, policy);
        0 < tally.red && 0 < tally.serves
    };
    brokers(snapshot).into_iter().filter(split).collect()
}

/// Gives the refused brokers that cannot be named yet because the cluster's shape was read before they were red.
#[must_use]
pub fn awaiting_shape(snapshot: &Snapshot, policy: &Policy) -> BTreeSet<BrokerId> {
    if snapshot.topology_source == TopologySource::Observer {
        // Pushed, never awaited: no need to count the votes on each broker.
        return BTreeSet::new();
    }
    let awaits = |broker: &BrokerId| {
        let facts = facts(*broker, snapshot, policy);
        facts.refused() && facts.shape == ShapeAge::BeforeRed
    };
    brokers(snapshot).into_iter().filter(awaits).collect()
}

/// Every broker that is in the cluster's shape or has an open case.
fn brokers(snapshot: &Snapshot) -> BTreeSet<BrokerId> {
    snapshot.topology.brokers.keys().chain(snapshot.standing.cases.keys()).copied().collect()
}

fn find(broker: BrokerId, red_brokers: u32, snapshot: &Snapshot, policy: &Policy) -> Option<Finding> {
    let facts = facts(broker, snapshot, policy);
    let case = snapshot.standing.cases.get(&broker);
    let kind = keep(case, &facts)?;
    let path = votes::sightings(broker, snapshot, policy).find(|sighting| sighting.light.is_red());
    Some(Finding {
        kind,
        broker,
        path: path.filter(|_| kind == FindingKind::ClientPathCut).map(|sighting| sighting.path.clone()),
        votes: facts.tally.votes,
        echo: facts.echo,
        progress: votes::progress(broker, snapshot, policy),
        leads: facts.load.leads,
        red_brokers,
        red_for: facts.tally.red_for,
    })
}

fn facts<'a>(broker: BrokerId, snapshot: &Snapshot, policy: &'a Policy) -> Facts<'a> {
    let tally = votes::tally(broker, snapshot, policy);
    let pushed = snapshot.topology_source == TopologySource::Observer;
    // Asked for at the same moment is asked for after it: the second refusal is what it is asked for by.
    let known = pushed || snapshot.topology_age <= tally.red_for || policy.detect.patience <= tally.red_for;
    let echo = votes::echo(broker, snapshot, policy);
    Facts {
        shape: if known { ShapeAge::AfterRed } else { ShapeAge::BeforeRed },
        is_level: votes::is_level_since(&echo, broker, snapshot, policy),
        echo,
        load: snapshot.loads.get(&broker).copied().unwrap_or_default(),
        standing: snapshot.topology.brokers.get(&broker).map_or(Standing::Unknown, |known| known.standing),
        tally,
        policy,
    }
}

/// Gives the finding's name: a case keeps it until the broker is green, unless more becomes known. What our own acts bring
/// about (out of every ISR after a fence) does not rename it.
fn keep(case: Option<&OpenCase>, facts: &Facts<'_>) -> Option<FindingKind> {
    let rows = TABLE.iter().filter(|row| case.is_none_or(|case| !case.acted) || row.kind != FindingKind::BrokerStopped);
    let found = rows.into_iter().find(|row| (row.matches)(facts)).map(|row| row.kind);
    // What Kafka has fenced for not being heard is not back before it is let in again, however level it is.
    let still_out = |case: &OpenCase| case.kind == FindingKind::CutOrStalled && facts.standing == Standing::Fenced;
    let Some(case) = case.filter(|case| !facts.tally.well() || still_out(case)) else { return found };
    match (case.kind, found) {
        (_, Some(FindingKind::Recovering)) => found,
        // An older view says that it is in sync with others still: who has handed over is never in sync again without being up first.
        (FindingKind::BrokerStopped, Some(FindingKind::BrokerCrashed)) => Some(case.kind),
        (FindingKind::BrokerCrashed, Some(FindingKind::BrokerStopped)) if facts.tally.red_for < UNFENCED_FOR => found,
        (FindingKind::BrokerCrashed | FindingKind::BrokerSilent, _) => Some(case.kind),
        (FindingKind::ClientPathCut, Some(FindingKind::BrokerCrashed | FindingKind::BrokerSilent)) => found,
        (FindingKind::ClientPathCut, _) => Some(case.kind),
        // Less is known than before: that is no news about the broker.
        (_, Some(FindingKind::Conflict | FindingKind::Unknown) | None) => Some(case.kind),
        (_, Some(_)) => found,
    }
}

/// Gives how long at least the broker has been red for the node that saw it first.
#[must_use]
pub fn red_for(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Duration {
    votes::tally(broker, snapshot, policy).red_for
}
