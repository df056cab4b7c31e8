//! What operators ask: reads are answered at once by any node, orders by the leader once their record is committed.
//!
//! Deliberately nothing about who may: the surface has checked the role before a request comes here.

use std::collections::BTreeSet;

use crate::decide::deliberate::deliberate_one;
use crate::decide::guard::guard;
use crate::decide::plan::{digest, plan_failback, plan_undo};
use crate::decide::policy::Mode;
use crate::model::ids::{CaseId, NodeId, RecordIndex};
use crate::model::operator::{Answer, Ask, DigestPrefix, NotFound, OperatorRequest, Refusal};
use crate::model::plan::{Origin, Plan, PlanDigest};
use crate::model::record::{Body, DecisionVerdict, Record, Withdrawal};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;

use super::advising::Subject;
use super::considered::Considered;
use super::controller::{Controller, Now};
use super::event::{Effect, Role};
use super::lead::{CaseRef, Lead};
use super::state::Offer;
use super::views::differences;

/// An operator who waits for a record's commit.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: u64,
    /// The last record that the request needs, and its place; none until it is proposed. The place alone does not tell whose record came
    /// to stand there: one that was given up may be committed after all.
    record: Option<(RecordIndex, Record)>,
    answer: Answer,
}

impl Waiting {
    /// Tells whether it is this operator's.
    pub(super) fn is(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }

    /// Notes a record of the request, and the place that it will have once committed.
    pub(super) fn expect(waiting: &mut [Self], ticket: u64, (place, record): (RecordIndex, &Record)) {
        for one in waiting.iter_mut().filter(|one| one.ticket == ticket) {
            one.record = Some((place, record.clone()));
        }
    }

    fn is_for(&self, place: RecordIndex) -> bool {
        self.record.as_ref().is_some_and(|(expected, _)| *expected == place)
    }

    fn has(&self, record: &Record) -> bool {
        self.record.as_ref().is_some_and(|(_, expected)| expected == record)
    }
}

impl Controller {
    pub(super) fn asked(&mut self, now: Now, ticket: u64, request: OperatorRequest) {
        let answer = match &request.ask {
            Ask::Status => Some(Answer::Status(Box::new(self.status(now)))),
            Ask::PlanList => Some(Answer::Plans(self.plans(now))),
            Ask::PlanShow { digest } => Some(self.show_plan(now, digest)),
            Ask::Approve { .. }
            | Ask::Reject { .. }
            | Ask::Undo { .. }
            | Ask::Pause { .. }
            | Ask::Resume
            | Ask::Acknowledge { .. } => self.order(now, ticket, &request),
            // The history is the store's to read: the driver answers these and never sends them here.
            Ask::AuditList { .. }
            | Ask::AuditShow { .. }
            | Ask::AuditVerify
            | Ask::AuditExport { .. }
            | Ask::Why { .. } => Some(Answer::Refused(Refusal::AuditRebuilding)),
        };
        if let Some(answer) = answer {
            self.out.push(Effect::Answer { ticket, answer: Box::new(answer) });
        }
        self.flush(now);
    }

