//! What a scenario has begun so far and not ended, as far as its text can tell: nothing begins twice, nothing ends that never
//! began, and no world runs for ever.
//!
//! Deliberately by name: different faults may overlap, and each is ended by a `heal` of its own, as the world counts them; but no two
//! that decide about the same (who gets through to a listener), as the end of one would be the end of both. What only sets something (a
//! disk, a pace, a link, a pause file) may be said again. Whether one of our processes, or one that shuts down, has ended by itself the
//! text cannot tell: that is left to the run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ids::{BrokerId, ControllerId, NodeId};
use crate::sim::disk::DiskTrouble;
use crate::sim::kafka::fault::{Fault, FaultKind, Target};
use crate::sim::kafka::plan::Switch;
use crate::sim::sabotage::Sabotage;

use super::command::{Command, Foreign, Ours, Span};
use super::parse::{ScenarioError, wrong};

/// The longest that a world may run in all: 1000 days. The longest that anybody plays is a day or two; whoever writes more than a
/// thousand has mistyped, and would wait in vain.
const SPAN_MAX: Duration = Duration::from_secs(1000 * 24 * 3600);

/// What was done so far.
#[derive(Debug, Clone, Default)]
pub(super) struct SoFar {
    /// How long the world has run at most.
    span: Duration,
    sabotage: Sabotage,
    /// Controllers that are in the process of the broker of their number.
    combined: BTreeSet<ControllerId>,
    /// By process: one with two roles goes by its broker's name.
    faults: BTreeMap<(FaultKind, Target), Stage>,
    machines: BTreeMap<NodeId, Machine>,
    /// The line that deleted the topic.
    deleted: Option<usize>,
}

/// How far a fault has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It was begun in this line, and is under way.
    Begun(usize),
    /// It was healed.
    Healed,
}

/// One of our machines.
#[derive(Debug, Clone, Copy)]
struct Machine {
    process: Process,
    /// The line that stopped its process; none where it is not stopped.
    held: Option<usize>,
    disk: Option<DiskTrouble>,
}

/// Whether a machine's process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Runs,
    /// It may have ended by itself.
    Unknown,
    /// It was killed in this line.
    Dead(usize),
}

impl SoFar {
    /// Takes the command that stands in line `at` as `line`.
    ///
    /// Errors: [`ScenarioError`] where it is impossible after what stands above it.
    pub(super) fn take(&mut self, at: usize, line: &str, command: &Command) -> Result<(), ScenarioError> {
        match command {
            Command::World(setting) => {
                self.sabotage = setting.sabotage;
                if setting.combined == Switch::On {
                    self.combined.extend(setting.controllers());
                }
                Ok(())
            }
            Command::Run(span) | Command::Converge(span) => self.pass(at, line, self.span.saturating_add(*span)),
            Command::Until(span) => self.pass(at, line, *span),
            Command::Strike(fault) => self.strike(at, fault),
            Command::Heal(fault) => self.heal(at, fault),
            Command::Ours(node, what) => self.ours(at, *node, *what),
            Command::Foreign(what) => self.foreign(at, line, what),
            Command::Link(..) | Command::Person { .. } | Command::Expect(_) => Ok(()),
        }
    }

    /// Lets time pass until the world has run for `span`.
    fn pass(&mut self, at: usize, line: &str, span: Duration) -> Result<(), ScenarioError> {
        self.span = span;
        if span <= SPAN_MAX {
            return Ok(());
        }
        // Every command that lets time pass ends with its span.
        let word = line.split_whitespace().next_back().unwrap_or_default();
        Err(wrong(at, word, format!("at most 1000 days ({}) in the whole scenario", Span(SPAN_MAX))))
    }

    fn foreign(&mut self, at: usize, line: &str, what: &Foreign) -> Result<(), ScenarioError> {
        let deletes = match what {
            Foreign::Elect | Foreign::Throttle(_) => return Ok(()),
            Foreign::Reassign(..) | Foreign::MinIsr(_) => false,
            Foreign::Delete => true,
        };
        if let Some(since) = self.deleted {
            let verb = line.split_whitespace().next().unwrap_or_default();
            return Err(wrong(at, verb, format!("nothing of the topic: it is deleted since line {since}")));
        }
        self.deleted = deletes.then_some(at);
        Ok(())
    }

    fn strike(&mut self, at: usize, fault: &Fault) -> Result<(), ScenarioError> {
        for target in &fault.targets {
            let process = self.process_of(*target);
            let known = self.faults.insert((fault.kind, process), Stage::Begun(at));
            if let Some(Stage::Begun(line)) = known {
                let one = Fault::at(fault.kind, process);
                let mut expected = format!("`heal {one}` first: it is under way since line {line}");
                if process != *target {
                    expected.push_str(&format!(", and {target} is the same process"));
                }
                return Err(wrong(at, &target.to_string(), expected));
            }
            if let Some(expected) = self.in_the_way(fault.kind, process) {
                return Err(wrong(at, &target.to_string(), expected));
            }
        }
        Ok(())
    }

