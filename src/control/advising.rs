//! The adviser's part in a decision: asked beside an R1 that is already under way, waited for (within a budget) before an R2.
//!
//! Deliberately unable to widen anything: what comes out is `narrow` of what the guard said.

use std::time::Duration;

use crate::decide::advice::{CONFIRM_AGAIN_AFTER, Confirmation, brief, budget, narrow, settle, unasked, urgency};
use crate::model::advice::{Brief, NoOpinion, Opinion, Settled, Why};
use crate::model::finding::Finding;
use crate::model::ids::CaseId;
use crate::model::plan::{Class, Plan, PlanDigest};
use crate::model::record::Body;
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;

use super::controller::{Advice, Controller, Now};
use super::event::Effect;
use super::lead::{Asked, CaseRef};

/// What is left of an outage until Kafka's own failover would have come: what an R2's wait is measured against.
///
/// 8.5 s measured from the fault; detection has taken some of it (`kafka.md` §13).
const NATIVE_FAILOVER: Duration = Duration::from_millis(8500);

/// How many questions to the adviser are remembered, with what it said. Observe-only may ask another one each ten seconds for as long as a
/// case lasts: ten minutes of those, and an answer is in, or given up, after half a minute.
const QUESTIONS_MAX: usize = 64;

/// A plan with what it stands on, as the adviser is asked about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Its case; none while the case is being opened.
    pub(super) case: Option<CaseId>,
    /// The finding, where there is one.
    pub(super) finding: Option<&'a Finding>,
    /// The plan.
    pub(super) plan: &'a Plan,
    /// Its digest.
    pub(super) digest: PlanDigest,
    /// The snapshot it was made on.
    pub(super) snapshot: &'a Snapshot,
}

impl Subject<'_> {
    fn brief(self) -> Brief {
        brief(self.finding, self.plan, self.snapshot).brief
    }

    /// What stands in place of an opinion where there is none.
    fn unheard(self, why: NoOpinion) -> Opinion {
        unasked(&self.brief(), why)
    }
}

impl Controller {
    /// Asks for an opinion beside a plan that is carried out, offered or only told of: nothing waits for it.
    pub(super) fn justify(&mut self, now: Now, subject: Subject<'_>) {
        let asked = self.lead.as_ref().is_some_and(|lead| lead.advice.contains_key(&subject.digest));
        if self.options.advice == Advice::On && !asked {
            self.ask(now, subject);
        }
    }

    /// Gives what advice makes of a plan now, without waiting for any; none where its word is not in yet.
    pub(super) fn settled(&self, subject: Subject<'_>) -> Option<Settled> {
        let (class, urgency) = (subject.plan.class, urgency(subject.finding, subject.snapshot));
        if self.options.advice == Advice::Off && class <= Class::R2 {
            return Some(Settled::Proceed(Why::NoAdviser));
        }
        if class <= Class::R1 {
            return Some(Settled::Proceed(Why::ClassNeedsNone));
        }
        let asked = self.lead.as_ref().and_then(|lead| lead.advice.get(&subject.digest))?;
        Some(settle(class, urgency, asked.opinion.as_ref()?, Confirmation::Once))
    }

    /// The same where a person has decided: whoever says yes before the adviser's word is in did not wait for it, and the record says so.
    pub(super) fn settled_by_now(&self, subject: Subject<'_>) -> Settled {
        self.settled(subject).unwrap_or_else(|| {
            let urgency = urgency(subject.finding, subject.snapshot);
            let why = if self.options.advice == Advice::Off { NoOpinion::Off } else { NoOpinion::NotAwaited };
            settle(subject.plan.class, urgency, &subject.unheard(why), Confirmation::Once)
        })
    }

    /// Gives the ruling after advice on an R2 that the guard allows, and what settled it; none while the adviser is still
    /// being asked.
    pub(super) fn after_advice(&mut self, now: Now, subject: Subject<'_>) -> Option<(Ruling, Settled)> {
        let urgency = urgency(subject.finding, subject.snapshot);
        let class = subject.plan.class;
        if self.options.advice == Advice::Off {
            let opinion = subject.unheard(NoOpinion::Off);
            return Some(self.narrowed(class, settle(class, urgency, &opinion, Confirmation::Once)));
        }
        let asked = self.lead.as_ref().and_then(|lead| lead.advice.get(&subject.digest)).cloned();
        let Some(asked) = asked else {
            self.ask(now, subject);
            return None;
        };
        let waited = now.at.since(asked.at);
        let red_for = subject.finding.map_or(Duration::ZERO, |finding| finding.red_for);
        let left = NATIVE_FAILOVER.saturating_sub(red_for.saturating_sub(waited));
        let opinion = match asked.opinion {
            Some(opinion) => opinion,
            None if waited < budget(class, urgency, left).hold => return None,
            None => subject.unheard(NoOpinion::Deadline),
        };
        let confirmation = if waited < CONFIRM_AGAIN_AFTER { Confirmation::Once } else { Confirmation::Again };
        Some(self.narrowed(class, settle(class, urgency, &opinion, confirmation)))
    }

    fn narrowed(&self, class: Class, settled: Settled) -> (Ruling, Settled) {
        (narrow(Ruling::Allowed, settled, class, (1, self.options.policy.act.approval_expires)), settled)
    }

    fn ask(&mut self, now: Now, subject: Subject<'_>) {
        let Some(case) = subject.case else { return };
        let Some(lead) = self.lead.as_mut() else { return };
        if QUESTIONS_MAX <= lead.advice.len()
            && let Some(oldest) =
                lead.advice.iter().min_by_key(|(plan, asked)| (asked.at, **plan)).map(|(plan, _)| *plan)
        {
            lead.advice.remove(&oldest);
        }
        lead.advice.insert(subject.digest, Asked { case, at: now.at, opinion: None });
        let brief = subject.brief();
        self.out.push(Effect::Advise { case, plan: subject.digest, class: subject.plan.class, brief: Box::new(brief) });
    }

    /// The adviser answered (or could not): the opinion is a record, whatever it is.
    pub(super) fn advised(&mut self, now: Now, case: CaseId, plan: PlanDigest, opinion: Opinion) {
        let Some(lead) = self.lead.as_mut() else { return };
        let Some(asked) = lead.advice.get_mut(&plan) else { return };
        if asked.case != case || asked.opinion.is_some() {
            return;
        }
        asked.opinion = Some(opinion.clone());
        lead.write(CaseRef::Is(case), Body::Opinion(Box::new(opinion)));
        self.look_again(now);
        self.flush(now);
    }
}
