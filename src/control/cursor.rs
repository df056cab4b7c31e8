//! The execution cursor: carries a committed intent through its steps, one errand at a time.
//!
//! Deliberately chooses nothing: which step is due follows from the plan, the echo and the receipts. A failed step stops
//! the plan; the next round plans anew from a fresh snapshot.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decide::branch::{Branch, branch};
use crate::decide::guard::recheck;
use crate::model::ids::{BrokerId, CaseId};
use crate::model::observation::LookNow;
use crate::model::plan::{Origin, Plan, PlanDigest, Step, When};
use crate::model::record::{
    Body, DecisionVerdict, End, Mark, NotSent, Outcome, Receipt, Record, Stage, StepOutcome, StepRefusal,
};
use crate::model::ruling::Objection;
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

use super::advising::Subject;
use super::controller::{Controller, Now};
use super::event::{Effect, Errand, StepResult};
use super::lead::CaseRef;
use super::verify::{Seen, seen_as_wanted};

/// How often the metadata log's positions are asked for while an echo is awaited.
///
/// A call takes 5-8 ms; live brokers were level when the write returned (`kafka.md` §13).
const ECHO_LOOK_EVERY: Duration = Duration::from_millis(30);

/// How often leadership is read back until it is as wanted, and for how long. Native failover would have ended by then.
const VERIFY_EVERY: Duration = Duration::from_millis(100);
const VERIFY_FOR: Duration = Duration::from_secs(5);

/// A plan in flight.
#[derive(Debug)]
pub(super) struct Cursor {
    case: CaseId,
    digest: PlanDigest,
    plan: Plan,
    /// The broker that the plan is about, where it is about one.
    broker: Option<BrokerId>,
    /// No step is sent after this.
    valid_until: Timestamp,
    /// How long a further commit lets the rest be sent.
    valid_for: Duration,
    /// What each step did; as long as the steps that are settled.
    steps: Vec<StepOutcome>,
    /// What the echo made due.
    echoed: Option<When>,
    at: At,
    marks: Vec<Mark>,
    /// The instant of the first red: the marks count from it.
    base: Timestamp,
}

/// Where a plan in flight stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// The next unsettled step is to be looked at.
    Next,
    /// A step is out.
    Sent(Errand),
    /// The echo is awaited.
    Echo { since: Timestamp, look_due: Timestamp },
    /// What was done is being read back.
    Verifying { errand: Option<Errand>, since: Timestamp, due: Timestamp },
    /// The commit of `Continued` is awaited: then the next step, off the path of the failover, may be sent.
    Continuing,
    /// It has come.
    Confirmed,
    /// The outcome is on its way.
    Ending,
}

impl Controller {
    /// Starts a plan whose intent has just been committed, and moves one on whose continuation has.
    pub(super) fn carry_on(&mut self, now: Now, record: &Record) {
        match &record.body {
            Body::Decided(decision) => {
                let DecisionVerdict::Act { valid_for, .. } = decision.verdict else { return };
                let (Some(plan), Some(digest), Some(case)) = (&decision.plan, decision.digest, record.case) else {
                    return;
                };
                let red_for = decision.finding.as_ref().map_or(Duration::ZERO, |finding| finding.red_for);
                let Some(lead) = self.lead.as_mut() else { return };
                // Log time of the decision against log time now: how long the commit took, on this node's own clock.
                let ago = lead.log_time(now.at).since(record.at);
                let base = now.at.minus(ago).minus(red_for);
                lead.cursor = Some(Cursor::start((case, digest, plan.clone()), now.at, valid_for, base, ago));
                let finding = decision.finding.as_ref();
                let subject = Subject { case: Some(case), finding, plan, digest, snapshot: &decision.snapshot };
                self.justify(now, subject);
                self.advance(now);
            }
            Body::Continued { plan, valid_for, .. } => {
                let Some(cursor) = self.lead.as_mut().and_then(|lead| lead.cursor.as_mut()) else { return };
                if cursor.digest == *plan && cursor.at == At::Continuing {
                    cursor.valid_until = now.at.plus(*valid_for);
                    cursor.at = At::Confirmed;
                    self.send_next(now);
                }
            }
            Body::Outcome(outcome) => {
                if let Some(lead) = self.lead.as_mut() {
                    lead.cursor.take_if(|cursor| cursor.digest == outcome.plan);
                }
            }
            Body::Founded { .. }
            | Body::Led
            | Body::PolicyIs { .. }
            | Body::Opened(_)
            | Body::Reclassified { .. }
            | Body::StillHeld { .. }
            | Body::Opinion(_)
            | Body::Approved { .. }
            | Body::Rejected { .. }
            | Body::Withdrawn { .. }
            | Body::Paused { .. }
            | Body::Resumed { .. }
            | Body::Attention { .. }
            | Body::Acknowledged { .. }
            | Body::Closed { .. } => {}
        }
    }

