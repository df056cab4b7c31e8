//! Reads a scenario: blocks of comment, command and answer. An error names line, word and what was expected.
//!
//! Whatever can be known to be impossible (a broker that does not exist, a time that runs backwards, an end of what never began)
//! is refused here, before anything runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::ids::{BrokerId, NodeId};
use crate::sim::kafka::fault::{Fault, NAMES, Path, Target, Vantage};

use super::command::{Command, Expectation, Foreign, Span};
use super::setting::Setting;
use super::so_far::SoFar;
use super::verbs::{EXPECTATIONS, invariant, link, machine, misfit, ours, person, read_span};

/// The line that stands between a command and its answer.
pub(super) const RULE: &str = "----";

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {word:?}: expected {expected}")]
pub struct ScenarioError {
    /// The line, from 1.
    pub line: usize,
    /// The word; empty where one is missing.
    pub word: String,
    /// What should stand there.
    pub expected: String,
}

/// A block of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Comments and blank lines above the command, as they stand.
    pub(super) above: String,
    /// The line of the command, from 1.
    pub(super) at: usize,
    pub(super) command: Command,
    /// The command as it was written.
    pub(super) text: String,
}

/// What a scenario says, block by block, and what stands below the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) blocks: Vec<Block>,
    pub(super) below: String,
}

/// What is known of the world while its scenario is read.
#[derive(Debug, Clone, Default)]
struct Known {
    setting: Option<Setting>,
    /// How far time has come; none once nobody can tell any more.
    now: Option<Duration>,
}

/// Reads a whole scenario; answers in it are left out.
pub(super) fn parse(text: &str) -> Result<Script, ScenarioError> {
    let (mut blocks, mut above) = (Vec::new(), String::new());
    let (mut known, mut so_far) = (Known::default(), SoFar::default());
    let mut lines = text.lines().enumerate().peekable();
    while let Some((place, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            let _ = writeln!(above, "{line}");
            continue;
        }
        let at = place.saturating_add(1);
        if line == RULE {
            return Err(wrong(at, RULE, "a command above it"));
        }
        let command = known.read(at, line)?;
        so_far.take(at, line, &command)?;
        blocks.push(Block { above: std::mem::take(&mut above), at, command, text: line.trim_end().to_owned() });
        if lines.peek().is_some_and(|(_, next)| *next == RULE) {
            lines.next();
            // The answer ends at the first blank line.
            while lines.peek().is_some_and(|(_, next)| !next.trim().is_empty()) {
                lines.next();
            }
        }
    }
    if blocks.is_empty() {
        return Err(wrong(text.lines().count().max(1), "", "`world seed=...`: a scenario begins with its world"));
    }
    Ok(Script { blocks, below: above })
}

/// Reads commands one by one in a world that stands already.
#[derive(Debug, Clone)]
pub struct Interpreter(Known);

impl Interpreter {
    /// Gives an interpreter for this world.
    #[must_use]
    pub fn of(setting: &Setting) -> Self {
        Self(Known { setting: Some(setting.clone()), now: None })
    }

    /// Reads the command of line `at`.
    ///
    /// Errors: [`ScenarioError`] names the word and what was expected.
    pub fn read(&mut self, at: usize, line: &str) -> Result<Command, ScenarioError> {
        self.0.read(at, line)
    }
}

pub(super) fn wrong(line: usize, word: &str, expected: impl Into<String>) -> ScenarioError {
    ScenarioError { line, word: word.to_owned(), expected: expected.into() }
}

