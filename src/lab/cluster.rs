//! A running Kafka cluster: its processes, its proxies and its folder.
//!
//! Starting is here, and asking where things are; breaking and healing are in `inflict`. The cluster's proxies run on threads of
//! their own, so a cluster can be shared by tests with runtimes of their own, and none of them slows a link down.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::disk::Volume;
use crate::lab::folder::Folder;
use crate::lab::format;
use crate::lab::jars::Jars;
use crate::lab::links::{Caller, Links, Own, Route};
use crate::lab::names::{BrokerId, ControllerId, Listener};
use crate::lab::options::{ClusterOptions, Disk};
use crate::lab::process::{Nursery, Process};
use crate::lab::settings::{self, Role};
use crate::model::ids::BrokerEpoch;

/// A Kafka cluster of this process's own; everything of it is gone when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) options: ClusterOptions,
    pub(crate) links: Arc<Links>,
    pub(crate) nodes: BTreeMap<i32, Node>,
    cluster_id: String,
    jars: Jars,
    nursery: Nursery,
    /// None only while the cluster is being dropped.
    runtime: Option<Runtime>,
    /// Last, so that the folder goes after the processes that write to it.
    folder: Folder,
}

/// One process of the cluster, running or not.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    folder: PathBuf,
    process: Mutex<Option<Life>>,
    /// After the process that writes to it.
    pub(crate) volume: Option<Volume>,
}

/// One life of a process: what it logs begins at `log_from`.
#[derive(Debug, Clone)]
struct Life {
    process: Arc<Process>,
    log_from: usize,
}

impl Cluster {
    /// Starts a cluster and waits until every broker serves.
    ///
    /// Errors: [`LabError::Missing`] or [`LabError::Jars`] if this machine cannot run Kafka; [`LabError::Ended`] or
    /// [`LabError::Late`] with the log's last lines if a node does not come up.
    pub async fn start(options: ClusterOptions) -> Result<Self, LabError> {
        options.check()?;
        let within = options.start_within;
        let cluster = tokio::task::spawn_blocking(move || Self::prepare(options))
            .await
            .map_err(|died| LabError::Usage(format!("the task that prepares a cluster died: {died}")))??;
        for id in cluster.nodes.keys() {
            cluster.spawn(*id)?;
        }
        let deadline = clock::now() + within;
        for id in cluster.nodes.keys() {
            cluster.ready(*id, deadline.saturating_duration_since(clock::now())).await?;
        }
        cluster.await_every_broker(deadline.saturating_duration_since(clock::now())).await?;
        Ok(cluster)
    }

    /// Gives Kafka's id of this cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Gives the options that the cluster was made with.
    #[must_use]
    pub fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// Gives the cluster's folder; each node's logs and settings lie in `node-<id>` below it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the ids of all brokers, running or not.
    #[must_use]
    pub fn brokers(&self) -> Vec<BrokerId> {
        self.nodes.iter().filter(|(_, node)| node.role.is_broker()).map(|(id, _)| BrokerId(*id)).collect()
    }

    /// Gives the ids of all controllers, running or not.
    #[must_use]
    pub fn controller_ids(&self) -> Vec<ControllerId> {
        self.nodes.iter().filter(|(_, node)| node.role.is_controller()).map(|(id, _)| ControllerId(*id)).collect()
    }

    /// Gives each broker's address on that listener, as it is advertised: behind the proxy that a fault can hit.
    #[must_use]
    pub fn bootstrap(&self, listener: Listener) -> Vec<SocketAddr> {
        self.brokers().into_iter().filter_map(|broker| self.broker_address(broker, listener)).collect()
    }

    /// Gives one broker's advertised address on that listener; none for an id that the cluster does not have.
    #[must_use]
    pub fn broker_address(&self, broker: BrokerId, listener: Listener) -> Option<SocketAddr> {
        self.links.advertised(Route::Client(broker, listener)).ok()
    }

    /// Gives each controller's address: a Tanist node's behind its own proxies, everybody else's directly, beyond any fault.
    #[must_use]
    pub fn controllers(&self, listener: Listener) -> Vec<SocketAddr> {
        self.controller_ids()
            .into_iter()
            .filter_map(|controller| match listener {
                Listener::Tanist(node) => {
                    self.links.advertised(Route::Controller(controller, Caller::Tanist(node))).ok()
                }
                Listener::Clients => self.links.own(Own::Quorum(controller)).ok(),
            })
            .collect()
    }