    /// Moves the plan in flight as far as the present facts allow.
    pub(super) fn advance(&mut self, now: Now) {
        let Some(at) = self.lead.as_ref().and_then(|lead| lead.cursor.as_ref()).map(|cursor| cursor.at.clone()) else {
            return;
        };
        match at {
            At::Next | At::Confirmed => self.send_next(now),
            At::Echo { since, look_due } => self.listen(now, since, look_due),
            At::Verifying { errand: None, due, .. } if due <= now.at => self.read_back(),
            At::Sent(_) | At::Verifying { .. } | At::Continuing | At::Ending => {}
        }
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        self.lead.as_mut().and_then(|lead| lead.cursor.as_mut())
    }

    fn send_next(&mut self, now: Now) {
        let Some(cursor) = self.cursor() else { return };
        let Some(step) = cursor.next_step().cloned() else {
            return self.verify_or_end(now);
        };
        let Some(cursor) = self.cursor() else { return };
        match step.when {
            When::AtOnce => self.send(now, &step),
            when if when.is_echo() && cursor.echoed == Some(when) => self.send(now, &step),
            When::EchoBehind | When::EchoLevelStillRed | When::EchoLevelGreen => {
                cursor.at = At::Echo { since: now.at, look_due: now.at };
                self.listen(now, now.at, now.at);
            }
            When::Afterwards | When::AfterPrevious if cursor.at == At::Confirmed => self.send(now, &step),
            When::Afterwards | When::AfterPrevious => self.verify_or_end(now),
        }
    }

    fn send(&mut self, now: Now, step: &Step) {
        let Some(lead) = self.lead.as_ref() else { return };
        let (term, log_time) = (lead.term, lead.log_time(now.at));
        let snapshot = self.snapshot(now.at, log_time);
        let policy = self.options.policy.clone();
        let Some(cursor) = self.cursor() else { return };
        if cursor.valid_until <= now.at {
            return self.stop(now, step.number, Receipt::NotSent(NotSent::Expired));
        }
        let objections = recheck(step, &cursor.plan, &snapshot, &policy);
        if objections.contains(&Objection::Paused) {
            return self.stop(now, step.number, Receipt::NotSent(NotSent::Paused));
        }
        if !objections.is_empty() {
            return self.stop(now, step.number, Receipt::NotSent(NotSent::Precondition));
        }
        let within = cursor.valid_until.since(now.at);
        cursor.mark(now.at, Stage::Sent(step.number));
        let errand = self.next_errand();
        if let Some(cursor) = self.cursor() {
            cursor.at = At::Sent(errand);
        }
        self.out.push(Effect::Apply { errand, step: Box::new(step.clone()), term, within });
    }

    pub(super) fn step_applied(&mut self, now: Now, errand: Errand, result: StepResult) {
        let Some(cursor) = self.cursor() else { return };
        if cursor.at != At::Sent(errand) {
            return;
        }
        let Some(number) = cursor.next_step().map(|step| step.number) else { return };
        cursor.mark(now.at, Stage::Answered(number));
        if let Some(said) = result.said {
            self.out.push(Effect::Warn(format!("step {number}: {said}")));
        }
        let Some(cursor) = self.cursor() else { return };
        match &result.receipt {
            Receipt::Done { .. } | Receipt::Skipped => {
                cursor.settle(number, result.receipt);
                cursor.at = At::Next;
                self.send_next(now);
            }
            // Sent, perhaps in effect: nothing further is sent; reading back tells what it did.
            Receipt::Unanswered | Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::NotDue => {
                self.stop(now, number, result.receipt);
            }
        }
        self.flush(now);
    }

