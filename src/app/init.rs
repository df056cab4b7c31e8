//! `tanist node init` and `tanist node rejoin`: an empty data directory becomes one node's.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;
use uuid::Uuid;

use crate::adapters::kafka::wire::{Connection, Options, Rights, TopicFilter, WireError};
use crate::adapters::store::redb_log::{Owner, RaftStore};
use crate::config::{HostPort, Settings};
use crate::consensus::{Members, Recovered};
use crate::model::ids::ClusterId;
use crate::render;
use crate::surface::cli::Output;
use crate::surface::exit::{ExitStatus, Failure};

use super::{CLUSTER_FILE, endpoints, node, raft_dir};

/// How long Kafka may take to say which cluster it is.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Prepares the directory of a node of a new trio.
pub(super) async fn init(settings: &Settings, output: Output) -> anyhow::Result<ExitStatus> {
    let (cluster, life) = (cluster_of(settings).await?, *Uuid::new_v4().as_bytes());
    refuse_if_known(settings, &cluster, life).await?;
    let voters = Members::voters(settings.peers.iter().map(|peer| peer.id));
    prepare(settings, &cluster, life, &Recovered::first_members(voters))?;
    let words = format!(
        "{} is ready for node {} beside Kafka cluster {cluster}",
        settings.node.data_dir.display(),
        settings.node.id
    );
    say(settings, &cluster, words, output)
}

/// Prepares the directory of a node that waits until the trio admits it under its new id.
pub(super) async fn rejoin(settings: &Settings, output: Output) -> anyhow::Result<ExitStatus> {
    let (cluster, life) = (cluster_of(settings).await?, *Uuid::new_v4().as_bytes());
    refuse_if_known(settings, &cluster, life).await?;
    prepare(settings, &cluster, life, &Recovered::waiting_to_be_admitted())?;
    let words = format!(
        "{} is ready: node {} will be admitted as a learner once it runs, and votes when it has caught up",
        settings.node.data_dir.display(),
        settings.node.id
    );
    say(settings, &cluster, words, output)
}

fn say(settings: &Settings, cluster: &ClusterId, words: String, output: Output) -> anyhow::Result<ExitStatus> {
    let text = match output {
        Output::Table => format!("{words}\n"),
        Output::Json => {
            let (node, dir) = (settings.node.id, settings.node.data_dir.display().to_string());
            let content = serde_json::json!({ "node": node, "cluster": cluster, "data_dir": dir, "words": words });
            render::machine::line("prepared", content)
        }
    };
    write!(std::io::stdout(), "{text}")?;
    Ok(ExitStatus::Yes)
}

fn prepare(settings: &Settings, cluster: &ClusterId, life: [u8; 16], first: &Recovered) -> anyhow::Result<()> {
    let dir = &settings.node.data_dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let owner = Owner { cluster: cluster.clone(), node: settings.node.id };
    RaftStore::init(&raft_dir(settings), &owner, life, first)?;
    let file = dir.join(CLUSTER_FILE);
    std::fs::write(&file, format!("{cluster}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// Gives the cluster of the settings, else the one that the brokers name.
async fn cluster_of(settings: &Settings) -> anyhow::Result<ClusterId> {
    if let Some(cluster) = &settings.node.cluster {
        return Ok(cluster.clone());
    }
    cluster_at(&settings.kafka.bootstrap_servers).await.map_err(|why| {
        let what = format!(
            "no broker of kafka.\"bootstrap.servers\" says which cluster it belongs to ({why}): start Kafka, correct the \
             addresses, or set node.cluster"
        );
        Failure { status: ExitStatus::Unreachable, what }.into()
    })
}

/// Gives the cluster that the first broker that answers belongs to.
///
/// Errors: why none of them says it.
pub(super) async fn cluster_at(bootstrap: &[HostPort]) -> Result<ClusterId, String> {
    let mut last = None;
    for peer in endpoints(bootstrap) {
        let asked = async {
            let connection = Connection::open(&peer, &Options::new(Rights::ReadOnly)).await?;
            Ok::<_, WireError>(connection.topology(TopicFilter::Brokers, ASK_WITHIN).await?.body.cluster_id)
        };
        match asked.await {
            Ok(Some(id)) => return Ok(ClusterId(id)),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| "none of them names its cluster".to_owned(), |error| error.to_string()))
}

/// Refuses an id that a running peer has met with another data directory: its votes may still count.
///
/// The life that is shown here is the one that the directory is then made with, so that a peer that meets this node here for
/// the first time keeps the right one.
async fn refuse_if_known(settings: &Settings, cluster: &ClusterId, life: [u8; 16]) -> anyhow::Result<()> {
    let others = settings.peers.iter().filter(|peer| peer.id != settings.node.id);
    let met =
        join_all(others.map(|peer| async move { (peer.id, node::is_refused(settings, cluster, life, peer).await) }))
            .await;
    match met.into_iter().find_map(|(peer, refused)| refused.map(|why| (peer, why))) {
        None => Ok(()),
        Some((peer, why)) => Err(Failure {
            status: ExitStatus::No,
            what: format!(
                "node {peer} refuses node {}: {why}. If its data directory was lost, take a new id in the settings of all \
                 three nodes and run `tanist node rejoin`",
                settings.node.id
            ),
        }
        .into()),
    }
}
