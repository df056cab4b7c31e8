//! Plays commands on a world: what each answers, and whether it went as it must.

use std::time::Duration;

use crate::control::event::PauseFile;
use crate::model::ids::{ControllerId, NodeId, PartitionId, TopicId};
use crate::model::operator::{Ask, DigestPrefix, Reason};
use crate::model::time::Timestamp;
use crate::sim::checks::Violation;
use crate::sim::clock::TRUE_RATE;
use crate::sim::kafka::fault::Path;
use crate::sim::kafka::talk::{Acks, Copies, ElectionKind, Order, Rates, ReplicaCount, Request, Throttled};
use crate::sim::world::{CannotBe, Told, World};

use super::command::{Command, Expectation, Foreign, Ours, Wish};
use super::setting::Setting;
use super::timeline::line;

/// How often it is looked whether everything has come to its end.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a foreign request is given before the next command.
const FOREIGN_TAKES: Duration = Duration::from_millis(200);

/// A world on which commands are played.
pub struct Player {
    world: Option<World>,
    start: Timestamp,
    violation: Option<Violation>,
    /// What did not go as it must.
    failures: Vec<String>,
    /// The number that no check reports.
    muted: Option<String>,
    /// What was played and when it was over, where the world is measured.
    course: Option<Vec<(Command, Timestamp)>>,
}

impl Default for Player {
    fn default() -> Self {
        Self { world: None, start: Timestamp(0), violation: None, failures: Vec::new(), muted: None, course: None }
    }
}

impl Player {
    /// Gives a player that measures what its world comes to for clients, and notes what is played.
    pub(super) fn measuring() -> Self {
        Self { course: Some(Vec::new()), ..Self::default() }
    }

    /// Gives what was played, each with when it was over; nothing where nobody measures.
    pub(super) fn course(&self) -> &[(Command, Timestamp)] {
        self.course.as_deref().unwrap_or_default()
    }

    fn note(&mut self, command: &Command, over: Timestamp) {
        if let Some(course) = self.course.as_mut() {
            course.push((command.clone(), over));
        }
    }

    /// Plays one command; gives its answer, line by line.
    pub fn play(&mut self, command: &Command) -> Vec<String> {
        if let Command::World(setting) = command {
            let mut world = self.begun(setting);
            world.watch_kafka();
            self.start = world.now();
            self.note(command, self.start);
            self.world = Some(world);
            let racks = setting.brokers.min(3);
            return vec![format!(
                "{} brokers in {racks} racks, {} partitions, all in sync; three nodes start",
                setting.brokers, setting.partitions
            )];
        }
        if self.violation.is_some() && !matches!(command, Command::Expect(Expectation::Violation(_))) {
            return vec!["not played: an invariant is violated".to_owned()];
        }
        let Some(mut world) = self.world.take() else { return vec!["there is no world".to_owned()] };
        let answer = self.on(&mut world, command);
        self.note(command, world.now());
        let mut lines = self.lines(&mut world);
        self.world = Some(world);
        lines.extend(answer);
        if lines.is_empty() {
            lines.push("nothing happens".to_owned());
        }
        lines
    }

    /// Lets time pass for whoever watches: gives what happened, which may be nothing.
    pub fn pass(&mut self, span: Duration) -> Vec<String> {
        let Some(mut world) = self.world.take().filter(|_| self.violation.is_none()) else { return Vec::new() };
        let answer = self.on(&mut world, &Command::Run(span));
        let mut lines = self.lines(&mut world);
        self.world = Some(world);
        lines.extend(answer);
        lines
    }

    /// Lets no check report this number, from the world's beginning on.
    pub fn mute(&mut self, number: &str) {
        self.muted = Some(number.to_owned());
    }

    fn begun(&self, setting: &Setting) -> World {
        let mut world = World::new(&setting.plan());
        if let Some(number) = &self.muted {
            world.mute(number);
        }
        if self.course.is_some() {
            world.measure();
        }
        world
    }

    fn lines(&self, world: &mut World) -> Vec<String> {
        let told = world.take_told();
        told.iter().filter_map(|(at, told)| line(Timestamp(at.0.saturating_sub(self.start.0)), told)).collect()
    }

    /// Plays one command for whoever only counts: gives what was told. What has not come to its end is a violation.
    pub fn act(&mut self, command: &Command) -> Vec<(Timestamp, Told)> {
        if let Command::World(setting) = command {
            self.world = Some(self.begun(setting));
            return Vec::new();
        }
        let Some(mut world) = self.world.take() else { return Vec::new() };
        let _ = self.on(&mut world, command);
        if let (Command::Converge(_), None, Some(unfinished)) = (command, &self.violation, world.unfinished()) {
            self.violation = Some(unfinished);
        }
        let told = world.take_told();
        self.world = Some(world);
        told
    }

