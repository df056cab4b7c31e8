//! A trio of real Tanist processes beside a real cluster: what an operator would install, on free ports and in a folder of its own.
//!
//! Every link between two of them goes through a proxy, so that one can be cut off from its peers; each sees Kafka through the
//! listeners of its own vantage point. Nothing here reaches into the processes: they are started, asked and killed as a person
//! would do it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::adapters::clock;
use crate::lab::cluster::Cluster;
use crate::lab::link::{Gate, Link};
use crate::lab::process::{Nursery, Process};
use crate::lab::reserve::Reservation;
use crate::lab::{LabError, Listener};

/// The nodes of a trio.
pub const NODES: [u8; 3] = [1, 2, 3];

/// How long a command line may take; an answer from a trio that elects takes seconds.
const ASK_WITHIN: Duration = Duration::from_secs(20);

/// What the trio is to be like.
#[derive(Debug, Clone)]
pub struct TrioOptions {
    /// The `tanist` program.
    pub program: PathBuf,
    /// Settings beyond addresses and folders, as lines of TOML by section: `("act", "mode = \"auto\"")`.
    pub settings: Vec<(&'static str, String)>,
    /// Whether the nodes are told where the controllers are.
    pub controllers: Controllers,
    /// Whether the nodes are tied to the cluster's id from the start.
    pub cluster_id: Option<String>,
}

/// Whether the nodes may reach Kafka's controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// They may: observer, fencing.
    Told,
    /// Public APIs of the brokers only.
    Untold,
}

impl TrioOptions {
    /// Gives a trio that acts by itself, with times short enough for a test.
    #[must_use]
    pub fn auto(program: impl Into<PathBuf>) -> Self {
        let lines = [
            ("act", "mode = \"auto\""),
            ("act", "fence.heartbeat = true"),
            ("act", "failback_after = \"1s\""),
            ("detect", "green_after = \"1s\""),
            ("guard", "broker_cool_down = \"1s\""),
            ("guard", "cluster_cool_down = \"1s\""),
            ("guard", "demoted_for = \"1s\""),
        ];
        Self {
            program: program.into(),
            settings: lines.iter().map(|(section, line)| (*section, (*line).to_owned())).collect(),
            controllers: Controllers::Told,
            cluster_id: None,
        }
    }

    /// Adds or replaces one setting.
    #[must_use]
    pub fn with(mut self, section: &'static str, key: &str, value: &str) -> Self {
        self.settings.retain(|(other, line)| *other != section || line.split(" = ").next() != Some(key));
        self.settings.push((section, format!("{key} = {value}")));
        self
    }
}

/// Three processes, running or not.
#[derive(Debug)]
pub struct Trio {
    options: TrioOptions,
    nodes: Vec<TrioNode>,
    /// The proxy that node `.0` uses to reach node `.1`.
    links: Vec<(u8, u8, Link)>,
    nursery: Nursery,
    folder: PathBuf,
}

#[derive(Debug)]
struct TrioNode {
    id: u8,
    config: PathBuf,
    folder: PathBuf,
    process: Mutex<Option<Process>>,
    _port: Reservation,
}

/// What a command line answered.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// Reads the output as JSON.
    ///
    /// Errors: [`LabError::Command`] with what was printed instead.
    pub fn json(&self) -> Result<Value, LabError> {
        serde_json::from_str(&self.out).map_err(|error| LabError::Command {
            command: "tanist -o json".to_owned(),
            output: format!("{error}: {}{}", self.out, self.err),
        })
    }
}

impl Trio {
    /// Prepares three nodes beside `cluster` in `folder` and starts them.
    ///
    /// Errors: [`LabError`] with what the program said.
    pub async fn start(cluster: &Cluster, folder: &Path, options: TrioOptions) -> Result<Self, LabError> {
        let trio = Self::prepare(cluster, folder, options)?;
        trio.init().await?;
        for id in NODES {
            trio.begin(id)?;
        }
        Ok(trio)
    }