    /// Gives a broker's own address on that listener, past its proxy: for the lab's hands, which no fault may stop.
    #[must_use]
    pub fn broker_behind_proxy(&self, broker: BrokerId, listener: Listener) -> Option<SocketAddr> {
        self.links.own(Own::Client(broker, listener)).ok()
    }

    /// Gives how many requests have come to a broker over that listener's proxy, by their frames.
    #[must_use]
    pub fn asked_of_broker(&self, broker: BrokerId, listener: Listener) -> Option<u64> {
        self.links.asked(Route::Client(broker, listener))
    }

    /// Gives how many requests have come to a controller from a Tanist node, by their frames.
    #[must_use]
    pub fn asked_of_controller(&self, controller: ControllerId, node: u8) -> Option<u64> {
        self.links.asked(Route::Controller(controller, Caller::Tanist(node)))
    }

    /// Gives the process id of a running broker.
    #[must_use]
    pub fn broker_pid(&self, broker: BrokerId) -> Option<u32> {
        self.process(broker.0).ok().filter(|process| process.ended().is_none()).map(|process| process.pid())
    }

    /// Gives the process id of a running controller.
    #[must_use]
    pub fn controller_pid(&self, controller: ControllerId) -> Option<u32> {
        self.process(controller.0).ok().filter(|process| process.ended().is_none()).map(|process| process.pid())
    }

