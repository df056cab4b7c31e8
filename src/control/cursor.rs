//! The execution cursor: carries a committed intent through its steps, one errand at a time.
//!
//! Deliberately chooses nothing: which step is due follows from the plan, the echo and the receipts. A failed step stops
//! the plan; the next round plans anew from a fresh snapshot.

mod flight;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decide::branch::{Branch, branch};
use crate::decide::fit::merged;
use crate::decide::guard::recheck;
use crate::model::observation::LookNow;
use crate::model::plan::{Step, When};
use crate::model::record::{Body, DecisionVerdict, End, NotSent, Outcome, Receipt, Record, Stage, StepRefusal};
use crate::model::ruling::Objection;
use crate::model::time::Timestamp;

use super::advising::Subject;
use super::controller::{Controller, Now};
use super::event::{Effect, Errand, StepResult, Views};
use super::lead::CaseRef;
use super::rest::Rest;
use super::verify::{BySteps, Seen};
use flight::At;
pub(super) use flight::Cursor;

/// While an echo is awaited, one look at the metadata log's positions follows the answer of the one before; where there is none, after
/// so long.
///
/// A call takes 2-8 ms; live brokers were level when the write returned (`kafka.md` §13).
const ECHO_LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often leadership is read back until it is as wanted, and for how long. Native failover would have ended by then.
const VERIFY_EVERY: Duration = Duration::from_millis(100);
const VERIFY_FOR: Duration = Duration::from_secs(5);

