//! One round of decisions: what is found, which case it belongs to, what is planned, and what follows from the ruling.
//!
//! Deliberately run only when every record of this leader is committed, so that a decision never rests on a state that a
//! record on its way is about to change.

use std::time::Duration;

use crate::decide::deliberate::{Deliberation, deliberate};
use crate::decide::policy::Mode;
use crate::model::advice::Settled;
use crate::model::finding::{Finding, FindingKind};
use crate::model::ids::{BrokerId, CaseId};
use crate::model::plan::{Class, Origin, PlanDigest};
use crate::model::record::{Attention, Body, Closing, Concern, DecisionVerdict, End, Inaction, Withdrawal};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;
use crate::model::time::{LogTime, Timestamp};

use super::advising::Subject;
use super::considered::Considered;
use super::controller::{Controller, Now};
use super::held::{Held, Say};
use super::lead::CaseRef;
use super::rest::{DOUBT_PATIENCE, awaits_its_name, awaits_log_ends, is_doubt, tell_after};
use super::state::{Case, Offer};

/// How long an `Unknown` or a `Conflict` is given to pass before it becomes a case: start-up and a flap last less.
const ODD_PATIENCE: Duration = Duration::from_secs(2);

/// How long a broker that answers may lag behind the metadata log before that is a case: a burst of records, or a search for the
/// new active controller, is over after a quarter second. Two looks at the pulse, and before a session of 3 s is over.
const LAG_PATIENCE: Duration = Duration::from_millis(500);

/// How many intents one case may have before it is left to a person: the first move, its completion and one more.
const ACTS_MAX: u16 = 3;

/// How often observe-only says again what it would do in one case.
const WOULD_EVERY: Duration = Duration::from_secs(10);

/// Where a decision belongs (a case that is open, or the one that this batch opens), and what it is made on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat<'a> {
    pub(super) at: CaseRef,
    pub(super) case: Option<&'a Case>,
    pub(super) snapshot: &'a Snapshot,
}

impl Seat<'_> {
    fn id(self) -> Option<CaseId> {
        match self.at {
            CaseRef::Is(id) => Some(id),
            CaseRef::None | CaseRef::Opening => None,
        }
    }
}

/// What follows from a ruling, and what advice made of it.
type Judged = (DecisionVerdict, Option<Settled>);

