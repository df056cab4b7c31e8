//! What only the trio's leader holds: its pending batch, the plan in flight, and the memory that coalesces non-decisions.
//!
//! Deliberately volatile: everything that must survive a change of leader stands in the replicated state. One batch of
//! records is in flight at a time, so the index of each record is known when it is proposed, and a case can be named by
//! the index of the record that opens it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::advice::Opinion;
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::Head;
use crate::model::chain::chunk::to_entries;
use crate::model::finding::FindingKind;
use crate::model::ids::{BrokerId, CaseId, RecordIndex, Term};
use crate::model::operator::{Answer, OperatorRequest};
use crate::model::plan::PlanDigest;
use crate::model::record::{Body, DecisionVerdict, RECORD_VERSION, Record};
use crate::model::time::{LogTime, Timestamp};

use super::asks::Waiting;
use super::controller::{Controller, Followed, Now};
use super::cursor::Cursor;
use super::event::{Effect, Errand};
use super::held::Held;

/// How long a batch may take to commit before the leader looks at the world again and proposes anew.
///
/// A batch that is dropped is reported; this catches only a lost report. Well above an election's length, so that a slow
/// commit is not proposed twice.
const BATCH_PATIENCE: Duration = Duration::from_secs(10);

/// How often a quiet leader looks at the whole picture; lights, commits and errands make it look at once.
const ROUND_EVERY: Duration = Duration::from_millis(250);

/// What only the leader holds.
#[derive(Debug)]
pub(super) struct Lead {
    /// Its term.
    pub(super) term: Term,
    /// Log time at the moment when leading began, and that moment.
    anchor: (LogTime, Timestamp),
    /// The batch that is being committed.
    batch: Option<Batch>,
    /// What waits for the next batch.
    outbox: VecDeque<Item>,
    /// The plan in flight.
    pub(super) cursor: Option<Cursor>,
    /// When an act of this leader last ended: a shape of the cluster that is older does not show what it did.
    pub(super) acted: Option<Timestamp>,
    /// Intents of earlier leaders, being read back.
    pub(super) reconciling: BTreeMap<Errand, PlanDigest>,
    /// Non-decisions that go on, by case.
    pub(super) held: BTreeMap<CaseId, Held>,
    /// Since when a broker without a case has looked odd in a way that is given time to pass.
    pub(super) odd: BTreeMap<BrokerId, (FindingKind, Timestamp)>,
    /// When all nodes were last asked to look at a broker that they contradict each other about.
    pub(super) looked: BTreeMap<BrokerId, Timestamp>,
    /// When others were last asked for the shape that tells a stop from a crash, by the broker of which it is to tell that.
    pub(super) shape_asked: BTreeMap<BrokerId, Timestamp>,
    /// How often that had been asked for by then, and nobody had told it.
    pub(super) shape_turn: usize,
    /// Since when a failback has been waited for, by case.
    pub(super) waits: BTreeMap<CaseId, Timestamp>,
    /// Operators who wait for a record.
    pub(super) waiting: Vec<Waiting>,
    /// Orders that wait for the records on their way.
    pub(super) deferred: VecDeque<(u64, OperatorRequest)>,
    /// When the next round is due.
    round_due: Timestamp,
    /// Until when no round is run: the last one planned for a large cluster, or another node is to lead.
    pub(super) idle_until: Timestamp,
    /// Since when it has been ill placed to lead.
    pub(super) ill_placed: Option<Timestamp>,
    /// When it last let another node lead.
    pub(super) yielded: Option<Timestamp>,
    /// What the adviser was asked, by plan.
    pub(super) advice: BTreeMap<PlanDigest, Asked>,
    /// Cases whose last intent ended with nothing sent: until when they rest, and for how long.
    pub(super) rests: BTreeMap<CaseId, (Timestamp, Duration)>,
    /// When observe-only last said what it would do, by case.
    pub(super) would: BTreeMap<CaseId, Timestamp>,
}

/// What waits at a leader; nothing of it may grow for as long as it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Records that wait for the batch in flight.
    pub records: usize,
    /// Operators who wait for a record, or for their order to be taken up.
    pub operators: usize,
    /// Questions to the adviser that are remembered.
    pub questions: usize,
}