    /// Prepares the data directories of all nodes.
    ///
    /// Errors: [`LabError::Command`] with what the program said.
    pub async fn init(&self) -> Result<(), LabError> {
        for id in NODES {
            let said = self.run(id, &["node", "init"]).await?;
            if said.status != 0 {
                return Err(LabError::Command { command: format!("tanist node init ({id})"), output: said.err });
            }
        }
        Ok(())
    }

    /// Writes the settings of three nodes; nothing runs yet.
    ///
    /// Errors: [`LabError`] where a port or a file cannot be had.
    pub fn prepare(cluster: &Cluster, folder: &Path, options: TrioOptions) -> Result<Self, LabError> {
        let ports: Vec<Reservation> = NODES.iter().map(|_| Reservation::any()).collect::<Result<_, _>>()?;
        let mut links = Vec::new();
        for from in NODES {
            for (to, port) in NODES.iter().zip(&ports).filter(|(to, _)| **to != from) {
                links.push((from, *to, Link::open(&Handle::current(), port.address())?));
            }
        }
        let mut nodes = Vec::new();
        for (id, port) in NODES.iter().zip(ports) {
            let node_folder = folder.join(format!("n{id}"));
            fs::create_dir_all(&node_folder).map_err(LabError::file("make", &node_folder))?;
            let config = node_folder.join("tanist.toml");
            let text = settings(&Place { id: *id, folder: &node_folder, port: &port }, &links, cluster, &options);
            fs::write(&config, text).map_err(LabError::file("write", &config))?;
            nodes.push(TrioNode { id: *id, config, folder: node_folder, process: Mutex::new(None), _port: port });
        }
        Ok(Self { options, nodes, links, nursery: Nursery::start()?, folder: folder.to_owned() })
    }

    /// Gives the folder that holds everything of the trio.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the settings file of a node.
    ///
    /// Errors: [`LabError::Usage`] for a node that is none of the three.
    pub fn config(&self, id: u8) -> Result<&Path, LabError> {
        Ok(&self.node(id)?.config)
    }

    /// Gives the data directory of a node.
    ///
    /// Errors: [`LabError::Usage`] for a node that is none of the three.
    pub fn data_dir(&self, id: u8) -> Result<PathBuf, LabError> {
        Ok(self.node(id)?.folder.join("data"))
    }

    /// Starts a node's process.
    ///
    /// Errors: [`LabError`] where it cannot be started.
    pub fn begin(&self, id: u8) -> Result<(), LabError> {
        let node = self.node(id)?;
        let program = [
            self.options.program.display().to_string(),
            "run".to_owned(),
            "--config".to_owned(),
            node.config.display().to_string(),
        ];
        let process = self.nursery.spawn(&format!("tanist n{id}"), &program, &node.folder.join("log"))?;
        *lock(&node.process) = Some(process);
        Ok(())
    }

    /// Sends a signal to a node's process.
    ///
    /// Errors: [`LabError`] where that fails.
    pub fn signal(&self, id: u8, signal: Signal) -> Result<(), LabError> {
        lock(&self.node(id)?.process).as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Kills a node's process and waits until it is gone.
    ///
    /// Errors: [`LabError::Usage`] for a node that is none of the three.
    pub fn kill(&self, id: u8) -> Result<(), LabError> {
        // Dropping kills and reaps.
        drop(lock(&self.node(id)?.process).take());
        Ok(())
    }

    /// Cuts a node off from the other two (refused, both ways), or heals that.
    pub fn set_peers(&self, id: u8, gate: Gate) {
        for (_, _, link) in self.links.iter().filter(|(from, to, _)| *from == id || *to == id) {
            link.set(|mode| mode.gate = gate);
        }
    }

    /// Gives the process id of a node, if it runs.
    #[must_use]
    pub fn pid(&self, id: u8) -> Option<u32> {
        lock(&self.node(id).ok()?.process).as_ref().map(Process::pid)
    }

    /// Gives the end of a node's log.
    #[must_use]
    pub fn log_tail(&self, id: u8) -> String {
        self.node(id).map_or_else(
            |error| error.to_string(),
            |node| lock(&node.process).as_ref().map_or_else(|| "(not running)".to_owned(), Process::log_tail),
        )
    }

    /// Gives the program that the nodes run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.options.program
    }

