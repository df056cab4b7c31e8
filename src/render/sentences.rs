//! Every typed reason as a sentence: objections, unfitness, inaction, votes, outcomes, attentions.

use crate::model::finding::{Echo, Finding, Say, Vote};
use crate::model::ids::{CaseId, NodeId};
use crate::model::observation::{Light, Progress, PulseState};
use crate::model::plan::{Act, Class, FailedRack, Origin, Promotion, Score, Serving, Unfit, When};
use crate::model::record::{
    Attention, Closing, End, IllPlaced, Inaction, NoPlan, NotSent, PauseFile, Receipt, StepRefusal, Withdrawal,
};
use crate::model::ruling::{Objection, Ruling};

use super::blind::blindness;
use super::words::{Names, and, count, escape, list, span};

pub(super) fn objection(objection: &Objection, names: &Names) -> String {
    match objection {
        Objection::NoMajority { votes, needed } => {
            format!("only {} of {needed} needed: no majority saw it", count(*votes, "vote"))
        }
        Objection::ControllerUnreachable => "this side does not reach Kafka's active controller".to_owned(),
        Objection::StaleSnapshot { age, limit } => {
            format!("the picture of the cluster was {} old, at most {} is trusted", span(*age), span(*limit))
        }
        Objection::OneView(broker) => {
            format!("only {broker} told how the cluster stands, and others could have been asked")
        }
        Objection::ForeignReassignment(set) => format!("somebody else is reassigning {}", names.set(set)),
        Objection::Maintenance(broker) => format!("{broker} is in maintenance"),
        Objection::Paused => "automation is paused".to_owned(),
        Objection::CoolDown { broker, owner, until } => {
            let whom = broker.map_or_else(|| "the cluster".to_owned(), |broker| broker.to_string());
            format!("{whom} was acted on in {owner} and is left alone until log time {until}")
        }
        Objection::BlastRadius { red, limit, racks } => {
            let racks = match racks.len() {
                0 => String::new(),
                _ => format!(" (racks {})", list(racks.iter().map(|rack| escape(&rack.0)))),
            };
            format!("{} red at once{racks}, at most {limit} is one incident: are we cut off?", count(*red, "broker"))
        }
        Objection::ProgressVeto { growing } => {
            format!("{} it leads still gain records: clients are being served", count(*growing, "partition"))
        }
        Objection::TargetNotInSync { partition, target } => {
            format!("{target} is not in sync for {}", names.partition(partition))
        }
        Objection::NotAPermutation { partition } => {
            format!("the replicas of {} would not stay the same set", names.partition(partition))
        }
        Objection::MinIsr(set) => format!("{} would have fewer in sync than min.insync.replicas", names.set(set)),
        Objection::Collateral(set) => {
            format!("{} would stop serving, and Kafka alone would not do that", names.set(set))
        }
        Objection::NamesUnregistered(broker) => {
            format!("{broker} is not registered, or too few registered brokers would be left")
        }
        Objection::NamesCordoned(broker) => {
            format!("all log dirs of {broker} are cordoned: Kafka refuses every list of replicas that names it")
        }
        Objection::OnlyMember { broker, partitions } => {
            format!("{broker} is the only one in sync for {}", names.set(partitions))
        }
        Objection::TooManyMoves { moves, limit } => {
            format!("{} in one step, at most {limit} are allowed", count(*moves, "partition"))
        }
        Objection::TargetFull { target, leaders, limit } => {
            format!("{target} would lead {}, at most {limit} are allowed", count(*leaders, "partition"))
        }
        Objection::AtRisk { partitions, records: Some(records), limit } => {
            let set = names.set(partitions);
            format!("{} of {set} would be lost, at most {limit} may be", count(*records, "acks=1 record"))
        }
        Objection::AtRisk { partitions, records: None, .. } => {
            format!("how many acks=1 records of {} would be lost is not known", names.set(partitions))
        }
        Objection::TwiceAtOnce { partition } => format!("two steps change {} at once", names.partition(partition)),
        Objection::PlanInFlight(case) => format!("the plan of {case} is in flight: one at a time"),
        Objection::EpochUnknown(broker) => format!("the epoch of {broker} is not known, and the act needs it"),
        Objection::NotPermitted { act } => format!("the settings do not allow {}", escape(act)),
        Objection::FactsMoved => "the facts had moved since it was planned".to_owned(),
    }
}