impl Controller {
    /// Starts a plan whose intent has just been committed, and moves one on whose continuation has.
    pub(super) fn carry_on(&mut self, now: Now, record: &Record) {
        match &record.body {
            Body::Decided(decision) => {
                let (Some(plan), Some(digest), Some(case)) = (&decision.plan, decision.digest, record.case) else {
                    return;
                };
                let finding = decision.finding.as_ref();
                let subject = Subject { case: Some(case), finding, plan, digest, snapshot: &decision.snapshot };
                let valid_for = match decision.verdict {
                    DecisionVerdict::Act { valid_for, .. } => valid_for,
                    DecisionVerdict::Offer { .. } | DecisionVerdict::WouldAct => return self.justify(now, subject),
                    DecisionVerdict::Nothing(_) => return,
                };
                let red_for = decision.finding.as_ref().map_or(Duration::ZERO, |finding| finding.red_for);
                let Some(lead) = self.lead.as_mut() else { return };
                // Log time of the decision against log time now: how long the commit took, on this node's own clock.
                let ago = lead.log_time(now.at).since(record.at);
                let base = now.at.minus(ago).minus(red_for);
                lead.cursor = Some(Cursor::start((case, digest, plan.clone()), now.at, valid_for, base, ago));
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
                let Some(lead) = self.lead.as_mut() else { return };
                if let Some(ended) = lead.cursor.take_if(|cursor| cursor.digest == outcome.plan) {
                    lead.acted = Some(now.at);
                    let not = ended.broker.into_iter().collect();
                    self.out.push(Effect::Look(LookNow::Topology { not, turn: 0 }));
                }
            }
            Body::HandedOver { to, .. } => self.hand_over(now.at, *to),
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
            | Body::PauseFile { .. }
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
            At::Echo { since } => self.listen(now, since),
            At::Sent(_) => self.look_for_echo(now),
            At::Verifying { errand: None, due, .. } if due <= now.at => self.read_back(),
            At::Verifying { .. } | At::Continuing | At::Ending => {}
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
                cursor.at = At::Echo { since: now.at };
                self.listen(now, now.at);
            }
            When::Afterwards | When::AfterPrevious if cursor.at == At::Confirmed => self.send(now, &step),
            When::Afterwards | When::AfterPrevious => self.verify_or_end(now),
        }
    }

    fn send(&mut self, now: Now, step: &Step) {
        let Some(lead) = self.lead.as_ref() else { return };
        let (term, log_time) = (lead.term, lead.log_time(now.at));
        let snapshot = self.snapshot(now.at, log_time);
        let Some(cursor) = self.lead.as_mut().and_then(|lead| lead.cursor.as_mut()) else { return };
        if cursor.is_too_late_for(step, now.at) {
            return self.out_of_time(now, step.number);
        }
        let objections = recheck(step, &cursor.plan, &snapshot, &self.options.policy);
        if objections.contains(&Objection::Paused) {
            return self.stop(now, step.number, Receipt::NotSent(NotSent::Paused));
        }
        if objections.contains(&Objection::ControllerUnreachable) {
            return self.stop(now, step.number, Receipt::NotSent(NotSent::Unreachable));
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
        self.look_for_echo(now);
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
            // Sent, perhaps in effect: reading back tells what it did, and nothing further is sent before that.
            Receipt::Unanswered => {
                cursor.settle(number, result.receipt);
                self.verify_or_end(now);
            }
            Receipt::NotSent(NotSent::Expired) => self.out_of_time(now, number),
            Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::NotSeen | Receipt::NotDue => {
                self.stop(now, number, result.receipt);
            }
        }
        self.flush(now);
    }

    /// Looks where the brokers are in the metadata log, if a step waits for that: from when the write is sent that they will follow, as
    /// the time that is given to them counts from the first look that shows one of them there.
    fn look_for_echo(&mut self, now: Now) {
        let heard = self.watch.pulse_heard_at();
        let Some(cursor) = self.lead.as_mut().and_then(|lead| lead.cursor.as_mut()) else { return };
        let Some(broker) = cursor.broker.filter(|_| cursor.awaits_echo()) else { return };
        let due = cursor
            .looked
            .is_none_or(|looked| ECHO_LOOK_EVERY <= now.at.since(looked) || heard.is_some_and(|heard| looked < heard));
        if due {
            cursor.looked = Some(now.at);
            self.out.push(Effect::Look(LookNow::Pulse { not: BTreeSet::from([broker]) }));
        }
    }

    fn listen(&mut self, now: Now, since: Timestamp) {
        let Some(lead) = self.lead.as_ref() else { return };
        let log_time = lead.log_time(now.at);
        let snapshot = self.reports_now(now.at, log_time);
        let Some(cursor) = self.lead.as_mut().and_then(|lead| lead.cursor.as_mut()) else { return };
        let Some(broker) = cursor.broker else { return cursor.settle_echo(None) };
        match branch(&cursor.plan, broker, now.at.since(since), &snapshot, &self.options.policy) {
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
            Branch::Wait { .. } => self.look_for_echo(now),
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

    pub(super) fn was_read_back(&mut self, now: Now, errand: Errand, views: Views) {
        // What an earlier leader began is told by the newer of two views: here nobody waits for the other to follow.
        let whole = views.is_complete().then(|| merged(views.shapes.iter().cloned()));
        if self.was_reconciled(errand, whole.as_ref()) {
            return self.flush(now);
        }
        let Some(cursor) = self.cursor() else { return };
        let At::Verifying { errand: Some(waited), since, .. } = cursor.at else { return };
        if waited != errand {
            return;
        }
        let seen = cursor.look_back(&views.shapes);
        let agreed = views.is_complete() && seen.as_ref().is_some_and(Seen::is_settled);
        if !agreed && now.at.since(since) < VERIFY_FOR {
            cursor.at = At::Verifying { errand: None, since, due: now.at.plus(VERIFY_EVERY) };
            return self.flush(now);
        }
        match seen {
            Some(seen) if seen.is_settled() => {
                let alone = views.shapes.len() < 2;
                cursor.mark(now.at, if alone { Stage::VerifiedByOne } else { Stage::Verified });
                self.verified(now, &seen.taken);
            }
            Some(seen) => {
                cursor.leave(&seen.taken, StepRefusal::Stale);
                cursor.leave(&seen.lacking, StepRefusal::NotSeen);
                self.end(now, None);
            }
            // Nobody could tell: for a plan with a request in the dark this is what `Unknown` is for.
            None => self.end(now, Some(End::Unknown)),
        }
        self.flush(now);
    }

    fn verified(&mut self, now: Now, taken: &BySteps) {
        let Some(cursor) = self.cursor() else { return };
        cursor.verify();
        cursor.leave(taken, StepRefusal::Stale);
        if cursor.next_step().is_none() || cursor.has_failed() {
            return self.end(now, None);
        }
        let (case, plan, steps, valid_for) = (cursor.case, cursor.digest, cursor.steps.clone(), cursor.valid_for);
        cursor.at = At::Continuing;
        self.write(CaseRef::Is(case), Body::Continued { plan, steps, valid_for });
        self.flush(now);
    }

    /// The intent's time is over, or too short, before all of it was sent, as large clusters answer slowly: what was done is verified, and a
    /// further commit, which proves that this node still leads, lets the rest be sent. With nothing new done none is asked for.
    fn out_of_time(&mut self, now: Now, number: u16) {
        if self.cursor().is_some_and(|cursor| cursor.has_unverified()) {
            return self.verify_or_end(now);
        }
        self.stop(now, number, Receipt::NotSent(NotSent::Expired));
    }

    /// A step that failed stops the plan; what was done so far is read back, unless nothing was.
    fn stop(&mut self, now: Now, number: u16, receipt: Receipt) {
        let Some(cursor) = self.cursor() else { return };
        cursor.settle(number, receipt);
        cursor.abandon();
        if cursor.has_touched() {
            self.verify_or_end(now)
        } else {
            self.end(now, None)
        }
        self.flush(now);
    }

    fn end(&mut self, now: Now, end: Option<End>) {
        let Some(cursor) = self.cursor() else { return };
        cursor.abandon();
        cursor.at = At::Ending;
        let end = end.unwrap_or_else(|| cursor.end());
        let (case, plan, origin) = (cursor.case, cursor.digest, cursor.plan.origin.clone());
        let outcome = Outcome { plan, steps: cursor.steps.clone(), end, timeline: cursor.marks.clone() };
        let rest = self.rest_after(now.at, (case, &origin), &outcome);
        if end != End::Done {
            self.out.push(Effect::Warn(format!("plan {} of case {case} ended {end:?}", plan.short())));
        }
        self.write(CaseRef::Is(case), Body::Outcome(outcome));
        if rest != Rest::Short {
            self.tell_of_failure(case, plan, end);
        }
    }
}
