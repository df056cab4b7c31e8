//! Fixtures as text for the tests of `decide`: a line is a fact, everything unsaid is well. And decisions as text.
//!
//! ```text
//! broker b1 rack a epoch 101            # or: fenced, unregistered, no-epoch
//! p0..p5 led b1 of 1,2,3 isr 1,2,3      # also: min 2, elr 2, e 7, internal, reassigning
//! n1 sees b1 refused 60ms               # or: silent, yellow, recovering, green, denied; also: sent 300ms
//! n2 pulse b1 behind 2 beats 1          # or: level, missing, unknown
//! ends p0 1=100 2=90
//! grows p0 100 50000                     # records and bytes a second, on every replica
//! load b2 5000000                       # bytes a second that come in where it leads
//! ```

mod show;

pub(crate) use self::show::{show, show_choices, show_plan};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::policy::{Mode, Permission, Policy, PromotionRule};
use super::readings::loads_in;
use crate::model::finding::FindingKind;
use crate::model::ids::{
    BrokerEpoch, BrokerId, CaseId, ControllerId, LeaderEpoch, Listener, NodeId, Offset, PartitionId, Rack, TopicId,
};
use crate::model::observation::{
    Blindness, Light, LogEnd, ProbeKind, Progress, Pulse, PulseState, Report, Sighting, TopologySource,
};
use crate::model::snapshot::{CoolDown, Heard, Missing, OpenCase, Snapshot, StandingOrders};
use crate::model::time::LogTime;
use crate::model::told::Told;
use crate::model::topology::{Partition, Registration, Standing, Topic, Topology};

/// Three brokers in three racks, six partitions led by b1, everything well.
pub(crate) const PLAIN: &str = "broker b1 rack a epoch 101\nbroker b2 rack b epoch 102\nbroker b3 rack c epoch 103\n\
    p0..p5 led b1 of 1,2,3 isr 1,2,3 min 2\n";

/// Two nodes have just been refused by b1; the third does not know yet.
pub(crate) const REFUSED: &str = "n1 sees b1 refused 60ms sent 400ms\nn2 sees b1 refused 50ms sent 400ms\nn3 sees b1 yellow 20ms sent 400ms\n\
    n1 pulse b1 level beats 0\nn2 pulse b1 level beats 0\n";

pub(crate) fn topic(number: u8) -> TopicId {
    TopicId([number; 16])
}

pub(crate) fn partition(number: i32) -> PartitionId {
    PartitionId { topic: topic(1), number }
}

/// Reads a fixture; panics with the line that it cannot read.
pub(crate) fn parse(text: &str) -> (Snapshot, Policy) {
    let mut draft = Draft::new();
    let lines: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or("").trim()).collect();
    // Brokers and partitions first, so that "everything unsaid is well" has something to hold on to.
    for pass in [0, 1] {
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let shape =
                words[0] == "broker" || words[0].starts_with('p') && words[0] != "policy" && words[0] != "paused";
            if shape == (pass == 0) {
                draft.line(&words).unwrap_or_else(|| panic!("unreadable line: {line}"));
            }
        }
        if pass == 0 {
            draft.all_well();
        }
    }
    draft.finish()
}

struct Draft {
    snapshot: Snapshot,
    topology: Topology,
    policy: Policy,
    ends: BTreeMap<PartitionId, BTreeMap<BrokerId, LogEnd>>,
    grows: BTreeMap<PartitionId, (u64, u64)>,
    bytes_in: BTreeMap<BrokerId, u64>,
}

impl Draft {
    fn new() -> Self {
        let voters: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
        let snapshot = Snapshot {
            taken_at: LogTime(1_000_000),
            taken_by: NodeId(1),
            controller: Some(ControllerId(9)),
            heard: BTreeMap::new(),
            voters,
            topology: Arc::new(Topology::default()),
            topology_age: Duration::ZERO,
            topology_source: TopologySource::Observer,
            loads: BTreeMap::new(),
            log_ends: Told::default(),
            records_in: Told::default(),
            bytes_in: Told::default(),
            reassigning: BTreeSet::new(),
            cordoned: BTreeSet::new(),
            standing: StandingOrders::default(),
            missing: BTreeSet::new(),
        };
        let policy = Policy { mode: Mode::Auto, ..Policy::default() };
        let (ends, grows, bytes_in) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { snapshot, topology: Topology::default(), policy, ends, grows, bytes_in }
    }

