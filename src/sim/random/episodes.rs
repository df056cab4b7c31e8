//! What goes wrong by chance: of Kafka, of our own machines, of people. Each episode begins and, mostly, ends.

use std::time::Duration;

use crate::control::event::PauseFile;
use crate::model::ids::{BrokerId, CaseId, NodeId};
use crate::model::time::whole_ms;
use crate::sim::chance::Chance;
use crate::sim::disk::DiskTrouble;
use crate::sim::kafka::fault::{Fault, FaultKind, Path, Target, Vantage, Way};
use crate::sim::kafka::plan::Switch;
use crate::sim::net::{Cut, LinkTrouble};
use crate::sim::scenario::{Command, Foreign, Ours, Setting, Wish};

use super::RandomPlan;

/// Something that goes wrong, from when and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// When, after the world has settled.
    pub at: Duration,
    /// How it begins.
    pub begin: Command,
    /// After how long it ends, and how; nothing where it is over at once.
    pub end: Option<(Duration, Vec<Command>)>,
}

/// How long passes between the beginnings of two episodes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(90));

/// How long an episode lasts; most are short, some outlast every session.
const LASTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(6));
const LASTS_LONG: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(180));

/// A controlled shutdown has ended by then.
const SHUTDOWN_ENDS: Duration = Duration::from_secs(8);

/// How often the topic is deleted in the end. Unit: permille.
const DELETES: u64 = 40;

/// The cases of which somebody asks for an undo: most worlds have had so many when they are halfway through.
const CASES: u64 = 8;

/// Draws the episodes of a seed.
pub(super) fn draw(plan: &RandomPlan) -> Vec<Episode> {
    let mut chance = Chance::child(plan.seed, "episodes");
    let mut episodes: Vec<Episode> = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at = at.saturating_add(whole_ms(chance.span(PAUSES)));
        if plan.span <= at {
            break;
        }
        let long = chance.happens(350);
        let lasts = whole_ms(chance.span(if long { LASTS_LONG } else { LASTS })).min(plan.span.saturating_sub(at));
        let episode = match chance.below(10) {
            0..=5 => theirs(&mut chance, plan, at, lasts),
            6..=8 => ours(&mut chance, at, lasts),
            _ => people(&mut chance, plan, at, lasts),
        };
        // The same thing cannot break twice at once: what a second end would mend is broken still.
        let overlaps = episodes.iter().any(|known| known.clashes(&episode));
        if !overlaps {
            episodes.push(episode);
        }
    }
    if chance.happens(DELETES) {
        let last = plan.span.checked_div(5).unwrap_or_default();
        let at = plan.span.saturating_sub(whole_ms(chance.span((Duration::ZERO, last))));
        // Of a topic that is gone nothing can be changed any more.
        episodes.retain(|episode| !episode.changes_topic() || episode.until() < at);
        episodes.push(Episode { at, begin: Command::Foreign(Foreign::Delete), end: None });
    }
    episodes
}

impl Episode {
    /// The fault strikes this one as well.
    fn also(&mut self, target: Target) {
        let ends = self.end.iter_mut().flat_map(|(_, ends)| ends.iter_mut());
        for command in std::iter::once(&mut self.begin).chain(ends) {
            if let Command::Strike(fault) | Command::Heal(fault) = command {
                fault.targets.insert(target);
            }
        }
    }

    /// Gives how the broker of a shutdown in good order is started again.
    pub(super) fn shutdown(&self) -> Option<Command> {
        let Command::Strike(fault) = &self.begin else { return None };
        (fault.kind == FaultKind::Terminate).then(|| Command::Heal(fault.clone()))
    }

    /// Tells whether somebody changes the topic with it.
    fn changes_topic(&self) -> bool {
        matches!(self.begin, Command::Foreign(Foreign::Reassign(..) | Foreign::MinIsr(_)))
    }

    fn until(&self) -> Duration {
        self.end.as_ref().map_or(self.at, |(lasts, _)| self.at.saturating_add(*lasts))
    }

    /// Tells whether two episodes strike the same thing at the same time.
    fn clashes(&self, other: &Self) -> bool {
        let apart = self.until() < other.at || other.until() < self.at;
        if apart {
            return false;
        }
        match (&self.begin, &other.begin) {
            (Command::Strike(one), Command::Strike(two)) => {
                one.targets.iter().any(|target| two.targets.contains(target))
            }
            (Command::Ours(one, _), Command::Ours(two, _)) => one == two,
            (Command::Link(..), Command::Link(..) | Command::Ours(..)) | (Command::Ours(..), Command::Link(..)) => true,
            (Command::Person { .. }, Command::Person { .. }) => true,
            (_, _) => false,
        }
    }
}

