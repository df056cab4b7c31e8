//! An operator's desk: a trio, and what is asked of it in every case.

use std::time::Duration;

use serde_json::Value;
use tanist::adapters::clock;
use tanist::lab::trio::{NODES, Said, Trio, TrioOptions};
use tempfile::TempDir;

use crate::ground::{Ground, PATIENCE, VICTIM, until};

/// Generous: three processes of an unoptimised build, six Java machines and two cores.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Desk {
    pub(crate) trio: Trio,
    _folder: TempDir,
}

/// Gives a trio in this mode, tied to the cluster of the ground.
pub(crate) fn options(mode: &str) -> TrioOptions {
    TrioOptions::auto(env!("CARGO_BIN_EXE_tanist")).with("act", "mode", &format!("{mode:?}"))
}

impl Desk {
    pub(crate) async fn open(ground: &Ground, options: TrioOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trio = Trio::start(&ground.cluster, folder.path(), options).await.unwrap();
        Self { trio, _folder: folder }
    }

    /// Opens a desk whose third node has one more line under `[surface]`.
    pub(crate) async fn open_with_third(ground: &Ground, options: TrioOptions, line: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trio = Trio::prepare(&ground.cluster, folder.path(), options).unwrap();
        let config = trio.config(3).unwrap();
        let text = std::fs::read_to_string(config).unwrap();
        std::fs::write(config, format!("{text}{line}\n")).unwrap();
        Self::begin(trio, folder).await
    }

    /// Prepares and starts the nodes of a trio that has its settings.
    pub(crate) async fn begin(trio: Trio, folder: TempDir) -> Self {
        let desk = Self { trio, _folder: folder };
        for id in NODES {
            desk.says(id, &["node", "init"], 0).await;
            desk.trio.begin(id).unwrap();
        }
        desk
    }

    /// Runs a command against a node.
    pub(crate) async fn ask(&self, id: u8, command: &[&str]) -> Said {
        let said = self.trio.run(id, command).await.unwrap();
        assert!(!said.err.contains("panicked"), "{command:?}: {}", said.err);
        said
    }

    /// Runs a command that must end with this status.
    pub(crate) async fn says(&self, id: u8, command: &[&str], status: i32) -> Said {
        let said = self.ask(id, command).await;
        assert_eq!(said.status, status, "n{id} {command:?}: {}{}", said.out, said.err);
        said
    }

    /// Gives a node's status as data.
    pub(crate) async fn status(&self, id: u8) -> Option<Value> {
        self.trio.status(id).await.map(|answer| answer["status"].clone())
    }

    /// Waits until a node leads, all follow, and every node sees every broker well and the victim lead; gives the leader and a
    /// follower.
    pub(crate) async fn settled(&self) -> (u8, u8) {
        self.settled_with(1).await
    }

    /// The same, where there is no topic yet.
    pub(crate) async fn settled_without_topic(&self) -> (u8, u8) {
        self.settled_with(0).await
    }

    async fn settled_with(&self, led: u64) -> (u8, u8) {
        let seen_by_all = |broker: &Value| {
            let seen = broker["seen"].as_object();
            seen.is_some_and(|seen| seen.len() == NODES.len() && seen.values().all(|one| one["light"] == "green"))
        };
        let mut last = Value::Null;
        let end = clock::now() + SETTLED_WITHIN;
        loop {
            let leader = self.trio.await_leader(SETTLED_WITHIN).await.unwrap();
            if let Some(status) = self.status(leader).await {
                let brokers = status["brokers"].as_array().cloned().unwrap_or_default();
                let leads = brokers.iter().any(|one| one["id"] == VICTIM.0 && Some(led) <= one["leads"].as_u64());
                if brokers.len() == 3 && leads && brokers.iter().all(seen_by_all) {
                    return (leader, NODES.into_iter().find(|id| *id != leader).unwrap());
                }
                last = status;
            }
            assert!(clock::now() < end, "not settled: {last:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives the newest records of a node, oldest first, each with its index.
    pub(crate) async fn records(&self, id: u8) -> Vec<Value> {
        let said = self.says(id, &["audit", "list", "--last", "200", "-o", "json"], 0).await;
        said.json().unwrap()["records"].as_array().cloned().unwrap_or_default()
    }

    /// Waits for a record that fits.
    pub(crate) async fn await_record(&self, id: u8, awaited: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(awaited, PATIENCE, async || self.records(id).await.into_iter().find(|entry| fits(entry))).await
    }

    /// Tells how many intents the node's history holds.
    pub(crate) async fn intents(&self, id: u8) -> usize {
        self.records(id).await.iter().filter(|entry| verdict(entry) == Some("act")).count()
    }

    /// Waits until a node follows another leader than this one; gives it.
    pub(crate) async fn another_leads(&self, asked: u8, before: u8) -> u8 {
        until("another node leads", PATIENCE, async || {
            let leader = self.status(asked).await?["leader"].as_u64()?;
            (leader != u64::from(before)).then(|| u8::try_from(leader).unwrap())
        })
        .await
    }

    /// Waits until a node's history ends where another's does, hash for hash.
    pub(crate) async fn await_same_head(&self, id: u8, other: u8) {
        until("equal heads", PATIENCE, async || {
            let (this, that) = (self.status(id).await?, self.status(other).await?);
            let whole = this["audit"]["hash"].is_string() && this["audit"]["hash"] == that["audit"]["hash"];
            (whole && self.ask(id, &["audit", "verify"]).await.status == 0).then_some(())
        })
        .await;
    }
}

/// Gives the kind of a record's body.
pub(crate) fn kind(entry: &Value) -> &str {
    let body = &entry["record"]["body"];
    body.as_str().or_else(|| body.as_object()?.keys().next().map(String::as_str)).unwrap_or_default()
}

/// Gives what a decision says is to follow; none for other records.
pub(crate) fn verdict(entry: &Value) -> Option<&str> {
    let verdict = entry["record"]["body"].get("decided")?.get("verdict")?;
    verdict.as_str().or_else(|| verdict.as_object()?.keys().next().map(String::as_str))
}

/// Tells whether a record says that an intent ended well.
pub(crate) fn is_done(entry: &Value) -> bool {
    entry["record"]["body"]["outcome"]["end"] == "done"
}

/// Tells whether a decision does nothing because automation is paused.
pub(crate) fn is_held_by_pause(entry: &Value) -> bool {
    verdict(entry) == Some("nothing") && entry["record"]["body"]["decided"]["verdict"].to_string().contains("paused")
}
