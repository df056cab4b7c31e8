//! The demo: a simulated cluster and trio that a person breaks from the keyboard, and what is told of it.
//!
//! Deliberately without clock and terminal: whoever shows it lets time pass, and hands in what was typed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::{BrokerId, NodeId};
use crate::model::time::Timestamp;

use super::kafka::fault::{Fault, Target};
use super::kafka::plan::Switch;
use super::kafka::talk::Acks;
use super::scenario::{Command, Interpreter, Player, ScenarioError, Setting};

/// What to type, for whoever asks.
pub const HELP: &str = "\
kill b1, stop b1, terminate b1      a broker dies, hangs, or is shut down in good order (k101 to k103: a controller)
client-cut b1 from tanist2, ...     any fault of simulations/README.md
heal b1, heal all                   what was done to it ends: it starts, goes on, is reached again
crash n1, restart n1                one of ours dies, and comes back; hold n1 and go-on n1 stop it for a while
cut n1, join n1                     one of ours is cut off from the other two
pause, resume                       you stop automation, and let it go on
approve, reject                     your word on the newest plan that waits for one
status                              who leads what, and what is open
help, q                             this; the end";

/// A simulated cluster and trio, and what a person does to it.
pub struct Demo {
    player: Player,
    interpreter: Interpreter,
    setting: Setting,
    struck: Vec<Fault>,
    typed: usize,
}

/// What follows from a line that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// These lines.
    Lines(Vec<String>),
    /// The line says nothing that can be done, and why.
    Misunderstood(String),
    /// The person has seen enough.
    Ends,
}

