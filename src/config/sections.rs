//! Every setting: name, kind, default, bounds and meaning, in the order in which `tanist config print` writes them.
//!
//! Deliberately no rules between keys: those stand in `rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::ids::{BrokerId, ClusterId, NodeId, Person};
use crate::model::operator::Role;

use super::section::{Presence, Reader, Row, Spec, section};
use super::value::{HostPort, Value};

pub use super::deciding::{Act, Detect, Guard, ScoreSection};

/// The sections of a file.
pub(super) const SECTIONS: &[&str] =
    &["node", "peers", "kafka", "act", "detect", "score", "guard", "audit", "adviser", "surface"];

/// The keys of each of `[[peers]]`.
pub(super) const PEER_KEYS: &[&str] = &["id", "address", "surface"];

/// What the printed file says of `[[peers]]`.
pub(super) const PEERS_MEANING: &str = "\
The three nodes of the trio, this one included, so that the list is the same in all three files. Exactly three.
id: a node's id, a whole number from 1, never used again for a node whose data directory was lost. Must be set.
address: where the others reach that node (its node.listen, as seen from outside). Must be set.
surface: where people reach that node (its surface.listen), told to whoever asks a node that does not lead. May be left out.";

/// All settings of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[node]`.
    pub node: Node,
    /// `[[peers]]`: the three nodes, this one included.
    pub peers: Vec<Peer>,
    /// `[kafka]`.
    pub kafka: Kafka,
    /// `[act]`.
    pub act: Act,
    /// `[detect]`.
    pub detect: Detect,
    /// `[score]`.
    pub score: ScoreSection,
    /// `[guard]`.
    pub guard: Guard,
    /// `[audit]`.
    pub audit: Audit,
    /// `[adviser]`.
    pub adviser: Adviser,
    /// `[surface]`.
    pub surface: Surface,
}

/// One of `[[peers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub id: NodeId,
    /// Where the others reach it.
    pub address: HostPort,
    /// Where people reach it.
    pub surface: Option<HostPort>,
}

section! {
    /// This node: who it is, where its data is, how the others reach it.
    Node in "node" {
        /// Which of [[peers]] this node is.
        "id" id: NodeId, required NodeId(1);
        /// Where this node keeps its log, its state and its history; one directory for each node, on a local disk.
        /// A file named PAUSE in it pauses this node.
        "data_dir" data_dir: PathBuf, default PathBuf::from("/var/lib/tanist");
        /// Where this node listens for the other two.
        "listen" listen: SocketAddr, default SocketAddr::from(([127, 0, 0, 1], 7401));
        /// The Kafka cluster that the trio belongs to. Without it the trio ties itself to the first cluster it finds,
        /// for good; with it no other cluster is ever looked at.
        "cluster" cluster: Option<ClusterId>, optional "\"MkU3OEVBNTcwNTJENDM2Qg\"";
        /// Brokers on the same machine as this node: it has no vote on them, as it would die with them.
        "shares_host_with" shares_host_with: BTreeSet<BrokerId>, default BTreeSet::new();
        /// This node's certificate for the other two (PEM). Without the three tls files the trio talks in plain text,
        /// which is allowed between loopback addresses only.
        "tls.cert" tls_cert: Option<PathBuf>, optional "\"/etc/tanist/node.crt\"";
        /// The key of that certificate (PEM).
        "tls.key" tls_key: Option<PathBuf>, optional "\"/etc/tanist/node.key\"";
        /// The authority that signed the certificates of all three nodes (PEM).
        "tls.ca" tls_ca: Option<PathBuf>, optional "\"/etc/tanist/trio-ca.crt\"";
    }
}

