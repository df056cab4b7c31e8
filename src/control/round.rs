//! One round of decisions: what is found, which case it belongs to, what is planned, and what follows from the ruling.
//!
//! Deliberately run only when every record of this leader is committed, so that a decision never rests on a state that a
//! record on its way is about to change.

use std::time::Duration;

use crate::decide::deliberate::{Deliberation, deliberate};
use crate::decide::guard::guard;
use crate::decide::plan::{digest, plan_failback};
use crate::decide::policy::Mode;
use crate::model::finding::{Finding, FindingKind};
use crate::model::ids::{BrokerId, CaseId};
use crate::model::observation::Light;
use crate::model::plan::{Class, PlanDigest};
use crate::model::record::{Attention, Body, Closing, Concern, DecisionVerdict, End, Inaction, NoPlan, Withdrawal};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;
use crate::model::time::{LogTime, Timestamp};

use super::advising::Subject;
use super::considered::Considered;
use super::controller::{Controller, Now};
use super::lead::CaseRef;
use super::state::Case;

/// How long an `Unknown` or a `Conflict` is given to pass before it becomes a case: start-up and a flap last less.
const ODD_PATIENCE: Duration = Duration::from_secs(2);

/// How often a non-decision that goes on is written down again.
const STILL_HELD_EVERY: Duration = Duration::from_secs(60);

/// A non-decision that lasted less when its case closes says nothing that the decision itself does not.
const LAST_HELD_MIN: Duration = Duration::from_secs(1);

/// How long nothing is done about a finding before a person is told.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// How many intents one case may have before it is left to a person: the first move, its completion and one more.
const ACTS_MAX: u16 = 3;

/// How long a case rests after an intent of which nothing could be sent: first, and doubled up to the most.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(10);

/// How often observe-only says again what it would do in one case.
const WOULD_EVERY: Duration = Duration::from_secs(10);

/// Where a decision belongs (a case that is open, or the one that this batch opens), and what it is made on.
#[derive(Debug, Clone, Copy)]
struct Seat<'a> {
    at: CaseRef,
    case: Option<&'a Case>,
    snapshot: &'a Snapshot,
}

impl Seat<'_> {
    fn id(self) -> Option<CaseId> {
        match self.at {
            CaseRef::Is(id) => Some(id),
            CaseRef::None | CaseRef::Opening => None,
        }
    }
}

/// A non-decision that goes on.
#[derive(Debug, Clone)]
pub(super) struct HeldMemo {
    why: Inaction,
    rounds: u64,
    since: Timestamp,
    written: Timestamp,
    /// The newest round that it counts.
    seen: Timestamp,
}

impl Controller {
    pub(super) fn round(&mut self, now: Now) {
        let Some(log_time) = self.lead.as_ref().map(|lead| lead.log_time(now.at)) else { return };
        let snapshot = self.snapshot(now.at, log_time);
        self.found(&snapshot);
        self.expire_offers(&snapshot);
        let deliberations = deliberate(&snapshot, &self.options.policy);
        for deliberation in &deliberations {
            self.consider(now, &snapshot, deliberation);
        }
        let found: Vec<BrokerId> = deliberations.iter().map(|one| one.finding.broker).collect();
        let over: Vec<(CaseId, Case)> = self
            .state
            .cases
            .iter()
            .filter(|(_, case)| !found.contains(&case.finding.broker))
            .map(|(id, case)| (*id, case.clone()))
            .collect();
        for (id, case) in over {
            self.consider_recovered(now, &snapshot, id, &case);
        }
        if let Some(lead) = self.lead.as_mut() {
            lead.odd.retain(|broker, _| found.contains(broker));
            lead.held.retain(|id, _| self.state.cases.contains_key(id));
            lead.rests.retain(|id, _| self.state.cases.contains_key(id));
            lead.would.retain(|id, _| self.state.cases.contains_key(id));
            lead.advice.retain(|_, asked| self.state.cases.contains_key(&asked.case));
        }
    }

    /// The trio's first record ties it to the cluster that it sees.
    fn found(&mut self, snapshot: &Snapshot) {
        let cluster = &snapshot.topology.cluster;
        if self.state.cluster.is_none() && !cluster.0.is_empty() {
            let body = Body::Founded { cluster: cluster.clone() };
            if let Some(lead) = self.lead.as_mut() {
                lead.write(CaseRef::None, body);
            }
        }
    }

