//! The settings files of a cluster's nodes: what Kafka reads about itself and about the others.
//!
//! Brokers reach controllers by name (`controller-101`), and every JVM has a hosts file of its own that leads the name to a
//! proxy of its own. Kafka hands controllers' addresses on in its answers, so any other way would let a node learn its way past a cut.

use std::collections::BTreeMap;
use std::path::Path;

use crate::lab::LabError;
use crate::lab::links::{Caller, Links, Own, Route, address_seen_by};
use crate::lab::names::{BrokerId, ControllerId, Listener, TANIST_NODES};
use crate::lab::options::{Access, ClusterOptions, Roles, Timing};

/// What a process is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Broker,
    Controller,
    Both,
}

impl Role {
    pub(crate) fn is_broker(self) -> bool {
        matches!(self, Self::Broker | Self::Both)
    }

    pub(crate) fn is_controller(self) -> bool {
        matches!(self, Self::Controller | Self::Both)
    }
}

/// The `node.id` of the first separate controller; brokers count from 1.
const FIRST_CONTROLLER: i32 = 101;
const CONTROLLERS: i32 = 3;

/// Gives every node of a cluster with its role.
pub(crate) fn nodes(options: &ClusterOptions) -> BTreeMap<i32, Role> {
    let mut nodes: BTreeMap<i32, Role> = (1..=options.brokers).map(|id| (id, Role::Broker)).collect();
    match options.roles {
        Roles::Separate => nodes.extend((0..CONTROLLERS).map(|n| (FIRST_CONTROLLER + n, Role::Controller))),
        Roles::Combined => nodes.extend((1..=CONTROLLERS.min(options.brokers)).map(|id| (id, Role::Both))),
    }
    nodes
}

/// Gives the rack of a broker: `a`, `b`, `c` in turn.
#[must_use]
pub(crate) fn rack(broker: BrokerId) -> char {
    match broker.0 % 3 {
        1 => 'a',
        2 => 'b',
        _ => 'c',
    }
}