    /// Takes an order; gives an answer at once only where nothing is to be recorded.
    fn order(&mut self, now: Now, ticket: u64, request: &OperatorRequest) -> Option<Answer> {
        if self.lead.is_none() {
            return Some(self.not_leading(now));
        }
        if self.state.has_seen(&request.by, request.id) {
            return Some(Answer::Done { record: None, plan: None });
        }
        // What is judged on the state waits for the records on their way, lest two people's yes count as if the other had not
        // been said.
        let judges = matches!(request.ask, Ask::Approve { .. } | Ask::Undo { .. });
        if let Some(lead) = self.lead.as_mut().filter(|lead| judges && !lead.is_settled()) {
            lead.deferred.push_back((ticket, request.clone()));
            return None;
        }
        match &request.ask {
            Ask::Approve { digest } => self.approve(now, ticket, request, digest),
            Ask::Reject { digest, reason } => self.reject(ticket, request, digest, reason.text()),
            Ask::Undo { case } => self.undo(now, ticket, request, *case),
            Ask::Pause { reason } => {
                let (by, request) = (request.by.clone(), request.id);
                self.record_for(
                    ticket,
                    CaseRef::None,
                    Body::Paused { by, reason: reason.text().to_owned(), request },
                    None,
                )
            }
            Ask::Resume => self.resume(ticket, request),
            Ask::Acknowledge { index } => {
                let Some(told) = self.state.attentions.get(index) else {
                    return Some(Answer::NotFound(NotFound::Attention(*index)));
                };
                let case = told.case.map_or(CaseRef::None, CaseRef::Is);
                let body = Body::Acknowledged { attention: *index, by: request.by.clone(), request: request.id };
                self.record_for(ticket, case, body, None)
            }
            Ask::Status
            | Ask::PlanList
            | Ask::PlanShow { .. }
            | Ask::AuditList { .. }
            | Ask::AuditShow { .. }
            | Ask::AuditVerify
            | Ask::AuditExport { .. }
            | Ask::Why { .. } => None,
        }
    }

    fn not_leading(&self, now: Now) -> Answer {
        match self.role {
            Role::Following { leader, .. } => Answer::NotLeader { leader, address: None },
            Role::Leading(term) | Role::Leaderless(term) => Answer::NoQuorum { term, heard: self.heard_lately(now) },
        }
    }

    fn heard_lately(&self, now: Now) -> Vec<NodeId> {
        let limit = self.options.policy.detect.report_age_max;
        let mut heard: BTreeSet<NodeId> =
            self.reports.iter().filter(|(_, (at, _))| now.at.since(*at) <= limit).map(|(node, _)| *node).collect();
        heard.insert(self.options.me);
        heard.into_iter().collect()
    }

    fn record_for(&mut self, ticket: u64, case: CaseRef, body: Body, plan: Option<PlanDigest>) -> Option<Answer> {
        self.record_and_answer(ticket, case, body, Answer::Done { record: None, plan })
    }

    fn record_and_answer(&mut self, ticket: u64, case: CaseRef, body: Body, answer: Answer) -> Option<Answer> {
        let lead = self.lead.as_mut()?;
        if !lead.waiting.iter().any(|one| one.ticket == ticket) {
            lead.waiting.push(Waiting { ticket, record: None, answer });
        }
        lead.write_for(ticket, case, body);
        None
    }

    fn resume(&mut self, ticket: u64, request: &OperatorRequest) -> Option<Answer> {
        if self.state.paused.is_none() {
            if let Some((node, _)) = self.paused_by_file() {
                return Some(Answer::Refused(Refusal::PausedByFile { node }));
            }
            return Some(Answer::Done { record: None, plan: None });
        }
        let body = Body::Resumed { by: request.by.clone(), request: request.id };
        self.record_for(ticket, CaseRef::None, body, None)
    }

    fn reject(
        &mut self,
        ticket: u64,
        request: &OperatorRequest,
        prefix: &DigestPrefix,
        reason: &str,
    ) -> Option<Answer> {
        let (plan, offer) = match self.offer(prefix) {
            Ok(found) => found,
            Err(answer) => return Some(answer),
        };
        let body = Body::Rejected { plan, by: request.by.clone(), reason: reason.to_owned(), request: request.id };
        self.record_for(ticket, CaseRef::Is(offer.case), body, Some(plan))
    }

    /// Finds the one offer whose digest starts so.
    fn offer(&self, prefix: &DigestPrefix) -> Result<(PlanDigest, Offer), Answer> {
        let found: Vec<_> = self.state.offers.iter().filter(|(plan, _)| prefix.matches(plan)).collect();
        match found.as_slice() {
            [] => Err(self.gone(prefix)),
            [(plan, offer)] => Ok((**plan, (*offer).clone())),
            several => Err(Answer::NotFound(NotFound::Ambiguous(several.iter().map(|(plan, _)| **plan).collect()))),
        }
    }

