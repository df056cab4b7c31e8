//! `tanist run`: one node, put together from its settings and taken apart in good order.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::adviser::{adviser, begin_probing};
use super::desk::Desk;
use super::history::History;
use super::reads::{Reads, Station};
use super::rights::begin_asking;
use super::{audit_dir, endpoints, logging, pause_file, raft_dir, tied_to};
use crate::adapters::clock;
use crate::adapters::kafka::actuator::{HandOptions, KafkaHand};
use crate::adapters::kafka::probe::{KafkaProbe, ProbeOptions, Rhythm};
use crate::adapters::kafka::wire::{Options, Rights};
use crate::adapters::ledger::{self, LedgerDesk, LedgerOptions};
use crate::adapters::llm_adviser::ModelOrRules;
use crate::adapters::peers::{Introduction, LinkEvent, LinkOptions, LinkSecurity, PeerLinks, TlsFiles};
use crate::adapters::store::audit::{AuditOptions, AuditStore, Identity};
use crate::adapters::store::redb_log::{Owner, RaftStore};
use crate::config::sections::Peer;
use crate::config::{HostPort, Settings};
use crate::consensus::PeerOptions;
use crate::control::event::{PauseFile, Role};
use crate::control::state::State;
use crate::control::{Advice, Controller, ControllerOptions, Now};
use crate::decide::policy::{Mode, Policy};
use crate::driver::{Driver, Inlets, Neighbours, Question, Stopped};
use crate::model::chain::Head;
use crate::model::ids::{ClusterId, Listener, NodeId, Term};
use crate::surface::cli::Output;
use crate::surface::exit::{ExitStatus, Failure};
use crate::surface::grpc::{self, Bound, Listen, Roles, ServeOptions};

/// How much of the log before the newest snapshot is read into memory.
const RECOVER_BYTES_MAX: u64 = 4 << 20;

/// How often the hand opens what is not open.
const WARM_EVERY: Duration = Duration::from_secs(5);

/// How many requests of operators may wait.
const QUESTIONS_MAX: usize = 64;

/// How long the first history may take to open: 100,000 records a second.
const AUDIT_OPEN_WITHIN: Duration = Duration::from_secs(60);
const AUDIT_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Runs the node of these settings until it is told to stop, or may not go on.
pub(super) async fn run(settings: Settings, output: Output) -> anyhow::Result<ExitStatus> {
    logging::start(output);
    let cluster = tied_to(&settings)?;
    let node = Node::put_together(&settings, cluster).await?;
    tracing::info!(node = %settings.node.id, mode = ?settings.policy().mode, "running");
    match node.run(stopped()?).await {
        Stopped::Asked => Ok(ExitStatus::Yes),
        stopped @ (Stopped::Faulted(_) | Stopped::LedgerGone) => {
            Err(Failure { status: ExitStatus::No, what: stopped.to_string() }.into())
        }
    }
}

/// Ends when the process is asked to end.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

type OurDriver = Driver<KafkaProbe, KafkaHand, ledger::RaftLedger, ModelOrRules>;

/// A node whose parts all stand.
struct Node {
    driver: OurDriver,
    served: Bound,
    questions: mpsc::Sender<Question>,
    reads: Reads,
    history: History,
    hand: Arc<KafkaHand>,
    pause_file: mpsc::Sender<PauseFile>,
    pause_path: std::path::PathBuf,
    pause_seen: PauseFile,
    addresses: BTreeMap<NodeId, String>,
    bootstrap: Vec<HostPort>,
    ledger: LedgerDesk,
    me: NodeId,
    role: watch::Receiver<Role>,
    /// Find out in which form the adviser's server answers, and what Kafka would let this node do.
    asking: [JoinHandle<()>; 2],
}

