//! The stage of every case: a cluster, a trio beside it, a loaded topic led by the victim, and questions to both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{Acks, TopicView};
use tanist::config;
use tanist::decide::deliberate::{Replayed, replay};
use tanist::lab::client::{Probe, Steady, SteadyOptions, final_read};
use tanist::lab::trio::{Controllers, NODES, Trio, TrioOptions};
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Listener, TopicPlan};
use tanist::model::ids::{CaseId, NodeId};
use tanist::model::observation::Light;
use tanist::model::operator::Entry;
use tanist::model::operator::view::StatusView;
use tanist::model::plan::{Act, Plan};
use tanist::model::record::{Body, DecisionVerdict, Outcome};
use tanist::model::topology::Standing;

pub(crate) const VICTIM: BrokerId = BrokerId(1);
pub(crate) const PARTITIONS: i32 = 6;
/// Longer than anything here takes on a busy machine; what must be quick has a bound of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(150);
const RECORDS_PER_S: u32 = 200;

/// Gives the settings of a trio that may do everything that mode auto does.
pub(crate) fn fenced_off() -> TrioOptions {
    TrioOptions::auto(env!("CARGO_BIN_EXE_tanist"))
}

/// Gives the settings of a trio that knows no controller and so can fence nobody by heartbeat; it may unregister.
pub(crate) fn public_apis() -> TrioOptions {
    let options = TrioOptions { controllers: Controllers::Untold, ..fenced_off() };
    options.with("act", "fence.heartbeat", "false").with("act", "fence.unregister", "true")
}

/// Gives the settings of a trio that may send R2 by itself, unless its adviser is against it, and fences nobody.
pub(crate) fn unregisters(adviser_url: &str) -> TrioOptions {
    let options = public_apis().with("act", "auto_r2", "[\"Unregister\"]");
    options.with("adviser", "url", &format!("{adviser_url:?}")).with("adviser", "model", "\"small\"")
}

/// Starts a cluster for several cases.
pub(crate) async fn cluster(options: ClusterOptions) -> Arc<Cluster> {
    let began = clock::now();
    let cluster = Cluster::start(options).await.unwrap();
    println!("cluster {} ready after {:?}", cluster.cluster_id(), began.elapsed());
    Arc::new(cluster)
}

/// A cluster and a trio that sees every broker well.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) trio: Trio,
    /// After the processes that write to it.
    _folder: tempfile::TempDir,
}

/// One case: a loaded topic that the victim leads, and the history from here on.
pub(crate) struct Play {
    pub(crate) topic: TopicView,
    steady: Steady,
    /// The last record before.
    since: u64,
}

impl Stage {
    pub(crate) async fn set(cluster: &Arc<Cluster>, options: TrioOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let began = clock::now();
        let trio = Trio::start(cluster, folder.path(), options).await.unwrap();
        let leader = trio.await_leader(PATIENCE).await.unwrap();
        println!("trio led by n{leader} after {:?}", began.elapsed());
        let stage = Self { cluster: Arc::clone(cluster), trio, _folder: folder };
        stage.await_calm().await;
        stage
    }

    /// Makes the case's topic, loads it, and waits until the trio has seen both.
    pub(crate) async fn play(&self, name: &str) -> Play {
        let partitions = usize::try_from(PARTITIONS).unwrap();
        self.play_with(TopicPlan::led_by(name, VICTIM, partitions, &self.cluster.brokers())).await
    }

    pub(crate) async fn play_with(&self, plan: TopicPlan) -> Play {
        let topic = self.cluster.create_topic(&plan).await.unwrap();
        assert!(topic.partitions.iter().all(|one| one.leader == Some(VICTIM.0)), "{topic:?}");
        let led = u32::try_from(topic.partitions.len()).unwrap();
        self.await_status("the trio to know the topic and have no case", |status| {
            self.is_calm(status) && status.brokers.iter().any(|one| one.id == VICTIM && led <= one.leads)
        })
        .await;
        let steady = self.load(&topic);
        let since = self.status(1).await.unwrap().audit.index.0;
        until("the load to begin", async || (100 < steady.acknowledged()).then_some(())).await;
        Play { topic, steady, since }
    }

    pub(crate) fn load(&self, topic: &TopicView) -> Steady {
        Steady::start(&SteadyOptions {
            brokers: self.cluster.bootstrap(Listener::Clients),
            topic: topic.name.clone(),
            partitions: i32::try_from(topic.partitions.len()).unwrap(),
            records_per_s: RECORDS_PER_S,
        })
        .unwrap()
    }

