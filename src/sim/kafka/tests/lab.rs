//! A pretended laboratory: plays requests and faults against the model and keeps what is heard.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::{BrokerEpoch, BrokerId, NodeId, PartitionId};
use crate::model::time::Timestamp;
use crate::sim::kafka::Kafka;
use crate::sim::kafka::plan::{KafkaPlan, Version};
use crate::sim::kafka::talk::{
    Acks, Answer, Asker, Call, Door, ElectionKind, Heard, Layout, Line, News, Order, RecordId, ReplicaCount, Request,
};

/// How often the lab's clients try.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// A cluster under test, with its clock.
pub(super) struct Lab {
    pub(super) kafka: Kafka,
    pub(super) now: Timestamp,
    pub(super) heard: BTreeMap<Call, (Timestamp, News)>,
    coming: BTreeMap<(Timestamp, u64), Heard>,
    numbered: u64,
    clients: u32,
    records: u64,
}

/// Three brokers, three replicas, everything led by broker 1, a minimum of two in sync.
pub(super) fn usual(version: Version, partitions: usize) -> KafkaPlan {
    let mut plan = KafkaPlan::usual(version, 3).with_topic("orders", 1, 3);
    plan.topics[0].layout = Layout::Given(vec![[1, 2, 3].map(BrokerId).to_vec(); partitions]);
    plan
}

pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Lab {
    pub(super) fn new(plan: &KafkaPlan, seed: u64) -> Self {
        let kafka = Kafka::new(plan, seed);
        let heard = BTreeMap::new();
        let mut lab =
            Self { kafka, now: plan.start, heard, coming: BTreeMap::new(), numbered: 0, clients: 0, records: 0 };
        // Faults do not come at the same moment of every round.
        lab.run(Duration::from_millis(20_000 + seed * 377 % 2_000));
        lab
    }

    pub(super) fn run(&mut self, span: Duration) {
        self.run_until(self.now.plus(span));
    }

    pub(super) fn run_until(&mut self, end: Timestamp) {
        loop {
            self.collect();
            let heard = self.coming.keys().next().map(|(at, _)| *at);
            let next = [self.kafka.next_due(), heard].into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.kafka.advance(next);
            self.collect();
            while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= next) {
                let heard = entry.remove();
                self.heard.insert(heard.call, (heard.at, heard.news));
            }
        }
        self.now = end;
        self.kafka.advance(end);
    }

    fn collect(&mut self) {
        for heard in self.kafka.take_heard() {
            self.numbered += 1;
            self.coming.insert((heard.at, self.numbered), heard);
        }
    }

    pub(super) fn ask(&mut self, from: Asker, to: Door, request: Request) -> Call {
        self.kafka.ask(self.now, Line::new(from, to), request)
    }

    /// Asks over a fresh connection of a fresh client and waits.
    pub(super) fn asked(&mut self, to: Door, request: Request, within: Duration) -> Option<Answer> {
        self.clients += 1;
        let from = Asker::Client(self.clients);
        let call = self.ask(from, to, request);
        let end = self.now.plus(within);
        let answer = self.wait(call, end);
        self.kafka.close(self.now, Line::new(from, to));
        answer
    }

    pub(super) fn wait(&mut self, call: Call, end: Timestamp) -> Option<Answer> {
        while self.now < end && !self.heard.contains_key(&call) {
            self.run_until(self.now.plus(Duration::from_millis(1)).min(end));
        }
        match self.heard.get(&call) {
            Some((_, News::Answered { answer, .. })) => Some(*answer.clone()),
            Some((_, News::Opened | News::Refused | News::Closed | News::Metadata(_))) | None => None,
        }
    }

    /// Asks the active controller as a Tanist node does.
    pub(super) fn admin(&mut self, request: Request) -> Option<Answer> {
        let door = Door::Controller(self.kafka.truth().active_controller()?);
        let call = self.ask(Asker::Node(NodeId(1)), door, request);
        self.wait(call, self.now.plus(Duration::from_secs(5)))
    }

    pub(super) fn inflict(&mut self, fault: &str) {
        self.kafka.inflict(self.now, &fault.parse().unwrap()).unwrap();
    }

    pub(super) fn heal(&mut self, fault: &str) {
        self.kafka.heal(self.now, &fault.parse().unwrap()).unwrap();
    }

    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        self.kafka.truth().partitions().collect()
    }

    pub(super) fn epoch(&self, id: i32) -> BrokerEpoch {
        self.kafka.truth().registrations()[&BrokerId(id)].epoch
    }

    pub(super) fn reorder(&mut self, replicas: &[i32]) -> Option<Answer> {
        let replicas: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let order = |partition| Order { partition, replicas: Some(replicas.clone()) };
        let orders = self.partitions().into_iter().map(order).collect();
        self.admin(Request::Reassign { orders, count: ReplicaCount::Free })
    }

    pub(super) fn prefer(&mut self) -> Option<Answer> {
        let partitions = Some(self.partitions());
        self.admin(Request::Elect { kind: ElectionKind::Preferred, partitions })
    }

    /// Carries out an act against broker 1.
    pub(super) fn act(&mut self, act: &str) {
        for act in act.split('+') {
            match act {
                "none" => None,
                "reorder" => self.reorder(&[2, 3, 1]),
                "prefer" => self.prefer(),
                "evict" => self.reorder(&[2, 3]),
                "fence" => {
                    let epoch = self.epoch(1);
                    self.admin(Request::Fence { broker: BrokerId(1), epoch })
                }
                "unregister" => self.admin(Request::Unregister(BrokerId(1))),
                other => panic!("no act {other}"),
            };
        }
    }

    /// Strikes broker 1, acts so much later and watches; gives when the last partition took a record with acks=all and with acks=1, after
    /// the fault; none where one did not.
    pub(super) fn struck(
        &mut self,
        fault: &str,
        (act, delay): (&str, Duration),
        watch: Duration,
    ) -> (Option<Duration>, Option<Duration>) {
        self.inflict(fault);
        let since = self.now;
        // Clients write while the act is awaited; who is served then needs no act.
        let before = self.served(since, since.plus(delay));
        self.run_until(since.plus(delay).max(self.now));
        self.act(act);
        let after = self.served(since, since.plus(delay + watch));
        let soonest = |acks: Acks| before[&acks].or(after[&acks]);
        (soonest(Acks::All), soonest(Acks::Leader))
    }

    /// Tries to write to every partition over fresh connections until each was written to once; gives how long after
    /// `since` the last one was, per partition the soonest; none if one never was.
    pub(super) fn served(&mut self, since: Timestamp, end: Timestamp) -> BTreeMap<Acks, Option<Duration>> {
        let mut probes: BTreeMap<Acks, Served> = [Acks::Leader, Acks::All].map(|acks| (acks, Served::default())).into();
        let partitions = self.partitions();
        let mut first_try = true;
        while self.now < end && probes.values().any(|served| served.at.len() < partitions.len()) {
            let leaders = self.leaders(&partitions);
            for (acks, served) in &mut probes {
                served.collect(&self.heard);
                for partition in partitions.iter().filter(|partition| !served.at.contains_key(partition)) {
                    let Some(leader) = leaders.get(partition) else { continue };
                    self.clients += 1;
                    self.records += 1;
                    let record = RecordId(self.records);
                    let request = Request::Produce {
                        partition: *partition,
                        acks: *acks,
                        record,
                        bulk: 0,
                        within: Duration::from_secs(1),
                    };
                    let call = self.ask(Asker::Client(self.clients), Door::Broker(*leader), request);
                    served.asked.insert(call, *partition);
                }
            }
            let wait = if first_try { Duration::from_millis(10) } else { PROBE_EVERY };
            first_try = false;
            self.run(wait);
        }
        self.run(Duration::from_millis(10));
        probes.values_mut().for_each(|served| served.collect(&self.heard));
        let all = |served: &Served| {
            let last = served.at.values().max().filter(|_| served.at.len() == partitions.len());
            last.map(|at| at.since(since))
        };
        probes.iter().map(|(acks, served)| (*acks, all(served))).collect()
    }

    /// Gives the leaders as brokers 2 and 3 tell them, the higher epoch believed.
    fn leaders(&mut self, partitions: &[PartitionId]) -> BTreeMap<PartitionId, BrokerId> {
        let mut views = Vec::new();
        for id in [2, 3] {
            let answer = self.asked(Door::Broker(BrokerId(id)), Request::Metadata, Duration::from_millis(50));
            if let Some(Answer::Metadata(topology)) = answer {
                views.push(topology);
            }
        }
        let leader = |id: &PartitionId| {
            let known = views.iter().filter_map(|view| view.partitions.get(id));
            known.max_by_key(|partition| partition.leader_epoch).and_then(|partition| partition.leader)
        };
        partitions.iter().filter_map(|id| Some((*id, leader(id)?))).collect()
    }
}

#[derive(Default)]
struct Served {
    asked: BTreeMap<Call, PartitionId>,
    at: BTreeMap<PartitionId, Timestamp>,
}

impl Served {
    fn collect(&mut self, heard: &BTreeMap<Call, (Timestamp, News)>) {
        for (call, partition) in std::mem::take(&mut self.asked) {
            match heard.get(&call) {
                Some((at, News::Answered { answer, .. })) if matches!(**answer, Answer::Produced { .. }) => {
                    let soonest = self.at.entry(partition).or_insert(*at);
                    *soonest = (*soonest).min(*at);
                }
                Some(_) => {}
                None => {
                    self.asked.insert(call, partition);
                }
            }
        }
    }
}