    fn all_well(&mut self) {
        for node in self.snapshot.voters.clone() {
            let brokers = self.topology.brokers.keys().map(|broker| (*broker, well())).collect();
            let report = Report { lhm: 0, reaches_controller: true, brokers, no_vote_on: BTreeSet::new() };
            self.snapshot.heard.insert(node, Heard { node, age: Duration::ZERO, report });
        }
        for (id, partition) in &self.topology.partitions {
            let end = LogEnd { offset: Offset(1000), leader_epoch: Some(partition.leader_epoch) };
            let ends = partition.replicas.iter().map(|broker| (*broker, end)).collect();
            self.ends.insert(*id, ends);
        }
    }

    fn finish(mut self) -> (Snapshot, Policy) {
        let each = |(id, ends): (PartitionId, BTreeMap<BrokerId, LogEnd>)| {
            ends.into_iter().map(move |(broker, end)| (id, broker, end))
        };
        self.snapshot.log_ends = self.ends.into_iter().flat_map(each).collect();
        self.snapshot.loads = loads_in(&self.topology);
        for (broker, load) in &mut self.snapshot.loads {
            load.bytes_in = self.bytes_in.get(broker).copied();
        }
        let rates = |of: fn(&(u64, u64)) -> u64| -> Told<u64> {
            let of_all = |(id, grows): (&PartitionId, &(u64, u64))| {
                let replicas = self.topology.partitions[id].replicas.iter();
                replicas.map(move |broker| (*id, *broker, of(grows))).collect::<Vec<_>>()
            };
            self.grows.iter().flat_map(of_all).collect()
        };
        (self.snapshot.records_in, self.snapshot.bytes_in) = (rates(|grows| grows.0), rates(|grows| grows.1));
        self.snapshot.topology = Arc::new(self.topology);
        (self.snapshot, self.policy)
    }

    fn line(&mut self, words: &[&str]) -> Option<()> {
        match *words {
            ["broker", name, ref rest @ ..] => self.broker(name, rest),
            ["policy", key, ref value @ ..] => self.policy(key, value),
            ["ends", range, ref ends @ ..] => self.ends(range, ends),
            ["grows", range, records, bytes] => {
                let rates = (records.parse().ok()?, bytes.parse().ok()?);
                self.grows.extend(numbers(range).map(|number| (partition(number), rates)));
                Some(())
            }
            ["cordoned", broker] => self.snapshot.cordoned.insert(broker.parse().ok()?).then_some(()),
            ["load", broker, bytes_in] => {
                self.bytes_in.insert(broker.parse().ok()?, bytes_in.parse().ok()?);
                Some(())
            }
            [node, "sees", broker, light, ref rest @ ..] => self.sees(node, broker, light, rest),
            [node, "pulse", broker, state, ref rest @ ..] => self.pulse(node, broker, state, rest),
            [node, "progress", broker, count] => self.progress(node, broker, count),
            [node, "age", age] => self.heard(node, |heard| heard.age = span(age)),
            [node, "lhm", level] => self.heard(node, |heard| heard.report.lhm = level.parse().unwrap()),
            [node, "no-vote", broker] => self.heard(node, |heard| {
                heard.report.no_vote_on.insert(broker.parse().unwrap());
            }),
            [node, "no-controller"] => self.heard(node, |heard| heard.report.reaches_controller = false),
            [node, "unheard"] => self.snapshot.heard.remove(&node.parse().ok()?).map(|_| ()),
            ["source", "metadata"] => {
                self.snapshot.topology_source = TopologySource::Metadata([BrokerId(2)].into());
                Some(())
            }
            ["shape", age] => {
                self.snapshot.topology_age = span(age);
                Some(())
            }
            ["missing", "pulse"] => {
                let why = Missing::Probe(ProbeKind::Pulse, Blindness::NobodyAnswered);
                self.snapshot.missing.insert(why).then_some(())
            }
            ["reassigning", range] => {
                self.snapshot.reassigning.extend(numbers(range).map(partition));
                Some(())
            }
            [range, "led", leader, "of", list, "isr", isr, ref rest @ ..] => {
                self.partitions(range, leader, (list, isr), rest)
            }
            ref orders => self.orders(orders),
        }
    }