section! {
    /// How this node reaches Kafka, under Kafka's own names.
    Kafka in "kafka" {
        /// Brokers to ask first, on the listener that clients of this cluster use: what this node sees of a broker it
        /// sees through that listener. Best one of its own for each node.
        "bootstrap.servers" bootstrap_servers: Vec<HostPort>, required example_servers();
        /// What records call that listener: where brokers have several, the one that this node sees them through. A vote
        /// counts the same whatever its name.
        "listener" listener: String, default "clients".to_owned();
        /// Controllers to ask first. With it this node reads the metadata log as an observer (broker epochs, leaders and
        /// in-sync replicas within tens of milliseconds) and can fence by heartbeat; without it neither.
        "bootstrap.controllers" bootstrap_controllers: Option<Vec<HostPort>>, optional "\"localhost:9093\"";
        /// What the logs and quotas of the brokers call this node.
        "client.id" client_id: String, default "tanist".to_owned();
        /// Between two looks at the cluster's shape (every broker, side by side).
        "shape_interval" shape_interval: Duration,
            default Duration::from_secs(1), from Duration::from_millis(200) => Duration::from_secs(60);
        /// Between two looks at who follows the metadata log.
        "pulse_interval" pulse_interval: Duration,
            default Duration::from_millis(250), from Duration::from_millis(100) => Duration::from_secs(10);
        /// Between two looks at the log ends of a broker.
        "offsets_interval" offsets_interval: Duration,
            default Duration::from_secs(5), from Duration::from_millis(500) => Duration::from_secs(120);
        /// Between two looks at a broker's log dirs, at reassignments and at topics' settings.
        "rounds_interval" rounds_interval: Duration,
            default Duration::from_secs(30), from Duration::from_secs(1) => Duration::from_secs(3600);
    }
}

section! {
    /// The history of decisions, chained by hashes.
    Audit in "audit" {
        /// Entries of the trio's log kept behind the last checkpoint of the history, from which a damaged history or a
        /// peer that was away is served.
        "log_entries_kept" log_entries_kept: u64, default 10_000, from 1_000 => 1_000_000;
    }
}

section! {
    /// The language model that checks decisions; it can hold, never allow.
    Adviser in "adviser" {
        /// Base address of an OpenAI-compatible server, up to and with /v1. Without it the rules decide alone.
        "url" url: Option<String>, optional "\"http://127.0.0.1:8080/v1\"";
        /// The model to ask for.
        "model" model: Option<String>, optional "\"smollm2\"";
        /// File with the server's key; its last newline is cut off. Without it none is sent.
        "key_file" key_file: Option<PathBuf>, optional "\"/etc/tanist/adviser.key\"";
        /// OpenAI's organization, where the key belongs to several.
        "organization" organization: Option<String>, optional "\"org-0123\"";
        /// OpenAI's project, where the key belongs to several.
        "project" project: Option<String>, optional "\"proj-0123\"";
        /// How long connecting to the server may take, within the deadline that the class of the plan sets.
        "connect_timeout" connect_timeout: Duration,
            default Duration::from_secs(2), from Duration::from_millis(50) => Duration::from_secs(30);
        /// The most tokens that an answer may have; models that think aloud need more.
        "answer_tokens_max" answer_tokens_max: u32, default 800, from 100 => 100_000;
        /// How long an opinion answers the same evidence again.
        "reuse_for" reuse_for: Duration, default Duration::from_secs(60), from Duration::ZERO => Duration::from_secs(3600);
        /// The model is not asked for a while after so many failures of the server running.
        "breaker.failures_max" breaker_failures_max: u32, default 3, from 1 => 100;
        /// How long it is then not asked.
        "breaker.failures_rest" breaker_failures_rest: Duration,
            default Duration::from_secs(30), from Duration::from_secs(1) => Duration::from_secs(86_400);
        /// The model is not asked for a while after so many vetoes, where they are also more than half of what it said.
        "breaker.vetoes_max" breaker_vetoes_max: u32, default 5, from 1 => 200;
        /// The time in which vetoes are counted.
        "breaker.vetoes_within" breaker_vetoes_within: Duration,
            default Duration::from_secs(3600), from Duration::from_secs(60) => Duration::from_secs(86_400);
        /// How long it is then not asked.
        "breaker.vetoes_rest" breaker_vetoes_rest: Duration,
            default Duration::from_secs(3600), from Duration::from_secs(1) => Duration::from_secs(86_400);
    }
}

