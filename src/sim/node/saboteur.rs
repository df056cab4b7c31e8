//! A saboteur between the parts of a process: withholds, repeats and invents what passes from one to the other.
//!
//! Deliberately outside the parts: what is broken here is broken by what they are told.

use std::collections::BTreeSet;

use std::time::Duration;

use crate::control::event::{Effect, Errand, Event, Role};
use crate::control::state::State;
use crate::decide::policy::Policy;
use crate::model::canon::from_canonical_bytes;
use crate::model::chain::chunk::Assembler;
use crate::model::ids::{NodeId, Term};
use crate::model::observation::{Fact, LineChange, Observation};
use crate::model::plan::{Plan, When};
use crate::model::record::{Body, DecisionVerdict, Record};
use crate::sim::sabotage::Sabotage;

/// Errands from here on are the saboteur's own.
const INVENTED: u64 = 1 << 60;

/// How long its own acts may be sent.
const WITHIN: Duration = Duration::from_millis(800);

/// One process's saboteur.
#[derive(Debug)]
pub(super) struct Saboteur {
    sabotage: Sabotage,
    me: NodeId,
    voters: BTreeSet<NodeId>,
    leads: Option<Term>,
    heard: u64,
    invented: u64,
}

impl Saboteur {
    pub(super) fn new(sabotage: Sabotage, me: NodeId, voters: BTreeSet<NodeId>) -> Self {
        Self { sabotage, me, voters, leads: None, heard: 0, invented: 0 }
    }

    /// Tells whether there is no sabotage at all.
    pub(super) fn is_idle(&self) -> bool {
        self.sabotage == Sabotage::None
    }

    /// Tells whether members are tended to.
    pub(super) fn tends_members(&self) -> bool {
        self.sabotage != Sabotage::LogOfOne
    }

    /// Tells whether requests are given up when they are overdue.
    pub(super) fn gives_up(&self) -> bool {
        self.sabotage != Sabotage::WaitsForEver
    }

    /// Gives what the controller gets to hear instead of an event.
    pub(super) fn hears(&mut self, event: Event) -> Vec<Event> {
        if self.sabotage == Sabotage::None {
            return vec![event];
        }
        match (self.sabotage, event) {
            (Sabotage::QuorumOfOne, Event::Reported { .. })
            | (Sabotage::IgnoresPauseFile, Event::PauseFile(_))
            | (Sabotage::DeafProbe, Event::Observed(Observation { fact: Fact::Line { .. }, .. })) => Vec::new(),
            (Sabotage::StalePictures, Event::Observed(Observation { fact: Fact::Topology(_), .. }))
                if 500 < self.heard =>
            {
                Vec::new()
            }
            (Sabotage::SkipsRecords, event @ Event::Committed { .. }) => {
                self.heard = self.heard.wrapping_add(1);
                let skips = self.me == NodeId(2) && self.heard.checked_rem(9) == Some(0);
                if skips { Vec::new() } else { vec![event] }
            }
            (Sabotage::LeadsOn, Event::Role(Role::Following { .. } | Role::Leaderless(_))) if self.leads.is_some() => {
                Vec::new()
            }
            (Sabotage::JumpsToConclusions, Event::Observed(seen)) => jumped(seen),
            (_, event) => {
                self.heard = self.heard.wrapping_add(1);
                if let Event::Role(role) = &event {
                    self.leads = match role {
                        Role::Leading(term) => Some(*term),
                        Role::Following { .. } | Role::Leaderless(_) => None,
                    };
                }
                vec![event]
            }
        }
    }

    /// Gives the state that a new leader begins with, where it forgets something.
    pub(super) fn forgets(&self, role: Role, state: &State) -> Option<State> {
        if !matches!(role, Role::Leading(_)) {
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
    pub(super) fn wants(&mut self, effects: Vec<Effect>, role: Role) -> Vec<Effect> {
        if self.sabotage == Sabotage::None {
            return effects;
        }
        let mut instead = Vec::new();
        for effect in effects {
            self.want(effect, role, &mut instead);
        }
        instead
    }

    fn want(&mut self, effect: Effect, role: Role, instead: &mut Vec<Effect>) {
        let term = match role {
            Role::Leading(term) => Some(term),
            Role::Following { .. } | Role::Leaderless(_) => None,
        };
        match (self.sabotage, &effect) {
            (Sabotage::ActsBeforeCommit, Effect::Propose(entries)) => {
                for record in records(entries) {
                    if let (Body::Decided(decision), Some(term)) = (&record.body, term)
                        && let (DecisionVerdict::Act { .. }, Some(plan)) = (&decision.verdict, &decision.plan)
                    {
                        self.invent(plan, term, instead);
                    }
                }
                instead.push(effect);
            }
            (Sabotage::NoOutcomes, Effect::Propose(entries)) => {
                let drops = records(entries).iter().any(|record| matches!(record.body, Body::Outcome(_)));
                if !drops {
                    instead.push(effect);
                }
            }
            (Sabotage::ActsTwice, Effect::Apply { step, term, within, .. }) => {
                let (errand, step, term, within) = (self.next_errand(), step.clone(), *term, *within);
                instead.push(effect);
                instead.push(Effect::Apply { errand, step, term, within });
            }
            (Sabotage::ObserverActs | Sabotage::NeedsNoApproval | Sabotage::AdviceWidens, Effect::Keep(kept)) => {
                if let (Body::Decided(decision), Some(term)) = (&kept.record.body, term)
                    && let Some(plan) = &decision.plan
                {
                    let acts = match decision.verdict {
                        DecisionVerdict::WouldAct => self.sabotage == Sabotage::ObserverActs,
                        DecisionVerdict::Offer { .. } => self.sabotage == Sabotage::NeedsNoApproval,
                        DecisionVerdict::Nothing(_) => self.sabotage == Sabotage::AdviceWidens,
                        DecisionVerdict::Act { .. } => false,
                    };
                    if acts {
                        self.invent(plan, term, instead);
                    }
                }
                instead.push(effect);
            }
            (_, _) => instead.push(effect),
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
    pub(super) fn invents_reports(&self, report: &crate::control::event::PeerReport) -> Vec<Event> {
        if self.sabotage != Sabotage::QuorumOfOne {
            return Vec::new();
        }
        let others = self.voters.iter().filter(|node| **node != self.me);
        others.map(|node| Event::Reported { from: *node, report: report.clone() }).collect()
    }
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

/// A first refusal, told as two.
fn jumped(seen: Observation) -> Vec<Event> {
    let twice = matches!(seen.fact, Fact::Line { change: LineChange::Closed, .. });
    let mut told = vec![Event::Observed(seen.clone())];
    if let (true, Fact::Line { broker, path, .. }) = (twice, &seen.fact) {
        let fact = Fact::Line { broker: *broker, path: path.clone(), change: LineChange::Refused };
        told.extend([
            Event::Observed(Observation { at: seen.at, fact: fact.clone() }),
            Event::Observed(Observation { at: seen.at, fact }),
        ]);
    }
    told
}

/// Reads the records that are being proposed.
fn records(entries: &[Vec<u8>]) -> Vec<Record> {
    let mut assembler = Assembler::default();
    let whole = entries.iter().filter_map(|entry| assembler.push_entry(entry).ok().flatten());
    whole.filter_map(|bytes| from_canonical_bytes(&bytes).ok()).collect()
}
