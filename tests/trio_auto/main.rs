//! Three real nodes in mode auto beside a real cluster of three brokers and three controllers: what they do about each failure,
//! what they leave alone, and that no record acknowledged with acks=all is ever lost by it.
//!
//! One cluster for all cases but those about racks, as starting one takes longer than most of them. Those are played on another
//! while, for a minute, a broker of the first is cut off from its clients and nothing is to happen to it. A case that fails does
//! not keep the next from being tried, unless the cluster cannot be made whole again. `TANIST_CASES=kill,stop` runs those only.
//! Bounds are generous, for a machine that does other things as well; the figures are printed. Needs feature `lab`, Java and
//! (once) Maven.
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

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tanist::adapters::clock;
use tanist::lab::trio::TrioOptions;
use tanist::lab::{Cluster, ClusterOptions};

use faults::CutOff;
use stage::{Stage, fenced_off, public_apis, unregisters};

type Case = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, ()>;
type Cases = &'static [(&'static str, Case)];

macro_rules! cases {
    ($($name:literal => $case:path),* $(,)?) => {
        &[$(($name, (|stage| Box::pin($case(stage))) as Case)),*]
    };
}

/// With controllers and a fence; and after these the broker that is cut off from its clients.
const FULL: Cases = cases! {
    "kill" => faults::a_killed_leader_is_replaced_and_gets_its_partitions_back,
    "stop" => faults::a_stopped_leader_is_replaced_and_gets_its_partitions_back,
    "terminate" => restarts::an_orderly_stop_is_left_alone,
    "reborn" => restarts::a_broker_that_restarts_by_itself_is_never_fenced,
    "one-view" => limits::one_node_alone_decides_nothing,
    "warned" => limits::what_only_warns_is_told_and_nothing_is_done,
    "two-dead" => limits::two_dead_brokers_are_told_to_a_person,
    "thin" => limits::topics_with_little_redundancy_lose_nothing,
};

/// With six brokers in three racks.
const RACKS: Cases = cases! {
    "two-racks" => racks::two_dead_brokers_in_two_racks_are_left_to_a_person,
    "rack" => racks::a_dead_rack_is_replaced,
};

/// Brokers' public interfaces only.
const PUBLIC: Cases = cases! { "public" => faults::public_interfaces_alone_bring_acks_1_back };

/// With an adviser that objects, and nothing but unregistering against a dead follower.
const WIDE: Cases = cases! {
    "unregister" => wide::a_dead_broker_is_unregistered_once_a_person_overrules_the_adviser,
};

/// Tries one case, and tells what a person would look at where it fails.
async fn attempt<T>(stage: &Stage, name: &str, case: impl Future<Output = T>) -> Option<T> {
    let began = clock::now();
    let ended = AssertUnwindSafe(case).catch_unwind().await;
    println!("{name}: {} after {:?}", if ended.is_ok() { "ok" } else { "FAILED" }, began.elapsed());
    if ended.is_err() {
        stage.tell().await;
    }
    ended.ok()
}

/// Plays those of the cases that are wanted; gives the names of those that failed.
async fn play(stage: &Stage, cases: Cases) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, case) in cases.iter().filter(|(name, _)| wanted(name)) {
        if attempt(stage, name, case(stage)).await.is_none() {
            failed.push(*name);
        }
        stage.settle().await;
    }
    failed
}

/// The same, with a trio of their own.
async fn play_with(cluster: &Arc<Cluster>, options: TrioOptions, cases: Cases, name: &str) -> Vec<&'static str> {
    if !cases.iter().any(|(name, _)| wanted(name)) {
        return Vec::new();
    }
    let stage = Stage::set(cluster, options).await;
    let failed = play(&stage, cases).await;
    stage.keep_history(&format!("history-{name}.ndjson")).await;
    failed
}

/// Six brokers in three racks: a rack is replaced, and two racks are left to a person.
async fn play_racks() -> Vec<&'static str> {
    if !RACKS.iter().chain(WIDE).any(|(name, _)| wanted(name)) {
        return Vec::new();
    }
    let six = stage::cluster(ClusterOptions { brokers: 6, ..ClusterOptions::default() }).await;
    let mut failed = play_with(&six, fenced_off(), RACKS, "racks").await;
    let server = wide::objector().await;
    failed.extend(play_with(&six, unregisters(&server.base_url), WIDE, "wide").await);
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_gets_the_act_it_deserves_and_nothing_acknowledged_is_lost() {
    let _turn = alone::alone();
    let cluster = stage::cluster(ClusterOptions::default()).await;
    let mut failed = play_with(&cluster, public_apis(), PUBLIC, "public").await;
    let stage = Stage::set(&cluster, fenced_off()).await;
    failed.extend(play(&stage, FULL).await);

    let name = "reject";
    let cut = if wanted(name) { attempt(&stage, name, CutOff::cured(&stage)).await } else { None };
    let left_alone = async {
        let cut = cut?;
        attempt(&stage, name, cut.never_fenced(&stage)).await?;
        Some(cut)
    };
    let (cut, of_racks) = tokio::join!(left_alone, play_racks());
    failed.extend(of_racks);
    let healed = match cut {
        Some(cut) => attempt(&stage, name, cut.healed(&stage)).await,
        None => None,
    };
    if wanted(name) && healed.is_none() {
        failed.push(name);
    }
    stage.settle().await;
    stage.keep_history("history-fence.ndjson").await;
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[expect(clippy::disallowed_methods, reason = "a person picks cases by hand; no test depends on it")]
fn wanted(name: &str) -> bool {
    std::env::var("TANIST_CASES").map_or_else(|_| true, |names| names.split(',').any(|one| one == name))
}
