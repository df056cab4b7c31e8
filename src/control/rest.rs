//! Rests: a case of which nothing could be sent, or was refused, is tried again at a pace, and for as long as that lasts; what is
//! worth a short wait before the first plan; and how long nothing is done before a person is told.
//!
//! Deliberately no count: controllers that elect for a minute are no reason to leave a case to a person for good. A person is
//! told, and the tries go on. Forgotten with the leader: the next one may try at once.

use std::time::Duration;

use crate::decide::deliberate::Deliberation;
use crate::decide::detect::red_for;
use crate::decide::policy::Policy;
use crate::model::finding::{Finding, FindingKind, Say};
use crate::model::ids::CaseId;
use crate::model::observation::Light;
use crate::model::plan::{Origin, Unfit, Verdict};
use crate::model::record::{End, Inaction, Outcome};
use crate::model::ruling::Objection;
use crate::model::snapshot::Snapshot;
use crate::model::time::Timestamp;

use super::advising::Subject;
use super::controller::Controller;
use super::pace::TICK;

/// How long a case rests after an intent of which nothing was changed: first, and doubled up to the most.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(10);

/// The same where Kafka refused it: a right that is missing is given by a person.
const REST_REFUSED_MAX: Duration = Duration::from_secs(60);

/// The same where a way back was sent and nobody could tell what came of it: nothing hurts meanwhile, and what is in the way has time
/// to pass before the tries are used up.
const REST_UNKNOWN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(240));

/// A case that rests longer than this waits for more than an election among the controllers: a person's.
const REST_SHORT_MAX: Duration = Duration::from_secs(2);

/// How long after a broker turned red a plan waits for the log ends that were asked for then. They take a few milliseconds;
/// on a busy machine more than the quarter second after which a crash is planned. No later than a crash must be classified.
const LOG_ENDS_PATIENCE: Duration = Duration::from_millis(400);

/// How long what is offered to people waits for its name: Kafka writes a beat each half second, so that only controllers that elect, or
/// cannot be asked, have told nothing by then.
const NAME_PATIENCE: Duration = Duration::from_secs(2);

/// How long nothing is planned anew after a round that planned, for each partition of the cluster: planning walks over all of them
/// several times (0.4 µs each), and two hundred brokers have as much to tell in a moment, of which each word would make one more
/// plan. What is shorter than a fifth of a tick is none.
const PLANNED_REST_EACH: Duration = Duration::from_nanos(500);

/// How long nothing is done about a finding before a person is told.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// How long nodes may doubt themselves before that is a case, or a person's. Doubt falls by one a second, from 8 to below 4 in
/// 5 s: what lasts twice that is no burst.
pub(super) const DOUBT_PATIENCE: Duration = Duration::from_secs(10);

/// How long a case rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Not at all: something was sent.
    None,
    /// As long as controllers take to elect.
    Short,
    /// Longer, or Kafka refused it, or nobody could tell: whatever is in the way does not pass in a moment.
    Long,
}

impl Controller {
    /// Tells whether a case rests, after an intent of which nothing could be sent.
    pub(super) fn rests(&self, now: Timestamp, case: Option<CaseId>) -> bool {
        let rest = case.and_then(|case| self.lead.as_ref()?.rests.get(&case));
        rest.is_some_and(|(until, _)| now < *until)
    }

    /// An intent has ended. Where nothing of it could be sent (an election among the controllers takes a second or two), or Kafka
    /// refused it, it was no try, and the case rests a little longer each time; where something was sent, whatever is in the way next
    /// is met with short rests again, but for a way back of which nobody could tell what it did.
    pub(super) fn rest_after(&mut self, now: Timestamp, (case, origin): (CaseId, &Origin), outcome: &Outcome) -> Rest {
        let Some(lead) = self.lead.as_mut() else { return Rest::None };
        let refused = outcome.is_refused();
        let (first, most) = if matches!(origin, Origin::Failback { .. }) && outcome.end == End::Unknown {
            REST_UNKNOWN
        } else if outcome.is_untouched() {
            (REST_FIRST, if refused { REST_REFUSED_MAX } else { REST_MAX })
        } else {
            lead.rests.remove(&case);
            return Rest::None;
        };
        let (until, last) = lead.rests.entry(case).or_insert((now, first / 2));
        *last = last.saturating_mul(2).clamp(first, most);
        *until = now.plus(*last);
        if *last <= REST_SHORT_MAX && !refused { Rest::Short } else { Rest::Long }
    }

    /// A round has planned: the next one waits, on a cluster that is large enough for that to matter.
    pub(super) fn has_planned(&mut self, now: Timestamp, partitions: usize) {
        let rest = PLANNED_REST_EACH.saturating_mul(u32::try_from(partitions).unwrap_or(u32::MAX));
        if let Some(lead) = self.lead.as_mut().filter(|_| TICK / 5 <= rest) {
            lead.idle_until = now.plus(rest);
        }
    }
}

/// Tells whether a plan would pass over a replica for no other reason than that its log end has not arrived yet: only the
/// topics of the last seconds have none, as every log is read all five seconds.
pub(super) fn awaits_log_ends(one: &Deliberation, snapshot: &Snapshot) -> bool {
    let Some((plan, _)) = &one.plan else { return false };
    let Some(mine) = snapshot.heard.get(&snapshot.taken_by).map(|heard| &heard.report.brokers) else { return false };
    let just_red = mine.get(&one.finding.broker).is_some_and(|sighting| sighting.light_for < LOG_ENDS_PATIENCE);
    let answers = |broker| mine.get(&broker).is_some_and(|sighting| sighting.light == Light::Green);
    let mut candidates = plan.choices.iter().flat_map(|choice| &choice.candidates);
    just_red && candidates.any(|one| one.verdict == Verdict::Unfit(Unfit::LogEndSilent) && answers(one.broker))
}

/// Tells whether an offer would be another one in a moment: what stage one sees has another name a beat later, and its plan another
/// digest. A person would be asked twice for the same, and whoever says yes to the first is told that it is gone.
pub(super) fn awaits_its_name(subject: Subject<'_>, policy: &Policy) -> bool {
    let unnamed = subject.finding.filter(|finding| finding.kind == FindingKind::LeaderNotServing);
    unnamed.is_some_and(|finding| red_for(finding.broker, subject.snapshot, policy) < NAME_PATIENCE)
}

fn says(finding: &Finding, said: Say) -> bool {
    finding.votes.values().any(|vote| vote.says == said)
}

/// Tells whether nodes abstain from a vote, and none says red.
pub(super) fn is_doubt(finding: &Finding) -> bool {
    says(finding, Say::Abstains) && !says(finding, Say::Red)
}

/// Gives how long nothing is done before a person is told: longer where nothing but the nodes' doubt in themselves is in the way,
/// which outlasts by some seconds whatever was told before.
pub(super) fn tell_after(finding: Option<&Finding>, why: &Inaction) -> Duration {
    let votes = |one: &Objection| matches!(one, Objection::NoMajority { .. });
    let only_votes = matches!(why, Inaction::Held(objections) if objections.iter().all(votes));
    if only_votes && finding.is_some_and(|finding| says(finding, Say::Abstains)) { DOUBT_PATIENCE } else { TELL_AFTER }
}
