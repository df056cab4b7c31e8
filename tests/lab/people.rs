//! What a person does by hand: `tanist-lab up`, `fault`, `heal`, `down`; and what is left when the lab is killed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::Acks;
use tanist::lab::client::Probe;
use tanist::lab::control::Description;
use tanist::lab::{Cluster, ClusterOptions, Listener, Roles, TopicPlan};

use crate::alone::alone;

const PATIENCE: Duration = Duration::from_secs(180);

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tanist-lab")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn alive(pid: u32) -> bool {
    // A zombie is dead, too: nobody but its parent's heir has yet to notice.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until(awaited: &str, mut holds: impl FnMut() -> bool) {
    let end = clock::now() + PATIENCE;
    while !holds() {
        assert!(clock::now() < end, "{awaited}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_breaks_and_heals_by_hand_and_nothing_outlives_a_killed_lab() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    // It dies with this test's thread, should an assertion end that before the lab is killed on purpose.
    let mut up = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_tanist-lab")])
        .args(["up", "--kafka", "4.1.0", "--combined", "--tuned", "--dir", dir])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the cluster comes up", || {
        assert!(up.try_wait().unwrap().is_none(), "tanist-lab up ended");
        Description::read(Path::new(dir)).is_ok()
    })
    .await;
    let description = Description::read(Path::new(dir)).unwrap();
    assert_eq!(description.kafka, "4.1.0");
    let pids: Vec<u32> = description.brokers.iter().map(|one| one.pid.unwrap()).collect();
    assert_eq!(pids.len(), 3);

    let made = lab(&["topic", dir, "orders", "--partitions", "3", "--leader", "b2"]);
    assert!(made.status.success(), "{}", said(&made));
    let done = lab(&["fault", dir, "kill b1"]);
    assert!(done.status.success(), "{}", said(&done));
    until("b1 is dead", || !alive(pids[0])).await;
    let passing = lab(&["fault", dir, "client-cut b2", "--after", "10ms", "--lasting", "50ms"]);
    assert!(said(&passing).contains("on and healed: client-cut b2"), "{}", said(&passing));
    let refused = lab(&["fault", dir, "disk-freeze b2"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("plain folder"), "{}", said(&refused));
    assert_eq!(lab(&["fault", dir, "maim b2"]).status.code(), Some(2), "nonsense is a matter of usage");
    assert!(said(&lab(&["status", dir])).contains("faults on: kill b1"));
    let healed = lab(&["heal", dir]);
    assert!(said(&healed).contains("healed: kill b1"), "{}", said(&healed));
    let reborn = Description::read(Path::new(dir)).unwrap().brokers[0].pid.unwrap();
    assert_ne!(reborn, pids[0]);

    up.kill().unwrap();
    up.wait().unwrap();
    until("every broker has died with the lab", || ![reborn, pids[1], pids[2]].into_iter().any(alive)).await;
    assert_eq!(lab(&["status", "/nowhere"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_3_9_starts_and_serves_too() {
    let _turn = alone();
    let options = ClusterOptions { kafka: "3.9.1".to_owned(), roles: Roles::Combined, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let brokers = cluster.brokers();
    cluster.create_topic(&TopicPlan::led_by("orders", brokers[0], 3, &brokers)).await.unwrap();
    let probe = Probe::new(cluster.bootstrap(Listener::Tanist(1)), "orders", 3);
    let served = probe.first_success(Acks::All, clock::now(), Duration::from_secs(20)).await;
    assert!(served.worst().is_some(), "{served:?}");
}