pub(super) fn inaction(why: &Inaction, names: &Names) -> String {
    match why {
        Inaction::NothingToDo(kind) => format!("{kind} calls for nothing"),
        Inaction::OnlyWarns(kind) => format!("{kind} only warns: a person was told"),
        Inaction::Held(objections) => {
            format!("the guard held it: {}", and(objections.iter().map(|one| objection(one, names))))
        }
        Inaction::NoPlan(NoPlan::NothingAffected) => "the broker led nothing and was in no ISR with others".to_owned(),
        Inaction::NoPlan(NoPlan::NobodyFit(set)) => format!("nobody was fit to lead {}", names.set(set)),
        Inaction::NoPlan(NoPlan::Blind) => "the cluster's shape was not known well enough".to_owned(),
        Inaction::NoPlan(NoPlan::NothingToRestore) => "nothing was recorded that could be put back".to_owned(),
        Inaction::NoPlan(NoPlan::NotStable) => "the broker had not been green for long enough to lead again".to_owned(),
        Inaction::NoPlan(NoPlan::NoFence) => {
            "only a fence would have helped, and none was allowed or possible".to_owned()
        }
        Inaction::TriedEnough => {
            "as many plans as one case may have were carried out, and the finding stayed".to_owned()
        }
    }
}

pub(super) fn unfit(why: Unfit) -> &'static str {
    match why {
        Unfit::AtFault => "it is the broker at fault",
        Unfit::OutOfIsr => "it was not in the ISR",
        Unfit::LogEndSilent => "its own log end could not be read",
        Unfit::NotGreen => "it was not green for a majority",
        Unfit::NotActive => "it was fenced, shutting down or unregistered",
        Unfit::Never => "the settings say that it never leads",
        Unfit::Maintenance => "it was in maintenance",
        Unfit::Cordoned => "its log dirs were cordoned",
        Unfit::DemotedLately => "it had lost leadership lately",
        Unfit::Reassigning => "the partition was being reassigned",
        Unfit::StaleView => "what was known of the partition was too old",
    }
}

/// Gives a score part by part, in the order in which scores are compared.
pub(super) fn score(score: &Score) -> String {
    let mut parts = Vec::new();
    match score.promotion {
        Promotion::Prefer => parts.push("preferred by the settings".to_owned()),
        Promotion::Neutral => {}
        Promotion::PreferNot => parts.push("rather not, by the settings".to_owned()),
    }
    if score.shares_failed_rack == FailedRack::Yes {
        parts.push("in the rack of the broker at fault".to_owned());
    }
    // Most often nobody lags and nobody is crowded: then the measures beyond records and leaders say nothing new.
    let beyond = |name: &str, part: u32| if part == 0 { String::new() } else { format!("{name} {part}, ") };
    parts.push(format!(
        "score {} (lag {}, {}{}rack {}, load {}, {}{}health {})",
        score.weighted_permille,
        score.lag_permille,
        beyond("in bytes", score.lag_bytes_permille),
        beyond("in time", score.lag_time_permille),
        score.rack_permille,
        score.load_permille,
        beyond("in bytes", score.bytes_in_permille),
        beyond("as coordinator", score.coordinates_permille),
        score.health_permille
    ));
    let place = u32::from(score.position) + 1;
    parts.push(format!("place {place} in the original order"));
    parts.join(", ")
}

pub(super) fn light(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::RedRefused => "red, refused",
        Light::RedSilent => "red, silent",
        Light::Recovering => "recovering",
        Light::Unknown(why) => blindness(why),
    }
}

fn vote(node: NodeId, vote: &Vote) -> String {
    let says = match vote.says {
        Say::Red => vote.light.map_or_else(|| "red".to_owned(), |seen| light(seen).to_owned()),
        Say::Serves => "served".to_owned(),
        Say::Unsure => vote.light.map_or_else(|| "unsure".to_owned(), |seen| format!("unsure ({})", light(seen))),
        Say::Blind(why) => blindness(why).to_owned(),
        Say::Abstains => return format!("{node} abstained, unwell itself"),
        Say::NoVote => return format!("{node} has no vote, on the same host"),
        Say::NotHeard => return format!("{node} was not heard"),
    };
    format!("{node} {says} for {}", span(vote.light_for))
}

