//! What the demo plays on: the cluster, the trio, the topics with their clients, and the acts of the play.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::{task, time};

use super::history::{self, Done, Failover, Seen, word};
use super::model::Model;
use super::{PARTITIONS, settings};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::admin::TopicPlan;
use crate::lab::client::{Probe, Steady, SteadyOptions, final_read};
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::ClusterOptions;
use crate::lab::records::{self, entries};
use crate::lab::settled::{self, await_settled};
use crate::lab::trio::{Controllers, NODES, Said, Trio, TrioOptions};
use crate::model::advice::{Dropped, Opinion, Outcome};
use crate::model::ids::TopicId;
use crate::model::operator::Entry;
use crate::model::plan::Origin;
use crate::model::record::Body;

/// Generous: JVMs on a busy machine. Nothing here waits longer than it must.
const WITHIN: Duration = Duration::from_secs(120);
/// Kafka alone takes 8.5 s; what is not back by then is a failure of the demo.
const WATCH: Duration = Duration::from_secs(30);
/// A small model on a busy machine reads its prompt in seconds; its answer is shown, never waited for by the act.
const OPINION_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(300);
const RECORDS_A_SECOND: u32 = 50;
/// The most records that one list holds.
const LAST: &str = "200";

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Scene {
    trio: Trio,
    loads: BTreeMap<String, Steady>,
    /// What the topics are called.
    names: BTreeMap<TopicId, String>,
    model: Option<Model>,
    /// When the last plan was done, as Tanist's cool-downs count it.
    acted: Option<Instant>,
    /// The trio's node that was killed, if it is still down.
    lost: Option<u8>,
    /// The broker that was killed, if it is still down.
    down: Option<BrokerId>,
    // Last: the trio goes before the cluster that it watches.
    cluster: Cluster,
}

impl Scene {
    /// Starts everything and waits until the trio sees every broker.
    pub(super) async fn set(program: &Path, with_model: bool) -> Result<Self, LabError> {
        let begun = clock::now();
        println!("starting Kafka (3 controllers, 3 brokers) and three Tanist nodes; settings of config/demo.toml");
        let model = if with_model { start_model().await } else { None };
        let cluster = Cluster::start(ClusterOptions::default()).await?;
        let mut options = TrioOptions {
            program: program.to_owned(),
            settings: settings::lines()?,
            controllers: Controllers::Told,
            cluster_id: None,
        };
        if let Some(model) = &model {
            options = options.with("adviser", "url", &format!("{:?}", model.url));
            options = options.with("adviser", "model", &format!("{:?}", model.name));
        }
        let folder = cluster.folder().join("trio");
        let trio = Trio::start(&cluster, &folder, options).await?;
        let (loads, names) = (BTreeMap::new(), BTreeMap::new());
        let mut scene = Self { trio, loads, names, model, acted: None, lost: None, down: None, cluster };
        for (broker, topic) in [super::FIRST, super::SECOND] {
            scene.load(broker, topic).await?;
        }
        scene.trio.await_leader(WITHIN).await?;
        scene.await_seen().await?;
        println!("ready after {} s", begun.elapsed().as_secs());
        Ok(scene)
    }

    /// Makes a topic led by `broker` and starts its clients.
    async fn load(&mut self, broker: BrokerId, topic: &str) -> Result<(), LabError> {
        let partitions = usize::try_from(PARTITIONS).unwrap_or_default();
        let plan = TopicPlan::led_by(topic, broker, partitions, &self.cluster.brokers());
        let made = self.cluster.create_topic(&plan).await?;
        self.names.insert(TopicId(made.id.into_bytes()), topic.to_owned());
        let load = Steady::start(&SteadyOptions {
            brokers: self.cluster.bootstrap(Listener::Clients),
            topic: topic.to_owned(),
            partitions: PARTITIONS,
            records_per_s: RECORDS_A_SECOND,
        })?;
        self.loads.insert(topic.to_owned(), load);
        Ok(())
    }

    /// Shows how things stand, as anybody would ask.
    pub(super) async fn show_status(&self) -> Result<(), LabError> {
        let said = self.ask(&["status"]).await?;
        println!("\n$ tanist status");
        said.out.lines().for_each(|line| println!("  {line}"));
        println!(
            "\n{RECORDS_A_SECOND} records a second go to each topic with acks=all: orders (led by b1), payments (led by b2)"
        );
        Ok(())
    }

    /// Kills a broker and shows what the probe measured and what the records say.
    pub(super) async fn failover(&mut self, (broker, topic): (BrokerId, &str)) -> Result<Failover, LabError> {
        self.cool_down().await?;
        self.await_seen().await?;
        let since = records::last(&self.trio, self.living()).await?;
        let probe = Probe::new(self.cluster.bootstrap(Listener::Clients), topic, PARTITIONS);
        let fault = self.cluster.inflict(&Fault::kill(broker))?;
        let fault_wall_ms = clock::wall_ms();
        self.down = Some(broker);
        let (all, one) = probe.both(fault, WATCH).await;
        let ours = |origin: &Origin| matches!(origin, Origin::Finding { broker: found, .. } if found.0 == broker.0);
        let done = self.await_done(since, &format!("Tanist to act on {broker}"), ours).await?;
        history::print(&done, &Seen { fault_wall_ms, broker, all: &all, one: &one, names: &self.names });
        println!("\n  the whole story: tanist why {}; tanist audit show {}", done.case, done.index);
        Ok(Failover { case: done.case, all_worst: all.worst(), one_worst: one.worst() })
    }