    fn orders(&mut self, words: &[&str]) -> Option<()> {
        let orders = &mut self.snapshot.standing;
        let cool_down = |owner: &str, until: &str| CoolDown {
            owner: owner.parse().unwrap(),
            until: LogTime(1_000_000 + ms(until)),
        };
        match *words {
            ["paused"] => orders.paused = true,
            ["cool-down", "cluster", owner, until] => orders.cluster_cool_down = Some(cool_down(owner, until)),
            ["cool-down", broker, owner, until] => {
                orders.cool_downs.insert(broker.parse().ok()?, cool_down(owner, until));
            }
            ["demoted", broker, owner, until] => {
                orders.demoted.insert(broker.parse().ok()?, cool_down(owner, until));
            }
            ["maintenance", broker] => {
                orders.maintenance.insert(broker.parse().ok()?);
            }
            ["in-flight", case] => orders.in_flight = Some(case.parse().ok()?),
            ["case", broker, id, kind, acted] => {
                let case =
                    OpenCase { id: id.parse::<CaseId>().ok()?, kind: kind_named(kind)?, acted: acted == "acted" };
                orders.cases.insert(broker.parse().ok()?, case);
            }
            _ => return None,
        }
        Some(())
    }

    fn broker(&mut self, name: &str, rest: &[&str]) -> Option<()> {
        let mut known = Registration { rack: None, epoch: None, standing: Standing::Active };
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match *word {
                "rack" => known.rack = Some(Rack((*rest.next()?).to_owned())),
                "epoch" => known.epoch = Some(BrokerEpoch(rest.next()?.parse().ok()?)),
                "fenced" => known.standing = Standing::Fenced,
                "unregistered" => known.standing = Standing::Unregistered,
                _ => return None,
            }
        }
        self.topology.brokers.insert(name.parse().ok()?, known);
        Some(())
    }

    fn partitions(&mut self, range: &str, leader: &str, (list, isr): (&str, &str), rest: &[&str]) -> Option<()> {
        let mut known = Partition {
            leader: (leader != "none").then(|| leader.parse().unwrap()),
            leader_epoch: LeaderEpoch(7),
            replicas: brokers(list).collect(),
            isr: brokers(isr).collect(),
            elr: BTreeSet::new(),
            reassigning: false,
        };
        let (mut min_isr, mut internal, mut rest) = (None, false, rest.iter());
        while let Some(word) = rest.next() {
            match *word {
                "min" => min_isr = rest.next()?.parse().ok(),
                "elr" => known.elr = brokers(rest.next()?).collect(),
                "e" => known.leader_epoch = LeaderEpoch(rest.next()?.parse().ok()?),
                "internal" => internal = true,
                "reassigning" => known.reassigning = true,
                _ => return None,
            }
        }
        for number in numbers(range) {
            // Two topics: t1 and, for Kafka's own, t9. The last min ISR named holds for the whole topic.
            let number_of_topic = if internal { 9 } else { 1 };
            let id = PartitionId { topic: topic(number_of_topic), number };
            let known_min = self.topology.topics.get(&id.topic).and_then(|topic| topic.min_isr);
            let min_isr = min_isr.or(known_min).or(Some(1));
            self.topology.topics.insert(id.topic, Topic { name: format!("t{number_of_topic}"), internal, min_isr });
            let known = known.clone().after(self.topology.partitions.get(&id));
            self.topology.partitions.insert(id, known);
        }
        Some(())
    }

    fn ends(&mut self, range: &str, ends: &[&str]) -> Option<()> {
        for number in numbers(range) {
            let known = self.ends.entry(partition(number)).or_default();
            known.clear();
            for end in ends {
                let (broker, offset) = end.split_once('=')?;
                let (offset, epoch) = offset.split_once('@').unwrap_or((offset, "7"));
                let end = LogEnd {
                    offset: Offset(offset.parse().ok()?),
                    leader_epoch: Some(LeaderEpoch(epoch.parse().ok()?)),
                };
                known.insert(broker.parse().ok()?, end);
            }
        }
        Some(())
    }

    fn heard(&mut self, node: &str, change: impl FnOnce(&mut Heard)) -> Option<()> {
        self.snapshot.heard.get_mut(&node.parse().ok()?).map(change)
    }

    fn sighting(&mut self, node: &str, broker: &str, change: impl FnOnce(&mut Sighting)) -> Option<()> {
        let broker: BrokerId = broker.parse().ok()?;
        self.heard(node, |heard| change(heard.report.brokers.entry(broker).or_insert_with(well)))
    }

    fn sees(&mut self, node: &str, broker: &str, light: &str, rest: &[&str]) -> Option<()> {
        let light = match light {
            "green" => Light::Green,
            "yellow" => Light::Yellow,
            "refused" => Light::RedRefused,
            "silent" => Light::RedSilent,
            "recovering" => Light::Recovering,
            "denied" => Light::Unknown(Blindness::Denied),
            _ => return None,
        };
        let (light_for, sent) = match rest {
            [light_for, "sent", sent] => (span(light_for), span(sent)),
            [light_for] => (span(light_for), span("1500ms")),
            _ => return None,
        };
        self.sighting(node, broker, |sighting| {
            sighting.light = light;
            sighting.light_for = light_for;
            sighting.success_sent_ago = Some(sent);
            sighting.silent_for = Some(sent);
        })
    }

    fn pulse(&mut self, node: &str, broker: &str, state: &str, rest: &[&str]) -> Option<()> {
        let (state, rest) = match (state, rest) {
            ("behind", [records, rest @ ..]) => (PulseState::Behind(records.parse().ok()?), rest),
            ("level", rest) => (PulseState::Level, rest),
            ("missing", rest) => (PulseState::Missing, rest),
            ("unknown", rest) => (PulseState::Unknown, rest),
            _ => return None,
        };
        let beats = if let ["beats", beats, ..] = rest { beats.parse().ok()? } else { 0 };
        let was_behind = rest.last() == Some(&"once-behind");
        let level_beats = if state == PulseState::Level { beats } else { 0 };
        let behind_since_red = was_behind || state.is_behind();
        let pulse = Pulse { state, beats_since_red: beats, behind_since_red, level_beats };
        self.sighting(node, broker, |sighting| sighting.pulse = pulse)
    }

    fn progress(&mut self, node: &str, broker: &str, count: &str) -> Option<()> {
        let count: u32 = count.parse().ok()?;
        let progress = if count == 0 { Progress::None } else { Progress::Growing(count) };
        self.sighting(node, broker, |sighting| sighting.progress = progress)
    }

    fn policy(&mut self, key: &str, value: &[&str]) -> Option<()> {
        let policy = &mut self.policy;
        match (key, value) {
            ("fence", []) => policy.act.fence_heartbeat = Permission::Allowed,
            ("unregister", []) => policy.act.unregister = Permission::Allowed,
            ("auto-r2", [name]) => {
                policy.act.auto_r2.insert((*name).to_owned());
            }
            ("approve", []) => policy.mode = Mode::Approve,
            ("observe", []) => policy.mode = Mode::Observe,
            ("request-max", [limit]) => policy.act.max_partitions_per_request = limit.parse().ok()?,
            ("batch", [limit]) => policy.act.failback_batch = limit.parse().ok()?,
            ("at-risk", [limit]) => policy.guard.at_risk_records_max = limit.parse().ok()?,
            ("leaders-max", [limit]) => policy.score.leaders_max = limit.parse().ok()?,
            ("never", [broker]) => {
                policy.score.promotion.insert(broker.parse().ok()?, PromotionRule::Never);
            }
            ("prefer", [broker]) => {
                policy.score.promotion.insert(broker.parse().ok()?, PromotionRule::Prefer);
            }
            _ => return None,
        }
        Some(())
    }
}

