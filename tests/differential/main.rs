//! The differential suite: the model of Kafka against what real Kafka was recorded to do, cell by cell; and some cells live.
//!
//! Recordings are made by `make differential`.
#![cfg(test)]

#[cfg(feature = "lab")]
#[path = "../common/alone.rs"]
mod alone;
#[cfg(feature = "lab")]
mod live;
mod model;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use tanist::sim::differential::compare::{self, Difference};
use tanist::sim::differential::recording::Noted;
use tanist::sim::differential::{Action, Batch, Recording, State, allowance, table};

const RELEASES: [&str; 3] = ["4.3.1", "4.1.0", "3.9.1"];
/// Chance differs from seed to seed, what Kafka's rules say does not.
const SEEDS: u64 = 3;

fn text_of(kafka: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/differential/kafka-{kafka}.ndjson"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn recording_of(kafka: &str) -> Recording {
    Recording::read(&text_of(kafka)).unwrap()
}

/// Tells what differs, the commonest kinds first, at most so many lines.
fn report(kafka: &str, found: &[(u64, Difference)]) -> String {
    let mut kinds: BTreeMap<(&str, State), usize> = BTreeMap::new();
    for (_, difference) in found {
        *kinds.entry((difference.field.name(), difference.state)).or_default() += 1;
    }
    let mut text = format!("{kafka}: {} difference(s): {kinds:?}\n", found.len());
    for (seed, difference) in found.iter().take(LINES_MAX) {
        writeln!(text, "seed {seed}: {difference}").unwrap();
    }
    text
}

const LINES_MAX: usize = 400;

fn the_model_does_what_was_recorded(kafka: &str) {
    let recording = recording_of(kafka);
    let mut found = Vec::new();
    for batch in Batch::all() {
        for seed in 1..=SEEDS {
            for played in model::play(model::version(kafka), &batch, seed) {
                // Whether all are there is another test's question.
                let Some(recorded) = recording.lines.get(&(played.state, played.action)) else { continue };
                found.extend(compare::differences(recorded, &played).into_iter().map(|one| (seed, one)));
            }
        }
    }
    assert!(found.is_empty(), "{}", report(kafka, &found));
}

#[test]
fn the_model_does_what_kafka_4_3_1_did() {
    the_model_does_what_was_recorded("4.3.1");
}

#[test]
fn the_model_does_what_kafka_4_1_0_did() {
    the_model_does_what_was_recorded("4.1.0");
}

#[test]
fn the_model_does_what_kafka_3_9_1_did() {
    the_model_does_what_was_recorded("3.9.1");
}

#[test]
fn every_cell_is_recorded_or_empty_for_a_reason() {
    for kafka in RELEASES {
        let recording = recording_of(kafka);
        for state in State::ALL {
            for action in Action::ALL {
                let played = table::reason_empty(state, action).is_none();
                let recorded = recording.lines.contains_key(&(state, action));
                assert_eq!(played, recorded, "{kafka} {state}/{action}: played by the table, against recorded");
            }
        }
    }
}

#[test]
fn a_recording_is_written_as_it_was_read() {
    for kafka in RELEASES {
        let text = text_of(kafka);
        assert_eq!(Recording::read(&text).unwrap().write().unwrap(), text, "{kafka}");
    }
}

#[test]
fn a_recording_of_another_release_is_told_from_the_right_one() {
    let recording = recording_of("4.3.1");
    let batch = Batch::all().into_iter().find(|batch| batch.state == State::Shrunk).unwrap();
    let played = model::play(model::version("3.9.1"), &batch, 1);
    let found: Vec<Difference> = played
        .iter()
        .filter_map(|played| Some(compare::differences(recording.lines.get(&(played.state, played.action))?, played)))
        .flatten()
        .collect();
    assert!(!found.is_empty(), "without ELR nobody leads after the ISR has shrunk and the leader is fenced");
}

#[test]
fn a_lie_in_any_field_of_any_cell_is_found_out() {
    let recording = recording_of("4.3.1");
    for line in recording.lines.values() {
        for stage in 0..line.stages.len() {
            for lie in LIES {
                let mut lying = line.clone();
                if lie(&mut lying.stages[stage]) {
                    let found = compare::differences(line, &lying);
                    assert!(!found.is_empty(), "{}/{} {}", line.state, line.action, line.stages[stage].stage);
                }
            }
        }
    }
}

/// Each changes one field if it is there, and tells whether it was.
const LIES: &[fn(&mut Noted) -> bool] = &[
    |noted| noted.answers.first_mut().map(|answer| answer.push('!')).is_some(),
    |noted| {
        let changed = !noted.path.is_empty();
        if changed {
            noted.path = vec!["nothing that was ever seen".to_owned()];
        }
        changed
    },
    |noted| {
        noted.moving = Some("adding 4, removing -".to_owned());
        true
    },
    |noted| map_lies(&mut noted.brokers),
    |noted| map_lies(&mut noted.pulse),
    |noted| map_lies(&mut noted.lists),
    |noted| map_lies(&mut noted.views),
    |noted| map_lies(&mut noted.one),
    |noted| map_lies(&mut noted.all),
    |noted| map_lies(&mut noted.ends),
];

fn map_lies(map: &mut BTreeMap<String, String>) -> bool {
    map.values_mut().next_back().map(|text| *text = "nothing that was ever seen".to_owned()).is_some()
}

#[test]
fn every_allowance_is_about_something_that_is_recorded() {
    for allowance in allowance::ALLOWANCES {
        let about = RELEASES.iter().any(|kafka| {
            recording_of(kafka).lines.values().any(|line| {
                let stages = line.stages.iter().map(|noted| noted.stage);
                stages.into_iter().any(|stage| allowance.is_about(line.state, line.action, stage))
            })
        });
        assert!(about, "{allowance:?}");
        assert!(!allowance.reason.is_empty() && !allowance.texts.is_empty(), "{allowance:?}");
    }
}