    /// Tells what became of a plan that is not on offer: superseded (with the difference), expired, or never heard of.
    fn gone(&self, prefix: &DigestPrefix) -> Answer {
        let Some(gone) = self.state.gone.iter().rev().find(|gone| prefix.matches(&gone.digest)) else {
            return Answer::NotFound(NotFound::Plan(prefix.clone()));
        };
        let plan = gone.digest;
        if gone.why == Withdrawal::Expired {
            return Answer::Refused(Refusal::Expired { plan });
        }
        let stands = self.state.offers.iter().find(|(_, offer)| offer.case == gone.case);
        let by = stands.map(|(digest, _)| *digest);
        Answer::Superseded { plan, by, difference: differences(&gone.plan, stands.map(|(_, offer)| &offer.plan)) }
    }

    fn approve(&mut self, now: Now, ticket: u64, request: &OperatorRequest, prefix: &DigestPrefix) -> Option<Answer> {
        if self.options.policy.mode == Mode::Observe {
            return Some(Answer::Refused(Refusal::ObserveOnly));
        }
        let (plan, offer) = match self.offer(prefix) {
            Ok(found) => found,
            Err(answer) => return Some(answer),
        };
        let log_time = self.lead.as_ref()?.log_time(now.at);
        if offer.expires <= log_time {
            return Some(Answer::Refused(Refusal::Expired { plan }));
        }
        if offer.approvals.contains(&request.by) {
            return Some(Answer::Refused(Refusal::AlreadyApproved { by: request.by.clone() }));
        }
        let snapshot = self.snapshot(now.at, log_time);
        let fresh = self.plan_again(&offer, &snapshot);
        let Some(one) = fresh.as_ref().filter(|one| one.plan().is_some_and(|(_, digest)| digest == plan)) else {
            return self.superseded(ticket, plan, &offer, fresh.as_ref());
        };
        if let Some(Ruling::Held(objections)) = one.ruling() {
            return Some(Answer::Refused(Refusal::Held(objections.clone())));
        }
        let case = CaseRef::Is(offer.case);
        let yes = Body::Approved { plan, by: request.by.clone(), request: request.id };
        let have = u8::try_from(offer.approvals.len()).unwrap_or(u8::MAX).saturating_add(1);
        if have < offer.people {
            let people = offer.people.saturating_sub(have);
            return self.record_and_answer(ticket, case, yes, Answer::NeedsMore { plan, people });
        }
        let _ = self.record_for(ticket, case, yes, Some(plan));
        let verdict = self.act(snapshot.taken_at);
        let body = self.decided(offer.case, one, &snapshot, verdict);
        let _ = self.record_for(ticket, case, body, Some(plan));
        self.flush(now);
        None
    }

    /// Plans an offer's case again from fresh facts: the same digest means that nothing that matters has moved.
    fn plan_again(&self, offer: &Offer, snapshot: &Snapshot) -> Option<Considered> {
        let policy = &self.options.policy;
        let undo = self.state.undo_of(offer.case);
        let again = match &offer.plan.origin {
            Origin::Finding { broker, .. } => {
                return deliberate_one(*broker, snapshot, policy).map(Considered::Found);
            }
            Origin::Failback { broker, of } => plan_failback(*broker, *of, &undo, snapshot, policy),
            Origin::Undo { of, by } => plan_undo(*of, by, &undo, snapshot, policy),
        };
        again.ok().map(|plan| self.restoring(plan, snapshot))
    }

    /// Gives the record of a decision that a person brought about, with what advice makes of it by now.
    fn decided(&self, case: CaseId, one: &Considered, snapshot: &Snapshot, verdict: DecisionVerdict) -> Body {
        let subject = one.plan().map(|(plan, digest)| Subject {
            case: Some(case),
            finding: one.finding(),
            plan,
            digest,
            snapshot,
        });
        let advice = subject.map(|subject| self.settled_by_now(subject));
        let parent = subject.and_then(|subject| self.parent_of(Some(case), subject.digest));
        Body::Decided(Box::new(one.decision(snapshot, verdict, advice, parent)))
    }