    /// Waits until every partition of the topic takes records again and prints when the slowest did.
    pub(crate) async fn serves(&self, play: &Play, acks: Acks, from: Instant) -> Duration {
        let probe = Probe::new(self.cluster.bootstrap(Listener::Clients), &play.topic.name, PARTITIONS);
        let recovery = probe.first_success(acks, from, Duration::from_secs(30)).await;
        println!("{}: {acks:?} back, worst {:?}, median {:?}", play.topic.name, recovery.worst(), recovery.median());
        recovery.worst().unwrap_or_else(|| panic!("{}: not served: {recovery:?}", play.topic.name))
    }

    /// Waits until the victim leads as before, with every replica in sync and the order as before.
    pub(crate) async fn failed_back(&self, play: &Play) {
        let order = |topic: &TopicView| -> Vec<(Option<i32>, Vec<i32>)> {
            topic.partitions.iter().map(|one| (one.leader, one.replicas.clone())).collect()
        };
        let before = order(&play.topic);
        let began = clock::now();
        until("leaders and replicas to be as before", async || {
            let now = self.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
            (order(&now) == before).then_some(())
        })
        .await;
        println!("{}: failed back {:?} after its return", play.topic.name, began.elapsed());
        self.await_calm().await;
    }

    /// Ends the load and holds every acknowledged record against what can be read.
    pub(crate) async fn nothing_is_lost(&self, name: &str, steady: Steady) {
        let report = tokio::task::spawn_blocking(|| steady.stop()).await.unwrap().unwrap();
        println!(
            "{name}: {} sent, {} acknowledged, {} failed, longest produce gap {:?}, consume gap {:?}",
            report.sent,
            report.acknowledged.len(),
            report.failed,
            report.worst_produce_gap(),
            report.worst_consume_gap()
        );
        assert!(100 < report.acknowledged.len(), "the load was real");
        let read = final_read(&self.cluster, name, &report.acknowledged).await.unwrap();
        assert_eq!(read.lost, Vec::<u64>::new(), "{name}: acknowledged and lost:\n{}", read.evidence.join("\n"));
        self.cluster.delete_topic(name).await.unwrap();
    }

    /// Ends the case: nothing was lost, and the history is whole and the same on all nodes.
    pub(crate) async fn end(&self, play: Play) {
        let name = play.topic.name.clone();
        self.judged_again(&play).await;
        self.nothing_is_lost(&name, play.steady).await;
        self.verified().await;
    }

    /// Decides again whatever was decided since the case began, each time from what the record holds: it must come out the same.
    async fn judged_again(&self, play: &Play) {
        let policy = config::load(self.trio.config(1).unwrap(), []).unwrap().policy();
        let mut decisions = 0;
        for entry in self.records(1, play).await {
            let Body::Decided(decision) = &entry.record.body else { continue };
            assert_eq!(replay(decision, &policy), Replayed::Same, "record {}: {decision:#?}", entry.index);
            decisions += 1;
        }
        println!("{}: {decisions} decisions come out the same again", play.topic.name);
    }

