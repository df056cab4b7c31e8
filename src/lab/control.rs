//! How a person's second terminal talks to a cluster that runs in the first: a socket and a description in the cluster's folder.
//!
//! One connection carries one line of JSON each way. The cluster stays with the process that started it; nothing here starts one.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::lab::LabError;
use crate::lab::admin::{TopicPlan, chain};
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Event, Fault, Scheduled};
use crate::lab::names::{BrokerId, ControllerId, Listener};
use crate::lab::settings;

/// The socket's name in the cluster's folder.
const SOCKET: &str = "lab.sock";
/// The description's name in the cluster's folder.
pub const DESCRIPTION: &str = "lab.json";

/// What a person asks of a running cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Begin a fault, after a while and for a while if so wished; answered when it is all done.
    Inflict {
        /// What to break.
        fault: Fault,
        /// How long to wait before.
        after: Duration,
        /// How long it lasts; until it is healed if none.
        lasting: Option<Duration>,
    },
    /// End a fault; all that are on if none is named.
    Heal(Option<Fault>),
    /// Make a topic led by one broker.
    Topic {
        /// Its name.
        name: String,
        /// How many partitions.
        partitions: usize,
        /// Who leads them.
        leader: BrokerId,
    },
    /// Say how the cluster is.
    Status,
    /// End the cluster.
    Down,
}

/// What the cluster answers, as text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done(String),
    /// It is not, and why.
    Refused(String),
}

/// A cluster as other programs need it: `lab.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Kafka's id of the cluster.
    pub cluster_id: String,
    /// The Kafka release.
    pub kafka: String,
    /// The process that holds the cluster.
    pub lab_pid: u32,
    /// The brokers.
    pub brokers: Vec<BrokerEntry>,
    /// The controllers.
    pub controllers: Vec<ControllerEntry>,
}

/// One broker of a description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerEntry {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Its rack.
    pub rack: char,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// Its advertised addresses by listener: `tanist1` to `tanist3`, and `clients`.
    pub listeners: BTreeMap<String, SocketAddr>,
}

/// One controller of a description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerEntry {
    /// Its `node.id`.
    pub id: ControllerId,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// Its addresses by caller: `tanist1` to `tanist3`, and `clients` (direct).
    pub listeners: BTreeMap<String, SocketAddr>,
}

impl Description {
    /// Describes a running cluster.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let brokers = cluster.brokers().into_iter().map(|id| BrokerEntry {
            id,
            rack: settings::rack(id),
            pid: cluster.broker_pid(id),
            listeners: Listener::all()
                .filter_map(|one| Some((one.to_string(), cluster.broker_address(id, one)?)))
                .collect(),
        });
        let controllers = cluster.controller_ids().into_iter().enumerate().map(|(place, id)| ControllerEntry {
            id,
            pid: cluster.controller_pid(id),
            listeners: Listener::all()
                .filter_map(|one| Some((one.to_string(), *cluster.controllers(one).get(place)?)))
                .collect(),
        });
        Self {
            cluster_id: cluster.cluster_id().to_owned(),
            kafka: cluster.options().kafka.clone(),
            lab_pid: std::process::id(),
            brokers: brokers.collect(),
            controllers: controllers.collect(),
        }
    }

    /// Reads the description of the cluster in `dir`.
    ///
    /// Errors: [`LabError::Usage`] if none was started there.
    pub fn read(dir: &Path) -> Result<Self, LabError> {
        let path = dir.join(DESCRIPTION);
        let none = |why: String| {
            LabError::Usage(format!("no cluster in {}: {why}; start one with `tanist-lab up --dir`", dir.display()))
        };
        let text = fs::read_to_string(&path).map_err(|error| none(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| none(error.to_string()))
    }
}

/// A cluster that takes requests.
#[derive(Debug)]
pub(crate) struct Control {
    cluster: Cluster,
    listener: UnixListener,
    on: Mutex<Vec<Fault>>,
}

