//! The model's timings against what this repository keeps of real clusters: figures are computed from the raw lines, not quoted.
//!
//! The benchmarks' runs come from machines of different speed, so that theirs is a range; the differential recordings tell spans by their
//! class. Deliberately not here: faults and acts that are played as a whole (`measured`), and what nobody recorded. Where recordings
//! contradict a timing, `timing.rs` says so and there is no check: one that is bent until it passes would tell nothing.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::model::record::{Mark, Stage as Reached};
use crate::sim::differential::script::{CHUNK_BYTES, CHUNKS};
use crate::sim::differential::{Action, Class, Company, Line, Noted, Recording, Stage, State};
use crate::sim::kafka::plan::{Settings, Version};
use crate::sim::kafka::timing::{self, Range};

const RUNS: [&str; 5] = [
    include_str!("../../../../benches/results/failover.ndjson"),
    include_str!("../../../../benches/results/failover-faster-machine.ndjson"),
    include_str!("../../../../benches/results/failover-third-machine.ndjson"),
    include_str!("../../../../benches/results/failover-third-machine-later.ndjson"),
    include_str!("../../../../benches/results/matrix.ndjson"),
];
const RELEASES: [(&str, &str); 3] = [
    ("4.3.1", include_str!("../../../../tests/differential/kafka-4.3.1.ndjson")),
    ("4.1.0", include_str!("../../../../tests/differential/kafka-4.1.0.ndjson")),
    ("3.9.1", include_str!("../../../../tests/differential/kafka-3.9.1.ndjson")),
];
/// The smaller of the benchmarks' two sizes: what each partition costs hardly shows in it.
const FEW: u32 = 6;
/// The larger one.
const MANY: u32 = 500;
/// Ample for a client of the benchmarks to find the new leader and to be answered.
const CLIENT: Duration = Duration::from_millis(250);

/// What is used here of a run of the benchmarks.
#[derive(Debug, Deserialize)]
struct Run {
    key: String,
    arm: String,
    fault: String,
    act: Option<String>,
    partitions: u32,
    act_took_ms: Option<u64>,
    oracle_took_ms: Option<u64>,
    one_worst_ms: Option<u64>,
    #[serde(default)]
    stages: Vec<Mark>,
}

impl Run {
    /// Gives how long each request that changes something took, where one step is one request.
    fn requests(&self) -> Vec<Duration> {
        match (self.arm.as_str(), self.act.as_deref()) {
            ("oracle-fence", _) => self.oracle_took_ms.map(Duration::from_millis).into_iter().collect(),
            (_, Some("evict" | "fence" | "unregister")) => {
                self.act_took_ms.map(Duration::from_millis).into_iter().collect()
            }
            ("tanist-fence", _) => self.steps(),
            _ => Vec::new(),
        }
    }

    fn steps(&self) -> Vec<Duration> {
        let mut sent = BTreeMap::new();
        let mut took = Vec::new();
        for mark in &self.stages {
            if let Reached::Sent(step) = mark.stage {
                sent.insert(step, mark.after_us);
            } else if let Reached::Answered(step) = mark.stage {
                took.push(Duration::from_micros(mark.after_us - sent[&step]));
            }
        }
        took
    }

    /// Tells whether nobody but Kafka acts on a dead or silent process.
    fn is_left_to_kafka(&self) -> bool {
        ["kill", "stop"].contains(&self.fault.as_str()) && self.act.as_deref().is_none_or(|act| act == "none")
    }
}

fn runs_of(partitions: u32) -> Vec<Run> {
    let lines = RUNS.into_iter().flat_map(str::lines);
    let runs = lines.map(|line| serde_json::from_str::<Run>(line).unwrap());
    runs.filter(|run| run.partitions == partitions).collect()
}

/// Gives how long single requests that change so many partitions took, the shortest first.
fn requests_of(partitions: u32) -> Vec<Duration> {
    let mut took: Vec<Duration> = runs_of(partitions).iter().flat_map(Run::requests).collect();
    took.sort_unstable();
    assert!(20 <= took.len(), "{took:?}");
    took
}

fn recordings() -> Vec<(&'static str, Recording)> {
    RELEASES.into_iter().map(|(kafka, text)| (kafka, Recording::read(text).unwrap())).collect()
}

fn noted(line: &Line, stage: Stage) -> Option<&Noted> {
    line.stages.iter().find(|noted| noted.stage == stage)
}

/// Gives how long what was awaited before a stage of a state took, in every cell of every release that awaited something once.
fn took(state: State, stage: Stage) -> Vec<(&'static str, Action, Class)> {
    let mut all = Vec::new();
    for (kafka, recording) in recordings() {
        for line in recording.lines.values().filter(|line| line.state == state) {
            if let Some([class]) = noted(line, stage).map(|noted| &noted.took[..]) {
                all.push((kafka, line.action, *class));
            }
        }
    }
    all
}