fn well() -> Sighting {
    Sighting {
        path: Listener("CLIENTS".to_owned()),
        light: Light::Green,
        light_for: span("60s"),
        success_sent_ago: Some(span("100ms")),
        silent_for: Some(span("100ms")),
        tau: span("1s"),
        pulse: Pulse { state: PulseState::Level, beats_since_red: 50, behind_since_red: false, level_beats: 50 },
        progress: Progress::Unknown,
    }
}

fn kind_named(name: &str) -> Option<FindingKind> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

fn numbers(range: &str) -> RangeInclusive<i32> {
    let read = |text: &str| text.trim_start_matches('p').parse::<i32>().unwrap();
    range.split_once("..").map_or_else(|| read(range)..=read(range), |(first, last)| read(first)..=read(last))
}

fn brokers(list: &str) -> impl Iterator<Item = BrokerId> + '_ {
    list.split(',').filter(|id| *id != "-").map(|id| id.parse().unwrap())
}

fn ms(text: &str) -> u64 {
    match text.strip_suffix("ms") {
        Some(digits) => digits.parse().unwrap(),
        None => 1000 * text.trim_end_matches('s').parse::<u64>().unwrap(),
    }
}

fn span(text: &str) -> Duration {
    Duration::from_millis(ms(text))
}