fn theirs(chance: &mut Chance, plan: &RandomPlan, at: Duration, lasts: Duration) -> Episode {
    let broker = BrokerId(i32::try_from(chance.below(u64::from(plan.brokers)).saturating_add(1)).unwrap_or(1));
    let node = NodeId(chance.below(3).saturating_add(1));
    let vantage = match chance.below(4) {
        0 => Vantage::Only(Path::Tanist(node)),
        1 => Vantage::Only(Path::Clients),
        _ => Vantage::All,
    };
    let way = match chance.below(3) {
        0 => Way::Inbound,
        1 => Way::Outbound,
        _ => Way::Both,
    };
    let late = Duration::from_millis(chance.below(900).saturating_add(20));
    let kind = match chance.below(20) {
        0..=2 => FaultKind::Kill,
        3 => FaultKind::Terminate,
        4 | 5 => FaultKind::Stop,
        6 => FaultKind::ClientCut(vantage),
        7 => FaultKind::ClientFreeze(vantage, way),
        8 => FaultKind::ClientDelay(vantage, late),
        9 => FaultKind::ClientThrottle(vantage, late),
        10 => FaultKind::ClientCap(vantage),
        11 => FaultKind::ClientDeny(vantage),
        12 => FaultKind::ReplicationFreeze(way),
        13 => FaultKind::ControllerFreeze(way),
        14 => FaultKind::ControllerCut,
        15 => FaultKind::DiskFreeze,
        16 => FaultKind::DiskStall,
        17 => FaultKind::DiskFail,
        18 => return strike(FaultKind::ControllerCut, Target::Tanist(node), at, lasts),
        _ => {
            let target = controller(chance, &plan.setting());
            let kind = if chance.happens(500) { FaultKind::Kill } else { FaultKind::Stop };
            return strike(kind, target, at, lasts);
        }
    };
    let mut episode = strike(kind, Target::Broker(broker), at, lasts);
    // Now and then the same befalls its neighbour at the same moment.
    if chance.happens(80) {
        let neighbour = broker.0.checked_rem(i32::from(plan.brokers)).unwrap_or(0).saturating_add(1);
        episode.also(Target::Broker(BrokerId(neighbour)));
    }
    episode
}

/// Gives one of the controllers; one that is a broker as well goes by that name, as the same process cannot break twice at once.
fn controller(chance: &mut Chance, setting: &Setting) -> Target {
    let controllers = setting.controllers();
    let [first, ..] = controllers;
    let id = chance.one_of(&controllers).copied().unwrap_or(first);
    match setting.combined {
        Switch::On => Target::Broker(BrokerId(id.0)),
        Switch::Off => Target::Controller(id),
    }
}

fn strike(kind: FaultKind, target: Target, at: Duration, lasts: Duration) -> Episode {
    // Whoever starts a process again before it has ended starts nothing.
    let lasts = if kind == FaultKind::Terminate { lasts.max(SHUTDOWN_ENDS) } else { lasts };
    let fault = Fault::at(kind, target);
    Episode { at, begin: Command::Strike(fault.clone()), end: Some((lasts, vec![Command::Heal(fault)])) }
}