    /// Gives the epoch that the controllers gave the broker's present life, as the broker itself logged it.
    ///
    /// Errors: [`LabError::Kafka`] if it never registered.
    pub fn broker_epoch(&self, broker: BrokerId) -> Result<BrokerEpoch, LabError> {
        let log = self.present_log(broker.0)?;
        log.lines()
            .rev()
            .find_map(|line| line.split("Successfully registered broker").nth(1))
            .and_then(|rest| rest.split("with broker epoch").nth(1))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|digits| digits.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok())
            .map(BrokerEpoch)
            .ok_or_else(|| LabError::Kafka {
                act: format!("register {broker}"),
                answer: "no epoch in its log".to_owned(),
            })
    }

    /// Starts a node whose process has ended and waits until it serves.
    ///
    /// Errors: as [`Cluster::start`].
    pub async fn restart(&self, broker: BrokerId) -> Result<(), LabError> {
        self.spawn(broker.0)?;
        self.ready(broker.0, self.options.start_within).await
    }

    /// Waits until a broker that was started serves.
    ///
    /// Errors: [`LabError::Ended`], [`LabError::Late`].
    pub async fn await_ready(&self, broker: BrokerId) -> Result<(), LabError> {
        self.ready(broker.0, self.options.start_within).await
    }

    /// Waits until a broker's process has ended.
    ///
    /// Errors: [`LabError::Late`].
    pub async fn await_gone(&self, broker: BrokerId) -> Result<(), LabError> {
        let process = self.process(broker.0)?;
        let deadline = clock::now() + GONE_WITHIN;
        while process.ended().is_none() {
            if deadline <= clock::now() {
                let awaited = format!("{broker} to end");
                return Err(LabError::Late { awaited, within: GONE_WITHIN, last_seen: process.log_tail() });
            }
            time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(crate) fn runtime(&self) -> Result<&Handle, LabError> {
        self.runtime
            .as_ref()
            .map(Runtime::handle)
            .ok_or_else(|| LabError::Usage("the cluster is being dropped".to_owned()))
    }

    pub(crate) fn process(&self, id: i32) -> Result<Arc<Process>, LabError> {
        self.life(id).map(|life| life.process)
    }

    /// Starts a node's process unless it runs; does not wait for it.
    pub(crate) fn spawn(&self, id: i32) -> Result<(), LabError> {
        let node = self.node(id)?;
        let mut present = node.process.lock().unwrap_or_else(PoisonError::into_inner);
        if present.as_ref().is_some_and(|life| life.process.ended().is_none()) {
            return Ok(());
        }
        let log = node.folder.join("server.log");
        let log_from = fs::metadata(&log).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(usize::MAX));
        let heap = if node.role.is_broker() { "-Xmx320m" } else { "-Xmx192m" };
        let mut program: Vec<String> = ["java", "-Xms64m", heap].map(str::to_owned).to_vec();
        program.extend(JVM.map(str::to_owned));
        program.push(format!("-Djdk.net.hosts.file={}", node.folder.join("hosts").display()));
        program.extend(self.jars.java_arguments());
        program.extend(["kafka.Kafka".to_owned(), node.folder.join("node.properties").display().to_string()]);
        let process = Arc::new(self.nursery.spawn(&format!("node {id}"), &program, &log)?);
        *present = Some(Life { process, log_from });
        Ok(())
    }

    /// Makes folders, ports, proxies and settings; starts nothing. Blocks.
    fn prepare(options: ClusterOptions) -> Result<Self, LabError> {
        let jars = Jars::ensure(&options.kafka, options.cache.as_deref())?;
        let folder = Folder::make(options.dir.as_deref(), options.temporary_in.as_deref())?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab-links")
            .enable_all()
            .build()
            .map_err(LabError::socket("start the threads that carry the links"))?;
        let nursery = Nursery::start()?;
        let roles = settings::nodes(&options);
        let links = Arc::new(Links::open(runtime.handle(), &roles)?);
        let mut nodes = BTreeMap::new();
        for (id, role) in roles {
            let place = folder.path().join(format!("node-{id}"));
            let mount = place.join("disk");
            fs::create_dir_all(&mount).map_err(LabError::file("make", &mount))?;
            let disk = if role.is_broker() { options.disk } else { Disk::Folder };
            let volume = Volume::make(disk, &place, &mount, &nursery)?;
            // A file system's own root holds things that Kafka takes for broken partitions.
            let data = place.join(DATA);
            fs::create_dir_all(&data).map_err(LabError::file("make", &data))?;
            let write = |name: &str, text: String| {
                fs::write(place.join(name), text).map_err(LabError::file("write", place.join(name)))
            };
            write("node.properties", settings::properties(&options, &links, id, &data)?)?;
            write("hosts", settings::hosts(&options, id))?;
            nodes.insert(id, Node { role, folder: place, process: Mutex::new(None), volume });
        }
        let data: BTreeMap<i32, &Path> = nodes.iter().map(|(id, node)| (*id, node.folder.as_path())).collect();
        let cluster_id = format::format(&jars, &data)?;
        Ok(Self { options, links, nodes, cluster_id, jars, nursery, runtime: Some(runtime), folder })
    }

    async fn ready(&self, id: i32, within: Duration) -> Result<(), LabError> {
        let awaited = format!("node {id} to serve");
        let life = self.life(id)?;
        let deadline = clock::now() + within;
        loop {
            if self.present_log(id)?.contains(STARTED) {
                return Ok(());
            }
            if life.process.ended().is_some() {
                return Err(life.process.ended_error(&awaited));
            }
            if deadline <= clock::now() {
                return Err(LabError::Late { awaited, within, last_seen: life.process.log_tail() });
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives what a node has logged in its present life.
    fn present_log(&self, id: i32) -> Result<String, LabError> {
        let path = self.node(id)?.folder.join("server.log");
        let bytes = fs::read(&path).map_err(LabError::file("read", &path))?;
        let from = self.life(id)?.log_from;
        Ok(String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned())
    }

    fn node(&self, id: i32) -> Result<&Node, LabError> {
        self.nodes.get(&id).ok_or_else(|| LabError::Usage(format!("this cluster has no node {id}")))
    }

    fn life(&self, id: i32) -> Result<Life, LabError> {
        let present = self.node(id)?.process.lock().unwrap_or_else(PoisonError::into_inner).clone();
        present.ok_or_else(|| LabError::Usage(format!("node {id} was never started")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes.values() {
            if let Some(volume) = &node.volume {
                volume.release();
            }
            let mut present = node.process.lock().unwrap_or_else(PoisonError::into_inner);
            // Dropping the last handle kills and reaps.
            *present = None;
        }
        if let Some(runtime) = self.runtime.take() {
            // A cluster may be dropped inside another runtime, where waiting for this one is forbidden.
            runtime.shutdown_background();
        }
    }
}

/// A controlled shutdown waits for the slowest broker's metadata; a kill takes milliseconds.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// Where a node's log folder lies in its own.
pub(crate) const DATA: &str = "disk/data";
/// Kafka's last line of a start: a broker logs it once it is unfenced and its listeners are open.
const STARTED: &str = "Kafka Server started";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Settings of every JVM: the cheapest start there is, and heaps that let six of them share a small machine.
pub(crate) const JVM: [&str; 6] = [
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=160m",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
];