    fn expire_offers(&mut self, snapshot: &Snapshot) {
        let Some(lead) = self.lead.as_mut() else { return };
        for (plan, offer) in self.state.offers.iter().filter(|(_, offer)| offer.expires <= snapshot.taken_at) {
            lead.write(CaseRef::Is(offer.case), Body::Withdrawn { plan: *plan, why: Withdrawal::Expired });
        }
    }

    fn consider(&mut self, now: Now, snapshot: &Snapshot, one: &Deliberation) {
        let broker = one.finding.broker;
        let known = self
            .state
            .cases
            .iter()
            .find(|(_, case)| case.finding.broker == broker)
            .map(|(id, case)| (*id, case.clone()));
        let Some((id, case)) = known else {
            if self.is_worth_a_case(now.at, &one.finding) {
                self.write(CaseRef::Opening, Body::Opened(one.finding.clone()));
                self.decide(now, Seat { at: CaseRef::Opening, case: None, snapshot }, &Considered::Found(one.clone()));
            }
            return;
        };
        // A case keeps its finding once the trio has acted: the broker looks different *because* of the act.
        let renamed = case.acted.is_none() || case.finding.kind == FindingKind::LeaderNotServing;
        if case.finding.kind != one.finding.kind && renamed {
            let body = Body::Reclassified { from: case.finding.kind, to: one.finding.clone() };
            self.write(CaseRef::Is(id), body);
        }
        if self.state.intents.values().any(|intent| intent.case == id) {
            return;
        }
        self.decide(now, Seat { at: CaseRef::Is(id), case: Some(&case), snapshot }, &Considered::Found(one.clone()));
    }

    fn is_worth_a_case(&mut self, now: Timestamp, finding: &Finding) -> bool {
        if !matches!(finding.kind, FindingKind::Unknown | FindingKind::Conflict) {
            return true;
        }
        let Some(lead) = self.lead.as_mut() else { return false };
        let since = lead.odd.entry(finding.broker).or_insert((finding.kind, now));
        if since.0 != finding.kind {
            *since = (finding.kind, now);
        }
        ODD_PATIENCE <= now.since(since.1)
    }

    fn decide(&mut self, now: Now, seat: Seat<'_>, one: &Considered) {
        let (plan, digest, ruling) = match one.offer() {
            Ok(offer) => offer,
            Err(why) => return self.hold(now, seat, one, why),
        };
        let subject = Subject { case: seat.id(), finding: one.finding(), plan, digest, snapshot: seat.snapshot };
        let Some(verdict) = self.verdict(now, seat, subject, ruling) else { return };
        if let DecisionVerdict::Nothing(why) = verdict {
            return self.hold(now, seat, one, why);
        }
        self.supersede(seat.at, Some(digest));
        let offered = matches!(verdict, DecisionVerdict::Offer { .. });
        self.write(seat.at, Body::Decided(Box::new(one.decision(seat.snapshot, verdict))));
        if offered {
            self.tell_once(seat.at, seat.id(), Attention::ApprovalWanted { plan: digest });
        }
    }

    /// Gives what follows from a ruling; none where it was said before and still stands, or advice is awaited.
    fn verdict(&mut self, now: Now, seat: Seat<'_>, subject: Subject<'_>, ruling: &Ruling) -> Option<DecisionVerdict> {
        let taken_at = subject.snapshot.taken_at;
        match (self.options.policy.mode, ruling) {
            (_, Ruling::Held(objections)) => Some(DecisionVerdict::Nothing(Inaction::Held(objections.clone()))),
            (Mode::Observe, Ruling::Allowed | Ruling::NeedsApproval { .. }) => {
                let said = seat.case.is_some_and(|case| case.would == Some(subject.digest));
                (!said && self.may_say_would(now.at, seat.id())).then_some(DecisionVerdict::WouldAct)
            }
            (_, Ruling::NeedsApproval { people, expires_in, .. }) => {
                let stands = self.state.offers.contains_key(&subject.digest);
                let refused = seat.case.is_some_and(|case| case.rejected.contains(&subject.digest));
                let expires = taken_at.plus(*expires_in);
                (!stands && !refused).then_some(DecisionVerdict::Offer { expires, people: *people })
            }
            (Mode::Approve | Mode::Auto, Ruling::Allowed) if self.rests(now.at, seat.id()) => None,
            (Mode::Approve | Mode::Auto, Ruling::Allowed) => {
                // Giving leadership back is no further try at the finding; it has as many of its own.
                let acts_max = if subject.finding.is_some() { ACTS_MAX } else { ACTS_MAX.saturating_mul(2) };
                if seat.case.is_some_and(|case| acts_max <= case.acts) {
                    return Some(DecisionVerdict::Nothing(Inaction::TriedEnough));
                }
                if subject.plan.class <= Class::R1 {
                    return Some(self.act(taken_at));
                }
                let ruling = self.after_advice(now, subject)?;
                match ruling {
                    Ruling::Allowed => Some(self.act(taken_at)),
                    narrowed @ (Ruling::NeedsApproval { .. } | Ruling::Held(_)) => {
                        self.verdict(now, seat, subject, &narrowed)
                    }
                }
            }
        }
    }