fn sum(parts: &[Range]) -> Range {
    parts.iter().fold((Duration::ZERO, Duration::ZERO), |(least, most), part| (least + part.0, most + part.1))
}

fn middle(range: Range) -> Duration {
    (range.0 + range.1) / 2
}

/// Gives what an asker who is connected waits for the answer to a request that changes so many partitions.
fn answer_to_a_change_of(partitions: u32) -> Range {
    let records = timing::ADMIN_PER_RECORD * partitions;
    sum(&[timing::ONE_WAY, timing::TO_CONTROLLER, timing::ADMIN_ANSWER, (records, records), timing::ONE_WAY])
}

/// The parts were split by hand; their sums were measured (least and most, in microseconds).
#[test]
fn sums_of_parts_are_what_was_measured_of_the_whole() {
    let there_and_back = |parts: &[Range]| sum(&[timing::ONE_WAY, sum(parts), timing::ONE_WAY]);
    for (what, model, least_us, most_us) in [
        ("ApiVersions", there_and_back(&[timing::PING_WORK]), 1_000, 2_000),
        ("DescribeQuorum", there_and_back(&[timing::TO_CONTROLLER, timing::QUORUM_WORK]), 5_000, 8_000),
        ("an observer", there_and_back(&[timing::TO_CONTROLLER, timing::OBSERVER_LAG]), 8_000, 39_000),
        ("a change of six partitions", answer_to_a_change_of(FEW), 50_000, 95_000),
        ("acks=all", there_and_back(&[timing::REPLICATE, timing::PING_WORK]), 2_000, 6_000),
    ] {
        let (least, most) = (Duration::from_micros(least_us), Duration::from_micros(most_us));
        assert!((least..=most).contains(&middle(model)), "{what}: {model:?}");
        assert!(least / 2 <= model.0 && model.1 <= most * 3 / 2, "{what}: {model:?}");
    }
}

#[test]
fn a_change_is_answered_as_it_was_recorded() {
    for partitions in [FEW, MANY] {
        let recorded = requests_of(partitions);
        let (least, most) = (recorded[0], recorded[recorded.len() - 1]);
        let model = answer_to_a_change_of(partitions);
        // The slowest of few runs is chance: a tenth more is none that was not measured.
        assert!(
            least <= model.0 && model.1 <= most * 11 / 10,
            "{partitions}: {model:?} is not within {least:?} to {most:?}"
        );
        let (ours, theirs) = (middle(model), recorded[recorded.len() / 2]);
        assert!(ours <= theirs * 2 && theirs <= ours * 2, "{partitions}: middle {ours:?}, recorded {theirs:?}");
    }
}

/// What was under way when the link was cut runs into its time-out: by chance at once, or half a session later.
#[test]
fn after_a_cut_from_the_controllers_a_broker_is_in_sync_as_soon_as_it_was_recorded() {
    let session = Settings::stock(Version::V4_3).session_timeout;
    let earliest = timing::OVERDUE.0 + timing::METADATA_LAG.0 + timing::EXPAND.0 + timing::ALTER.0;
    let latest = session / timing::OVERDUE_AFTER_CUT + timing::METADATA_LAG.1 + timing::REFOLLOW.1 + timing::ALTER.1;
    let returned = took(State::ControllerCut, Stage::Returned);
    assert!(50 <= returned.len(), "{returned:?}");
    for (kafka, action, class) in &returned {
        let range = Class::of(earliest)..=Class::of(latest);
        assert!(range.contains(class), "{kafka} controller-cut/{action}: {range:?}");
    }
    // Both ends were recorded.
    assert!(
        returned.iter().any(|one| one.2 == Class::of(earliest))
            && returned.iter().any(|one| one.2 == Class::of(latest))
    );
}

/// Granted once each other broker's next heartbeat says that it has read who leads now, and asked for at a pace.
#[test]
fn a_shutdown_is_granted_as_soon_as_it_was_recorded() {
    let interval = Settings::tuned(Version::V4_3).heartbeat_interval;
    let earliest = timing::HEARTBEAT.0 + timing::SHUTDOWN_ASK;
    let latest = timing::SHUTDOWN_ASK + interval * 2 + timing::METADATA_LAG.1 + timing::HEARTBEAT.1;
    let granted = took(State::Terminated, Stage::Before);
    assert!(50 <= granted.len(), "{granted:?}");
    for (kafka, action, class) in &granted {
        let range = Class::of(earliest)..=Class::of(latest);
        assert!(range.contains(class), "{kafka} terminated/{action}: {range:?}");
    }
    assert!(granted.iter().any(|one| one.2 == Class::of(latest)), "{granted:?}");
}