    fn listen(&mut self, now: Now, since: Timestamp, look_due: Timestamp) {
        let Some(lead) = self.lead.as_ref() else { return };
        let log_time = lead.log_time(now.at);
        let snapshot = self.snapshot(now.at, log_time);
        let policy = self.options.policy.clone();
        let Some(cursor) = self.cursor() else { return };
        let Some(broker) = cursor.broker else { return cursor.settle_echo(None) };
        match branch(&cursor.plan, broker, now.at.since(since), &snapshot, &policy) {
            Branch::Due(when) => {
                cursor.mark(now.at, Stage::Echoed);
                cursor.settle_echo(Some(when));
                cursor.at = At::Next;
                self.send_next(now);
            }
            Branch::Neither(_) => {
                cursor.settle_echo(None);
                cursor.at = At::Next;
                self.send_next(now);
            }
            Branch::Wait { .. } => {
                if look_due <= now.at {
                    cursor.at = At::Echo { since, look_due: now.at.plus(ECHO_LOOK_EVERY) };
                    self.out.push(Effect::Look(LookNow::Pulse { not: BTreeSet::from([broker]) }));
                }
            }
        }
    }

    fn verify_or_end(&mut self, now: Now) {
        let Some(cursor) = self.cursor() else { return };
        let due = now.at;
        cursor.at = At::Verifying { errand: None, since: now.at, due };
        self.read_back();
    }

    fn read_back(&mut self) {
        let errand = self.next_errand();
        let Some(cursor) = self.cursor() else { return };
        let At::Verifying { since, due, .. } = cursor.at else { return };
        cursor.at = At::Verifying { errand: Some(errand), since, due };
        let not = cursor.broker.into_iter().collect();
        self.out.push(Effect::ReadBack { errand, not });
    }

    pub(super) fn was_read_back(&mut self, now: Now, errand: Errand, topology: Option<Topology>) {
        if self.was_reconciled(errand, topology.as_ref()) {
            return self.flush(now);
        }
        let Some(cursor) = self.cursor() else { return };
        let At::Verifying { errand: Some(waited), since, .. } = cursor.at else { return };
        if waited != errand {
            return;
        }
        let seen = topology.map(|topology| cursor.look_back(&topology));
        match seen {
            Some(Seen::AsWanted) => {
                cursor.mark(now.at, Stage::Verified);
                self.verified(now);
            }
            Some(Seen::Not) | None if now.at.since(since) < VERIFY_FOR => {
                cursor.at = At::Verifying { errand: None, since, due: now.at.plus(VERIFY_EVERY) };
            }
            Some(Seen::Not) => self.end(None),
            // Nobody could tell: for a plan with a request in the dark this is what `Unknown` is for.
            None => self.end(Some(End::Unknown)),
        }
        self.flush(now);
    }

    fn verified(&mut self, now: Now) {
        let Some(cursor) = self.cursor() else { return };
        cursor.answer_the_dark();
        if cursor.next_step().is_none() || cursor.has_failed() {
            return self.end(None);
        }
        let (case, plan, steps, valid_for) = (cursor.case, cursor.digest, cursor.steps.clone(), cursor.valid_for);
        cursor.at = At::Continuing;
        self.write(CaseRef::Is(case), Body::Continued { plan, steps, valid_for });
        self.flush(now);
    }

    /// A step that failed stops the plan; what was done so far is read back, unless nothing was.
    fn stop(&mut self, now: Now, number: u16, receipt: Receipt) {
        let Some(cursor) = self.cursor() else { return };
        cursor.settle(number, receipt);
        cursor.abandon();
        if cursor.has_touched() {
            self.verify_or_end(now)
        } else {
            self.end(None)
        }
        self.flush(now);
    }

    fn end(&mut self, end: Option<End>) {
        let Some(cursor) = self.cursor() else { return };
        cursor.abandon();
        cursor.at = At::Ending;
        let end = end.unwrap_or_else(|| cursor.end());
        let (case, plan) = (cursor.case, cursor.digest);
        let outcome = Outcome { plan, steps: cursor.steps.clone(), end, timeline: cursor.marks.clone() };
        if end != End::Done {
            self.out.push(Effect::Warn(format!("plan {} of case {case} ended {end:?}", plan.short())));
        }
        self.write(CaseRef::Is(case), Body::Outcome(outcome));
        self.tell_of_failure(case, plan, end);
    }
}