    /// Plays what befalls Kafka and our machines, and lets time pass until then. What people ask of the trio, and what must be so, is
    /// left out.
    pub(super) fn follow(&mut self, command: &Command, until: Timestamp) {
        if let Command::World(setting) = command {
            self.world = Some(self.begun(setting));
            return;
        }
        let Some(mut world) = self.world.take() else { return };
        match command {
            Command::Strike(_) | Command::Heal(_) | Command::Ours(..) | Command::Link(..) | Command::Foreign(_) => {
                // What cannot be done was said where the scenario was played.
                let _ = self.on(&mut world, command);
            }
            Command::World(_)
            | Command::Run(_)
            | Command::Until(_)
            | Command::Person { .. }
            | Command::Expect(_)
            | Command::Converge(_) => {}
        }
        while world.now() < until {
            // Kafka goes on, whatever a check has to say about the trio.
            let _ = world.run_for(until.since(world.now()));
        }
        self.world = Some(world);
    }

    /// Gives the invariant that was violated, if any.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Gives what did not go as it must.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Gives the world, once there is one.
    #[must_use]
    pub fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    fn on(&mut self, world: &mut World, command: &Command) -> Option<String> {
        match command {
            Command::World(_) => None,
            Command::Run(span) => self.checked(world.run_for(*span)),
            Command::Until(span) => {
                let end = self.start.plus(*span);
                self.checked(world.run_for(end.since(world.now())))
            }
            Command::Strike(fault) => Some(match world.inflict(fault) {
                Ok(()) => format!("begins: {fault}"),
                Err(why) => self.failed(why.to_string()),
            }),
            Command::Heal(fault) => Some(match world.heal(fault) {
                Ok(()) => format!("ends: {fault}"),
                Err(why) => self.failed(why.to_string()),
            }),
            Command::Ours(node, what) => self.ours(world, *node, *what),
            Command::Link(from, to, trouble) => {
                world.link(*from, *to, *trouble);
                Some(format!("the link from {from} to {to} is as said"))
            }
            Command::Person { by, via, asks } => self.person(world, by, *via, asks),
            Command::Foreign(what) => self.foreign(world, what),
            Command::Expect(what) => Some(self.expect(world, what)),
            Command::Converge(span) => self.converge(world, *span),
        }
    }

    fn checked(&mut self, ran: Result<(), Violation>) -> Option<String> {
        let violation = ran.err()?;
        let text = format!("violation {violation}");
        self.violation = Some(violation);
        Some(text)
    }

    fn failed(&mut self, why: String) -> String {
        self.failures.push(why.clone());
        format!("no: {why}")
    }

    fn ours(&mut self, world: &mut World, node: NodeId, what: Ours) -> Option<String> {
        let done: Result<&str, CannotBe> = match what {
            Ours::Crash => world.crash(node).map(|()| "is dead"),
            Ours::Restart => world.start(node).map(|()| "starts"),
            Ours::Hold => world.hold(node).map(|()| "is stopped"),
            Ours::GoOn => {
                let ran = world.go_on(node);
                if ran.is_err() {
                    return self.checked(ran);
                }
                Ok("goes on")
            }
            Ours::Disk(trouble) => world.disk(node, trouble).map(|()| "has another disk now"),
            Ours::Slow(each) => {
                world.slow(node, each);
                Ok("has another pace now")
            }
            Ours::Rate(permille) => {
                world.clock_rate(node, permille.saturating_mul(TRUE_RATE / 1000));
                Ok("has another clock now")
            }
            Ours::Wall(by) => {
                world.wall_jump(node, by);
                Ok("has another date now")
            }
            Ours::Isolate(cut) => {
                world.isolate(node, cut);
                Ok(if cut == crate::sim::net::Cut::Yes { "is cut off from the others" } else { "is joined again" })
            }
            Ours::PauseFile(file) => {
                world.pause_file(node, file);
                Ok(match file {
                    PauseFile::Present => "has a pause file",
                    PauseFile::Unreadable => "has a pause file that cannot be read",
                    PauseFile::Absent => "has no pause file",
                })
            }
        };
        Some(match done {
            Ok(words) => format!("{node} {words}"),
            Err(why) => self.failed(why.to_string()),
        })
    }

