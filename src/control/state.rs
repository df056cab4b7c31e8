//! The replicated state: what the committed records amount to. Equal records give an equal state on every node.
//!
//! Deliberately without clock or policy: whatever a rule needs (an expiry, a cool-down) stands in the record itself.

mod frozen;
mod parts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::canon::{CanonError, from_canonical_bytes};
use crate::model::chain::Head;
use crate::model::chain::chunk::Assembler;
use crate::model::finding::Finding;
use crate::model::ids::{
    BrokerId, CaseId, ClusterId, Digest, NodeId, PartitionId, Person, RaftIndex, RecordIndex, RequestId,
};
use crate::model::operator::view::Mode;
use crate::model::plan::{Class, Origin, OriginalOrder, PlanDigest};
use crate::model::record::{
    Body, Closing, Decision, DecisionVerdict, End, Outcome, PauseFile, RECORD_VERSION, Receipt, Record, Withdrawal,
};
use crate::model::snapshot::{CoolDown, OpenCase, StandingOrders};
use crate::model::time::LogTime;
use crate::model::topology::PartitionSet;

use super::event::Kept;
pub use frozen::Unthawable;
pub use parts::{Case, FirstOrder, Gone, Intent, Offer, PauseOrder, PausedHere, PutBack, Told};

/// How many requests of operators are remembered to recognise a repeated one.
///
/// A repeat comes within seconds, when an answer was lost; 1,024 are hours of typing.
const REQUESTS_MAX: usize = 1024;

/// How many plans that are no longer on offer are remembered.
///
/// Somebody reads a digest, thinks, and types it; more rounds than this in between are another day.
const GONE_MAX: usize = 16;

/// What the committed records amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The end of the audit chain.
    pub head: Head,
    /// The newest entry of the Raft log that is in here.
    pub applied: RaftIndex,
    /// The log time of the newest record.
    pub last_at: LogTime,
    /// The cluster that the trio is tied to.
    pub cluster: Option<ClusterId>,
    /// The policy in force.
    pub policy: Option<Digest>,
    /// What automation may do under it.
    pub mode: Option<Mode>,
    /// The pause order, if one stands.
    pub paused: Option<PauseOrder>,
    /// Nodes whose pause file was there when they were last heard.
    pub pause_files: BTreeMap<NodeId, PauseFile>,
    /// The open cases.
    pub cases: BTreeMap<CaseId, Case>,
    /// Plans that people may say yes to.
    pub offers: BTreeMap<PlanDigest, Offer>,
    /// Plans that were on offer lately and are no more, oldest first.
    pub gone: VecDeque<Gone>,
    /// Intents without an outcome.
    pub intents: BTreeMap<PlanDigest, Intent>,
    /// Each touched partition's first recorded order: its undo until it is restored.
    pub first_orders: BTreeMap<PartitionId, FirstOrder>,
    /// Cool-downs by broker.
    pub cool_downs: BTreeMap<BrokerId, CoolDown>,
    /// Brokers that lost leadership by an act of ours: no targets until then.
    pub demoted: BTreeMap<BrokerId, CoolDown>,
    /// The cluster-wide cool-down after an R2.
    pub cluster_cool_down: Option<CoolDown>,
    /// What people were told and have not acknowledged.
    pub attentions: BTreeMap<RecordIndex, Told>,
    /// Requests seen lately.
    pub requests: VecDeque<(Person, RequestId)>,
    /// Pieces of a record that is not complete yet.
    #[serde(skip)]
    unfinished: Assembler,
}