impl Controller {
    pub(super) fn round(&mut self, now: Now) {
        let Some(log_time) = self.lead.as_ref().map(|lead| lead.log_time(now.at)) else { return };
        let snapshot = self.snapshot(now.at, log_time);
        if self.yields(now) {
            return;
        }
        self.found(&snapshot);
        for (node, file) in self.pause_files_changed() {
            self.write(CaseRef::None, Body::PauseFile { node, file });
        }
        let rebuilt = self.reports.iter().filter(|(_, (_, said))| said.history_rebuilt).map(|(node, _)| *node);
        for node in rebuilt.collect::<Vec<_>>() {
            self.tell_once(CaseRef::None, None, Attention::AuditRebuilt { node });
        }
        self.expire_offers(&snapshot);
        self.look_together(now.at, &snapshot);
        self.look_at_shape(now.at, &snapshot);
        let deliberations = deliberate(&snapshot, &self.options.policy);
        if deliberations.iter().any(|one| one.plan.is_some()) {
            self.has_planned(now.at, snapshot.topology.partitions.len());
        }
        for deliberation in deliberations.iter().filter(|one| !awaits_log_ends(one, &snapshot)) {
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
            lead.waits
                .retain(|id, _| self.state.cases.get(id).is_some_and(|case| !found.contains(&case.finding.broker)));
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
        if self.has_left(snapshot, &one.finding) {
            return self.close_unless_in_flight(id, Closing::Gone);
        }
        // A case keeps its finding once the trio has acted: the broker looks different *because* of the act.
        let renamed = case.acted.is_none() || case.finding.kind == FindingKind::LeaderNotServing;
        if case.finding.kind != one.finding.kind && renamed {
            let body = Body::Reclassified { from: case.finding.kind, to: one.finding.clone() };
            self.write(CaseRef::Is(id), body);
        }
        if self.state.intents.values().any(|intent| intent.case == id) || self.predates_our_act(now.at, snapshot) {
            return;
        }
        self.decide(now, Seat { at: CaseRef::Is(id), case: Some(&case), snapshot }, &Considered::Found(one.clone()));
    }

    /// Tells whether the cluster's shape was read before the last act ended: a plan made on it would do the same again. Once it
    /// is too old for any plan the guard says so.
    fn predates_our_act(&self, now: Timestamp, snapshot: &Snapshot) -> bool {
        let ended = self.lead.as_ref().and_then(|lead| lead.acted).map(|acted| now.since(acted));
        ended.is_some_and(|ago| ago < snapshot.topology_age && ago < self.options.policy.guard.topology_age_max)
    }

    fn is_worth_a_case(&mut self, now: Timestamp, finding: &Finding) -> bool {
        let lags = finding.kind == FindingKind::CutOrStalled;
        if !lags && !matches!(finding.kind, FindingKind::Unknown | FindingKind::Conflict) {
            return true;
        }
        let Some(lead) = self.lead.as_mut() else { return false };
        let since = lead.odd.entry(finding.broker).or_insert((finding.kind, now));
        if since.0 != finding.kind {
            *since = (finding.kind, now);
        }
        let patience = if lags {
            LAG_PATIENCE
        } else if is_doubt(finding) {
            DOUBT_PATIENCE
        } else {
            ODD_PATIENCE
        };
        patience <= now.since(since.1)
    }

    pub(super) fn decide(&mut self, now: Now, seat: Seat<'_>, one: &Considered) {
        self.supersede(seat.at, one.plan().map(|(_, digest)| digest));
        let (plan, digest, ruling) = match one.offer() {
            Ok(offer) => offer,
            Err(why) => return self.hold(now, seat, one, why),
        };
        let subject = Subject { case: seat.id(), finding: one.finding(), plan, digest, snapshot: seat.snapshot };
        let Some((verdict, advice)) = self.verdict(now, seat, subject, ruling) else { return };
        if let DecisionVerdict::Nothing(why) = verdict {
            return self.hold(now, seat, one, why);
        }
        let offered = matches!(verdict, DecisionVerdict::Offer { .. });
        let parent = self.parent_of(seat.id(), digest);
        self.write(seat.at, Body::Decided(Box::new(one.decision(seat.snapshot, verdict, advice, parent))));
        if offered {
            self.tell_once(seat.at, seat.id(), Attention::ApprovalWanted { plan: digest });
        }
    }

    /// Gives what follows from a ruling, and what advice made of it; none where it was said before and still stands, or
    /// advice is awaited.
    fn verdict(&mut self, now: Now, seat: Seat<'_>, subject: Subject<'_>, ruling: &Ruling) -> Option<Judged> {
        match (self.options.policy.mode, ruling) {
            (_, Ruling::Held(objections)) => Some((DecisionVerdict::Nothing(Inaction::Held(objections.clone())), None)),
            (Mode::Observe, Ruling::Allowed | Ruling::NeedsApproval { .. }) => {
                let said = seat.case.is_some_and(|case| case.would == Some(subject.digest));
                let says = !said && self.may_say_would(now.at, seat.id());
                says.then(|| (DecisionVerdict::WouldAct, self.settled(subject)))
            }
            (_, Ruling::NeedsApproval { .. }) if awaits_its_name(subject, &self.options.policy) => None,
            (_, Ruling::NeedsApproval { .. }) => {
                self.offer_of(seat, subject, ruling).map(|offer| (offer, self.settled(subject)))
            }
            (Mode::Approve | Mode::Auto, Ruling::Allowed) if self.rests(now.at, seat.id()) => None,
            (Mode::Approve | Mode::Auto, Ruling::Allowed) => {
                // Giving leadership back is no further try at the finding; it has as many of its own.
                let acts_max = if subject.finding.is_some() { ACTS_MAX } else { ACTS_MAX.saturating_mul(2) };
                if seat.case.is_some_and(|case| acts_max <= case.acts) {
                    return Some((DecisionVerdict::Nothing(Inaction::TriedEnough), None));
                }
                if subject.plan.class <= Class::R1 {
                    return Some((self.act(subject.snapshot.taken_at), self.settled(subject)));
                }
                let (narrowed, settled) = self.after_advice(now, subject)?;
                let verdict = match &narrowed {
                    Ruling::Allowed => self.act(subject.snapshot.taken_at),
                    Ruling::NeedsApproval { .. } => self.offer_of(seat, subject, &narrowed)?,
                    Ruling::Held(objections) => DecisionVerdict::Nothing(Inaction::Held(objections.clone())),
                };
                Some((verdict, Some(settled)))
            }
        }
    }

    /// Gives the offer that a ruling asks for; none where it stands already or a person said no to it.
    fn offer_of(&self, seat: Seat<'_>, subject: Subject<'_>, ruling: &Ruling) -> Option<DecisionVerdict> {
        let Ruling::NeedsApproval { people, expires_in, .. } = ruling else { return None };
        let stands = self.state.offers.contains_key(&subject.digest);
        let refused = seat.case.is_some_and(|case| case.rejected.contains(&subject.digest));
        let expires = subject.snapshot.taken_at.plus(*expires_in);
        (!stands && !refused).then_some(DecisionVerdict::Offer { expires, people: *people })
    }

    /// Gives the verdict of an intent, with its times.
    pub(super) fn act(&self, taken_at: LogTime) -> DecisionVerdict {
        let policy = &self.options.policy;
        DecisionVerdict::Act {
            valid_for: policy.act.valid_for,
            cool_down_until: taken_at.plus(policy.guard.broker_cool_down),
            cluster_cool_down_until: taken_at.plus(policy.guard.cluster_cool_down),
            demoted_until: taken_at.plus(policy.guard.demoted_for),
        }
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
        let parent = one.plan().and_then(|(_, digest)| self.parent_of(seat.id(), digest));
        let verdict = DecisionVerdict::Nothing(why.clone());
        let decision = || Body::Decided(Box::new(one.decision(seat.snapshot, verdict.clone(), None, parent)));
        let (id, case) = (seat.at, seat.case);
        let Some(case_id) = seat.id() else { return self.write(id, decision()) };
        let Some(lead) = self.lead.as_mut() else { return };
        let recorded = case.and_then(|case| case.inaction.as_ref());
        if recorded.is_none() {
            // Something was done since: the same reason is news again.
            lead.held.remove(&case_id);
        }
        let stands = recorded.is_some_and(|recorded| recorded.same_kind(&why));
        let held = lead.held.entry(case_id).or_insert_with(|| Held::new(now.at, &why));
        let say = held.note(now.at, &why, stands);
        let lasts = tell_after(one.finding(), &why) <= held.lasted(now.at) && stands;
        let untold = !self.state.attentions.values().any(|told| told.case == Some(case_id));
        let tells = lasts || untold && held.takes_turns(now.at);
        match say {
            Say::Anew => lead.write(id, decision()),
            Say::Still { rounds, over } => lead.write(id, Body::StillHeld { why: why.clone(), rounds, over }),
            Say::Nothing => {}
        }
        if tells {
            self.tell_a_person(case_id, case, why);
        }
    }

    fn tell_a_person(&mut self, id: CaseId, case: Option<&Case>, why: Inaction) {
        let Some(case) = case else { return };
        let finding = &case.finding;
        // Whoever put a broker into maintenance knows that it is away.
        let known = Objection::Maintenance(finding.broker);
        if matches!(&why, Inaction::Held(objections) if objections.contains(&known)) {
            return;
        }
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

    /// A round that plans anything else, or nothing, withdraws what the case had on offer. No round plans what a person asks for.
    pub(super) fn supersede(&mut self, id: CaseRef, by: Option<PlanDigest>) {
        let CaseRef::Is(case) = id else { return };
        let Some(lead) = self.lead.as_mut() else { return };
        let rounds = |offer: &Offer| offer.case == case && !matches!(offer.plan.origin, Origin::Undo { .. });
        for (plan, _) in self.state.offers.iter().filter(|(plan, offer)| rounds(offer) && Some(**plan) != by) {
            lead.write(id, Body::Withdrawn { plan: *plan, why: Withdrawal::Superseded { by } });
        }
    }

    /// Gives the plan that another one of the same case follows: the offer that it supersedes, else what was carried out last.
    pub(super) fn parent_of(&self, case: Option<CaseId>, digest: PlanDigest) -> Option<PlanDigest> {
        let case = case?;
        let offers = self.state.offers.iter().filter(|(plan, offer)| offer.case == case && **plan != digest);
        let offered = offers.max_by_key(|(plan, offer)| (offer.record, **plan)).map(|(plan, _)| *plan);
        let acted = self.state.cases.get(&case).and_then(|case| case.acted).map(|(plan, _)| plan);
        offered.or(acted).filter(|parent| *parent != digest)
    }

    pub(super) fn write(&mut self, id: CaseRef, body: Body) {
        if let Some(lead) = self.lead.as_mut() {
            lead.write(id, body);
        }
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