fn ours(chance: &mut Chance, at: Duration, lasts: Duration) -> Episode {
    let node = NodeId(chance.below(3).saturating_add(1));
    let other = NodeId(node.0.checked_rem(3).unwrap_or(0).saturating_add(1));
    let more = Duration::from_millis(chance.below(600).saturating_add(5));
    let ends = |begin, ends: &[Ours]| Episode {
        at,
        begin: Command::Ours(node, begin),
        end: Some((lasts, ends.iter().map(|end| Command::Ours(node, *end)).collect())),
    };
    let pair = |begin, end| ends(begin, &[end]);
    match chance.below(14) {
        0 | 1 => pair(Ours::Crash, Ours::Restart),
        2 | 3 => pair(Ours::Hold, Ours::GoOn),
        4 => pair(Ours::Isolate(Cut::Yes), Ours::Isolate(Cut::No)),
        5 => pair(Ours::Disk(Some(DiskTrouble::Stalled)), Ours::Disk(None)),
        6 => pair(Ours::Disk(Some(DiskTrouble::Slow(more))), Ours::Disk(None)),
        7 => pair(Ours::Slow(Duration::from_millis(chance.below(8).saturating_add(1))), Ours::Slow(Duration::ZERO)),
        8 => {
            let jumps = i64::try_from(chance.below(172_800_000)).unwrap_or(0).saturating_sub(86_400_000);
            Episode { at, begin: Command::Ours(node, Ours::Wall(jumps)), end: None }
        }
        9 => pair(Ours::Rate(chance.below(101).saturating_add(950)), Ours::Rate(1000)),
        // The store gives up, and its process with it: somebody makes room, or changes the disk, and starts it again.
        10 => ends(Ours::Disk(Some(DiskTrouble::Full)), &[Ours::Disk(None), Ours::Restart]),
        11 => ends(Ours::Disk(Some(DiskTrouble::SyncFails)), &[Ours::Disk(None), Ours::Restart]),
        12 => ends(Ours::Disk(Some(DiskTrouble::Rotten)), &[Ours::Disk(None), Ours::Restart]),
        _ => {
            let end = vec![Command::Link(node, other, LinkTrouble::default())];
            Episode { at, begin: Command::Link(node, other, link(chance, more)), end: Some((lasts, end)) }
        }
    }
}

/// What is the matter with a link, in one direction.
fn link(chance: &mut Chance, late: Duration) -> LinkTrouble {
    match chance.below(4) {
        0 => LinkTrouble { cut: Cut::Yes, ..LinkTrouble::default() },
        1 => LinkTrouble { loss_permille: 200, twice_permille: 100, late, cut: Cut::No },
        2 => LinkTrouble { twice_permille: 800, ..LinkTrouble::default() },
        _ => LinkTrouble { late, ..LinkTrouble::default() },
    }
}

fn people(chance: &mut Chance, plan: &RandomPlan, at: Duration, lasts: Duration) -> Episode {
    let via = NodeId(chance.below(3).saturating_add(1));
    let person = |asks| Command::Person { by: "alice".to_owned(), via, asks };
    let once = |begin| Episode { at, begin, end: None };
    let pair = |begin, end| Episode { at, begin, end: Some((lasts, vec![end])) };
    match chance.below(10) {
        0 | 1 => pair(
            Command::Ours(via, Ours::PauseFile(PauseFile::Present)),
            Command::Ours(via, Ours::PauseFile(PauseFile::Absent)),
        ),
        2 => pair(
            Command::Ours(via, Ours::PauseFile(PauseFile::Unreadable)),
            Command::Ours(via, Ours::PauseFile(PauseFile::Absent)),
        ),
        3 => once(Command::Foreign(Foreign::Elect)),
        4 => once(Command::Foreign(reassignment(chance, plan))),
        5 => {
            // Next to nothing, or what a person sets; somebody remembers it in the end.
            let per_s = if chance.happens(500) { 1 } else { 100_000 };
            let throttle = |per_s| Command::Foreign(Foreign::Throttle(per_s));
            pair(throttle(Some(per_s)), throttle(None))
        }
        6 => {
            let least = chance.below(3).saturating_add(1);
            let usual = plan.setting().min_isr_at_first();
            let min_isr = |least| Command::Foreign(Foreign::MinIsr(least));
            pair(min_isr(u16::try_from(least).unwrap_or(usual)), min_isr(usual))
        }
        7 => once(person(Wish::Undo(CaseId(chance.below(CASES).saturating_add(1))))),
        // Mostly nothing is on offer.
        8 => once(person(if chance.happens(500) { Wish::Approve } else { Wish::Reject })),
        _ => pair(person(Wish::Pause), person(Wish::Resume)),
    }
}

/// Somebody else gives a partition other replicas.
fn reassignment(chance: &mut Chance, plan: &RandomPlan) -> Foreign {
    let partition = u32::try_from(chance.below(u64::from(plan.partitions.max(1)))).unwrap_or(0);
    let first = chance.below(u64::from(plan.brokers));
    let broker = |next: u64| {
        let place = first.saturating_add(next).checked_rem(u64::from(plan.brokers)).unwrap_or(0);
        BrokerId(i32::try_from(place.saturating_add(1)).unwrap_or(1))
    };
    // Now and then one fewer.
    let all = u64::from(plan.setting().replication);
    let count = if chance.happens(200) { all.saturating_sub(1).max(1) } else { all };
    Foreign::Reassign(partition, (0..count).map(broker).collect())
}