#[test]
fn kafka_alone_acts_after_a_session_and_at_most_one_check_of_it() {
    for (arms, settings) in
        [(["stock", "trio-dead"], Settings::stock(Version::V4_3)), (["tuned", "tuned"], Settings::tuned(Version::V4_3))]
    {
        let session = settings.session_timeout;
        let acted_on = timing::METADATA_LAG.1 + timing::LEADER_WORK * FEW;
        let earliest = session - settings.heartbeat_interval;
        let latest = session + session / timing::SESSION_CHECKS + acted_on + CLIENT;
        let runs = runs_of(FEW);
        let alone = runs.iter().filter(|run| arms.contains(&run.arm.as_str()) && run.is_left_to_kafka());
        let mut count = 0;
        for run in alone {
            let served = Duration::from_millis(run.one_worst_ms.unwrap());
            assert!((earliest..=latest).contains(&served), "{}: not within {earliest:?} to {latest:?}", run.key);
            count += 1;
        }
        assert!(20 <= count, "{arms:?}: {count} runs");
    }
}

#[test]
fn a_leader_looks_for_who_lags_as_late_as_it_was_recorded() {
    let lag = Settings::tuned(Version::V4_3).replica_lag_max;
    let range = Class::of(lag)..=Class::of(lag + lag / timing::LAG_CHECKS + timing::ALTER.1);
    let shrunk = took(State::Shrunk, Stage::Before);
    assert!(shrunk.iter().all(|(_, _, class)| range.contains(class)), "{range:?}: {shrunk:?}");
    // The lag alone would not explain them all.
    assert!(shrunk.iter().any(|(_, _, class)| class == range.end()), "{shrunk:?}");
}

/// An unregistered broker waits for no session: it is in sync as soon as its process has started, registered and caught up.
#[test]
fn a_process_that_starts_is_in_sync_as_soon_as_it_was_recorded() {
    let model = sum(&[timing::BOOT, timing::CATCH_UP_METADATA, timing::HEARTBEAT, timing::EXPAND, timing::ALTER]);
    let started = took(State::Unregistered, Stage::Restarted);
    assert!(60 <= started.len(), "{started:?}");
    for (kafka, action, class) in started {
        assert_eq!(class, Class::of(middle(model)), "{kafka} unregistered/{action}: {model:?}");
    }
}

/// What a stopped broker lacks is next to nothing, so that its whole way back is made of these.
#[test]
fn a_process_that_goes_on_is_in_sync_as_soon_as_it_was_recorded() {
    let fetched = timing::EXPAND.1.max(timing::REFOLLOW.1);
    let latest = timing::OVERDUE.1 + timing::METADATA_LAG.1 + fetched + timing::ALTER.1;
    let returned = took(State::Fenced, Stage::Returned);
    assert!(50 <= returned.len(), "{returned:?}");
    for (kafka, action, class) in returned {
        assert_eq!(class, Class::of(latest), "{kafka} fenced/{action}: {latest:?}");
    }
}

/// Broker 3 lacks both chunks of each partition (next to nothing is copied under 1 B/s), and has them within a second of the last
/// of three requests that lift the rates.
#[test]
fn a_follower_catches_up_at_least_as_fast_as_it_was_recorded() {
    let replica_3 = |line: &Line, stage, how: &str| noted(line, stage).is_some_and(|noted| noted.ends["3"] == how);
    let copies = |line: &&Line| {
        line.state == State::Throttled
            && line.action.company() == Company::Topics
            && replica_3(line, Stage::Later, "behind")
            && replica_3(line, Stage::Returned, "level")
    };
    let longest = requests_of(FEW).into_iter().max().unwrap();
    for (kafka, recording) in recordings() {
        let lines: Vec<&Line> = recording.lines.values().filter(copies).collect();
        assert!(10 <= lines.len(), "{kafka}: {} partitions", lines.len());
        for line in &lines {
            let took = noted(line, Stage::Returned).map(|noted| &noted.took[..]);
            assert_eq!(took, Some(&[Class::Second][..]), "{kafka} throttled/{}", line.action);
        }
        let chunks = u64::try_from(lines.len()).unwrap() * u64::from(CHUNKS);
        let records = chunks * u64::try_from(CHUNK_BYTES).unwrap() / timing::BYTES_PER_RECORD;
        let within = Duration::from_secs(1) + longest * 3;
        let ours = u128::from(timing::CATCH_UP_PER_S) * within.as_millis() / 1_000;
        assert!(u128::from(records) <= ours, "{kafka}: {records} records, the model copies {ours}");
    }
}

#[test]
fn growth_is_remembered_until_everybody_who_reads_has_it() {
    assert!(timing::METADATA_LAG.1 < timing::REMEMBERED);
    // What `position` tells of a fetch is no older than this.
    assert!(timing::METADATA_FETCH_WAIT < timing::REMEMBERED);
}