    /// Gives the verdict of an intent, with its times.
    pub(super) fn act(&self, taken_at: LogTime) -> DecisionVerdict {
        let policy = &self.options.policy;
        DecisionVerdict::Act {
            valid_for: policy.act.valid_for,
            cool_down_until: taken_at.plus(policy.guard.broker_cool_down),
        }
    }

    /// Tells whether a case rests, after an intent of which nothing could be sent.
    fn rests(&self, now: Timestamp, case: Option<CaseId>) -> bool {
        let rest = case.and_then(|case| self.lead.as_ref()?.rests.get(&case));
        rest.is_some_and(|(until, _)| now < *until)
    }

    /// Nothing of an intent could be sent (an election among the controllers takes a second or two): it is no try, and
    /// the case rests a little longer each time.
    pub(super) fn let_rest(&mut self, now: Timestamp, case: CaseId) {
        let Some(lead) = self.lead.as_mut() else { return };
        let (until, last) = lead.rests.entry(case).or_insert((now, REST_FIRST / 2));
        *last = last.saturating_mul(2).min(REST_MAX);
        *until = now.plus(*last);
    }

    /// Observe-only writes what it would do at most so often a case: scores move a little from round to round.
    fn may_say_would(&mut self, now: Timestamp, case: Option<CaseId>) -> bool {
        let (Some(lead), Some(case)) = (self.lead.as_mut(), case) else { return true };
        match lead.would.get(&case) {
            Some(last) if now.since(*last) < WOULD_EVERY => false,
            Some(_) | None => {
                lead.would.insert(case, now);
                true
            }
        }
    }

    /// Writes a non-decision down once, counts it while it goes on, and tells a person when it lasts.
    fn hold(&mut self, now: Now, seat: Seat<'_>, one: &Considered, why: Inaction) {
        let decision = || Body::Decided(Box::new(one.decision(seat.snapshot, DecisionVerdict::Nothing(why.clone()))));
        let (id, case) = (seat.at, seat.case);
        let Some(case_id) = seat.id() else { return self.write(id, decision()) };
        let Some(lead) = self.lead.as_mut() else { return };
        let fresh = HeldMemo { why: why.clone(), rounds: 0, since: now.at, written: now.at, seen: now.at };
        let memo = lead.held.entry(case_id).or_insert(fresh.clone());
        let said = case.and_then(|case| case.inaction.as_ref()).is_some_and(|said| said.same_kind(&why));
        if !memo.why.same_kind(&why) {
            *memo = fresh;
        }
        (memo.rounds, memo.seen) = (memo.rounds.saturating_add(1), now.at);
        let lasted = now.at.since(memo.since);
        let (rounds, over) = (memo.rounds, now.at.since(memo.written));
        if !said {
            memo.written = now.at;
            lead.write(id, decision());
        } else if STILL_HELD_EVERY <= over {
            (memo.written, memo.rounds) = (now.at, 0);
            lead.write(id, Body::StillHeld { why: why.clone(), rounds, over });
        }
        if TELL_AFTER <= lasted && said {
            self.tell_a_person(case_id, case, why);
        }
    }

    fn tell_a_person(&mut self, id: CaseId, case: Option<&Case>, why: Inaction) {
        let Some(case) = case else { return };
        let finding = &case.finding;
        let what = match why.concern() {
            Concern::None => return,
            Concern::Person if finding.kind == FindingKind::Zombie => {
                Attention::Zombie { broker: finding.broker, epoch: None }
            }
            Concern::Person => Attention::Finding { kind: finding.kind, broker: finding.broker, why },
        };
        self.tell_once(CaseRef::Is(id), Some(id), what);
    }