impl Known {
    fn read(&mut self, at: usize, line: &str) -> Result<Command, ScenarioError> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let first = self.setting.is_none();
        if first != (verb == "world") {
            let expected = if first { "`world seed=...` first" } else { "one world only" };
            return Err(wrong(at, verb, expected));
        }
        let command = match verb {
            "world" => self.world(at, &rest)?,
            "run" | "until" => self.time(at, verb, &rest)?,
            "crash"
            | "restart"
            | "hold"
            | "go-on"
            | "cut"
            | "join"
            | "pause-file"
            | "no-pause-file"
            | "unreadable-pause-file" => ours(at, verb, &rest)?,
            "disk" | "slow" | "clock" => machine(at, verb, &rest)?,
            "link" => link(at, &rest)?,
            "approve" | "reject" | "pause" | "resume" | "undo" => person(at, verb, &rest)?,
            "reassign" | "elect" | "delete-topic" | "throttle" | "min-isr" => self.foreign(at, verb, &rest)?,
            "expect" => self.expectation(at, &rest)?,
            "must" => {
                self.now = None;
                match rest.as_slice() {
                    ["converge", "within", span] => Command::Converge(read_span(at, span)?),
                    other => {
                        let word = misfit(other, &["converge within SPAN"]);
                        return Err(wrong(at, word, "`must converge within SPAN`"));
                    }
                }
            }
            "heal" => Command::Heal(self.fault(at, &rest.join(" "))?),
            _ => Command::Strike(self.fault(at, line.trim())?),
        };
        Ok(command)
    }

    fn world(&mut self, at: usize, rest: &[&str]) -> Result<Command, ScenarioError> {
        let mut setting = Setting::default();
        let mut keys = BTreeSet::new();
        for word in rest {
            let (key, value) = word.split_once('=').ok_or_else(|| wrong(at, word, "key=value"))?;
            if !keys.insert(key) {
                return Err(wrong(at, word, format!("each key once: {key} stands before")));
            }
            setting.take(key, value).map_err(|expected| wrong(at, word, expected))?;
        }
        if setting.brokers < setting.replication {
            let word = format!("replication={}", setting.replication);
            return Err(wrong(at, &word, format!("at most as many replicas as brokers ({})", setting.brokers)));
        }
        setting.has_its_elr(&keys).map_err(|expected| wrong(at, "elr=on", expected))?;
        setting.has_its_controllers().map_err(|expected| wrong(at, "combined=on", expected))?;
        let named = setting.maintenance.iter().chain(&setting.leader);
        if let Some(stranger) = named.copied().find(|id| i32::from(setting.brokers) < id.0) {
            return Err(wrong(
                at,
                &stranger.to_string(),
                format!("a broker of this world: b1 to b{}", setting.brokers),
            ));
        }
        self.setting = Some(setting.clone());
        self.now = Some(Duration::ZERO);
        Ok(Command::World(Box::new(setting)))
    }

    fn time(&mut self, at: usize, verb: &str, rest: &[&str]) -> Result<Command, ScenarioError> {
        let [word] = rest else { return Err(wrong(at, rest.get(1).unwrap_or(&""), "one span such as 10s")) };
        let span = read_span(at, word)?;
        if verb == "run" {
            self.now = self.now.map(|now| now.saturating_add(span));
            return Ok(Command::Run(span));
        }
        let Some(now) = self.now else {
            return Err(wrong(at, word, "`run SPAN`: nobody can tell the time after `must converge`"));
        };
        if span < now {
            return Err(wrong(at, word, format!("a time from {} on: time does not run backwards", Span(now))));
        }
        self.now = Some(span);
        Ok(Command::Until(span))
    }

    fn fault(&self, at: usize, text: &str) -> Result<Fault, ScenarioError> {
        let fault: Fault = text.parse().map_err(|error: crate::sim::kafka::fault::FaultError| {
            let expected = if error.expected.contains(NAMES) {
                format!("a command (world, run, until, crash, ..., expect, must) or {}", error.expected)
            } else {
                error.expected
            };
            wrong(at, &error.word, expected)
        })?;
        let victims = fault.kind.victims();
        for target in &fault.targets {
            self.exists(at, *target)?;
            if !victims.include(*target) {
                let expected = format!("{victims}: {} strikes nothing else", fault.kind.name());
                return Err(wrong(at, &target.to_string(), expected));
            }
        }
        if let Vantage::Only(Path::Tanist(node)) = fault.kind.vantage()
            && !(1..=3).contains(&node.0)
        {
            return Err(wrong(at, &Path::Tanist(node).to_string(), "tanist1, tanist2 or tanist3"));
        }
        Ok(fault)
    }

    fn exists(&self, at: usize, target: Target) -> Result<(), ScenarioError> {
        match target {
            Target::Broker(broker) => self.broker(at, &broker.to_string()).map(|_| ()),
            Target::Controller(id) => {
                let has = self.setting.as_ref().map_or(Ok(()), |setting| setting.has_controller(id));
                has.map_err(|expected| wrong(at, &target.to_string(), expected))
            }
            Target::Tanist(NodeId(1..=3)) => Ok(()),
            Target::Tanist(_) => Err(wrong(at, &target.to_string(), "t1, t2 or t3")),
        }
    }

    fn broker(&self, at: usize, word: &str) -> Result<BrokerId, ScenarioError> {
        let most = self.setting.as_ref().map_or(0, |setting| i32::from(setting.brokers));
        let broker = word.strip_prefix('b').and_then(|digits| digits.parse().ok());
        broker
            .filter(|id| (1..=most).contains(id))
            .map(BrokerId)
            .ok_or_else(|| wrong(at, word, format!("a broker of this world: b1 to b{most}")))
    }

    fn partition(&self, at: usize, word: &str) -> Result<u32, ScenarioError> {
        let most = self.setting.as_ref().map_or(0, |setting| setting.partitions);
        let number = word.strip_prefix('p').and_then(|digits| digits.parse().ok());
        number
            .filter(|number| *number < most)
            .ok_or_else(|| wrong(at, word, format!("a partition of this world: p0 to p{}", most.saturating_sub(1))))
    }

    fn foreign(&self, at: usize, verb: &str, rest: &[&str]) -> Result<Command, ScenarioError> {
        Ok(Command::Foreign(match (verb, rest) {
            ("reassign", [partition, "to", brokers]) => {
                let list = brokers.split(',').map(|word| self.broker(at, word)).collect::<Result<Vec<_>, _>>()?;
                let different: BTreeSet<_> = list.iter().collect();
                if different.len() != list.len() {
                    return Err(wrong(at, brokers, "each broker once"));
                }
                Foreign::Reassign(self.partition(at, partition)?, list)
            }
            ("elect", ["all"]) => Foreign::Elect,
            ("delete-topic", []) => Foreign::Delete,
            ("throttle", ["none"]) => Foreign::Throttle(None),
            ("throttle", [word]) => {
                let rate = word.parse().map_err(|_not| wrong(at, word, "bytes a second, such as 100000, or `none`"))?;
                Foreign::Throttle(Some(rate))
            }
            ("min-isr", [word]) => {
                let least = word.parse().ok().filter(|least| (1..=9).contains(least));
                Foreign::MinIsr(least.ok_or_else(|| wrong(at, word, "in-sync replicas: 1 to 9"))?)
            }
            _ => {
                let form = match verb {
                    "reassign" => "p3 to BROKERS",
                    "elect" => "all",
                    "throttle" => "RATE",
                    "min-isr" => "LEAST",
                    _ => "",
                };
                let expected = "`reassign p3 to b1,b2`, `elect all`, `throttle 100000`, `min-isr 1` or `delete-topic`";
                return Err(wrong(at, misfit(rest, &[form]), expected));
            }
        }))
    }

    fn expectation(&self, at: usize, rest: &[&str]) -> Result<Command, ScenarioError> {
        Ok(Command::Expect(match rest {
            [broker, "leads", "nothing"] => Expectation::LeadsNothing(self.broker(at, broker)?),
            [partition, "led", "by", broker] => {
                Expectation::LedBy(self.partition(at, partition)?, self.broker(at, broker)?)
            }
            [partition, "blocked"] => Expectation::Blocked(self.partition(at, partition)?),
            ["all", "serve"] => Expectation::Serving,
            ["nothing", "lost"] => Expectation::NothingLost,
            ["nothing", "sent"] => Expectation::Untouched,
            ["a", "leader"] => Expectation::Leader,
            ["violation", number] => Expectation::Violation(invariant(at, number)?),
            other => {
                let forms: Vec<String> = EXPECTATIONS.iter().map(|form| format!("`{form}`")).collect();
                return Err(wrong(at, misfit(other, &EXPECTATIONS), forms.join(", ")));
            }
        }))
    }
}