impl Node {
    async fn put_together(settings: &Settings, cluster: ClusterId) -> anyhow::Result<Self> {
        let policy = settings.policy();
        policy.check()?;
        // What is in use already shows before anything else starts.
        let served = Bound::bind(serve_options(settings)).await?;
        let owner = Owner { cluster: cluster.clone(), node: settings.node.id };
        let store = RaftStore::open(&raft_dir(settings), &owner)?;
        let checkpoint = ledger::checkpoint(&store)?.map_or(Head::GENESIS, |checkpoint| checkpoint.head);
        let (audit, opened) = AuditStore::open(audit_options(settings, &cluster), checkpoint).await?;
        tracing::info!("{opened}");
        let members: BTreeSet<NodeId> = settings.peers.iter().map(|peer| peer.id).collect();
        let others = settings.peers.iter().map(|peer| peer.id).filter(|id| *id != settings.node.id);
        let known = ledger::known_stores(&store, others.clone())?;
        let (events, inbound) = mpsc::channel(1024);
        let links = PeerLinks::start(link_options(settings, &cluster, store.store_id(), known), events).await?;
        let options = LedgerOptions {
            peer: peer_options(settings),
            recover_bytes_max: RECOVER_BYTES_MAX,
            wanted: members.clone(),
        };
        let started = ledger::start(options, store, links, inbound)?;
        let (roles, role) = watch::channel(Role::Leaderless(Term(0)));
        let hand = Arc::new(KafkaHand::new(hand_options(settings, policy.mode), role.clone()));
        let adviser = Arc::new(adviser(&settings.adviser)?);
        let advice = if matches!(*adviser, ModelOrRules::Model(_)) { Advice::On } else { Advice::Off };
        let pause_path = settings.node.data_dir.join("PAUSE");
        let pause_seen = pause_file::look_for(&pause_path).await;
        let options = controller_options(settings, policy, advice, pause_seen);
        let controller = Controller::new(options, State::default());
        let (keep, kept) = mpsc::unbounded_channel();
        let (questions, question_inlet) = mpsc::channel(QUESTIONS_MAX);
        let (pause_file, pause_inlet) = mpsc::channel(4);
        let (heads, heads_seen) = watch::channel(BTreeMap::new());
        let probe = KafkaProbe::start(probe_options(settings, cluster.clone()));
        let (probing, adviser_trouble) = begin_probing(&adviser);
        let (asking, rights) = begin_asking(settings);
        let neighbours = Neighbours { probe, hand: Arc::clone(&hand), roles, ledger: started.ledger, adviser };
        let (tell_rebuilt, rebuilt) = mpsc::channel(1);
        let inlets = Inlets { questions: question_inlet, pause_file: pause_inlet, rebuilt };
        let driver = Driver::new(controller, neighbours, inlets, keep, now).with_heads(heads);
        let peers = others.clone().collect();
        let station =
            Station { me: settings.node.id, peers, cluster, named: members, adviser: adviser_trouble, rights };
        let reads = Reads::new(station, audit.clone(), heads_seen, started.desk.clone());
        let (ledger, me) = (started.desk.clone(), settings.node.id);
        let feeds = (kept, started.history);
        let history = History::new(audit, started.desk, feeds, (others.collect(), tell_rebuilt), (opened, checkpoint));
        let addresses =
            settings.peers.iter().filter_map(|peer| Some((peer.id, peer.surface.as_ref()?.to_string()))).collect();
        Ok(Self {
            driver,
            served,
            questions,
            reads,
            history,
            hand,
            pause_file,
            pause_path,
            pause_seen,
            addresses,
            bootstrap: settings.kafka.bootstrap_servers.clone(),
            ledger,
            me,
            role,
            asking: [probing, asking],
        })
    }

    async fn run(self, stop: impl Future<Output = ()>) -> Stopped {
        let (hush, hushed) = oneshot::channel::<()>();
        let warm = tokio::spawn(keep_warm(self.hand));
        let pause = tokio::spawn(pause_file::watch(self.pause_path, self.pause_seen, self.pause_file));
        let history = tokio::spawn(self.history.run());
        let desk = Arc::new(Desk {
            reads: self.reads,
            questions: self.questions,
            addresses: self.addresses,
            bootstrap: self.bootstrap,
        });
        let served = tokio::spawn(self.served.serve(
            move |request| {
                let desk = Arc::clone(&desk);
                async move { desk.answer(request).await }
            },
            async {
                let _ = hushed.await;
            },
        ));
        let (ledger, me, role) = (self.ledger, self.me, self.role);
        let stopped = self.driver.run(async {
            stop.await;
            ledger::hand_over(&ledger, me, role).await;
        });
        let stopped = stopped.await;
        let _ = hush.send(());
        let _ = tokio::time::timeout(Duration::from_secs(2), served).await;
        [warm, pause].iter().chain(&self.asking).for_each(JoinHandle::abort);
        // The driver is gone, so the history's inlet is closed: it writes what it holds and ends.
        let _ = tokio::time::timeout(Duration::from_secs(3), history).await;
        stopped
    }
}

fn now() -> Now {
    Now { at: clock::timestamp(), wall_ms: clock::wall_ms() }
}

async fn keep_warm(hand: Arc<KafkaHand>) {
    let mut ticks = tokio::time::interval(WARM_EVERY);
    loop {
        ticks.tick().await;
        hand.warm().await;
    }
}

fn controller_options(settings: &Settings, policy: Policy, advice: Advice, pause_file: PauseFile) -> ControllerOptions {
    ControllerOptions {
        me: settings.node.id,
        voters: settings.peers.iter().map(|peer| peer.id).collect(),
        policy,
        path: Listener(settings.kafka.listener.clone()),
        no_vote_on: settings.node.shares_host_with.clone(),
        advice,
        pause_file,
    }
}

fn serve_options(settings: &Settings) -> ServeOptions {
    let tls = match (&settings.surface.tls_cert, &settings.surface.tls_key, &settings.surface.tls_ca) {
        (Some(cert), Some(key), Some(ca)) => {
            Some(grpc::TlsFiles { cert: cert.clone(), key: key.clone(), ca: ca.clone() })
        }
        _ => None,
    };
    ServeOptions {
        socket: settings.surface.socket.clone(),
        listen: settings.surface.listen.map(|address| Listen { address, tls }),
        roles: Roles::new(settings.surface.roles.clone()),
    }
}

