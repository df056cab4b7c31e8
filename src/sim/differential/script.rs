//! A row of the table as orders, the same for the real cluster and for the model.
//!
//! Cells of one company share one trouble, each on a topic of its own: breaking a cluster and making it whole again takes
//! seconds, asking it something takes none. Nothing here knows how an order is carried out.

use std::time::Duration;

use super::action::{Action, Company};
use super::active::Active;
use super::blow::Blow;
use super::deed::{Deed, Life, Size};
use super::recording::Stage;
use super::state::State;
use super::table;
use crate::model::ids::BrokerId;
use crate::sim::kafka::plan::Version;

/// Cells that share one trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The trouble.
    pub state: State,
    /// Who shares it.
    pub company: Company,
    /// The cells' actions.
    pub cells: Vec<Action>,
}

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The broker is fenced, or not registered any more.
    Fenced(BrokerId),
    /// The broker is active.
    Active(BrokerId),
    /// The broker has registered anew since the topics were made.
    Reborn(BrokerId),
    /// Every cell's ISR is this.
    Isr(Vec<BrokerId>),
    /// No cell has a leader.
    Leaderless,
    /// Every broker is active, and every cell whose topic exists has a leader, all its replicas in sync and no move under way.
    Whole,
    /// A controller of another process than the victim's is active; must come true.
    Elected,
    /// Nothing: the time is over.
    Over,
}

/// One order of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// See to it that one of these controllers is the active one, and that every broker is listed by every broker then.
    Activate(Active),
    /// Make the topics of these cells, one partition each, and wait until every broker sees all replicas in sync.
    Topics(Vec<NewTopic>),
    /// Append a record to every cell's partition with acks=1; must succeed.
    Write,
    /// Append [`CHUNKS`] of [`CHUNK_BYTES`] to every cell's partition with acks=all; must succeed.
    Fill,
    /// Break.
    Inflict(Blow),
    /// Mend.
    Heal(Blow),
    /// Ask something that makes the trouble; must succeed for every cell named.
    Prepare(Vec<Action>, Deed),
    /// Ask what the cells are about; the answer goes to every cell named.
    Act(Vec<Action>, Deed),
    /// Wait, at most so long; how long it took goes to every cell.
    Await(Until, Duration),
    /// Look at everything; produce to these brokers.
    Note(Stage, Vec<BrokerId>),
}

/// A cell's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The cell.
    pub cell: Action,
    /// The replicas of its one partition, leader first.
    pub replicas: Vec<BrokerId>,
    /// `min.insync.replicas`.
    pub min_isr: u16,
}

/// The broker in trouble.
pub const VICTIM: BrokerId = BrokerId(1);
const SECOND: BrokerId = BrokerId(2);
const THIRD: BrokerId = BrokerId(3);
/// How many records fill a partition: more than one fetch of a follower brings (`replica.fetch.max.bytes`).
pub const CHUNKS: u32 = 2;
/// How large each of them is; below `message.max.bytes`.
pub const CHUNK_BYTES: usize = 900_000;
/// Less than answers without records use up: nothing is ever copied. Unit: bytes a second.
const NEXT_TO_NOTHING: u64 = 1;
/// Every broker of the cluster.
pub const BROKERS: [BrokerId; 3] = [VICTIM, SECOND, THIRD];

/// Ample for a session of 9 s, which ends up to 10.1 s after the last heartbeat.
const FENCED_WITHIN: Duration = Duration::from_secs(15);
/// The same where the session is a new one: a newly active controller gives every broker a whole one, from when it has read its log.
const FENCED_ANEW_WITHIN: Duration = Duration::from_secs(20);
/// Ample for the 2 s without an answer after which a standby calls an election (`controller.quorum.fetch.timeout.ms`), and for votes that
/// nobody wins, with at most 1 s after each (`controller.quorum.election.backoff.max.ms`); or for a shutdown in good order.
pub const ELECTED_WITHIN: Duration = Duration::from_secs(15);
/// Ample for a replica lag of 5 s, looked at every 2.5 s, twice.
const SHRUNK_WITHIN: Duration = Duration::from_secs(15);
/// A process starts within seconds, and may wait for its former life's session.
pub const WHOLE_WITHIN: Duration = Duration::from_secs(40);
/// Long enough that a zombie would have come back if it could: heartbeats are half a second or two seconds apart.
const ZOMBIE: Duration = Duration::from_secs(5);
/// Long enough for a follower to catch up and to be taken back into the ISR, a fetch backoff of 1 s included.
const FETCHED: Duration = Duration::from_millis(2_500);
/// Long enough for an ISR to shrink (tuned lag of 5 s, looked at every 2.5 s).
const LAG: Duration = Duration::from_secs(9);
/// The same with Kafka's own lag of 30 s.
const STOCK_LAG: Duration = Duration::from_secs(33);

