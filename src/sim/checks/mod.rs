//! The invariants of `house.md` §4 and of the simulated world, looked at after every event; `pace` says which of them at a pace, and why
//! that is enough.
//!
//! Deliberately shares no code with what it checks: it counts again from records, and from the truth that no node can know.

mod acts;
mod cases;
mod decisions;
mod found;
mod ledger;
mod ours;
mod pace;
mod sends;
mod signs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use crate::control::event::Errand;
use crate::decide::policy::Policy;
use crate::model::advice;
use crate::model::chain::Head;
use crate::model::ids::{BrokerId, CaseId, Digest, NodeId, PartitionId, Person, RecordIndex, Term};
use crate::model::plan::{Plan, PlanDigest};
use crate::model::time::{LogTime, Timestamp};

use super::kafka::Kafka;
use super::net::Net;
use super::node::Machine;
use super::readers::Readers;
use super::stimulus::Note;
use found::Finds;
pub use found::Found;
pub(in crate::sim) use signs::{Sign, Signs, signs_of};

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number: S1-S8, L1-L6, or that of `house.md` §4.
    pub number: &'static str,
    /// When, on the world's clock.
    pub at: Timestamp,
    /// Where, where it is about one node.
    pub node: Option<NodeId>,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_micros(self.at.0).as_millis();
        write!(f, "{} at {}.{:03}s", self.number, seconds / 1000, seconds % 1000)?;
        if let Some(node) = self.node {
            write!(f, " on {node}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Every number, with what it stands for: those of `house.md` §4, then safety and liveness of the simulated world.
pub const NUMBERS: &[(&str, &str)] = &[
    ("1", "equal snapshot, history and policy give an equal decision"),
    ("2", "nothing is applied that is not committed first, in its term, within its time"),
    ("3", "the guard runs before the act, and each step waits for its turn"),
    ("4", "advice narrows: silence and nonsense are no consent"),
    ("5", "not heard is unknown, not failed; too many failed at once stop us"),
    ("6", "the pause file of any node stops all"),
    ("7", "whoever is elected was in sync; never unclean"),
    ("8", "no step takes more out of service than Kafka's own fencing of a dead broker"),
    ("9", "one plan in flight; a failed step stops it"),
    ("10", "no change of our leader loses an intent, a cool-down or an undo, nor sends blindly again"),
    ("11", "observe-only changes nothing"),
    ("12", "clock jumps change nothing"),
    ("13", "no name that the cluster chose reaches a prompt"),
    ("14", "every step has its place in the audit chain"),
    ("S1", "one leader a term, and a deposed one sends nothing once its time is over"),
    ("S2", "no act without a committed intent, none twice"),
    ("S3", "no record acknowledged with acks=all is lost"),
    ("S4", "nothing without a quorum of views, under pause or in maintenance"),
    ("S5", "no second act on a broker within its cool-down"),
    ("S6", "nothing without the yes that it needs"),
    ("S7", "equal chains, and equal states where equally much is applied"),
    ("S8", "everything is bounded"),
    ("L1", "a leader of ours within 3 s"),
    ("L2", "each fault is found in time"),
    ("L3", "each case ends"),
    ("L4", "no intent open after 60 s"),
    ("L5", "orders are restored"),
    ("L6", "at most two moves for each fault and partition, and one failback"),
];

/// For how long what is over may still show, in Kafka or in what we say and do: a broker that was away may be in the ISR for the rest of
/// its session (9 s), is green again after ten seconds of answers, and then come beats, reports and a commit. Until then no bound holds for
/// the next fault, and a finding or an act may be about the last one.
pub(in crate::sim) const ECHOES_FOR: Duration = Duration::from_secs(25);

/// The world as checks see it.
#[derive(Clone, Copy)]
pub(in crate::sim) struct Scene<'a> {
    pub(in crate::sim) now: Timestamp,
    pub(in crate::sim) machines: &'a BTreeMap<NodeId, Machine>,
    pub(in crate::sim) kafka: &'a Kafka,
    pub(in crate::sim) readers: &'a Readers,
    pub(in crate::sim) net: &'a Net,
    pub(in crate::sim) policy: &'a Policy,
    pub(in crate::sim) troubles: &'a Troubles,
    /// The number that nobody reports in this run.
    pub(in crate::sim) muted: Option<&'a str>,
}

impl Scene<'_> {
    /// Tells whether nothing has been wrong with us for so long, nor is now.
    pub(in crate::sim) fn ours_well_for(&self, span: Duration) -> bool {
        self.machines.values().all(Machine::is_well)
            && self.net.all_good()
            && span <= self.now.since(self.troubles.ours)
    }
}