    /// Writes an attention, unless the same one of the same case still waits to be acknowledged.
    pub(super) fn tell_once(&mut self, id: CaseRef, case: Option<CaseId>, what: Attention) {
        let waits = self.state.attentions.values().any(|told| told.case == case && told.what.same_kind(&what));
        if !waits {
            self.write(id, Body::Attention { what });
        }
    }

    /// A round that plans something else withdraws what the case had on offer.
    fn supersede(&mut self, id: CaseRef, by: Option<PlanDigest>) {
        let CaseRef::Is(case) = id else { return };
        let Some(lead) = self.lead.as_mut() else { return };
        for (plan, _) in self.state.offers.iter().filter(|(plan, offer)| offer.case == case && Some(**plan) != by) {
            lead.write(id, Body::Withdrawn { plan: *plan, why: Withdrawal::Superseded { by } });
        }
    }

    pub(super) fn write(&mut self, id: CaseRef, body: Body) {
        if let Some(lead) = self.lead.as_mut() {
            lead.write(id, body);
        }
    }

    /// A broker that is no longer found: give back what was taken from it, then close.
    fn consider_recovered(&mut self, now: Now, snapshot: &Snapshot, id: CaseId, case: &Case) {
        if self.state.intents.values().any(|intent| intent.case == id) {
            return;
        }
        let broker = case.finding.broker;
        let undo = self.state.undo_of(id);
        if undo.is_empty() {
            let how = match case.acted {
                Some((_, Some(_))) => Closing::FailedBack,
                Some((_, None)) | None => Closing::Recovered,
            };
            return self.close(id, how);
        }
        if !self.is_stable(snapshot, broker) {
            return;
        }
        let plan = match plan_failback(broker, id, &undo, snapshot, &self.options.policy) {
            Ok(plan) => plan,
            Err(NoPlan::NothingToRestore | NoPlan::NothingAffected) => return self.close(id, Closing::FailedBack),
            // Not caught up yet, or not known: the next round asks again.
            Err(NoPlan::NobodyFit(_) | NoPlan::Blind | NoPlan::NoFence) => return,
        };
        let ruling = guard(&plan, None, snapshot, &self.options.policy);
        let digest = digest(&plan);
        let one = Considered::Restoring { plan, digest, ruling };
        self.decide(now, Seat { at: CaseRef::Is(id), case: Some(case), snapshot }, &one);
    }

    /// Leadership is given back only to a broker that a majority has seen green for the stable period.
    fn is_stable(&self, snapshot: &Snapshot, broker: BrokerId) -> bool {
        let green = snapshot
            .heard
            .values()
            .filter_map(|heard| heard.report.brokers.get(&broker))
            .filter(|seen| seen.light == Light::Green && self.options.policy.act.failback_after <= seen.light_for);
        snapshot.voters.len() < green.count().saturating_mul(2)
    }

    fn close(&mut self, id: CaseId, how: Closing) {
        let memo = self.lead.as_mut().and_then(|lead| lead.held.remove(&id));
        let lasted = |memo: &HeldMemo| memo.seen.since(memo.written);
        if let Some(memo) = memo.filter(|memo| 1 < memo.rounds && LAST_HELD_MIN <= lasted(memo)) {
            let over = lasted(&memo);
            self.write(CaseRef::Is(id), Body::StillHeld { why: memo.why, rounds: memo.rounds, over });
        }
        let offers: Vec<PlanDigest> =
            self.state.offers.iter().filter(|(_, offer)| offer.case == id).map(|(plan, _)| *plan).collect();
        for plan in offers {
            self.write(CaseRef::Is(id), Body::Withdrawn { plan, why: Withdrawal::CaseClosed });
        }
        self.write(CaseRef::Is(id), Body::Closed { how });
    }

    /// A case whose plan failed and that will not be tried again is a person's.
    pub(super) fn tell_of_failure(&mut self, case: CaseId, plan: PlanDigest, end: End) {
        let what = match end {
            End::Done => return,
            End::Unknown => Attention::UnknownOutcome { plan },
            End::Partly | End::NotDone => Attention::PlanFailed { plan },
        };
        self.tell_once(CaseRef::Is(case), Some(case), what);
    }
}