impl Cursor {
    fn start(
        (case, digest, plan): (CaseId, PlanDigest, Plan),
        now: Timestamp,
        valid_for: Duration,
        base: Timestamp,
        commit: Duration,
    ) -> Self {
        let broker = match &plan.origin {
            Origin::Finding { broker, .. } => Some(*broker),
            Origin::Failback { .. } | Origin::Undo { .. } => None,
        };
        let mut cursor = Self {
            case,
            digest,
            plan,
            broker,
            valid_until: now.plus(valid_for),
            valid_for,
            steps: Vec::new(),
            echoed: None,
            at: At::Next,
            marks: Vec::new(),
            base,
        };
        cursor.mark(base, Stage::Suspected);
        cursor.mark(now.minus(commit), Stage::Planned);
        cursor.mark(now, Stage::Committed);
        cursor
    }

    fn mark(&mut self, at: Timestamp, stage: Stage) {
        let after = at.since(self.base);
        self.marks.push(Mark { stage, after_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX) });
    }

    fn next_step(&self) -> Option<&Step> {
        self.plan.steps.iter().find(|step| !self.steps.iter().any(|done| done.step == step.number))
    }

    fn settle(&mut self, step: u16, receipt: Receipt) {
        self.steps.push(StepOutcome { step, receipt });
    }

    /// Settles the echo's steps that are not due; the due ones stay and are the next.
    fn settle_echo(&mut self, due: Option<When>) {
        self.echoed = due;
        // What was to be put right after a fence is not wrong without one.
        let fenced = due == Some(When::EchoBehind);
        let not_due: Vec<u16> = self
            .plan
            .steps
            .iter()
            .filter(|step| match step.when {
                When::EchoBehind | When::EchoLevelStillRed | When::EchoLevelGreen => Some(step.when) != due,
                When::Afterwards => !fenced,
                When::AtOnce | When::AfterPrevious => false,
            })
            .map(|step| step.number)
            .collect();
        for number in not_due {
            self.settle(number, Receipt::NotDue);
        }
    }

    /// Whatever has not been sent will not be.
    fn abandon(&mut self) {
        while let Some(number) = self.next_step().map(|step| step.number) {
            self.settle(number, Receipt::NotSent(NotSent::EarlierFailed));
        }
    }

    fn has_failed(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.receipt, Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Unanswered))
    }

    fn has_touched(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.receipt, Receipt::Done { .. } | Receipt::Unanswered))
    }

    fn look_back(&self, topology: &Topology) -> Seen {
        let touched = self.plan.steps.iter().filter(|step| {
            self.steps.iter().any(|done| {
                done.step == step.number && matches!(done.receipt, Receipt::Done { .. } | Receipt::Unanswered)
            })
        });
        let newest = touched.max_by_key(|step| step.number);
        newest.map_or(Seen::AsWanted, |step| seen_as_wanted(step, &self.steps, topology))
    }

    /// A request that was not answered and whose effect was read back is done.
    fn answer_the_dark(&mut self) {
        for outcome in &mut self.steps {
            if outcome.receipt == Receipt::Unanswered {
                let step = self.plan.steps.iter().find(|step| step.number == outcome.step);
                let done =
                    step.into_iter().flat_map(|step| step.act.moves()).flat_map(|one| one.partitions.iter()).collect();
                outcome.receipt = Receipt::Done { done, not: Vec::new() };
            }
        }
    }

    fn end(&self) -> End {
        let (mut done, mut not) = (false, false);
        for step in &self.steps {
            match &step.receipt {
                Receipt::Done { not: left_out, .. } => {
                    done = true;
                    // A partition whose facts had moved is left to the next round; it is no failure of this one.
                    not |= left_out.iter().any(|(why, _)| *why != StepRefusal::Stale);
                }
                Receipt::NotDue => {}
                Receipt::Unanswered => return End::Unknown,
                Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Skipped => not = true,
            }
        }
        match (done, not) {
            (true, false) => End::Done,
            (true, true) => End::Partly,
            (false, _) => End::NotDone,
        }
    }
}