    /// Writes the history so far, for tests/fixtures (see CONTRIBUTING.md).
    pub(crate) async fn keep_history(&self, name: &str) {
        let said = self.trio.run(1, &["audit", "export"]).await.unwrap();
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, said.out).unwrap();
        println!("history kept in {}", file.display());
    }

    /// Asserts that every node's chain is whole and ends in the same head.
    pub(crate) async fn verified(&self) {
        until("equal heads on all nodes", async || {
            let mut heads = BTreeSet::new();
            for id in NODES {
                let audit = self.status(id).await?.audit;
                heads.insert((audit.index, audit.hash?));
            }
            (heads.len() == 1).then_some(())
        })
        .await;
        for id in NODES {
            let said = self.trio.run(id, &["audit", "verify"]).await.unwrap();
            assert_eq!(said.status, 0, "n{id}: {}{}", said.out, said.err);
        }
    }

    /// Runs a command that must succeed.
    pub(crate) async fn says(&self, command: &[&str]) {
        let said = self.trio.run(1, command).await.unwrap();
        assert_eq!(said.status, 0, "{command:?}: {}{}", said.out, said.err);
    }

    pub(crate) async fn status(&self, id: u8) -> Option<StatusView> {
        let answer = self.trio.status(id).await?;
        Some(serde_json::from_value(answer.get("status")?.clone()).expect("a status as the model writes it"))
    }

    /// Waits until the trio's leader says so and gives what it said.
    pub(crate) async fn await_status(&self, what: &str, holds: impl Fn(&StatusView) -> bool) -> StatusView {
        until(what, async || {
            let told = self.status(1).await?.leader?;
            let status = self.status(u8::try_from(told.0).ok()?).await?;
            (status.leader == Some(status.node) && holds(&status)).then_some(status)
        })
        .await
    }

    /// Waits until every node sees every broker well and no case is open.
    pub(crate) async fn await_calm(&self) {
        self.await_status("every broker green for every node, and no case", |status| self.is_calm(status)).await;
    }

    fn is_calm(&self, status: &StatusView) -> bool {
        status.cases.is_empty()
            && status.brokers.len() == self.cluster.brokers().len()
            && status.brokers.iter().all(|one| {
                matches!(one.standing, Standing::Active | Standing::Unknown)
                    && one.seen.len() == NODES.len()
                    && one.seen.values().all(|seen| seen.light == Light::Green)
            })
    }

    /// Gives what a node has recorded since the case began.
    pub(crate) async fn records(&self, id: u8, play: &Play) -> Vec<Entry> {
        let since = (play.since + 1).to_string();
        let said =
            self.trio.run(id, &["audit", "list", "--last", "200", "--since", &since, "-o", "json"]).await.unwrap();
        let mut answer = said.json().unwrap();
        serde_json::from_value(answer["records"].take()).unwrap_or_else(|error| panic!("{error}: {}", said.out))
    }

    /// Waits until a node's records since the case began show it.
    pub(crate) async fn await_records<T>(
        &self,
        id: u8,
        play: &Play,
        what: &str,
        shown: impl Fn(&[Entry]) -> Option<T>,
    ) -> T {
        until(what, async || shown(&self.records(id, play).await)).await
    }

    /// Heals what a case may have left broken and waits until all is well.
    pub(crate) async fn settle(&self) {
        for broker in self.cluster.brokers() {
            self.cluster.heal(&Fault::client_cut(broker)).unwrap();
            if self.cluster.broker_pid(broker).is_some() {
                self.cluster.heal(&Fault::stop(broker)).unwrap();
            }
            self.cluster.restart(broker).await.unwrap();
        }
        self.cluster.heal(&"controller-cut t2".parse().unwrap()).unwrap();
        self.cluster.await_every_broker(PATIENCE).await.unwrap();
        self.await_calm().await;
    }

    /// Prints what a person would look at after a failure.
    pub(crate) async fn tell(&self) {
        for id in NODES {
            println!("n{id}:\n{}", self.trio.log_tail(id));
        }
        for question in [&["status"][..], &["audit", "list", "--last", "60"]] {
            if let Ok(said) = self.trio.run(1, question).await {
                println!("{}{}", said.out, said.err);
            }
        }
    }
}

/// Looks again and again until there is something, for as long as patience lasts.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = clock::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(clock::now() < end, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An intent that was committed: its case, its plan, and what came of it, if that is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) case: CaseId,
    pub(crate) plan: Plan,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) by: NodeId,
}

/// Gives every intent in these records, in order.
pub(crate) fn intents(records: &[Entry]) -> Vec<Intent> {
    let outcome = |case: Option<CaseId>, digest| {
        records.iter().find_map(|entry| {
            let Body::Outcome(outcome) = &entry.record.body else { return None };
            (entry.record.case == case && Some(outcome.plan) == digest).then(|| outcome.clone())
        })
    };
    let decided = records.iter().filter_map(|entry| {
        let Body::Decided(decision) = &entry.record.body else { return None };
        matches!(decision.verdict, DecisionVerdict::Act { .. }).then_some(())?;
        Some(Intent {
            case: entry.record.case?,
            plan: decision.plan.clone()?,
            outcome: outcome(entry.record.case, decision.digest),
            by: entry.record.by,
        })
    });
    decided.collect()
}

/// Gives the case of every `opened` in these records, in order.
pub(crate) fn opened(records: &[Entry]) -> Vec<CaseId> {
    let opens = records.iter().filter(|entry| matches!(entry.record.body, Body::Opened(_)));
    opens.filter_map(|entry| entry.record.case.or(Some(CaseId(entry.index.0)))).collect()
}

/// Tells whether the intent sent a fence or an unregistration, by its outcome.
pub(crate) fn struck_whole_broker(intent: &Intent) -> bool {
    use tanist::model::record::Receipt;
    let Some(outcome) = &intent.outcome else { return false };
    intent.plan.steps.iter().any(|step| {
        matches!(step.act, Act::Fence { .. } | Act::Unregister { .. })
            && outcome.steps.iter().any(|one| {
                one.step == step.number
                    && !matches!(one.receipt, Receipt::NotDue | Receipt::NotSent(_) | Receipt::Skipped)
            })
    })
}
