//! Three real nodes in mode auto beside a real cluster of three brokers and three controllers: what they do about each failure,
//! what they leave alone, and that no record acknowledged with acks=all is ever lost by it.
//!
//! One cluster for all cases, as starting one takes longer than most of them; a case that fails does not keep the next from
//! being tried, unless the cluster cannot be made whole again. `TANIST_CASES=kill,stop` runs those only. Bounds are generous,
//! for a machine that does other things as well; the figures are printed. Needs feature `lab`, Java and (once) Maven.
#![cfg(test)]
#![cfg(feature = "lab")]

#[path = "../common/alone.rs"]
mod alone;
mod faults;
mod limits;
mod restarts;
mod stage;

use std::panic::AssertUnwindSafe;
use tanist::adapters::clock;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use stage::{Stage, fenced_off, public_apis};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_gets_the_act_it_deserves_and_nothing_acknowledged_is_lost() {
    let _turn = alone::alone();
    let cluster = stage::cluster().await;
    let mut failed = Vec::new();
    for (options, cases) in [(fenced_off(), FULL), (public_apis(), PUBLIC)] {
        let chosen: Vec<_> = cases.iter().filter(|(name, _)| wanted(name)).collect();
        if chosen.is_empty() {
            continue;
        }
        let stage = Stage::set(&cluster, options).await;
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
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[expect(clippy::disallowed_methods, reason = "a person picks cases by hand; no test depends on it")]
fn wanted(name: &str) -> bool {
    std::env::var("TANIST_CASES").map_or_else(|_| true, |names| names.split(',').any(|one| one == name))
}