/// Since when what has been well, as whoever breaks things knows it.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Troubles {
    /// Faults under way, by broker; none names the whole of Kafka (controllers, paths).
    pub(in crate::sim) under_way: BTreeMap<Option<BrokerId>, u32>,
    /// How many faults of each have begun.
    pub(in crate::sim) strikes: BTreeMap<Option<BrokerId>, u32>,
    /// When one last began or ended.
    pub(in crate::sim) touched: BTreeMap<Option<BrokerId>, Timestamp>,
    /// How long the last fault of each lasted.
    pub(in crate::sim) lasted: BTreeMap<Option<BrokerId>, Duration>,
    /// When something last began or ended to be wrong with the trio itself.
    pub(in crate::sim) ours: Timestamp,
    /// Since when pause files lie, by node.
    pub(in crate::sim) pause_files: BTreeMap<NodeId, Timestamp>,
}

impl Troubles {
    /// Tells whether a fault of it is under way.
    pub(in crate::sim) fn is_under_way(&self, key: Option<BrokerId>) -> bool {
        self.under_way.get(&key).is_some_and(|count| 0 < *count)
    }

    /// Tells whether nothing has been wrong with a broker, nor with Kafka as a whole, for so long.
    pub(in crate::sim) fn calm(&self, broker: BrokerId, now: Timestamp, span: Duration) -> bool {
        [Some(broker), None].into_iter().all(|key| {
            let quiet = self.touched.get(&key).is_none_or(|at| span <= now.since(*at));
            quiet && !self.is_under_way(key)
        })
    }

    /// Tells whether all that was wrong with a broker lately is over and was too short for anybody to call it a failure.
    pub(in crate::sim) fn blip(&self, broker: BrokerId, now: Timestamp, span: Duration) -> bool {
        let short = |key| self.lasted.get(&key).is_some_and(|lasted| *lasted <= BLIP_MAX);
        let others = self.touched.get(&None).is_none_or(|at| span <= now.since(*at));
        !self.is_under_way(Some(broker)) && !self.is_under_way(None) && short(Some(broker)) && others
    }

    /// Tells whether nothing at all has been wrong with Kafka for so long.
    pub(in crate::sim) fn all_calm(&self, now: Timestamp, span: Duration) -> bool {
        self.under_way.values().all(|count| *count == 0) && self.touched.values().all(|at| span <= now.since(*at))
    }
}

/// A committed permission to send the steps of one plan.
#[derive(Debug, Clone)]
struct Licence {
    record: RecordIndex,
    digest: PlanDigest,
    plan: Plan,
    term: Term,
    until: Timestamp,
    /// Steps that were handed to the hand, those that it did, and one that it could not do.
    applied: BTreeSet<u16>,
    done: BTreeSet<u16>,
    failed: Option<u16>,
    /// A step that was not answered, and has not been read back yet.
    unanswered: Option<u16>,
    /// Whether the plan was continued since its last step.
    confirmed: bool,
}

impl Licence {
    fn new(record: RecordIndex, term: Term, until: Timestamp, (digest, plan): (PlanDigest, &Plan)) -> Self {
        Self {
            record,
            digest,
            plan: plan.clone(),
            term,
            until,
            applied: BTreeSet::new(),
            done: BTreeSet::new(),
            failed: None,
            unanswered: None,
            confirmed: false,
        }
    }
}

/// What has been seen so far.
#[derive(Debug)]
pub(in crate::sim) struct Checks {
    /// Who led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// Who believes to lead now.
    leading: BTreeMap<NodeId, Term>,
    /// Each node's licences.
    licences: BTreeMap<NodeId, Vec<Licence>>,
    /// What each errand of a node is for: an intent, its step, and since when.
    errands: BTreeMap<(NodeId, Errand), (RecordIndex, u16, Timestamp)>,
    /// Writes of hands that may have been done.
    written: VecDeque<acts::Written>,
    /// The one chain, its end, and what its records amount to.
    chain: BTreeMap<RecordIndex, Digest>,
    head: Head,
    began: Option<(Timestamp, LogTime)>,
    newest_at: LogTime,
    policies: BTreeMap<Digest, Policy>,
    paused: Option<LogTime>,
    cool_downs: BTreeMap<BrokerId, LogTime>,
    undo: BTreeMap<PartitionId, CaseId>,
    licensed_by: BTreeMap<PlanDigest, (NodeId, Term)>,
    told: BTreeSet<PlanDigest>,
    untold: BTreeMap<PlanDigest, Timestamp>,
    /// When each node last said of a broker that it is red.
    reds: BTreeMap<(NodeId, BrokerId), Timestamp>,
    /// What the adviser really said.
    advice: BTreeMap<CaseId, Vec<advice::Outcome>>,
    open: BTreeMap<PlanDigest, Timestamp>,
    last_acts: BTreeMap<BrokerId, (LogTime, CaseId)>,
    approvals: BTreeMap<PlanDigest, BTreeSet<Person>>,
    plans: BTreeMap<PlanDigest, (CaseId, Plan)>,
    moved: BTreeMap<(CaseId, PartitionId), cases::Moved>,
    /// Each case's broker, and how many faults of it had begun when the case was opened.
    struck: BTreeMap<CaseId, (BrokerId, u32)>,
    /// What must be found of whom.
    expected: BTreeMap<BrokerId, Expected>,
    finds: Finds,
    core: Core,
    pace: pace::Pace,
    lost_before: usize,
    /// How often each check has looked at something: a check that never looked has shown nothing.
    looked: BTreeMap<&'static str, u64>,
}