/// A question to the adviser.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its case.
    pub(super) case: CaseId,
    /// When it was asked.
    pub(super) at: Timestamp,
    /// What it said.
    pub(super) opinion: Option<Opinion>,
}

#[derive(Debug)]
struct Batch {
    left: usize,
    at: Timestamp,
}

/// Which case a record in the outbox belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaseRef {
    /// None.
    None,
    /// This one.
    Is(CaseId),
    /// The one that the record opens itself, or that the nearest `Opened` above it opens.
    Opening,
}

#[derive(Debug)]
struct Item {
    case: CaseRef,
    body: Body,
    /// The operator who waits for it.
    ticket: Option<u64>,
}

impl Lead {
    fn new(term: Term, now: Timestamp, log_time: LogTime) -> Self {
        Self {
            term,
            anchor: (log_time, now),
            batch: None,
            outbox: VecDeque::new(),
            cursor: None,
            acted: None,
            reconciling: BTreeMap::new(),
            held: BTreeMap::new(),
            odd: BTreeMap::new(),
            looked: BTreeMap::new(),
            shape_asked: BTreeMap::new(),
            shape_turn: 0,
            waits: BTreeMap::new(),
            waiting: Vec::new(),
            deferred: VecDeque::new(),
            round_due: now,
            idle_until: now,
            ill_placed: None,
            yielded: None,
            advice: BTreeMap::new(),
            rests: BTreeMap::new(),
            would: BTreeMap::new(),
        }
    }

    /// Gives the present log time: the elapsed time is added to that of the last record before this leader.
    pub(super) fn log_time(&self, now: Timestamp) -> LogTime {
        self.anchor.0.plus(now.since(self.anchor.1))
    }

    /// Puts a record into the next batch.
    pub(super) fn write(&mut self, case: CaseRef, body: Body) {
        self.outbox.push_back(Item { case, body, ticket: None });
    }

    /// Puts a record into the next batch for an operator who waits for its commit.
    pub(super) fn write_for(&mut self, ticket: u64, case: CaseRef, body: Body) {
        self.outbox.push_back(Item { case, body, ticket: Some(ticket) });
    }

    /// Tells whether nothing is being committed or waits to be: the state is as new as it will get.
    pub(super) fn is_settled(&self) -> bool {
        self.batch.is_none() && self.outbox.is_empty()
    }
}

/// Tells whether a record is an intent: one at a time is in flight.
fn is_intent(body: &Body) -> bool {
    matches!(body, Body::Decided(decision) if matches!(decision.verdict, DecisionVerdict::Act { .. }))
}