/// Gives who voted red.
pub(super) fn red_votes(finding: &Finding) -> String {
    and(finding.votes.iter().filter(|(_, cast)| cast.says == Say::Red).map(|(node, _)| node))
}

/// Gives what was found and who voted how.
pub(super) fn finding(finding: &Finding) -> String {
    let votes = list(finding.votes.iter().map(|(node, cast)| vote(*node, cast)));
    let path = finding.path.as_ref().map(|path| format!(" on listener {}", escape(&path.0))).unwrap_or_default();
    let mut text = format!("{} was found {}{path}: {votes}", finding.broker, finding.kind);
    text.push_str(&format!("; {}", echo(&finding.echo)));
    match finding.progress {
        Progress::Unknown => {}
        Progress::None => text.push_str("; no partition it leads gained records"),
        Progress::Growing(growing) => {
            text.push_str(&format!("; {} it leads gained records", count(growing, "partition")))
        }
    }
    text.push_str(&format!("; it led {}", count(finding.leads, "partition")));
    if 1 < finding.red_brokers {
        text.push_str(&format!("; {} red at once", count(finding.red_brokers, "broker")));
    }
    text
}

fn echo(echo: &Echo) -> String {
    let beats = match echo.beats_since_red {
        0 => return "the metadata log had not beaten since".to_owned(),
        beats => count(beats, "beat"),
    };
    match echo.state {
        PulseState::Unknown => format!("unknown in the metadata log after {beats}"),
        PulseState::Level => format!("level in the metadata log after {beats}"),
        PulseState::Behind(records) => {
            format!("{} behind in the metadata log after {beats}", count(records, "record"))
        }
        PulseState::Missing => format!("missing from the metadata log's answer after {beats}"),
    }
}

pub(super) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Finding { kind, broker } => format!("{kind} {broker}"),
        Origin::Failback { broker, of } => format!("failback to {broker} after {of}"),
        Origin::Undo { of, by } => format!("undo of {of}, asked by {}", escape(&by.0)),
    }
}

pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::R0 => "R0, changes nothing",
        Class::R1 => "R1, reversible in seconds",
        Class::R2 => "R2, reversible but costly",
        Class::R3 => "R3, may lose acknowledged records",
    }
}

pub(super) fn when(when: When) -> &'static str {
    match when {
        When::AtOnce => "at once",
        When::EchoBehind => "if the echo says behind",
        When::EchoLevelStillRed => "if the echo says level and it stays red",
        When::EchoLevelGreen => "if the echo says level and it answers again",
        When::Afterwards => "afterwards, off the path",
        When::AfterPrevious => "once the step before is verified",
    }
}

/// Gives an act without its moves.
pub(super) fn act(act: &Act) -> String {
    let moved: usize = act.moves().iter().map(|one| one.partitions.len()).sum();
    match act {
        Act::Reorder { .. } => format!("reorder the replicas of {}", count(moved, "partition")),
        Act::Elect { .. } => format!("reorder and elect the leaders of {}", count(moved, "partition")),
        Act::Prefer { .. } => format!("elect the preferred leaders of {}", count(moved, "partition")),
        Act::Fence { broker, epoch } => format!("fence {broker} in its life {epoch} by heartbeat"),
        Act::Unregister { broker, .. } => format!("unregister {broker}"),
    }
}

pub(super) fn serving(serving: Serving) -> &'static str {
    match serving {
        Serving::Full => "serves",
        Serving::UnderMinIsr => "acks=1 and reads only",
        Serving::No => "does not serve",
        Serving::Unknown => "not known",
    }
}

pub(super) fn ruling(ruling: &Ruling) -> String {
    match ruling {
        Ruling::Allowed => "allowed".to_owned(),
        Ruling::NeedsApproval { class, people, expires_in } => {
            format!(
                "needs {} to approve ({class}), within {}",
                count(*people, "person").replace("persons", "people"),
                span(*expires_in)
            )
        }
        Ruling::Held(objections) => format!("held, {}", count(objections.len(), "objection")),
    }
}

