//! A plan in flight: which steps are settled, which is next, and what its end amounts to.
//!
//! Deliberately sends nothing: bookkeeping on values; the cursor's other half speaks with the world.

use std::time::Duration;

use crate::control::event::Errand;
use crate::control::verify::{BySteps, Seen, look_back};
use crate::model::ids::{BrokerId, CaseId};
use crate::model::plan::{Act, Origin, Plan, PlanDigest, Step, When};
use crate::model::record::{End, Mark, NotSent, Receipt, Stage, StepOutcome, StepRefusal};
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

/// A plan in flight.
#[derive(Debug)]
pub(in crate::control) struct Cursor {
    pub(super) case: CaseId,
    pub(super) digest: PlanDigest,
    pub(super) plan: Plan,
    /// The broker that the plan is about, where it is about one.
    pub(super) broker: Option<BrokerId>,
    /// No step is sent after this.
    pub(super) valid_until: Timestamp,
    /// How long a further commit lets the rest be sent.
    pub(super) valid_for: Duration,
    /// What each step did; as long as the steps that are settled.
    pub(super) steps: Vec<StepOutcome>,
    /// How many of them were verified.
    verified: usize,
    /// What the echo made due.
    pub(super) echoed: Option<When>,
    /// When it was last looked for.
    pub(super) looked: Option<Timestamp>,
    pub(super) at: At,
    pub(super) marks: Vec<Mark>,
    /// The instant of the first red: the marks count from it.
    pub(super) base: Timestamp,
}

/// Where a plan in flight stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// The next unsettled step is to be looked at.
    Next,
    /// A step is out.
    Sent(Errand),
    /// The echo is awaited.
    Echo { since: Timestamp },
    /// What was done is being read back.
    Verifying { errand: Option<Errand>, since: Timestamp, due: Timestamp },
    /// The commit of `Continued` is awaited: then the next step, off the path of the failover, may be sent.
    Continuing,
    /// It has come.
    Confirmed,
    /// The outcome is on its way.
    Ending,
}

