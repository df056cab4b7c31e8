//! Three real nodes in mode auto beside a real cluster of three brokers and three controllers: what they do about each failure,
//! what they leave alone, and that no record acknowledged with acks=all is ever lost by it.
//!
//! One cluster for all cases but those about racks, as starting one takes longer than most of them; a case that fails does not keep the next from
//! being tried, unless the cluster cannot be made whole again. `TANIST_CASES=kill,stop` runs those only. Bounds are generous,
//! for a machine that does other things as well; the figures are printed. Needs feature `lab`, Java and (once) Maven.
#![cfg(test)]
#![cfg(feature = "lab")]

#[expect(dead_code, reason = "these cases need a server that answers, not all its ways to misbehave")]
#[path = "../adviser_mock/mod.rs"]
mod adviser_mock;
#[path = "../common/alone.rs"]
mod alone;
mod faults;
mod limits;
mod racks;
mod restarts;
mod stage;
mod wide;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tanist::adapters::clock;
use tanist::lab::trio::TrioOptions;
use tanist::lab::{Cluster, ClusterOptions};

use stage::{Stage, fenced_off, public_apis, unregisters};

type Case = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, ()>;

macro_rules! cases {
    ($($name:literal => $case:path),* $(,)?) => {
        &[$(($name, (|stage| Box::pin($case(stage))) as Case)),*]
    };
}

/// With controllers and a fence.
const FULL: &[(&str, Case)] = cases! {
    "kill" => faults::a_killed_leader_is_replaced_and_gets_its_partitions_back,
    "stop" => faults::a_stopped_leader_is_replaced_and_gets_its_partitions_back,
    "terminate" => restarts::an_orderly_stop_is_left_alone,
    "reject" => faults::a_broker_cut_off_from_clients_is_never_fenced,
    "reborn" => restarts::a_broker_that_restarts_by_itself_is_never_fenced,
    "one-view" => limits::one_node_alone_decides_nothing,
    "warned" => limits::what_only_warns_is_told_and_nothing_is_done,
    "two-dead" => limits::two_dead_brokers_are_told_to_a_person,
    "thin" => limits::topics_with_little_redundancy_lose_nothing,
};

/// With six brokers in three racks.
const RACKS: &[(&str, Case)] = cases! {
    "two-racks" => racks::two_dead_brokers_in_two_racks_are_left_to_a_person,
    "rack" => racks::a_dead_rack_is_replaced,
};

/// Brokers' public interfaces only.
const PUBLIC: &[(&str, Case)] = cases! { "public" => faults::public_interfaces_alone_bring_acks_1_back };

/// With an adviser that objects, and nothing but unregistering against a dead follower.
const WIDE: &[(&str, Case)] = cases! {
    "unregister" => wide::a_dead_broker_is_unregistered_once_a_person_overrules_the_adviser,
};

/// Plays those of the cases that are wanted, with one trio; gives the names of those that failed.
async fn play(
    cluster: &Arc<Cluster>,
    options: TrioOptions,
    cases: &'static [(&str, Case)],
    name: &str,
) -> Vec<&'static str> {
    let chosen: Vec<_> = cases.iter().filter(|(name, _)| wanted(name)).collect();
    let mut failed = Vec::new();
    if chosen.is_empty() {
        return failed;
    }
    let stage = Stage::set(cluster, options).await;
    for (name, case) in chosen {
        let began = clock::now();
        let ended = AssertUnwindSafe(case(&stage)).catch_unwind().await;
        println!("{name}: {} after {:?}", if ended.is_ok() { "ok" } else { "FAILED" }, began.elapsed());
        if ended.is_err() {
            failed.push(*name);
            stage.tell().await;
        }
        stage.settle().await;
    }
    stage.keep_history(&format!("history-{name}.ndjson")).await;
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_gets_the_act_it_deserves_and_nothing_acknowledged_is_lost() {
    let _turn = alone::alone();
    let cluster = stage::cluster(ClusterOptions::default()).await;
    let mut failed = play(&cluster, fenced_off(), FULL, "fence").await;
    failed.extend(play(&cluster, public_apis(), PUBLIC, "public").await);
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_six_brokers_in_three_racks_a_rack_is_replaced_and_two_racks_are_left_to_a_person() {
    if !RACKS.iter().chain(WIDE).any(|(name, _)| wanted(name)) {
        return;
    }
    let _turn = alone::alone();
    let six = stage::cluster(ClusterOptions { brokers: 6, ..ClusterOptions::default() }).await;
    let mut failed = play(&six, fenced_off(), RACKS, "racks").await;
    let server = wide::objector().await;
    failed.extend(play(&six, unregisters(&server.base_url), WIDE, "wide").await);
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[expect(clippy::disallowed_methods, reason = "a person picks cases by hand; no test depends on it")]
fn wanted(name: &str) -> bool {
    std::env::var("TANIST_CASES").map_or_else(|_| true, |names| names.split(',').any(|one| one == name))
}