pub(super) fn receipt(receipt: &Receipt, names: &Names) -> String {
    match receipt {
        Receipt::Done { done, not } => {
            let mut text = if done.is_empty() { "done".to_owned() } else { format!("done for {}", names.set(done)) };
            for (why, set) in not {
                text.push_str(&format!("; not for {}: {}", names.set(set), refusal(*why)));
            }
            text
        }
        Receipt::NotDue => "not due".to_owned(),
        Receipt::NotSent(why) => format!("not sent: {}", not_sent(*why)),
        Receipt::Refused(why) => format!("refused: {}", refusal(*why)),
        Receipt::Unanswered => "sent, no answer; read back instead of sent again".to_owned(),
        Receipt::NotSeen => "sent and answered, but reading back shows nothing of it".to_owned(),
        Receipt::Skipped => "not sent on purpose (observe)".to_owned(),
    }
}

fn refusal(why: StepRefusal) -> String {
    match why {
        StepRefusal::Stale => "the facts had moved".to_owned(),
        StepRefusal::NewIncarnation => "the broker has a new life".to_owned(),
        StepRefusal::PreferredNotAvailable => "the preferred leader was not available".to_owned(),
        StepRefusal::Denied => {
            "Kafka does not let us: give this node's user Alter on the cluster (for a fence: ClusterAction), with kafka-acls.sh"
                .to_owned()
        }
        StepRefusal::NotSeen => "reading back shows another thing".to_owned(),
        StepRefusal::Kafka(code) => format!("Kafka error {code}"),
    }
}

fn not_sent(why: NotSent) -> &'static str {
    match why {
        NotSent::Unreachable => "nobody could be reached",
        NotSent::Expired => "its time was over",
        NotSent::Deposed => "another node leads",
        NotSent::Precondition => "a precondition did not hold any more",
        NotSent::Paused => "automation was paused meanwhile",
        NotSent::EarlierFailed => "an earlier step failed",
    }
}

pub(super) fn pause_file(file: PauseFile) -> &'static str {
    match file {
        PauseFile::Absent => "no pause file any more on",
        PauseFile::Present => "automation is paused by the file on",
        PauseFile::Unreadable => "automation is paused, as it cannot be told whether there is a pause file on",
    }
}

pub(super) fn ill_placed(why: IllPlaced) -> &'static str {
    match why {
        IllPlaced::WayClosed => "it does not reach Kafka's controllers, and could not send what it decides",
        IllPlaced::Doubtful => "it doubts itself, and has no vote",
    }
}

pub(super) fn end(end: End) -> &'static str {
    match end {
        End::Done => "done and verified",
        End::Partly => "partly done",
        End::NotDone => "nothing was changed",
        End::Unknown => "unknown: a person was told",
    }
}

pub(super) fn withdrawal(why: &Withdrawal) -> String {
    match why {
        Withdrawal::Expired => "nobody said yes in time".to_owned(),
        Withdrawal::Superseded { by: Some(by) } => format!("a later round planned {} instead", by.short()),
        Withdrawal::Superseded { by: None } => "a later round planned nothing".to_owned(),
        Withdrawal::CaseClosed => "the case ended".to_owned(),
        Withdrawal::TrioWasDown => "the whole trio was down, and approvals die with it".to_owned(),
    }
}

pub(super) fn closing(how: Closing) -> &'static str {
    match how {
        Closing::Recovered => "the broker is green, nothing remains changed",
        Closing::FailedBack => "the broker is green and the recorded order is back",
        Closing::Undone => "a person undid it",
        Closing::Gone => "the broker left the cluster",
    }
}

/// Gives what a person is told, and what to do about it.
pub(super) fn attention(what: &Attention, case: Option<CaseId>, names: &Names) -> String {
    let next = case.map_or_else(
        || "tanist audit list says what its steps did".to_owned(),
        |case| format!("tanist why {case} says what its steps did, tanist undo {case} puts the order back"),
    );
    match what {
        Attention::Finding { kind, broker, why } => format!("{kind} {broker}: {}", inaction(why, names)),
        Attention::UnknownOutcome { plan } => {
            format!("it cannot be told what plan {} did: read Kafka and decide; {next}", plan.short())
        }
        Attention::PlanFailed { plan } => format!("plan {} failed: {next}", plan.short()),
        Attention::ApprovalWanted { plan } => {
            format!("plan {} waits: tanist plan show {}", plan.short(), plan.short())
        }
        Attention::Zombie { broker, epoch } => {
            let life = epoch.map(|epoch| format!(" (life {epoch})")).unwrap_or_default();
            format!("{broker}{life} runs but is not registered: restart it")
        }
        Attention::AuditRebuilt { node } => {
            format!("the history of {node} was damaged, set aside and rebuilt: look at its disk")
        }
    }
}