impl Demo {
    /// Begins a demo of this seed: four brokers, six partitions, a steady writer; waits are short, so that the way back is seen.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let setting = Setting {
            seed,
            brokers: 4,
            partitions: 6,
            fence: Switch::On,
            failback_after: Duration::from_secs(20),
            cool_down: Duration::from_secs(10),
            writes: 20,
            ..Setting::default()
        };
        let mut player = Player::default();
        let _ = player.play(&Command::World(Box::new(setting.clone())));
        Self { player, interpreter: Interpreter::of(&setting), setting, struck: Vec::new(), typed: 0 }
    }

    /// Lets time pass; gives what happened.
    pub fn pass(&mut self, span: Duration) -> Vec<String> {
        self.player.pass(span)
    }

    /// Gives the invariant that was violated, if any.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        self.player.violation().map(ToString::to_string)
    }

    /// Does what was typed.
    pub fn take(&mut self, line: &str) -> Reply {
        self.typed = self.typed.saturating_add(1);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Reply::Lines(Vec::new()),
            ["q" | "quit" | "exit"] => Reply::Ends,
            ["help" | "?"] => Reply::Lines(HELP.lines().map(str::to_owned).collect()),
            ["status"] => Reply::Lines(self.status()),
            ["heal", what] => self.heal(what),
            ["world" | "run" | "until" | "expect" | "must", ..] => {
                Reply::Misunderstood("here time passes by itself, and nothing is expected: type help".to_owned())
            }
            [verb @ ("pause" | "resume" | "approve" | "reject")] => {
                let via = self.whom();
                self.play(&format!("{verb} by you via {via}"))
            }
            _ => self.play(line.trim()),
        }
    }

    fn play(&mut self, line: &str) -> Reply {
        let command = match self.interpreter.read(self.typed, line) {
            Ok(command) => command,
            Err(error) => {
                let ScenarioError { word, expected, .. } = self.clearer(line, error);
                return Reply::Misunderstood(format!("{word:?}: expected {expected}; type help"));
            }
        };
        let lines = self.player.play(&command);
        let done = !lines.iter().any(|line| line.starts_with("no: "));
        match command {
            Command::Strike(fault) if done => self.struck.push(fault),
            Command::Heal(fault) if done => self.struck.retain(|one| *one != fault),
            _ => {}
        }
        Reply::Lines(lines)
    }

    /// Gives what is wrong with a line: where only a target seems to be missing, the first word may be none that is known.
    fn clearer(&mut self, line: &str, error: ScenarioError) -> ScenarioError {
        let verb = line.split_whitespace().next().unwrap_or_default();
        let unknown = |other: &ScenarioError| error.word.is_empty() && other.word == verb;
        self.interpreter.read(self.typed, &format!("{line} b1")).err().filter(unknown).unwrap_or(error)
    }

    /// Ends everything that was done to one broker or controller, or to all.
    fn heal(&mut self, what: &str) -> Reply {
        let meant = |fault: &&Fault| what == "all" || fault.targets.iter().any(|target| target.to_string() == what);
        let faults: Vec<Fault> = self.struck.iter().filter(meant).cloned().collect();
        if faults.is_empty() {
            let all: BTreeSet<&Target> = self.struck.iter().flat_map(|fault| &fault.targets).collect();
            let names: Vec<String> = all.into_iter().map(ToString::to_string).collect();
            let ails = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Reply::Misunderstood(format!("{what:?}: nothing was done to it; what can be healed: {ails}"));
        }
        let mut lines = Vec::new();
        for fault in faults {
            lines.extend(self.player.play(&Command::Heal(fault.clone())));
            self.struck.retain(|one| *one != fault);
        }
        Reply::Lines(lines)
    }

    /// Gives the node that a person asks: our leader, or the first.
    fn whom(&self) -> NodeId {
        self.player.world().and_then(super::world::World::leader).unwrap_or(NodeId(1))
    }

    /// Says how everything stands, one line each.
    #[must_use]
    pub fn status(&self) -> Vec<String> {
        let Some(world) = self.player.world() else { return Vec::new() };
        let truth = world.kafka().truth();
        let mut lines = Vec::new();
        for id in (1..=self.setting.brokers).map(|id| BrokerId(i32::from(id))) {
            let led = truth.partitions().filter(|one| truth.leader(*one) == Some(id));
            let standing = truth.registration(id).map_or("not registered".to_owned(), |one| one.standing.to_string());
            let process = match (truth.has_process(id), truth.works(id)) {
                (false, _) => "dead",
                (true, false) => "does not work",
                (true, true) => "works",
            };
            lines.push(format!("{id}: {process}, {standing}, leads {}", led.count()));
        }
        let serving =
            truth.partitions().filter(|id| truth.serves(*id, Acks::All, super::kafka::fault::Path::Clients)).count();
        lines.push(format!("{serving} of {} partitions take acks=all writes", self.setting.partitions));
        let leader = world.leader();
        lines.push(leader.map_or_else(|| "nobody of us leads".to_owned(), |leader| format!("{leader} leads us")));
        if let Some(state) = leader.and_then(|leader| world.state_of(leader)) {
            for (id, case) in &state.cases {
                lines.push(format!("case {id}: {} of {}", case.finding.kind, case.finding.broker));
            }
            if state.paused.is_some() {
                lines.push("automation is paused".to_owned());
            }
        }
        lines.push(format!("{} s have passed", world.now().since(Timestamp(0)).as_secs()));
        lines
    }

    /// Says how many requests changed Kafka, and that nothing was lost.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(world) = self.player.world() else { return String::new() };
        let (touches, lost) = (world.statistics().touches, world.kafka().truth().lost().len());
        let seconds = world.now().since(Timestamp(0)).as_secs();
        let lost =
            if lost == 0 { "nothing that was acknowledged was lost".to_owned() } else { format!("{lost} losses") };
        format!("{seconds} s passed, the trio sent {touches} requests that change Kafka; {lost}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reply: Reply) -> String {
        match reply {
            Reply::Lines(lines) => lines.join("\n"),
            Reply::Misunderstood(why) => panic!("{why}"),
            Reply::Ends => "ends".to_owned(),
        }
    }

    #[test]
    fn a_killed_broker_is_moved_away_from_and_comes_back() {
        let mut demo = Demo::new(1);
        demo.pass(Duration::from_secs(30));
        assert!(lines(demo.take("kill b1")).contains("begins: kill b1"));
        let told = demo.pass(Duration::from_secs(5)).join("\n");
        assert!(told.contains("finding") && told.contains("outcome"), "{told}");
        assert!(lines(demo.take("status")).contains("b1: dead"));
        assert!(lines(demo.take("heal b1")).contains("ends: kill b1"));
        let told = demo.pass(Duration::from_secs(120)).join("\n");
        assert!(told.contains("closed"), "{told}");
        assert_eq!(demo.violation(), None);
    }

    #[test]
    fn what_cannot_be_done_is_explained() {
        let mut demo = Demo::new(1);
        demo.pass(Duration::from_secs(5));
        for (line, why) in [
            ("kill b9", "b1 to b4"),
            ("dance", "a command"),
            ("crash n7", "n1, n2 or n3"),
            ("heal b2", "nothing was done to it"),
            ("run 5s", "by itself"),
        ] {
            let Reply::Misunderstood(said) = demo.take(line) else { panic!("{line} was understood") };
            assert!(said.contains(why), "{line}: {said}");
        }
        assert_eq!(demo.take("q"), Reply::Ends);
        assert_eq!(demo.take("  "), Reply::Lines(Vec::new()));
        assert!(lines(demo.take("restart n1")).contains("no: n1 runs already"));
    }

    #[test]
    fn a_pause_goes_to_whoever_leads() {
        let mut demo = Demo::new(1);
        demo.pass(Duration::from_secs(10));
        assert!(lines(demo.take("pause")).contains("paused"));
        assert!(lines(demo.take("status")).contains("automation is paused"));
        assert!(lines(demo.take("resume")).contains("resumed"));
    }
}
