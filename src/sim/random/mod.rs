//! Random worlds: faults by chance from one seed, then calm, then everything must come to its end.
//!
//! A run is a list of episodes, each with its begin and its end as commands of a scenario: what fails is shrunk by leaving
//! episodes out, and what is left is a scenario file.

mod episodes;
mod rare;
mod shrink;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decide::policy::Mode;
use crate::model::ids::NodeId;
use crate::model::record::{Body, DecisionVerdict, End};
use crate::model::time::Timestamp;

use super::checks::{Found, Violation};
use super::kafka::plan::{Switch, Version};
use super::sabotage::Sabotage;
use super::scenario::{Command, Foreign, Player, Setting, Span, Wish, text_of};
use super::trace::Trace;
use super::world::{ControllerAccess, Statistics, Told};
pub use episodes::Episode;
use rare::Rare;
pub use shrink::{Shrunk, shrink};

/// A random world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomPlan {
    /// The seed.
    pub seed: u64,
    /// For how long things go wrong.
    pub span: Duration,
    /// Brokers.
    pub brokers: u16,
    /// Partitions.
    pub partitions: u32,
    /// What is deliberately broken.
    pub sabotage: Sabotage,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The invariant that did not hold, if any.
    pub violation: Option<Violation>,
    /// How long the world ran.
    pub span: Duration,
    /// What happened, as one number.
    pub trace: Trace,
    /// How much happened.
    pub statistics: Statistics,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Findings, acts and outcomes by kind.
    pub records: BTreeMap<String, u64>,
    /// How well it was told what befell brokers.
    pub found: Found,
    /// How often each invariant was looked at.
    pub looked: BTreeMap<&'static str, u64>,
}

/// How long the world is left alone before anything goes wrong, and how long everything may take to come to its end.
const SETTLES_IN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(1800);

/// A controlled shutdown gives up by then, whatever holds it up.
const SHUTDOWNS_END_WITHIN: Duration = Duration::from_secs(60);

/// Controllers that come back have elected one by then.
const CONTROLLERS_ELECT_WITHIN: Duration = Duration::from_secs(10);

impl RandomPlan {
    /// Gives the world of this seed: its settings are drawn as well.
    #[must_use]
    pub fn setting(&self) -> Setting {
        let mut chance = super::chance::Chance::child(self.seed, "setting");
        let versions = [Version::V4_3, Version::V4_3, Version::V4_1, Version::V3_9];
        let (usual, rare) = (Setting::default(), Rare::of(self));
        let version = chance.one_of(&versions).copied().unwrap_or(Version::V4_3);
        Setting {
            seed: self.seed,
            brokers: self.brokers,
            partitions: self.partitions,
            replication: rare.replication,
            min_isr: rare.min_isr,
            version,
            controllers: if chance.happens(200) { ControllerAccess::ThroughBrokers } else { ControllerAccess::Direct },
            tuned: Switch::from(chance.happens(300)),
            fence: Switch::from(chance.happens(500)),
            // Short enough that a run of ten minutes sees the way back.
            failback_after: Duration::from_secs(60),
            writes: 20,
            writes_one: rare.writes_one,
            unregister: rare.unregister,
            combined: rare.combined,
            elr: if version == Version::V3_9 { usual.elr } else { rare.elr },
            maintenance: rare.maintenance,
            operator: rare.operator,
            readers: Switch::from(super::chance::Chance::child(self.seed, "whether anybody reads").happens(250)),
            sabotage: self.sabotage,
            adviser: super::adviser::Adviser::Moody,
            mode: match self.sabotage {
                Sabotage::ObserverActs => Mode::Observe,
                Sabotage::NeedsNoApproval => Mode::Approve,
                _ => rare.mode,
            },
            ..usual
        }
    }

    /// Gives what goes wrong.
    #[must_use]
    pub fn episodes(&self) -> Vec<Episode> {
        episodes::draw(self)
    }

    /// Plays these episodes in the world of this seed.
    #[must_use]
    pub fn play(&self, episodes: &[Episode]) -> Ran {
        self.play_aloud(episodes, &mut |_| {})
    }

    /// Plays these episodes; `hears` is told after each of their commands how long the world has run.
    #[must_use]
    pub fn play_aloud(&self, episodes: &[Episode], hears: &mut dyn FnMut(Duration)) -> Ran {
        let mut player = Player::default();
        let mut ran = Ran {
            violation: None,
            span: Duration::ZERO,
            trace: Trace::default(),
            statistics: Statistics::default(),
            faults: BTreeMap::new(),
            records: BTreeMap::new(),
            found: Found::default(),
            looked: BTreeMap::new(),
        };
        for command in self.commands(episodes) {
            if let Command::Strike(fault) = &command {
                let kind = fault.to_string().split(' ').next().unwrap_or_default().to_owned();
                count(&mut ran.faults, kind);
            } else if let Command::Ours(..) | Command::Link(..) = &command {
                let kind = command.to_string().split(' ').next().unwrap_or_default().to_owned();
                count(&mut ran.faults, kind);
            }
            let told = player.act(&command);
            told.iter().for_each(|(_, told)| tally(&mut ran.records, told));
            if player.violation().is_some() {
                break;
            }
            if let Some(world) = player.world() {
                hears(world.now().since(Timestamp(0)));
            }
        }
        if let Some(world) = player.world() {
            ran.span = world.now().since(Timestamp(0));
            ran.trace = world.trace();
            ran.statistics = world.statistics();
            ran.found = world.found();
            ran.looked.clone_from(world.looked());
        }
        ran.violation = player.violation().cloned();
        ran
    }