/// Beyond what a look waits for by rule: a busy machine.
const AMPLE: Duration = Duration::from_millis(255);

/// Gives what a look waits for: brokers have acted on what the controllers have written.
#[must_use]
pub fn replayed_after(version: Version) -> Duration {
    version.heard_within().saturating_add(AMPLE)
}

impl Batch {
    /// Gives every batch of the table, in the order in which they are played.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut batches = Vec::new();
        for state in State::ALL {
            for company in Company::ALL {
                let ours =
                    |action: &Action| action.company() == company && table::reason_empty(state, *action).is_none();
                let cells: Vec<Action> = Action::ALL.into_iter().filter(ours).collect();
                if !cells.is_empty() {
                    batches.push(Self { state, company, cells });
                }
            }
        }
        batches
    }

    /// Gives the orders: the active controller, topics, trouble, actions, what comes by itself, the way back.
    #[must_use]
    pub fn script(&self) -> Vec<Order> {
        let mut orders: Vec<Order> = Active::before(self.state).map(Order::Activate).into_iter().collect();
        orders.push(Order::Topics(self.topics()));
        orders.extend(self.trouble());
        orders.push(Order::Note(Stage::Before, vec![]));
        orders.extend(self.acts());
        orders.push(Order::Note(Stage::Acted, BROKERS.to_vec()));
        orders.extend(self.aftermath());
        orders.extend(self.way_back());
        orders
    }

    fn topics(&self) -> Vec<NewTopic> {
        let min_isr = if self.state == State::Leaderless { 1 } else { 2 };
        let topic = |cell: &Action| Some(NewTopic { cell: *cell, replicas: cell.replicas(self.state)?, min_isr });
        self.cells.iter().filter_map(topic).collect()
    }

    /// The cells whose topic exists before the action.
    fn made(&self) -> Vec<Action> {
        self.cells.iter().copied().filter(|cell| cell.replicas(self.state).is_some()).collect()
    }

    fn trouble(&self) -> Vec<Order> {
        let fence = |broker| Order::Prepare(vec![], Deed::Fence(broker, Life::Present));
        let fenced = |broker| Order::Await(Until::Fenced(broker), FENCED_WITHIN);
        let elected = || Order::Await(Until::Elected, ELECTED_WITHIN);
        let shrink = || {
            [
                Order::Write,
                Order::Inflict(Blow::ReplicationFreeze(VICTIM)),
                Order::Write,
                Order::Await(Until::Isr(vec![VICTIM]), SHRUNK_WITHIN),
            ]
        };
        match self.state {
            State::Healthy => vec![],
            State::Killed | State::CombinedStandbyKilled => vec![Order::Inflict(Blow::Kill(VICTIM))],
            State::Stopped => vec![Order::Inflict(Blow::Stop(VICTIM))],
            State::Terminated => vec![Order::Inflict(Blow::Terminate(VICTIM)), fenced(VICTIM)],
            State::ClientCut => vec![Order::Inflict(Blow::ClientCut(VICTIM))],
            State::ClientFrozen => vec![Order::Inflict(Blow::ClientFreeze(VICTIM))],
            State::ReplicationFrozen => vec![Order::Inflict(Blow::ReplicationFreeze(VICTIM))],
            State::Shrunk => shrink().to_vec(),
            State::DiskStalled => vec![Order::Write, Order::Inflict(Blow::DiskFreeze(VICTIM))],
            State::ControllerCut => vec![Order::Inflict(Blow::ControllerFreeze(VICTIM))],
            State::Fenced => vec![Order::Write, Order::Inflict(Blow::Stop(VICTIM)), fence(VICTIM), fenced(VICTIM)],
            State::Unregistered => vec![Order::Prepare(vec![], Deed::Unregister(VICTIM)), fenced(VICTIM)],
            State::Leaderless => {
                let mut orders = shrink().to_vec();
                orders.extend([Order::Inflict(Blow::Kill(VICTIM)), Order::Await(Until::Leaderless, FENCED_WITHIN)]);
                orders.push(Order::Heal(Blow::ReplicationFreeze(VICTIM)));
                orders
            }
            State::Reassigning => {
                let target = Deed::Reassign { replicas: Some(vec![VICTIM, THIRD]), size: Size::Kept };
                let under_way = Order::Prepare(self.made(), target);
                vec![Order::Inflict(Blow::Stop(THIRD)), fence(THIRD), fenced(THIRD), under_way]
            }
            State::UnderMinIsr => {
                let stop = |broker| Order::Inflict(Blow::Stop(broker));
                let mut orders = vec![Order::Write, stop(SECOND), stop(THIRD), fence(SECOND), fence(THIRD)];
                orders.extend([fenced(SECOND), fenced(THIRD)]);
                orders
            }
            State::SoleReplica => vec![Order::Write, Order::Inflict(Blow::Kill(VICTIM)), fenced(VICTIM)],
            State::Deleted => vec![Order::Prepare(self.made(), Deed::DeleteTopic)],
            State::Throttled => {
                let mut orders = vec![Order::Prepare(self.made(), Deed::CountCopies)];
                orders.extend(BROKERS.map(|broker| rate(broker, Some(NEXT_TO_NOTHING))));
                orders.extend([Order::Inflict(Blow::Stop(THIRD)), fence(THIRD), fenced(THIRD), Order::Fill]);
                orders.extend([Order::Heal(Blow::Stop(THIRD)), Order::Await(Until::Active(THIRD), FENCED_WITHIN)]);
                orders
            }
            State::CombinedKilled => vec![Order::Inflict(Blow::Kill(VICTIM)), elected()],
            State::CombinedStopped => vec![Order::Inflict(Blow::Stop(VICTIM)), elected()],
            State::CombinedTerminated => vec![Order::Inflict(Blow::Terminate(VICTIM)), elected(), fenced(VICTIM)],
        }
    }

    /// What strikes one topic first, then, once for all, what strikes the broker.
    fn acts(&self) -> Vec<Order> {
        if self.company == Company::Restarts {
            let again = [Order::Inflict(Blow::Kill(VICTIM)), Order::Heal(Blow::Kill(VICTIM))];
            let born = [Order::Await(Until::Reborn(VICTIM), WHOLE_WITHIN), Order::Await(Until::Whole, WHOLE_WITHIN)];
            return again.into_iter().chain(born).collect();
        }
        let mut orders = Vec::new();
        let mut broad = None;
        for cell in &self.cells {
            for deed in cell.deeds(self.state) {
                if deed.is_broad() {
                    broad = Some(deed);
                } else {
                    orders.push(Order::Act(vec![*cell], deed));
                }
            }
        }
        orders.extend(broad.map(|deed| Order::Act(self.cells.clone(), deed)));
        if self.company == Company::Fences && self.heartbeats_go_on() {
            // Its own next heartbeat undoes the fence, at a moment that nobody can foretell: look when that is over.
            orders.push(Order::Await(Until::Active(VICTIM), FENCED_WITHIN));
            orders.push(Order::Await(Until::Over, FETCHED));
        } else if self.aftermath().is_empty() {
            // Copies and ISR changes take their time; where Kafka would act meanwhile, that is looked at apart.
            orders.push(Order::Await(Until::Over, FETCHED));
        }
        orders
    }

    /// Whether broker 1 goes on telling the controllers that it lives.
    fn heartbeats_go_on(&self) -> bool {
        match self.state {
            State::Healthy
            | State::ClientCut
            | State::ClientFrozen
            | State::ReplicationFrozen
            | State::Shrunk
            | State::DiskStalled
            | State::Reassigning
            | State::UnderMinIsr
            | State::Throttled => true,
            State::Killed
            | State::Stopped
            | State::Terminated
            | State::ControllerCut
            | State::Fenced
            | State::Unregistered
            | State::Leaderless
            | State::SoleReplica
            | State::Deleted
            | State::CombinedKilled
            | State::CombinedStopped
            | State::CombinedTerminated
            | State::CombinedStandbyKilled => false,
        }
    }

    /// What Kafka does later by itself, where it does anything.
    fn aftermath(&self) -> Vec<Order> {
        let (waits, asked) = match self.state {
            State::Killed | State::Stopped | State::ControllerCut | State::CombinedStandbyKilled => {
                (Order::Await(Until::Fenced(VICTIM), FENCED_WITHIN), BROKERS.to_vec())
            }
            State::CombinedKilled | State::CombinedStopped => {
                (Order::Await(Until::Fenced(VICTIM), FENCED_ANEW_WITHIN), BROKERS.to_vec())
            }
            State::ReplicationFrozen => (Order::Await(Until::Over, LAG), BROKERS.to_vec()),
            // A leader waits for whoever may join the ISR and had everything within the lag, before it acknowledges anything.
            State::Throttled => (Order::Await(Until::Over, STOCK_LAG), BROKERS.to_vec()),
            // Every produce that hangs holds one of the broker's few threads: it would answer nothing at all in the end.
            State::DiskStalled => (Order::Await(Until::Over, LAG), vec![SECOND, THIRD]),
            State::Healthy
            | State::Terminated
            | State::ClientCut
            | State::ClientFrozen
            | State::Shrunk
            | State::Fenced
            | State::Unregistered
            | State::Leaderless
            | State::Reassigning
            | State::UnderMinIsr
            | State::SoleReplica
            | State::Deleted
            | State::CombinedTerminated => return vec![],
        };
        vec![waits, Order::Note(Stage::Later, asked)]
    }

    fn way_back(&self) -> Vec<Order> {
        let heal = Order::Heal;
        let healed = match self.state {
            State::Healthy | State::Unregistered | State::Deleted => vec![],
            State::Killed
            | State::Leaderless
            | State::SoleReplica
            | State::CombinedKilled
            | State::CombinedStandbyKilled => vec![heal(Blow::Kill(VICTIM))],
            State::Terminated | State::CombinedTerminated => vec![heal(Blow::Terminate(VICTIM))],
            State::Stopped | State::Fenced | State::CombinedStopped => vec![heal(Blow::Stop(VICTIM))],
            State::ClientCut => vec![heal(Blow::ClientCut(VICTIM))],
            State::ClientFrozen => vec![heal(Blow::ClientFreeze(VICTIM))],
            State::ReplicationFrozen | State::Shrunk => vec![heal(Blow::ReplicationFreeze(VICTIM))],
            State::DiskStalled => vec![heal(Blow::DiskFreeze(VICTIM))],
            State::ControllerCut => vec![heal(Blow::ControllerFreeze(VICTIM))],
            State::Reassigning => vec![heal(Blow::Stop(THIRD))],
            State::UnderMinIsr => vec![heal(Blow::Stop(SECOND)), heal(Blow::Stop(THIRD))],
            // Nobody sets anything of a broker that is not registered; its rate holds nothing up while others lead.
            State::Throttled => {
                let gone = |broker: &BrokerId| self.company == Company::Unregisters && *broker == VICTIM;
                BROKERS.into_iter().filter(|broker| !gone(broker)).map(|broker| rate(broker, None)).collect()
            }
        };
        let mut orders = healed;
        if self.leaves_a_zombie() {
            if self.state != State::Unregistered {
                orders.push(Order::Await(Until::Over, ZOMBIE));
                orders.push(Order::Note(Stage::Returned, vec![]));
            }
            orders.extend([Order::Inflict(Blow::Kill(VICTIM)), heal(Blow::Kill(VICTIM))]);
            orders.extend([Order::Await(Until::Whole, WHOLE_WITHIN), Order::Note(Stage::Restarted, vec![])]);
        } else {
            // A move that was ordered anew while it was under way may never end: that is known soon.
            let within = if self.state == State::Reassigning { LAG } else { WHOLE_WITHIN };
            orders.extend([Order::Await(Until::Whole, within), Order::Note(Stage::Returned, vec![])]);
        }
        orders
    }

    /// Whether a process goes on living after its registration was dropped.
    fn leaves_a_zombie(&self) -> bool {
        let ends = |order: &Order| matches!(order, Order::Inflict(Blow::Kill(VICTIM) | Blow::Terminate(VICTIM)));
        let dead = self.trouble().iter().any(ends);
        self.state == State::Unregistered || (self.company == Company::Unregisters && !dead)
    }
}

/// Sets what a broker gives to followers that are not in sync.
fn rate(broker: BrokerId, per_s: Option<u64>) -> Order {
    Order::Prepare(vec![], Deed::Rate(broker, per_s))
}