/// Gives the text of one node's `node.properties`.
pub(crate) fn properties(options: &ClusterOptions, links: &Links, id: i32, data: &Path) -> Result<String, LabError> {
    let nodes = nodes(options);
    let role = nodes.get(&id).copied().ok_or_else(|| LabError::Usage(format!("this cluster has no node {id}")))?;
    let mut own = Vec::new();
    let mut advertised = Vec::new();
    if role.is_broker() {
        broker_listeners(links, BrokerId(id), &mut own, &mut advertised)?;
    }
    if role.is_controller() {
        controller_listeners(links, ControllerId(id), &mut own, &mut advertised)?;
    }
    let controllers: Vec<i32> = nodes.iter().filter(|(_, role)| role.is_controller()).map(|(id, _)| *id).collect();
    let voters = controllers
        .iter()
        .map(|id| Ok(format!("{id}@{}:{}", controller_name(*id), links.own(Own::Quorum(ControllerId(*id)))?.port())))
        .collect::<Result<Vec<_>, LabError>>()?;
    let mut lines = vec![
        format!("process.roles={}", roles(role)),
        format!("node.id={id}"),
        format!("controller.quorum.voters={}", voters.join(",")),
        format!("listeners={}", own.join(",")),
        format!("advertised.listeners={}", advertised.join(",")),
        format!(
            "controller.listener.names={}",
            if role.is_controller() { all_controller_names() } else { QUORUM.to_owned() }
        ),
        format!("listener.security.protocol.map={}", security()),
        format!("log.dirs={}", data.display()),
    ];
    if role.is_broker() {
        lines.push(format!("inter.broker.listener.name={REPLICATION}"));
        lines.push(format!("broker.rack={}", rack(BrokerId(id))));
    }
    let tuned: &[&str] = match options.timing {
        Timing::Stock => &[],
        Timing::Tuned => &TUNED,
    };
    let copies = options.brokers.min(3);
    // Two of three: what the measurements were made with; a cluster of one or two brokers cannot ask for more than it has.
    let in_sync = (copies + 1) / 2;
    lines.push(format!("default.replication.factor={copies}"));
    lines.push(format!("min.insync.replicas={in_sync}"));
    for internal in ["offsets.topic", "transaction.state.log"] {
        lines.push(format!("{internal}.replication.factor={copies}"));
    }
    lines.push(format!("transaction.state.log.min.isr={in_sync}"));
    let access: &[&str] = match options.access {
        Access::Open => &[],
        Access::ByRule => &BY_RULE,
    };
    lines.extend(access.iter().map(ToString::to_string));
    lines.extend(SMALL.iter().chain(tuned).map(ToString::to_string));
    lines.extend(options.settings.iter().cloned());
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// What makes six JVMs fit two cores and start in ten seconds; nothing here changes when or how Kafka fails over.
const SMALL: [&str; 10] = [
    "offsets.topic.num.partitions=1",
    "transaction.state.log.num.partitions=1",
    "auto.create.topics.enable=false",
    "group.initial.rebalance.delay.ms=0",
    "num.network.threads=2",
    "num.io.threads=4",
    "background.threads=2",
    // The cleaner's buffer is the largest part of an idle broker's heap.
    "log.cleaner.dedupe.buffer.size=4194304",
    // Index files are mapped in full, two for each replica.
    "log.index.size.max.bytes=1048576",
    "initial.broker.registration.timeout.ms=180000",
];

const TUNED: [&str; 3] =
    ["broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "replica.lag.time.max.ms=5000"];

const BY_RULE: [&str; 2] = [
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found=true",
];

const QUORUM: &str = "CONTROLLER";
const REPLICATION: &str = "REPLICATION";

fn roles(role: Role) -> &'static str {
    match role {
        Role::Broker => "broker",
        Role::Controller => "controller",
        Role::Both => "broker,controller",
    }
}

fn controller_name(id: i32) -> String {
    format!("controller-{id}")
}

fn tanist_name(node: u8) -> String {
    format!("CONTROLLER_TANIST{node}")
}

fn all_controller_names() -> String {
    let mut names = vec![QUORUM.to_owned()];
    names.extend((1..=TANIST_NODES).map(tanist_name));
    names.join(",")
}

fn security() -> String {
    let mut names = vec![QUORUM.to_owned(), REPLICATION.to_owned()];
    names.extend((1..=TANIST_NODES).map(tanist_name));
    names.extend(Listener::all().map(Listener::on_broker));
    names.iter().map(|name| format!("{name}:PLAINTEXT")).collect::<Vec<_>>().join(",")
}

fn broker_listeners(
    links: &Links,
    broker: BrokerId,
    own: &mut Vec<String>,
    out: &mut Vec<String>,
) -> Result<(), LabError> {
    own.push(format!("{REPLICATION}://{}", links.own(Own::Replication(broker))?));
    out.push(format!("{REPLICATION}://{}", links.advertised(Route::Replication(broker))?));
    for listener in Listener::all() {
        own.push(format!("{}://{}", listener.on_broker(), links.own(Own::Client(broker, listener))?));
        out.push(format!("{}://{}", listener.on_broker(), links.advertised(Route::Client(broker, listener))?));
    }
    Ok(())
}

fn controller_listeners(
    links: &Links,
    controller: ControllerId,
    own: &mut Vec<String>,
    out: &mut Vec<String>,
) -> Result<(), LabError> {
    let quorum = format!("{QUORUM}://{}:{}", controller_name(controller.0), links.own(Own::Quorum(controller))?.port());
    own.push(quorum.clone());
    out.push(quorum);
    for node in 1..=TANIST_NODES {
        own.push(format!("{}://{}", tanist_name(node), links.own(Own::Tanist(controller, node))?));
        let route = Route::Controller(controller, Caller::Tanist(node));
        out.push(format!("{}://{}", tanist_name(node), links.advertised(route)?));
    }
    Ok(())
}

/// Gives the text of one node's hosts file: its own controller and, to controllers, all of them lie on 127.0.0.1; to a broker,
/// controllers lie behind its proxies.
pub(crate) fn hosts(options: &ClusterOptions, id: i32) -> String {
    let nodes = nodes(options);
    let broker = nodes.get(&id).is_some_and(|role| role.is_broker());
    let lines = nodes.iter().filter(|(_, role)| role.is_controller()).map(|(controller, _)| {
        let address =
            if broker && *controller != id { address_seen_by(BrokerId(id)) } else { std::net::Ipv4Addr::LOCALHOST };
        format!("{address} {}\n", controller_name(*controller))
    });
    ["127.0.0.1 localhost\n".to_owned()].into_iter().chain(lines).collect()
}