impl Cursor {
    pub(super) fn start(
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
            verified: 0,
            echoed: None,
            looked: None,
            at: At::Next,
            marks: Vec::new(),
            base,
        };
        cursor.mark(base, Stage::Suspected);
        cursor.mark(now.minus(commit), Stage::Confirmed);
        cursor.mark(now, Stage::Committed);
        cursor
    }

    pub(super) fn mark(&mut self, at: Timestamp, stage: Stage) {
        let after = at.since(self.base);
        self.marks.push(Mark { stage, after_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX) });
    }

    pub(super) fn next_step(&self) -> Option<&Step> {
        self.plan.steps.iter().find(|step| !self.steps.iter().any(|done| done.step == step.number))
    }

    /// Tells whether a step waits for the echo of one before it.
    pub(super) fn awaits_echo(&self) -> bool {
        let waits = |step: &Step| step.when.is_echo() && !self.steps.iter().any(|done| done.step == step.number);
        self.echoed.is_none() && self.plan.steps.iter().any(waits)
    }

    pub(super) fn settle(&mut self, step: u16, receipt: Receipt) {
        self.steps.push(StepOutcome { step, receipt });
    }

    /// Settles the echo's steps that are not due; the due ones stay and are the next.
    pub(super) fn settle_echo(&mut self, due: Option<When>) {
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
    pub(super) fn abandon(&mut self) {
        while let Some(number) = self.next_step().map(|step| step.number) {
            self.settle(number, Receipt::NotSent(NotSent::EarlierFailed));
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(step.receipt, Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Unanswered | Receipt::NotSeen)
        })
    }

    pub(super) fn has_touched(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.receipt, Receipt::Done { .. } | Receipt::Unanswered))
    }

    /// Tells whether something was sent that no read-back has shown yet.
    pub(super) fn has_unverified(&self) -> bool {
        let sent = |one: &StepOutcome| matches!(one.receipt, Receipt::Done { .. } | Receipt::Unanswered);
        self.steps.iter().skip(self.verified).any(sent)
    }

    /// Tells whether the intent's time is over for a step, or so short that one of two requests would be cut in its middle: one before it
    /// took longer. What is ordered and not elected would wait until reading back gives up. With nothing new to verify no further commit
    /// would give more time.
    pub(super) fn is_too_late_for(&self, step: &Step, now: Timestamp) -> bool {
        if self.valid_until <= now {
            return true;
        }
        let two_requests = |one: &Step| matches!(one.act, Act::Elect { .. });
        let took = self.plan.steps.iter().filter(|one| two_requests(one)).filter_map(|one| self.took(one.number));
        self.has_unverified()
            && two_requests(step)
            && took.max().is_some_and(|longest| self.valid_until.since(now) < longest)
    }

    /// Gives how long a step took from its sending to its answer; none where it has none.
    fn took(&self, number: u16) -> Option<Duration> {
        let at = |stage: Stage| self.marks.iter().rev().find(|mark| mark.stage == stage).map(|mark| mark.after_us);
        Some(Duration::from_micros(at(Stage::Answered(number))?.saturating_sub(at(Stage::Sent(number))?)))
    }

    /// Gives what every view of a read-back shows of the steps that were sent and not verified before; none where there is no view.
    pub(super) fn look_back(&self, views: &[Topology]) -> Option<Seen> {
        let unverified = self.steps.iter().skip(self.verified);
        let touched = unverified.filter(|done| matches!(done.receipt, Receipt::Done { .. } | Receipt::Unanswered));
        let mut sent: Vec<(&Step, &Receipt)> = touched
            .filter_map(|done| {
                let step = self.plan.steps.iter().find(|step| step.number == done.step)?;
                Some((step, &done.receipt))
            })
            .collect();
        sent.sort_by_key(|(step, _)| step.number);
        views.iter().map(|view| look_back(&sent, view)).reduce(Seen::and)
    }

    /// Takes back what the receipts claim and no read-back has shown.
    pub(super) fn leave(&mut self, partitions: &BySteps, why: StepRefusal) {
        for outcome in &mut self.steps {
            let Some(missed) = partitions.get(&outcome.step) else { continue };
            let Receipt::Done { done, not } = &mut outcome.receipt else { continue };
            if missed.is_empty() {
                outcome.receipt = Receipt::NotSeen;
            } else {
                *done = done.iter().filter(|id| !missed.contains(id)).collect();
                not.push((why, missed.clone()));
            }
        }
    }

    /// What was sent so far is as wanted: a request that was not answered is done, too.
    pub(super) fn verify(&mut self) {
        self.verified = self.steps.len();
        for outcome in &mut self.steps {
            if outcome.receipt == Receipt::Unanswered {
                let step = self.plan.steps.iter().find(|step| step.number == outcome.step);
                let done =
                    step.into_iter().flat_map(|step| step.act.moves()).flat_map(|one| one.partitions.iter()).collect();
                outcome.receipt = Receipt::Done { done, not: Vec::new() };
            }
        }
    }

    pub(super) fn end(&self) -> End {
        let (mut done, mut not, mut unseen) = (false, false, false);
        for step in &self.steps {
            match &step.receipt {
                Receipt::Done { done: these, not: left_out } => {
                    let lacks = left_out.iter().any(|(why, _)| *why == StepRefusal::NotSeen);
                    unseen |= lacks;
                    done |= !(lacks && these.is_empty());
                    // A partition whose facts had moved is left to the next round; it is no failure of this one.
                    not |= left_out.iter().any(|(why, _)| *why != StepRefusal::Stale);
                }
                Receipt::NotDue => {}
                Receipt::Unanswered | Receipt::NotSeen => return End::Unknown,
                Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Skipped => not = true,
            }
        }
        match (done, not) {
            (true, false) => End::Done,
            (true, true) => End::Partly,
            // An order may have changed where the leadership did not follow: that is not nothing.
            (false, _) if unseen => End::Unknown,
            (false, _) => End::NotDone,
        }
    }
}