impl Control {
    /// Opens the socket and writes the description.
    pub(crate) fn open(cluster: Cluster) -> Result<Self, LabError> {
        let path = cluster.folder().join(SOCKET);
        let listener = UnixListener::bind(&path).map_err(LabError::socket(format!("listen at {}", path.display())))?;
        let control = Self { cluster, listener, on: Mutex::new(Vec::new()) };
        control.describe()?;
        Ok(control)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Answers requests until one asks for the end.
    pub(crate) async fn serve(&self) -> Result<(), LabError> {
        loop {
            let (stream, _) = self.listener.accept().await.map_err(LabError::socket("accept a command"))?;
            // A caller that hangs up in the middle has only itself to blame.
            if let Ok(Request::Down) = self.answer(stream).await {
                return Ok(());
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> Result<Request, LabError> {
        let read = || LabError::socket("read a command");
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await.map_err(read())?;
        let request: Request = serde_json::from_str(&line).map_err(|error| LabError::Usage(error.to_string()))?;
        let reply = match self.carry_out(&request).await {
            Ok(done) => Reply::Done(done),
            Err(error) => Reply::Refused(chain(&error)),
        };
        let mut text = serde_json::to_string(&reply).map_err(|error| LabError::Usage(error.to_string()))?;
        text.push('\n');
        stream.write_all(text.as_bytes()).await.map_err(LabError::socket("answer a command"))?;
        Ok(request)
    }

    async fn carry_out(&self, request: &Request) -> Result<String, LabError> {
        match request {
            Request::Inflict { fault, after, lasting } => {
                let mut schedule = vec![Scheduled { after: *after, event: Event::Inflict(fault.clone()) }];
                schedule.extend(
                    lasting.map(|lasting| Scheduled { after: *after + lasting, event: Event::Heal(fault.clone()) }),
                );
                self.cluster.run(&schedule).await?;
                if lasting.is_some() {
                    self.describe()?;
                    return Ok(format!("on and healed: {fault}"));
                }
                self.on.lock().unwrap_or_else(PoisonError::into_inner).push(fault.clone());
                Ok(format!("on: {fault}"))
            }
            Request::Heal(named) => {
                let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
                let healed = named.as_ref().map_or_else(|| on.clone(), |fault| vec![fault.clone()]);
                healed.iter().try_for_each(|fault| self.cluster.heal(fault))?;
                on.retain(|fault| !healed.contains(fault));
                drop(on);
                self.describe()?;
                Ok(format!("healed: {}", list(&healed)))
            }
            Request::Topic { name, partitions, leader } => {
                let plan = TopicPlan::led_by(name, *leader, *partitions, &self.cluster.brokers());
                let topic = self.cluster.create_topic(&plan).await?;
                Ok(format!("{name}: {} partitions, led by {leader}, every replica in sync", topic.partitions.len()))
            }
            Request::Status => {
                let on = self.on.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(format!("faults on: {}", list(&on)))
            }
            Request::Down => Ok("down".to_owned()),
        }
    }

    fn describe(&self) -> Result<(), LabError> {
        let path = self.cluster.folder().join(DESCRIPTION);
        let text = serde_json::to_string_pretty(&Description::of(&self.cluster))
            .map_err(|error| LabError::Usage(format!("cannot describe the cluster: {error}")))?;
        // Renamed into place, so that whoever waits for the file never reads half of it.
        let part = path.with_extension("part");
        fs::write(&part, text).map_err(LabError::file("write", &part))?;
        fs::rename(&part, &path).map_err(LabError::file("rename", &part))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        for name in [SOCKET, DESCRIPTION] {
            // In a temporary folder they are gone with it anyway.
            let _removed = fs::remove_file(self.cluster.folder().join(name));
        }
    }
}

fn list(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join("; ") }
}

/// Sends a request to the cluster in `dir` and gives its answer.
///
/// Errors: [`LabError::Usage`] if no cluster runs there.
pub async fn ask(dir: &Path, request: &Request) -> Result<Reply, LabError> {
    let gone = |error: String| LabError::Usage(format!("no cluster answers in {}: {error}", dir.display()));
    let mut stream = UnixStream::connect(dir.join(SOCKET)).await.map_err(|error| gone(error.to_string()))?;
    let mut text = serde_json::to_string(request).map_err(|error| gone(error.to_string()))?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await.map_err(|error| gone(error.to_string()))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.map_err(|error| gone(error.to_string()))?;
    serde_json::from_str(&line).map_err(|error| gone(error.to_string()))
}