    /// Gives the commands that play these episodes, from the world's line to the end of everything.
    #[must_use]
    pub fn commands(&self, episodes: &[Episode]) -> Vec<Command> {
        let mut moments: Vec<(Duration, u8, Command)> = Vec::new();
        for episode in episodes {
            moments.push((episode.at, 1, episode.begin.clone()));
            if let Some((lasts, ends)) = &episode.end {
                moments.extend(ends.iter().map(|end| (episode.at.saturating_add(*lasts), 0, end.clone())));
            }
        }
        moments.sort_by_key(|one| (one.0, one.1));
        let mut commands = vec![Command::World(Box::new(self.setting())), Command::Run(SETTLES_IN)];
        let mut now = Duration::ZERO;
        for (at, _, command) in moments {
            if now < at {
                commands.push(Command::Run(at.saturating_sub(now)));
                now = at;
            }
            commands.push(command);
        }
        // A shutdown that a sick disk held up may have ended after its broker was to start again.
        let shut: Vec<Command> = episodes.iter().filter_map(Episode::shutdown).collect();
        if !shut.is_empty() {
            commands.push(Command::Run(SHUTDOWNS_END_WITHIN));
            commands.extend(shut);
        }
        // What was asked of a controller that was stopped was lost: whoever has set something sets it back when all is well.
        let left = self.left_behind(episodes);
        if !left.is_empty() {
            commands.push(Command::Run(CONTROLLERS_ELECT_WITHIN));
            commands.extend(left);
        }
        // A resume that was asked of a dead node was lost: nobody may have left the trio paused.
        for via in [1, 2, 3].map(NodeId) {
            commands.push(Command::Person { by: "bob".to_owned(), via, asks: Wish::Resume });
        }
        commands.extend(Rare::of(self).leaves.map(|(node, how)| Command::Ours(node, how)));
        commands.push(Command::Converge(ENDS_WITHIN));
        commands
    }

    /// Gives how what people have set is set back.
    fn left_behind(&self, episodes: &[Episode]) -> Vec<Command> {
        let sets = |what: fn(&Foreign) -> bool| {
            episodes.iter().any(|episode| matches!(&episode.begin, Command::Foreign(foreign) if what(foreign)))
        };
        let throttle = sets(|one| matches!(one, Foreign::Throttle(Some(_)))).then_some(Foreign::Throttle(None));
        let counts = sets(|one| matches!(one, Foreign::MinIsr(_))) && !sets(|one| *one == Foreign::Delete);
        let min_isr = counts.then(|| Foreign::MinIsr(self.setting().min_isr_at_first()));
        throttle.into_iter().chain(min_isr).map(Command::Foreign).collect()
    }

    /// Gives the episodes of a run that fails as a scenario file, its answers still to be written.
    #[must_use]
    pub fn failing(&self, episodes: &[Episode], why: &Violation) -> String {
        let title = format!("Found by seed {} after {}: {why}", self.seed, Span(self.span));
        text_of(&title, &self.commands(episodes))
    }

    /// Gives the whole run as a scenario file, its answers still to be written.
    #[must_use]
    pub fn whole(&self) -> String {
        text_of(
            &format!("All that befalls the world of seed {} in {}", self.seed, Span(self.span)),
            &self.commands(&self.episodes()),
        )
    }
}

fn count(sums: &mut BTreeMap<String, u64>, what: String) {
    let sum = sums.entry(what).or_default();
    *sum = sum.saturating_add(1);
}

fn tally(sums: &mut BTreeMap<String, u64>, told: &Told) {
    let Told::Recorded(_, record) = told else { return };
    match &record.body {
        Body::Opened(finding) | Body::Reclassified { to: finding, .. } => {
            count(sums, format!("finding {}", finding.kind));
        }
        Body::Decided(decision) if matches!(decision.verdict, DecisionVerdict::Act { .. }) => {
            let plan = decision.plan.as_ref();
            let acts = plan.into_iter().flat_map(|plan| plan.steps.iter()).map(|step| step.act.name());
            for act in acts {
                count(sums, format!("act {act}"));
            }
        }
        Body::Outcome(outcome) => {
            let end = match outcome.end {
                End::Done => "done",
                End::Partly => "partly",
                End::NotDone => "not done",
                End::Unknown => "unknown",
            };
            count(sums, format!("outcome {end}"));
        }
        Body::Closed { how } => count(sums, format!("closed {how:?}")),
        Body::Attention { .. } => count(sums, "attention".to_owned()),
        _ => {}
    }
}
