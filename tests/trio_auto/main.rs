//! Three real nodes in mode auto beside a real cluster of three brokers and three controllers: what they do about each failure,
//! what they leave alone, and that no record acknowledged with acks=all is ever lost by it.
//!
//! One cluster for all cases, as starting one takes longer than most of them; a case that fails does not keep the next from
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
mod restarts;
mod stage;
mod wide;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tanist::adapters::clock;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use stage::{Stage, fenced_off, public_apis};
use tanist::lab::Cluster;
use tanist::lab::trio::TrioOptions;

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
    "two-dead" => limits::two_dead_brokers_are_told_to_a_person,
    "thin" => limits::topics_with_little_redundancy_lose_nothing,
};

/// Brokers' public interfaces only.
const PUBLIC: &[(&str, Case)] = cases! { "public" => faults::public_interfaces_alone_bring_acks_1_back };

/// Six brokers in three racks, an adviser that objects, and nothing but unregistering against a dead follower.
const WIDE: &[(&str, Case)] = cases! {
    "unregister" => wide::a_dead_broker_is_unregistered_once_a_person_overrules_the_adviser,
    "racks" => wide::a_dead_rack_is_acted_on_and_a_second_one_is_a_persons_business,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_gets_the_act_it_deserves_and_nothing_acknowledged_is_lost() {
    let _turn = alone::alone();
    let mut failed = Vec::new();
    if FULL.iter().chain(PUBLIC).any(|(name, _)| wanted(name)) {
        let cluster = stage::cluster(3).await;
        failed.extend(play(&cluster, fenced_off(), FULL).await);
        failed.extend(play(&cluster, public_apis(), PUBLIC).await);
    }
    if WIDE.iter().any(|(name, _)| wanted(name)) {
        let server = wide::objector().await;
        failed.extend(play(&stage::cluster(6).await, stage::unregisters(&server.base_url), WIDE).await);
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Plays the wanted cases with one trio; gives those that failed.
async fn play(cluster: &Arc<Cluster>, options: TrioOptions, cases: &[(&'static str, Case)]) -> Vec<&'static str> {
    let mut failed = Vec::new();
    let chosen: Vec<_> = cases.iter().filter(|(name, _)| wanted(name)).collect();
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
    failed
}

#[expect(clippy::disallowed_methods, reason = "a person picks cases by hand; no test depends on it")]
fn wanted(name: &str) -> bool {
    std::env::var("TANIST_CASES").map_or_else(|_| true, |names| names.split(',').any(|one| one == name))
}