/// What must still be found of a fault.
#[derive(Debug, Clone, Copy)]
struct Expected {
    began: Timestamp,
    signs: &'static [Sign],
    /// By how much the broker's own pauses had raised its tau.
    learnt: Duration,
    /// The highest doubt (LHM) among us since then, as far as it was looked at.
    doubt: u8,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            leaders: BTreeMap::new(),
            leading: BTreeMap::new(),
            licences: BTreeMap::new(),
            errands: BTreeMap::new(),
            written: VecDeque::new(),
            chain: BTreeMap::new(),
            head: Head::GENESIS,
            began: None,
            newest_at: LogTime(0),
            policies: BTreeMap::new(),
            paused: None,
            cool_downs: BTreeMap::new(),
            undo: BTreeMap::new(),
            licensed_by: BTreeMap::new(),
            told: BTreeSet::new(),
            untold: BTreeMap::new(),
            reds: BTreeMap::new(),
            advice: BTreeMap::new(),
            open: BTreeMap::new(),
            last_acts: BTreeMap::new(),
            approvals: BTreeMap::new(),
            plans: BTreeMap::new(),
            moved: BTreeMap::new(),
            struck: BTreeMap::new(),
            expected: BTreeMap::new(),
            finds: Finds::default(),
            core: Core::default(),
            pace: pace::Pace::default(),
            lost_before: 0,
            looked: BTreeMap::new(),
        }
    }
}

/// The trio's own health.
#[derive(Debug, Clone, Copy, Default)]
struct Core {
    /// Since when a core of two has been healthy; none while it is not.
    healthy_since: Option<Timestamp>,
    /// Since when nobody leads; none while somebody does.
    leaderless_since: Option<Timestamp>,
    /// Since when more than one believes to lead; none while none does.
    led_twice_since: Option<Timestamp>,
}

impl Checks {
    /// Looks at what a node has told.
    pub(in crate::sim) fn note(&mut self, scene: Scene<'_>, node: NodeId, note: &Note) -> Result<(), Violation> {
        match note {
            Note::Became(role) => self.became(scene, node, *role),
            Note::Kept(kept) => {
                self.note_owner(kept);
                self.kept(scene, node, kept)
            }
            Note::Applies { errand, step, term, within } => self.applies(scene, node, (*errand, step, *term, *within)),
            Note::Touches { errand, call, request } => self.touches(scene, node, *errand, (*call, request)),
            Note::TurnedAway(call) => {
                self.turned_away(*call);
                Ok(())
            }
            Note::Did(errand, receipt) => {
                self.did(node, *errand, receipt);
                Ok(())
            }
            Note::Warned(_) => Ok(()),
        }
    }

    /// Forgets what a process that is gone was about.
    pub(in crate::sim) fn gone(&mut self, node: NodeId) {
        self.leading.remove(&node);
        self.licences.remove(&node);
        self.errands.retain(|(owner, _), _| *owner != node);
        self.pace.gone(node);
        // Its next life counts its errands from the first again.
        self.written.retain(|one| one.node != node);
    }

    /// Gives how often each check has looked at something.
    pub(in crate::sim) fn looked(&self) -> &BTreeMap<&'static str, u64> {
        &self.looked
    }

    /// Gives how well the trio told what befell brokers.
    pub(in crate::sim) fn found(&self) -> Found {
        self.finds.sums
    }

    fn count(&mut self, number: &'static str) {
        let looked = self.looked.entry(number).or_default();
        *looked = looked.saturating_add(1);
    }
}

/// What lasts no longer is no failure: one lost connection.
const BLIP_MAX: Duration = Duration::from_millis(8);

impl Scene<'_> {
    /// Says that an invariant does not hold, unless its number is muted.
    pub(super) fn deny(
        self,
        number: &'static str,
        node: Option<NodeId>,
        what: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        if self.muted == Some(number) {
            return Ok(());
        }
        Err(Violation { number, at: self.now, node, what: what() })
    }

    /// The same, for what is found out in the end.
    pub(in crate::sim) fn found(self, number: &'static str, what: impl FnOnce() -> String) -> Option<Violation> {
        self.deny(number, None, what).err()
    }
}