section! {
    /// Where people reach this node.
    Surface in "surface" {
        /// Unix socket for people on this machine; who asks is the user of the connecting process.
        "socket" socket: PathBuf, default PathBuf::from("/run/tanist/tanist.sock");
        /// Address for people elsewhere, with certificates on both sides; in plain text between loopback addresses only,
        /// and then for reading only, as nobody can be told apart.
        "listen" listen: Option<SocketAddr>, optional "\"127.0.0.1:7402\"";
        /// This node's certificate for people (PEM).
        "tls.cert" tls_cert: Option<PathBuf>, optional "\"/etc/tanist/surface.crt\"";
        /// The key of that certificate (PEM).
        "tls.key" tls_key: Option<PathBuf>, optional "\"/etc/tanist/surface.key\"";
        /// The authority that signed people's certificates (PEM): the name in the certificate is the person.
        "tls.ca" tls_ca: Option<PathBuf>, optional "\"/etc/tanist/people-ca.crt\"";
        /// Who may do what. A reader looks; an operator also pauses, resumes, undoes and acknowledges; an approver also
        /// approves and rejects plans. Whoever is not named reads. The user that runs the node and root are approvers on
        /// the socket unless named, as they could replace the program anyway.
        "roles" roles: BTreeMap<Person, Role>, default BTreeMap::new();
    }
}

fn example_servers() -> Vec<HostPort> {
    vec![HostPort { host: "localhost".to_owned(), port: 9092 }]
}

impl Settings {
    /// Gives settings with every default, and with examples for what must be set: three nodes on one machine.
    #[must_use]
    pub fn example() -> Self {
        let peer =
            |id, port| Peer { id: NodeId(id), address: HostPort { host: "127.0.0.1".to_owned(), port }, surface: None };
        Self {
            node: Node::example(),
            peers: vec![peer(1, 7401), peer(2, 7411), peer(3, 7421)],
            kafka: Kafka::example(),
            act: Act::example(),
            detect: Detect::example(),
            score: ScoreSection::example(),
            guard: Guard::example(),
            audit: Audit::example(),
            adviser: Adviser::example(),
            surface: Surface::example(),
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            node: Node::read(reader),
            peers: reader.peers(Peer::read),
            kafka: Kafka::read(reader),
            act: Act::read(reader),
            detect: Detect::read(reader),
            score: ScoreSection::read(reader),
            guard: Guard::read(reader),
            audit: Audit::read(reader),
            adviser: Adviser::read(reader),
            surface: Surface::read(reader),
        }
    }

    /// Gives every key but those of `[[peers]]`, in the order of the file.
    pub(super) fn rows(&self) -> Vec<Row> {
        [
            self.node.rows(),
            self.kafka.rows(),
            self.act.rows(),
            self.detect.rows(),
            self.score.rows(),
            self.guard.rows(),
            self.audit.rows(),
            self.adviser.rows(),
            self.surface.rows(),
        ]
        .concat()
    }
}

impl Peer {
    fn read(reader: &mut Reader) -> Self {
        let nowhere = HostPort { host: "127.0.0.1".to_owned(), port: 1 };
        let required = Presence::Required;
        Self {
            id: reader.take(Spec { key: "peers.id", presence: required, default: NodeId(0), bounds: None }),
            address: reader.take(Spec { key: "peers.address", presence: required, default: nowhere, bounds: None }),
            surface: reader.take(Spec {
                key: "peers.surface",
                presence: Presence::Optional,
                default: None,
                bounds: None,
            }),
        }
    }
}

/// Gives every key that a file or a variable may set, whole: `act.mode`.
pub(super) fn known_keys() -> BTreeSet<String> {
    Settings::example().rows().iter().map(|row| format!("{}.{}", row.section, row.key)).collect()
}