    fn restoring(&self, plan: Plan, snapshot: &Snapshot) -> Considered {
        let ruling = guard(&plan, None, snapshot, &self.options.policy);
        Considered::Restoring { digest: digest(&plan), plan, ruling }
    }

    fn superseded(
        &mut self,
        ticket: u64,
        plan: PlanDigest,
        offer: &Offer,
        fresh: Option<&Considered>,
    ) -> Option<Answer> {
        let fresh = fresh.and_then(Considered::plan);
        let by = fresh.map(|(_, digest)| digest);
        let difference = differences(&offer.plan, fresh.map(|(plan, _)| plan));
        let body = Body::Withdrawn { plan, why: Withdrawal::Superseded { by } };
        let answer = Answer::Superseded { plan, by, difference };
        self.record_and_answer(ticket, CaseRef::Is(offer.case), body, answer)
    }

    fn undo(&mut self, now: Now, ticket: u64, request: &OperatorRequest, case: CaseId) -> Option<Answer> {
        if self.options.policy.mode == Mode::Observe {
            return Some(Answer::Refused(Refusal::ObserveOnly));
        }
        let undo = self.state.undo_of(case);
        if undo.is_empty() {
            return Some(Answer::NotFound(NotFound::Case(case)));
        }
        let log_time = self.lead.as_ref()?.log_time(now.at);
        let snapshot = self.snapshot(now.at, log_time);
        let plan = match plan_undo(case, &request.by, &undo, &snapshot, &self.options.policy) {
            Ok(plan) => plan,
            Err(why) => return Some(Answer::Refused(Refusal::NoPlan(why))),
        };
        let one = self.restoring(plan, &snapshot);
        let Ok((_, plan, ruling)) = one.offer() else { return Some(Answer::NotFound(NotFound::Case(case))) };
        match ruling {
            Ruling::Held(objections) => Some(Answer::Refused(Refusal::Held(objections.clone()))),
            Ruling::Allowed => {
                let verdict = self.act(snapshot.taken_at);
                let body = self.decided(case, &one, &snapshot, verdict);
                self.record_for(ticket, CaseRef::Is(case), body, Some(plan))
            }
            Ruling::NeedsApproval { people, expires_in, .. } => {
                let verdict = DecisionVerdict::Offer { expires: snapshot.taken_at.plus(*expires_in), people: *people };
                let body = self.decided(case, &one, &snapshot, verdict);
                self.record_and_answer(ticket, CaseRef::Is(case), body, Answer::Offered { plan, people: *people })
            }
        }
    }

    /// Answers those whose last record has just been committed, and those in whose place another one was.
    pub(super) fn answer_committed(&mut self, place: RecordIndex, record: &Record) {
        let Some(lead) = self.lead.as_mut() else { return };
        let (due, still) = std::mem::take(&mut lead.waiting).into_iter().partition(|one: &Waiting| one.is_for(place));
        lead.waiting = still;
        let (done, others): (Vec<Waiting>, Vec<Waiting>) = due.into_iter().partition(|one| one.has(record));
        for one in done {
            let mut answer = one.answer;
            if let Answer::Done { record, .. } = &mut answer {
                *record = Some(place);
            }
            self.out.push(Effect::Answer { ticket: one.ticket, answer: Box::new(answer) });
        }
        self.answer_deposed(others);
    }

    /// Takes up the orders that waited for records on their way, one after the other.
    pub(super) fn take_deferred(&mut self, now: Now) {
        let next = |lead: &mut Lead| if lead.is_settled() { lead.deferred.pop_front() } else { None };
        while let Some((ticket, request)) = self.lead.as_mut().and_then(next) {
            self.asked(now, ticket, request);
        }
    }

    /// Tells those who wait that their record may or may not come to be.
    pub(super) fn answer_deposed(&mut self, waiting: Vec<Waiting>) {
        for one in waiting {
            self.out.push(Effect::Answer { ticket: one.ticket, answer: Box::new(Answer::Unanswered) });
        }
    }
}