fn audit_options(settings: &Settings, cluster: &ClusterId) -> AuditOptions {
    AuditOptions {
        dir: audit_dir(settings),
        identity: Identity { node: settings.node.id, cluster: cluster.clone() },
        open_within: AUDIT_OPEN_WITHIN,
        answer_within: AUDIT_ANSWER_WITHIN,
    }
}

/// Observe-only is a fact of wiring: its connections refuse every mutating request.
fn hand_options(settings: &Settings, mode: Mode) -> HandOptions {
    let rights = match mode {
        Mode::Observe => Rights::ReadOnly,
        Mode::Approve | Mode::Auto => Rights::ReadWrite,
    };
    HandOptions {
        bootstrap: endpoints(&settings.kafka.bootstrap_servers),
        controllers: controllers(settings),
        connect: Options { client_id: settings.kafka.client_id.as_str().into(), ..Options::new(rights) },
    }
}

fn controllers(settings: &Settings) -> Vec<crate::adapters::kafka::wire::Endpoint> {
    settings.kafka.bootstrap_controllers.as_deref().map(endpoints).unwrap_or_default()
}

fn probe_options(settings: &Settings, cluster: ClusterId) -> ProbeOptions {
    let path = Listener(settings.kafka.listener.clone());
    let mut options = ProbeOptions::new(endpoints(&settings.kafka.bootstrap_servers), path);
    options.controllers = controllers(settings);
    options.cluster = Some(cluster);
    options.client_id = settings.kafka.client_id.as_str().into();
    options.rhythm = rhythm(settings);
    options
}

fn rhythm(settings: &Settings) -> Rhythm {
    Rhythm {
        ping: settings.policy().detect.ping_interval,
        shape: settings.kafka.shape_interval,
        pulse: settings.kafka.pulse_interval,
        offsets: settings.kafka.offsets_interval,
        rounds: settings.kafka.rounds_interval,
        ..Rhythm::default()
    }
}

/// How links between nodes are protected.
fn link_security(settings: &Settings) -> LinkSecurity {
    match (&settings.node.tls_cert, &settings.node.tls_key, &settings.node.tls_ca) {
        (Some(certificate), Some(key), Some(ca)) => {
            LinkSecurity::Tls(TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() })
        }
        _ => LinkSecurity::LoopbackPlaintext,
    }
}

fn introduction(settings: &Settings, cluster: &ClusterId, life: [u8; 16]) -> Introduction {
    // Nothing but the cluster and the members must agree, and those are checked by name: a node whose data was lost is
    // replaced by restarting the three, one after the other, with its new id in their settings.
    let config_fingerprint = Sha256::digest(b"tanist-trio-1").into();
    Introduction { cluster: cluster.clone(), node: settings.node.id, store_id: life, config_fingerprint }
}

fn address(peer: &Peer) -> String {
    format!("{}:{}", peer.address.host, peer.address.port)
}

fn link_options(
    settings: &Settings,
    cluster: &ClusterId,
    life: [u8; 16],
    known_stores: BTreeMap<NodeId, [u8; 16]>,
) -> LinkOptions {
    let others = settings.peers.iter().filter(|peer| peer.id != settings.node.id);
    LinkOptions {
        introduction: introduction(settings, cluster, life),
        listen: settings.node.listen,
        peers: others.map(|peer| (peer.id, address(peer))).collect(),
        security: link_security(settings),
        known_stores,
    }
}

fn peer_options(settings: &Settings) -> PeerOptions {
    let seed = u64::from_le_bytes(Uuid::new_v4().as_bytes().first_chunk::<8>().copied().unwrap_or_default());
    PeerOptions { keep_entries: settings.audit.log_entries_kept, ..PeerOptions::of_a_trio(settings.node.id, seed) }
}

/// How long a peer may take to say whether it knows this node.
const MEET_WITHIN: Duration = Duration::from_secs(1);

/// Tells why a running peer refuses this node; none where it takes it, does not run, or was never told of such a node: an id
/// that nobody knows has not voted.
pub(super) async fn is_refused(
    settings: &Settings,
    cluster: &ClusterId,
    life: [u8; 16],
    peer: &Peer,
) -> Option<String> {
    let mut options = link_options(settings, cluster, life, BTreeMap::new());
    options.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    options.peers = BTreeMap::from([(peer.id, address(peer))]);
    let (events, mut inbound) = mpsc::channel(16);
    let _links = PeerLinks::start(options, events).await.ok()?;
    let said = async {
        while let Some(event) = inbound.recv().await {
            match event {
                LinkEvent::Up(_) | LinkEvent::Down { .. } => return None,
                LinkEvent::Refused { refusal, .. } if refusal.is_of_a_stranger() => return None,
                LinkEvent::Refused { refusal, .. } => return Some(refusal.to_string()),
                LinkEvent::Frame { .. } | LinkEvent::Introduced { .. } => {}
            }
        }
        None
    };
    tokio::time::timeout(MEET_WITHIN, said).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_defaults_are_the_probes_own() {
        assert_eq!(format!("{:?}", rhythm(&Settings::example())), format!("{:?}", Rhythm::default()));
    }
}
