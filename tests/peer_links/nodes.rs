//! Nodes with all but Kafka as in production: controller, driver, log, disk and sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::ledger::{self, LedgerDesk, LedgerOptions};
use tanist::adapters::llm_adviser::{ModelOrRules, RulesOnly};
use tanist::adapters::peers::{LinkSecurity, PeerLinks};
use tanist::adapters::store::redb_log::{Owner, RaftStore};
use tanist::consensus::{PeerOptions, PeerStatus, Recovered, Standing};
use tanist::control::event::{PauseFile, Role, Views};
use tanist::control::state::State;
use tanist::control::{Advice, Controller, ControllerOptions, Now};
use tanist::decide::policy::Policy;
use tanist::driver::{Driver, Inlets, Neighbours, Question, Stopped};
use tanist::model::ids::{BrokerId, ClusterId, Listener, NodeId, Person, RequestId, Term};
use tanist::model::observation::{LookNow, Observation};
use tanist::model::operator::view::StatusView;
use tanist::model::operator::{Answer, Ask, OperatorRequest};
use tanist::model::plan::Step;
use tanist::model::record::Receipt;
use tanist::ports::{Actuator, ApplyError, Probe};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::trio::{PATIENCE, options};

/// Sees no Kafka and touches none: what these nodes record comes from people.
struct NoKafka;

impl Probe for NoKafka {
    fn look_now(&self, _what: LookNow) {}

    async fn next(&mut self) -> Option<Observation> {
        std::future::pending().await
    }
}

impl Actuator for NoKafka {
    async fn apply(&self, _step: &Step, _term: Term, _within: Duration) -> Result<Receipt, ApplyError> {
        Err(ApplyError::Unreachable("there is no Kafka here".to_owned()))
    }

    async fn read_back(&self, _not: &BTreeSet<BrokerId>, _within: Duration) -> Views {
        Views { shapes: Vec::new(), wanted: 2 }
    }
}

/// What a node finds in its settings: the members, and where each listens.
pub(crate) type Settings = BTreeMap<NodeId, SocketAddr>;

/// One running node.
pub(crate) struct Node {
    questions: mpsc::Sender<Question>,
    pub(crate) ledger: LedgerDesk,
    pub(crate) role: watch::Receiver<Role>,
    stop: oneshot::Sender<()>,
    driver: JoinHandle<Stopped>,
}

impl Node {
    /// Starts a node on what is in its folder; whoever ran there before may need a moment to let go of it.
    pub(crate) async fn start(me: NodeId, homes: &Homes, settings: &Settings, election_ticks: usize) -> Self {
        let store = until("a store to open", async || RaftStore::open(&homes.of(me), &owner(me)).ok()).await;
        let (events, inbound) = mpsc::channel(64);
        let others: Vec<_> = settings.iter().filter(|(id, _)| **id != me).map(|(id, at)| (*id, *at)).collect();
        let links = until("an address to listen on", async || {
            let options = options(me, settings[&me], &others, LinkSecurity::LoopbackPlaintext);
            PeerLinks::start(options, events.clone()).await.ok()
        })
        .await;
        let voters: BTreeSet<NodeId> = settings.keys().copied().collect();
        let peer = PeerOptions { election_ticks, ..PeerOptions::of_a_trio(me, me.0) };
        let options = LedgerOptions { peer, recover_bytes_max: 1 << 20, wanted: voters.clone() };
        let started = ledger::start(options, store, links, inbound).unwrap();
        let controller = Controller::new(
            ControllerOptions {
                me,
                voters,
                policy: Policy::default(),
                path: Listener("clients".to_owned()),
                no_vote_on: BTreeSet::new(),
                advice: Advice::Off,
                pause_file: PauseFile::Absent,
            },
            State::default(),
        );
        let adviser = Arc::new(ModelOrRules::Rules(RulesOnly));
        let (roles, role) = watch::channel(Role::Leaderless(Term(0)));
        let neighbours = Neighbours { probe: NoKafka, hand: Arc::new(NoKafka), roles, ledger: started.ledger, adviser };
        let (questions, question_inlet) = mpsc::channel(8);
        let inlets = Inlets { questions: question_inlet, pause_file: mpsc::channel(1).1, rebuilt: mpsc::channel(1).1 };
        let driver = Driver::new(controller, neighbours, inlets, mpsc::unbounded_channel().0, now);
        let (stop, stopped) = oneshot::channel();
        let driver = tokio::spawn(driver.run(async { stopped.await.unwrap() }));
        Self { questions, ledger: started.desk, role, stop, driver }
    }

    /// Ends the node; nothing is handed over.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        assert_eq!(self.driver.await.unwrap(), Stopped::Asked);
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        let request = OperatorRequest { id: RequestId(1), by: Person("ada".to_owned()), ask };
        self.questions.send(Question { request, reply }).await.unwrap();
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
    }

    pub(crate) async fn status(&self) -> StatusView {
        let answer = self.ask(Ask::Status).await;
        let Answer::Status(view) = answer else { panic!("{answer:?} is no status") };
        *view
    }

    pub(crate) async fn peer(&self) -> PeerStatus {
        self.ledger.status(PATIENCE).await.unwrap().peer
    }

    async fn leads(&self) -> Option<()> {
        (self.peer().await.role.standing == Standing::Leading).then_some(())
    }
}

/// Where the nodes keep what they know.
pub(crate) struct Homes(tempfile::TempDir);

impl Homes {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn of(&self, node: NodeId) -> PathBuf {
        self.0.path().join(node.to_string())
    }

    /// Prepares the directory of a node.
    pub(crate) fn init(&self, node: NodeId, first: &Recovered) {
        let life = [u8::try_from(node.0).unwrap(); 16];
        RaftStore::init(&self.of(node), &owner(node), life, first).unwrap();
    }
}

fn now() -> Now {
    Now { at: clock::timestamp(), wall_ms: clock::wall_ms() }
}

fn owner(node: NodeId) -> Owner {
    Owner { cluster: ClusterId("the-cluster".into()), node }
}

pub(crate) async fn until<T>(awaited: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("not in time: {awaited}"))
}

/// Waits until one of the nodes leads; gives its place among them.
pub(crate) async fn leader(nodes: &[&Node]) -> usize {
    until("a leader", async || {
        for (place, node) in nodes.iter().enumerate() {
            if node.leads().await.is_some() {
                return Some(place);
            }
        }
        None
    })
    .await
}
