//! What people get wrong: each mistake is one clear message, the right exit status, and nothing is changed.

use std::fs;
use std::path::Path;

use prost::Message as _;
use redb::ReadableTable as _;
use sha2::{Digest as _, Sha256};
use tanist::consensus::wire::StoredIdentity;
use tanist::lab::trio::Trio;

use crate::desk::options;
use crate::ground::{PATIENCE, on_ground};

/// Runs a command of node `id` that must fail with this status and name each of `wanted`.
async fn fails(trio: &Trio, id: u8, command: &[&str], status: i32, wanted: &[&str]) {
    let said = tokio::time::timeout(PATIENCE, trio.run(id, command)).await.unwrap().unwrap();
    let text = format!("{}{}", said.out, said.err);
    println!("{command:?} ends with {}: {}", said.status, text.trim());
    assert_eq!(said.status, status, "{command:?}: {text}");
    for word in wanted {
        assert!(text.contains(word), "{command:?} does not name {word:?}: {text}");
    }
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    // What is logged on the way has its own lines; the failure itself is one.
    assert_eq!(said.err.lines().filter(|line| line.starts_with("tanist: ")).count(), 1, "{}", said.err);
}

/// Changes one piece of a node's settings.
fn edit(config: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(config).unwrap();
    assert!(text.contains(from), "{from:?} stands in {text}");
    fs::write(config, text.replacen(from, to, 1)).unwrap();
}

/// The format of a data directory that this version writes.
const OURS: u32 = 1;

/// Leaves a node's store as a version with this format would have written it.
fn write_as_of_another_version(data_dir: &Path, format: u32) {
    let key = "identity";
    let state: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("state");
    let database = redb::Database::open(data_dir.join("raft/raft.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut rows = transaction.open_table(state).unwrap();
        let sealed = rows.get(key).unwrap().unwrap().value().to_vec();
        // A value is followed by a digest of eight bytes over the length of its key, its key, and itself.
        let mut identity = StoredIdentity::decode(&sealed[..sealed.len() - 8]).unwrap();
        identity.format_version = format;
        let bytes = identity.encode_to_vec();
        let length = u64::try_from(key.len()).unwrap().to_be_bytes();
        let digest = Sha256::new().chain_update(length).chain_update(key).chain_update(&bytes).finalize();
        rows.insert(key, [&bytes[..], &digest[..8]].concat().as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn each_mistake_in_the_setting_up_is_one_clear_message() {
    on_ground(async |ground| {
        let folder = tempfile::tempdir().unwrap();
        let trio = Trio::prepare(&ground.cluster, folder.path(), options("auto")).unwrap();
        let config = trio.config(1).unwrap();
        let good = fs::read_to_string(config).unwrap();
        fails(&trio, 1, &["run"], 2, &["node init", "node rejoin"]).await;

        edit(config, "failback_after", "failback_aftr");
        let file = config.display().to_string();
        fails(&trio, 1, &["run"], 2, &[&file, "failback_aftr", "failback_after"]).await;
        fails(&trio, 1, &["config", "check", &file], 2, &["failback_aftr"]).await;
        fs::write(config, &good).unwrap();
        edit(config, "mode = \"auto\"", "mode = \"always\"");
        fails(&trio, 1, &["config", "check", &file], 2, &["act.mode", "always", "observe"]).await;
        fs::write(config, &good).unwrap();

        // A port that is bound and does not listen: nobody is there, and nobody else can come.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let servers = good.lines().find(|line| line.starts_with("\"bootstrap.servers\"")).unwrap();
        edit(config, servers, &format!("\"bootstrap.servers\" = \"{nobody}\""));
        fails(&trio, 1, &["node", "init"], 3, &["bootstrap.servers"]).await;
        assert!(!trio.data_dir(1).unwrap().exists(), "nothing is left of an init that failed");
        fs::write(config, &good).unwrap();

        assert_eq!(trio.run(1, &["node", "init"]).await.unwrap().status, 0);
        fails(&trio, 1, &["node", "init"], 2, &["not empty"]).await;
        edit(config, "id = 1\n", "id = 1\ncluster = \"AAAAAAAAAAAAAAAAAAAAAA\"\n");
        fails(&trio, 1, &["run"], 2, &[ground.cluster.cluster_id(), "AAAAAAAAAAAAAAAAAAAAAA", "node.cluster"]).await;
        fs::write(config, &good).unwrap();

        let first = trio.data_dir(1).unwrap().display().to_string();
        let second = trio.data_dir(2).unwrap().display().to_string();
        let others = trio.config(2).unwrap();
        let good_second = fs::read_to_string(others).unwrap();
        edit(others, &second, &first);
        fails(&trio, 2, &["run"], 2, &["belongs to node", "node.data_dir"]).await;
        fs::write(others, good_second).unwrap();

        write_as_of_another_version(&trio.data_dir(1).unwrap(), OURS + 1);
        fails(&trio, 1, &["run"], 2, &[&first, "has format 2", "reads 1"]).await;
        write_as_of_another_version(&trio.data_dir(1).unwrap(), OURS);

        let listen = good.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        edit(config, &format!("listen = {listen}"), &format!("listen = {address:?}"));
        fails(&trio, 1, &["run"], 2, &[&address, "in use"]).await;
        fs::write(config, &good).unwrap();
        fails(&trio, 1, &["status"], 3, &["sock"]).await;
    });
}