/// Why a committed entry was not taken as a record: every node skips it alike, and says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// It does not continue the record at hand.
    #[error("entry {0} is no piece of the record at hand")]
    Chunk(RaftIndex, #[source] crate::model::chain::chunk::ChunkError),
    /// Its bytes are no canonical record.
    #[error("entry {0} holds no canonical record")]
    Unreadable(RaftIndex, #[source] CanonError),
    /// A later version of Tanist wrote it.
    #[error("entry {0} holds a record of version {1}; this build reads up to {RECORD_VERSION}: upgrade this node")]
    Version(RaftIndex, u16),
}

impl Default for State {
    fn default() -> Self {
        Self {
            head: Head::GENESIS,
            applied: RaftIndex::default(),
            last_at: LogTime::default(),
            cluster: None,
            policy: None,
            mode: None,
            paused: None,
            pause_files: BTreeMap::new(),
            cases: BTreeMap::new(),
            offers: BTreeMap::new(),
            gone: VecDeque::new(),
            intents: BTreeMap::new(),
            first_orders: BTreeMap::new(),
            cool_downs: BTreeMap::new(),
            demoted: BTreeMap::new(),
            cluster_cool_down: None,
            attentions: BTreeMap::new(),
            requests: VecDeque::new(),
            unfinished: Assembler::default(),
        }
    }
}

impl State {
    /// Takes one committed entry; gives the record that it completes, with its place in the chain.
    ///
    /// Errors: [`Skipped`] where the entry is no record; the state moves on, on every node alike.
    pub fn apply(&mut self, index: RaftIndex, entry: &[u8]) -> Result<Option<Kept>, Skipped> {
        self.applied = index;
        if entry.is_empty() {
            return Ok(None);
        }
        let joined = self.unfinished.push_entry(entry).map_err(|error| Skipped::Chunk(index, error))?;
        let Some(bytes) = joined else { return Ok(None) };
        let record: Record = from_canonical_bytes(&bytes).map_err(|error| Skipped::Unreadable(index, error))?;
        if RECORD_VERSION < record.version {
            return Err(Skipped::Version(index, record.version));
        }
        self.head = self.head.extend(&bytes);
        // Log time never goes back, whatever a record says.
        self.last_at = self.last_at.max(record.at);
        self.drop_expired();
        self.take(&record);
        Ok(Some(Kept { raft: index, head: self.head, bytes, record }))
    }

    /// Gives what decisions must respect; `here` is a pause that needs no quorum.
    #[must_use]
    pub fn standing(&self, pause: PausedHere) -> StandingOrders {
        let cases = self.cases.iter().map(|(id, case)| {
            let open = OpenCase { id: *id, kind: case.finding.kind, acted: case.acted.is_some() };
            (case.finding.broker, open)
        });
        StandingOrders {
            paused: self.paused.is_some() || pause == PausedHere::Yes,
            cool_downs: self.cool_downs.clone(),
            cluster_cool_down: self.cluster_cool_down,
            demoted: self.demoted.clone(),
            maintenance: BTreeSet::new(),
            in_flight: self.intents.values().map(|intent| intent.case).next(),
            cases: cases.collect(),
        }
    }

    /// Gives the recorded orders of one case, grouped.
    #[must_use]
    pub fn undo_of(&self, case: CaseId) -> Vec<OriginalOrder> {
        let mut groups: BTreeMap<(Vec<BrokerId>, Option<BrokerId>), Vec<PartitionId>> = BTreeMap::new();
        for (partition, first) in self.first_orders.iter().filter(|(_, first)| first.case == case) {
            groups.entry((first.replicas.clone(), first.leader)).or_default().push(*partition);
        }
        let group = |((replicas, leader), partitions): (_, Vec<PartitionId>)| OriginalOrder {
            partitions: partitions.into_iter().collect(),
            replicas,
            leader,
        };
        groups.into_iter().map(group).collect()
    }

    /// Tells whether a request was taken before.
    #[must_use]
    pub fn has_seen(&self, by: &Person, request: RequestId) -> bool {
        self.requests.iter().any(|(person, id)| person == by && *id == request)
    }

    fn take(&mut self, record: &Record) {
        match &record.body {
            Body::Founded { cluster } => self.cluster = Some(cluster.clone()),
            Body::PolicyIs { settings } => {
                let mode = settings.get("mode").and_then(|mode| mode.trim_matches('"').parse().ok());
                (self.policy, self.mode) = (Some(record.policy), mode);
            }
            Body::Opened(finding) => self.open(record.at, finding),
            Body::Reclassified { to, .. } => self.with_case(record.case, |case| case.finding = to.clone()),
            Body::Decided(decision) => self.decide(record, decision),
            Body::Outcome(outcome) => self.close_intent(outcome),
            Body::Approved { plan, by, request } => {
                if let Some(offer) = self.offers.get_mut(plan) {
                    offer.approvals.insert(by.clone());
                }
                self.remember(by, *request);
            }
            Body::Rejected { plan, by, request, .. } => {
                self.offers.remove(plan);
                self.with_case(record.case, |case| {
                    case.rejected.insert(*plan);
                });
                self.remember(by, *request);
            }
            Body::Withdrawn { plan, why } => self.withdraw(plan, why),
            Body::Paused { by, reason, request } => {
                self.paused = Some(PauseOrder {
                    by: by.clone(),
                    reason: reason.clone(),
                    since: record.at,
                    wall_ms: record.wall_ms,
                });
                self.remember(by, *request);
            }
            Body::Resumed { by, request } => {
                self.paused = None;
                self.remember(by, *request);
            }
            Body::PauseFile { node, file } if file.pauses() => {
                self.pause_files.insert(*node, *file);
            }
            Body::PauseFile { node, .. } => {
                self.pause_files.remove(node);
            }
            Body::Attention { what } => {
                let told = Told { what: what.clone(), wall_ms: record.wall_ms, case: record.case };
                self.attentions.insert(self.head.index, told);
            }
            Body::Acknowledged { attention, by, request } => {
                self.attentions.remove(attention);
                self.remember(by, *request);
            }
            Body::Closed { how } => self.close_case(record.case, *how),
            Body::Led
            | Body::HandedOver { .. }
            | Body::StillHeld { .. }
            | Body::Opinion(_)
            | Body::Continued { .. } => {}
        }
    }

    /// Cool-downs that are over bind nobody: a state that kept them would grow with every broker that ever failed.
    fn drop_expired(&mut self) {
        let now = self.last_at;
        self.cool_downs.retain(|_, cool_down| now < cool_down.until);
        self.demoted.retain(|_, cool_down| now < cool_down.until);
        self.cluster_cool_down = self.cluster_cool_down.filter(|cool_down| now < cool_down.until);
    }

    fn open(&mut self, at: LogTime, finding: &Finding) {
        let case = Case {
            finding: finding.clone(),
            opened: at,
            acted: None,
            put_back: PutBack::Not,
            acts: 0,
            rejected: BTreeSet::new(),
            would: None,
            inaction: None,
        };
        // The head has just been extended by this record: its index is the case's id.
        self.cases.insert(CaseId(self.head.index.0), case);
    }

    fn with_case(&mut self, id: Option<CaseId>, change: impl FnOnce(&mut Case)) {
        if let Some(case) = id.and_then(|id| self.cases.get_mut(&id)) {
            change(case);
        }
    }

    fn decide(&mut self, record: &Record, decision: &Decision) {
        match (&decision.verdict, &decision.plan, decision.digest, record.case) {
            (DecisionVerdict::Act { .. }, Some(plan), Some(digest), Some(case)) => {
                self.offers.remove(&digest);
                self.begin(
                    Intent { case, plan: plan.clone(), term: record.term, by: record.by, record: self.head.index },
                    digest,
                    &decision.verdict,
                );
            }
            (DecisionVerdict::Offer { expires, people }, Some(plan), Some(digest), Some(case)) => {
                let offer = Offer {
                    case,
                    plan: plan.clone(),
                    expires: *expires,
                    people: *people,
                    approvals: BTreeSet::new(),
                    record: self.head.index,
                };
                self.offers.insert(digest, offer);
                self.with_case(Some(case), |case| case.inaction = None);
            }
            (DecisionVerdict::WouldAct, _, digest, case) => self.with_case(case, |case| {
                (case.would, case.inaction) = (digest, None);
            }),
            (DecisionVerdict::Nothing(why), _, _, case) => {
                self.with_case(case, |case| case.inaction = Some(why.clone()))
            }
            // An act or offer without plan or case is no decision that this build writes: it changes nothing.
            (DecisionVerdict::Act { .. } | DecisionVerdict::Offer { .. }, _, _, _) => {}
        }
    }

    fn begin(&mut self, intent: Intent, digest: PlanDigest, act: &DecisionVerdict) {
        let DecisionVerdict::Act { cool_down_until, cluster_cool_down_until, demoted_until, .. } = act else { return };
        let owner = intent.case;
        let until = |until: &LogTime| CoolDown { owner, until: *until };
        if let Origin::Finding { broker, .. } = &intent.plan.origin {
            for order in &intent.plan.undo {
                for partition in order.partitions.iter() {
                    self.first_orders.entry(partition).or_insert_with(|| FirstOrder {
                        case: intent.case,
                        replicas: order.replicas.clone(),
                        leader: order.leader,
                    });
                }
            }
            self.cool_downs.insert(*broker, until(cool_down_until));
            self.demoted.insert(*broker, until(demoted_until));
        }
        if Class::R2 <= intent.plan.class {
            self.cluster_cool_down = Some(until(cluster_cool_down_until));
        }
        self.with_case(Some(intent.case), |case| {
            case.acted = Some((digest, None));
            case.acts = case.acts.saturating_add(1);
            case.inaction = None;
        });
        self.intents.insert(digest, intent);
    }

    fn close_intent(&mut self, outcome: &Outcome) {
        let Some(intent) = self.intents.remove(&outcome.plan) else { return };
        // A way back that goes on in parts ends by itself: only what came of nothing brings a case to a person's desk.
        let gave_back = matches!(intent.plan.origin, Origin::Failback { .. }) && outcome.has_moved();
        let no_try = outcome.is_untouched() || gave_back;
        self.with_case(Some(intent.case), |case| {
            case.acted = Some((outcome.plan, Some(outcome.end)));
            case.acts = case.acts.saturating_sub(u16::from(no_try));
        });
        // Where nobody could tell what happened, the recorded order is kept: what is back already is found so.
        let put_back = match &intent.plan.origin {
            Origin::Finding { .. } => return,
            Origin::Failback { .. } => PutBack::ByFailback,
            Origin::Undo { .. } => PutBack::ByPerson,
        };
        if matches!(outcome.end, End::Done | End::Partly) {
            for step in &outcome.steps {
                if let Receipt::Done { done, .. } = &step.receipt {
                    self.forget_orders(done);
                }
            }
            self.with_case(Some(intent.case), |case| case.put_back = put_back);
        }
    }

    fn forget_orders(&mut self, restored: &PartitionSet) {
        for partition in restored.iter() {
            self.first_orders.remove(&partition);
        }
    }

    fn close_case(&mut self, id: Option<CaseId>, _how: Closing) {
        let Some(id) = id else { return };
        self.cases.remove(&id);
        self.offers.retain(|_, offer| offer.case != id);
        self.first_orders.retain(|_, first| first.case != id);
    }

    fn withdraw(&mut self, digest: &PlanDigest, why: &Withdrawal) {
        let Some(offer) = self.offers.remove(digest) else { return };
        self.gone.push_back(Gone { digest: *digest, plan: offer.plan, case: offer.case, why: why.clone() });
        while GONE_MAX < self.gone.len() {
            self.gone.pop_front();
        }
    }

    fn remember(&mut self, by: &Person, request: RequestId) {
        self.requests.push_back((by.clone(), request));
        while REQUESTS_MAX < self.requests.len() {
            self.requests.pop_front();
        }
    }
}