    /// Gives what must end before a process can suffer this, as text; none where nothing must.
    fn in_the_way(&self, kind: FaultKind, process: Target) -> Option<String> {
        self.faults.iter().find_map(|((known, at), stage)| {
            let Stage::Begun(line) = stage else { return None };
            if *at != process || *known == kind {
                return None;
            }
            let first = Fault::at(*known, process);
            if known.ends_life() && kind.takes_life() {
                return Some(format!("`heal {first}` first: it is dead since line {line}"));
            }
            let what =
                || format!("`heal {first}` first: it strikes the same since line {line}, and both would end at once");
            known.decides_with(kind).then(what)
        })
    }

    /// Gives the process that a target names.
    fn process_of(&self, target: Target) -> Target {
        match target {
            Target::Controller(id) if self.combined.contains(&id) => Target::Broker(BrokerId(id.0)),
            Target::Broker(_) | Target::Controller(_) | Target::Tanist(_) => target,
        }
    }

    fn heal(&mut self, at: usize, fault: &Fault) -> Result<(), ScenarioError> {
        for target in &fault.targets {
            let process = self.process_of(*target);
            let known = self.faults.get(&(fault.kind, process));
            // A shutdown that something held up may have ended after its broker was to start: it is started once more.
            let again = fault.kind == FaultKind::Terminate && known == Some(&Stage::Healed);
            if !again && !matches!(known, Some(Stage::Begun(_))) {
                let expected = format!("a fault that is under way there: {}", self.ails(process));
                return Err(wrong(at, &target.to_string(), expected));
            }
            self.faults.insert((fault.kind, process), Stage::Healed);
        }
        Ok(())
    }

    /// Gives what is under way at a process, as text.
    fn ails(&self, process: Target) -> String {
        let under_way = self.faults.iter().filter(|(_, stage)| matches!(stage, Stage::Begun(_)));
        let there = under_way.filter(|((_, at), _)| *at == process);
        let names: Vec<String> = there.map(|((kind, at), _)| Fault::at(*kind, *at).to_string()).collect();
        if names.is_empty() { "there is none".to_owned() } else { names.join(", ") }
    }

    fn ours(&mut self, at: usize, node: NodeId, what: Ours) -> Result<(), ScenarioError> {
        let sabotage = self.sabotage;
        let new = Machine { process: started(sabotage, None), held: None, disk: None };
        let machine = self.machines.entry(node).or_insert(new);
        let no = |expected: String| Err(wrong(at, &node.to_string(), expected));
        if let (Ours::Crash | Ours::Hold, Process::Dead(line)) = (what, machine.process) {
            return no(format!("`restart {node}` first: it is dead since line {line}"));
        }
        match what {
            Ours::Crash => {
                machine.process = Process::Dead(at);
                machine.held = None;
            }
            Ours::Restart if machine.process == Process::Runs => return no(format!("`crash {node}` first: it runs")),
            Ours::Restart => {
                machine.process = started(sabotage, machine.disk);
                machine.held = None;
            }
            Ours::Hold => {
                if let Some(line) = machine.held {
                    return no(format!("`go-on {node}` first: it is held since line {line}"));
                }
                machine.held = Some(at);
            }
            Ours::GoOn if machine.held.is_none() => return no(format!("`hold {node}` first: it is not held")),
            Ours::GoOn => machine.held = None,
            Ours::Disk(trouble) => {
                machine.disk = trouble;
                if machine.process == Process::Runs {
                    machine.process = started(sabotage, trouble);
                }
            }
            Ours::Slow(_) | Ours::Rate(_) | Ours::Wall(_) | Ours::Isolate(_) | Ours::PauseFile(_) => {}
        }
        Ok(())
    }
}

/// Gives what is known of a process that runs on such a disk: it ends by itself where the disk refuses its writes, and a sabotage
/// may end any.
fn started(sabotage: Sabotage, disk: Option<DiskTrouble>) -> Process {
    match disk {
        Some(DiskTrouble::Full | DiskTrouble::SyncFails | DiskTrouble::Rotten) => Process::Unknown,
        Some(DiskTrouble::Stalled | DiskTrouble::Slow(_)) | None if sabotage == Sabotage::None => Process::Runs,
        Some(DiskTrouble::Stalled | DiskTrouble::Slow(_)) | None => Process::Unknown,
    }
}