    fn person(&mut self, world: &mut World, by: &str, via: NodeId, asks: &Wish) -> Option<String> {
        let Ok(reason) = "because a scenario says so".parse::<Reason>() else { return None };
        let ask = match asks {
            Wish::Pause => Ask::Pause { reason },
            Wish::Resume => Ask::Resume,
            Wish::Undo(case) => Ask::Undo { case: *case },
            Wish::Approve | Wish::Reject => {
                let Some(digest) = newest_offer(world) else {
                    return Some(self.failed("nothing is on offer".to_owned()));
                };
                if *asks == Wish::Approve { Ask::Approve { digest } } else { Ask::Reject { digest, reason } }
            }
        };
        world.ask(via, by, ask);
        self.checked(world.run_for(FOREIGN_TAKES))
    }

    fn foreign(&mut self, world: &mut World, what: &Foreign) -> Option<String> {
        let topic = world.kafka().truth().topics().next().map(|(id, _)| id).unwrap_or_default();
        let requests = match what {
            Foreign::Reassign(partition, brokers) => {
                let orders =
                    vec![Order { partition: partition_of(topic, *partition), replicas: Some(brokers.clone()) }];
                vec![Request::Reassign { orders, count: ReplicaCount::Free }]
            }
            Foreign::Elect => vec![Request::Elect { kind: ElectionKind::Preferred, partitions: None }],
            Foreign::Delete => vec![Request::DeleteTopic(topic)],
            Foreign::Throttle(per_s) => throttles(world, topic, *per_s),
            Foreign::MinIsr(min_isr) => vec![Request::SetMinIsr { topic, min_isr: *min_isr }],
        };
        let Some(ControllerId(active)) = world.kafka().truth().active_controller() else {
            return Some(self.failed("no controller is active".to_owned()));
        };
        world.foreign(ControllerId(active), requests);
        self.checked(world.run_for(FOREIGN_TAKES))
    }

    fn expect(&mut self, world: &World, what: &Expectation) -> String {
        let truth = world.kafka().truth();
        let topic = truth.topics().next().map(|(id, _)| id).unwrap_or_default();
        let holds = match what {
            Expectation::LeadsNothing(broker) => !truth.leads(*broker),
            Expectation::LedBy(partition, broker) => truth.leader(partition_of(topic, *partition)) == Some(*broker),
            Expectation::Serving => truth.partitions().all(|id| truth.serves(id, Acks::All, Path::Clients)),
            Expectation::Blocked(partition) => !truth.serves(partition_of(topic, *partition), Acks::All, Path::Clients),
            Expectation::NothingLost => world.nothing_lost(),
            Expectation::Untouched => world.statistics().touches == 0,
            Expectation::Leader => world.leader().is_some(),
            Expectation::Violation(number) => {
                self.violation.as_ref().is_some_and(|violation| violation.number == number.as_str())
            }
        };
        if holds { "yes".to_owned() } else { self.failed(format!("expected {what}")) }
    }

    fn converge(&mut self, world: &mut World, within: Duration) -> Option<String> {
        let began = world.now();
        let mut last = None;
        while world.now().since(began) < within {
            if let Some(answer) = self.checked(world.run_for(LOOK_EVERY)) {
                return Some(answer);
            }
            last = world.unfinished();
            if last.is_none() {
                let took = world.now().since(began).as_secs();
                return Some(format!("everything has come to its end after {took}s"));
            }
        }
        let why = last.map_or_else(|| "no time was given".to_owned(), |violation| violation.what.clone());
        Some(self.failed(format!("not within {}s: {why}", within.as_secs())))
    }
}

fn newest_offer(world: &World) -> Option<DigestPrefix> {
    let state = world.state_of(world.leader()?)?;
    let (digest, _) = state.offers.iter().max_by_key(|(_, offer)| offer.record)?;
    digest.to_string().parse().ok()
}

/// What `kafka-configs` is asked for so that every copy is made no faster.
fn throttles(world: &World, topic: TopicId, per_s: Option<u64>) -> Vec<Request> {
    let copies = || if per_s.is_some() { Copies::All } else { Copies::None };
    let rates = Rates { leader: per_s, follower: per_s };
    let brokers = world.kafka().truth().registrations().into_keys();
    let rates = brokers.map(|broker| Request::SetRates { broker, rates });
    let throttled = Throttled { leader: copies(), follower: copies() };
    std::iter::once(Request::SetThrottled { topic, throttled }).chain(rates).collect()
}

fn partition_of(topic: TopicId, number: u32) -> PartitionId {
    PartitionId { topic, number: i32::try_from(number).unwrap_or(i32::MAX) }
}