    /// Starts the broker again and waits until it leads what it led.
    pub(super) async fn failback(&mut self, (broker, topic): (BrokerId, &str)) -> Result<(), LabError> {
        let since = records::last(&self.trio, self.living()).await?;
        let begun = clock::now();
        self.cluster.heal(&Fault::kill(broker))?;
        self.cluster.await_ready(broker).await?;
        self.down = None;
        say(begun, &format!("{broker} serves again"));
        self.cluster.await_in_sync(topic, WITHIN).await?;
        say(begun, "every replica is in sync");
        let ours = |origin: &Origin| matches!(origin, Origin::Failback { broker: back, .. } if back.0 == broker.0);
        let done = self.await_done(since, &format!("{broker} to lead again"), ours).await?;
        say(begun, &format!("failback sent and verified ({}, record {})", done.case, done.index));
        let view = self.cluster.topic(topic).await?;
        let leads = view.partitions.iter().filter(|one| one.leader == Some(broker.0)).count();
        println!("             {broker} leads {leads} of {} partitions of {topic}", view.partitions.len());
        self.acted = Some(clock::now());
        Ok(())
    }

    /// Kills the leader of the trio and waits for the next one.
    pub(super) async fn lose_our_leader(&mut self) -> Result<(), LabError> {
        self.cool_down().await?;
        let leader = self.trio.await_leader(WITHIN).await?;
        let begun = clock::now();
        self.trio.kill(leader)?;
        self.lost = Some(leader);
        say(begun, &format!("n{leader}, the leader of the trio, was killed (kill -9)"));
        let deadline = clock::now() + WITHIN;
        loop {
            let next = settled::status(&self.trio).await.and_then(|status| status.leader);
            if let Some(next) = next.filter(|next| next.0 != u64::from(leader)) {
                say(begun, &format!("{next} leads"));
                println!();
                return Ok(());
            }
            self.not_late(deadline, "another node to lead the trio")?;
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Shows what the model said and what grounding kept of it.
    pub(super) async fn show_opinion(&self, failover: &Failover) -> Result<(), LabError> {
        let Some(model) = &self.model else { return Ok(()) };
        println!("\n  the model's opinion of {} ({}; the act did not wait for it)", failover.case, model.name);
        let deadline = clock::now() + OPINION_WITHIN;
        let case = failover.case.to_string();
        loop {
            let entries = entries(&self.ask(&["audit", "list", "--last", LAST, "--case", &case, "-o", "json"]).await?)?;
            let opinion = entries
                .iter()
                .find_map(|entry| if let Body::Opinion(opinion) = &entry.record.body { Some(opinion) } else { None });
            if let Some(opinion) = opinion {
                print_opinion(opinion);
                return Ok(());
            }
            if deadline <= clock::now() {
                println!("    none was recorded within {} s", OPINION_WITHIN.as_secs());
                return Ok(());
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Starts what is still down, reads every topic to its end, and checks the history.
    pub(super) async fn prove(&mut self, topics: &[(BrokerId, &str)]) -> Result<(), LabError> {
        if let Some(node) = self.lost.take() {
            self.trio.begin(node)?;
            self.trio.await_leader(WITHIN).await?;
            println!("  n{node} is back");
        }
        if let Some(broker) = self.down.take() {
            self.cluster.heal(&Fault::kill(broker))?;
            self.cluster.await_ready(broker).await?;
            println!("  {broker} is back");
        }
        for (_, topic) in topics {
            let Some(load) = self.loads.remove(*topic) else { continue };
            let stopped = task::spawn_blocking(move || load.stop()).await;
            let felt =
                stopped.map_err(|error| LabError::Usage(format!("a client's thread ended badly: {error}")))??;
            let read = final_read(&self.cluster, topic, &felt.acknowledged).await?;
            println!(
                "  {topic:<9} {} records acknowledged, {} read back, {} lost; a steady client waited {} at most",
                felt.acknowledged.len(),
                read.read,
                read.lost.len(),
                history::seconds(Some(felt.worst_produce_gap()))
            );
            if !read.lost.is_empty() {
                return Err(LabError::Kafka {
                    act: format!("keep every record of {topic}"),
                    answer: format!("lost {:?}: {}", read.lost, read.evidence.join("; ")),
                });
            }
        }
        let said = self.ask(&["audit", "verify"]).await?;
        println!("\n$ tanist audit verify");
        said.out.lines().for_each(|line| println!("  {line}"));
        if said.status == 0 { Ok(()) } else { Err(refused("audit verify", &said)) }
    }

    /// Prints how to look at what stays up.
    pub(super) fn print_how_to_look(&self) {
        let program = typed(self.trio.program());
        println!("\neverything stays up until Ctrl-C; ask any node from another terminal:");
        for id in NODES {
            if let Ok(config) = self.trio.config(id) {
                println!("  {program} status --config {}", config.display());
            }
        }
        println!(
            "also, with the same --config: audit list, why b1, why orders-0, plan list, pause --reason ..., resume"
        );
    }

    /// Waits until the cool-downs of the last act are over, so that the next one is not held.
    async fn cool_down(&self) -> Result<(), LabError> {
        let Some(acted) = self.acted else { return Ok(()) };
        let cool = settings::time("guard", "cluster_cool_down")?.max(settings::time("guard", "broker_cool_down")?);
        let left = (cool + Duration::from_secs(1)).saturating_sub(acted.elapsed());
        if !left.is_zero() {
            println!("  (waiting {} s for the cool-down of config/demo.toml)", left.as_secs() + 1);
            time::sleep(left).await;
        }
        Ok(())
    }

    /// Waits until the trio sees every broker serve.
    async fn await_seen(&self) -> Result<(), LabError> {
        await_settled(&self.trio, self.cluster.brokers().len(), WITHIN).await
    }

    /// Waits for a plan that was carried out after record `since`.
    async fn await_done(&self, since: u64, awaited: &str, ours: impl Fn(&Origin) -> bool) -> Result<Done, LabError> {
        let done = |entries: &[Entry]| history::done(entries, &ours);
        match records::awaited(&self.trio, (self.living(), since), WITHIN, done).await? {
            Some(done) => Ok(done),
            None => Err(self.unmoved(awaited).await),
        }
    }

    /// Gives the error of an act that did not come, with what Tanist's own records and status say about it.
    async fn unmoved(&self, awaited: &str) -> LabError {
        let mut last_seen = "Tanist says:\n".to_owned();
        for arguments in [&["audit", "list"][..], &["status"]] {
            match self.ask(arguments).await {
                Ok(said) => {
                    last_seen.push_str(&format!("$ tanist {}\n{}{}\n", arguments.join(" "), said.out, said.err))
                }
                Err(error) => last_seen.push_str(&format!("{error}\n")),
            }
        }
        last_seen.push_str("(nodes that are \"unwell themselves\" abstain: the machine is too busy for the demo)");
        LabError::Late { awaited: awaited.to_owned(), within: WITHIN, last_seen }
    }

    /// Runs one command of the program against the first node that runs.
    async fn ask(&self, arguments: &[&str]) -> Result<Said, LabError> {
        self.trio.run(self.living(), arguments).await
    }

    /// Gives the first node that runs.
    fn living(&self) -> u8 {
        NODES.into_iter().find(|id| self.trio.pid(*id).is_some()).unwrap_or(1)
    }

    /// Gives an error with the end of every node's log once the deadline is over.
    fn not_late(&self, deadline: Instant, awaited: &str) -> Result<(), LabError> {
        if clock::now() < deadline {
            return Ok(());
        }
        let last_seen = settled::logs(&self.trio);
        Err(LabError::Late { awaited: awaited.to_owned(), within: WITHIN, last_seen })
    }
}

async fn start_model() -> Option<Model> {
    match Model::start().await {
        Ok(model) => {
            println!("the adviser is {} at {}", model.name, model.url);
            Some(model)
        }
        Err(why) => {
            println!("no adviser, rules only: {why}");
            None
        }
    }
}

fn refused(command: &str, said: &Said) -> LabError {
    LabError::Command { command: format!("tanist {command}"), output: format!("{}{}", said.out, said.err) }
}

fn say(begun: Instant, text: &str) {
    println!("  {:>9}  {text}", history::seconds(Some(begun.elapsed())));
}

fn print_opinion(opinion: &Opinion) {
    println!("    after {} ms", opinion.latency_ms);
    match &opinion.parsed {
        Some(reply) => {
            println!("    it said   {}, {} % sure", word(&reply.verdict), reply.confidence_pct);
            for reason in &reply.reasons {
                println!("              {} {:?}", word(&reason.code), reason.text);
            }
        }
        None if opinion.raw.is_some() => println!("    it said   nothing in the agreed form"),
        None => println!("    it said   nothing"),
    }
    match &opinion.outcome {
        Outcome::Said(kept) => {
            println!("    kept      {}, {} of its reasons", word(&kept.verdict), kept.reasons.len());
            for reason in &kept.reasons {
                println!("              {} {:?}", word(&reason.code), reason.text);
            }
            kept.dropped.iter().for_each(|dropped| println!("    dropped   {}", dropped_text(dropped)));
        }
        Outcome::None(why) => println!("    kept      nothing ({}): the rules decided alone", word(why)),
    }
}

fn dropped_text(dropped: &Dropped) -> String {
    match dropped {
        Dropped::Reason { place, why } => format!("reason {}: {}", place + 1, word(why)),
        Dropped::Text { place, why } => format!("the words of reason {}: {}", place + 1, word(why)),
    }
}

/// Gives what to type here for a program: nobody has one on the path that was just built.
fn typed(program: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.and_then(|here| program.strip_prefix(here).map(Path::to_owned).ok());
    short.unwrap_or_else(|| program.to_owned()).display().to_string()
}
