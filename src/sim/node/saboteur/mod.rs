//! A saboteur between the parts of a process: withholds, repeats and invents what passes from one to the other.
//!
//! Deliberately outside the parts: what is broken here is broken by what they are told.

mod events;
mod records;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::control::event::{Effect, Errand, Event, PeerReport, Role, StepResult};
use crate::control::state::State;
use crate::decide::policy::Policy;
use crate::model::ids::{NodeId, Term};
use crate::model::plan::{Origin, Plan, Step, When};
use crate::model::record::{Body, DecisionVerdict, End, Record};
use crate::model::time::Timestamp;
use crate::sim::sabotage::Sabotage;

/// Errands from here on are the saboteur's own.
const INVENTED: u64 = 1 << 60;

/// How long its own acts may be sent, and how long steps may be whose time has no end.
const WITHIN: Duration = Duration::from_millis(800);
const FOR_EVER: Duration = Duration::from_secs(60);

/// How late outcomes are written.
const OUTCOMES_LATE: Duration = Duration::from_secs(150);

/// How often a plan is carried out again.
const REPEATS: u32 = 2;

/// One process's saboteur.
#[derive(Debug)]
pub(super) struct Saboteur {
    sabotage: Sabotage,
    me: NodeId,
    voters: BTreeSet<NodeId>,
    leads: Option<Term>,
    heard: u64,
    invented: u64,
    /// The names of topics that this node has seen.
    names: String,
    /// The intent that was committed last.
    intent: Option<Record>,
    repeated: u32,
    /// Proposals that are held back, and until when.
    late: VecDeque<(Timestamp, Vec<Vec<u8>>)>,
    /// A step that was sent before its turn.
    ahead: Option<Ahead>,
    /// What the controller is to hear next.
    told: Vec<Event>,
}

/// A step that was sent before its turn: what the controller asks for later is answered with what came of it.
#[derive(Debug)]
struct Ahead {
    step: Step,
    errand: Errand,
    result: Option<StepResult>,
    asked: Option<Errand>,
}

impl Saboteur {
    pub(super) fn new(sabotage: Sabotage, me: NodeId, voters: BTreeSet<NodeId>) -> Self {
        Self {
            sabotage,
            me,
            voters,
            leads: None,
            heard: 0,
            invented: 0,
            names: String::new(),
            intent: None,
            repeated: 0,
            late: VecDeque::new(),
            ahead: None,
            told: Vec::new(),
        }
    }

    /// Tells whether there is no sabotage at all.
    pub(super) fn is_idle(&self) -> bool {
        self.sabotage == Sabotage::None
    }

    /// Tells whether members are tended to.
    pub(super) fn tends_members(&self) -> bool {
        self.sabotage != Sabotage::LogOfOne
    }

    /// Gives the words for the adviser.
    pub(super) fn adds_to(&self, prompt: String) -> String {
        if self.sabotage == Sabotage::NamesInPrompts { format!("{prompt} {}", self.names) } else { prompt }
    }

    /// Gives what the controller is to hear of the saboteur's own making.
    pub(super) fn take_invented(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Gives the state that a node goes on with when the leader changes, where it forgets something.
    pub(super) fn forgets(&self, role: Role, state: &State) -> Option<State> {
        if matches!(role, Role::Leaderless(_)) {
            return None;
        }
        let mut state = state.clone();
        match self.sabotage {
            Sabotage::ForgetsCoolDowns => state.cool_downs.clear(),
            Sabotage::ForgetsIntents => state.intents.clear(),
            Sabotage::ForgetsPause => state.paused = None,
            _ => return None,
        }
        Some(state)
    }

    /// Gives what is carried out instead of what the controller wants.
    pub(super) fn wants(&mut self, effects: Vec<Effect>, role: Role, now: Timestamp) -> Vec<Effect> {
        let term = match role {
            Role::Leading(term) => Some(term),
            Role::Following { .. } | Role::Leaderless(_) => None,
        };
        let mut instead = Vec::new();
        while let Some((_, entries)) = self.late.pop_front_if(|(due, _)| *due <= now) {
            instead.push(Effect::Propose(entries));
        }
        for effect in effects {
            match effect {
                Effect::Propose(entries) => self.proposes(entries, term, now, &mut instead),
                Effect::Apply { errand, step, term, within } => {
                    self.applies((errand, *step), term, within, &mut instead);
                }
                Effect::Keep(kept) => {
                    self.keeps(&kept.record, term, &mut instead);
                    instead.push(Effect::Keep(kept));
                }
                other => instead.push(other),
            }
        }
        instead
    }

    fn proposes(&mut self, entries: Vec<Vec<u8>>, term: Option<Term>, now: Timestamp, instead: &mut Vec<Effect>) {
        let records = records::read(&entries);
        if self.sabotage == Sabotage::ActsBeforeCommit
            && let Some(term) = term
        {
            let acts = records.iter().filter_map(intent).map(|(plan, _)| plan.clone());
            for plan in acts.collect::<Vec<_>>() {
                self.invent(&plan, term, instead);
            }
        }
        let holds = |wanted: fn(&Body) -> bool| records.iter().any(|record| wanted(&record.body));
        let outcome = holds(|body| matches!(body, Body::Outcome(_)));
        let closed = holds(|body| matches!(body, Body::Closed { .. }));
        match self.sabotage {
            Sabotage::NoOutcomes if outcome => {}
            Sabotage::NeverCloses if closed => {}
            Sabotage::LateOutcomes if outcome => self.late.push_back((now.plus(OUTCOMES_LATE), entries)),
            sabotage => {
                instead.push(Effect::Propose(records::rewritten(sabotage, records).unwrap_or(entries)));
            }
        }
    }

    fn applies(&mut self, (errand, step): (Errand, Step), term: Term, within: Duration, instead: &mut Vec<Effect>) {
        if let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.step == step) {
            ahead.asked = Some(errand);
            return self.answer_ahead();
        }
        let within = if self.sabotage == Sabotage::ValidForEver { FOR_EVER } else { within };
        let sent = |errand, step: &Step| Effect::Apply { errand, step: Box::new(step.clone()), term, within };
        instead.push(sent(errand, &step));
        match self.sabotage {
            Sabotage::ActsTwice => instead.push(sent(self.next_errand(), &step)),
            Sabotage::Hurries => {
                let steps = self.intent.as_ref().and_then(intent).map(|(plan, _)| plan.steps.clone());
                let next = steps.into_iter().flatten().find(|one| step.number < one.number);
                if let Some(next) = next.filter(|next| next.when == When::AfterPrevious && self.ahead.is_none()) {
                    let errand = self.next_errand();
                    instead.push(sent(errand, &next));
                    self.ahead = Some(Ahead { step: next, errand, result: None, asked: None });
                }
            }
            _ => {}
        }
    }