impl Controller {
    /// Gives what waits at this node: nothing where it does not lead.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.lead.as_ref().map_or_else(Backlog::default, |lead| Backlog {
            records: lead.outbox.len(),
            operators: lead.waiting.len().saturating_add(lead.deferred.len()),
            questions: lead.advice.len(),
        })
    }

    pub(super) fn begin_leading(&mut self, now: Now, term: Term) {
        let mut lead = Lead::new(term, now.at, self.state.last_at);
        lead.write(CaseRef::None, Body::Led);
        if self.state.policy != Some(self.policy_digest) {
            lead.write(CaseRef::None, Body::PolicyIs { settings: self.options.policy.settings() });
        }
        if self.followed == Followed::Nobody {
            // Everything known comes from this node's disk: the whole trio may have been down. Approvals die.
            for (plan, offer) in &self.state.offers {
                let body = Body::Withdrawn { plan: *plan, why: crate::model::record::Withdrawal::TrioWasDown };
                lead.write(CaseRef::Is(offer.case), body);
            }
        }
        self.lead = Some(lead);
        self.reconcile();
        self.flush(now);
    }

    pub(super) fn stop_leading(&mut self) {
        if let Some(lead) = self.lead.take() {
            for (ticket, _) in lead.deferred {
                self.out.push(Effect::Answer { ticket, answer: Box::new(Answer::Unanswered) });
            }
            self.answer_deposed(lead.waiting);
        }
    }

    /// Whatever still holds is proposed again by the next round, and not at once: the log may refuse for as long as leadership
    /// is being handed over, and would be asked without end.
    pub(super) fn proposal_dropped(&mut self) {
        let Some(lead) = self.lead.as_mut() else { return };
        lead.batch = None;
        let waiting = std::mem::take(&mut lead.waiting);
        self.answer_deposed(waiting);
    }

    /// Sends what waits in the outbox as one batch, if none is in flight.
    pub(super) fn flush(&mut self, now: Now) {
        let head = self.state.head;
        let (me, policy) = (self.options.me, self.policy_digest);
        let Some(lead) = self.lead.as_mut() else { return };
        if lead.batch.is_some() || lead.outbox.is_empty() {
            return;
        }
        let at = lead.log_time(now.at);
        let (mut entries, mut left, mut opened) = (Vec::new(), 0_usize, None);
        let mut in_flight = !self.state.intents.is_empty();
        for item in std::mem::take(&mut lead.outbox) {
            if is_intent(&item.body) && std::mem::replace(&mut in_flight, true) {
                // Decided on a picture in which none was in flight: the round after that one's outcome decides again.
                if let Some(ticket) = item.ticket {
                    lead.waiting.retain(|one| !one.is(ticket));
                    self.out.push(Effect::Answer { ticket, answer: Box::new(Answer::Unanswered) });
                }
                continue;
            }
            let index = head.index.0.saturating_add(u64::try_from(left).unwrap_or(u64::MAX)).saturating_add(1);
            if matches!(item.body, Body::Opened(_)) {
                opened = Some(CaseId(index));
            }
            let case = match item.case {
                CaseRef::None => None,
                CaseRef::Is(case) => Some(case),
                CaseRef::Opening => opened,
            };
            let record = Record {
                version: RECORD_VERSION,
                at,
                wall_ms: now.wall_ms,
                by: me,
                term: lead.term,
                policy,
                case,
                body: item.body,
            };
            match to_canonical_bytes(&record)
                .map_err(|error| error.to_string())
                .and_then(|bytes| to_entries(bytes).map_err(|error| error.to_string()))
            {
                Ok(pieces) => {
                    entries.extend(pieces);
                    left = left.saturating_add(1);
                    if let Some(ticket) = item.ticket {
                        Waiting::expect(&mut lead.waiting, ticket, (RecordIndex(index), &record));
                    }
                }
                Err(why) => self.out.push(Effect::Warn(format!(
                    "a {} record cannot be written and is left out: {why}",
                    record.body.kind()
                ))),
            }
        }
        if 0 < left {
            lead.batch = Some(Batch { left, at: now.at });
            self.out.push(Effect::Propose(entries));
        }
    }

    pub(super) fn record_committed(&mut self, now: Now, head: Head, record: &Record) {
        let me = self.options.me;
        let Some(lead) = self.lead.as_mut() else { return };
        if record.by != me || record.term != lead.term {
            return;
        }
        if let Some(batch) = lead.batch.as_mut() {
            batch.left = batch.left.saturating_sub(1);
            if batch.left == 0 {
                lead.batch = None;
            }
        }
        self.carry_on(now, record);
        self.answer_committed(head.index, record);
        self.flush(now);
        self.look_again(now);
    }

    pub(super) fn lead_tick(&mut self, now: Now) {
        let Some(lead) = self.lead.as_mut() else { return };
        if lead.batch.as_ref().is_some_and(|batch| BATCH_PATIENCE <= now.at.since(batch.at)) {
            lead.batch = None;
            self.out.push(Effect::Warn(
                "a batch of records was not committed in time: proposing from fresh facts".to_owned(),
            ));
        }
        self.advance(now);
        if self.lead.as_ref().is_some_and(|lead| lead.round_due <= now.at) {
            self.look_again(now);
        }
        self.flush(now);
    }

    /// Runs a round of decisions, unless records are still on their way: then the commit runs it; or a large cluster rests from the
    /// last one, or another node is to lead.
    pub(super) fn look_again(&mut self, now: Now) {
        if self.lead.as_ref().is_some_and(|lead| lead.cursor.is_some()) {
            self.advance(now);
        }
        self.take_deferred(now);
        let Some(lead) = self.lead.as_mut() else { return };
        if !lead.is_settled() {
            return;
        }
        if now.at < lead.idle_until {
            lead.round_due = lead.idle_until;
            return;
        }
        lead.round_due = now.at.plus(ROUND_EVERY);
        self.round(now);
        self.flush(now);
    }
}