    /// Runs one command of the program against a node and gives what it said.
    ///
    /// Errors: [`LabError::Command`] where it does not end in time.
    pub async fn run(&self, id: u8, arguments: &[&str]) -> Result<Said, LabError> {
        let mut command = Command::new(&self.options.program);
        command.args(arguments).arg("--config").arg(&self.node(id)?.config).stdin(Stdio::null());
        let spelled = arguments.join(" ");
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let failed = |output: String| LabError::Command { command: format!("tanist {spelled}"), output };
        let ended = tokio::time::timeout(ASK_WITHIN, command.output()).await;
        let ended = ended.map_err(|_| failed(format!("no answer within {ASK_WITHIN:?}")))?;
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        Ok(Said {
            status: ended.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&ended.stdout).into_owned(),
            err: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }

    /// Asks a node how things stand, as data; none where it does not answer.
    pub async fn status(&self, id: u8) -> Option<Value> {
        self.run(id, &["status", "-o", "json"]).await.ok()?.json().ok()
    }

    /// Waits until a node leads and every node that runs follows it; gives the leader.
    ///
    /// Errors: [`LabError`] with what each node logged last.
    pub async fn await_leader(&self, within: Duration) -> Result<u8, LabError> {
        let deadline = clock::now() + within;
        loop {
            let mut leaders = Vec::new();
            for id in NODES.iter().filter(|id| self.pid(**id).is_some()) {
                leaders.push(self.status(*id).await.and_then(|status| node_of(status.get("status")?.get("leader")?)));
            }
            if let Some(Some(first)) = leaders.first().copied()
                && leaders.iter().all(|leader| *leader == Some(first))
            {
                return Ok(first);
            }
            if deadline <= clock::now() {
                let tails: String = NODES.iter().map(|id| format!("n{id}:\n{}\n", self.log_tail(*id))).collect();
                return Err(LabError::Command { command: "wait for a leader of the trio".to_owned(), output: tails });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn node(&self, id: u8) -> Result<&TrioNode, LabError> {
        self.nodes.iter().find(|node| node.id == id).ok_or_else(|| LabError::Usage(format!("no node n{id}: 1, 2 or 3")))
    }
}

fn node_of(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|id| u8::try_from(id).ok())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where one node of the trio lives.
struct Place<'a> {
    id: u8,
    folder: &'a Path,
    port: &'a Reservation,
}

/// Writes the settings of one node.
fn settings(place: &Place<'_>, links: &[(u8, u8, Link)], cluster: &Cluster, options: &TrioOptions) -> String {
    let Place { id, folder, port } = *place;
    let list =
        |addresses: Vec<std::net::SocketAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut text =
        format!("[node]\nid = {id}\ndata_dir = {:?}\nlisten = \"{}\"\n", folder.join("data"), port.address());
    if let Some(cluster) = &options.cluster_id {
        let _ = writeln!(text, "cluster = {cluster:?}");
    }
    section(&mut text, "node", options);
    for peer in NODES {
        let address = links
            .iter()
            .find(|(from, to, _)| *from == id && *to == peer)
            .map_or(port.address(), |(_, _, link)| link.address());
        let _ = write!(text, "\n[[peers]]\nid = {peer}\naddress = \"{address}\"\n");
    }
    let listener = Listener::Tanist(id);
    let _ = write!(text, "\n[kafka]\nlistener = \"{listener}\"\n");
    let _ = writeln!(text, "\"bootstrap.servers\" = \"{}\"", list(cluster.bootstrap(listener)));
    if options.controllers == Controllers::Told {
        let _ = writeln!(text, "\"bootstrap.controllers\" = \"{}\"", list(cluster.controllers(listener)));
    }
    for name in ["act", "detect", "score", "guard", "audit", "adviser"] {
        let _ = write!(text, "\n[{name}]\n");
        section(&mut text, name, options);
    }
    let _ = write!(text, "\n[surface]\nsocket = {:?}\n", folder.join("sock"));
    section(&mut text, "surface", options);
    text
}

fn section(text: &mut String, name: &str, options: &TrioOptions) {
    for (_, line) in options.settings.iter().filter(|(section, _)| *section == name) {
        let _ = writeln!(text, "{line}");
    }
}
