//! Scripts: plays commands against one partition on three brokers, and writes down what each answered.
#![cfg(test)]

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::Expect;

use super::lab::{Lab, usual};
use crate::model::ids::{BrokerEpoch, BrokerId};
use crate::sim::kafka::plan::{Settings, Version};
use crate::sim::kafka::talk::{
    Acks, Answer, Door, ElectionKind, FetchFrom, Layout, NewTopic, Order, RecordId, ReplicaCount, Request,
};

pub(super) fn check(version: Version, script: &str, expected: Expect) {
    check_set(version, script, expected, |_| {});
}

/// The only place that knows the model, for the rules.
pub(super) fn check_set(version: Version, script: &str, expected: Expect, set: impl Fn(&mut Settings)) {
    let mut plan = usual(version, 1);
    set(&mut plan.settings);
    let mut lab = Lab::new(&plan, 5);
    let partition = lab.partitions()[0];
    let mut said = String::new();
    for command in script.split(';').map(str::trim) {
        let answer = play(&mut lab, partition, command);
        writeln!(said, "{command:<22}{answer}").unwrap();
    }
    let said: Vec<&str> = said.lines().map(str::trim_end).collect();
    expected.assert_eq(&(said.join("\n") + "\n"));
}

fn play(lab: &mut Lab, partition: crate::model::ids::PartitionId, command: &str) -> String {
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let broker = || BrokerId(rest.trim_start_matches('b').parse().unwrap());
    let request = match word {
        "run" => {
            lab.run(Duration::from_secs(rest.trim_end_matches('s').parse().unwrap()));
            return String::new();
        }
        "heal" => {
            lab.heal(rest);
            return String::new();
        }
        "show" => return show(lab, partition),
        "lost" => {
            return format!("{:?}", lab.kafka.truth().lost().iter().map(|lost| lost.from..lost.to).collect::<Vec<_>>());
        }
        "alive" => return format!("{}", lab.kafka.truth().has_process(broker())),
        "records" => return format!("{}", lab.kafka.truth().records(partition).len()),
        "lost-alone" => return format!("{}", lab.kafka.truth().lost_alone()),
        "fetch" => return fetch(lab, partition, rest),
        "who" => {
            return say(lab.asked(Door::Broker(broker()), Request::WhoLeads(partition), Duration::from_secs(1)));
        }
        "produce" => return produce(lab, partition, rest),
        "cluster" => {
            let door = Door::Broker(broker());
            return say(lab.asked(door, Request::DescribeCluster, Duration::from_secs(1)));
        }
        "prefer" => Request::Elect { kind: ElectionKind::Preferred, partitions: Some(vec![partition]) },
        "unclean" => Request::Elect { kind: ElectionKind::Unclean, partitions: Some(vec![partition]) },
        "reorder" | "reorder-kept" => {
            let replicas = rest.split(',').map(|id| BrokerId(id.parse().unwrap())).collect();
            let count = if word == "reorder" { ReplicaCount::Free } else { ReplicaCount::Kept };
            Request::Reassign { orders: vec![Order { partition, replicas: Some(replicas) }], count }
        }
        "cancel" => Request::Reassign { orders: vec![Order { partition, replicas: None }], count: ReplicaCount::Free },
        "list" => Request::ListReassignments,
        "fence" => {
            let known = lab.kafka.truth().registrations().get(&broker()).map_or(BrokerEpoch(7), |one| one.epoch);
            Request::Fence { broker: broker(), epoch: known }
        }
        "fence-stale" => Request::Fence { broker: broker(), epoch: BrokerEpoch(lab.epoch(broker().0).0 - 1) },
        "unregister" => Request::Unregister(broker()),
        "create" => Request::CreateTopic(NewTopic {
            name: format!("made-{rest}"),
            layout: Layout::Spread { partitions: 1, factor: rest.parse().unwrap() },
            min_isr: None,
        }),
        "delete" => Request::DeleteTopic(partition.topic),
        "min-isr" => Request::SetMinIsr { topic: partition.topic, min_isr: rest.parse().unwrap() },
        _ => {
            lab.inflict(command);
            return String::new();
        }
    };
    say(lab.admin(request))
}

fn produce(lab: &mut Lab, partition: crate::model::ids::PartitionId, rest: &str) -> String {
    let (acks, door) = rest.split_once(' ').unwrap();
    let acks = if acks == "all" { Acks::All } else { Acks::Leader };
    let door = Door::Broker(BrokerId(door.trim_start_matches('b').parse().unwrap()));
    let record = RecordId(lab.now.0);
    say(lab.asked(
        door,
        Request::Produce { partition, acks, record, bulk: 0, within: Duration::from_secs(1) },
        Duration::from_secs(2),
    ))
}

/// Reads `b1 0` or, of the leader of an epoch, `b1 0 e2`.
fn fetch(lab: &mut Lab, partition: crate::model::ids::PartitionId, rest: &str) -> String {
    let words: Vec<&str> = rest.split(' ').collect();
    let leader_epoch = words.get(2).map(|epoch| epoch.parse().unwrap());
    let from = FetchFrom { partition, offset: words[1].parse().unwrap(), leader_epoch };
    let door = Door::Broker(words[0].parse().unwrap());
    say(lab.asked(door, Request::Fetch(from), Duration::from_secs(1)))
}

fn ids(list: &[BrokerId]) -> String {
    list.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")
}

fn show(lab: &Lab, partition: crate::model::ids::PartitionId) -> String {
    let Some(one) = lab.kafka.truth().partition(partition) else { return "no such partition".to_owned() };
    let leader = one.leader.map_or("nobody".to_owned(), |leader| leader.to_string());
    let lists = [("isr", &one.isr), ("elr", &one.elr), ("adding", &one.adding), ("removing", &one.removing)];
    let told = lists.iter().filter(|(name, list)| *name == "isr" || !list.is_empty());
    let told: Vec<String> = told.map(|(name, list)| format!("{name} [{}]", ids(list))).collect();
    format!("{leader} leads in {} of {}, {}", one.leader_epoch, ids(&one.replicas), told.join(", "))
}

fn say(answer: Option<Answer>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Answer::Refused(code)) => code.to_string(),
        Some(Answer::Outcomes(outcomes)) => {
            let one = |code: &Option<_>| {
                code.map_or("done".to_owned(), |code: crate::sim::kafka::code::Code| code.to_string())
            };
            outcomes.values().map(one).collect::<Vec<_>>().join(", ")
        }
        Some(Answer::Reassignments(running)) if running.is_empty() => "nothing".to_owned(),
        Some(Answer::Reassignments(running)) => {
            let one = running.values().next().unwrap();
            format!("{} adding {} removing {}", ids(&one.replicas), ids(&one.adding), ids(&one.removing))
        }
        Some(Answer::Cluster { registered, .. }) => {
            registered.iter().map(|(id, fenced)| format!("{id} fenced {fenced:?}")).collect::<Vec<_>>().join(", ")
        }
        Some(Answer::Produced { offset, leader_epoch }) => format!("at {offset} in {leader_epoch}"),
        Some(Answer::Fetched(fetched)) => {
            let runs: String = fetched.epochs.iter().map(|(at, epoch)| format!(", from {at} in {epoch}")).collect();
            format!("{} below {}{runs}", fetched.records.len(), fetched.high_watermark)
        }
        Some(Answer::Led { leader, leader_epoch }) => {
            let leader = leader.map_or("nobody".to_owned(), |leader| leader.to_string());
            format!("{leader} leads in {leader_epoch}")
        }
        Some(Answer::Created(_)) => "created".to_owned(),
        Some(other) => format!("{other:?}"),
    }
}