    /// Answers for a step that was sent before its turn, once it was asked for and something has come of it.
    fn answer_ahead(&mut self) {
        let both = self.ahead.as_ref().is_some_and(|ahead| ahead.asked.is_some() && ahead.result.is_some());
        if let Some(Ahead { asked: Some(errand), result: Some(result), .. }) = self.ahead.take_if(|_| both) {
            self.told.push(Event::Applied { errand, result });
        }
    }

    fn keeps(&mut self, record: &Record, term: Option<Term>, instead: &mut Vec<Effect>) {
        if intent(record).is_some() {
            self.intent = Some(record.clone());
        }
        let Body::Outcome(outcome) = &record.body else { return };
        let again = self.sabotage == Sabotage::RepeatsItself && outcome.end == End::Done && self.repeated < REPEATS;
        let Some(last) = self.intent.as_ref().filter(|_| again && term == Some(record.term)) else { return };
        let found = intent(last)
            .is_some_and(|(plan, digest)| digest == outcome.plan && matches!(plan.origin, Origin::Finding { .. }));
        if found {
            self.repeated = self.repeated.saturating_add(1);
            instead.extend(records::write(&Record { at: record.at, ..last.clone() }).map(Effect::Propose));
        }
    }

    fn invent(&mut self, plan: &Plan, term: Term, instead: &mut Vec<Effect>) {
        for step in plan.steps.iter().filter(|step| step.when == When::AtOnce) {
            let errand = self.next_errand();
            instead.push(Effect::Apply { errand, step: Box::new(step.clone()), term, within: WITHIN });
        }
    }

    fn next_errand(&mut self) -> Errand {
        self.invented = self.invented.wrapping_add(1);
        Errand(INVENTED.saturating_add(self.invented))
    }

    /// Gives the reports that a node invents of the others, from its own.
    pub(super) fn invents_reports(&self, report: &PeerReport) -> Vec<Event> {
        if self.sabotage != Sabotage::QuorumOfOne {
            return Vec::new();
        }
        let others = self.voters.iter().filter(|node| **node != self.me);
        others.map(|node| Event::Reported { from: *node, report: report.clone() }).collect()
    }
}

/// Gives the plan of an intent, and its digest.
fn intent(record: &Record) -> Option<(&Plan, crate::model::plan::PlanDigest)> {
    let Body::Decided(decision) = &record.body else { return None };
    let DecisionVerdict::Act { .. } = decision.verdict else { return None };
    decision.plan.as_ref().zip(decision.digest)
}

/// Gives the policy that the nodes are given instead of the world's.
pub(super) fn policy(sabotage: Sabotage, mut policy: Policy) -> Policy {
    match sabotage {
        Sabotage::NoBlastRadius => policy.guard.blast_radius_permille = 1000,
        Sabotage::NoCoolDown => policy.guard.broker_cool_down = Duration::ZERO,
        Sabotage::StalePictures => policy.guard.topology_age_max = Duration::from_secs(86_400),
        Sabotage::OldReportsCount => policy.detect.report_age_max = Duration::from_secs(60),
        Sabotage::NoSelfDoubt => policy.detect.abstain_from = u8::MAX,
        Sabotage::NoFailback => policy.act.failback_after = Duration::from_secs(86_400),
        _ => {}
    }
    policy
}
