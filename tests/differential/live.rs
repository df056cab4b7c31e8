//! Some cells on a real cluster, held against the recording: it still says what Kafka does.

use tanist::lab::differential::play_on_one;
use tanist::sim::differential::{Action, Batch, Company, Ground, State, compare};

use crate::alone::alone;
use crate::{recording_of, report};

const KAFKA: &str = "4.3.1";
/// One of each kind of trouble that is over soon, and the acts that Tanist relies on most.
const LIVE: [(State, Company); 5] = [
    (State::Healthy, Company::Fences),
    (State::ClientFrozen, Company::Topics),
    (State::Shrunk, Company::Fences),
    (State::Fenced, Company::Unregisters),
    (State::Deleted, Company::Topics),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_kafka_still_does_what_was_recorded() {
    let _turn = alone();
    let live = |batch: &Batch| LIVE.contains(&(batch.state, batch.company));
    let batches: Vec<Batch> = Batch::all().into_iter().filter(live).collect();
    let cells: Vec<Action> = batches.iter().flat_map(|batch| batch.cells.clone()).collect();
    assert!(8 <= cells.len(), "{cells:?}");
    let recording = recording_of(KAFKA);
    let mut found = Vec::new();
    for played in play_on_one(KAFKA, Ground::Tuned, &batches).await.unwrap() {
        let recorded = &recording.lines[&(played.state, played.action)];
        found.extend(compare::differences(recorded, &played).into_iter().map(|one| (0, one)));
    }
    assert!(found.is_empty(), "{}", report(KAFKA, &found));
}
